"""Section 3.4 and Section 1.1: standard Xavier initialization, and the other methods that the paper discusses."""

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.baselines import METHODS, BaselineConfig
from tightwidth.plots import baselines as figures
from tightwidth.report.comparison import compare, exact
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "baselines", "Section 3.4"
SAMPLE = {"quick": (384, 16), "full": (1024, 24)}  # m, d; d(d+1)/2 is below m/2, all that rank can memorize
WIDTHS = {"quick": (0.25, 0.5, 1.0), "full": (0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5)}  # q d/m
SEEDS = {"quick": 2, "full": 4}
RATES = {
    "zero_outputs": (0.1, 0.3, 1.0),
    "xavier": (0.1, 0.3, 1.0),
    "linear_optimisation": (1.0,),
    "decoupled_gating": (1.0,),
    "quadratic": (0.03, 0.1, 0.3),
    "frozen_features": (0.1, 1.0),
    "linear": (1.0,),
}
NEARLY_ALL, FAR_FROM_ALL = 0.95, 0.9
ENOUGH = 1.0  # q d/m at which methods are compared


def cells(level: Level) -> list[Cell]:
    """Return every method at several widths and learning rates."""
    m, d = SAMPLE[level]
    return [
        (
            NAME,
            BaselineConfig(
                method=method,
                n_samples=m,
                n_features=d,
                n_pairs=max(1, round(width * m / d)),
                learning_rate=rate,
                seed=seed,
            ),
        )
        for method in METHODS
        for width in WIDTHS[level]
        for rate in RATES[method]
        for seed in range(SEEDS[level])
    ]


def at_best_rate(records: Records) -> dict[tuple[str, int], list[CellRecord]]:
    """Return, by method and width, the records of the rate with the largest mean share over seeds."""
    found: dict[tuple[str, int], list[CellRecord]] = {}
    rows = of(records, NAME)
    for method in METHODS:
        for q in sorted({r["n_pairs"] for r in rows}):
            own = of(rows, NAME, method=method, n_pairs=q)
            by_rate = [of(own, NAME, learning_rate=rate) for rate in sorted({r["learning_rate"] for r in own})]
            found[method, q] = max(by_rate, key=lambda some: float(np.mean([r["fraction"] or 0.0 for r in some])))
    return found


def verdicts(records: Records) -> list[Verdict]:
    """Compare what every method memorizes at q d = m with what can be expected of it."""
    best = at_best_rate(records)
    rows = of(records, NAME)
    m, d = rows[0]["n_samples"], rows[0]["n_features"]
    q = min({r["n_pairs"] for r in rows}, key=lambda q: abs(q * d / m - ENOUGH))

    def shares(method: str) -> list[float]:
        return [r["fraction"] or 0.0 for r in best[method, q]]

    def all_seeds(method: str, what: str, relation: str, predicted: float) -> Verdict:
        how = f"the range over {len(shares(method))} seeds at the best learning rate"
        assert relation in ("above", "below")
        return compare(LABEL, f"{what}, q d = m", relation, predicted, exact(shares(method), how))

    return [
        all_seeds("xavier", "standard Xavier initialization memorizes too (the open question)", "above", NEARLY_ALL),
        all_seeds("zero_outputs", "zero outputs, B = 0.3", "above", NEARLY_ALL),
        all_seeds("linear_optimisation", "linear optimisation over the embedding (Fiat et al.)", "above", NEARLY_ALL),
        all_seeds("decoupled_gating", "decoupled gating (Fiat et al.)", "above", NEARLY_ALL),
        all_seeds("frozen_features", "random relu features, hidden layer frozen", "below", FAR_FROM_ALL),
        all_seeds(
            "quadratic", "quadratic activation (Ge et al.): its rank ends at d(d+1)/2 < m/2", "below", FAR_FROM_ALL
        ),
        all_seeds("linear", "a linear predictor (Brutzkus et al. need separable points)", "below", FAR_FROM_ALL),
    ]


def tables(records: Records) -> list[Table]:
    """Return the share memorized by method and width."""
    best = at_best_rate(records)
    widths = sorted({q for _, q in best})
    lines = []
    for method in METHODS:
        row = [method.replace("_", " ")]
        for q in widths:
            some = best[method, q]
            share = float(np.mean([r["fraction"] or 0.0 for r in some]))
            row.append(f"{share:.3f} ({some[0]['parameters_per_sample']:.2f})")
        lines.append(tuple(row))
    first = of(records, NAME)[0]
    caption = (
        f"{first['n_samples']:,} points in {first['n_features']} dimensions: share memorized at the best learning rate "
        "(parameters a point)"
    )
    return [Table(caption, ("method", *(f"{q} pairs" for q in widths)), tuple(lines))]


def draw(records: Records) -> Figure:
    """Draw the shares over the parameters."""
    return figures.draw(at_best_rate(records))


STATEMENTS = [
    Statement(
        label=LABEL,
        title="Other methods at the same size, and the paper's open question",
        says="The paper starts from outputs that cancel, and asks whether standard Xavier initialization does as well. "
        "Earlier work memorizes with linear predictors, quadratic activations, or linear optimisation over the "
        "embedding.",
        measured="Share of random labels memorized by networks of equal size, hinge loss, plain SGD, each method at "
        "the best of its learning rates.",
        cells=cells,
        verdicts=verdicts,
        figures={"baselines": (draw, "Share memorized over the parameters a point, each method at its best rate.")},
        tables=tables,
    )
]
