"""Kernel matrices: into memory, in blocks of rows, or as a product that is never stored (section 2.4).

A kernel says what it is for one pair of points, `Kernel.of_points`.  Kernels that can do better than one pair at a
time override `Kernel.tiling`; everything here goes through the tiles that it returns (`tightwidth.kernel_tiles`).
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from tightwidth.contradictions import check_table
from tightwidth.devices import Share, check_devices, share_of
from tightwidth.errors import DataError, InputError
from tightwidth.kernel_tiles import Kernel, Tiling, copy_transposed
from tightwidth.long_jobs import finished
from tightwidth.memory import check_fits
from tightwidth.precision import in_precision_of

__all__ = [
    "Kernel",
    "Progress",
    "Tiling",
    "checked_points",
    "diagonal",
    "gram",
    "gram_blocks",
    "gram_product",
    "gram_steps",
    "product_steps",
]


class Progress(NamedTuple):
    """Say how many of the tiles are done."""

    done: int
    total: int


def checked_points(X: Any, Z: Any = None) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, "n d"] | None]:
    """Return X and Z as tables of finite numbers of one dtype and one number of columns.

    Raises
    ------
    DataError
        If one is no such table, or their columns differ.
    """
    X = check_table(X)
    if Z is None:
        return X, None
    Z = check_table(Z)
    if X.shape[1] != Z.shape[1]:
        message = f"X has {X.shape[1]} columns and Z has {Z.shape[1]}; a kernel needs the same features in both"
        raise DataError(message)
    dtype = np.promote_types(X.dtype, Z.dtype)
    return X.astype(dtype, copy=False), Z.astype(dtype, copy=False)


def check_kernel(kernel: Any) -> None:
    """Raise unless this is a kernel.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(kernel, Kernel):
        message = (
            f"kernel={kernel!r} is no Kernel; take one from tightwidth.tangent_kernel.expected_kernel, or write a "
            f"subclass of tightwidth.kernels.Kernel"
        )
        raise InputError(message)


def gram_steps(
    kernel: Kernel, X: Any, Z: Any = None, *, devices: Sequence[Any] | None = None
) -> Generator[Progress, None, Float[np.ndarray, "m n"]]:
    """Compute a kernel matrix in memory, yielding after every tile; the matrix is the generator's return value.

    Raises
    ------
    DataError
        If X or Z is no table of finite numbers, or their columns differ.
    MemoryEstimateError
        If the matrix would not fit in memory.
    """
    check_kernel(kernel)
    X, Z = checked_points(X, Z)
    shape = (len(X), len(X if Z is None else Z))
    check_fits(
        float(shape[0]) * shape[1] * X.dtype.itemsize + 2.0 * X.nbytes,
        f"a kernel matrix of {shape[0]} x {shape[1]} {X.dtype} entries",
        "take it in blocks (gram_blocks), on disk (data.save_gram) or as a product (gram_product)",
    )
    tiling = _tiling(kernel, X, Z, () if devices is None else check_devices(devices, local=True))
    rows, columns = tiling.cuts(0), tiling.cuts(1)
    out = np.empty(shape, X.dtype)

    def put(i: int, j: int, tile: np.ndarray) -> None:
        out[rows[i], columns[j]] = tile
        if tiling.is_symmetric and i != j:
            copy_transposed(tile, out[rows[j], columns[i]])

    for done, _ in enumerate(tiling.each(tiling.places(), put), start=1):
        yield Progress(done, tiling.n_tiles())
    return out


def _tiling(kernel: Kernel, X: np.ndarray, Z: np.ndarray | None, devices: Sequence[Any]) -> Tiling:
    """Return the tiles of the matrix, computed by these devices in turn."""
    tiling = kernel.tiling(X, Z)
    tiling.devices = devices
    return tiling


def gram(kernel: Kernel, X: Any, Z: Any = None, *, devices: Sequence[Any] | None = None) -> Float[np.ndarray, "m n"]:
    """Return the kernel matrix ``K[i, j] = k(x_i, z_j)``.

    Parameters
    ----------
    kernel
        The kernel.
    X, Z
        Points, [m, d] and [n, d]; float64 unless both are float32.  Without Z the matrix is K(X, X), symmetric to the
        bit.
    devices
        Of this process, which compute tiles in turn, such as ``jax.local_devices()``; None: one.  Devices of one kind
        give the bits of one.

    Returns
    -------
    ndarray
        [m, n], in the dtype of the points.

    Raises
    ------
    DataError
        If X or Z is no table of finite numbers, or their columns differ.
    MemoryEstimateError
        If the matrix would not fit in memory.

    Notes
    -----
    K(X, X) costs half the products of K(X, Z).
    """
    return finished(gram_steps(kernel, X, Z, devices=devices))


def gram_blocks(
    kernel: Kernel,
    X: Any,
    Z: Any = None,
    *,
    block_rows: int | None = None,
    first_row: int = 0,
    devices: Sequence[Any] | None = None,
) -> Iterator[tuple[slice, Float[np.ndarray, "rows n"]]]:
    """Yield the kernel matrix in blocks of rows: (which rows, block).

    The bits are those of `gram`, whatever the size of the blocks.

    Parameters
    ----------
    kernel, X, Z
        As for `gram`.
    block_rows
        Rows in a block; if None as many as the tiles have, 512 or 1,024; the last block may have fewer.
    first_row
        Where to begin, to go on after a stop.
    devices
        As for `gram`.  Those of several processes, such as ``jax.devices()`` after ``jax.distributed.initialize``,
        share the blocks: all processes make the same call, and each yields every n-th block, n the number of them.

    Raises
    ------
    DataError
        If X or Z is no table of finite numbers, or their columns differ.
    InputError
        If block_rows is below 1, first_row is negative, or the devices are none that can be used.

    Notes
    -----
    Needs memory for a block and for 1,024 rows.  Of K(X, X) both halves are computed: twice the cost of `gram`.
    """
    check_kernel(kernel)
    X, Z = checked_points(X, Z)
    least = 1 if block_rows is None else block_rows
    whole = all(isinstance(rows, (int, np.integer)) for rows in (least, first_row))
    if not whole or least < 1 or first_row < 0:
        message = (
            f"block_rows={block_rows!r}, first_row={first_row!r}: blocks need a whole number of rows, at least 1, and "
            f"begin at row 0 or later"
        )
        raise InputError(message)
    share = share_of(devices)
    tiling = _tiling(kernel, X, Z, share.devices)
    return _blocks(tiling, share, tiling.sizes[0] if block_rows is None else block_rows, first_row)


def _blocks(tiling: Tiling, share: Share, size: int, first_row: int) -> Iterator[tuple[slice, np.ndarray]]:
    m, n = tiling.shape
    strip, at = np.empty((0, n), tiling.X.dtype), -1
    for start in share.of(range(first_row, m, size)):
        block = np.empty((min(size, m - start), n), tiling.X.dtype)
        filled = 0
        while filled < len(block):
            index, inside = divmod(start + filled, tiling.sizes[0])
            if index != at:
                strip, at = _strip(tiling, index), index
            take = min(len(strip) - inside, len(block) - filled)
            block[filled : filled + take] = strip[inside : inside + take]
            filled += take
        yield slice(start, start + len(block)), block


def _strip(tiling: Tiling, index: int) -> np.ndarray:
    """Return the rows of one tile, with all columns."""
    rows, columns = tiling.cuts(0)[index], tiling.cuts(1)
    strip = np.empty((rows.stop - rows.start, tiling.shape[1]), tiling.X.dtype)

    def put(_: int, j: int, tile: np.ndarray) -> None:
        strip[:, columns[j]] = tile

    for _ in tiling.each([(index, j) for j in range(len(columns))], put):
        pass
    return strip


def product_steps(
    kernel: Kernel, V: Any, X: Any, Z: Any = None, *, devices: Sequence[Any] | None = None
) -> Generator[Progress, None, Float[np.ndarray, "..."]]:
    """Compute ``K V`` without storing K, yielding after every tile of this process; the product is the return value.

    Raises
    ------
    DataError
        If X, Z or V is no table of finite numbers, or sizes do not fit.
    """
    check_kernel(kernel)
    X, Z = checked_points(X, Z)
    n, V = len(X if Z is None else Z), np.asarray(V)
    V = V.astype(np.float64) if V.dtype.kind in "biuf" else V
    if V.dtype.kind != "f" or V.ndim not in (1, 2) or len(V) != n or not np.isfinite(V).all():
        message = (
            f"V has shape {V.shape} and dtype {V.dtype}; needed are finite real numbers [{n}] or [{n}, k], one row for "
            f"each column of K"
        )
        raise DataError(message)
    share = share_of(devices)
    tiling = _tiling(kernel, X, Z, share.devices)
    rows, columns = tiling.cuts(0), tiling.cuts(1)
    out = np.zeros((len(X), *V.shape[1:]))
    mine = len(range(share.part, tiling.n_tiles(), share.parts))
    for done, (i, j, tile) in enumerate(tiling.tiles(share.of(tiling.places())), start=1):
        wide = tile.astype(np.float64, copy=False)
        out[rows[i]] += wide @ V[columns[j]]
        if tiling.is_symmetric and i != j:
            out[rows[j]] += wide.T @ V[columns[i]]
        yield Progress(done, mine)
    return share.total(out)


def gram_product(
    kernel: Kernel, V: Any, X: Any, Z: Any = None, *, devices: Sequence[Any] | None = None
) -> Float[np.ndarray, "..."]:
    """Return ``K V`` in float64, K = k(X, Z) or k(X, X), without storing K.

    Parameters
    ----------
    kernel, X, Z
        As for `gram`.
    V
        [n] or [n, k].
    devices
        As for `gram`.  Those of several processes share the tiles: all processes make the same call, and each returns
        the whole product, up to the rounding of sums that of one.

    Raises
    ------
    DataError
        If X, Z or V is no table of finite numbers, or sizes do not fit.

    Notes
    -----
    The entries of K have the precision of the points; sums are float64.
    """
    return finished(product_steps(kernel, V, X, Z, devices=devices))


def diagonal(kernel: Kernel, X: Any) -> Float[np.ndarray, " m"]:
    """Return ``k(x_i, x_i)`` without the matrix.

    Raises
    ------
    DataError
        If X is no table of finite numbers.
    """
    check_kernel(kernel)
    points, _ = checked_points(X)
    with in_precision_of(points):
        return np.asarray(kernel.diagonal(points))
