"""Samples whose rows have weights and several targets: drawn by weight, or taken whole (section 2.2).

D is the distribution on the rows that their weights make; a row of weight 2 is two rows.  Whole batches need no luck
and see weights exactly, for samples small enough.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray, UInt32

from tightwidth.precision import in_precision_of
from tightwidth.sampling import drawn_rows, step_keys

Batch = tuple[Array, Array, Array, Array | None]


class Weighted(eqx.Module):
    """Draw rows with replacement, each with a probability in proportion to its weight.

    ``upper`` holds the ends of the rows' shares of 2^32, but for the last: the row of a random 32-bit number is how
    many of them it reaches.  It is None for equal weights.
    """

    X: Float[Array, "m d"]
    Y: Float[Array, "m K"]
    upper: UInt32[Array, " m_less_1"] | None
    cached: Float[Array, "m q"] | None

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Int32[Array, "n b"]:
        """Return the indices of the rows of each step."""
        if self.upper is None:
            return drawn_rows(key, steps, batch_size, self.X.shape[0])
        bits = jax.vmap(lambda k: jax.random.bits(k, (batch_size,), jnp.uint32))(step_keys(key, steps))
        return jnp.searchsorted(self.upper, bits, side="right").astype(jnp.int32)

    def batch(self, rows: Int32[Array, " b"]) -> Batch:
        """Return the rows of one step, their targets, and their shares of the batch."""
        shares = jnp.full(rows.shape, 1 / rows.shape[0], self.X.dtype)
        return self.X[rows], self.Y[rows], shares, None if self.cached is None else self.cached[rows]


class Whole(eqx.Module):
    """Take all rows at every step, each by its share of the weight: the gradient of the mean loss itself."""

    X: Float[Array, "m d"]
    Y: Float[Array, "m K"]
    shares: Float[Array, " m"]
    cached: Float[Array, "m q"] | None

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Int32[Array, " n"]:
        """Return the steps: there is nothing to draw."""
        return steps

    def batch(self, rows: Int32[Array, ""]) -> Batch:
        """Return everything."""
        return self.X, self.Y, self.shares, self.cached


class InOrder(eqx.Module):
    """Hold the batches of the steps ``first, first + 1, ...``, in the order of the rows."""

    X: Float[Array, "n b d"]
    Y: Float[Array, "n b K"]
    shares: Float[Array, "n b"]
    first: Int32[Array, ""]

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Int32[Array, " n"]:
        """Return the places of the steps."""
        return steps - self.first

    def batch(self, rows: Int32[Array, ""]) -> Batch:
        """Return the batch of one step."""
        return self.X[rows], self.Y[rows], self.shares[rows], None


WeightedSource = Weighted | Whole | InOrder


def weighted(
    X: Float[np.ndarray, "m d"],
    Y: Float[np.ndarray, "m K"],
    weights: Float[np.ndarray, " m"] | None,
    cached: Float[Array, "m q"] | None,
) -> Weighted:
    """Return the source of rows with positive weights; None for equal ones."""
    upper = None
    if weights is not None:
        ends = np.cumsum(weights / weights.sum())[:-1]
        upper = jnp.asarray(np.minimum(np.rint(ends * 2.0**32), 2.0**32 - 1).astype(np.uint32))
    with in_precision_of(X.dtype):
        return Weighted(jnp.asarray(X), jnp.asarray(Y, X.dtype), upper, cached)


def whole(
    X: Float[np.ndarray, "m d"],
    Y: Float[np.ndarray, "m K"],
    weights: Float[np.ndarray, " m"] | None,
    cached: Float[Array, "m q"] | None,
) -> Whole:
    """Return the source that takes everything at once."""
    shares = np.full(len(X), 1 / len(X)) if weights is None else weights / weights.sum()
    with in_precision_of(X.dtype):
        return Whole(jnp.asarray(X), jnp.asarray(Y, X.dtype), jnp.asarray(shares, X.dtype), cached)


def in_order(
    X: Float[np.ndarray, "m d"],
    Y: Float[np.ndarray, "m K"],
    weights: Float[np.ndarray, " m"],
    *,
    batch_size: int,
    first: int,
) -> InOrder:
    """Cut rows into batches in their order; the last one is filled up with rows of weight 0.

    Weights enter as factors on the slopes, in units in which 1 is an ordinary row.
    """
    m, n = len(X), -(-len(X) // batch_size)
    missing = n * batch_size - m
    counts = np.full(n, float(batch_size))
    counts[-1] = batch_size - missing
    shares = np.concatenate([weights, np.zeros(missing)]).reshape(n, batch_size) / counts[:, None]
    rows = np.concatenate([np.arange(m), np.zeros(missing, int)]).reshape(n, batch_size)
    with in_precision_of(X.dtype):
        return InOrder(
            jnp.asarray(X[rows]), jnp.asarray(Y[rows], X.dtype), jnp.asarray(shares, X.dtype), jnp.int32(first)
        )
