"""Arrays read from .npy and .npz files without unpickling anything: arrays of objects are refused."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from tightwidth.data.target import readable_list
from tightwidth.errors import DataError

DAMAGED = (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


def plain_array(path: Path) -> np.ndarray:
    """Return the array of a .npy file.

    Raises
    ------
    DataError
        If the file holds something else, or a structured array.
    """
    array = plain_load(path)
    if not isinstance(array, np.ndarray):
        array.close()
        message = (
            f"{path} is an archive of arrays; a single array is needed; rename it to .npz, or use np.save(path, X)"
        )
        raise DataError(message)
    check_unstructured(array, str(path))
    return array


def plain_load(path: Path) -> Any:
    """Return what numpy.load reads without unpickling: an array, or an open archive of arrays.

    Raises
    ------
    DataError
        If there is nothing that can be read so.
    """
    with path.open("rb") as handle:
        is_array = handle.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX
    if not is_array and not zipfile.is_zipfile(path):
        message = (
            f"{path} was not written by NumPy, or was cut off; a .npy or .npz file is needed; write it with "
            "np.save or np.savez"
        )
        raise DataError(message)
    try:
        return np.load(path, allow_pickle=False)
    except DAMAGED as error:
        raise DataError(refusal(str(path), error)) from error


def member(arrays: Any, key: str, path: Path) -> np.ndarray:
    """Return one array of an open .npz archive.

    Raises
    ------
    DataError
        If it cannot be read without unpickling, or is structured.
    """
    try:
        array = arrays[key]
    except DAMAGED as error:
        raise DataError(refusal(f"{path}, array {key},", error)) from error
    check_unstructured(array, f"{path}, array {key},")
    return array


def check_unstructured(array: np.ndarray, what: str) -> None:
    """Raise if the elements of an array have named fields.

    Raises
    ------
    DataError
        If they have.
    """
    if array.dtype.names is not None:
        message = (
            f"{what} is a structured array with fields {readable_list(array.dtype.names)}; a plain array of "
            "numbers is needed; convert it with numpy.lib.recfunctions.structured_to_unstructured"
        )
        raise DataError(message)


def refusal(what: str, error: BaseException) -> str:
    """Return what to say of an array that cannot be read."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{what} cannot be read as a plain array ({reason}); write an array of numbers with np.save or np.savez"
