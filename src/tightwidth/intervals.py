"""Confidence intervals for what experiments measure: a mean over seeds, a share, the slope of a line."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

CONFIDENCE = 0.99


@dataclass(frozen=True)
class Estimate:
    """Hold a number with its interval, and in words how that was made."""

    value: float
    low: float
    high: float
    how: str


def mean(values: Float[np.ndarray, " n"], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate a mean from independent values, by Student's t.

    Raises
    ------
    ValueError
        If there are fewer than 2 values.
    """
    n = len(values)
    if n < 2:
        message = f"{n} values have no interval; give at least 2, for example more seeds"
        raise ValueError(message)
    centre = float(np.mean(values))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return Estimate(centre, centre - half, centre + half, f"mean of {n}, {100 * confidence:.4g}% by Student's t")


def share(successes: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate a probability from ``successes`` of ``n`` independent trials, by Clopper and Pearson.

    Raises
    ------
    ValueError
        If there are no trials.
    """
    if n < 1:
        message = "0 trials have no interval; give at least 1"
        raise ValueError(message)
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, successes, n - successes + 1)) if successes > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, successes + 1, n - successes)) if successes < n else 1.0
    return Estimate(successes / n, low, high, f"{successes} of {n}, {100 * confidence:.4g}% by Clopper and Pearson")


def slope(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the slope of a line through points with independent errors, by least squares and Student's t.

    For an exponent give logarithms.

    Raises
    ------
    ValueError
        If there are fewer than 3 points, or all have one x.
    """
    n = len(x)
    if n < 3 or np.ptp(x) == 0:
        message = f"{n} points with {len(np.unique(x))} places have no slope with an interval; give 3 and 2 at least"
        raise ValueError(message)
    centre, _, _, _, stderr = map(float, stats.linregress(x, y))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 2) * stderr)
    return Estimate(
        centre,
        centre - half,
        centre + half,
        f"least squares through {n} points, {100 * confidence:.4g}% by Student's t",
    )
