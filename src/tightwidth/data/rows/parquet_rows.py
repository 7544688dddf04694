"""Rows of .parquet tables, read by pyarrow (the extra ``parquet``) a few thousand at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tightwidth.data.parquet_table import as_numbers, check_numeric, target_values
from tightwidth.data.rows.source import MOST_ROWS, Piece, Rows, RowSource, file_stamp
from tightwidth.data.target import default_target_column, target_column
from tightwidth.errors import DataError

BUFFER_BYTES = 1 << 16  # of each column, so that a row group need not be in memory as a whole


class ParquetRows(RowSource):
    """Read the row groups of a .parquet file.

    Row groups can be read in any order; within one, rows come in the order of the file, and a piece in its middle is
    reached by reading from its start.
    """

    has_names = True

    def __init__(
        self, path: Path, target: str | int | None, *, needs_target: bool, features: tuple[str, ...] = ()
    ) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            message = f"{path} needs pyarrow, which is not installed; run: pip install 'tightwidth[parquet]'"
            raise DataError(message) from error
        self.path, self.name = path, str(path)
        self._errors: Any = (pyarrow.ArrowException, OSError)
        self._table: Any = pyarrow.Table.from_batches
        try:
            self.file = parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        except self._errors as error:
            raise DataError(self._unreadable(error)) from error
        self._at, self._reading = (-1, 0), iter(())
        schema = self.file.schema_arrow
        names = tuple(str(name) for name in schema.names)
        is_read = needs_target or target is not None
        place = target_column(path, names, target) if is_read else _left_out(path, names)
        self.target_name = names[place] if is_read and place is not None else None
        self.all_names = names
        self.column_names = tuple(name for j, name in enumerate(names) if j != place)
        if not self.column_names:
            message = f"{path} has no feature columns; at least 1 is needed beside the target; add a column of numbers"
            raise DataError(message)
        if not features:
            self.select(self.column_names)

    def select(self, column_names: tuple[str, ...]) -> None:
        """Read these columns only, in this order."""
        self.column_names = column_names
        self._at = (-1, 0)
        self._narrow = True
        for name in column_names:
            if self.all_names.count(name) > 1:
                message = f"{self.path} has {self.all_names.count(name)} columns named {name!r}; give each its own name"
                raise DataError(message)
            self._check(self.file.schema_arrow.field(name).type, name)

    def _check(self, column_type: Any, name: str) -> None:
        from pyarrow import types

        try:
            check_numeric(column_type, name, self.path)
        except DataError as error:
            first = (
                self._first_value(name) if types.is_string(column_type) or types.is_large_string(column_type) else ""
            )
            raise DataError(str(error).replace(f"of type {column_type}", f"of type {column_type}{first}")) from None
        self._narrow &= types.is_float16(column_type) or types.is_float32(column_type)

    def _first_value(self, name: str) -> str:
        """Return in words the first value of a column of text."""
        row = 0
        for batch in self.file.iter_batches(batch_size=MOST_ROWS, columns=[name]):
            for value in batch.column(0).to_pylist():
                row += 1
                if value is not None:
                    return f", first {value!r} at data row {row}"
        return ""

    def _unreadable(self, error: BaseException) -> str:
        reason = " ".join(str(error).split())
        return f"{self.path} cannot be read as a .parquet file ({reason}); write it again"

    def _batches(self, group: int) -> Iterator[Rows]:
        wanted = [*self.column_names, *([] if self.target_name is None else [self.target_name])]
        dtype = np.float32 if self._narrow else np.float64
        batches = self.file.iter_batches(
            batch_size=self.piece_rows, row_groups=[group], columns=wanted, use_threads=False
        )
        while True:
            try:
                batch = next(batches, None)
            except self._errors as error:
                raise DataError(self._unreadable(error)) from error
            if batch is None:
                return
            table = self._table([batch])  # whose columns become NumPy arrays with a copy where one is needed
            X = np.empty((batch.num_rows, self.d), dtype)
            for j, name in enumerate(self.column_names):
                X[:, j] = as_numbers(table.column(name))
            y = None
            if self.target_name is not None:
                what = f"{self.path}, column {self.target_name!r},"
                y = target_values(table.column(self.target_name), what)
            yield Rows(X, y)

    def pieces(self) -> Iterator[tuple[Piece, Rows]]:
        """Yield all pieces in order; a unit is a row group."""
        first = 0
        for group in range(self.file.metadata.num_row_groups):
            within = 0
            for rows in self._batches(group):
                n = len(rows.X)
                yield Piece(group, first, n, (group, within, 0)), rows
                first, within = first + n, within + n

    def read(self, pieces: Iterable[Piece]) -> Iterator[Rows]:
        """Yield what these pieces hold."""
        for piece in pieces:
            group, within, _ = piece.place
            if self._at[0] != group or self._at[1] > within:
                self._begin(group)
            for rows in self._reading:
                came, self._at = self._at[1], (group, self._at[1] + len(rows.X))
                if came == within:
                    yield rows
                    break
            else:
                message = f"{self.path} has fewer rows than when it was first read; put the file back to go on"
                raise DataError(message)

    def _begin(self, group: int) -> None:
        """Go to the start of a row group; where the last call has stopped reading goes on without that."""
        self._at, self._reading = (group, 0), self._batches(group)

    def stamp(self) -> tuple[int, ...]:
        """Return size and time of the file."""
        return file_stamp(self.path)


def _left_out(path: Path, names: tuple[str, ...]) -> int | None:
    """Return the place of a column that is the target by its name, None if there is none."""
    try:
        return default_target_column(path, names, has_names=True)
    except DataError:
        return None
