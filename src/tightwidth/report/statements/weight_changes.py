"""Equation (2) and erratum 1: what an infinitesimal change of the weights can do, and how short it may be."""

import math

from tightwidth.cell_records import Verdict
from tightwidth.experiments.weight_changes import ChangeConfig
from tightwidth.plots import weight_changes as figures
from tightwidth.report.comparison import compare, exact
from tightwidth.report.statement import Cell, Level, Records, Statement, Table, of

NAME, EQUATION, ERRATUM = "weight_changes", "Equation (2)", "Erratum 1"
WIDTHS = {"quick": (8, 32), "full": (8, 16, 32)}
SCALES = {"quick": (0.5, 3.0, 30.0), "full": (0.5, 1.0, 3.0, 10.0, 30.0, 100.0)}
SEEDS = {"quick": 4, "full": 6}
ROUNDING = 1e-6  # relative error of least squares in float64 at the conditioning of these gradients, with room
LINEAR = 1e-4  # relative error of the network as a linear function after a step of the shortest length tried


def cells(level: Level) -> list[Cell]:
    """Return networks of several widths and output scales."""
    return [
        (NAME, ChangeConfig(n_pairs=q, output_scale=B, seed=seed))
        for q in WIDTHS[level]
        for B in SCALES[level]
        for seed in range(SEEDS[level])
    ]


def verdicts_on_equation(records: Records) -> list[Verdict]:
    """Compare the residual of equation (2), and the outputs of a network that has moved a little, with 0."""
    rows = of(records, NAME)
    networks = f"all {len(rows)} networks"
    residual = exact([r["residual"] for r in rows], networks)
    shortest = rows[0]["lengths"][-1]
    moved = exact([r["moved_errors"][-1] for r in rows], networks)
    claim = f"mean error of the outputs over t as h, after a step t U, t = {shortest:g}; relative"
    return [
        compare(EQUATION, "residual of ⟨U, ∇h_W(x)⟩ = h(x), relative", "below", ROUNDING, residual),
        compare(EQUATION, claim, "below", LINEAR, moved),
    ]


def verdicts_on_norm(records: Records) -> list[Verdict]:
    """Compare the norm of the shortest change with ours, and with the printed one."""
    rows = of(records, NAME)
    networks = f"all {len(rows)} networks, least squares in float64"
    ours = exact(
        [r["least_change"] * math.sqrt(2 * r["n_pairs"]) * r["output_scale"] / r["kernel_norm"] for r in rows], networks
    )
    printed = exact([r["printed"] / r["least_change"] for r in rows], networks)
    claim = "printed √q B ‖h‖ over the least ‖U‖: above 1, it is not the least"
    return [
        compare(ERRATUM, "least ‖U‖ over ‖h‖/(√(2q) B)", "within", 1.0, ours, ROUNDING),
        compare(ERRATUM, claim, "above", 1 + ROUNDING, printed),
    ]


def tables(records: Records) -> list[Table]:
    """Return norms by width and output scale, of the first seed."""
    rows = of(records, NAME, seed=0)
    lines = tuple(
        (
            str(r["n_pairs"]),
            f"{r['output_scale']:g}",
            *(f"{r[key]:.5g}" for key in ("kernel_norm", "least_change", "formula", "printed")),
        )
        for r in rows
    )
    columns = ("q", "B", "‖h‖", "least ‖U‖", "‖h‖/(√(2q) B)", "printed √q B ‖h‖")
    return [Table("The shortest change of the weights that has the outputs h", columns, lines)]


STATEMENTS = [
    Statement(
        label=EQUATION,
        title="What an infinitesimal change of the weights can do",
        says="The functions ⟨U, ∇h_W(x)⟩ of a change U of the weights are those of the kernel space of tk_W.",
        measured="For functions of that space U is found by least squares, at twice as many points as there are "
        "weights; then the network is moved by t U and its outputs are compared with t h.",
        cells=cells,
        verdicts=verdicts_on_equation,
        figures={
            "weight_changes_moved": (
                figures.draw_moved,
                "Error of the moved network as a linear function, over the length of the step: relu bends at "
                "points that a kink passes, the fewer the larger B is; where none does, rounding is left.",
            )
        },
    ),
    Statement(
        label=ERRATUM,
        title="The shortest change of the weights",
        says="Printed: the least norm of a U with ⟨U, ∇h_W⟩ = h is √q B ‖h‖. It is ‖h‖/(√(2q) B): the larger B, the "
        "less the weights have to move.",
        measured="The norm of the solution of least norm, by least squares in float64, over widths and output scales.",
        cells=cells,
        verdicts=verdicts_on_norm,
        figures={"weight_changes": (figures.draw, "Least ‖U‖/‖h‖ over B, with ours and the printed formula.")},
        tables=tables,
    ),
]
