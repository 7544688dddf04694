"""Section A.5: R of points drawn from the sphere."""

import numpy as np

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.bounded_distributions import DELTA, BoundedConfig
from tightwidth.plots import bounded_distributions as figures
from tightwidth.report.comparison import compare, exact, simultaneous_mean
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "bounded_distributions", "Section A.5"
RATIOS = {"quick": (1, 4, 16), "full": (1, 2, 4, 8, 16, 32, 64)}  # m/d
DIMENSION = {"quick": 100, "full": 200}
SEEDS = {"quick": 40, "full": 60}


def cells(level: Level) -> list[Cell]:
    """Return samples of several sizes, from a sphere of one dimension."""
    d = DIMENSION[level]
    return [
        (NAME, BoundedConfig(n_samples=ratio * d, n_features=d, seed=seed))
        for ratio in RATIOS[level]
        for seed in range(SEEDS[level])
    ]


def _by_size(records: Records) -> dict[int, list[CellRecord]]:
    sizes = sorted({r["n_samples"] for r in of(records, NAME)})
    return {m: of(records, NAME, n_samples=m) for m in sizes}


def verdicts(records: Records) -> list[Verdict]:
    """Compare the mean of R² with its expectation at finite size, and every sample with the bound."""
    by_size = _by_size(records)
    found = []
    for m, rows in by_size.items():
        mean = simultaneous_mean(np.array([r["R_squared"] for r in rows]), len(by_size))
        claim = f"mean of R² of {m:,} points in {rows[0]['n_features']} dimensions, at finite size"
        found.append(compare(LABEL, claim, "covers", rows[0]["finite_size"], mean))
    ratios = [r["R_squared"] / r["bound"] for rows in by_size.values() for r in rows]
    claim = f"R² of every sample over the bound that holds with probability 1 - {DELTA:g}"
    return [*found, compare(LABEL, claim, "below", 1.0, exact(ratios, f"all {len(ratios)} samples"))]


def tables(records: Records) -> list[Table]:
    """Return R² by the number of points."""
    rows = []
    for m, found in _by_size(records).items():
        mean = f"{np.mean([r['R_squared'] for r in found]):.4f}"
        rows.append((f"{m:,}", mean, *(f"{found[0][key]:.4f}" for key in ("finite_size", "marchenko_pastur", "bound"))))
    columns = ("points", "R² (mean over seeds)", "expected at finite size", "(1 + √(d/m))²", f"bound, δ = {DELTA:g}")
    return [Table("R² of uniform points on the sphere", columns, tuple(rows))]


STATEMENTS = [
    Statement(
        label=LABEL,
        title="Bounded distributions",
        says="m uniform points on the sphere are (1 + o(1))-bounded when m is large beside d.",
        measured="R² = d λ_max of samples of several sizes. Marchenko and Pastur's edge (1 + √(d/m))² is its limit; at "
        "the sizes of a laptop it lies below by Tracy and Widom's law, and by a part 2/√(md) because all points have "
        "one norm. It is far from 1, and the theorems pay it in width.",
        cells=cells,
        verdicts=verdicts,
        figures={
            "bounded_distributions": (
                figures.draw,
                "Left: R² of samples. Right: over its limit (1 + √(d/m))², with the mean at finite size and the bound.",
            )
        },
        tables=tables,
    )
]
