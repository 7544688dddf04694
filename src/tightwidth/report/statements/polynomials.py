"""Theorem 6: even polynomials are learnt under relu, odd ones of degree 3 are not."""

import numpy as np

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.polynomials import Degree, PolynomialConfig
from tightwidth.plots import polynomials as figures
from tightwidth.report.comparison import compare, exact, simultaneous_mean
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "polynomials", "Theorem 6"
DEGREES: dict[Degree, str] = {0: "the constant 1", 2: "x₁x₂", 3: "x₁x₂x₃", 4: "x₁x₂x₃x₄"}
LEARNT = (2, 4, 0)
SEEDS = {"quick": 4, "full": 8}
STEPS = {"quick": (4096,), "full": (1024, 4096, 8192)}
OF_ZERO = 1.0  # the hinge loss of h = 0, which is its excess loss here
ROUNDING = 1e-4  # of outputs in float32: labels of degree 3 leave the loss at 1 or above


def cells(level: Level) -> list[Cell]:
    """Return runs on labels of every monomial."""
    return [
        (NAME, PolynomialConfig(degree=degree, n_steps=T, seed=seed))
        for degree in DEGREES
        for T in STEPS[level]
        for seed in range(SEEDS[level])
    ]


def _longest(records: Records, degree: int) -> list[CellRecord]:
    rows = of(records, NAME, degree=degree)
    longest = max(r["n_steps"] for r in rows)
    return [r for r in rows if r["n_steps"] == longest]


def verdicts(records: Records) -> list[Verdict]:
    """Compare the loss at even degrees with the bound, and at degree 3 with that of h = 0."""
    found, bounds = [], []
    for degree in LEARNT:
        rows = _longest(records, degree)
        ratio = simultaneous_mean(np.array([r["excess"] / r["bound"] for r in rows]), len(LEARNT))
        found.append(compare(LABEL, f"{DEGREES[degree]}: excess loss over its bound", "below", 1.0, ratio))
        bounds += [r["bound"] for r in rows]
    vacuous = exact(bounds, f"the bounds of {len(bounds)} runs")
    found.append(compare(LABEL, "those bounds, against the excess loss of h = 0", "below", OF_ZERO, vacuous))
    odd = of(records, NAME, degree=3)
    last = exact([r["last_loss"] for r in odd], f"all {len(odd)} runs")
    claim = f"{DEGREES[3]}: loss of the last iterate on the sample, against that of h = 0"
    return [*found, compare(LABEL, claim, "above", OF_ZERO - ROUNDING, last)]


def tables(records: Records) -> list[Table]:
    """Return losses, bounds and coefficients of the kernel's series by monomial."""
    lines = []
    for degree in sorted(DEGREES):
        rows = _longest(records, degree)
        numbers = (f"{np.mean([r[key] for r in rows]):.3f}" for key in ("excess", "last_loss", "memorized"))
        a_n = rows[0]["series_coefficient"]
        norm = "not in the space" if degree == 3 else f"{rows[0]['norm']:.1f}"
        bound = "none" if degree == 3 else f"{np.mean([r['bound'] for r in rows]):.3f}"
        lines.append((DEGREES[degree], f"{a_n:.4f}", f"{rows[0]['margin']:g}", norm, bound, *numbers))
    columns = ("p", "aₙ", "margin", "M = ‖p‖/margin", "bound", "excess loss", "of the last iterate", "memorized")
    r = _longest(records, 2)[0]
    caption = (
        f"Labels sign p(x), d = {r['n_features']}, q = {r['n_pairs']}, T = {r['n_steps']:,}, b = {r['batch_size']}"
    )
    return [Table(caption, columns, tuple(lines))]


STATEMENTS = [
    Statement(
        label=LABEL,
        title="Even polynomials",
        says="Under relu, algorithm 1 learns the even polynomials of bounded degree whose coefficients have a bounded "
        "norm, with a width that is near the least possible.",
        measured="Labels that are the sign of a monomial, on points where it is not small. Degrees 2 and 4 stay under "
        "the bound; so does the constant, whose norm √(2πd) grows with the dimension (erratum 2). Of degree 3 nothing "
        "is learnt: a₃ = 0 in the series of relu's kernel, and on a symmetric sample no function of its space has a "
        "loss below that of 0.",
        cells=cells,
        verdicts=verdicts,
        figures={
            "polynomials": (
                figures.draw,
                "Mean loss of the iterates by monomial, with the bound and its terms; the loss of h = 0 is 1.",
            )
        },
        tables=tables,
    )
]
