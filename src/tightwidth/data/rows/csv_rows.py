"""Rows of text tables, .csv: read by lines, a piece being some thousand of them."""

import csv
import dataclasses
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tightwidth.data.csv_layout import CsvLayout, csv_layout
from tightwidth.data.csv_table import not_a_number
from tightwidth.data.rows.source import Piece, Rows, RowSource, file_stamp
from tightwidth.errors import DataError

LONGEST_FIRST_LINE = 1 << 20


class CsvRows(RowSource):
    """Read a text table; targets are kept as text, since only all of them tell what they are."""

    def __init__(
        self, path: Path, target: str | int | None, *, needs_target: bool, features: tuple[str, ...] = ()
    ) -> None:
        self.path, self.name = path, str(path)
        try:
            self.layout = layout = _layout(path, target, needs_target=needs_target, features=features)
        except UnicodeDecodeError as error:
            raise DataError(self._no_text()) from error
        except csv.Error as error:
            raise DataError(self._no_table(error)) from error
        with path.open("rb") as handle:
            if b"\r" in handle.readline(LONGEST_FIRST_LINE).rstrip(b"\r\n"):
                message = f"{path} has lines that end in a carriage return alone; write it with line feeds"
                raise DataError(message)
        self.has_names = layout.header_lines > 0
        self.all_names = layout.names
        has_target = 0 <= layout.target < len(layout.names)
        self.target_name = layout.names[layout.target] if has_target else None
        self.column_names = layout.feature_names if has_target else layout.names
        self._columns: list[int] | None = None

    def select(self, column_names: tuple[str, ...]) -> None:
        """Read these columns only, in this order."""
        if column_names == self.column_names:
            return
        self._columns = [self.all_names.index(name) for name in column_names]
        self.column_names = column_names

    def _no_text(self) -> str:
        return f"{self.path} is not UTF-8 text; a text table is needed; save the file as UTF-8"

    def _no_table(self, error: csv.Error) -> str:
        return f"{self.path} cannot be read as a text table ({error}); check its quotes and its encoding"

    def pieces(self) -> Iterator[tuple[Piece, Rows]]:
        """Yield all pieces in order; each is a unit."""
        with self.path.open("rb") as handle:
            offset = sum(len(handle.readline()) for _ in range(self.layout.header_lines))
            line, first, unit = self.layout.header_lines, 0, 0
            while lines := self._whole_records(handle):
                data = b"".join(lines)
                rows = self._parsed(data, line)
                if len(rows.X):
                    yield Piece(unit, first, len(rows.X), (offset, line, len(data))), rows
                    unit += 1
                first, line, offset = first + len(rows.X), line + len(lines), offset + len(data)

    def _whole_records(self, handle: BinaryIO) -> list[bytes]:
        """Return the next lines, up to the end of a record: a quoted field may go on in the next line."""
        lines = list(islice(handle, self.piece_rows))
        if not any(b'"' in line for line in lines):
            return lines

        def text() -> Iterator[str]:
            yield from (line.decode("latin-1") for line in lines)
            while more := handle.readline():
                lines.append(more)
                yield more.decode("latin-1")

        n_lines = len(lines)
        reader = csv.reader(text(), delimiter=self.layout.delimiter, skipinitialspace=True)
        try:
            while reader.line_num < n_lines:
                next(reader)
        except csv.Error as error:
            raise DataError(self._no_table(error)) from error
        return lines

    def read(self, pieces: Iterable[Piece]) -> Iterator[Rows]:
        """Yield what these pieces hold."""
        with self.path.open("rb") as handle:
            for piece in pieces:
                offset, line, n_bytes = piece.place
                handle.seek(offset)
                yield self._parsed(handle.read(n_bytes), line)

    def _parsed(self, data: bytes, before: int) -> Rows:
        """Return the numbers and the target texts of lines, before which there are so many in the file."""
        try:
            text = data.decode("utf-8-sig" if before == 0 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(self._no_text()) from error
        lines = [line for line in StringIO(text, newline="") if line.strip()]
        goes_on = '"' in text and any(line.count('"') % 2 for line in lines)
        try:
            return (self._in_one_go(lines) if lines and not goes_on else None) or self._by_record(text, before)
        except csv.Error as error:
            raise DataError(self._no_table(error)) from error

    def _in_one_go(self, lines: list[str]) -> Rows | None:
        """Return rows read by numpy.loadtxt, None if it refuses them."""
        between, texts = len(self.layout.names) - 1, []
        if self._columns is not None and any(line.count(self.layout.delimiter) != between for line in lines):
            return None  # NumPy does not count the fields of a line if it reads some of them

        def kept(field: str) -> float:
            if '"' in field:
                message = "a quote inside a field is read by record"
                raise ValueError(message)
            texts.append(field.strip())
            return 0.0

        place = None if self.target_name is None else self.layout.target
        columns = self._columns if self._columns is None or place is None else [*self._columns, place]
        try:
            values = np.loadtxt(
                lines,
                delimiter=self.layout.delimiter,
                comments=None,
                quotechar='"',
                converters={} if place is None else {place: kept},
                usecols=columns,
                ndmin=2,
            )
        except ValueError:
            return None
        if columns is None and values.shape[1] != len(self.layout.names):
            return None
        if place is None:
            return Rows(values, None)
        X = values[:, :-1] if columns is not None else np.delete(values, place, axis=1)
        return Rows(np.ascontiguousarray(X), np.array(texts, np.str_))

    def _by_record(self, text: str, before: int) -> Rows:
        """Return rows read record by record.

        Raises
        ------
        DataError
            If a record has another number of fields than the first, or a feature is not a number.
        """
        n_columns = len(self.layout.names)
        target = None if self.target_name is None else self.layout.target
        places = self._columns or [j for j in range(n_columns) if j != target]
        numbers: list[list[float]] = []
        targets: list[str] = []
        reader = csv.reader(StringIO(text, newline=""), delimiter=self.layout.delimiter, skipinitialspace=True)
        for record in reader:
            row, line = [field.strip() for field in record], before + reader.line_num
            if row in ([], [""]):
                continue
            if len(row) != n_columns:
                message = (
                    f"{self.path}, line {line}: {len(row)} fields are given and {n_columns} are needed, as in "
                    f"line {self.layout.first_line}; complete or remove the line"
                )
                raise DataError(message)
            if target is not None:
                targets.append(row[target])
            try:
                numbers.append([float(row[j]) for j in places])
            except ValueError as error:
                names = [self.layout.names[j] for j in places]
                raise DataError(not_a_number(self.path, line, [row[j] for j in places], names)) from error
        X = np.array(numbers, np.float64).reshape(len(numbers), len(places))
        return Rows(X, None if target is None else np.array(targets, np.str_))

    def stamp(self) -> tuple[int, ...]:
        """Return size and time of the file."""
        return file_stamp(self.path)


def _layout(path: Path, target: str | int | None, *, needs_target: bool, features: tuple[str, ...]) -> CsvLayout:
    """Return the layout, with -1 for the target where there is none and none is needed."""
    if needs_target or target is not None:
        return csv_layout(path, target)
    try:
        found = csv_layout(path, None)
    except DataError:
        return dataclasses.replace(csv_layout(path, 0, least_columns=1), target=-1)
    return dataclasses.replace(found, target=-1) if found.names[found.target] in features else found
