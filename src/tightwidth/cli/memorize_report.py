"""Report what came out of `memorize`: a table and some lines, or a figure."""

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tightwidth.cli import memorize_found
from tightwidth.records.memorization import MemorizeRecord

FAR = 100  # times a neuron's length: a bound on its displacement that says nothing
LINE_WIDTH = 120  # of tables that go to a file or a pipe


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
