"""Large-margin vectors in the embedding, by coordinate ascent on the dual: comparators for the certificate.

The support vector machine without offset, ``min ||v||^2/2 + C sum_i (1 - y_i <v, Psi(x_i)>)_+``, has a dual in
which one coordinate is maximised exactly by ``alpha_i <- clip(alpha_i + (1 - y_i f_i)/K_ii, 0, C)``.  An epoch
costs about as much as one of SGD, and the vector v is at hand at every moment: a certificate needs a good vector, not
an exact optimum.

One visit alone would wait for memory: all of v is read twice and written once.  So a block of points is visited at a
time, one after the other, with their outputs from one product, corrected by the entries of K_W within the block as its
variables change, and with one product for what the block adds to v: the same ascent up to rounding.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.embedding import Embedding
from tightwidth.precision import follows_dtype
from tightwidth.seeds import stream_key

NO_LIMIT = 1e9  # the box of the hard margin
BLOCK = 64  # points visited at a time


class Ascent(eqx.Module):
    """Hold the dual variables and ``U = sum_i alpha_i y_i sigma'(W x_i) x_i^T``, so that ``v = U / sqrt(q)``."""

    alpha: Float[Array, " m"]
    U: Float[Array, "Q d"]
    epochs: int


@follows_dtype
def start(
    embedding: Embedding,
    y: Float[np.ndarray, " m"],
    alpha: Float[Array, " m"] | Float[np.ndarray, " m"] | None = None,
) -> Ascent:
    """Return the ascent at alpha >= 0, for example where that of another width ended, or at 0."""
    m, d = embedding.X.shape
    dtype = embedding.X.dtype
    if alpha is None:
        return Ascent(jnp.zeros(m, dtype), jnp.zeros((embedding.Q, d), dtype), 0)
    U = embedding.adjoint(np.asarray(alpha) * y)
    return Ascent(jnp.asarray(alpha, dtype), jnp.asarray(U, dtype), 0)


class _Problem(eqx.Module):
    """Hold what does not change during the ascent; C is the box."""

    embedding: Embedding
    y: Float[Array, " m"]
    diagonal: Float[Array, " m"]
    C: Float[Array, ""]

    def ascended(self, i: Array, alpha: Array, output: Array) -> Array:
        """Return the value of alpha_i at which the dual is largest, given the output at point i."""
        diagonal = self.diagonal[i]
        is_dead = diagonal == 0
        best = jnp.clip(alpha + (1 - self.y[i] * output) / jnp.where(is_dead, 1, diagonal), 0, self.C)
        return jnp.where(is_dead, alpha, best)

    def visit(self, places: Array, alpha: Array, U: Array) -> tuple[Array, Array]:
        """Visit the points at some places one after the other; a place behind the last point is none."""
        q, m = self.embedding.n_pairs.astype(U.dtype), alpha.shape[0]
        rows = jnp.minimum(places, m - 1)
        X, labels, old = self.embedding.X[rows], self.y[rows], alpha[rows]
        gates = self.embedding.gates_at(X) if self.embedding.gates is None else self.embedding.gates[rows]
        outputs = (gates * (X @ U.T)) @ jnp.ones(U.shape[0], U.dtype) / q
        K = (gates @ gates.T) * (X @ X.T) / q

        def one(k: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            outputs, new = carry
            ascended = self.ascended(rows[k], old[k], outputs[k])
            return outputs + (ascended - old[k]) * labels[k] * K[k], new.at[k].set(ascended)

        _, new = jax.lax.fori_loop(0, len(rows), one, (outputs, old))
        steps = jnp.where(places < m, (new - old) * labels, 0)
        return alpha.at[places].set(new, mode="drop"), U + (gates * steps[:, None]).T @ X


@jax.jit
def _epochs(problem: _Problem, alpha: Array, U: Array, key: PRNGKeyArray, n: Array) -> tuple[Array, Array]:
    """Visit all coordinates n times, each time in a new random order."""
    m = alpha.shape[0]
    block = min(BLOCK, m)
    n_blocks = -(-m // block)

    def epoch(e: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        order = jax.random.permutation(jax.random.fold_in(key, e), jnp.arange(m, dtype=jnp.int32))
        places = jnp.pad(order, (0, n_blocks * block - m), constant_values=m).reshape(n_blocks, block)
        return jax.lax.fori_loop(0, n_blocks, lambda t, carry: problem.visit(places[t], *carry), carry)

    return jax.lax.fori_loop(0, n, epoch, (alpha, U))


@follows_dtype
def ascend(
    ascent: Ascent,
    embedding: Embedding,
    y: Float[np.ndarray, " m"],
    diagonal: Float[np.ndarray, " m"],
    *,
    n_epochs: int,
    C: float,
    seed: int,
) -> Ascent:
    """Visit every point ``n_epochs`` more times, in the box [0, C].

    Costs about ``4 m q d`` operations an epoch.
    """
    dtype = embedding.X.dtype
    key = stream_key(seed, ascent.epochs)
    problem = _Problem(embedding, jnp.asarray(y, dtype), jnp.asarray(diagonal, dtype), jnp.asarray(C, dtype))
    alpha, U = _epochs(problem, ascent.alpha, ascent.U, key, jnp.asarray(n_epochs, jnp.int32))
    return Ascent(alpha, U, ascent.epochs + n_epochs)
