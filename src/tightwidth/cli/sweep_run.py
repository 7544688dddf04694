"""Run a sweep with progress, and report what was run."""

import time
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from tightwidth import __version__
from tightwidth.cell_store import CellStore
from tightwidth.cli import interrupts
from tightwidth.cli.progress import StepProgress, readable_rate
from tightwidth.cli.sweep_status import numbers
from tightwidth.experiments import grid
from tightwidth.experiments.schedulers.choice import check_place
from tightwidth.experiments.sweep import Event, Failed, Started, run_steps

MOST_SHOWN = 5  # errors, as they come; all are in the status


class SweepReport(BaseModel):
    """What a call of `tightwidth sweep` did; ``left`` of the cells are neither finished nor failed."""

    config: str
    database: str
    experiment: str
    cells: int
    finished_before: int
    run: int
    failed: int
    left: int
    where: str
    seconds: float
    version: str


def run(config: Path, database: Path, place: dict[str, Any], *, quiet: bool) -> SweepReport:
    """Run what is not finished, and return what was done."""
    check_place(**place)
    sweep = grid.read(config)
    began = time.perf_counter()
    started, n_run, n_failed = Started(0, 0, "nowhere"), 0, 0
    with (
        CellStore.open(database) as store,
        StepProgress(quiet=quiet, unit="cells", doing=sweep.experiment, at_most=False) as progress,
    ):
        progress.wait("starting")
        steps = run_steps(sweep.cells, store, **place)
        try:
            for event in steps:
                interrupts.check()
                if isinstance(event, Started):
                    started = event
                    _announce(event, sweep, progress)
                elif isinstance(event, Failed):
                    n_failed += 1
                else:
                    n_run += 1
                _show(event, progress, started, n_run, n_failed)
        except KeyboardInterrupt:
            steps.close()
            n = started.n_finished + n_run
            progress.say(
                f"interrupted; {n:,} of {len(sweep.cells):,} cells are finished and kept in {database}: "
                "the same command goes on from there"
            )
            raise
        status = store.status()
    return SweepReport(
        config=str(config),
        database=str(database),
        experiment=sweep.experiment,
        cells=status.planned,
        finished_before=started.n_finished,
        run=n_run,
        failed=n_failed,
        left=status.left,
        where=started.where,
        seconds=time.perf_counter() - began,
        version=__version__,
    )


def _announce(event: Started, sweep: grid.Sweep, progress: StepProgress) -> None:
    before = f", {event.n_finished:,} finished before" if event.n_finished else ""
    progress.say(f"{sweep.experiment}: {event.n_to_run + event.n_finished:,} cells{before}")
    if event.n_to_run:
        progress.say(f"  running {event.n_to_run:,} on {event.where}")
        progress.wait("the workers start")


def _show(event: Event, progress: StepProgress, started: Started, n_run: int, n_failed: int) -> None:
    if isinstance(event, Started):
        return
    if isinstance(event, Failed) and n_failed <= MOST_SHOWN:
        more = " (others are not shown)" if n_failed == MOST_SHOWN else ""
        progress.say(f"  failed: {numbers(event.cell[1].model_dump())}: {event.error}{more}")
    note = f"{n_failed:,} failed" if n_failed else "none failed"
    total = started.n_finished + started.n_to_run
    progress.steps(started.n_finished + n_run + n_failed, total, note)


def print_report(report: SweepReport) -> None:
    """Print how many cells were run, and what to do next."""
    rate = readable_rate((report.run + report.failed) / report.seconds)
    lines = [
        f"{report.cells:,} cells of {report.experiment}: {report.finished_before:,} were finished, "
        f"{report.run:,} were run in {report.seconds:.1f} s ({rate} cells/s), {report.failed:,} failed"
    ]
    if report.failed:
        lines.append(
            f"the same command runs the failed cells again; tightwidth sweep status {report.database} shows why"
        )
    lines.append(f"wrote {report.database}; as a table: tightwidth sweep export {report.database} -o FILE.csv")
    for line in lines:
        typer.echo(line)
