"""Kernel matrices on disk, larger than memory, that survive a stop.

Rows are written in blocks from the first on, into ``NAME.npy.partial`` beside a small ``NAME.npy.journal`` that says of
which job they are and how many are safe.  After a stop, the same call goes on where the journal ends, and the finished
file has the bits of an unbroken run, which are those of `tightwidth.kernels.gram`.  The name itself only ever
holds a finished matrix.
"""

import os
import shutil
from collections.abc import Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tightwidth.data.gram_jobs import GramJob, Journal
from tightwidth.errors import DataError, MemoryEstimateError
from tightwidth.kernel_tiles import Kernel, tile_size
from tightwidth.kernels import checked_points, gram_blocks
from tightwidth.memory import check_fits, readable_bytes
from tightwidth.precision import FLOAT_DTYPES

SUFFIX = ".npy"


class RowsDone(NamedTuple):
    """Say how many rows of the matrix are on disk."""

    done: int
    total: int


def save_gram(
    path: str | Path,
    kernel: Kernel,
    X: Any,
    Z: Any = None,
    *,
    block_rows: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the kernel matrix ``K[i, j] = k(x_i, z_j)`` to a .npy file, going on where an earlier call was stopped.

    Parameters
    ----------
    path
        Where to, a name that ends in .npy.
    kernel, X, Z
        As for `tightwidth.kernels.gram`.
    block_rows
        Rows that are written, and safe, together; 512 or 1,024 if None.  Multiples of 1,024 are fastest.
    overwrite
        Whether a finished file of that name is replaced, when the new one is finished.
    progress
        Called with the rows done and the rows in all: first with those found on disk, then after each block.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    DataError
        If the points are none, or not finite, if a file of that name exists, if an unfinished matrix there belongs to
        another job, is damaged, or is being written by another process, or if the path is of no use.
    InputError
        If block_rows is below 1.
    MemoryEstimateError
        If the disk has not the room, or memory not that for a block.

    Notes
    -----
    Needs memory for a block and for 1,024 rows, however many there are.  Both halves of K(X, X) are computed: twice
    the cost of `tightwidth.kernels.gram`, with the same bits.  The same job is: the same points, dtype and kernel, and
    the same versions of this package and of JAX on the same kind of device, on which the last bit depends.
    """
    steps = save_gram_steps(path, kernel, X, Z, block_rows=block_rows, overwrite=overwrite)
    while True:
        try:
            rows = next(steps)
        except StopIteration as stop:
            return stop.value
        if progress is not None:
            progress(*rows)


def save_gram_steps(
    path: str | Path,
    kernel: Kernel,
    X: Any,
    Z: Any = None,
    *,
    block_rows: int | None = None,
    overwrite: bool = False,
) -> Generator[RowsDone, None, Path]:
    """Do what `save_gram` does, yielding when each block of rows is safe; the path is the generator's return value.

    The first yield tells the rows that were found on disk.  Whoever stops early, by closing the generator, an
    interrupt or a kill, leaves what is needed to go on.

    Raises
    ------
    DataError, InputError, MemoryEstimateError
        As `save_gram`.
    """
    path = _checked_path(path)
    if path.exists() and not overwrite:
        message = f"{path} exists; a matrix is not written over; give overwrite=True or another path"
        raise DataError(message)
    X, Z = checked_points(X, Z)
    if not (len(X) and (Z is None or len(Z))):
        message = f"X has {len(X)} points{'' if Z is None else f' and Z {len(Z)}'}; give at least one"
        raise DataError(message)
    job = GramJob.of(kernel, X, Z)
    header = _header(job)
    partial, journal = _beside(path)
    _check_room(partial, len(header) + job.shape[0] * job.row_bytes)
    tile = tile_size(job.shape[0], may_be_large=True)
    check_fits(
        float(tile + (block_rows or tile)) * job.row_bytes,
        f"a block of {block_rows or tile} rows of {job.shape[1]} entries",
        "give a smaller block_rows",
    )
    with _opened(partial) as handle:
        rows = _rows_to_keep(job, partial, journal, len(header))
        if rows == 0:
            Journal(job, 0).write(journal)
            handle.truncate(0)
            handle.write(header)
        else:
            handle.truncate(len(header) + rows * job.row_bytes)
        yield RowsDone(rows, job.shape[0])
        for where, block in gram_blocks(kernel, X, Z, block_rows=block_rows, first_row=rows):
            handle.write(block.data)
            handle.flush()
            os.fsync(handle.fileno())
            Journal(job, where.stop).write(journal)
            yield RowsDone(where.stop, job.shape[0])
    partial.replace(path)
    _sync_directory(path.parent)
    journal.unlink(missing_ok=True)
    return path


def open_gram(path: str | Path) -> np.memmap:
    """Return a finished kernel matrix as an array that is read from disk where it is used.

    Parameters
    ----------
    path
        A .npy file with a real matrix, such as `save_gram` writes.

    Returns
    -------
    memmap
        [m, n], read only.  It serves wherever a matrix does; what computes with all of it, such as
        `tightwidth.linear_solves.solve`, needs memory of its own.

    Raises
    ------
    DataError
        If there is no such file, if it is unfinished, damaged, or holds something else.
    """
    path = _checked_path(path)
    if not path.exists():
        partial, journal = _beside(path)
        begun = Journal.read(journal) if partial.exists() else None
        if begun is not None:
            message = (
                f"{path} is unfinished, {begun.rows} of {begun.job.shape[0]} rows are written; call save_gram with the "
                f"same points and kernel to finish it"
            )
        else:
            message = f"there is no file {path}; a matrix written by save_gram is needed; check the path"
        raise DataError(message)
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        message = f"{path} cannot be read as a matrix ({error}); write it again with save_gram"
        raise DataError(message) from error
    if not isinstance(matrix, np.memmap) or matrix.ndim != 2 or matrix.dtype not in FLOAT_DTYPES:
        message = f"{path} holds no matrix of float32 or float64 numbers; give one that save_gram has written"
        raise DataError(message)
    return matrix


def _checked_path(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != SUFFIX:
        message = f"{path} has the suffix {path.suffix!r}; a kernel matrix is kept in a {SUFFIX} file; rename it"
        raise DataError(message)
    return path


def _beside(path: Path) -> tuple[Path, Path]:
    """Return where the unfinished matrix and its journal are."""
    return path.with_name(path.name + ".partial"), path.with_name(path.name + ".journal")


def _header(job: GramJob) -> bytes:
    buffer = BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(job.dtype))
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": job.shape})
    return buffer.getvalue()


def _check_room(partial: Path, n_bytes: int) -> None:
    if not partial.parent.is_dir():
        message = f"there is no directory {partial.parent}; an existing one is needed; make it, or check the path"
        raise DataError(message)
    free = shutil.disk_usage(partial.parent).free + (partial.stat().st_size if partial.exists() else 0)
    if n_bytes > free:
        message = (
            f"the kernel matrix needs {readable_bytes(n_bytes)} on disk and {partial.parent} has room for "
            f"{readable_bytes(free)}; make room, give another path, or give points in float32, which halves it"
        )
        raise MemoryEstimateError(message)


def _opened(partial: Path) -> BinaryIO:
    """Return the unfinished matrix opened for appending, for this process alone."""
    try:
        handle = partial.open("ab")
    except OSError as error:
        message = f"{partial} cannot be written ({error.strerror}); give a path where files may be made"
        raise DataError(message) from error
    try:
        import fcntl
    except ImportError:  # Windows knows no such locks
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        message = f"{partial} is being written by another process; wait for it, or give another path"
        raise DataError(message) from error
    return handle


def _sync_directory(directory: Path) -> None:
    """Make a renaming safe against a loss of power, where the system can."""
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rows_to_keep(job: GramJob, partial: Path, journal: Path, header_bytes: int) -> int:
    """Return how many rows on disk belong to this job and are whole."""
    n_bytes = partial.stat().st_size
    begun = Journal.read(journal)
    if n_bytes == 0 or (begun is not None and begun.rows == 0):
        return 0
    if begun is None:
        message = f"{partial} lies there without its journal, so that nothing tells what it is; delete it"
        raise DataError(message)
    differences = job.differences(begun.job)
    if differences:
        message = (
            f"{partial} belongs to another job ({differences}), with {begun.rows} of {begun.job.shape[0]} rows done; "
            f"delete it or give another path"
        )
        raise DataError(message)
    if n_bytes < header_bytes + begun.rows * job.row_bytes:
        message = (
            f"{partial} is damaged: it has {readable_bytes(n_bytes)}, less than the {begun.rows} rows that were "
            f"written; delete it and begin again"
        )
        raise DataError(message)
    return begun.rows
