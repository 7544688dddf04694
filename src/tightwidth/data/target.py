"""Which column of a table is the target, and what its values are: numbers or text.

A target keeps its original values, because only the user knows what they mean; `tightwidth.data.labels` turns
them into +1 and -1.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tightwidth.data.table import Target
from tightwidth.errors import DataError

DEFAULT_TARGETS = ("target", "label", "y")
MISSING_MARKS = frozenset({"", "na", "n/a", "nan", "null", "?"})


def target_column(path: Path, names: Sequence[str], target: str | int | None, *, has_names: bool = True) -> int:
    """Return the index of the target column, found by its name, by its index, or by the default names.

    Parameters
    ----------
    path
        The file, for the messages.
    names
        The names of all columns.
    target
        A name; an index, as a number or as text, counted from 0 or, if negative, from the end; or None for
        the first of ``target``, ``label``, ``y`` that names a column in any case.
    has_names
        Whether the file itself gives the names.

    Raises
    ------
    DataError
        If no column or more than one column is meant.
    """
    n_columns = len(names)
    if target is None:
        return default_target_column(path, names, has_names=has_names)
    if isinstance(target, str):
        places = [j for j, name in enumerate(names) if name == target] if has_names else []
        if len(places) > 1:
            message = (
                f"{path} has {len(places)} columns named {target!r}; one is needed; give --target with its "
                f"index (target= in Python), counted from 0: {readable_list(places)}"
            )
            raise DataError(message)
        if places:
            return places[0]
        index = index_from(target)
        if index is None:
            known = f"; its columns are {readable_list(names)}" if has_names else ", since it has no header"
            message = (
                f"{path} has no column named {target!r}{known}; give --target (target= in Python) as a "
                f"{'name or an index' if has_names else 'column index'} from 0 to {n_columns - 1}, -1 for "
                "the last"
            )
            raise DataError(message)
    else:
        index = int(target)
    if not -n_columns <= index < n_columns:
        message = (
            f"{path} has {n_columns} columns and no column {index}; give --target (target= in Python) as an "
            f"index from 0 to {n_columns - 1}, or -1 for the last"
        )
        raise DataError(message)
    return index % n_columns


def default_target_column(path: Path, names: Sequence[str], *, has_names: bool) -> int:
    """Return the index of the one column named target, label or y, the earlier name first.

    Raises
    ------
    DataError
        If there is no such column, or if two columns differ in case only.
    """
    if not has_names:
        message = (
            f"{path} has {len(names)} columns without names; one must be the target; give --target INDEX "
            f"(target= in Python) from 0 to {len(names) - 1}, -1 for the last"
        )
        raise DataError(message)
    for default in DEFAULT_TARGETS:
        places = [j for j, name in enumerate(names) if name.casefold() == default]
        if len(places) > 1:
            message = (
                f"{path} has {len(places)} columns that could be the target: "
                f"{readable_list(names[j] for j in places)}; choose one with --target COLUMN (target= in "
                "Python)"
            )
            raise DataError(message)
        if places:
            return places[0]
    message = (
        f"{path} has no column named target, label or y; its columns are {readable_list(names)}; name the "
        "target with --target COLUMN (target= in Python)"
    )
    raise DataError(message)


def index_from(text: str) -> int | None:
    """Return the whole number that a text stands for, None if it stands for none."""
    try:
        return int(text)
    except ValueError:
        return None


def number_from(text: str) -> float | None:
    """Return the number that a text stands for, None if it stands for none."""
    try:
        return float(text)
    except ValueError:
        return None


def target_from_text(values: Sequence[str]) -> Target:
    """Return target values read as text: integers if all are, else numbers if all are, else text.

    Parameters
    ----------
    values
        The fields of the target column, shape [m], stripped.  Among numbers a mark of `MISSING_MARKS` is NaN.

    Returns
    -------
    target
        An array of int64, float64 or text, shape [m].
    """
    try:
        return np.array([int(value) for value in values], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([np.nan if is_missing_mark(value) else float(value) for value in values], dtype=np.float64)
    except ValueError:
        return np.array(values, dtype=np.str_)


def plain_target(values: Any, *, name: str = "the target") -> Target:
    """Return target values as an array of numbers or of text, with NaN or the empty text for missing values.

    Parameters
    ----------
    values
        An array or a sequence of m values; a single column of shape [m, 1] counts as [m].
    name
        What the messages call it.

    Raises
    ------
    DataError
        If the values are not one-dimensional, or neither all numbers nor all text.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        message = (
            f"{name} has shape {array.shape}; one value for each point is needed, shape [points]; for "
            "one-hot rows give y.argmax(axis=1)"
        )
        raise DataError(message)
    if array.dtype.kind in "biufU":
        return array
    if array.dtype.kind in "OT":
        items = [None if isinstance(value, float) and np.isnan(value) else value for value in array.tolist()]
        present = [value for value in items if value is not None]
        if all(isinstance(value, str) for value in present):
            return np.array(["" if value is None else value for value in items], dtype=np.str_)
        if all(isinstance(value, int | float | np.number) for value in present):
            return np.array([np.nan if value is None else value for value in items], dtype=np.float64)
    message = f"{name} holds values of type {array.dtype}; numbers or text are needed; convert them"
    raise DataError(message)


def is_missing_mark(text: str) -> bool:
    """Return whether a text marks a missing value: empty, NA, N/A, NaN, null or a question mark."""
    return text.strip().casefold() in MISSING_MARKS


def readable_list(values: Iterable[Any], limit: int = 10) -> str:
    """Return the first values on one line, separated by commas, with an ellipsis if there are more.

    Examples
    --------
    >>> readable_list(range(12), limit=3)
    '0, 1, 2, ...'
    """
    shown = [" ".join(str(value).split()) for value in islice(values, limit + 1)]
    return ", ".join([*shown[:limit], "..."] if len(shown) > limit else shown)
