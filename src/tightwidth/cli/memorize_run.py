"""Run `memorize` with progress, and report what came out."""

import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tightwidth.cli import interrupts, memorize_found
from tightwidth.cli.memorize_data import Sample
from tightwidth.cli.memorize_record import record_of
from tightwidth.cli.progress import StepProgress
from tightwidth.memorization import Event, Planned, Tried, memorize_steps
from tightwidth.memorization_request import check_run, check_settings
from tightwidth.memorization_run import Running
from tightwidth.records.memorization import MemorizeRecord

FAR = 100  # times a neuron's length: a bound on its displacement that says nothing
LINE_WIDTH = 120  # of tables that go to a file or a pipe


def check(settings: dict[str, Any]) -> None:
    """Raise, before any data are loaded, if a setting is unknown or out of its range."""
    ending = {name: settings[name] for name in ("target_fraction", "stop")}
    check_run(**ending)
    check_settings(**{name: value for name, value in settings.items() if name not in ending})


def run(sample: Sample, settings: dict[str, Any], *, quiet: bool) -> MemorizeRecord:
    """Memorize the sample, showing progress, and return the record."""
    events = memorize_steps(sample.X, sample.y, **settings)
    (m, d), seen = sample.X.shape, []
    with StepProgress(quiet=quiet) as progress:
        progress.wait(f"{sample.name}: choosing the width")
        try:
            while True:
                event = next(events)
                if not seen:
                    progress.say(f"{sample.name}: {m:,} points in {d} dimensions")
                seen.append(event)
                interrupts.check()
                _show(event, progress)
        except StopIteration as end:
            return record_of(end.value, sample.name)
        except KeyboardInterrupt:
            progress.say(_what_is_finished(seen))
            raise


def _show(event: Event, progress: StepProgress) -> None:
    if isinstance(event, Tried):
        trial = event.trial
        found = "no certificate" if trial.n_steps is None else f"certified by about {trial.n_steps:,} steps"
        progress.say(f"  width {trial.n_pairs} pairs: {found}")
        progress.wait("choosing the width")
    elif isinstance(event, Planned):
        plan = event.plan
        progress.say(f"  {plan.search_ended}")
        progress.say(
            f"  running {plan.n_pairs} pairs for at most {plan.n_steps:,} steps of {plan.batch_size} points, "
            f"learning rate {plan.learning_rate:.3g}"
        )
        progress.wait("compiling the steps")
    else:
        progress.steps(event.point.step, event.n_steps, f"{event.point.fraction:.2%} memorized")


def _what_is_finished(seen: list[Event]) -> str:
    """Return, for a run that was interrupted, how far it came and how to run on without the search."""
    plans = [event.plan for event in seen if isinstance(event, Planned)]
    if not plans:
        tried = ", ".join(str(event.trial.n_pairs) for event in seen if isinstance(event, Tried))
        return f"interrupted in the search for a width (tried: {tried or 'none'}); give --pairs to leave it out"
    plan, looks = plans[-1], [event.point for event in seen if isinstance(event, Running)]
    how_far = (
        f"after {looks[-1].step:,} steps, {looks[-1].fraction:.2%} memorized" if looks else "before the first step"
    )
    options = f"--pairs {plan.n_pairs} --steps {plan.n_steps} --batch-size {plan.batch_size}"
    return (
        f"interrupted {how_far}; the search is done: {options} --learning-rate {plan.learning_rate!r} repeats the run"
    )


def print_report(record: MemorizeRecord) -> None:
    """Print the rows theorem, certified and observed, what was counted and guaranteed, and what a search found."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=LINE_WIDTH)
    table = Table(title=None, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for name in ("pairs", "parameters", "per point", "steps"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    m = record.n_samples
    if record.theorem is not None:
        row = record.theorem
        how = "Theorem 7, worst case" + ("" if row.lambda_min_error is None else ", extrapolated")
        table.add_row(*_row("theorem", row.n_pairs, row.n_parameters, m, row.n_steps), how)
    else:
        table.add_row("theorem", "-", "-", "-", "-", record.theorem_reason)
    certified = "these weights" if record.certified_steps else f"no certificate for epsilon {record.epsilon:g}"
    table.add_row(*_row("certified", record.n_pairs, record.n_parameters, m, record.certified_steps), certified)
    observed = f"{record.fraction_memorized_last:.2%} memorized"
    table.add_row(*_row("observed", record.n_pairs, record.n_parameters, m, record.n_steps), observed)
    for name, smallest, how in memorize_found.rows(record):
        if smallest.smallest is None or smallest.n_parameters is None:
            table.add_row(name, "-", "-", "-", "-", how)
        else:
            table.add_row(*_row(name, smallest.smallest, smallest.n_parameters, m, smallest.n_steps), how)
    console.print(table)
    console.print()
    for line in _lines(record):
        console.print(line, soft_wrap=True)


def _row(name: str, pairs: int, parameters: int, m: int, steps: int | None) -> tuple[str, ...]:
    return (
        name,
        f"{pairs:,}",
        f"{parameters:,}",
        f"{parameters / m:,.2f}",
        "-" if steps is None else f"{steps:,}",
    )


def _lines(record: MemorizeRecord) -> list[str]:
    how = {
        "no_gradient": f"no point has a gradient any more after {record.n_steps:,} "
        f"of at most {record.n_steps_planned:,} steps",
        "target": f"the target {record.target_fraction:.4g} was reached after {record.n_steps:,} steps",
        "steps": f"all {record.n_steps:,} steps were run",
    }[record.stopped]
    random_iterate = "not reached" if record.fraction_memorized is None else f"{record.fraction_memorized:.2%}"
    certified = (
        "none"
        if record.certified_fraction is None
        else f"at least {_floor(record.certified_fraction):.2%} in expectation"
    )
    lines = [
        f"ended       {how}",
        f"memorized   last iterate {record.fraction_memorized_last:.2%}, mean over the iterates "
        f"{record.fraction_memorized_mean:.2%}, random iterate (t = {record.random_iterate_step:,}) {random_iterate}",
        f"guaranteed  {certified}" + (f"; {record.certified_reason}" if record.certified_reason else ""),
        "landmarks   " + ", ".join(f"{name} at {pairs:,.1f} pairs" for name, pairs in record.landmarks.items()),
        "tried       " + _tried(record),
        f"took        {record.seconds:.1f} s, of which compiling the loop {record.seconds_compile:.1f} s, "
        f"on {record.device}",
    ]
    if not math.isinf(record.output_scale):
        lines[3:3] = _finite_B(record)
    return lines + memorize_found.lines(record)


def _finite_B(record: MemorizeRecord) -> list[str]:
    """Return what a finite B changed: gates, weights, the kernel, and the distance from the linearisation."""
    lazy, enough = record.laziness, record.sufficient_output_scale
    if lazy is None:
        return ["finite B    the weights overflowed; give a smaller --learning-rate"]
    gates = f"{lazy.n_gates_flipped:,} of {lazy.n_gates:,} gates flipped"
    gates += f", {lazy.n_gates_that_can_flip:,} could have in the steps run" if enough > 0 else ""
    until = f"; for all planned steps the certificate holds from B = {enough:.2g} on" if math.isfinite(enough) else ""
    length = math.sqrt(record.n_features)
    known = lazy.displacement_bound is not None and lazy.displacement_bound < FAR * length
    bound = f" (cannot exceed {lazy.displacement_bound:.2g})" if known else ""
    return [
        f"finite B    {gates}{until}",
        f"laziness    neurons of length about {length:.2g} moved by {lazy.mean_displacement:.2g} on average, "
        f"{lazy.largest_displacement:.2g} at most{bound}; the kernel drifted by {lazy.kernel_drift:.2g}; outputs are "
        f"{lazy.linearisation_error_mean:.2g} from their linearisation, {lazy.linearisation_error_largest:.2g} at most",
    ]


def _tried(record: MemorizeRecord) -> str:
    widths = ", ".join(
        f"{t.n_pairs} ({'none' if t.n_steps is None else f'{t.n_steps:,}'})" for t in record.widths_tried
    )
    return f"pairs (certified steps): {widths}; {record.search_ended}"


def _floor(share: float) -> float:
    """Round a guarantee down, never up."""
    return math.floor(share * 1e4) / 1e4


def draw(record: MemorizeRecord, path: Path) -> None:
    """Write the figure; matplotlib is imported where one is asked for."""
    from tightwidth.plots.memorization import save

    save(record, path)
