"""A sketch of the q-embedding: its q d columns, each with a sign, summed into n (sections 2.6 and 3.1).

A CountSketch whose hash is so regular that it is a handful of matrix products: the coordinates of a point are cut into
parts, ``j mod r``, and part p of pair i goes to column ``(i + p) mod n``.  So every column adds up parts of different
pairs, and no more than ceil(q/n) pairs give it the same part (docs/derivations/ntk_features.md).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8, PRNGKeyArray

PARTS = (
    8  # of the d coordinates: with more the variance falls by less than an eighth, and each is a pass over the gates
)


def n_parts(d: int, n: int) -> int:
    """Return r, into how many parts d coordinates are cut for n columns."""
    return min(PARTS, d, n)


def draw_signs(key: PRNGKeyArray, q: int, d: int) -> Int8[np.ndarray, "q d"]:
    """Draw q rows of d signs, +1 or -1: row i from ``fold_in(key, i)``, so that a narrower sketch shares its rows."""
    rows = jnp.arange(1 << (q - 1).bit_length(), dtype=jnp.int32)  # a power of 2, so that few shapes compile
    bits = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i), (d,), jnp.uint8))(rows)
    return 2 * (np.asarray(bits)[:q] & 1).astype(np.int8) - 1


def sketch(
    gates: Float[Array, "b q"], X: Float[Array, "b d"], signs: Int8[Array, "q d"], n: int
) -> Float[Array, "b n"]:
    """Return ``phi_k(x) = sum s_ij sigma'(<w_i,x>) x_j / sqrt(q)`` over all (i, j) with ``(i + j mod r) mod n = k``.

    Traced; needs n <= q.

    Notes
    -----
    2 b q d operations in r products, and r passes over the gates; the q d columns are not formed.  Gates and signs are
    shifted before they meet, so that each pass is one expression that XLA adds to the sum as it goes.
    """
    (b, q), d = gates.shape, X.shape[1]
    r = n_parts(d, n)
    gates = jnp.pad(gates, ((0, 0), (0, -q % n))).reshape(b, -1, n)
    signs = jnp.pad(signs, ((0, -q % n), (0, 0))).reshape(-1, n, d)
    around = jnp.concatenate([gates[:, :, n - r :], gates], axis=2)
    total = jnp.zeros(gates.shape, X.dtype)
    for p in range(r):
        own = jnp.roll(signs[:, :, p::r], p, axis=1).astype(X.dtype)
        total += around[:, :, r - p : r - p + n] * jnp.einsum("bc,tkc->btk", X[:, p::r], own)
    return jnp.sum(total, axis=1) / np.sqrt(q).astype(X.dtype)


def squared_error(C: float, q: int, n: int) -> float:
    """Return ``2 C^2 ceil(q/n) / q``, which the sketch does not exceed, in the mean square over its signs.

    For a function ``<v, Psi>`` with ``||v|| = 1``, at every point of the unit sphere and whatever W'; ``2 C^2 / n``
    where n divides q.
    """
    return 2 * C * C * -(-q // n) / q
