"""Thresholds for means of random samples, from the sample size and a probability of failure of at most 1e-6."""

import numpy as np
from scipy import stats

FAILURE = 1e-6


def hoeffding(n: int, width: float = 1.0, *, n_checks: int = 1) -> float:
    """Return what a mean of n independent values in an interval of this width exceeds its expectation by, either way.

    Holds for ``n_checks`` means at once.
    """
    return float(width * np.sqrt(np.log(2 * n_checks / FAILURE) / (2 * n)))


def bernstein(n: int, variance: float, bound: float, *, n_checks: int = 1) -> float:
    """Return the same for values of this variance that are never farther than ``bound`` from their expectation."""
    log = np.log(2 * n_checks / FAILURE)
    return float(np.sqrt(2 * variance * log / n) + 2 * bound * log / (3 * n))


def kolmogorov(n: int) -> float:
    """Return what an empirical distribution function of n values departs from the true one by, at most (Massart)."""
    return float(np.sqrt(np.log(2 / FAILURE) / (2 * n)))


def chi_square(counts: np.ndarray, expected: np.ndarray | None = None) -> tuple[float, float]:
    """Return the statistic of Pearson's test, by default for equal probabilities, and its threshold.

    The law of the statistic is asymptotic; cells of 50 or more are required, and the threshold is for a hundredth of
    the failure probability.
    """
    expected = np.full(len(counts), counts.sum() / len(counts)) if expected is None else expected
    if expected.min() < 50:
        message = f"a cell expects {expected.min():g} counts; needed are 50 or more: merge cells or draw more"
        raise ValueError(message)
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return statistic, float(stats.chi2.isf(FAILURE / 100, len(counts) - 1))
