"""Columnar tables, .parquet, read by pyarrow (the extra ``parquet``)."""

from pathlib import Path
from typing import Any

import numpy as np

from tightwidth.data.table import Table, Target, checked_table
from tightwidth.data.target import plain_target, target_column
from tightwidth.errors import DataError
from tightwidth.memory import check_fits


def read_parquet(path: Path, target: str | int | None) -> Table:
    """Return a .parquet table.

    Parameters
    ----------
    path
        The file.
    target
        The name or index of the target column; by default the one named target, label or y.

    Raises
    ------
    DataError
        If pyarrow is missing, if the file is no .parquet file, if a feature column does not hold numbers, or
        if the values are no table.
    MemoryEstimateError
        If the points would not fit into memory.

    Notes
    -----
    Missing values become NaN, which the checks report.  The points are float32 if all feature columns are
    float32 or narrower, float64 otherwise.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = f"{path} needs pyarrow, which is not installed; run: pip install 'tightwidth[parquet]'"
        raise DataError(message) from error
    try:
        with parquet.ParquetFile(path) as file:
            n_rows, n_columns = file.metadata.num_rows, file.metadata.num_columns
            check_fits(8.0 * n_rows * n_columns, f"{path} in memory", "give fewer rows or columns")
            content = file.read()
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        message = f"{path} cannot be read as a .parquet file ({reason}); write it again"
        raise DataError(message) from error
    names = tuple(str(name) for name in content.column_names)
    place = target_column(path, names, target)
    features = [j for j in range(len(names)) if j != place]
    for j in features:
        check_numeric(content.schema.field(j).type, names[j], path)
    columns = [as_numbers(content.column(j)) for j in features]
    X = np.stack(columns, axis=1) if columns else np.empty((content.num_rows, 0))
    y = target_values(content.column(place), f"{path}, column {names[place]!r},")
    return checked_table(X, y, [names[j] for j in features], name=path.name, source=str(path))


def check_numeric(column_type: Any, name: str, path: Path) -> None:
    """Raise unless a column type of pyarrow is a number or a truth value.

    Raises
    ------
    DataError
        If it is anything else.
    """
    from pyarrow import types

    is_numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if not any(answers(column_type) for answers in is_numeric):
        message = (
            f"{path}, column {name!r}: the values are of type {column_type}; features must be numbers; "
            "encode or remove the column, or make it the target with --target (target= in Python)"
        )
        raise DataError(message)


def as_numbers(column: Any) -> np.ndarray:
    """Return a numeric column of pyarrow, missing values as NaN: float32 if no wider, else float64."""
    from pyarrow import float32, float64, types

    is_narrow = types.is_float16(column.type) or types.is_float32(column.type)
    return column.cast(float32() if is_narrow else float64(), safe=False).to_numpy()


def target_values(column: Any, what: str) -> Target:
    """Return a column of pyarrow as target values; categories become the values that they stand for.

    Raises
    ------
    DataError
        If they are neither numbers nor text.
    """
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_decimal(column.type):
        return as_numbers(column)
    return plain_target(column.to_numpy(), name=what)
