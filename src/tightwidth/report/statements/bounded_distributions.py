"""Section A.5: R of points drawn from the sphere."""

import numpy as np

from tightwidth import intervals
from tightwidth.cell_records import Verdict
from tightwidth.experiments.bounded_distributions import BoundedConfig
from tightwidth.plots import bounded_distributions as figures
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME = "bounded_distributions"
RATIOS = {"quick": (1, 4, 16), "full": (1, 2, 4, 8, 16, 32, 64)}  # m/d
DIMENSION = {"quick": 100, "full": 200}
SEEDS = {"quick": 5, "full": 10}
FINITE_SIZE = 0.05  # the edge is asymptotic: at d = 100 the largest eigenvalue lies some per cent below it


def cells(level: Level) -> list[Cell]:
    """Return samples of several sizes, from a sphere of one dimension."""
    d = DIMENSION[level]
    return [
        (NAME, BoundedConfig(n_samples=ratio * d, n_features=d, seed=seed))
        for ratio in RATIOS[level]
        for seed in range(SEEDS[level])
    ]


def verdicts(records: Records) -> list[Verdict]:
    """Compare R² over the edge of Marchenko and Pastur with 1."""
    found = []
    for m in sorted({r["n_samples"] for r in of(records, NAME)}):
        rows = of(records, NAME, n_samples=m)
        ratio = intervals.mean(np.array([r["R_squared"] / r["marchenko_pastur"] for r in rows]))
        found.append(
            Verdict(
                statement="Section A.5",
                claim=f"R² of {m:,} points in {rows[0]['n_features']} dimensions over (1 + √(d/m))²",
                relation="within",
                predicted=1.0,
                tolerance=FINITE_SIZE,
                measured=ratio.value,
                low=ratio.low,
                high=ratio.high,
                how=ratio.how,
            )
        )
    return found


def tables(records: Records) -> list[Table]:
    """Return R² by the number of points."""
    rows = []
    for m in sorted({r["n_samples"] for r in of(records, NAME)}):
        cells_of_m = of(records, NAME, n_samples=m)
        rows.append(
            (
                f"{m:,}",
                f"{np.mean([r['R_squared'] for r in cells_of_m]):.3f}",
                f"{cells_of_m[0]['marchenko_pastur']:.3f}",
            )
        )
    return [
        Table("R² of uniform points on the sphere", ("points", "R² (mean over seeds)", "(1 + √(d/m))²"), tuple(rows))
    ]


STATEMENTS = [
    Statement(
        label="Section A.5",
        title="Bounded distributions",
        says="m uniform points on the sphere are (1 + o(1))-bounded when m is large beside d.",
        measured="R² = d λ_max of samples of several sizes, against the edge of Marchenko and Pastur: at the sizes "
        "of a laptop R² is far from 1, and the theorems pay it in width.",
        cells=cells,
        verdicts=verdicts,
        figures={"bounded_distributions": (figures.draw, "R² of samples, and the edge (1 + √(d/m))².")},
        tables=tables,
    )
]
