"""Theorem 7: the share memorized over the plane of q d/m and m/d, for several activations, and on real inputs."""

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.memorization import MemorizationConfig
from tightwidth.plots import memorization_plane as figures
from tightwidth.report.comparison import compare, exact
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "memorization", "Theorem 7"
POINTS = {"quick": 512, "full": 2048}
SIDES = {"quick": (5, 7), "full": (20, 20)}  # values of m/d and of q d/m
RATIOS, DENSITIES = (4.0, 64.0), (0.25, 4.0)
SEEDS = {"quick": 2, "full": 3}
EPOCHS = 200
EPSILON = 0.05
ENOUGH, TOO_FEW = 2.0, 0.4  # q d/m at which 1 - epsilon is memorized, and at which not all can be
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "gelu", "sin", "softplus")
REAL, REAL_POINTS = "digits", 1024
LOSSES = ("perceptron", "hinge", "logistic")
REAL_RATES = {"perceptron": 1.0, "hinge": 30.0, "logistic": 300.0}


def cells(level: Level) -> list[Cell]:
    """Return the plane, one row of activations, and real inputs under three losses."""
    m, (n_ratios, n_densities) = POINTS[level], SIDES[level]
    seeds = range(SEEDS[level])
    plane = [
        MemorizationConfig(n_samples=m, samples_per_feature=ratio, density=density, n_epochs=EPOCHS, seed=seed)
        for ratio in _spaced(RATIOS, n_ratios)
        for density in _spaced(DENSITIES, n_densities)
        for seed in seeds
    ]
    others = [
        MemorizationConfig(n_samples=512, n_features=32, density=ENOUGH, activation=name, n_epochs=EPOCHS, seed=seed)
        for name in ACTIVATIONS
        for seed in seeds
    ]
    real = [
        MemorizationConfig(
            n_samples=REAL_POINTS,
            inputs=REAL,
            density=ENOUGH,
            loss=loss,
            learning_rate=REAL_RATES[loss],
            n_epochs=2 * EPOCHS,
            seed=seed,
        )
        for loss in LOSSES
        for seed in seeds
    ]
    return [(NAME, config) for config in (*plane, *others, *real)]


def _spaced(ends: tuple[float, float], n: int) -> list[float]:
    return [float(f"{x:.6g}") for x in np.geomspace(*ends, n)]


def plane(records: Records) -> list[CellRecord]:
    """Return the records of the plane."""
    return [r for r in of(records, NAME, inputs="sphere") if r.config["samples_per_feature"] is not None]


def real(records: Records) -> list[CellRecord]:
    """Return the records of real inputs."""
    return of(records, NAME, inputs=REAL)


def activations(records: Records) -> list[CellRecord]:
    """Return the records that compare activations."""
    chosen = of(records, NAME, inputs="sphere", n_features=32)
    return [r for r in chosen if r.config["samples_per_feature"] is None and r.config["density"] == ENOUGH]


def density(record: CellRecord) -> float:
    """Return q d/m with the whole number of pairs that there are."""
    return record["n_pairs"] * record["n_features"] / record["n_samples"]


def verdicts(records: Records) -> list[Verdict]:
    """Compare what stays unmemorized above the width of the theorem, and what is memorized below Cover's."""
    on_plane = plane(records)
    wide = [1 - r["fraction"] for r in on_plane if density(r) >= 0.95 * ENOUGH]
    narrow = [r["fraction"] for r in on_plane if density(r) <= TOO_FEW]
    m = on_plane[0]["n_samples"]
    others, inputs = activations(records), real(records)
    names = {r["activation"] for r in others}
    return [
        compare(
            LABEL,
            f"share left by the last iterate at q d ≥ {ENOUGH:g} m, every m/d from 4 to 64",
            "below",
            EPSILON,
            exact(wide, f"the range over {len(wide)} runs"),
        ),
        compare(
            LABEL,
            f"share memorized at q d ≤ {TOO_FEW:g} m, where not all can be (Cover)",
            "below",
            1 - 0.5 / m,
            exact(narrow, f"the range over {len(narrow)} runs"),
        ),
        compare(
            LABEL,
            f"share left at q d = {ENOUGH:g} m, {len(names)} activations",
            "below",
            EPSILON,
            exact([1 - r["fraction"] for r in others], f"the range over {len(others)} runs"),
        ),
        compare(
            LABEL,
            f"share left at q d = {ENOUGH:g} m, {REAL} with random labels, {', '.join(LOSSES)}",
            "below",
            EPSILON,
            exact([1 - r["fraction"] for r in inputs], f"the range over {len(inputs)} runs"),
        ),
    ]


def tables(records: Records) -> list[Table]:
    """Return the share memorized by activation, and on real inputs by loss."""
    return [
        _table("Random points and labels, q d = 2 m", "activation", activations(records), "activation"),
        _table(f"{REAL}, random labels, q d = 2 m", "loss", real(records), "loss"),
    ]


def _table(caption: str, heading: str, rows: list[CellRecord], key: str) -> Table:
    lines = []
    for name in dict.fromkeys(r[key] for r in rows):
        own = [r for r in rows if r[key] == name]
        last, mean = (np.mean([r[value] for r in own]) for value in ("fraction", "fraction_mean"))
        steps = [r["n_steps"] for r in own if r["ended"] == "no_gradient"]
        at = f"{np.mean(steps):,.0f}" if len(steps) == len(own) else "-"
        lines.append((name, f"{own[0]['n_pairs']}", f"{last:.4f}", f"{mean:.4f}", at))
    columns = (heading, "pairs", "last iterate", "mean iterate", "steps until no gradient is left")
    return Table(caption, columns, tuple(lines))


def draw_plane(records: Records) -> Figure:
    """Draw the plane."""
    return figures.draw(plane(records))


STATEMENTS = [
    Statement(
        label=LABEL,
        title="Memorization over the plane of widths and dimensions",
        says="SGD on a network with about m/d pairs, up to logarithms, memorizes all but a share epsilon of m random "
        "points with random labels; fewer than m/(2 d) pairs cannot, in the linear limit.",
        measured="Algorithm 1 in the linear limit with the perceptron loss, over m/d and q d/m; the same for several "
        "activations, and for the inputs of a real data set with random labels under three losses.",
        cells=cells,
        verdicts=verdicts,
        figures={
            "memorization_plane": (
                draw_plane,
                "Share of random labels memorized. Below q d = m/2 labels are not separable (Cover); from q d = m on "
                "the embedding can interpolate.",
            )
        },
        tables=tables,
    )
]
