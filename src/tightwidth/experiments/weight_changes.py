"""What an infinitesimal change of the weights can do, and how short it may be (equation (2), section 2.5).

A function h of the kernel space of tk_W is ``<U, grad h_W(x)>`` for a change U of all weights.  The shortest U is found
by least squares at many points, its norm compared with ``||h|| / (sqrt(2q) B)`` and with what the paper prints,
``sqrt(q) B ||h||``; and the network is moved by it, to see that its outputs are h.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from tightwidth import activations, network
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.initialization import gradients
from tightwidth.experiments.samples import sphere_points

N_CENTRES = 12
LENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)  # of the steps along U, times U


class ChangeConfig(Config):
    """Hold a network at its start; relu."""

    n_features: int = Field(default=4, ge=2, description="d, the dimension of the points")
    n_pairs: int = Field(default=16, ge=1, description="q, the number of pairs of neurons")
    output_scale: float = Field(default=3.0, gt=0, lt=math.inf, description="B, the size of the output weights")


def _outputs(
    W: Float[np.ndarray, "two_q d"], u: Float[np.ndarray, " two_q"], X: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    return np.maximum(X @ W.T, 0) @ u


def measure(config: ChangeConfig) -> Values:
    """Return the least norm of a change with the outputs h, both formulas for it, and how well the network obeys it.

    ``residual`` is that of equation (2) at the points; ``moved_errors`` is the mean error of
    ``h_{W + t U}(x) / t`` as h(x), over the mean of ``|h(x)|``, for each t of ``lengths``.

    References
    ----------
    Daniely (2020), Erratum 1.
    """
    d, q, B = config.n_features, config.n_pairs, config.output_scale
    n_weights = 2 * q * (d + 1)
    X = sphere_points(2 * n_weights, d, config.seed).astype(np.float64)  # enough to fix a function of the space
    sigma = activations.get("relu")
    with jax.enable_x64(True):
        start = network.init_plain(jax.random.key(config.seed), d=d, q=q, B=B, activation=sigma, dtype=np.float64)
        of_W, of_u = gradients(start.W, start.u, jnp.asarray(X), sigma)
        G = np.concatenate([np.asarray(of_W).reshape(len(X), -1), np.asarray(of_u)], axis=1)
        W, u = np.asarray(start.W), np.asarray(start.u)
    alpha = np.random.default_rng([config.seed, q]).standard_normal(N_CENTRES)
    K = G @ G[:N_CENTRES].T / (2 * q * B**2)
    h, kernel_norm = K @ alpha, math.sqrt(alpha @ K[:N_CENTRES] @ alpha)
    U = np.linalg.lstsq(G, h)[0]
    along_W, along_u = U[: 2 * q * d].reshape(2 * q, d), U[2 * q * d :]
    moved = [np.abs(_outputs(W + t * along_W, u + t * along_u, X) / t - h).mean() for t in LENGTHS]
    return {
        "kernel_norm": kernel_norm,
        "least_change": float(np.linalg.norm(U)),
        "formula": kernel_norm / (math.sqrt(2 * q) * B),
        "printed": math.sqrt(q) * B * kernel_norm,
        "residual": float(np.linalg.norm(G @ U - h) / np.linalg.norm(h)),
        "lengths": list(LENGTHS),
        "moved_errors": (np.array(moved) / np.abs(h).mean()).tolist(),
    }


def _bytes(config: ChangeConfig) -> float:
    return 8 * 8.0 * (2 * config.n_pairs * (config.n_features + 1)) ** 2 + 1e8


EXPERIMENT = Experiment(
    "weight_changes",
    "the shortest change of the weights that has given outputs",
    ChangeConfig,
    one_by_one(measure),
    _bytes,
)
