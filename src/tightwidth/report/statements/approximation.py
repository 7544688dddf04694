"""Corollary 3 and Theorem 4: the error of q random features, and the factor d that factorized ones save."""

import numpy as np

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.approximation import ApproximationConfig, Distribution
from tightwidth.intervals import Estimate
from tightwidth.plots import approximation as figures
from tightwidth.report.comparison import compare, exponent, highest, simultaneous_mean
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, COROLLARY, THEOREM = "approximation", "Corollary 3", "Theorem 4"
WIDTHS = {"quick": (8, 32, 128), "full": (4, 8, 16, 32, 64, 128, 256)}
DIMENSIONS = {"quick": (8, 32, 128), "full": (8, 16, 32, 64, 128, 256)}
WIDTH, DIMENSION = 32, 32  # where the other one varies
SEEDS = {"quick": 12, "full": 30}
DISTRIBUTIONS: dict[Distribution, str] = {"sphere": "uniform points", "line": "points near a line"}
EXPONENT_TOLERANCE = {"q": 0.15, "d": 0.2}  # on the sphere the exponent in d is that of (3/8 - O(1/d))/d


def cells(level: Level) -> list[Cell]:
    """Return widths at one dimension, and dimensions at one width, for both distributions."""
    sizes = [(q, DIMENSION) for q in WIDTHS[level]] + [(WIDTH, d) for d in DIMENSIONS[level] if d != DIMENSION]
    return [
        (NAME, ApproximationConfig(n_pairs=q, n_features=d, distribution=distribution, seed=seed))
        for distribution in DISTRIBUTIONS
        for q, d in sizes
        for seed in range(SEEDS[level])
    ]


def _ratios(records: Records, distribution: str, error: str, bound: str) -> dict[str, Estimate]:
    """Return measured squared errors over their bound, by width and dimension."""
    groups: dict[tuple[int, int], list[CellRecord]] = {}
    for r in of(records, NAME, distribution=distribution):
        groups.setdefault((r["n_pairs"], r["n_features"]), []).append(r)
    return {
        f"q = {q}, d = {d}": simultaneous_mean(np.array([r[error] / r[bound] for r in rows]), len(groups))
        for (q, d), rows in groups.items()
    }


def _exponent(records: Records, letter: str, error: str, **fixed: object) -> Estimate:
    """Return the exponent of an error in q or in d, where the other one is fixed."""
    along, other, size = ("n_pairs", "n_features", DIMENSION) if letter == "q" else ("n_features", "n_pairs", WIDTH)
    return exponent(of(records, NAME, **fixed, **{other: size}), along, error)


def verdicts_at_a_point(records: Records) -> list[Verdict]:
    """Compare the squared error at a centre of f with Corollary 3, which has no dimension in it."""
    found = []
    for distribution, words in DISTRIBUTIONS.items():
        ratios = _ratios(records, distribution, "squared_error_at_centre", "corollary_3")
        at, worst = highest(ratios)
        claim = f"{words}: squared error at a centre of f over C²‖f‖²/q, at {at}, the highest of {len(ratios)}"
        found.append(compare(COROLLARY, claim, "below", 1.0, worst))
    slope = _exponent(records, "q", "squared_error", distribution="line")
    claim = "points near a line: exponent in q of the mean squared error"
    found.append(compare(COROLLARY, claim, "within", -1.0, slope, EXPONENT_TOLERANCE["q"]))
    slope = _exponent(records, "d", "squared_error", distribution="line")
    claim = "points near a line: exponent in d of the mean squared error, where R²/d is constant"
    return [*found, compare(COROLLARY, claim, "within", 0.0, slope, EXPONENT_TOLERANCE["d"])]


def verdicts_in_the_mean(records: Records) -> list[Verdict]:
    """Compare the squared error in the mean over the distribution with Theorem 4, and its exponents with -1."""
    found = []
    for distribution, words in DISTRIBUTIONS.items():
        ratios = _ratios(records, distribution, "squared_error", "theorem_4")
        at, worst = highest(ratios)
        claim = f"{words}: mean squared error over R²C²‖f‖²/(qd), at {at}, the highest of {len(ratios)}"
        found.append(compare(THEOREM, claim, "below", 1.0, worst))
    for letter in "qd":
        slope = _exponent(records, letter, "squared_error", distribution="sphere")
        claim = f"uniform points: exponent in {letter} of the mean squared error"
        found.append(compare(THEOREM, claim, "within", -1.0, slope, EXPONENT_TOLERANCE[letter]))
    return found


def tables(records: Records) -> list[Table]:
    """Return measured errors and both bounds, by distribution, width and dimension."""
    groups: dict[tuple[Distribution, int, int], list[CellRecord]] = {}
    for r in of(records, NAME):
        groups.setdefault((r["distribution"], r["n_pairs"], r["n_features"]), []).append(r)
    lines = []
    for (distribution, q, d), rows in sorted(groups.items(), reverse=True):
        means = [np.mean([r[key] for r in rows]) for key in ("squared_error", "squared_error_at_centre")]
        bounds = [rows[0][key] for key in ("theorem_4", "corollary_3")]
        numbers = (f"{value:.2e}" for value in (means[0], bounds[0], means[1], bounds[1]))
        lines.append((DISTRIBUTIONS[distribution], str(q), str(d), f"{rows[0]['R_squared']:.3g}", *numbers))
    columns = ("distribution", "q", "d", "R²", "mean squared error", "Theorem 4", "at a centre", "Corollary 3")
    return [Table("Squared error of q random features, ‖f‖ = 1, relu", columns, tuple(lines))]


MEASURED = (
    "Functions of norm 1 with six random centres, and their approximations by q features, many draws a cell; uniform "
    "points (R = 1) and points at a small angle to a line (R² = 0.9 d)."
)

STATEMENTS = [
    Statement(
        label=COROLLARY,
        title="q random features approximate at every point",
        says="A function f of the kernel space is approximated by q features that are bounded by C with a squared "
        "error of at most C²‖f‖²/q at every point, whatever the dimension and the distribution.",
        measured=f"{MEASURED} At a centre of f, and near a line, the error does not fall with the dimension.",
        cells=cells,
        verdicts=verdicts_at_a_point,
        figures={
            "approximation_dimensions": (
                figures.draw_dimensions,
                "Squared error over the dimension, with both bounds: it falls like 1/d on the average over the sphere, "
                "and neither at a centre of f nor near a line.",
            )
        },
    ),
    Statement(
        label=THEOREM,
        title="Factorized features are worth d scalar ones",
        says="If features are a number times x and the distribution is R-bounded, the mean squared error is at most "
        "R²C²‖f‖²/(qd).",
        measured=MEASURED,
        cells=cells,
        verdicts=verdicts_in_the_mean,
        figures={
            "approximation_widths": (
                figures.draw_widths,
                f"Squared error over the number of features in {DIMENSION} dimensions, with both bounds.",
            )
        },
        tables=tables,
    ),
]
