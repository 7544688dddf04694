"""The start of a network: outputs that are 0, and gradients whose products are the tangent kernel (sections 2.3, 2.5).

The gradients are taken by automatic differentiation of ``h(x) = <u, sigma(W x)>``, so that what is measured is the
definition ``tk_W(x, z) = <grad h(x), grad h(z)> / (2 q B^2)``, and what it is compared with is the formula.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from pydantic import Field

from tightwidth import activations, network
from tightwidth.activations import Activation
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import sphere_points
from tightwidth.tangent_kernel import ntk

COSINES = (-0.9, -0.6, -0.3, 0.3, 0.6, 0.9, 1.0)  # at 0 the hidden part is 0 whatever the weights are
N_OUTPUTS = 64


class InitializationConfig(Config):
    """Hold what decides the start of a network."""

    n_features: int = Field(default=8, ge=2, description="d, the dimension of the points")
    n_pairs: int = Field(default=64, ge=1, description="q, the number of pairs of neurons")
    output_scale: float = Field(default=3.0, gt=0, lt=math.inf, description="B, the size of the output weights")
    activation: str = Field(default="relu", description="sigma, by name")


@functools.partial(jax.jit, static_argnames="activation")
def gradients(
    W: Float[Array, "two_q d"], u: Float[Array, " two_q"], X: Float[Array, "m d"], activation: Activation
) -> tuple[Float[Array, "m two_q d"], Float[Array, "m two_q"]]:
    """Return the gradients of ``<u, sigma(W x)>`` in W and in u at every point, by automatic differentiation."""

    def h(W: Array, u: Array, x: Array) -> Array:
        return jnp.dot(u, activation.sigma(W @ x))

    return jax.vmap(jax.grad(h, argnums=(0, 1)), (None, None, 0))(W, u, X)


def measure(config: InitializationConfig) -> Values:
    """Return the largest output at the start, and both parts of the kernel, sampled and by the formula."""
    d, q, B = config.n_features, config.n_pairs, config.output_scale
    sigma, key = activations.get(config.activation), jax.random.key(config.seed)
    points = sphere_points(N_OUTPUTS, d, config.seed)
    start = network.init_plain(key, d=d, q=q, B=B, activation=sigma)
    others = [network.init(key, d=d, q=q, B=scale, activation=sigma) for scale in (B, math.inf)]
    outputs = [network.predict(form, points) for form in (start, *others)]
    x, Z = _at_cosines(points[:2].astype(np.float64))
    with jax.enable_x64(True):
        W, u, X = (jnp.asarray(part, jnp.float64) for part in (start.W, start.u, np.vstack([x, Z])))
        of_W, of_u = gradients(W, u, X, sigma)
        hidden, output = (np.asarray(part).reshape(len(Z) + 1, -1) for part in (of_W, of_u))
    scale = 2 * q * B**2
    return {
        "largest_output": float(np.max(np.abs(outputs))),
        "cosines": list(COSINES),
        "sampled_hidden": (hidden[1:] @ hidden[0] / scale).tolist(),
        "sampled_output": (output[1:] @ output[0] / scale).tolist(),
        "formula_hidden": ntk(x, Z, activation=sigma, output_scale=B, part="hidden")[0].tolist(),
        "formula_output": ntk(x, Z, activation=sigma, output_scale=B, part="output")[0].tolist(),
    }


def _at_cosines(pair: Float[np.ndarray, "2 d"]) -> tuple[Float[np.ndarray, "1 d"], Float[np.ndarray, "n d"]]:
    """Return a unit vector, and others that have the cosines with it."""
    x = pair[0] / np.linalg.norm(pair[0])
    across = pair[1] - (pair[1] @ x) * x
    across /= np.linalg.norm(across)
    rho = np.array(COSINES)[:, None]
    return x[None], rho * x + np.sqrt(1 - rho**2) * across


def _bytes(config: InitializationConfig) -> float:
    return 200.0 * config.n_pairs * config.n_features + 1e8


EXPERIMENT = Experiment(
    "initialization",
    "outputs and gradients at the start, against the formula of the tangent kernel",
    InitializationConfig,
    one_by_one(measure),
    _bytes,
)
