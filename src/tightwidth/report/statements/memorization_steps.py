"""Theorem 7: how many steps it takes, against epsilon, for hinge and perceptron."""

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.memorization import MemorizationConfig
from tightwidth.plots import memorization_steps as figures
from tightwidth.report.comparison import compare, exact
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, LABEL = "memorization", "Theorem 7"
SIZE = {"quick": (384, 16), "full": (1536, 48)}  # m, d
WIDTH = 2.5  # q d/m: not on the plane, so that the cells are told apart
SHARES = {"quick": (0.4, 0.2, 0.1), "full": (0.4, 0.2, 0.1, 0.05)}
SEEDS = {"quick": 4, "full": 8}
EXPONENTS = {"hinge": 2, "perceptron": 1}  # of 1/epsilon in the steps that are enough
EPOCHS_PERCEPTRON = 800
NORM_SQUARED = 12.0  # a point, of the labels: the bound's T = M^2 G^2/epsilon^2 is then what is planned
BATCH = 64
UNREACHED = 1e6  # stands for an epsilon that was not reached


def cells(level: Level) -> list[Cell]:
    """Return one perceptron run a seed, and for the hinge one for every epsilon, at the rate of the theorem."""
    m, d = SIZE[level]
    found = []
    for seed in range(SEEDS[level]):
        common = {
            "n_samples": m,
            "n_features": d,
            "density": WIDTH,
            "batch_size": BATCH,
            "label_norm": True,
            "seed": seed,
        }
        found.append(MemorizationConfig(loss="perceptron", n_epochs=EPOCHS_PERCEPTRON, **common))
        for share in SHARES[level]:
            epochs = NORM_SQUARED * BATCH * (1 / BATCH + (1 - 1 / BATCH) / d) / share**2
            found.append(MemorizationConfig(loss="hinge", epsilon=share, n_epochs=epochs, **common))
    return [(NAME, config) for config in found]


def own(records: Records, loss: str) -> list[CellRecord]:
    """Return the records of one loss."""
    return [r for r in of(records, NAME, loss=loss, inputs="sphere") if r.config["density"] == WIDTH]


def steps(records: Records, loss: str) -> dict[int, list[tuple[float, float]]]:
    """Return for every seed the pairs (epsilon, steps until the mean iterate has left at most epsilon)."""
    found: dict[int, list[tuple[float, float]]] = {}
    rows = own(records, loss)
    shares = sorted({r["epsilon"] for r in own(records, "hinge")})
    for share in shares:
        for r in rows:
            if loss == "hinge" and r["epsilon"] != share:
                continue
            taken = r[f"steps_to_{share:g}"]
            if taken is not None:
                found.setdefault(r.seed, []).append((share, float(taken)))
    return found


def bound(record: CellRecord, share: float) -> float:
    """Return the steps that are enough: ``M²G²/ε²`` for the hinge at its rate ``ε/G²``, ``M²G²/ε`` for the perceptron.

    ``G² = 1/b + (1 - 1/b)/d`` bounds the squared gradient of relu's embedding on uniform points.
    """
    b = record["batch_size"]
    G_squared = 1 / b + (1 - 1 / b) / record["n_features"]
    return record["label_norm_squared"] * G_squared / share ** EXPONENTS[record["loss"]]


def verdicts(records: Records) -> list[Verdict]:
    """Compare the steps taken with those that are enough by the bounds."""
    found = []
    formulas = {"hinge": "M²G²/ε²", "perceptron": "M²G²/ε"}
    for loss, formula in formulas.items():
        taken = steps(records, loss)
        first = {r.seed: r for r in own(records, loss)}
        parts = [t / bound(first[seed], share) for seed, pairs in taken.items() for share, t in pairs]
        wanted = len(first) * len({r["epsilon"] for r in own(records, "hinge")})
        parts += [UNREACHED] * (wanted - len(parts))  # an epsilon that was not reached is no success
        claim = f"{loss}: steps taken over {formula}, every ε and seed"
        how = f"the range over {len(parts)} runs and ε"
        found.append(compare(LABEL, claim, "below", 1.0, exact(parts, how)))
    return found


def tables(records: Records) -> list[Table]:
    """Return the steps by epsilon."""
    lines = []
    by_loss = {loss: steps(records, loss) for loss in ("hinge", "perceptron")}
    shares = sorted(
        {share for found in by_loss.values() for pairs in found.values() for share, _ in pairs}, reverse=True
    )
    for share in shares:
        cells_of_row = [f"{share:g}"]
        for found in by_loss.values():
            taken = [t for pairs in found.values() for s, t in pairs if s == share]
            cells_of_row.append(f"{np.mean(taken):,.0f}" if taken else "-")
        lines.append(tuple(cells_of_row))
    first = own(records, "hinge")[0]
    caption = (
        f"{first['n_samples']:,} points in {first['n_features']} dimensions, {first['n_pairs']} pairs, batches of 64"
    )
    return [Table(caption, ("ε", "steps, hinge", "steps, perceptron"), tuple(lines))]


def draw(records: Records) -> Figure:
    """Draw the steps over epsilon, and the bounds in the mean over seeds."""
    shares = sorted({r["epsilon"] for r in own(records, "hinge")})
    enough = {
        loss: [(share, float(np.mean([bound(r, share) for r in own(records, loss)]))) for share in shares]
        for loss in EXPONENTS
    }
    return figures.draw({loss: steps(records, loss) for loss in EXPONENTS}, enough)


STATEMENTS = [
    Statement(
        label=LABEL,
        title="Steps to memorize",
        says="Õ(m/ε²) steps are enough for the random iterate to memorize all but a share ε. With the perceptron loss "
        "a mistake costs the bound only once, and M²G²/ε steps are enough.",
        measured="The first look at which the mean over the iterates so far leaves at most ε, with the learning rate "
        "ε/G² of the theorem for the hinge; the path of a perceptron does not depend on its rate.",
        cells=cells,
        verdicts=verdicts,
        figures={
            "memorization_steps": (
                draw,
                "Steps until the mean iterate has left at most ε, every seed; lines: what is enough by the bounds.",
            )
        },
        tables=tables,
    )
]
