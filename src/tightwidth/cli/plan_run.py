"""Make a plan with progress, and report it."""

import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tightwidth import __version__
from tightwidth.cli import interrupts
from tightwidth.cli.memorize import DEFAULT_DIM, DEFAULT_POINTS, RANDOM
from tightwidth.cli.memorize_data import load_sample
from tightwidth.cli.memorize_report import LINE_WIDTH
from tightwidth.cli.progress import StepProgress
from tightwidth.errors import InputError
from tightwidth.memory import readable_bytes
from tightwidth.plan_table import PlanRow, PlanTable
from tightwidth.plans import plan_steps
from tightwidth.records.plan import ChangeRecord, PlanRecord, PlanRowRecord

COLUMNS = ("pairs", "parameters", "steps", "B", "rate", "operations", "memory", "time")
LEAST_WIDTH = 100  # of a terminal, below which some columns are left to the JSON object


def run(data: str | None, source: dict[str, Any], settings: dict[str, Any], *, quiet: bool) -> PlanRecord:
    """Plan for the data, or from numbers, and return the record.

    Raises
    ------
    InputError, DataError, HypothesisError
        As `tightwidth.plans.plan`.
    """
    with StepProgress(quiet=quiet) as progress:
        if data is None:
            name, arguments = _numbers(source, settings)
        else:
            sample = load_sample(data, seed=settings["seed"], **source)
            name, arguments = sample.name, {"X": sample.X, "y": sample.y}
        progress.wait(f"{name}: planning")
        steps = plan_steps(**arguments, **settings)
        try:
            while True:
                trial = next(steps)
                interrupts.check()
                found = "no certificate" if trial.n_steps is None else f"certified by about {trial.n_steps:,} steps"
                progress.say(f"  width {trial.n_pairs} pairs: {found}")
                progress.wait("choosing the width")
        except StopIteration as end:
            return record_of(end.value, name)


def _numbers(source: dict[str, Any], settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the numbers of a plan without data."""
    for option in ("target", "labels", "positive"):
        if source[option] is not None:
            message = f"--{option} {source[option]} needs DATA to apply to; give a file, or leave it out"
            raise InputError(message)
    for option, default in (("dtype", "float32"), ("on_sphere", "project"), ("standardize", None)):
        if source[option] != default:
            name = option.replace("_", "-")
            message = f"--{name} {source[option]} needs DATA to apply to; give a file, or leave it out"
            raise InputError(message)
    d = DEFAULT_DIM if source["dim"] is None else source["dim"]
    if settings["goal"] == "learn":
        for option, given in (("points", source["points"]), ("random-labels", source["random_labels"] or None)):
            if given is not None:
                message = f"--{option} has no use in learning from numbers, that is from fresh points; leave it out"
                raise InputError(message)
        if settings["norm"] is None:
            message = "--norm is missing: to learn without DATA, give --dim and --norm"
            raise InputError(message)
        return "numbers", {"n_features": d}
    return RANDOM, {"n_features": d, "n_samples": DEFAULT_POINTS if source["points"] is None else source["points"]}


def record_of(table: PlanTable, name: str) -> PlanRecord:
    """Return the record of a plan."""
    chosen = table.chosen
    same = set(PlanRecord.model_fields) - {
        *("data", "rows", "changes", "version"),
        *("chosen", "n_pairs", "n_steps", "batch_size", "learning_rate", "output_scale"),
    }
    return PlanRecord(
        **{field: getattr(table, field) for field in same},
        data=name,
        chosen=None if chosen is None else chosen.name,
        n_pairs=None if chosen is None else chosen.n_pairs,
        n_steps=None if chosen is None else chosen.n_steps,
        batch_size=table.batch_size,
        learning_rate=None if chosen is None else chosen.learning_rate,
        output_scale=math.inf,
        rows=tuple(_row_record(row) for row in table.rows),
        changes=tuple(ChangeRecord(what=c.what, n_pairs=c.n_pairs, n_steps=c.n_steps) for c in table.changes),
        version=__version__,
    )


def _row_record(row: PlanRow) -> PlanRowRecord:
    values = {field: getattr(row, field) for field in PlanRowRecord.model_fields if field != "terms"}
    return PlanRowRecord(**values, terms=dict(row.terms))


def print_report(record: PlanRecord) -> None:
    """Print the rows side by side, what each rests on, the terms of the bound, and what would change it."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=LINE_WIDTH)
    left_out = () if console.width >= LEAST_WIDTH else ("rate", "operations", "memory")
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in COLUMNS:
        if name not in left_out:
            table.add_column(name, justify="right", overflow="fold")
    for row in record.rows:
        cells = zip(COLUMNS, _cells(row), strict=True)
        table.add_row(row.name, *(cell for name, cell in cells if name not in left_out))
    console.print(table)
    console.print()
    for line in _lines(record):
        console.print(line, soft_wrap=True)


def _cells(row: PlanRowRecord) -> tuple[str, ...]:
    def shown(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    memory = "-" if row.memory_bytes is None else readable_bytes(row.memory_bytes) + ("" if row.fits else " (!)")
    return (
        shown(row.n_pairs, ",d"),
        shown(row.n_parameters, ",d"),
        shown(row.n_steps, ",d"),
        shown(row.output_scale, ".2g"),
        shown(row.learning_rate, ".3g"),
        shown(row.flops, ".2g"),
        memory,
        "-" if row.seconds is None else _duration(row.seconds),
    )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.2g} s"


def _lines(record: PlanRecord) -> list[str]:
    whose = record.data if record.n_samples is None else f"{record.data}, {record.n_samples:,} points"
    goal = (
        f"memorize {1 - record.epsilon:.4g} of the sample"
        if record.goal == "memorize"
        else f"learn, within {record.epsilon:g} of the best function of norm {record.norm:.4g}"
        if record.residual_loss is None
        else f"learn, within {record.epsilon:g} of a ridge fit of norm {record.norm:.4g}"
    )
    lines = [
        f"goal        {goal}: {whose} in {record.n_features} dimensions, R = {record.R:.4g}, {record.activation}, "
        f"{record.loss} loss",
        f"batch       {record.batch_size} points a step; the critical batch size d/R^2 is "
        f"{record.critical_batch_size:.3g}",
    ]
    if record.residual_loss is not None:
        error = "" if record.norm_error is None else f" +- {record.norm_error:.2g} over subsamples"
        loss = f"a ridge fit of that norm has loss {record.residual_loss:.4g} on the sample"
        if record.held_out_loss is not None:
            loss += f"; one of four fifths of it has loss {record.held_out_loss:.4g} on the last fifth"
        lines.append(f"norm        {record.norm:.4g}{error}; {loss}")
        lines.append("about       R, M and the bounds are about this sample, drawn from with replacement")
    lines += [f"{row.name:<11} {row.rests_on}" for row in record.rows]
    for row in record.rows:
        if row.terms:
            terms = ", ".join(f"{name} {value:.3g}" for name, value in row.terms.items())
            lines.append(f"bound       {row.name}: {terms}; {row.dominant} dominates")
    if record.changes:
        changes = "; ".join(f"{c.what}: {c.n_pairs:,} pairs, {c.n_steps:,} steps" for c in record.changes)
        lines.append(f"theorem at  {changes}")
    if record.search_ended is not None:
        lines.append(f"search      {record.search_ended}")
    lines.append(_what_runs(record))
    if not record.fits:
        lines.append("memory      (!) marks what this machine has not the memory for")
    return lines


def _what_runs(record: PlanRecord) -> str:
    """Return which row can be run, how, and what its time leaves out."""
    if record.chosen is None:
        return "to run      no row: a width that is certified for this epsilon has to be found first"
    times = "" if all(row.seconds is None for row in record.rows) else "; times are of the steps, without compiling"
    if record.goal == "learn":
        return f"to run      the row {record.chosen}, from Python: tw.memorize(X, y, plan=tw.plan(...)){times}"
    return (
        f"to run      the row {record.chosen} at B = inf: memorize --plan; with an --output-scale of its B or more the "
        f"guarantee stays{times}"
    )


def draw(record: PlanRecord, path: Path) -> None:
    """Write the figure; matplotlib is imported where one is asked for."""
    from tightwidth.plots.plan import save

    save(record, path)
