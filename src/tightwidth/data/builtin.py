"""Data sets that need no file and no network: scikit-learn carries them."""

from typing import Any

import numpy as np

from tightwidth.data.table import Table, checked_table
from tightwidth.errors import DataError

BUILTIN_NAMES = ("digits", "breast_cancer", "wine")


def load_builtin(name: str) -> Table:
    """Return a built-in data set.

    Parameters
    ----------
    name
        ``digits`` (1797 images of 8 x 8 pixels, targets 0 to 9), ``breast_cancer`` (569 points, 30 features,
        targets 0 malignant and 1 benign) or ``wine`` (178 points, 13 features, targets 0 to 2).

    Raises
    ------
    DataError
        If there is no data set of this name.
    """
    from sklearn import datasets

    if name == "digits":
        bunch: Any = datasets.load_digits()
    elif name == "breast_cancer":
        bunch = datasets.load_breast_cancer()
    elif name == "wine":
        bunch = datasets.load_wine()
    else:
        message = f"there is no built-in data set {name!r}; give one of {', '.join(BUILTIN_NAMES)}"
        raise DataError(message)
    column_names = tuple(str(column) for column in bunch.feature_names)
    return checked_table(bunch.data, np.asarray(bunch.target), column_names, name=name, source=name)
