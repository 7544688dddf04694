"""The ascent of `tightwidth.margin` on the kernel matrix of a small sample, in float64.

There a visit costs about ``2 m`` operations instead of ``4 q d``, four times fewer at the foot of the search, where
``q d = 2 m``; and one program serves all widths, which only change what the matrix holds.  Both ascents visit the same
points in the same order, which is drawn on the host: a program that draws it takes four times as long to compile.
"""

from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from tightwidth import threefry
from tightwidth.seeds import stream_words

EPOCHS_A_CALL = 16  # of the compiled loop, which is given their orders


@dataclass(frozen=True)
class MatrixAscent:
    """Hold the dual variables, and the epochs so far."""

    alpha: Float[np.ndarray, " m"]
    epochs: int = 0


@dataclass(frozen=True)
class DualProblem:
    """Hold ``K_W`` in float64 and the labels; a vector of the embedding is given by ``v = sum_i a_i Psi(x_i)``."""

    K: Float[np.ndarray, "m m"]
    y: Float[np.ndarray, " m"]

    def primal(self, a: Float[np.ndarray, " m"]) -> tuple[float, Float[np.ndarray, " m"]]:
        """Return ``||v||^2 = a^T K a`` and the outputs ``<v, Psi(x_j)>``, both of the same v."""
        outputs = self.K @ a
        return float(a @ outputs), outputs

    def vector(self, ascent: MatrixAscent) -> tuple[float, Float[np.ndarray, " m"]]:
        """Return the squared norm and the outputs of the vector that an ascent came to."""
        return self.primal(ascent.alpha * self.y)

    def start(self, alpha: Float[np.ndarray, " m"] | None = None) -> MatrixAscent:
        """Return the ascent at alpha >= 0, or at 0."""
        return MatrixAscent(np.zeros(len(self.y)) if alpha is None else alpha.astype(np.float64))

    def ascend(self, ascent: MatrixAscent, *, n_epochs: int, C: float, seed: int) -> MatrixAscent:
        """Visit every point ``n_epochs`` more times, in the box [0, C]."""
        alpha, (_, outputs) = ascent.alpha, self.vector(ascent)
        with jax.enable_x64(True):
            for first in range(0, n_epochs, EPOCHS_A_CALL):
                n = min(EPOCHS_A_CALL, n_epochs - first)
                orders = _orders(seed, ascent.epochs, first, n, len(self.y))
                alpha, outputs = _epochs(alpha, outputs, self.K, self.y, C, orders, np.int32(n))
            return MatrixAscent(np.asarray(alpha), ascent.epochs + n_epochs)


@lru_cache(maxsize=64)  # every width of a search asks for the same, and drawing takes a fifth of an ascent
def _orders(seed: int, begun: int, first: int, n: int, m: int) -> Int32[np.ndarray, "epochs m"]:
    """Return the orders of n epochs from the first on, of an ascent that went on at epoch ``begun``; zeros fill up."""
    orders = np.zeros((EPOCHS_A_CALL, m), np.int32)
    orders[:n] = threefry.orders(threefry.fold_in(stream_words(seed, begun), np.arange(first, first + n)), m)
    orders.flags.writeable = False
    return orders


@jax.jit
def _epochs(
    alpha: Array, outputs: Array, K: Array, y: Array, C: float | Array, orders: Array, n: int | Array
) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Visit all coordinates in the first n of the orders, keeping ``outputs = K (alpha y)``; return both."""
    m, diagonal = alpha.shape[0], jnp.diagonal(K)
    is_dead = diagonal == 0
    inverse = 1 / jnp.where(is_dead, 1, diagonal)

    def visit(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        alpha, outputs = carry
        ascended = jnp.clip(alpha[i] + (1 - y[i] * outputs[i]) * inverse[i], 0, C)
        new = jnp.where(is_dead[i], alpha[i], ascended)
        return alpha.at[i].set(new), outputs + ((new - alpha[i]) * y[i]) * K[i]

    def epoch(e: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        return jax.lax.fori_loop(0, m, lambda t, carry: visit(orders[e, t], carry), carry)

    return jax.lax.fori_loop(0, n, epoch, (alpha, outputs))
