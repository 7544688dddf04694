"""Run the cells of statements with progress, write the page, the figures and the verdicts, and print the table."""

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from tightwidth.cell_store import CellStore
from tightwidth.cli import interrupts
from tightwidth.cli.cell_progress import CellProgress
from tightwidth.cli.memorize_report import LINE_WIDTH
from tightwidth.cli.progress import StepProgress
from tightwidth.errors import InputError
from tightwidth.experiments.sweep import Event, Failed, Started, run_steps
from tightwidth.report.figure_files import draw_figures
from tightwidth.report.page import page
from tightwidth.report.reproduce_record import ReproduceRecord, record_of
from tightwidth.report.reproduction import cells_to_run, finished_records, reproduction
from tightwidth.report.selection import select
from tightwidth.report.statement import Cell, Level, Statement
from tightwidth.report.statements import all_statements
from tightwidth.report.wording import OPEN, answer, conclusion, measured, predicted, why_open

CELLS, PAGE, VERDICTS, FIGURES = "cells.sqlite", "index.html", "verdicts.json", "figures"


def chosen(labels: Sequence[str]) -> tuple[Statement, ...]:
    """Return the statements of some labels, or all."""
    return select(labels, all_statements())


def run(
    statements: Sequence[Statement], level: Level, folder: Path, *, seed: int, workers: int | None, quiet: bool
) -> ReproduceRecord:
    """Run the cells that the folder does not hold yet, write its page, figures and verdicts, and return the record."""
    cells = cells_to_run(statements, level, seed)
    check_is_ours(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with CellStore.open(folder / CELLS) as store:
        _run_cells(cells, store, workers=workers, quiet=quiet)
        found = reproduction(statements, level, seed, store)
    (folder / FIGURES).mkdir(exist_ok=True)
    figures = []
    with StepProgress(quiet=quiet) as progress:
        for finding in found.findings:
            interrupts.check()
            progress.wait(f"figures of {finding.statement.label}")
            figures.append(draw_figures(finding, folder / FIGURES))
    record = record_of(found, [[_inside(folder, file) for one in drawn for file in one.files] for drawn in figures])
    (folder / PAGE).write_text(page(found, figures, record), encoding="utf-8")
    (folder / VERDICTS).write_text(record.to_json() + "\n", encoding="utf-8")
    return record


def check_is_ours(folder: Path) -> None:
    """Raise before the run if what it writes would take the place of what another program has written.

    Raises
    ------
    InputError
        If a file stands where a folder is to be or the reverse, or there is a page without the cells that it is of.
    """
    for name, is_other in ((FIGURES, Path.is_file), (PAGE, Path.is_dir), (VERDICTS, Path.is_dir)):
        if is_other(folder / name):
            kind = "file" if name == FIGURES else "folder"
            message = f"{folder / name} is a {kind}, which tightwidth reproduce did not make; give another --output"
            raise InputError(message)
    for name in (PAGE, VERDICTS):
        if (folder / name).exists() and not (folder / CELLS).exists():
            message = (
                f"{folder / name} would be overwritten, and there is no {CELLS} beside it, which tightwidth reproduce "
                "keeps with a page of its own; give another --output, or remove the file"
            )
            raise InputError(message)


def _inside(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _run_cells(cells: Sequence[Cell], store: CellStore, *, workers: int | None, quiet: bool) -> None:
    steps = cast(Generator[Event], run_steps(cells, store, workers=workers))
    known = finished_records(cells, store)
    with CellProgress(cells, known, quiet=quiet) as progress, closing(steps) as events:
        try:
            for event in events:
                if isinstance(event, Started):
                    before = f", {event.n_finished:,} of them finished before" if event.n_finished else ""
                    progress.say(f"{len(cells):,} cells{before}")
                elif isinstance(event, Failed):
                    name, config = event.cell
                    fields = ", ".join(f"{field}={value}" for field, value in config)
                    progress.say(f"failed: {name} ({fields}): {event.error}")
                else:
                    progress.finished(event)
                interrupts.check()
        except KeyboardInterrupt:
            progress.say(f"interrupted after {progress.done:,} of {progress.n:,} cells: the same command goes on there")
            raise


def print_report(record: ReproduceRecord, folder: Path) -> None:
    """Print the table of verdicts, how many hold, and where the page is."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=LINE_WIDTH)
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for name in ("statement", "claim", "predicted", "measured", "verdict"):
        table.add_column(name, overflow="fold")  # on a narrow terminal digits go on in the next line, and are not lost
    for statement in record.statements:
        for verdict in statement.verdicts:
            table.add_row(statement.label, verdict.claim, predicted(verdict), measured(verdict), answer(verdict))
        if not statement.verdicts:
            table.add_row(statement.label, why_open(statement), "-", "-", OPEN)
    console.print(table)
    console.print()
    console.print(conclusion(record), soft_wrap=True)
    console.print(f"wrote {folder / PAGE}", soft_wrap=True)
