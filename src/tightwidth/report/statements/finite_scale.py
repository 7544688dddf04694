"""Section 3.2: the network at a finite B, beside its linear limit, and what float32 makes of the plain form."""

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.finite_scale import ScaleConfig
from tightwidth.intervals import mean
from tightwidth.plots import finite_scale as figures
from tightwidth.report.comparison import compare, exact
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "finite_scale", "Section 3.2"
SCALES = (0.3, 1.0, 10.0, 1e3, 1e5, 1e7, 1e9)
PLAIN = (1.0, 10.0, 1e3, 1e5, 1e7)
WIDTHS = {"quick": (16,), "full": (8, 12, 16, 24, 32)}
SEEDS = {"quick": 4, "full": 8}
LARGE, FREE = 1e7, 1.0
SAME = 0.01  # share of the points by which float32 may differ at a large B
CHANCE_AT_MOST = 0.75
GAIN = 0.01  # share of the points that leaving the linear regime is to gain


def cells(level: Level) -> list[Cell]:
    """Return runs at several B in the displacement form, in the limit, and in the plain form."""
    found = []
    for q in WIDTHS[level]:
        for seed in range(SEEDS[level]):
            found += [ScaleConfig(n_pairs=q, output_scale=B, seed=seed) for B in (*SCALES, float("inf"))]
            found += [ScaleConfig(n_pairs=q, output_scale=B, form="plain", seed=seed) for B in PLAIN]
    return [(NAME, config) for config in found]


def share(records: Records, form: str, B: float | str, q: int) -> list[float]:
    """Return the shares memorized, by seed."""
    rows = of(records, NAME, form=form, output_scale=B, n_pairs=q)
    return [r["fraction"] for r in sorted(rows, key=lambda r: r.seed)]


def verdicts(records: Records) -> list[Verdict]:
    """Compare large B with the limit, the plain form with the displacement form, and B = 1 with the limit."""
    widths = sorted({r["n_pairs"] for r in of(records, NAME)})
    narrow = min(widths, key=lambda q: abs(q - 16))
    limit = np.array(share(records, "displacement", "inf", narrow))
    large = np.array(share(records, "displacement", LARGE, narrow))
    free = np.array(share(records, "displacement", FREE, narrow))
    plain = np.array(share(records, "plain", LARGE, narrow))
    flipped = [r["share_flipped"] for r in of(records, NAME, form="displacement", output_scale=LARGE)]
    return [
        compare(
            LABEL,
            f"float32, displacement form: share memorized at B = {LARGE:.0e} less that of the limit, {narrow} pairs",
            "within",
            0.0,
            exact(large - limit, f"the range over {len(limit)} seeds"),
            SAME,
        ),
        compare(
            LABEL, f"gates that flipped at B = {LARGE:.0e}", "below", 1e-4, exact(flipped, "the range over all runs")
        ),
        compare(
            LABEL, f"float32, plain form: share memorized at B = {LARGE:.0e}", "below", CHANCE_AT_MOST, mean(plain)
        ),
        compare(
            LABEL, f"B = {FREE:g} memorizes more than the limit, {narrow} pairs", "above", GAIN, mean(free - limit)
        ),
    ]


def tables(records: Records) -> list[Table]:
    """Return what was memorized and what moved, by B."""
    tables = []
    for q in sorted({r["n_pairs"] for r in of(records, NAME)}):
        lines = []
        for form in ("displacement", "plain"):
            rows = of(records, NAME, n_pairs=q, form=form)
            for B in dict.fromkeys(r["output_scale"] for r in rows):
                lines.append((form, "∞" if B == "inf" else f"{B:g}", *_numbers(of(rows, NAME, output_scale=B))))
        first = of(records, NAME)[0]
        caption = f"{first['n_samples']} points in {first['n_features']} dimensions, {q} pairs, hinge, float32"
        columns = ("form", "B", "memorized", "gates flipped", "distance moved", "kernel drift")
        tables.append(Table(caption, columns, tuple(lines)))
    return tables


def _numbers(rows: list[CellRecord]) -> tuple[str, ...]:
    def average(key: str, form: str) -> str:
        found = [r[key] for r in rows if r[key] is not None]
        return format(float(np.mean(found)), form) if found else "-"

    return (
        average("fraction", ".3f"),
        average("share_flipped", ".2%"),
        average("mean_displacement", ".2g"),
        average("kernel_drift", ".2g"),
    )


def draw(records: Records) -> Figure:
    """Draw the shares over B."""
    return figures.draw(of(records, NAME))


STATEMENTS = [
    Statement(
        label=LABEL,
        title="From the embedding to the network: how large B must be",
        says="For a large enough B the network behaves as its linear limit. Such a B is far beyond what float32 can "
        "do with the weights as they are; the displacement form computes the same network at any B.",
        measured="Share memorized, gates that flipped, distance moved and drift of the kernel over B, with the "
        "displacement form, and with the weights themselves, all in float32. At a small B the network leaves the "
        "linear regime, and memorizes more.",
        cells=cells,
        verdicts=verdicts,
        figures={"finite_scale": (draw, "Share memorized and share of gates flipped over B, mean over seeds.")},
        tables=tables,
    )
]
