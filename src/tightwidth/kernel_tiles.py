"""What a kernel is, and how its matrix is cut into tiles (section 2.4).

The sample is cut into tiles of 512 points from its first row on, padded with zeros, whatever blocks are asked for: so
few shapes compile, and the bits of an entry depend on nothing but the sample.  A sample of fewer points is one tile,
padded to 64, 128 or 256.  Where K(X, X) is meant, tiles below
the diagonal are transposes of those above, and the matrix is symmetric by construction.
"""

import functools
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.memory import fits
from tightwidth.precision import in_precision_of

TILE, SMALLEST_TILE = 512, 64
PENDING = 3  # tiles computed ahead of the one that is copied
KEPT_SHARE = 0.25  # of the machine's memory, for what is kept of the points
Rows = Any  # what a kernel keeps of a tile of points: a tree of arrays with the tile in front


def tile_size(n: int) -> int:
    """Return how many points a tile has, padding included: 512, or fewer for a small sample.

    Examples
    --------
    >>> [tile_size(n) for n in (1, 65, 512, 10_000)]
    [64, 128, 512, 512]
    """
    return min(TILE, max(SMALLEST_TILE, 1 << max(0, n - 1).bit_length()))


class Tiling:
    """Compute the tiles of one kernel matrix.

    ``compute(x, z, on_diagonal)`` returns a tile, perhaps still being computed, of what ``prepare`` made of two tiles
    of points; ``finish(tile, x points, z points, on_diagonal)`` turns it into a NumPy array.
    """

    def __init__(
        self,
        X: Float[np.ndarray, "m d"],
        Z: Float[np.ndarray, "n d"] | None,
        *,
        prepare: Callable[[np.ndarray], Rows],
        compute: Callable[[Rows, Rows, bool], Any],
        finish: Callable[[Any, np.ndarray, np.ndarray, bool], np.ndarray],
        diagonal: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        """Hold the points and how their tiles come about; nothing is computed yet."""
        self.X, self.Z = X, X if Z is None else Z
        self.sizes = (tile_size(len(self.X)), tile_size(len(self.Z)))
        self.is_symmetric = Z is None
        self._prepare, self._compute, self._finish, self._diagonal = prepare, compute, finish, diagonal
        self._rows: dict[tuple[bool, int], Rows] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self.X), len(self.Z)

    def cuts(self, axis: int) -> list[slice]:
        """Return the tiles of one axis as slices of the points."""
        n, size = self.shape[axis], self.sizes[axis]
        return [slice(start, min(n, start + size)) for start in range(0, n, size)]

    def _points(self, axis: int, index: int) -> np.ndarray:
        size = self.sizes[axis]
        points = (self.X, self.Z)[axis][index * size : (index + 1) * size]
        return points if len(points) == size else np.pad(points, ((0, size - len(points)), (0, 0)))

    def _prepared(self, axis: int, index: int) -> Rows:
        which = (bool(axis) and not self.is_symmetric, index)
        if which not in self._rows:
            with in_precision_of(self.X):
                rows = self._prepare(self._points(axis, index))
            n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(rows))
            while len(self._rows) > PENDING and not fits((len(self._rows) + 1) * n_bytes, KEPT_SHARE):
                self._rows.pop(next(iter(self._rows)))
            self._rows[which] = rows
        return self._rows[which]

    def start(self, i: int, j: int) -> Any:
        """Begin to compute tile (i, j), i <= j where the matrix is symmetric."""
        x, z = self._prepared(0, i), self._prepared(1, j)
        with in_precision_of(self.X):
            return self._compute(x, z, self.is_symmetric and i == j)

    def end(self, i: int, j: int, started: Any) -> Float[np.ndarray, "rows columns"]:
        """Return tile (i, j) without its padding; a tile on the diagonal of K(X, X) is made symmetric."""
        on_diagonal = self.is_symmetric and i == j
        with in_precision_of(self.X):
            x, z = self._points(0, i), self._points(1, j)
            tile = self._finish(started, x, z, on_diagonal)
            rows, columns = self.cuts(0)[i], self.cuts(1)[j]
            tile = tile[: rows.stop - rows.start, : columns.stop - columns.start]
            if on_diagonal:
                upper = np.triu(tile, 1)
                tile = upper + upper.T
                np.fill_diagonal(tile, self._diagonal(x[: len(tile)]))
        return tile

    def tile(self, i: int, j: int) -> Float[np.ndarray, "rows columns"]:
        """Return tile (i, j), below the diagonal of K(X, X) the transpose of tile (j, i)."""
        if self.is_symmetric and i > j:
            return self.tile(j, i).T
        return self.end(i, j, self.start(i, j))

    def tiles(self) -> Iterator[tuple[int, int, Float[np.ndarray, "rows columns"]]]:
        """Yield (i, j, tile) for all tiles, on and above the diagonal where the matrix is symmetric."""
        pending: deque[tuple[int, int, Any]] = deque()
        for i in range(len(self.cuts(0))):
            for j in range(i if self.is_symmetric else 0, len(self.cuts(1))):
                pending.append((i, j, self.start(i, j)))
                if len(pending) > PENDING:
                    done = pending.popleft()
                    yield done[0], done[1], self.end(*done)
        for done in pending:
            yield done[0], done[1], self.end(*done)

    def n_tiles(self) -> int:
        """Return how many tiles `tiles` yields."""
        rows, columns = len(self.cuts(0)), len(self.cuts(1))
        return rows * (rows + 1) // 2 if self.is_symmetric else rows * columns


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
            diagonal=self.diagonal,
        )


@jax.jit
def _pairwise(kernel: Kernel, x: Array, z: Array) -> Array:
    return jax.vmap(kernel.of_points)(x, z)


@jax.jit
def _all_pairs(kernel: Kernel, X: Array, Z: Array) -> Array:
    return jax.lax.map(lambda x: jax.vmap(functools.partial(kernel.of_points, x))(Z), X)
