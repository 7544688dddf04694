"""How a text table is laid out: the delimiter, the header, the target column.

A first line is taken as a header if none of its fields is a number, if it holds the name of the target, or if
it has text where the target column has a number below.  A first line of numbers only is data.  Without a
given target, one of the default names makes a header only if the numbers beside it count the columns:
``0, 1, y`` is a header, ``3.5, 1, y`` a point of class y.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from tightwidth.data.checks import default_names
from tightwidth.data.target import DEFAULT_TARGETS, index_from, number_from, target_column
from tightwidth.errors import DataError

DELIMITERS = (",", ";", "\t")
SAMPLE_LINES = 10


@dataclass(frozen=True)
class CsvLayout:
    """Say how to read a text table.

    Attributes
    ----------
    delimiter
        What separates the fields.
    names
        The names of all columns, from the header or ``x0, x1, ...``.
    target
        The index of the target column.
    first_line
        The line of the file, counted from 1, of the first record.
    header_lines
        How many lines of the file end with the header; 0 without one.
    """

    delimiter: str
    names: tuple[str, ...]
    target: int
    first_line: int
    header_lines: int

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the columns other than the target."""
        return self.names[: self.target] + self.names[self.target + 1 :]


def csv_layout(path: Path, target: str | int | None, *, least_columns: int = 2) -> CsvLayout:
    """Return the layout of a text table, judged by its first lines.

    Raises
    ------
    DataError
        If the file has no lines, one column only where two are needed, a header without rows, or no target column.
    """
    with open_text(path) as handle:
        sample = list(islice((line for line in handle if line.strip()), SAMPLE_LINES))
    if not sample:
        message = f"{path} is empty: it has blank lines only; data with at least 2 points are needed"
        raise DataError(message)
    delimiter = delimiter_of(sample)
    with open_text(path) as handle:
        rows = numbered_rows(handle, delimiter)
        first_line, first = next(rows)
        second = next(rows, (0, None))[1]
    if len(first) < least_columns:
        message = (
            f"{path} has one column; features and a target are needed, separated by comma, semicolon or tab; "
            "add the missing columns"
        )
        raise DataError(message)
    if not is_header(first, second, target):
        names = default_names(len(first))
        return CsvLayout(delimiter, names, target_column(path, names, target, has_names=False), first_line, 0)
    if second is None:
        message = f"{path} has a header and no rows; at least 2 points are needed; add them below the header"
        raise DataError(message)
    names = tuple(name or f"x{j}" for j, name in enumerate(first))
    return CsvLayout(delimiter, names, target_column(path, names, target), first_line, first_line)


def open_text(path: Path) -> TextIO:
    """Return a text file opened as the csv module wants it, without a byte order mark."""
    return path.open(newline="", encoding="utf-8-sig")


def numbered_rows(handle: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield for each record that is not blank the line of the file on which it ends and its fields."""
    reader = csv.reader(handle, delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        fields = [field.strip() for field in row]
        if fields not in ([], [""]):
            yield reader.line_num, fields


def delimiter_of(sample: list[str]) -> str:
    """Return the delimiter that splits all sample lines into equally many fields, at least two.

    Where several do, tab goes before semicolon before comma, because a comma may also stand for a decimal
    point. Where none does, the one that splits the first line into most fields is returned.
    """
    lengths = {
        delimiter: [len(row) for row in csv.reader(sample, delimiter=delimiter, skipinitialspace=True)]
        for delimiter in DELIMITERS
    }
    for delimiter in reversed(DELIMITERS):
        if 1 < min(lengths[delimiter]) == max(lengths[delimiter]):
            return delimiter
    return max(DELIMITERS, key=lambda delimiter: lengths[delimiter][0])


def is_header(first: list[str], second: list[str] | None, target: str | int | None) -> bool:
    """Return whether the first record names the columns, by the rule at the head of this module."""
    if any(first) and all(number_from(field) is None for field in first):
        return True
    if target is None:
        return any(field.casefold() in DEFAULT_TARGETS for field in first) and has_counting_numbers(first)
    if isinstance(target, str) and target in first and number_from(target) is None:
        return True
    index = index_from(target) if isinstance(target, str) else int(target)
    n_columns = len(first)
    if index is None or second is None or len(second) != n_columns or not -n_columns <= index < n_columns:
        return False
    return bool(first[index]) and number_from(first[index]) is None and number_from(second[index]) is not None


def has_counting_numbers(first: list[str]) -> bool:
    """Return whether each field that is a number tells its own place, give or take one.

    Examples
    --------
    >>> has_counting_numbers(["0", "1", "y"]), has_counting_numbers(["3.5", "1", "y"])
    (True, False)
    """
    return all(
        number_from(field) is None or field in (str(place - 1), str(place), str(place + 1))
        for place, field in enumerate(first)
    )
