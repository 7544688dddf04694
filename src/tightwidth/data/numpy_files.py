"""Points as NumPy writes them: .npz with X and y, .npy with a matrix."""

from pathlib import Path

import numpy as np

from tightwidth.data.checks import check_shape, default_names
from tightwidth.data.label_file import read_labels
from tightwidth.data.plain_arrays import member, plain_array, plain_load
from tightwidth.data.table import Table, checked_table
from tightwidth.data.target import plain_target, readable_list, target_column
from tightwidth.errors import DataError


def read_npz(path: Path, target: str | int | None) -> Table:
    """Return the arrays X and y of a .npz file as a table.

    Parameters
    ----------
    path
        The file.
    target
        The name of the array that holds the target values; y if None.

    Raises
    ------
    DataError
        If an array is missing or cannot be read without unpickling, or if they are no table.
    """
    y_name = "y" if target is None else str(target)
    arrays = plain_load(path)
    if isinstance(arrays, np.ndarray):
        message = (
            f"{path} holds a single array; arrays X and {y_name} are needed; write it with np.savez(path, X=X, y=y)"
        )
        raise DataError(message)
    with arrays:
        if "X" not in arrays.files or y_name not in arrays.files:
            message = (
                f"{path} holds {readable_list(arrays.files) or 'no arrays'}; arrays X and {y_name} are "
                "needed; write it with np.savez(path, X=X, y=y), or name the labels with --target (target= "
                "in Python)"
            )
            raise DataError(message)
        X, y = member(arrays, "X", path), member(arrays, y_name, path)
    return checked_table(X, plain_target(y, name=f"{path}, array {y_name},"), name=path.name, source=str(path))


def read_npy(path: Path, target: str | int | None, labels: Path | None) -> Table:
    """Return the matrix of a .npy file as a table, its target from a column or from a label file.

    Parameters
    ----------
    path
        The file.
    target
        The index of the target column.
    labels
        The file with the target values.

    Raises
    ------
    DataError
        If not exactly one of ``target`` and ``labels`` is given, if a file cannot be read without unpickling,
        or if the values are no table.
    """
    if (target is None) == (labels is None):
        given = "no labels are given" if target is None else "--target and --labels are both given"
        message = (
            f"{path} holds one matrix and {given}; give either --labels FILE (labels= in Python) or --target "
            "INDEX (target=)"
        )
        raise DataError(message)
    X = plain_array(path)
    if labels is not None:
        return checked_table(X, read_labels(labels, len(X) if X.ndim else 0), name=path.name, source=str(path))
    check_shape(X, str(path))
    names = default_names(X.shape[1])
    column = target_column(path, names, target, has_names=False)
    rest = names[:column] + names[column + 1 :]
    return checked_table(np.delete(X, column, axis=1), X[:, column], rest, name=path.name, source=str(path))
