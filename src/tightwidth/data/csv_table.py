"""Text tables, .csv: numbers in the feature columns, numbers or text in the target column.

A file is first read in one go by numpy.loadtxt.  Whatever that refuses is read record by record, which is
slower and knows the line and the column of what is wrong.
"""

import csv
import re
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tightwidth.data.csv_layout import CsvLayout, csv_layout, numbered_rows, open_text
from tightwidth.data.table import Points, Table, Target, checked_table
from tightwidth.data.target import number_from, target_from_text
from tightwidth.errors import DataError

DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")


def read_csv(path: Path, target: str | int | None) -> Table:
    """Return a text table.

    Parameters
    ----------
    path
        The file, in UTF-8 with or without a byte order mark.
    target
        The name or index of the target column; by default the one named target, label or y.

    Raises
    ------
    DataError
        If the file is no text, if `csv_layout` finds no columns, if a record has another number of fields
        than the first, if a feature is not a number, or if the values are no table.
    """
    try:
        layout = csv_layout(path, target)
        X, values = values_in_one_go(path, layout) or values_by_record(path, layout)
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text; a text table is needed; save the file as UTF-8"
        raise DataError(message) from error
    except csv.Error as error:
        message = f"{path} cannot be read as a text table ({error}); check its quotes and its encoding"
        raise DataError(message) from error
    return checked_table(X, values, layout.feature_names, name=path.name, source=str(path))


def values_in_one_go(path: Path, layout: CsvLayout) -> tuple[Points, Target] | None:
    """Return points and target values read by numpy.loadtxt, None if it refuses the file."""
    codes: dict[str, int] = {}

    def code(field: str) -> float:
        if '"' in field:
            message = "a quote inside a field is read by record"
            raise ValueError(message)
        return float(codes.setdefault(field.strip(), len(codes)))

    try:
        values = np.loadtxt(
            path,
            delimiter=layout.delimiter,
            skiprows=layout.header_lines,
            comments=None,
            quotechar='"',
            converters={layout.target: code},
            encoding="utf-8-sig",
            ndmin=2,
        )
    except ValueError:
        return None
    if values.shape[1] != len(layout.names):
        return None
    classes = target_from_text(list(codes))
    return np.delete(values, layout.target, axis=1), classes[values[:, layout.target].astype(np.int64)]


def values_by_record(path: Path, layout: CsvLayout) -> tuple[Points, Target]:
    """Return points and target values read record by record.

    Raises
    ------
    DataError
        If a record has another number of fields than the first, or if a feature is not a number.
    """
    n_columns = len(layout.names)
    numbers = array("d")
    labels: list[str] = []
    with open_text(path) as handle:
        for line, row in numbered_rows(handle, layout.delimiter):
            if line <= layout.header_lines:
                continue
            if len(row) != n_columns:
                message = (
                    f"{path}, line {line}: {len(row)} fields are given and {n_columns} are needed, as in "
                    f"line {layout.first_line}; complete or remove the line"
                )
                raise DataError(message)
            labels.append(row.pop(layout.target))
            try:
                numbers.extend(map(float, row))
            except ValueError as error:
                raise DataError(not_a_number(path, line, row, layout.feature_names)) from error
    return np.frombuffer(numbers).reshape(-1, n_columns - 1), target_from_text(labels)


def not_a_number(path: Path, line: int, row: list[str], names: Sequence[str]) -> str:
    """Return what to say of the first field of a record that is not a number."""
    name, field = next((name, field) for name, field in zip(names, row, strict=True) if number_from(field) is None)
    where = f"{path}, line {line}, column {name!r}"
    if not field:
        return f"{where}: the field is empty; a number is needed; fill it in or remove the line"
    if DECIMAL_COMMA.fullmatch(field):
        return f"{where}: {field!r} has a decimal comma; a number is needed; write it with a point"
    return (
        f"{where}: {field!r} is not a number; features must be numbers; encode or remove the column, or make "
        "it the target with --target (target= in Python)"
    )
