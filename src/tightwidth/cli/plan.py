"""tightwidth plan: how wide, how long, how large B, at which rate, with every term of the bound."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tightwidth.cli.options import (
    AUTO,
    auto_or,
    check_figure_format,
    check_kept,
    check_writable,
    write_files,
    write_json,
)
from tightwidth.errors import InputError


def plan(
    data: Annotated[
        str | None,
        typer.Argument(
            help="digits, breast_cancer, wine, or a file (.npz .npy .csv .parquet .svm); none: numbers alone"
        ),
    ] = None,
    goal: Annotated[str, typer.Option(help="memorize a sample, or learn within epsilon of the best of norm M")] = (
        "memorize"
    ),
    points: Annotated[int | None, typer.Option(help="m, to memorize that many random points [1024]")] = None,
    dim: Annotated[int | None, typer.Option(help="d, without DATA [32]")] = None,
    norm: Annotated[float | None, typer.Option(help="M, to learn [from data: that of a ridge fit]")] = None,
    R: Annotated[float | None, typer.Option("--R", help="R of the distribution, to learn without DATA [1]")] = None,
    target: Annotated[str | None, typer.Option(help="target column, by name or index [target, label or y]")] = None,
    labels: Annotated[Path | None, typer.Option(help="for .npy: a file with one target value a row")] = None,
    positive: Annotated[str | None, typer.Option(help="the target value that becomes +1; all others are -1")] = None,
    random_labels: Annotated[bool, typer.Option("--random-labels", help="keep the inputs, draw fair labels")] = False,
    standardize: Annotated[bool | None, typer.Option(help="centre and scale the columns [yes for data]")] = None,
    on_sphere: Annotated[str, typer.Option(help="project; bias: append a constant first; require")] = "project",
    epsilon: Annotated[float, typer.Option(help="the share not memorized, or the excess loss")] = 0.05,
    activation: Annotated[str, typer.Option(help="such as relu, tanh, gelu")] = "relu",
    loss: Annotated[str, typer.Option(help="hinge, perceptron, logistic, absolute, huber")] = "hinge",
    batch_size: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="points a step [auto: d/R^2]")
    ] = None,
    pairs: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="certify this width [auto: search]")
    ] = None,
    calibrate: Annotated[bool, typer.Option(help="time steps on this machine, to predict how long runs take")] = True,
    plot: Annotated[Path | None, typer.Option(help="draw width against steps (.png .pdf .svg)")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float32",
    seed: Annotated[int, typer.Option(help="of points, labels and weights")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="write the JSON object; memorize --plan runs one to memorize"),
    ] = None,
) -> None:
    """Say how wide, how long, how large B and at which rate, by theorem, by certificate, and at the landmarks."""
    for file in (plot, output):
        check_writable(file)
    check_kept({f"DATA {data}": None if data is None else Path(data), f"--labels {labels}": labels}, output)
    check_figure_format(plot)
    if plot is not None and output is not None and plot.absolute() == output.absolute():
        message = f"--plot {plot} and --output {output} are one file; give two"
        raise InputError(message)
    from tightwidth.cli import plan_run

    settings = {
        "goal": goal,
        "norm": norm,
        "R": R,
        "epsilon": epsilon,
        "activation": activation,
        "loss": loss,
        "batch_size": AUTO if batch_size is None else batch_size,
        "n_pairs": AUTO if pairs is None else pairs,
        "seed": seed,
        "calibrated": calibrate,
    }
    source = {
        "points": points,
        "dim": dim,
        "target": target,
        "labels": labels,
        "positive": positive,
        "random_labels": random_labels,
        "standardize": standardize,
        "on_sphere": on_sphere,
        "dtype": dtype,
    }
    record = plan_run.run(data, source, settings, quiet=as_json)
    if as_json:
        typer.echo(record.to_json())
    else:
        plan_run.print_report(record)
    write_files(
        {output: write_json(record.to_json()), plot: lambda path: plan_run.draw(record, path)},
        quiet=as_json,
        is_done="the plan itself is made",
    )
