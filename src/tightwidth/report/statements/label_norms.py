"""Erratum 3: the interpolant of random labels has a norm of the order of sqrt(m)."""

import numpy as np

from tightwidth.cell_records import Verdict
from tightwidth.experiments.label_norms import LabelsConfig
from tightwidth.plots import label_norms as figures
from tightwidth.plots.label_norms import LIMIT
from tightwidth.report.comparison import compare, exponent, highest, simultaneous_mean
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "label_norms", "Erratum 3"
SIZES = {"quick": (64, 256, 1024), "full": (64, 128, 256, 512, 1024, 2048)}
DIMENSION = 32
HALFWAY = 0.75  # between the exponents 1/2 and 1: the limit of ||h*||^2/m is approached from below
SEEDS = {"quick": 6, "full": 8}


def cells(level: Level) -> list[Cell]:
    """Return samples of several sizes with fair labels."""
    return [
        (NAME, LabelsConfig(n_samples=m, n_features=DIMENSION, seed=seed))
        for m in SIZES[level]
        for seed in range(SEEDS[level])
    ]


def verdicts(records: Records) -> list[Verdict]:
    """Compare the squared norm a point with its limit, and the exponent of the norm with that of the printed order."""
    sizes = sorted({r["n_samples"] for r in of(records, NAME)})
    at, largest = highest(
        {
            f"{m:,}": simultaneous_mean(
                np.array([r["norm_squared_per_point"] for r in of(records, NAME, n_samples=m)]), len(sizes)
            )
            for m in sizes
        }
    )
    slope = exponent(of(records, NAME), "n_samples", "norm")
    return [
        compare(LABEL, f"‖h*‖²/m at m = {at}, the highest of {len(sizes)}, against its limit", "below", LIMIT, largest),
        compare(LABEL, "exponent of ‖h*‖ in m: ½ in the limit, 1 as printed", "below", HALFWAY, slope),
    ]


def tables(records: Records) -> list[Table]:
    """Return norms by the number of points."""
    lines = []
    for m in sorted({r["n_samples"] for r in of(records, NAME)}):
        rows = of(records, NAME, n_samples=m)
        norm, squared = (float(np.mean([r[key] for r in rows])) for key in ("norm", "norm_squared_per_point"))
        lines.append((f"{m:,}", f"{norm:.1f}", f"{m**0.5:.1f}", f"{squared:.2f}"))
    columns = ("points", "‖h*‖", "√m", "‖h*‖²/m")
    return [Table(f"Interpolants of random labels in {DIMENSION} dimensions, relu", columns, tuple(lines))]


STATEMENTS = [
    Statement(
        label=LABEL,
        title="The interpolant of random labels",
        says="Printed: the function with h*(x_i) = y_i has norm O(m). It is its square that is O(m): the norm is "
        "O(√m), and only so does Theorem 7 need about m parameters and not m².",
        measured="The least squared norm yᵀK⁻¹y for random points and labels. A point's share of it stays below "
        "1/Σ aₙ over the degrees n > 4 of the kernel's series: the part of the kernel that random points with "
        "m below d⁴ or so see as the identity.",
        cells=cells,
        verdicts=verdicts,
        figures={"label_norms": (figures.draw, "Norm of the interpolant over m, with the slopes 1/2 and 1.")},
        tables=tables,
    )
]
