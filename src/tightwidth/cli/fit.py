"""tightwidth fit: train a depth-two estimator on a file of any length."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from tightwidth.cli.options import AUTO, auto_or, check_kept, check_writable
from tightwidth.errors import InputError

TASKS = ("classify", "regress")


def fit(
    data: Annotated[
        str, typer.Argument(help="a file of any length (.npy .parquet .csv .svm), .npz, digits, breast_cancer or wine")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="where to write the model (.safetensors)")],
    task: Annotated[str, typer.Option(help="classify or regress")],
    target: Annotated[str | None, typer.Option(help="target column, by name or index [target, label or y]")] = None,
    labels: Annotated[Path | None, typer.Option(help="for .npy: a file with one target value a row")] = None,
    passes: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="how often each row is learnt from")
    ] = AUTO,
    pairs: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="q, half the hidden neurons of an output")
    ] = AUTO,
    output_scale: Annotated[float, typer.Option(help="B; inf is the linear limit")] = math.inf,
    activation: Annotated[str, typer.Option(help="such as relu, tanh, gelu")] = "relu",
    loss: Annotated[str | None, typer.Option(help="hinge, logistic, .. [hinge]; huber, squared, .. [huber]")] = None,
    batch_size: Annotated[Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="rows a step")] = AUTO,
    learning_rate: Annotated[
        Any, typer.Option(parser=auto_or(float), metavar="auto|X", help="eta, the embedding's; auto adapts it")
    ] = AUTO,
    epsilon: Annotated[float, typer.Option(help="excess loss that the width may leave")] = 0.1,
    iterate: Annotated[str, typer.Option(help="auto, average, last")] = "auto",
    class_weight: Annotated[str | None, typer.Option(help="balanced: classes count alike")] = None,
    standardize: Annotated[bool, typer.Option(help="centre and scale the columns")] = True,
    on_sphere: Annotated[str, typer.Option(help="bias: append a constant, then project; project; require")] = "bias",
    buffer_rows: Annotated[
        Any, typer.Option(parser=auto_or(int), metavar="auto|N", help="rows shuffled at a time")
    ] = AUTO,
    checkpoint: Annotated[
        Path | None, typer.Option(help="where to keep how far the run is [OUTPUT.checkpoint]")
    ] = None,
    checkpoint_seconds: Annotated[float, typer.Option(help="how often it is written")] = 60.0,
    anew: Annotated[bool, typer.Option("--anew", help="begin from the start even if there is a checkpoint")] = False,
    dtype: Annotated[str, typer.Option(help="float32 or float64")] = "float32",
    seed: Annotated[int, typer.Option(help="of weights and order")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
) -> None:
    """Train on rows of any length at constant memory; the same command goes on where it was stopped."""
    if task not in TASKS:
        message = f"--task {task} is unknown; give classify for labels, or regress for values"
        raise InputError(message)
    if dtype not in ("float32", "float64"):
        message = f"--dtype {dtype} is unknown; known: float32, float64"
        raise InputError(message)
    if class_weight not in (None, "balanced") or (class_weight and task == "regress"):
        message = f"--class-weight {class_weight} is for --task classify, and balanced is the only one; leave it out"
        raise InputError(message)
    check_writable(output)
    checkpoint = output.with_name(output.name + ".checkpoint") if checkpoint is None else checkpoint
    check_writable(checkpoint)
    if output.resolve() == checkpoint.resolve():
        message = f"--output and --checkpoint are one file, {output}; give two"
        raise InputError(message)
    check_kept({f"DATA {data}": Path(data), f"--labels {labels}": labels}, output, checkpoint)
    parameters = {
        "n_pairs": pairs,
        "output_scale": output_scale,
        "activation": activation,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "epsilon": epsilon,
        "iterate": iterate,
        "standardize": standardize,
        "on_sphere": on_sphere,
        "random_state": seed,
    }
    if loss is not None:
        parameters["loss"] = loss
    if task == "classify":
        parameters["class_weight"] = class_weight
    from tightwidth.cli import fit_run

    record = fit_run.run(
        data,
        task=task,
        output=output,
        parameters=parameters,
        settings={
            "target": target,
            "labels": labels,
            "n_passes": passes,
            "buffer_rows": buffer_rows,
            "dtype": dtype,
            "checkpoint": checkpoint,
            "checkpoint_seconds": checkpoint_seconds,
            "anew": anew,
        },
        quiet=as_json,
    )
    if as_json:
        typer.echo(record.to_json())
    else:
        fit_run.print_report(record)
