"""K networks that share W': one against the rest for K classes, or K values a row.

The pre-activations at the initial weights, and in the tangent form the gates, are computed once for all K.  What is
trained has a leading axis K.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.activations import Activation
from tightwidth.network import BLOCK_ELEMENTS, Displacement, Tangent, draw_W_half, preactivations
from tightwidth.precision import follows_dtype, in_precision_of
from tightwidth.working_forms import DisplacementAtWork

Trained = tuple[Array, ...]  # (V,), or (P and N, s, r)
Back = Callable[[Array], Trained]


class Outputs(eqx.Module):
    """Hold K networks from one W': ``trained`` is what their form trains, each array with a leading axis K.

    B is infinite if ``inverse_B`` is None: the tangent form.
    """

    W_half: Float[Array, "q d"]
    trained: Trained
    inverse_B: Float[Array, ""] | None
    activation: Activation = eqx.field(static=True)

    @property
    def K(self) -> int:
        """Number of networks."""
        return self.trained[0].shape[0]

    def network(self, trained: Trained) -> Displacement | Tangent:
        """Return the network that has trained this."""
        if self.inverse_B is None:
            (V,) = trained
            return Tangent(self.W_half, V, self.activation)
        PN, s, r = trained
        return Displacement(self.W_half, PN, s, r, self.inverse_B, self.activation)

    @follows_dtype
    def cache(self, X: Float[np.ndarray, "m d"]) -> Float[Array, "m q"]:
        """Return what all the networks keep of the points: pre-activations, in the tangent form gates."""
        at_start = preactivations(self.W_half, X)
        return self.activation.sigma_prime(at_start) if self.inverse_B is None else at_start

    def alone(self, k: int) -> Displacement | Tangent:
        """Return the k-th network."""
        with in_precision_of(self):
            return self.network(tuple(array[k] for array in self.trained))


def parts(network: Displacement | Tangent) -> Trained:
    """Return what a network trains."""
    return (network.V,) if isinstance(network, Tangent) else (network.PN, network.s, network.r)


@follows_dtype
def init_outputs(
    key: PRNGKeyArray | None, *, d: int, q: int, K: int, B: float, activation: Activation, dtype: Any = jnp.float32
) -> Outputs:
    """Draw W' once, and start K networks from it, all of them 0; without a key W' is 0 too, as a form to fill."""

    def zeros(*shape: int) -> Array:
        return jnp.asarray(np.zeros(shape, dtype))  # jnp.zeros would compile a program for each shape

    W_half = zeros(q, d) if key is None else draw_W_half(key, q, d, dtype)
    if math.isinf(B):
        return Outputs(W_half, (zeros(K, q, d),), None, activation)
    return Outputs(W_half, (zeros(K, 2, q, d), zeros(K, q), zeros(K, q)), jnp.asarray(1 / B, dtype), activation)


def turned(trained: Trained) -> Trained:
    """Return what is trained as `forward_all` takes it, or back from there: V as [K, d, q], P and N as [K, 2, d, q].

    So all products of a step are of plain matrices along their rows, in the tangent form for all K at once.
    """
    return jnp.swapaxes(trained[0], -1, -2), *trained[1:]


def forward_all(
    networks: Outputs, trained: Trained, X: Float[Array, "b d"], cached: Float[Array, "b q"] | None
) -> tuple[Float[Array, "b K"], Back]:
    """Return all outputs, and the function from slopes l'/b, [b, K], to the step of learning rate 1.

    ``trained`` is `turned`.  In the tangent form, with gates g and ``<V_i, x>`` summed over i first,

        h_k = <V_k^T g, x>,   dV_k = -(1/q) sum over the rows of slope_k x g^T,

    so that what is multiplied elementwise has b K d numbers, and no row of b q is touched but by the products.
    """
    (b, d), (q, K) = X.shape, (networks.W_half.shape[0], trained[0].shape[0])
    if networks.inverse_B is None:
        (V,) = trained
        gates = networks.activation.sigma_prime(X @ networks.W_half.T) if cached is None else cached
        h = jnp.sum((gates @ V.reshape(K * d, q).T).reshape(b, K, d) * X[:, None], axis=2)

        def back(slopes: Array) -> Trained:
            weighted = (X[:, None] * (slopes / -q)[:, :, None]).reshape(b, K * d)
            return ((weighted.T @ gates).reshape(K, d, q),)

        return h, back
    at_start = X @ networks.W_half.T if cached is None else cached

    def working(own: Trained) -> DisplacementAtWork:
        PN, s, r = own
        assert networks.inverse_B is not None
        return DisplacementAtWork(
            networks.W_half, (PN[0], PN[1], s, r), None, networks.activation, q, networks.inverse_B
        )

    def step(own: Trained, slopes: Array) -> Trained:
        P, N, s, r = working(own).forward(X, at_start)[1](slopes)
        return jnp.stack([P, N]), s, r

    h = jax.vmap(lambda own: working(own).forward(X, at_start)[0], out_axes=1)(trained)
    return h, lambda slopes: jax.vmap(step, in_axes=(0, 1))(trained, slopes)


@eqx.filter_jit
def _outputs(networks: Outputs, X: Array, cached: Array) -> Array:
    return jax.vmap(lambda own: networks.network(own).at_work().forward(X, cached)[0], out_axes=1)(networks.trained)


@follows_dtype
def predict_outputs(networks: Outputs, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m K"]:
    """Return the outputs of all K networks on every row, in blocks of rows."""
    (q, d), dtype = networks.W_half.shape, networks.W_half.dtype
    rows = max(1, BLOCK_ELEMENTS // (2 * max(networks.K * q, d)))
    blocks = []
    for start in range(0, len(X), rows):
        x = np.asarray(X[start : start + rows], dtype)
        blocks.append(np.asarray(_outputs(networks, jnp.asarray(x), networks.cache(x))))
    return np.concatenate(blocks) if blocks else np.zeros((0, networks.K), dtype)
