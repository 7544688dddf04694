"""How far a sweep is, read from its database, which another process may be writing."""

from pathlib import Path
from typing import Any

import typer

from tightwidth.cell_store import CellStore, Failure, Status

MOST_SHOWN = 10


class StatusReport(Status):
    """What is in a database."""

    database: str
    failures: list[Failure]


def read(database: Path) -> StatusReport:
    """Return how far the last sweep into a database is."""
    with CellStore.open(database, create=False) as store:
        status = store.status()
        return StatusReport(**status.model_dump(exclude={"left"}), database=str(database), failures=store.failures())


def numbers(config: dict[str, Any]) -> str:
    """Return the fields of a config in one line."""
    return ", ".join(f"{name} = {value}" for name, value in config.items())


def print_report(report: StatusReport) -> None:
    """Print the counts, and the first errors."""
    running = "; it is running" if report.running else ""
    lines = [
        f"{report.database}: of {report.planned:,} cells {report.finished:,} are finished, {report.failed:,} failed, "
        f"{report.left:,} left{running}"
    ]
    if report.others:
        lines.append(f"and {report.others:,} finished cells of earlier sweeps")
    lines += [f"  {name}: {count:,} finished" for name, count in report.experiments.items()]
    lines.append(f"the finished cells took {report.seconds:,.1f} s")
    for failure in report.failures[:MOST_SHOWN]:
        times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
        lines.append(f"failed {times}: {failure.experiment}, {numbers(failure.config)}: {failure.error}")
    if len(report.failures) > MOST_SHOWN:
        lines.append(f"and {len(report.failures) - MOST_SHOWN:,} more failed; --json shows all")
    for line in lines:
        typer.echo(line)
