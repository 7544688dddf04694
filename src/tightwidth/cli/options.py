"""Options that several commands share: numbers or "auto", and files that can be written."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from tightwidth.errors import InputError

AUTO = "auto"


def auto_or(kind: type) -> Any:
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


def check_writable(path: Path | None) -> None:
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


def check_folder(path: Path) -> None:
    """Raise before the run, not after it, if a folder could not be made or written to."""
    made = next(folder for folder in (path, *path.parents) if folder.exists())
    if not made.is_dir():
        message = f"{path} cannot be a folder: {made} is a file; give another place"
        raise InputError(message)
    if not os.access(made, os.W_OK | os.X_OK):
        message = f"{path} cannot be written: permission denied; give another folder"
        raise InputError(message)


def check_kept(read: dict[str, Path | None], *written: Path | None) -> None:
    """Raise before the run if a file that is read is one of those to be written."""
    for name, path in read.items():
        if path is not None and path.resolve() in [file.resolve() for file in written if file is not None]:
            message = f"{name} would be overwritten; give --output another file"
            raise InputError(message)


def check_figure_format(path: Path | None) -> None:
    """Raise before the run if the suffix names no format of figures."""
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        message = f"--plot {path} has the suffix {path.suffix!r}; give a .png, .pdf or .svg file"
        raise InputError(message)


def write_files(files: dict[Path | None, Callable[[Path], Any]], *, quiet: bool, is_done: str) -> None:
    """Write each file that was asked for with its writer; ``is_done`` says what is not lost if one cannot be.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    for path, write in files.items():
        if path is None:
            continue
        try:
            write(path)
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror}); give another file, {is_done}"
            raise InputError(message) from None
        if not quiet:
            typer.echo(f"wrote {path}")


def write_json(text: str) -> Callable[[Path], Any]:
    """Return a writer of one JSON object."""
    return lambda path: path.write_text(text + "\n", encoding="utf-8")
