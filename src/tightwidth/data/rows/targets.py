"""What the targets of a source are, from pieces: classes with their counts, or numbers with mean and spread."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tightwidth.data.labels import readable
from tightwidth.data.preprocessing import Standardizer
from tightwidth.data.rows.statistics import ColumnStatistics
from tightwidth.data.target import is_missing_mark, number_from, readable_list, target_from_text
from tightwidth.errors import DataError

MOST_CLASSES = 1000
LARGEST_WHOLE = 2.0**53


@dataclass(frozen=True, eq=False)
class Classes:
    """Hold the classes of a source, sorted, the number of rows of each, and the texts that stand for them, if any."""

    values: np.ndarray
    counts: np.ndarray
    texts: dict[str, int] | None

    def places(self, target: np.ndarray, first_row: int, name: str) -> np.ndarray:
        """Return the place of each target among the classes.

        Raises
        ------
        DataError
            If one of them is no class.
        """
        if self.texts is not None:
            found, inverse = np.unique(target, return_inverse=True)
            places = np.array([self.texts.get(str(text), -1) for text in found], int)[inverse]
        else:
            places = np.minimum(np.searchsorted(self.values, target), len(self.values) - 1)
            places = np.where(self.values[places] == target, places, -1)
        if (places < 0).any():
            row = int(np.argmax(places < 0))
            message = (
                f"{name}: the target {readable(target[row].item())!r} at data row {first_row + row + 1} is none of the "
                f"classes {readable_list(map(readable, self.values.tolist()))}; name all classes at the start"
            )
            raise DataError(message)
        return places


def classes_of(values: Any) -> Classes:
    """Return given classes, of which no row has been counted."""
    found = np.unique(np.asarray(values))
    texts = {str(text): place for place, text in enumerate(found.tolist())} if found.dtype.kind == "U" else None
    return Classes(found, np.zeros(len(found), int), texts)


class ClassCounter:
    """Count the classes of pieces."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[Any] = Counter()

    def add(self, target: np.ndarray, first_row: int) -> np.ndarray:
        """Take the targets of a piece into account, and return them.

        Raises
        ------
        DataError
            If one is missing, or there are too many different ones to be classes.
        """
        if target.ndim != 1:
            message = f"{self.name} has {target.shape[1]} targets a row; give one class a row"
            raise DataError(message)
        _check_present(target, first_row, self.name)
        values, counts = np.unique(target, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.counts[value] += count
        if len(self.counts) > MOST_CLASSES:
            message = (
                f"{self.name}: the target has more than {MOST_CLASSES} different values in the first "
                f"{first_row + len(target)} rows; classes are needed; give another target, or fit values "
                f"(--task regress)"
            )
            raise DataError(message)
        return target

    def found(self) -> Classes:
        """Return the classes.

        Raises
        ------
        DataError
            If there is one only.
        """
        raw = list(self.counts)
        numbers = list(self.counts.values())
        if all(isinstance(value, str) for value in raw):
            values, inverse = np.unique(target_from_text(raw), return_inverse=True)
            texts = dict(zip(raw, inverse.reshape(-1).tolist(), strict=True))
            counts = np.bincount(inverse.reshape(-1), weights=numbers).astype(int)
        else:
            values, inverse = np.unique(np.array(raw), return_inverse=True)
            texts, counts = None, np.bincount(inverse.reshape(-1), weights=numbers).astype(int)
        if values.dtype.kind == "f" and (values == np.rint(values)).all() and (np.abs(values) < LARGEST_WHOLE).all():
            values = values.astype(np.int64)
        if len(values) < 2:
            message = (
                f"{self.name}: all targets are {readable(values[0].item())}; at least two classes are needed; choose "
                f"another target column with --target (target= in Python)"
            )
            raise DataError(message)
        return Classes(values, counts, texts)


class ValueStatistics:
    """Gather mean and spread of the values of pieces."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.columns: ColumnStatistics | None = None

    def add(self, target: np.ndarray, first_row: int) -> np.ndarray:
        """Take the targets of a piece into account, and return them as numbers, [n, K].

        Raises
        ------
        DataError
            If one is missing or no number.
        """
        values = numbers(target, first_row, self.name)
        if self.columns is None:
            self.columns = ColumnStatistics(values.shape[1])
        self.columns.add(values)
        return values

    def found(self) -> Standardizer:
        """Return what centres and scales the values."""
        assert self.columns is not None
        self.columns.check_range([f"target {k}" for k in range(len(self.columns.mean))], self.name)
        return self.columns.standardizer()


def numbers(target: np.ndarray, first_row: int, name: str) -> np.ndarray:
    """Return targets as numbers, [n, K].

    Raises
    ------
    DataError
        If one is missing or no number.
    """
    _check_present(target, first_row, name)
    if target.dtype.kind in "biuf":
        return target.astype(np.float64).reshape(len(target), -1)
    values = [number_from(str(text)) for text in target]
    for row, value in enumerate(values):
        if value is None or not np.isfinite(value):
            message = (
                f"{name}: the target {str(target[row])!r} at data row {first_row + row + 1} is no number; values are "
                f"needed; correct it, or fit classes (--task classify)"
            )
            raise DataError(message)
    return np.array(values, np.float64)[:, None]


def _check_present(target: np.ndarray, first_row: int, name: str) -> None:
    if target.dtype.kind == "f":
        missing = ~np.isfinite(target)
    elif target.dtype.kind == "U":
        texts, inverse = np.unique(target, return_inverse=True)
        missing = np.array([is_missing_mark(str(text)) for text in texts], bool)[inverse]
    else:
        return
    if missing.any():
        row = int(np.argmax(missing.reshape(len(target), -1).any(axis=1)))
        message = (
            f"{name}: the target at data row {first_row + row + 1} is missing or infinite; every row needs one; remove "
            f"these rows"
        )
        raise DataError(message)
