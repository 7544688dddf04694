"""Access to samples from a distribution D on (x, y) pairs (section 2.2), for the inside of a compiled loop.

Three sources: a finite sample drawn from with replacement, a synthetic distribution, and a buffer of a stream.  A
source answers two questions, both traced: what to ``draw`` for a range of steps, and the ``batch`` of one step.  What
step t sees depends on the key and t alone, so it does not depend on how the steps are grouped into calls.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, Key, PRNGKeyArray

from tightwidth import threefry
from tightwidth.errors import DataError
from tightwidth.packed_gates import Kept, rows_of, width_of
from tightwidth.precision import in_precision_of
from tightwidth.seeds import stream_key
from tightwidth.sphere import Distribution, check_dimension, gaussians

POINTS_STREAM, LABELS_STREAM = 0x504F, 0x7A6  # of a seed: what random points and random labels draw from
Batch = tuple[Array, Array, Array | None]


def step_keys(key: PRNGKeyArray, steps: Int32[Array, " n"]) -> Key[Array, " n"]:
    """Return the key of each step: a function of the key and the step alone."""
    return jax.vmap(lambda t: jax.random.fold_in(key, t))(steps)


def drawn_rows(
    key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int, m: int | Int32[Array, ""]
) -> Int32[Array, "n b"]:
    """Return the rows of each step: uniform numbers below m, a function of the key and the step alone."""
    if threefry.follows(key):
        return threefry.numbers_below(key, steps, batch_size, m)
    pick = jax.vmap(lambda k: jax.random.randint(k, (batch_size,), 0, m, jnp.int32))
    return pick(step_keys(key, steps))


class FiniteSample(eqx.Module):
    """Draw uniformly with replacement from m points: D is then the uniform distribution on the sample.

    ``cached`` holds what a network keeps per point (gates, maybe in bits, or pre-activations), [m, q], or None.

    References
    ----------
    Daniely (2020), Section 2.2.
    """

    X: Float[Array, "m d"]
    y: Float[Array, " m"]
    cached: Kept = None

    @property
    def width(self) -> int | None:
        """For how many neurons something is kept, None if nothing is."""
        return width_of(self.cached)

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Int32[Array, "n b"]:
        """Return the indices of the rows of each step."""
        return drawn_rows(key, steps, batch_size, self.X.shape[0])

    def batch(self, rows: Int32[Array, " b"], batch_size: int) -> Batch:
        """Return the rows of one step."""
        return self.X[rows], self.y[rows], rows_of(self.cached, rows)


class PaddedSample(eqx.Module):
    """Draw uniformly with replacement from the first m rows; the rows behind them only fill the arrays.

    It draws what a `FiniteSample` of m rows draws.
    """

    X: Float[Array, "M D"]
    y: Float[Array, " M"]
    cached: Kept
    m: Int32[Array, ""]

    @property
    def width(self) -> int | None:
        """For how many neurons something is kept."""
        return width_of(self.cached)

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Int32[Array, "n b"]:
        """Return the indices of the rows of each step."""
        return drawn_rows(key, steps, batch_size, self.m)

    def batch(self, rows: Int32[Array, " b"], batch_size: int) -> Batch:
        """Return the rows of one step."""
        return self.X[rows], self.y[rows], rows_of(self.cached, rows)


class Synthetic(eqx.Module):
    """Draw fresh points from a distribution on the sphere, labelled by a function (key, X [b, d]) -> y [b]."""

    distribution: Distribution = eqx.field(static=True)
    label: Callable[[PRNGKeyArray, Array], Array] = eqx.field(static=True)
    dtype: Any = eqx.field(static=True, default=jnp.float32)
    width: ClassVar[None] = None

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Key[Array, " n"]:
        """Return the keys of each step."""
        return step_keys(key, steps)

    def batch(self, step_key: PRNGKeyArray, batch_size: int) -> Batch:
        """Draw the points of one step and label them."""
        points_key, label_key = jax.random.split(step_key)
        X = self.distribution.sample(points_key, batch_size, self.dtype)
        return X, self.label(label_key, X).astype(X.dtype), None


class Buffer(eqx.Module):
    """Hold the batches of the steps ``first, first + 1, ...`` of a stream, in the order they came."""

    X: Float[Array, "n b d"]
    y: Float[Array, "n b"]
    first: Int32[Array, ""]
    width: ClassVar[None] = None

    def draw(self, key: PRNGKeyArray, steps: Int32[Array, " n"], batch_size: int) -> Int32[Array, " n"]:
        """Return the places of the steps in the buffer."""
        return steps - self.first

    def batch(self, place: Int32[Array, ""], batch_size: int) -> Batch:
        """Return the batch of one step."""
        return self.X[place], self.y[place], None


Source = FiniteSample | PaddedSample | Synthetic | Buffer


def random_points(m: int, d: int, *, seed: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Return m uniform points on the sphere, [m, d], and fair labels +-1, [m]; the same in both precisions."""
    check_dimension(d)
    dtype, key = np.dtype(dtype), stream_key(seed, POINTS_STREAM)
    words = threefry.words_of(key) if m * d <= threefry.FEW else None
    with jax.enable_x64(dtype == np.float64):
        if words is None:
            g = _gaussians(key, m, d, dtype)
        else:
            g = threefry.gaussians(words, m * d).reshape(m, d).astype(dtype)
        X = np.asarray(_directions(g))
    return X, fair_labels(m, seed).astype(X.dtype)


@partial(jax.jit, static_argnames=("m", "d", "dtype"))
def _gaussians(key: PRNGKeyArray, m: int, d: int, dtype: Any) -> Float[Array, "m d"]:
    return gaussians(key, m, d, dtype)


@jax.jit
def _directions(g: Array) -> Float[Array, "m d"]:
    # without a barrier the norms would be rounded in another way: a seed's points stay what they are
    return g / jax.lax.optimization_barrier(jnp.linalg.norm(g, axis=1, keepdims=True))


def fair_labels(m: int, seed: int) -> np.ndarray:
    """Return m independent labels, each +1 or -1 with probability 1/2; the first do not depend on m."""
    return np.where(np.random.default_rng([seed, LABELS_STREAM]).random(m) < 0.5, -1.0, 1.0)


def buffers(
    rows: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    batch_size: int,
    n_steps: int,
    dtype: Any = np.float32,
    first: int = 0,
) -> Iterator[Buffer]:
    """Cut a stream of (X [k, d], y [k]) pieces of any size into buffers of ``n_steps`` batches.

    Rows are used once, in their order.  The last buffer holds the whole batches that are left; fewer rows than a
    batch at the very end are dropped.  At most one buffer and one piece are held at a time.

    Raises
    ------
    DataError
        If the X and y of a piece differ in length, or the number of features changes.
    """
    waiting_X: list[np.ndarray] = []
    waiting_y: list[np.ndarray] = []
    waiting, step, d = 0, first, None
    size = batch_size * n_steps

    def filled(n: int) -> Buffer:
        nonlocal waiting, step
        X, y = np.concatenate(waiting_X), np.concatenate(waiting_y)
        used = n * batch_size
        waiting_X[:], waiting_y[:] = [X[used:]], [y[used:]]
        waiting -= used
        with in_precision_of(np.dtype(dtype)):
            buffer = Buffer(
                jnp.asarray(X[:used].reshape(n, batch_size, -1), dtype),
                jnp.asarray(y[:used].reshape(n, batch_size), dtype),
                jnp.asarray(step, jnp.int32),
            )
        step += n
        return buffer

    for piece, (X, y) in enumerate(rows):
        if len(X) != len(y) or X.ndim != 2 or (d is not None and X.shape[1] != d):
            message = (
                f"piece {piece + 1} of the stream has X of shape {X.shape} and {len(y)} labels; needed are as many "
                f"labels as rows, and {d if d is not None else 'the same number of'} features in every piece"
            )
            raise DataError(message)
        d = X.shape[1]
        waiting_X.append(X)
        waiting_y.append(y)
        waiting += len(X)
        while waiting >= size:
            yield filled(n_steps)
    if waiting >= batch_size:
        yield filled(waiting // batch_size)
