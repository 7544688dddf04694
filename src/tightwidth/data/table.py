"""The one form that all data take: points, targets as they were given, and names.

The array types of this package stand here: m is the number of points, d the number of features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from tightwidth.data.checks import check_same_length, check_table, default_names

Points = Float[np.ndarray, "m d"]
Target = Shaped[np.ndarray, "m"]
Labels = Float[np.ndarray, "m"]
PerColumn = Float[np.ndarray, "d"]


@dataclass(frozen=True, eq=False)
class Table:
    """Hold m points with d features and one target value each.

    Attributes
    ----------
    X
        The points, shape [m, d], finite, in C order; float32 if they were stored so, float64 otherwise.
    target
        The target values, shape [m], as they were given: numbers or text.
    column_names
        The names of the d features.
    name
        The name of the built-in set, or of the file.
    """

    X: Points
    target: Target
    column_names: tuple[str, ...]
    name: str


def checked_table(
    X: np.ndarray,
    target: Target,
    column_names: Sequence[str] | None = None,
    *,
    name: str,
    source: str,
) -> Table:
    """Return a table after all checks of its points and of the number of its targets.

    Parameters
    ----------
    X
        The points as they were read, shape [m, d].
    target
        The target values, shape [m].
    column_names
        The names of the features; ``x0, x1, ...`` if not given.
    name
        The name that the table carries.
    source
        What messages call it, such as the path of the file.

    Raises
    ------
    DataError
        If `check_table` refuses X, or if there is not one target value for each row.
    """
    check_table(X, column_names, name=source)
    check_same_length(X, target, name=source)
    names = default_names(X.shape[1]) if column_names is None else tuple(column_names)
    return Table(float_points(X), target, names, name)


def float_points(X: np.ndarray) -> Points:
    """Return a real matrix in C order and native byte order: float32 as it is, anything else as float64."""
    is_single = X.dtype.kind == "f" and X.dtype.itemsize == 4
    return np.ascontiguousarray(X, dtype=np.float32 if is_single else np.float64)
