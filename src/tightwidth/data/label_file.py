"""Labels in a file of their own: a .npy array, or text with one value a line."""

import csv
from pathlib import Path

from tightwidth.data.plain_arrays import plain_array
from tightwidth.data.table import Target
from tightwidth.data.target import DEFAULT_TARGETS, number_from, plain_target, target_from_text
from tightwidth.errors import DataError

LABEL_SUFFIXES = (".npy", ".txt", ".csv")


def read_labels(path: Path, m: int) -> Target:
    """Return the target values of a label file: a .npy array, or text with one value a line.

    Parameters
    ----------
    path
        The file.
    m
        The number of values needed; of one more, the first is taken as the header if it reads like one.

    Raises
    ------
    DataError
        If the file is of another kind, cannot be read, or has more than one column.
    """
    suffix = path.suffix.lower()
    if suffix not in LABEL_SUFFIXES:
        message = f"the label file {path} has the suffix {suffix!r}; one of {', '.join(LABEL_SUFFIXES)} is needed"
        raise DataError(message)
    if suffix == ".npy":
        return plain_target(plain_array(path), name=str(path))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text; labels are needed, one a line; save the file as UTF-8"
        raise DataError(message) from error
    values = [value for line in lines if (value := line.strip())]
    if suffix == ".csv":
        values = [single_field(path, value) for value in values]
    if len(values) == m + 1 and is_heading(values):
        del values[0]
    return target_from_text(values)


def single_field(path: Path, line: str) -> str:
    """Return the one field of a line of a .csv label file.

    Raises
    ------
    DataError
        If the line has more fields.
    """
    row = next(csv.reader([line], skipinitialspace=True))
    if len(row) != 1:
        message = f"{path} has {len(row)} columns; one label a line is needed; keep the column of the labels only"
        raise DataError(message)
    return row[0].strip()


def is_heading(values: list[str]) -> bool:
    """Return whether the first value names the others: target, label or y, or text above numbers."""
    if values[0].casefold() in DEFAULT_TARGETS:
        return True
    return number_from(values[0]) is None and all(number_from(value) is not None for value in values[1:])
