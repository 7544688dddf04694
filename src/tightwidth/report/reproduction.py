"""What came out of reproducing the paper: records and verdicts of each statement, and what ran them."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.cell_store import CellStore, cell_id
from tightwidth.cell_store.identity import id_of_plain
from tightwidth.report.selection import cells_of, distinct
from tightwidth.report.statement import Cell, Level, Statement, Table

PACKAGES = ("tightwidth", "jax", "numpy", "scipy", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class Finding:
    """Hold one statement with the records of its cells, and what they say of it.

    ``n_missing`` of its cells have no record, since they ended in one of ``errors``; then there are no verdicts, for
    they would speak of a part of what the statement wants measured.
    """

    statement: Statement
    records: tuple[CellRecord, ...]
    verdicts: tuple[Verdict, ...]
    tables: tuple[Table, ...]
    n_missing: int = 0
    errors: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every verdict on the statement holds, and there is one."""
        return bool(self.verdicts) and all(verdict.holds for verdict in self.verdicts)


@dataclass(frozen=True)
class Reproduction:
    """Hold the findings of one call, in the paper's order, with its level and the number added to every seed."""

    level: Level
    seed: int
    findings: tuple[Finding, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        """Return the verdicts of all statements."""
        return [verdict for finding in self.findings for verdict in finding.verdicts]

    @property
    def holds(self) -> bool:
        """Whether every statement holds."""
        return all(finding.holds for finding in self.findings)

    @property
    def records(self) -> list[CellRecord]:
        """Return each record once, though statements share it."""
        each = {id_of_plain(r.experiment, r.config): r for f in self.findings for r in f.records}
        return list(each.values())


def cells_to_run(statements: Sequence[Statement], level: Level, seed: int) -> list[Cell]:
    """Return the cells of all statements, each once."""
    return distinct(cell for statement in statements for cell in cells_of(statement, level, seed))


def finished_records(cells: Sequence[Cell], store: CellStore) -> list[CellRecord]:
    """Return the records of those cells that are finished, in their order."""
    there = store.finished(cells)
    return store.records([cell for cell, is_there in zip(cells, there, strict=True) if is_there])


def reproduction(statements: Iterable[Statement], level: Level, seed: int, store: CellStore) -> Reproduction:
    """Return what the records of a store say of the statements."""
    return Reproduction(level, seed, tuple(_finding(one, cells_of(one, level, seed), store) for one in statements))


def _finding(statement: Statement, cells: list[Cell], store: CellStore) -> Finding:
    records = tuple(finished_records(cells, store))
    n_missing = len(cells) - len(records)
    if n_missing:
        wanted = {cell_id(name, config) for name, config in cells}
        ended = [one.error for one in store.failures() if id_of_plain(one.experiment, one.config) in wanted]
        return Finding(statement, records, (), (), n_missing, tuple(dict.fromkeys(ended)))
    return Finding(statement, records, tuple(statement.verdicts(records)), tuple(statement.tables(records)))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that measure and draw."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
