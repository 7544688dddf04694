"""From a path, a built-in set or arrays to rows that can be read piece by piece."""

from pathlib import Path

import numpy as np

from tightwidth.data.builtin import BUILTIN_NAMES
from tightwidth.data.checks import check_same_length
from tightwidth.data.files import SUFFIXES, check_readable, load
from tightwidth.data.plain_arrays import member, plain_load
from tightwidth.data.rows.csv_rows import CsvRows
from tightwidth.data.rows.npy_rows import open_npy
from tightwidth.data.rows.parquet_rows import ParquetRows
from tightwidth.data.rows.source import ArrayRows, RowSource
from tightwidth.data.rows.svmlight_rows import SvmlightRows
from tightwidth.data.target import readable_list
from tightwidth.errors import DataError
from tightwidth.memory import check_fits

SVMLIGHT = (".svm", ".svmlight", ".libsvm")


def open_rows(
    source: str | Path,
    *,
    target: str | int | None = None,
    labels: str | Path | None = None,
    needs_target: bool = True,
    columns: tuple[str, ...] | int | None = None,
) -> RowSource:
    """Open a built-in set or a file for reading in pieces.

    Parameters
    ----------
    source, target, labels
        As for `tightwidth.data.load`; only .npz files and built-in sets are loaded as a whole.
    needs_target
        Whether rows without a target are refused.
    columns
        The features of a model, by name or by number: those of this name are read, in the order of the model, where the
        file has names; else their number must be right.

    Raises
    ------
    DataError
        If the source cannot be read, has no target that is needed, or not the features of the model.
    MemoryEstimateError
        If a .npz file would not fit into memory.
    """
    if isinstance(source, str) and source in BUILTIN_NAMES:
        table = load(source, target=target, labels=labels)
        return _selected(ArrayRows(table.X, table.target, table.column_names, name=source), columns)
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ".npz" and target is None and labels is None and not needs_target:
        return _selected(ArrayRows(_points(path), None, None, name=str(path)), columns)
    if suffix not in SUFFIXES or suffix == ".npz":
        table = load(source, target=target, labels=labels)  # refuses what is none of these
        return _selected(ArrayRows(table.X, table.target, None, name=str(path)), columns)
    check_readable(path)
    if suffix == ".npy":
        if labels is not None:
            check_readable(Path(labels))
        found: RowSource = open_npy(path, target, None if labels is None else Path(labels), needs_target=needs_target)
        return _selected(found, columns)
    if labels is not None:
        message = f"--labels (labels= in Python) is for .npy files and {path} is none; drop it, or use --target"
        raise DataError(message)
    features = columns if isinstance(columns, tuple) else ()
    if suffix == ".csv":
        return _selected(CsvRows(path, target, needs_target=needs_target, features=features), columns)
    if suffix == ".parquet":
        return _selected(ParquetRows(path, target, needs_target=needs_target, features=features), columns)
    d = columns if isinstance(columns, int) or columns is None else len(columns)
    return SvmlightRows(path, target, n_features=d)


def rows_of_arrays(X: np.ndarray, y: np.ndarray) -> ArrayRows:
    """Return arrays as rows.

    Raises
    ------
    DataError
        If there is not one target for each row.
    """
    check_same_length(X, y)
    return ArrayRows(X, y, None, name="X")


def _points(path: Path) -> np.ndarray:
    """Return the array X of a .npz file, whatever else it holds."""
    check_readable(path)
    check_fits(float(path.stat().st_size), f"{path} in memory", "give fewer rows or columns")
    arrays = plain_load(path)
    if isinstance(arrays, np.ndarray) or "X" not in arrays.files:
        held = "a single array" if isinstance(arrays, np.ndarray) else readable_list(arrays.files) or "no arrays"
        message = f"{path} holds {held}; an array X is needed; write it with np.savez(path, X=X)"
        raise DataError(message)
    with arrays:
        X = member(arrays, "X", path)
    if X.ndim != 2:
        message = f"{path} has X of shape {X.shape}; two dimensions are needed, [points, features]; reshape it"
        raise DataError(message)
    return X


def _selected(rows: RowSource, columns: tuple[str, ...] | int | None) -> RowSource:
    """Return the rows with the features of a model."""
    if columns is None:
        return rows
    if isinstance(rows, (CsvRows, ParquetRows)) and rows.has_names and not isinstance(columns, int):
        known = [name for name in rows.all_names if name != rows.target_name]
        missing = [name for name in columns if name not in known]
        if missing:
            message = (
                f"{rows.name} lacks {len(missing)} of the {len(columns)} columns of the model: "
                f"{readable_list(missing)}; its columns are {readable_list(known)}; give the columns of the fit"
            )
            raise DataError(message)
        twice = [name for name in columns if known.count(name) > 1]
        if twice and columns != rows.column_names:
            message = f"{rows.name} has {known.count(twice[0])} columns named {twice[0]!r}; give each its own name"
            raise DataError(message)
        rows.select(columns)
        return rows
    d = columns if isinstance(columns, int) else len(columns)
    if rows.d != d:
        message = (
            f"{rows.name} has {rows.d} feature columns and the model {d}; give the columns of the fit, and name the "
            "target, if there is one, with --target (target= in Python)"
        )
        raise DataError(message)
    return rows
