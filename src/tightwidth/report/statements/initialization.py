"""Sections 2.3 and 2.5: the start of a network, and its tangent kernel."""

from collections.abc import Sequence

import numpy as np

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.initialization import InitializationConfig
from tightwidth.plots import initialization as figures
from tightwidth.report.comparison import compare, exact, farthest, simultaneous_mean
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, START, KERNEL = "initialization", "Section 2.3", "Section 2.5"
WIDTHS = {"quick": (16, 64, 256), "full": (16, 64, 256, 1024)}
ACTIVATIONS = {"quick": ("relu", "tanh"), "full": ("relu", "tanh", "gelu", "erf")}
SEEDS = {"quick": 30, "full": 100}
WIDTH = 64  # of the activations other than relu
PARTS = ("hidden", "output")


def cells(level: Level) -> list[Cell]:
    """Return starts of several widths under relu, and of one width under other activations."""
    sizes = [("relu", q) for q in WIDTHS[level]] + [(name, WIDTH) for name in ACTIVATIONS[level] if name != "relu"]
    return [
        (NAME, InitializationConfig(n_pairs=q, activation=name, seed=seed))
        for name, q in sizes
        for seed in range(SEEDS[level])
    ]


def verdicts_on_outputs(records: Records) -> list[Verdict]:
    """Compare the outputs at the start with 0."""
    rows = of(records, NAME)
    largest = exact([r["largest_output"] for r in rows], f"the largest of {len(rows)} networks in three forms, float32")
    return [compare(START, "largest |h(x)| at the start", "below", 0.0, largest)]


def verdicts_on_kernels(records: Records) -> list[Verdict]:
    """Compare the mean of sampled kernels with the formula, and their variance with that of one pair over q."""
    names = sorted({r["activation"] for r in of(records, NAME)}, key=lambda name: (name != "relu", name))
    n_checks = len(names) * len(PARTS) * len(of(records, NAME)[0]["cosines"])
    found = []
    for name in names:
        rows = of(records, NAME, activation=name, n_pairs=WIDTH)
        for part in PARTS:
            estimates = {
                f"{cosine:g}": (
                    simultaneous_mean(np.array([r[f"sampled_{part}"][place] for r in rows]), n_checks),
                    rows[0][f"formula_{part}"][place],
                )
                for place, cosine in enumerate(rows[0]["cosines"])
            }
            at, estimate, predicted = farthest(estimates)
            claim = f"{name}: the {part} part of tk_W in the mean, at ρ = {at}, where it is farthest from the formula"
            found.append(compare(KERNEL, claim, "covers", predicted, estimate))
    return [*found, _verdict_on_variance(of(records, NAME, activation="relu"))]


def _verdict_on_variance(rows: Sequence[CellRecord]) -> Verdict:
    """Compare q times the squared distance with the variance of one pair, which for relu is that of a coin.

    ``sigma'(u) sigma'(v)`` is 1 or 0 with the mean a, so that rho times it has the variance ``tk^h (rho - tk^h)``.
    """
    widths = sorted({r["n_pairs"] for r in rows})
    formula, cosines = np.array(rows[0]["formula_hidden"]), np.array(rows[0]["cosines"])
    expected = float(np.mean(formula * (cosines - formula)))
    by_seed = [
        np.mean([r["n_pairs"] * squared_error(r) for r in rows if r.seed == seed])
        for seed in sorted({r.seed for r in rows})
    ]
    claim = f"relu: q times the squared distance of tk^h_W from tk^h, mean over q in {widths}; the variance of one pair"
    return compare(KERNEL, claim, "covers", expected, simultaneous_mean(np.array(by_seed), 1))


def squared_error(record: CellRecord) -> float:
    """Return the mean squared distance of the hidden part from its formula, over the cosines."""
    return float(np.mean(np.subtract(record["sampled_hidden"], record["formula_hidden"]) ** 2))


def tables(records: Records) -> list[Table]:
    """Return the sampled kernel and the formula by cosine, under relu."""
    rows = of(records, NAME, activation="relu", n_pairs=WIDTH)
    lines = []
    for place, cosine in enumerate(rows[0]["cosines"]):
        columns = [f"{cosine:g}"]
        for part in PARTS:
            columns.append(f"{np.mean([r[f'sampled_{part}'][place] for r in rows]):.4f}")
            columns.append(f"{rows[0][f'formula_{part}'][place]:.4f}")
        lines.append(tuple(columns))
    caption = (
        f"Tangent kernel under relu, B = {rows[0]['output_scale']:g}: mean over {len(rows)} networks of {WIDTH} pairs"
    )
    return [Table(caption, ("ρ", "tk^h_W", "tk^h", "tk^o_W", "tk^o"), tuple(lines))]


STATEMENTS = [
    Statement(
        label=START,
        title="A start with outputs that cancel",
        says="Started from I(d, q, B), with the hidden weights in equal pairs and output weights B and -B, the network "
        "computes 0 exactly.",
        measured="The largest output at 64 random points, in float32, of the plain, the displacement and the tangent "
        "form of every network drawn.",
        cells=cells,
        verdicts=verdicts_on_outputs,
        figures={},
    ),
    Statement(
        label=KERNEL,
        title="The neural tangent kernel",
        says="The products of the network's gradients at the start, over 2qB², have the expectation tk^h + tk^o: "
        "⟨x, z⟩ E σ'(u) σ'(v) for the hidden weights and E σ(u) σ(v)/B² for the output weights.",
        measured="Gradients by automatic differentiation of networks with random weights, at pairs of points with "
        "seven angles; the mean over the networks against the formula, and how far single networks are from it.",
        cells=cells,
        verdicts=verdicts_on_kernels,
        figures={
            "initialization": (
                figures.draw,
                "Left: products of gradients over the cosine, mean over networks, and the formulas. Right: squared "
                "distance from the formula over q, with the slope -1.",
            )
        },
        tables=tables,
    ),
]
