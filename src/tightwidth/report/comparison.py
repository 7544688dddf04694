"""Verdicts made from estimates: one number against what a statement says, and the worst of many."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from tightwidth import intervals
from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.intervals import Estimate

FALSE_ALARM = 1e-4  # probability that the intervals of one statement miss, all together, where the statement is true


def compare(
    statement: str,
    claim: str,
    relation: Literal["below", "above", "covers", "within"],
    predicted: float,
    measured: Estimate,
    tolerance: float = 0.0,
) -> Verdict:
    """Return the verdict on one estimate."""
    return Verdict(
        statement=statement,
        claim=claim,
        relation=relation,
        predicted=predicted,
        tolerance=tolerance,
        measured=measured.value,
        low=measured.low,
        high=measured.high,
        how=measured.how,
    )


def exact(values: Iterable[float], how: str) -> Estimate:
    """Return an interval that runs over all the values, which are computed and not sampled, around their median."""
    found = np.array(list(values))
    return Estimate(float(np.median(found)), float(found.min()), float(found.max()), how)


def simultaneous_mean(values: Float[np.ndarray, " n"], n_checks: int) -> Estimate:
    """Estimate a mean so that ``n_checks`` intervals at once fail with probability FALSE_ALARM only.

    Raises
    ------
    ValueError
        If there are fewer than 2 values.
    """
    found = intervals.mean(values, 1 - FALSE_ALARM / n_checks)
    together = "" if n_checks == 1 else f" for all {n_checks} at once"
    how = f"mean of {len(values)}, {1 - FALSE_ALARM:.2%}{together} by Student's t"
    return Estimate(found.value, found.low, found.high, how)


def exponent(rows: Sequence[CellRecord], x: str, y: str) -> Estimate:
    """Estimate the exponent e of ``y ~ x^e`` from the slopes of single seeds.

    What cells of one seed share, such as their points, makes their errors dependent; those of two seeds are not.

    Raises
    ------
    ValueError
        If there are fewer than 2 seeds.
    """
    slopes = []
    for seed in sorted({r.seed for r in rows}):
        own = [r for r in rows if r.seed == seed]
        slopes.append(np.polyfit(np.log([r[x] for r in own]), np.log([r[y] for r in own]), 1)[0])
    found = intervals.mean(np.array(slopes))
    how = f"mean of the slopes of {len(slopes)} seeds, {intervals.CONFIDENCE:.0%} by Student's t"
    return Estimate(found.value, found.low, found.high, how)


def highest(estimates: dict[str, Estimate]) -> tuple[str, Estimate]:
    """Return the estimate whose interval reaches up farthest, with its name: the one to compare with an upper bound."""
    return max(estimates.items(), key=lambda item: item[1].high)


def farthest(estimates: dict[str, tuple[Estimate, float]]) -> tuple[str, Estimate, float]:
    """Return the estimate that is farthest from its prediction, in half widths of its interval, with both."""

    def distance(item: tuple[str, tuple[Estimate, float]]) -> float:
        estimate, predicted = item[1]
        return abs(estimate.value - predicted) / max(estimate.high - estimate.low, 1e-300)

    name, (estimate, predicted) = max(estimates.items(), key=distance)
    return name, estimate, predicted
