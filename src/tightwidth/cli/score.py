"""tightwidth score: how right a model is on the rows of a file of any length."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    model: Annotated[Path, typer.Argument(help="what tightwidth fit or tw.save wrote")],
    data: Annotated[str, typer.Argument(help="rows with the columns of the fit, and a target")],
    target: Annotated[str | None, typer.Option(help="target column, by name or index [target, label or y]")] = None,
    labels: Annotated[Path | None, typer.Option(help="for .npy: a file with one target value a row")] = None,
    at_least: Annotated[float | None, typer.Option(help="the accuracy or R^2 to reach; else exit status 1")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
) -> None:
    """Count right labels, with an interval, or measure R^2 of values."""
    from tightwidth.cli import model_run

    record = model_run.score(model, data, target=target, labels=labels, quiet=as_json)
    if as_json:
        typer.echo(record.to_json())
    elif record.accuracy is not None:
        typer.echo(
            f"accuracy {record.accuracy:.2%} on {record.n_rows:,} rows "
            f"(95%: {record.accuracy_low:.2%} to {record.accuracy_high:.2%})"
        )
    else:
        r2 = "not defined, since all targets are equal" if record.r2 is None else f"{record.r2:.4f}"
        typer.echo(f"R^2 {r2} on {record.n_rows:,} rows, root-mean-square error {record.rmse:.4g}")
    found = record.accuracy if record.accuracy is not None else record.r2
    if at_least is not None and not (found is not None and found >= at_least):
        raise typer.Exit(1)
