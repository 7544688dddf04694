"""Section 1.1: how the smallest width that memorizes grows with m, beside what earlier proofs needed."""

import math

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.smallest_width import WidthConfig
from tightwidth.intervals import Estimate, slope
from tightwidth.plots import smallest_width as figures
from tightwidth.report.comparison import compare
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of
from tightwidth.theorems.prior_work import RESULTS

NAME, LABEL = "smallest_width", "Section 1.1"
MANY, FEW = 20, 2  # points a dimension from which on the exponent is fitted, and down to which widths are shown
DOUBLINGS = {"quick": 4, "full": 5}  # a factor of 16, or 32
DIMENSIONS = {"quick": (8,), "full": (4, 8)}
CONTRAST = {"quick": 32, "full": 64}  # the dimension of the cells below MANY
SEEDS = {"quick": 2, "full": 3}
SMALL, MORE_SEEDS = 320, 2  # up to so many points, widths scatter by a third: there are twice the seeds
EPOCHS = 1500
LONGER = {4: 6000}  # in few dimensions margins are small, and a budget of epochs shows as a logarithm
LARGE = 8  # dimensions from which on it does not
APART = 100  # seeds of one size and of the next
ORDER, TOLERANCE = 1.0, 0.1  # m parameters, up to logarithms


def cells(level: Level) -> list[Cell]:
    """Return samples of m = 20 d to 640 d points, and of fewer points a dimension."""
    sizes = [(MANY * d * 2**k, d) for d in DIMENSIONS[level] for k in range(DOUBLINGS[level] + 1)]
    d = CONTRAST[level]
    sizes += [(ratio * d, d) for ratio in (FEW, 2 * FEW, 4 * FEW)]
    found: list[Cell] = []
    for place, (m, d) in enumerate(sizes):
        n_seeds = SEEDS[level] * (MORE_SEEDS if level == "full" and m <= SMALL else 1)
        epochs = LONGER.get(d, EPOCHS)
        for seed in range(APART * place, APART * place + n_seeds):  # of their own: a fit's errors are independent
            found.append((NAME, WidthConfig(n_samples=m, n_features=d, n_epochs=epochs, seed=seed)))
    return found


def is_fitted(record: CellRecord) -> bool:
    """Return whether a record has enough points a dimension."""
    return record["n_samples"] >= MANY * record["n_features"]


def verdicts(records: Records) -> list[Verdict]:
    """Compare the exponent of the parameters in m with 1, for every dimension.

    A sample for which no width was found is no success: without an upper bound there is no exponent.
    """
    rows = of(records, NAME)
    found = []
    for d in sorted({r["n_features"] for r in rows if is_fitted(r)}):
        fitted = [r for r in rows if is_fitted(r) and r["n_features"] == d]
        low, high = (f(r["n_samples"] for r in fitted) for f in (min, max))
        claim = f"exponent of the parameters in m, d = {d}, m from {low:,} to {high:,}"
        if d >= LARGE:
            found.append(compare(LABEL, claim, "within", ORDER, _exponent(fitted), TOLERANCE))
        else:
            found.append(compare(LABEL, f"{claim}, against m log m", "below", _order(fitted), _exponent(fitted)))
    return found


def _order(rows: list[CellRecord]) -> float:
    """Return the exponent that m log m, which is Õ(m) too, would show over the same samples."""
    m = np.array([float(r["n_samples"]) for r in rows])
    return float(np.polyfit(np.log(m), np.log(m * np.log(m)), 1)[0])


def _exponent(rows: list[CellRecord]) -> Estimate:
    without = sum(r["n_parameters"] is None for r in rows)
    if without:
        return Estimate(math.inf, math.inf, math.inf, f"no width was found for {without} of {len(rows)} samples")
    m, parameters = (np.log([float(r[key]) for r in rows]) for key in ("n_samples", "n_parameters"))
    return slope(m, parameters)


def tables(records: Records) -> list[Table]:
    """Return the smallest widths, and the exponents of earlier work."""
    rows = of(records, NAME)
    lines = []
    for d, m in sorted({(r["n_features"], r["n_samples"]) for r in rows}):
        widths = [r["n_pairs"] for r in of(rows, NAME, n_features=d, n_samples=m) if r["n_pairs"] is not None]
        if widths:
            parameters = 2 * float(np.mean(widths)) * (d + 1)
            seen = f"{min(widths)} to {max(widths)}" if min(widths) < max(widths) else f"{widths[0]}"
            lines.append((f"{d}", f"{m:,}", f"{m / d:g}", seen, f"{parameters / m:.2f}"))
    columns = ("d", "m", "m/d", "smallest q over seeds", "parameters a point")
    proofs = tuple((entry.authors, entry.year, f"m^{entry.exponent}") for entry in RESULTS)
    return [
        Table("The smallest width that memorizes all points", columns, tuple(lines)),
        Table("Parameters that proofs needed, up to logarithms", ("authors", "year", "parameters"), proofs),
    ]


def draw(records: Records) -> Figure:
    """Draw the parameters over m."""
    return figures.draw(of(records, NAME), {entry.authors: entry.exponent for entry in RESULTS})


STATEMENTS = [
    Statement(
        label=LABEL,
        title="The width that memorizing takes",
        says="Õ(m) parameters are enough to memorize m points; earlier proofs asked for m² to m²⁴.",
        measured="The smallest width, by bisection, at which the linear limit memorizes every point, from m = 20 d on. "
        "With fewer points a dimension the width is that at which no point has all its gates shut, which relu does "
        "with probability 2^-q: there it grows like log m.",
        cells=cells,
        verdicts=verdicts,
        figures={
            "smallest_width": (
                draw,
                "Parameters of the smallest network that memorized all points; filled: m/d ≥ 20. Lines: m (the paper, "
                "and the least possible up to a factor), m/d of them needed by Cover's count, and earlier proofs.",
            )
        },
        tables=tables,
    )
]
