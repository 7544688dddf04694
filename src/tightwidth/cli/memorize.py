"""tightwidth memorize: see a two-layer network memorize data with about as few parameters as possible."""

import json
import math
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
    context: typer.Context,
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
        Any, typer.Option(parser=_auto_or(int), metavar="auto|N", help="q, half the hidden neurons")
    ] = AUTO,
    output_scale: Annotated[float, typer.Option(help="B; inf is the linear limit")] = math.inf,
    activation: Annotated[str, typer.Option(help="such as relu, tanh, gelu")] = "relu",
    loss: Annotated[str, typer.Option(help="hinge, perceptron, logistic, absolute, huber, squared")] = "hinge",
    epsilon: Annotated[float, typer.Option(help="the share that the certificate may leave unmemorized")] = 0.05,
    batch_size: Annotated[Any, typer.Option(parser=_auto_or(int), metavar="auto|N", help="points a step")] = AUTO,
    steps: Annotated[Any, typer.Option(parser=_auto_or(int), metavar="auto|N", help="T, the steps planned")] = AUTO,
    learning_rate: Annotated[
        Any, typer.Option(parser=_auto_or(float), metavar="auto|X", help="eta, the embedding's")
    ] = AUTO,
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
    settings = {
        "n_pairs": pairs,
        "output_scale": output_scale,
        "activation": activation,
        "loss": loss,
        "batch_size": batch_size,
        "n_steps": steps,
        "learning_rate": learning_rate,
        "epsilon": epsilon,
        "target_fraction": target_fraction,
        "stop": stop,
        "seed": seed,
    }
    if plan is not None:
        settings = _with_plan(settings, plan, context)
    for file in (plot, output):
        _check_writable(file)
    _check_figure_format(plot)
    from tightwidth.cli import memorize_data, memorize_run

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
    if plot is not None:
        from tightwidth.plots.memorization import save

        save(record, plot)
    if output is not None:
        output.write_text(record.to_json() + "\n", encoding="utf-8")
    if as_json:
        typer.echo(record.to_json())
    else:
        memorize_run.print_report(record)
        for file in (plot, output):
            if file is not None:
                typer.echo(f"wrote {file}")
    if record.fraction_memorized_last < record.target_fraction:
        raise typer.Exit(1)


PLANNED = {
    "n_pairs": "pairs",
    "output_scale": "output_scale",
    "activation": "activation",
    "loss": "loss",
    "batch_size": "batch_size",
    "n_steps_planned": "steps",
    "learning_rate": "learning_rate",
    "epsilon": "epsilon",
}


def _with_plan(settings: dict[str, Any], path: Path, context: typer.Context) -> dict[str, Any]:
    """Return the settings with what the plan fixes, where the command line says nothing else."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"--plan {path} cannot be read ({error.strerror}); give a JSON file, for example of memorize --json"
        raise DataError(message) from None
    except ValueError:
        message = f"--plan {path} is not JSON; give the object that memorize --json or --output wrote"
        raise DataError(message) from None
    if not isinstance(plan, dict) or not any(name in plan for name in PLANNED):
        message = f"--plan {path} holds none of {', '.join(PLANNED)}; give the object that memorize --json wrote"
        raise DataError(message)
    merged = dict(settings)
    for name, option in PLANNED.items():
        given = context.get_parameter_source(option)
        if name in plan and (given is None or given.name == "DEFAULT"):
            value = plan[name]
            merged["n_steps" if name == "n_steps_planned" else name] = math.inf if value == "inf" else value
    return merged


def _check_writable(path: Path | None) -> None:
    """Raise before the run, not after it, if a file could not be written."""
    if path is None:
        return
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        why = "it is a folder" if path.is_dir() else f"there is no folder {folder}"
        message = f"{path} cannot be written: {why}; give a file"
        raise InputError(message)


def _check_figure_format(path: Path | None) -> None:
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        message = f"--plot {path} has the suffix {path.suffix!r}; give a .png, .pdf or .svg file"
        raise InputError(message)
