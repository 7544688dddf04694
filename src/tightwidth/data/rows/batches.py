"""Rows from an iterator of batches, which can be started again: a source without random access."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

from tightwidth.data.checks import default_names
from tightwidth.data.rows.source import Piece, Rows, RowSource
from tightwidth.data.target import plain_target
from tightwidth.errors import DataError

Batches = Iterable[Any] | Callable[[], Iterable[Any]]


class BatchRows(RowSource):
    """Read batches ``(X, y)`` in their order; a batch is a piece, and all of them are one unit."""

    has_names = False
    target_name = "y"

    def __init__(self, batches: Batches) -> None:
        self.name = "the stream"
        self.batches = batches
        first = next(self._checked(), None)
        if first is None:
            message = "the stream has no batch; needed are batches (X, y) of at least one row each; give some"
            raise DataError(message)
        again = None if isinstance(batches, Iterator) else next(self._checked(), None)
        if again is None or not np.array_equal(first.X, again.X):
            message = (
                "the stream cannot be started again, and it is read more than once; give a list, an object whose "
                "iter() starts anew, or a function that returns an iterator; or call partial_fit on each batch"
            )
            raise DataError(message)
        self.column_names = default_names(first.X.shape[1])

    def _checked(self) -> Iterator[Rows]:
        batches = self.batches() if callable(self.batches) else self.batches
        width = None
        for place, batch in enumerate(batches, start=1):
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                message = f"batch {place} of the stream is a {type(batch).__name__}; needed is a pair (X, y)"
                raise DataError(message)
            X, y = np.asarray(batch[0].toarray() if issparse(batch[0]) else batch[0]), np.asarray(batch[1])
            if X.ndim != 2 or X.dtype.kind not in "biuf":
                message = (
                    f"batch {place} of the stream has X of shape {X.shape} and type {X.dtype}; needed is a matrix of "
                    "real numbers, [rows, features]"
                )
                raise DataError(message)
            if len(X) == 0:
                message = f"batch {place} of the stream is empty; needed are batches of at least one row; leave it out"
                raise DataError(message)
            width = X.shape[1] if width is None else width
            if X.shape[1] != width:
                message = (
                    f"batch {place} of the stream has {X.shape[1]} columns and the first one {width}; give the same "
                    "features in every batch"
                )
                raise DataError(message)
            if y.ndim not in (1, 2) or len(y) != len(X):
                message = f"batch {place} of the stream has {len(X)} rows and y of shape {y.shape}; give a target a row"
                raise DataError(message)
            if y.dtype.kind not in "biufU":
                y = plain_target(y, name=f"batch {place} of the stream")
            is_single = X.dtype.kind == "f" and X.dtype.itemsize == 4
            yield Rows(np.ascontiguousarray(X, np.float32 if is_single else np.float64), y)

    def pieces(self) -> Iterator[tuple[Piece, Rows]]:
        """Yield all batches in order."""
        first = 0
        for place, rows in enumerate(self._checked()):
            yield Piece(0, first, len(rows.X), (place, 0, 0)), rows
            first += len(rows.X)

    def read(self, pieces: Iterable[Piece]) -> Iterator[Rows]:
        """Yield what these pieces hold, starting the stream again."""
        at, batches = 0, self._checked()
        for piece in pieces:
            place = piece.place[0]
            if place < at:
                at, batches = 0, self._checked()
            for rows in batches:
                at += 1
                if at == place + 1:
                    yield rows
                    break
            else:
                message = "the stream has fewer batches than when it was first read; every pass needs the same rows"
                raise DataError(message)

    def stamp(self) -> tuple[int, ...]:
        """Return nothing: the digests of the batches tell whether they are the same."""
        return ()
