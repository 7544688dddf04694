"""tightwidth memorize: see a two-layer network memorize data with about as few parameters as possible."""

import json
import math
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from tightwidth.errors import DataError, InputError

DEFAULT_POINTS, DEFAULT_DIM = 1024, 32
AUTO = "auto"


def _auto_or(kind: type) -> Any:
    """Return a parser of "auto" or a number."""

    def parse(text: str) -> Any:
        if text == AUTO:
            return AUTO
        try:
            return kind(text)
        except ValueError:
            message = f"{text!r} is neither auto nor a {'whole ' if kind is int else ''}number"
            raise typer.BadParameter(message) from None

    return parse


def memorize(
    data: Annotated[
        str | None,
        typer.Argument(
            help="digits, breast_cancer, wine, or a file (.npz .npy .csv .parquet .svm); none: random points"
        ),
    ] = None,
    points: Annotated[int | None, typer.Option(help=f"number of random points [{DEFAULT_POINTS}]")] = None,
    dim: Annotated[int | None, typer.Option(help=f"dimension of the random points [{DEFAULT_DIM}]")] = None,
    target: Annotated[str | None, typer.Option(help="target column, by name or index [target, label or y]")] = None,
    labels: Annotated[Path | None, typer.Option(help="for .npy: a file with one target value a row")] = None,
    positive: Annotated[str | None, typer.Option(help="the target value that becomes +1; all others are -1")] = None,
    random_labels: Annotated[bool, typer.Option("--random-labels", help="keep the inputs, draw fair labels")] = False,
    standardize: Annotated[
        bool | None, typer.Option(help="centre and scale the columns [yes for data, no for random points]")
    ] = None,
    on_sphere: Annotated[str, typer.Option(help="project; bias: append a constant first; require")] = "project",
    pairs: Annotated[
        Any, typer.Option(parser=_auto_or(int), metavar="auto|N", help="q, half the hidden neurons [auto]")
    ] = None,
    output_scale: Annotated[float | None, typer.Option(help="B; inf is the linear limit [inf]")] = None,
    activation: Annotated[str | None, typer.Option(help="such as relu, tanh, gelu [relu]")] = None,
    loss: Annotated[
        str | None, typer.Option(help="hinge, perceptron, logistic, absolute, huber, squared [hinge]")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="the share that the certificate may leave unmemorized [0.05]")
    ] = None,
    batch_size: Annotated[
        Any, typer.Option(parser=_auto_or(int), metavar="auto|N", help="points a step [auto]")
    ] = None,
    steps: Annotated[
        Any, typer.Option(parser=_auto_or(int), metavar="auto|N", help="T, the steps planned [auto]")
    ] = None,
    learning_rate: Annotated[
        Any, typer.Option(parser=_auto_or(float), metavar="auto|X", help="eta, the embedding's [auto]")
    ] = None,
    target_fraction: Annotated[
        float, typer.Option(help="share the last iterate is to memorize; else exit status 1")
    ] = 1.0,
    stop: Annotated[
        str, typer.Option(help="exact: when no gradient is left; target: at the target fraction")
    ] = "exact",
    plan: Annotated[
        Path | None, typer.Option(help="run the numbers of this JSON file, such as an earlier --json")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="draw memorized fraction against steps (.png .pdf .svg)")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float32",
    seed: Annotated[int, typer.Option(help="of points, labels, weights and draws")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="write the JSON object to this file")] = None,
) -> None:
    """Memorize a labelled sample by Algorithm 1: choose the width, train, count, and certify."""
    given = {
        "n_pairs": pairs,
        "output_scale": output_scale,
        "activation": activation,
        "loss": loss,
        "batch_size": batch_size,
        "n_steps": steps,
        "learning_rate": learning_rate,
        "epsilon": epsilon,
    }
    settings = DEFAULTS | _read_plan(plan) | {name: value for name, value in given.items() if value is not None}
    settings |= {"target_fraction": target_fraction, "stop": stop, "seed": seed}
    for file in (plot, output):
        _check_writable(file)
    if plot is not None and output is not None and plot.absolute() == output.absolute():
        message = f"--plot {plot} and --output {output} are one file; give two"
        raise InputError(message)
    _check_figure_format(plot)
    from tightwidth.cli import memorize_data, memorize_run

    memorize_run.check(settings)
    sample = memorize_data.load_sample(
        data,
        points=points,
        dim=dim,
        target=target,
        labels=labels,
        positive=positive,
        random_labels=random_labels,
        standardize=standardize,
        on_sphere=on_sphere,
        dtype=dtype,
        seed=seed,
    )
    record = memorize_run.run(sample, settings, quiet=as_json)
    if as_json:
        typer.echo(record.to_json())
    else:
        memorize_run.print_report(record)
    memorize_run.write_files(record, plot=plot, output=output, quiet=as_json)
    if record.fraction_memorized_last < record.target_fraction:
        raise typer.Exit(1)


DEFAULTS = {
    "n_pairs": AUTO,
    "output_scale": math.inf,
    "activation": "relu",
    "loss": "hinge",
    "batch_size": AUTO,
    "n_steps": AUTO,
    "learning_rate": AUTO,
    "epsilon": 0.05,
}


def _read_plan(path: Path | None) -> dict[str, Any]:
    """Return the settings that a plan fixes: of its own JSON, or of the JSON that an earlier run wrote."""
    if path is None:
        return {}
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"--plan {path} cannot be read ({error.strerror}); give a JSON file, for example of memorize --json"
        raise DataError(message) from None
    except ValueError:
        message = f"--plan {path} is not JSON; give the object that memorize --json or --output wrote"
        raise DataError(message) from None
    if isinstance(plan, dict) and plan.get("n_steps_planned") is not None:
        plan["n_steps"] = plan["n_steps_planned"]  # in a record n_steps counts the steps that were run
    fixed = {name: plan[name] for name in DEFAULTS if name in plan} if isinstance(plan, dict) else {}
    if not fixed:
        message = f"--plan {path} holds none of {', '.join(DEFAULTS)}; give the object that memorize --json wrote"
        raise DataError(message)
    return {name: math.inf if value == "inf" else value for name, value in fixed.items() if value is not None}


def _check_writable(path: Path | None) -> None:
    """Raise before the run, not after it, if a file could not be written."""
    if path is None:
        return
    folder = path.parent
    may_write = os.access(path if path.exists() else folder, os.W_OK)
    if path.is_dir() or not folder.is_dir() or not may_write:
        why = "it is a folder" if path.is_dir() else f"there is no folder {folder}"
        why = why if path.is_dir() or not folder.is_dir() else "permission denied"
        message = f"{path} cannot be written: {why}; give a file"
        raise InputError(message)


def _check_figure_format(path: Path | None) -> None:
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        message = f"--plot {path} has the suffix {path.suffix!r}; give a .png, .pdf or .svg file"
        raise InputError(message)
