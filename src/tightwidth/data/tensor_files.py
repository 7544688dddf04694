"""Arrays and what they mean in one file, for models and checkpoints: safetensors, never pickle.

The file holds the arrays, and in its header a JSON object, the kind of the file, the number of the format, the version
that wrote it and a digest of all of that.  It is written beside its place and renamed into it once it is on the disk,
so that the name only ever holds a whole file, the old or the new one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tightwidth.errors import DataError, InputError

FORMAT = 1  # goes up whenever older versions could not read what is written
OWN = "tightwidth"  # what marks a safetensors file as one of ours
PARTIAL = ".partial"

Tensors = Mapping[str, np.ndarray]


def write_tensors(path: str | Path, tensors: Tensors, content: Mapping[str, Any], *, kind: str) -> None:
    """Replace the file at this path in one step.

    Parameters
    ----------
    path
        Where to; beside it room is needed for the new file while the old one is still there.
    tensors
        Arrays of numbers or truth values, by name.
    content
        What can be written as strict JSON.
    kind
        What the file is: "model" or "checkpoint".

    Raises
    ------
    InputError
        If the file cannot be written, for example because the disk is full; what was there is kept.
    """
    arrays = {name: np.array(array, order="C") for name, array in tensors.items()}
    text = json.dumps(content, allow_nan=False)
    own: dict[str, Any] = {"kind": kind, "format": FORMAT, "version": version("tightwidth")}
    own["digest"] = _digest(arrays, text, own)
    own["content"] = text  # all under one key, since safetensors keeps no order of several: the same bytes every time
    write_whole(path, save(arrays, metadata={OWN: json.dumps(own)}))


def write_whole(path: str | Path, data: bytes) -> None:
    """Replace the file at this path by these bytes in one step.

    Raises
    ------
    InputError
        If the file cannot be written, for example because the disk is full; what was there is kept.
    """
    path = Path(path)
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError as error:
        if not partial.is_dir():
            partial.unlink(missing_ok=True)
        kept = "; the file that was there before is kept" if path.is_file() else ""
        advice = "free some space, or give another path"
        if isinstance(error, FileNotFoundError):
            is_there = path.parent.is_dir()
            advice = (
                "another process writes it too: give each its own" if is_there else f"make the folder {path.parent}"
            )
        message = f"{path} cannot be written ({error.strerror}){kept}; {advice}"
        raise InputError(message) from error


def read_tensors(path: str | Path, *, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the content of a file that `write_tensors` wrote.

    Raises
    ------
    DataError
        If the file is missing, truncated, altered, of another kind or program, or from a newer version.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); a {kind} that tightwidth wrote is needed; check the path"
        raise DataError(message) from error
    header = _header(data, path, kind)
    own = _own(header, path, kind)
    if own["format"] > FORMAT:
        message = (
            f"{path} was written by tightwidth {own['version']} in format {own['format']}, and this is tightwidth "
            f"{version('tightwidth')}, which reads formats up to {FORMAT}; install a newer tightwidth"
        )
        raise DataError(message)
    if own["kind"] != kind:
        message = f"{path} is a {own['kind']} and a {kind} is needed; give another file"
        raise DataError(message)
    try:
        arrays = load(data)
    except (SafetensorError, ValueError) as error:
        raise DataError(_damaged(path)) from error
    text = own["content"]
    if _digest(arrays, text, own) != own["digest"]:
        raise DataError(_damaged(path))
    return arrays, json.loads(text)


def _header(data: bytes, path: Path, kind: str) -> dict[str, str]:
    """Return the strings in the header of a safetensors file: 8 bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    try:
        whole = json.loads(data[8 : 8 + length].decode())
        found = whole["__metadata__"]
        if isinstance(found, dict):
            return found
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if OWN.encode() in data[8:4096]:
            raise DataError(_damaged(path)) from error
    message = f"{path} is not a file of tightwidth; a {kind} that tightwidth wrote is needed; give another file"
    raise DataError(message)


def _own(header: dict[str, str], path: Path, kind: str) -> dict[str, Any]:
    try:
        own = json.loads(header[OWN])
        if isinstance(own["format"], int) and {"kind", "version", "digest", "content"} <= own.keys():
            return own
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    message = f"{path} is a safetensors file of another program; a {kind} that tightwidth wrote is needed"
    raise DataError(message)


def _damaged(path: Path) -> str:
    return f"{path} is damaged: it was truncated or altered after it had been written; copy it again, or write it anew"


def _digest(arrays: Tensors, text: str, own: Mapping[str, Any]) -> str:
    said = {name: value for name, value in own.items() if name not in ("digest", "content")}
    found = hashlib.sha256(f"{json.dumps(said, sort_keys=True)}\n{text}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()
