"""Large-margin vectors in the embedding, by coordinate ascent on the dual: comparators for the certificate.

The support vector machine without offset, ``min ||v||^2/2 + C sum_i (1 - y_i <v, Psi(x_i)>)_+``, has a dual in
which one coordinate is maximised exactly by ``alpha_i <- clip(alpha_i + (1 - y_i f_i)/K_ii, 0, C)``.  A coordinate
costs about as much as one SGD step of batch size 1, and the vector v is at hand at every moment: a certificate needs a
good vector, not an exact optimum.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.embedding import Embedding
from tightwidth.precision import follows_dtype

NO_LIMIT = 1e9  # the box of the hard margin


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


@eqx.filter_jit
def _epochs(
    alpha: Array,
    U: Array,
    embedding: Embedding,
    y: Array,
    diagonal: Array,
    C: Array,
    key: PRNGKeyArray,
    n: Array,
) -> tuple[Array, Array]:
    """Visit all coordinates n times, each time in a new random order."""
    m = alpha.shape[0]
    q = embedding.n_pairs.astype(alpha.dtype)

    def visit(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        alpha, U = carry
        x = embedding.X[i]
        gates = embedding.gates_at(x) if embedding.gates is None else embedding.gates[i]
        output = gates @ (U @ x) / q
        is_dead = diagonal[i] == 0
        ascended = jnp.clip(alpha[i] + (1 - y[i] * output) / jnp.where(is_dead, 1, diagonal[i]), 0, C)
        new = jnp.where(is_dead, alpha[i], ascended)
        step = (new - alpha[i]) * y[i]
        return alpha.at[i].set(new), U + (step * gates)[:, None] * x

    def epoch(e: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        order = jax.random.permutation(jax.random.fold_in(key, e), jnp.arange(m, dtype=jnp.int32))
        return jax.lax.fori_loop(0, m, lambda t, carry: visit(order[t], carry), carry)

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
    key = jax.random.fold_in(jax.random.key(seed), ascent.epochs)
    alpha, U = _epochs(
        ascent.alpha,
        ascent.U,
        embedding,
        jnp.asarray(y, dtype),
        jnp.asarray(diagonal, dtype),
        jnp.asarray(C, dtype),
        key,
        jnp.asarray(n_epochs, jnp.int32),
    )
    return Ascent(alpha, U, ascent.epochs + n_epochs)
