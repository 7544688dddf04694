"""What all sources of rows have in common, and the one that is an array in memory or mapped from a file."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tightwidth.data.checks import default_names
from tightwidth.errors import DataError

PIECE_NUMBERS = 1 << 19  # numbers of a piece, as many as stay in a cache
MOST_ROWS, LEAST_ROWS = 4096, 16


class Piece(NamedTuple):
    """Say where some neighbouring rows are.

    ``unit`` counts the parts that can be read in any order; ``first_row`` counts from 0; ``place`` is for the source:
    a row; a byte, the lines before it and a number of bytes; or a row group and a row in it.
    """

    unit: int
    first_row: int
    n_rows: int
    place: tuple[int, int, int]


class Rows(NamedTuple):
    """Hold rows [n, d], float32 or float64, and their raw targets [n], numbers or text, if there are any."""

    X: np.ndarray
    target: np.ndarray | None


class RowSource(ABC):
    """Read the rows of one file in pieces.

    Attributes
    ----------
    name
        What messages call it.
    column_names
        The names of the d features; ``x0, x1, ...`` where the file has none.
    has_names
        Whether the file itself names them.
    target_name
        The name of the target column, or None if the rows come without.
    """

    name: str
    column_names: tuple[str, ...]
    has_names: bool
    target_name: str | None

    @property
    def d(self) -> int:
        """Number of features."""
        return len(self.column_names)

    @property
    def piece_rows(self) -> int:
        """Number of rows in an ordinary piece."""
        return max(LEAST_ROWS, min(MOST_ROWS, PIECE_NUMBERS // max(1, self.d)))

    @abstractmethod
    def pieces(self) -> Iterator[tuple[Piece, Rows]]:
        """Yield all pieces in the order of the file, with what they hold."""

    @abstractmethod
    def read(self, pieces: Iterable[Piece]) -> Iterator[Rows]:
        """Yield what these pieces hold, in the order given; cheap where they follow one another in the file."""

    @abstractmethod
    def stamp(self) -> tuple[int, ...]:
        """Return numbers that change when the file does: its size and the time it was written."""


def file_stamp(*paths: Path) -> tuple[int, ...]:
    """Return size and time of each file.

    Raises
    ------
    DataError
        If one is no longer there.
    """
    stamps = []
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            message = f"{path} cannot be read any more ({error.strerror}); put the file back to go on"
            raise DataError(message) from error
        stamps += [found.st_size, found.st_mtime_ns]
    return tuple(stamps)


def arrays_in_pieces(m: int, rows: int) -> Iterator[Piece]:
    """Yield the pieces of an array of m rows; each is a unit."""
    for unit, start in enumerate(range(0, m, rows)):
        yield Piece(unit, start, min(rows, m - start), (start, 0, 0))


class ArrayRows(RowSource):
    """Read arrays, in memory or mapped from .npy files; of one array a column may be the target."""

    def __init__(
        self,
        X: np.ndarray,
        target: np.ndarray | int | None,
        column_names: tuple[str, ...] | None,
        *,
        name: str,
        has_names: bool = False,
        paths: tuple[Path, ...] = (),
    ) -> None:
        if X.dtype.kind not in "biuf":
            message = f"{name} holds values of type {X.dtype}; features must be real numbers; convert them"
            raise DataError(message)
        self.X, self.target, self.name, self.paths = X, target, name, paths
        width = X.shape[1] - isinstance(target, int)
        self.has_names = has_names
        names = default_names(X.shape[1]) if column_names is None else column_names
        if isinstance(target, int):
            self.target_name: str | None = names[target]
            names = names[:target] + names[target + 1 :]
        else:
            self.target_name = None if target is None else "target"
        self.column_names = names
        if width < 1:
            message = f"{name} has no feature columns; at least 1 is needed beside the target; add a column of numbers"
            raise DataError(message)

    def pieces(self) -> Iterator[tuple[Piece, Rows]]:
        """Yield all pieces in order."""
        for piece in arrays_in_pieces(len(self.X), self.piece_rows):
            yield piece, self._rows(piece)

    def read(self, pieces: Iterable[Piece]) -> Iterator[Rows]:
        """Yield what these pieces hold."""
        return map(self._rows, pieces)

    def _rows(self, piece: Piece) -> Rows:
        at = slice(piece.first_row, piece.first_row + piece.n_rows)
        X = np.asarray(self.X[at])
        target = np.asarray(self.target[at]) if isinstance(self.target, np.ndarray) else None
        if isinstance(self.target, int):
            target = X[:, self.target]
            X = np.delete(X, self.target, axis=1)
        is_single = X.dtype.kind == "f" and X.dtype.itemsize == 4
        return Rows(np.ascontiguousarray(X, np.float32 if is_single else np.float64), target)

    def stamp(self) -> tuple[int, ...]:
        """Return size and time of the files, or of what lies in memory its shape."""
        return file_stamp(*self.paths) if self.paths else self.X.shape
