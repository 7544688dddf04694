"""tightwidth predict: labels or values for the rows of a file of any length."""

from pathlib import Path
from typing import Annotated

import typer

from tightwidth.cli.options import check_kept, check_writable
from tightwidth.errors import InputError

SUFFIXES = (".csv", ".npy", ".parquet")


def predict(
    model: Annotated[Path, typer.Argument(help="what tightwidth fit or tw.save wrote")],
    data: Annotated[str, typer.Argument(help="rows with the columns of the fit, with or without a target")],
    output: Annotated[Path, typer.Option("-o", "--output", help="where to write predictions (.csv .npy .parquet)")],
    target: Annotated[str | None, typer.Option(help="a target column to leave out, by name or index")] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="write the outputs of the networks beside the labels (.csv, .parquet)")
    ] = False,
) -> None:
    """Predict labels or values, in blocks: one line for each row, in their order."""
    if output.suffix.lower() not in SUFFIXES:
        message = f"--output {output} has the suffix {output.suffix!r}; give a {', '.join(SUFFIXES)} file"
        raise InputError(message)
    if scores and output.suffix.lower() == ".npy":
        message = f"--scores needs columns with names, which {output} cannot hold; give a .csv or .parquet file"
        raise InputError(message)
    check_writable(output)
    check_kept({f"DATA {data}": Path(data), f"MODEL {model}": model}, output)
    from tightwidth.cli import model_run

    n = model_run.predict(model, data, output, target=target, scores=scores)
    typer.echo(f"wrote {n:,} predictions to {output}")
