"""tightwidth where: which line of the code is home to an object of the paper."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tightwidth.paper_map import Home, UnknownLabelError, find, homes


def where(
    label: Annotated[str | None, typer.Argument(help='such as "Theorem 4", "eq 2", "alg 1", "sec A.5"')] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Say where an object of the paper lives: file, line and name. Without a label, list them all."""
    try:
        found = homes() if label is None else find(label)
    except UnknownLabelError as error:
        typer.echo(f"tightwidth: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps({"homes": [_record(home) for home in found]}, indent=2))
        return
    for home in found:
        typer.echo(f"{_readable_path(home.file)}:{home.line}  {home.name}  {home.label}")


def _record(home: Home) -> dict[str, str | int]:
    return {"label": home.label, "path": home.path, "line": home.line, "name": home.name}


def _readable_path(file: Path) -> str:
    """Return the path from the working directory if the file lies below it, else the full path."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)
