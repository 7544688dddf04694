"""tightwidth sweep: a grid of cells into a database, how far it is, and what is in it as a table."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tightwidth.cli.options import check_kept, check_writable
from tightwidth.errors import InputError


class _RunByDefault(TyperGroup):
    """Take `sweep CONFIG.toml` for `sweep run CONFIG.toml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put "run" before arguments that name no command; show the help if there are none."""
        args = args or [ctx.help_option_names[0]]
        if args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


sweep = typer.Typer(
    name="sweep",
    cls=_RunByDefault,
    subcommand_metavar="CONFIG.toml | COMMAND [ARGS]...",
    help="Run an experiment over a grid of values and seeds: tightwidth sweep CONFIG.toml. "
    "What is finished is never lost and never run again.",
    rich_markup_mode=None,
)

JSON = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
Database = Annotated[Path, typer.Argument(metavar="DB", help="the database that a sweep has written")]


@sweep.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="an experiment, a grid and seeds")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DB", help="the database [CONFIG.sqlite beside it]; goes on with one"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes on this machine; 0: none but this [one a core]")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="run on the Dask cluster of this scheduler")
    ] = None,
    local_cluster: Annotated[
        int | None, typer.Option(metavar="N", help="run on a Dask cluster of N processes on this machine")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Run the cells of a file that are not finished yet (the word run may be left out)."""
    from tightwidth.cli import sweep_run

    if config.is_dir():
        message = f"{config} cannot be read (Is a directory); give the TOML file of a sweep"
        raise InputError(message)
    database = config.with_suffix(".sqlite") if output is None else output
    check_kept({str(config): config}, database)
    report = sweep_run.run(
        config,
        database,
        {"workers": workers, "scheduler": scheduler, "local_cluster": local_cluster},
        quiet=as_json,
    )
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        sweep_run.print_report(report)
    if report.failed:
        raise typer.Exit(1)


@sweep.command()
def status(database: Database, as_json: JSON = False) -> None:
    """Say how many cells are finished, failed and left; also while the sweep runs."""
    from tightwidth.cli import sweep_status

    report = sweep_status.read(database)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        sweep_status.print_report(report)


@sweep.command()
def export(
    database: Database,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="a .csv or .parquet file")],
    experiment: Annotated[str | None, typer.Option(help="only the cells of this experiment")] = None,
    as_json: JSON = False,
) -> None:
    """Write one row a finished cell: its config, what was measured, and where it ran."""
    if output.suffix not in (".csv", ".parquet"):
        message = f"--output {output} has the suffix {output.suffix!r}; give a .csv or .parquet file"
        raise InputError(message)
    check_writable(output)
    check_kept({str(database): database}, output)
    from tightwidth.cli import sweep_export

    report = sweep_export.export(database, output, experiment)
    typer.echo(report.model_dump_json(indent=2) if as_json else f"wrote {report.rows:,} rows to {report.file}")
