"""A statement of the paper as it is reproduced: the cells to run, the verdicts on them, the figures and a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.experiments.experiment import Config

Level = Literal["quick", "full"]
Cell = tuple[str, Config]  # the experiment's name, and one of its configs
Records = Sequence[CellRecord]


@dataclass(frozen=True)
class Table:
    """Hold a table of the page: a caption, names of columns, and rows of text."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Statement:
    """Hold what the page needs of one statement.

    Parameters
    ----------
    label
        As `tightwidth where` knows it, such as ``Theorem 4``.
    title
        A heading.
    says
        What the statement says, in our words; plain text.
    measured
        How it is measured, in our words.
    cells
        What is run, for a level.
    verdicts
        From the records of those cells; each can fail.
    figures
        From a file's stem to the function that draws it, and its caption.
    tables
        From the records.
    """

    label: str
    title: str
    says: str
    measured: str
    cells: Callable[[Level], list[Cell]]
    verdicts: Callable[[Records], list[Verdict]]
    figures: dict[str, tuple[Callable[[Records], Figure], str]]
    tables: Callable[[Records], list[Table]] = field(default=lambda _records: [])


def of(records: Records, experiment: str, **fixed: Any) -> list[CellRecord]:
    """Return the records of an experiment whose values or config have the numbers given."""
    return [r for r in records if r.experiment == experiment and all(r[name] == value for name, value in fixed.items())]
