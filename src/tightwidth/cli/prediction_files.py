"""Predictions on disk as they come: .csv, .npy and .parquet, written a block at a time."""

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from tightwidth.errors import DataError

Write = Callable[[np.ndarray, np.ndarray | None], None]  # predictions, and scores beside them


def _headings(found: np.ndarray, names: list[str]) -> list[str]:
    targets = [f"prediction_{k}" for k in range(found.shape[1])] if found.ndim == 2 else ["prediction"]
    return [*targets, *names]


@contextmanager
def _csv_writer(path: Path, names: list[str]) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle)
        is_new = True

        def write(found: np.ndarray, beside: np.ndarray | None) -> None:
            nonlocal is_new
            if is_new:
                out.writerow(_headings(found, names))
                is_new = False
            rows = found.reshape(len(found), -1).tolist()
            if beside is not None:
                rows = [[*row, *more] for row, more in zip(rows, beside.tolist(), strict=True)]
            out.writerows(rows)

        yield write


@contextmanager
def _npy_writer(path: Path, _names: list[str]) -> Iterator[Write]:
    """Write one array whose length is known at the end only: its header has room for any."""
    with path.open("wb") as handle:
        shape: list[Any] = [0, (), None]

        def header() -> None:
            handle.seek(0)
            described = {"descr": npy_format.dtype_to_descr(shape[2]), "fortran_order": False}
            npy_format.write_array_header_1_0(handle, {**described, "shape": (shape[0], *shape[1])})

        def write(found: np.ndarray, _beside: np.ndarray | None) -> None:
            if shape[2] is None:
                shape[1:] = found.shape[1:], found.dtype
                header()
            handle.write(np.ascontiguousarray(found, shape[2]).tobytes())
            shape[0] += len(found)

        yield write
        if shape[2] is not None:
            header()  # NumPy leaves room in it for a longer first dimension


@contextmanager
def _parquet_writer(path: Path, names: list[str]) -> Iterator[Write]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = f"{path} needs pyarrow, which is not installed; run: pip install 'tightwidth[parquet]'"
        raise DataError(message) from error
    out: Any = None

    def write(found: np.ndarray, beside: np.ndarray | None) -> None:
        nonlocal out
        columns = [*found.reshape(len(found), -1).T, *([] if beside is None else beside.T)]
        table = pyarrow.table(dict(zip(_headings(found, names), map(pyarrow.array, columns), strict=True)))
        if out is None:
            out = parquet.ParquetWriter(path, table.schema)
        out.write_table(table)

    try:
        yield write
    finally:
        if out is not None:
            out.close()


WRITERS: Mapping[str, Callable[[Path, list[str]], AbstractContextManager[Write]]] = MappingProxyType(
    {".csv": _csv_writer, ".npy": _npy_writer, ".parquet": _parquet_writer}
)
