"""The command `tightwidth`: parsing and printing, no mathematics.

Heavy modules are imported inside the commands, so that ``tightwidth --help`` answers at once.
"""

import atexit
import gc
import os
import sys
from typing import Annotated

import typer

from tightwidth import __version__
from tightwidth.cli import compiled_programs, interrupts
from tightwidth.cli.errors import describe, is_bad_input
from tightwidth.cli.fit import fit
from tightwidth.cli.memorize import memorize
from tightwidth.cli.plan import plan
from tightwidth.cli.predict import predict
from tightwidth.cli.reproduce import reproduce
from tightwidth.cli.score import score
from tightwidth.cli.sweep import sweep
from tightwidth.cli.where import where
from tightwidth.errors import InputError

INTERRUPTED = 130
ALLOCATIONS_BETWEEN_COLLECTIONS = 10_000  # of cycles; at Python's 700 a quarter of the time of all imports goes there

app = typer.Typer(
    name="tightwidth",
    help="How wide must a two-layer network be? Plan it, train it, and certify the answer.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(memorize)
app.command()(plan)
app.command()(fit)
app.command()(predict)
app.command()(score)
app.add_typer(sweep)
app.command()(reproduce)
app.command()(where)


def _print_version(value: bool) -> bool:
    if value:
        typer.echo(f"tightwidth {__version__}")
        raise typer.Exit
    return value


@app.callback()
def _tightwidth(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit"),
    ] = False,
) -> None:
    """Hold the options that need no command."""


def main() -> None:
    """Run the command: exit 0 when done, 1 if the run missed its goal, 2 on bad input, 130 when interrupted."""
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # else Python looks for cycles while it ends, which takes most of a second
    compiled_programs.keep()
    code = _status()
    if code == INTERRUPTED:
        typer.echo("tightwidth: interrupted", err=True)
        sys.stdout.flush()
        os._exit(code)  # compiled code may still run in other threads, and taking the interpreter down under it crashes
    sys.exit(code)


def _status() -> int:
    with interrupts.noticed():
        try:
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            return INTERRUPTED
        except Exception as error:
            if interrupts.pending():
                return INTERRUPTED
            if isinstance(error, OSError):
                error = InputError(f"the output cannot be written ({error.strerror}); give it another place")
            if not is_bad_input(error):
                raise
            typer.echo(f"tightwidth: {describe(error)}", err=True)
            return 2
    return code if isinstance(code, int) else 0
