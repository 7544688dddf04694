"""What came out of reproducing the paper: records and verdicts of each statement, and what ran them."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.report.selection import cells_of, distinct
from tightwidth.report.statement import Cell, Level, Statement, Table

PACKAGES = ("tightwidth", "jax", "numpy", "scipy", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class Finding:
    """Hold one statement with the records of its cells, and what they say of it."""

    statement: Statement
    records: tuple[CellRecord, ...]
    verdicts: tuple[Verdict, ...]
    tables: tuple[Table, ...]

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
        """Whether every verdict holds."""
        return all(finding.holds for finding in self.findings)

    @property
    def records(self) -> list[CellRecord]:
        """Return each record once, though statements share it."""
        each = {(r.experiment, repr(sorted(r.config.items()))): r for f in self.findings for r in f.records}
        return list(each.values())


def cells_to_run(statements: Sequence[Statement], level: Level, seed: int) -> list[Cell]:
    """Return the cells of all statements, each once."""
    return distinct(cell for statement in statements for cell in cells_of(statement, level, seed))


def reproduction(
    statements: Iterable[Statement],
    level: Level,
    seed: int,
    records_of: Callable[[Sequence[Cell]], Sequence[CellRecord]],
) -> Reproduction:
    """Return what the records of finished cells say; ``records_of`` looks them up."""
    findings = []
    for statement in statements:
        records = tuple(records_of(cells_of(statement, level, seed)))
        findings.append(
            Finding(statement, records, tuple(statement.verdicts(records)), tuple(statement.tables(records)))
        )
    return Reproduction(level, seed, tuple(findings))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that measure and draw."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def n_cores() -> int:
    """Return on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
