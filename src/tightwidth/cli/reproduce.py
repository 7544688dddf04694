"""tightwidth reproduce: measure the statements of the paper, and write one page with verdicts and figures."""

from pathlib import Path
from typing import Annotated

import typer

from tightwidth.cli.options import check_folder


def reproduce(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="folder of the page, the figures, and the cells finished so far")
    ] = Path("reproduction"),
    full: Annotated[
        bool, typer.Option("--full/--quick", help="larger sizes and more seeds, or what takes a few minutes")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help='one statement, such as "Theorem 4"; may be repeated')
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="processes that run cells; 0: this one [one a core]")
    ] = None,
    seed: Annotated[int, typer.Option(help="added to the seed of every cell")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
) -> None:
    """Measure each statement of the paper, and say whether it holds; the same command goes on where it was stopped."""
    check_folder(output)
    from tightwidth.cli import reproduce_run

    statements = reproduce_run.chosen(only or [])
    record = reproduce_run.run(
        statements, "full" if full else "quick", output, seed=seed, workers=workers, quiet=as_json
    )
    if as_json:
        typer.echo(record.to_json())
    else:
        reproduce_run.print_report(record, output)
    if not record.holds:
        raise typer.Exit(1)
