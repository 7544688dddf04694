"""What a kernel is, and how its matrix is cut into tiles (section 2.4).

The sample is cut into tiles of 512 points from its first row on, padded with zeros, whatever blocks are asked for: so
few shapes compile, and the bits of an entry depend on nothing but the sample.  A sample of fewer points is one tile,
padded to 64, 128 or 256; many points of a kernel that asks for it are cut into tiles of 1,024.  Where K(X, X) is meant,
tiles below the diagonal are transposes of those above, and the matrix is symmetric by construction.

Several tiles are under way at a time, each in a thread: a product of this size does not keep a machine busy, and JAX
runs what one thread gives it one after the other.
"""

import functools
import os
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from itertools import cycle, islice
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.memory import fits
from tightwidth.threads import ThreadSettings

TILE, SMALLEST_TILE = 512, 64
LARGE_TILE, MANY_POINTS = 1024, 4096  # of so many points, where a tile takes memory for itself and little else
WORKERS = min(16, max(3, os.cpu_count() or 1))  # threads; one's tile is copied while another's is computed
AHEAD = 8  # tiles for each thread that are begun before the first of them is used
BELOW = np.tri(SMALLEST_TILE, k=-1, dtype=bool)  # the entries below the diagonal
PAD = 16  # columns beside a tile that is transposed
KEPT_SHARE = 0.25  # of the machine's memory, for what is kept of the points
Used = TypeVar("Used")
Rows = Any  # what a kernel keeps of a tile of points: a tree of arrays with the tile in front


def tile_size(n: int, *, may_be_large: bool = False) -> int:
    """Return how many points a tile has, padding included: 512, fewer for few, perhaps 1,024 for many.

    Examples
    --------
    >>> [tile_size(n) for n in (1, 65, 512, 10_000)]
    [64, 128, 512, 512]
    """
    if may_be_large and n >= MANY_POINTS:
        return LARGE_TILE
    return min(TILE, max(SMALLEST_TILE, 1 << max(0, n - 1).bit_length()))


class Tiling:
    """Compute the tiles of one kernel matrix.

    ``compute(x, z, on_diagonal)`` returns a tile, perhaps still being computed, of what ``prepare`` made of two tiles
    of points; ``finish(tile, x points, z points, on_diagonal)`` turns it into a NumPy array; ``diagonal(rows)`` returns
    k(x, x) for a slice of the points X.
    """

    def __init__(
        self,
        X: Float[np.ndarray, "m d"],
        Z: Float[np.ndarray, "n d"] | None,
        *,
        prepare: Callable[[np.ndarray], Rows],
        compute: Callable[[Rows, Rows, bool], Any],
        finish: Callable[[Any, np.ndarray, np.ndarray, bool], np.ndarray],
        diagonal: Callable[[slice], np.ndarray],
        may_be_large: bool = False,
    ) -> None:
        """Hold the points and how their tiles come about; nothing is computed yet."""
        self.X, self.Z = X, X if Z is None else Z
        self.is_symmetric = Z is None
        self._prepare, self._compute, self._finish, self._diagonal = prepare, compute, finish, diagonal
        self.devices: Sequence[Any] = ()  # that compute tiles in turn; none: the one of the caller
        self._is_compiled = False
        self._lock = threading.Lock()
        self._rows: dict[tuple[Any, bool, int], Rows] = {}
        self.cut(may_be_large=may_be_large)

    def cut(self, *, may_be_large: bool) -> None:
        """Cut the points into tiles, before any is computed; large ones where they take little memory."""
        self.sizes = tuple(tile_size(n, may_be_large=may_be_large) for n in self.shape)
        self._cuts = [
            [slice(start, min(n, start + size)) for start in range(0, n, size)]
            for n, size in zip(self.shape, self.sizes, strict=True)
        ]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self.X), len(self.Z)

    def cuts(self, axis: int) -> list[slice]:
        """Return the tiles of one axis as slices of the points."""
        return self._cuts[axis]

    def _settings(self) -> AbstractContextManager[Any]:
        """Return the context of one piece of work: the precision of the points."""
        return jax.enable_x64(True) if self.X.dtype == np.float64 else nullcontext()

    def _points(self, axis: int, index: int) -> np.ndarray:
        size = self.sizes[axis]
        points = (self.X, self.Z)[axis][index * size : (index + 1) * size]
        return points if len(points) == size else np.pad(points, ((0, size - len(points)), (0, 0)))

    def _prepared(self, axis: int, index: int) -> Rows:
        which = (ThreadSettings().device, bool(axis) and not self.is_symmetric, index)
        with self._lock:
            if which not in self._rows:
                with self._settings():
                    rows = self._prepare(self._points(axis, index))
                n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(rows))
                while len(self._rows) > WORKERS and not fits((len(self._rows) + 1) * n_bytes, KEPT_SHARE):
                    self._rows.pop(next(iter(self._rows)))
                self._rows[which] = rows
            return self._rows[which]

    def start(self, i: int, j: int) -> Any:
        """Begin to compute tile (i, j), i <= j where the matrix is symmetric."""
        x, z = self._prepared(0, i), self._prepared(1, j)
        with self._settings():
            return self._compute(x, z, self.is_symmetric and i == j)

    def end(self, i: int, j: int, started: Any) -> Float[np.ndarray, "rows columns"]:
        """Return tile (i, j) without its padding; a tile on the diagonal of K(X, X) is made symmetric."""
        on_diagonal = self.is_symmetric and i == j
        with self._settings():
            x, z = self._points(0, i), self._points(1, j)
            tile = self._finish(started, x, z, on_diagonal)
            rows, columns = self.cuts(0)[i], self.cuts(1)[j]
            tile = tile[: rows.stop - rows.start, : columns.stop - columns.start]
            return _mirrored(tile, self._diagonal(rows)) if on_diagonal else tile

    def tile(self, i: int, j: int) -> Float[np.ndarray, "rows columns"]:
        """Return tile (i, j), below the diagonal of K(X, X) the transpose of tile (j, i)."""
        if self.is_symmetric and i > j:
            return self.tile(j, i).T
        return self.end(i, j, self.start(i, j))

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield (i, j) of all tiles, on and above the diagonal where the matrix is symmetric."""
        for i in range(len(self.cuts(0))):
            for j in range(i if self.is_symmetric else 0, len(self.cuts(1))):
                yield i, j

    def tiles(
        self, places: Iterable[tuple[int, int]] | None = None
    ) -> Iterator[tuple[int, int, Float[np.ndarray, "rows columns"]]]:
        """Yield (i, j, tile) for these places, all `places` if None."""
        yield from self.each(self.places() if places is None else places, lambda i, j, tile: (i, j, tile))

    def each(
        self, places: Iterable[tuple[int, int]], use: Callable[[int, int, Float[np.ndarray, "rows columns"]], Used]
    ) -> Iterator[Used]:
        """Yield ``use(i, j, tile)`` for tiles at these places, in their order.

        Tiles are computed and used in threads, several at a time; the very first two before all others, by the
        caller's thread, so that each compiled function is compiled once.
        """
        ahead = iter(places)
        settings = [ThreadSettings(device) for device in self.devices] or [ThreadSettings()]

        def one(i: int, j: int) -> Used:
            return use(i, j, self.tile(i, j))

        for i, j in islice(ahead, 0 if self._is_compiled else 2):
            yield settings[0].run(one, i, j)
        self._is_compiled = True
        begun: deque[Future[Used]] = deque()
        workers = ThreadPoolExecutor(max(WORKERS, len(settings)), "tightwidth-tiles")
        try:
            for (i, j), where in zip(ahead, cycle(settings)):
                begun.append(workers.submit(where.run, one, i, j))
                if len(begun) >= AHEAD * WORKERS:
                    half = (len(begun) + 1) // 2
                    begun[half - 1].exception()  # waits, and is woken, once for all of them
                    for _ in range(half):
                        yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)

    def n_tiles(self) -> int:
        """Return how many tiles `tiles` yields."""
        rows, columns = len(self.cuts(0)), len(self.cuts(1))
        return rows * (rows + 1) // 2 if self.is_symmetric else rows * columns


def copy_transposed(tile: Float[np.ndarray, "m n"], out: Float[np.ndarray, "n m"]) -> None:
    """Copy the transpose by way of a padded copy, three times faster than at once.

    The rows of a tile lie a power of two apart, so that the entries of a column would share few lines of the cache.
    """
    padded = np.empty((len(tile), tile.shape[1] + PAD), tile.dtype)[:, : tile.shape[1]]
    padded[:] = tile
    out[:] = padded.T


def _mirrored(tile: Float[np.ndarray, "m m"], diagonal: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m m"]:
    """Return the symmetric matrix with this diagonal and with what stands above the tile's."""
    out = np.empty((len(tile), len(tile) + PAD), tile.dtype)[:, : len(tile)]
    out[:] = tile
    for start in range(0, len(out), SMALLEST_TILE):  # a mask is slow: one for small squares alone
        stop = start + SMALLEST_TILE
        out[stop:, start:stop] = out[start:stop, stop:].T
        square = out[start:stop, start:stop]
        np.copyto(square, square.T.copy(), where=BELOW[: len(square), : len(square)])
    np.fill_diagonal(out, diagonal)
    return out


class Kernel(eqx.Module):
    """Be a kernel: a positive semi-definite function of two points.

    Write your own as a subclass with `of_points` alone; it costs one evaluation for each pair.
    """

    @abstractmethod
    def of_points(self, x: Float[Array, " d"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """Return k(x, z) for one pair of points; it is traced."""

    def diagonal(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Return k(x, x) for every point."""
        return np.asarray(_pairwise(self, jnp.asarray(X), jnp.asarray(X)))

    def tiling(self, X: Float[np.ndarray, "m d"], Z: Float[np.ndarray, "n d"] | None) -> Tiling:
        """Return how the matrix of these points is computed; all points of both are at hand here."""
        return Tiling(
            X,
            Z,
            prepare=jnp.asarray,
            compute=lambda x, z, _: _all_pairs(self, x, z),
            finish=lambda tile, *_: np.asarray(tile),
            diagonal=lambda rows: self.diagonal(X[rows]),
        )


@eqx.filter_jit
def _pairwise(kernel: Kernel, x: Array, z: Array) -> Array:
    return jax.vmap(kernel.of_points)(x, z)


@eqx.filter_jit
def _all_pairs(kernel: Kernel, X: Array, Z: Array) -> Array:
    return jax.lax.map(lambda x: jax.vmap(functools.partial(kernel.of_points, x))(Z), X)
