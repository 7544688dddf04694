"""Checks of a table of points, made once, before anything is computed from it.

Every message is one line: what was given, what is needed, what to do.
"""

from collections.abc import Sequence

import numpy as np

from tightwidth.errors import DataError

MIN_POINTS = 2


def check_table(X: np.ndarray, column_names: Sequence[str] | None = None, *, name: str = "X") -> None:
    """Raise unless X is a finite real matrix with at least two rows and one column.

    Parameters
    ----------
    X
        What should be the points, shape [m, d].
    column_names
        Names of the d columns for the messages; ``x0, x1, ...`` if not given.
    name
        What the messages call the table, such as the path of its file.

    Raises
    ------
    DataError
        If X is not two-dimensional, has fewer than two rows or no column, holds something other than real
        numbers, holds NaN or infinite values, or if the number of column names is not d.

    Examples
    --------
    >>> check_table(np.array([[1.0, 2.0], [3.0, np.nan]]), ["height", "weight"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tightwidth.errors.DataError: X holds 1 NaN or infinite value, first in column 'weight' at data row 2; ...
    """
    check_shape(X, name)
    names = default_names(X.shape[1]) if column_names is None else tuple(column_names)
    if len(names) != X.shape[1]:
        message = f"{name} has {X.shape[1]} columns and {len(names)} column names; give one name for each column"
        raise DataError(message)
    if X.dtype.kind not in "biuf":
        message = (
            f"{name} holds values of type {X.dtype}; features must be real numbers; convert them, e.g. with "
            "X.astype(float)"
        )
        raise DataError(message)
    if X.dtype.kind == "f":
        check_finite(X, names, name)


def check_shape(X: np.ndarray, name: str) -> None:
    """Raise unless X has two dimensions, at least two rows and at least one column.

    Raises
    ------
    DataError
        If one of these fails.
    """
    if X.ndim != 2:
        message = (
            f"{name} has shape {X.shape}; two dimensions are needed, [points, features]; reshape it, e.g. "
            "with X.reshape(len(X), -1)"
        )
        raise DataError(message)
    if X.shape[0] < MIN_POINTS:
        message = f"{name} has {X.shape[0]} data rows; at least {MIN_POINTS} points are needed; give more rows"
        raise DataError(message)
    if X.shape[1] == 0:
        message = f"{name} has no feature columns; at least 1 is needed beside the target; add a column of numbers"
        raise DataError(message)


def check_finite(X: np.ndarray, column_names: Sequence[str], name: str) -> None:
    """Raise if a matrix holds NaN or infinite values, naming the first column and its first row that do.

    Raises
    ------
    DataError
        If a value is NaN or infinite.
    """
    bad = ~np.isfinite(X)
    in_column = bad.sum(axis=0)
    total = int(in_column.sum())
    if total:
        column = int(np.argmax(in_column > 0))
        row = int(np.argmax(bad[:, column])) + 1
        message = (
            f"{name} holds {total} NaN or infinite value{'s' if total > 1 else ''}, first in column "
            f"{column_names[column]!r} at data row {row}; finite numbers are needed; remove these rows or "
            "fill the values in"
        )
        raise DataError(message)


def check_same_length(X: np.ndarray, target: np.ndarray, *, name: str = "X") -> None:
    """Raise unless there is one target value for each row of X.

    Raises
    ------
    DataError
        If the lengths differ.
    """
    if len(X) != len(target):
        message = (
            f"{name} has {len(X)} rows and {len(target)} labels; one label for each row is needed; check "
            "that both belong to the same data"
        )
        raise DataError(message)


def default_names(n_columns: int) -> tuple[str, ...]:
    """Return the names x0, x1, ... of columns that have none, counted from 0 as ``--target INDEX`` counts."""
    return tuple(f"x{j}" for j in range(n_columns))
