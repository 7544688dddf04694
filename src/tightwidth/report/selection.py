"""Which statements are reproduced, and with which cells."""

from collections.abc import Iterable, Sequence

from tightwidth.cell_store import cell_id
from tightwidth.errors import InputError
from tightwidth.experiments.experiment import LARGEST_SEED
from tightwidth.paper_map import SUMMARIES, canonical
from tightwidth.report.statement import Cell, Level, Statement


def select(labels: Iterable[str], statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Return the statements of some labels, in the paper's order; all of them if there are no labels.

    A label may be written in any usual way, such as ``thm 4``; several statements may have one label.

    Raises
    ------
    InputError
        If a label is not one of the paper's, or is and no statement measures it; the message lists those that do.
    """
    wanted = {canonical(label): label for label in labels}
    measured = list(dict.fromkeys(statement.label for statement in statements))
    for label, given in wanted.items():
        if label not in measured:
            what = "is a label of the paper that is not measured" if label in SUMMARIES else "is unknown"
            message = f"--only {given!r} {what}; give one of {', '.join(measured)}"
            raise InputError(message)
    chosen = [statement for statement in statements if not wanted or statement.label in wanted]
    order = {label: place for place, label in enumerate(SUMMARIES)}
    return tuple(sorted(chosen, key=lambda statement: order.get(statement.label, len(order))))


def cells_of(statement: Statement, level: Level, seed: int = 0) -> list[Cell]:
    """Return the cells of a statement, ``seed`` added to the seed of each.

    Raises
    ------
    InputError
        If a seed would leave its range.
    """
    cells = statement.cells(level)
    largest = LARGEST_SEED - max((config.seed for _, config in cells), default=0)
    if not 0 <= seed <= largest:
        message = f"seed={seed} must be a whole number from 0 to {largest}, since cells add their own number to it"
        raise InputError(message)
    return [(name, config.model_copy(update={"seed": config.seed + seed})) for name, config in cells]


def distinct(cells: Iterable[Cell]) -> list[Cell]:
    """Return each cell once, in the order of its first place: statements may share cells."""
    return list({cell_id(name, config): (name, config) for name, config in cells}.values())
