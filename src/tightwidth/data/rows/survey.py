"""One reading of all rows before any is learnt from: what they are, where they are, and whether they can be used.

Everything that is wrong with a file is found here, and not after an hour of training.  The survey also makes a
digest of each piece, so that a file that changes between two passes is noticed.
"""

import zlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tightwidth.data.preprocessing import Standardizer
from tightwidth.data.rows.source import Piece, Rows, RowSource
from tightwidth.data.rows.statistics import ColumnStatistics
from tightwidth.data.rows.targets import ClassCounter, Classes, ValueStatistics
from tightwidth.data.target import readable_list
from tightwidth.errors import DataError

SAMPLE_ROWS = 2048
ORDERED = 1e-9  # probability of as much in rows of random order, from which on they count as ordered


@dataclass(frozen=True, eq=False)
class Survey:
    """Hold what is known of a source after one reading.

    Attributes
    ----------
    n_rows, pieces, digests, stamp
        Their number, where they are, and what tells that they are still the same.
    columns
        Means and variances of the features.
    targets
        Classes with counts, or what standardises values.
    sample
        At most 2048 rows, drawn evenly from all.
    is_ordered
        Whether the targets change along the file by more than chance.
    """

    n_rows: int
    pieces: tuple[Piece, ...]
    digests: tuple[int, ...]
    stamp: tuple[int, ...]
    columns: ColumnStatistics
    targets: Classes | Standardizer
    sample: Rows
    is_ordered: bool


def survey(source: RowSource, *, is_classes: bool, seed: int) -> Generator[int, None, Survey]:
    """Read all rows once, yielding how many have been read, and return what they are.

    Raises
    ------
    DataError
        If there are fewer than two rows, a feature is missing, infinite or out of range, or a target cannot be used.
    """
    stamp = source.stamp()
    columns, missing = ColumnStatistics(source.d), MissingValues(source)
    targets = (ClassCounter if is_classes else ValueStatistics)(source.name)
    sample, order = SampleOfRows(seed), OrderOfTargets()
    pieces, digests, n_rows = [], [], 0
    with ThreadPoolExecutor(1) as aside:
        for piece, rows in source.pieces():
            assert rows.target is not None
            digested = aside.submit(digest, rows)  # meanwhile the rest is done; one piece at a time is held
            if not missing.found(rows.X, piece.first_row):
                columns.add(rows.X)
            order.add(targets.add(rows.target, piece.first_row))
            sample.add(rows)
            pieces.append(piece)
            digests.append(digested.result())
            n_rows += piece.n_rows
            yield n_rows
    missing.check(n_rows)
    if n_rows < 2:
        message = f"{source.name} has {n_rows} data rows; at least 2 are needed; give more rows"
        raise DataError(message)
    columns.check_range(source.column_names, source.name)
    kinds = targets.found()
    check_unchanged(source, stamp)
    return Survey(n_rows, tuple(pieces), tuple(digests), stamp, columns, kinds, sample.rows(), order.is_ordered())


def digest(rows: Rows) -> int:
    """Return a number that changes when a row does."""
    found = zlib.adler32(np.ascontiguousarray(rows.X).view(np.uint8).reshape(-1).data)
    if rows.target is not None:
        found = zlib.adler32(np.ascontiguousarray(rows.target).view(np.uint8).reshape(-1).data, found)
    return found


def check_unchanged(source: RowSource, stamp: tuple[int, ...]) -> None:
    """Raise if the file is no longer what it was.

    Raises
    ------
    DataError
        If size or time of the file have changed.
    """
    if source.stamp() != tuple(stamp):
        raise DataError(changed(source.name))


def changed(name: str) -> str:
    """Return what to say of a file that changes while it is being read."""
    return (
        f"{name} has changed since it was first read; every pass must see the same rows; put the file back to go on, "
        f"or begin again"
    )


class MissingValues:
    """Count the values that are missing or infinite, by column."""

    def __init__(self, source: RowSource) -> None:
        self.source = source
        self.counts = np.zeros(source.d, int)
        self.first: tuple[int, int] | None = None

    def found(self, X: np.ndarray, first_row: int) -> bool:
        """Return whether there are any among these rows, and count them."""
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(X.sum(dtype=np.float64)):  # an infinite sum may be an overflow, a finite one has no culprit
                return False
        bad = ~np.isfinite(X)
        if bad.any() and self.first is None:
            row = int(np.argmax(bad.any(axis=1)))
            self.first = int(np.argmax(bad[row])), first_row + row + 1
        self.counts += bad.sum(axis=0)
        return bool(bad.any())

    def check(self, n_rows: int) -> None:
        """Raise if a value was missing or infinite.

        Raises
        ------
        DataError
            Naming columns without any value, else the first row and its column.
        """
        if self.first is None:
            return
        names = self.source.column_names
        empty = [names[j] for j in np.flatnonzero(self.counts == n_rows)]
        total = int(self.counts.sum())
        if empty:
            message = (
                f"{self.source.name} has {len(empty)} column{'s' if len(empty) > 1 else ''} without a single finite "
                f"value: {readable_list(map(repr, empty))}; numbers are needed; remove "
                f"{'these columns' if len(empty) > 1 else 'this column'}"
            )
            raise DataError(message)
        column, row = self.first
        message = (
            f"{self.source.name} holds {total} NaN or infinite value{'s' if total > 1 else ''} in "
            f"{int((self.counts > 0).sum())} of {len(names)} columns, first in column {names[column]!r} at data row "
            f"{row}; finite numbers are needed; remove these rows or fill the values in"
        )
        raise DataError(message)


class SampleOfRows:
    """Draw rows evenly from a source of unknown length: those with the smallest of as many random numbers."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.kept: list[tuple[np.ndarray, Rows]] = []
        self.limit, self.held = np.inf, 0

    def add(self, rows: Rows) -> None:
        """Take the rows of a piece into account."""
        assert rows.target is not None
        numbers = self.rng.random(len(rows.X))
        take = numbers < self.limit
        if take.any():
            self.kept.append((numbers[take], Rows(rows.X[take], rows.target[take])))
            self.held += int(take.sum())
        if self.held > 4 * SAMPLE_ROWS:
            self._thin()

    def _thin(self) -> None:
        numbers = np.concatenate([part[0] for part in self.kept])
        X = np.concatenate([part[1].X for part in self.kept])
        target = np.concatenate([part[1].target for part in self.kept if part[1].target is not None])
        order = np.argsort(numbers)[:SAMPLE_ROWS]
        self.kept, self.held = [(numbers[order], Rows(X[order], target[order]))], len(order)
        if len(order) == SAMPLE_ROWS:
            self.limit = float(numbers[order[-1]])

    def rows(self) -> Rows:
        """Return at most 2048 rows."""
        self._thin()
        return self.kept[0][1]


class OrderOfTargets:
    """Tell whether targets come in an order: whether the means of pieces differ by more than chance.

    The mean of n targets drawn without replacement from some of variance v, none further than b from their mean, is
    off by ``t`` with a probability of at most ``2 exp(-n t^2/(2 v + 2 b t/3))`` (Bernstein, Hoeffding 1963).
    """

    def __init__(self) -> None:
        self.means: list[float] = []
        self.sizes: list[int] = []
        self.statistics = ColumnStatistics(1)
        self.first: str | None = None

    def add(self, target: np.ndarray) -> None:
        """Take the targets of a piece into account; of text, whether it is the first one."""
        if target.dtype.kind == "U":
            self.first = str(target[0]) if self.first is None else self.first
            target = target == self.first
        values = target.astype(np.float64).reshape(len(target), -1)[:, 0]
        with np.errstate(over="ignore", invalid="ignore"):
            self.means.append(float(values.mean()))
            self.statistics.add(values[:, None])
        self.sizes.append(len(values))

    def is_ordered(self) -> bool:
        """Return whether the mean of a piece is further from that of all than chance allows."""
        spread = float(np.sqrt(self.statistics.squares[0] / self.statistics.n))
        if not spread > 0 or not np.isfinite(spread):
            return False
        found, n, log = self.statistics, np.array(self.sizes), np.log(2 * len(self.sizes) / ORDERED)
        mean = float(found.mean[0])
        b = max(float(found.high[0]) - mean, mean - float(found.low[0]))
        chance = spread * np.sqrt(2 * log / n) + 2 * b * log / (3 * n)
        return bool((np.abs(np.array(self.means) - mean) > chance).any())
