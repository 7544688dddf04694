"""Means and variances of columns from pieces, merged without loss (Chan, Golub, LeVeque 1983).

A piece of n rows with means c and sums of squared deviations S changes those of N rows before it, means C and S', to

    C + (c - C) n/(N + n),   S' + S + (c - C)^2 N n/(N + n).
"""

from collections.abc import Sequence

import numpy as np

from tightwidth.data.preprocessing import LEAST_SPREAD, Standardizer
from tightwidth.errors import DataError

NUMBERS_AT_A_TIME = 1 << 17  # in float64 1 MB, which stays in the cache from the first sum to the last


class ColumnStatistics:
    """Hold count, means, sums of squared deviations and extremes of d columns, in float64."""

    def __init__(self, d: int) -> None:
        self.n = 0
        self.mean, self.squares = np.zeros(d), np.zeros(d)
        self.low, self.high = np.full(d, np.inf), np.full(d, -np.inf)

    def add(self, X: np.ndarray) -> None:
        """Take finite rows [n, d] into account."""
        size = max(1, NUMBERS_AT_A_TIME // max(1, X.shape[1]))
        for start in range(0, len(X), size):
            self._add(X[start : start + size])

    def _add(self, X: np.ndarray) -> None:
        n = len(X)
        with np.errstate(over="ignore", invalid="ignore"):
            self.low, self.high = np.minimum(self.low, X.min(axis=0)), np.maximum(self.high, X.max(axis=0))
            offset = X[0].astype(np.float64)
            deviations = X.astype(np.float64) - offset
            shift = deviations.mean(axis=0)
            deviations -= shift
            squares = np.einsum("nd,nd->d", deviations, deviations)
            apart = offset + shift - self.mean
            self.squares += squares + apart**2 * (self.n * n / (self.n + n))
            self.mean = self.mean + apart * (n / (self.n + n))
        self.n += n

    def check_range(self, column_names: Sequence[str], name: str) -> None:
        """Raise unless the squares of the deviations are in the range of float64.

        Raises
        ------
        DataError
            If the numbers of a column are too large, or too close together.
        """
        with np.errstate(over="ignore"):
            spread = self.high - self.low
            too_far = ~np.isfinite(self.squares + self.n * self.mean**2)
        too_near = (spread >= LEAST_SPREAD) & ~(self.squares > LEAST_SPREAD)
        for j in np.flatnonzero(too_far | too_near)[:1]:
            message = (
                f"{name}, column {column_names[j]!r}: values run from {self.low[j]:g} to {self.high[j]:g}, whose "
                f"squares leave the range of float64; rescale the column"
            )
            raise DataError(message)

    @property
    def is_constant(self) -> np.ndarray:
        """Which columns hold one value only."""
        return self.high - self.low < LEAST_SPREAD

    def standardizer(self) -> Standardizer:
        """Return what centres and scales the columns, as `Standardizer.fit` of all rows."""
        constant = self.is_constant
        with np.errstate(divide="ignore"):
            scale = np.where(constant, np.inf, np.sqrt(self.squares / self.n))
        return Standardizer(mean=np.where(constant, self.low, self.mean), scale=scale)

    @property
    def mean_squared_norm(self) -> float:
        """The mean of ``|x|^2`` over the rows."""
        return float(np.sum(self.squares / self.n + self.mean**2))
