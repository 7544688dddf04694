"""Rows of .npy matrices, mapped into memory: only what is read is loaded."""

from pathlib import Path

import numpy as np

from tightwidth.data.checks import check_same_length, default_names
from tightwidth.data.label_file import read_labels
from tightwidth.data.plain_arrays import DAMAGED, check_unstructured, plain_array, refusal
from tightwidth.data.rows.source import ArrayRows
from tightwidth.data.target import plain_target, target_column
from tightwidth.errors import DataError


def open_npy(path: Path, target: str | int | None, labels: Path | None, *, needs_target: bool) -> ArrayRows:
    """Return the rows of a .npy matrix, with a column of it or a label file as the target.

    Raises
    ------
    DataError
        If it is no matrix of numbers, if target and labels are both given, or if one is needed and none is.
    """
    if target is not None and labels is not None:
        message = f"{path} is given --target and --labels; drop one (target=, labels= in Python)"
        raise DataError(message)
    if target is None and labels is None and needs_target:
        message = (
            f"{path} holds one matrix and no labels are given; give either --labels FILE (labels= in Python) or "
            "--target INDEX (target=)"
        )
        raise DataError(message)
    X = mapped(path)
    if X.ndim != 2:
        message = (
            f"{path} has shape {X.shape}; two dimensions are needed, [points, features]; reshape it, e.g. "
            "with X.reshape(len(X), -1)"
        )
        raise DataError(message)
    if labels is not None:
        y = mapped(labels) if labels.suffix.lower() == ".npy" else read_labels(labels, len(X))
        values = y if y.dtype.kind in "biufU" and y.ndim == 1 else plain_target(y, name=str(labels))
        check_same_length(X, values, name=str(path))
        return ArrayRows(X, values, None, name=str(path), paths=(path, labels))
    column = None
    if target is not None:
        column = target_column(path, default_names(X.shape[1]), target, has_names=False)
    return ArrayRows(X, column, None, name=str(path), paths=(path,))


def mapped(path: Path) -> np.ndarray:
    """Return the array of a .npy file, mapped into memory.

    Raises
    ------
    DataError
        If the file holds something else, or Python objects.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as error:
        plain_array(path)  # says what the file is instead
        raise DataError(refusal(str(path), error)) from error
    if not isinstance(array, np.ndarray):
        return plain_array(path)
    check_unstructured(array, str(path))
    return array
