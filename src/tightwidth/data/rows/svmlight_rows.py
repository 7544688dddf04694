"""Rows of sparse text tables, .svm / .svmlight / .libsvm, made dense a piece at a time."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tightwidth.data.rows.source import MOST_ROWS, Piece, Rows, RowSource, file_stamp
from tightwidth.errors import DataError
from tightwidth.memory import check_fits

LEAST_HELD = 1024  # rows that are shuffled at a time, however long they are


class SvmlightRows(RowSource):
    """Read lines ``label index:value ...``; opening reads all of them once, for the largest index.

    Indices count from 1, or from 0 if the index 0 occurs; given a number of features, no larger index may occur.
    """

    has_names = False
    target_name = "label"

    def __init__(self, path: Path, target: str | int | None, *, n_features: int | None = None) -> None:
        if target is not None:
            message = f"{path} has its labels at the head of each line; drop --target (target= in Python)"
            raise DataError(message)
        self.path, self.name = path, str(path)
        most, has_zero = -1, False
        for _, _, data, line in self._cut(MOST_ROWS):
            X, _ = self._sparse(data, line, None)
            most = max(most, X.shape[1] - 1)
            has_zero = has_zero or X[:, :1].nnz > 0
        self._first = 0 if has_zero or most < 0 else 1
        found = most + 1 - self._first
        if found < 1:
            message = f"{path} has no feature columns; at least 1 is needed beside the label; add index:value pairs"
            raise DataError(message)
        if n_features is not None and found > n_features:
            message = f"{path} has the index {most}, and {n_features} features are needed; give the columns of the fit"
            raise DataError(message)
        self._width = self._first + (found if n_features is None else n_features)
        d = self._width - self._first
        check_fits(8.0 * LEAST_HELD * d, f"{LEAST_HELD} rows of {path} with {d} features", "give fewer features")
        self.column_names = tuple(str(index) for index in range(self._first, self._width))

    def _cut(self, rows: int) -> Iterator[tuple[int, int, bytes, int]]:
        """Yield for every so many lines: where they begin, their number, themselves, and how many come before."""
        with self.path.open("rb") as handle:
            offset, line = 0, 0
            while lines := list(islice(handle, rows)):
                data = b"".join(lines)
                yield offset, len(lines), data, line
                offset, line = offset + len(data), line + len(lines)

    def _sparse(self, data: bytes, before: int, width: int | None) -> tuple[Any, np.ndarray]:
        from sklearn.datasets import load_svmlight_file

        keep_indices: dict[str, Any] = {"zero_based": True}
        try:
            X, y, *_ = load_svmlight_file(BytesIO(data), n_features=width, **keep_indices)
        except (ValueError, OverflowError) as error:
            line, reason = self._first_wrong(data, before, error)
            message = f"{self.path}, line {line}: no line 'label index:value ...' ({reason}); correct it"
            raise DataError(message) from error
        return X, np.asarray(y)

    def _first_wrong(self, data: bytes, before: int, error: Exception) -> tuple[int, str]:
        """Return the first line that cannot be read, and why."""
        from sklearn.datasets import load_svmlight_file

        for place, line in enumerate(data.splitlines(keepends=True)):
            try:
                load_svmlight_file(BytesIO(line))
            except (ValueError, OverflowError) as wrong:
                return before + place + 1, " ".join(str(wrong).split())
        return before + 1, " ".join(str(error).split())

    def _rows(self, data: bytes, before: int) -> Rows:
        X, y = self._sparse(data, before, self._width)
        return Rows(np.ascontiguousarray(X.toarray()[:, self._first :]), y)

    def pieces(self) -> Iterator[tuple[Piece, Rows]]:
        """Yield all pieces in order; each is a unit."""
        unit, first = 0, 0
        for offset, _, data, line in self._cut(self.piece_rows):
            rows = self._rows(data, line)
            if len(rows.X):
                yield Piece(unit, first, len(rows.X), (offset, line, len(data))), rows
                unit, first = unit + 1, first + len(rows.X)

    def read(self, pieces: Iterable[Piece]) -> Iterator[Rows]:
        """Yield what these pieces hold."""
        with self.path.open("rb") as handle:
            for piece in pieces:
                offset, line, n_bytes = piece.place
                handle.seek(offset)
                yield self._rows(handle.read(n_bytes), line)

    def stamp(self) -> tuple[int, ...]:
        """Return size and time of the file."""
        return file_stamp(self.path)
