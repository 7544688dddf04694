"""Sparse tables, .svm / .svmlight / .libsvm, read by scikit-learn and made dense."""

from pathlib import Path
from typing import Any

from tightwidth.data.table import Table, checked_table
from tightwidth.errors import DataError
from tightwidth.memory import check_fits


def read_svmlight(path: Path, target: str | int | None) -> Table:
    """Return a table of lines ``label index:value ...`` with absent values 0.

    Parameters
    ----------
    path
        The file.  Indices count from 1, or from 0 if the index 0 occurs.
    target
        Must be None: the label stands first in each line.

    Raises
    ------
    DataError
        If a target is given, if a line has another form, or if the values are no table.
    MemoryEstimateError
        If the dense points would not fit into memory.
    """
    from sklearn.datasets import load_svmlight_file

    if target is not None:
        message = f"{path} has its labels at the head of each line; drop --target (target= in Python)"
        raise DataError(message)
    keep_indices: dict[str, Any] = {"zero_based": True}
    try:
        content: Any = load_svmlight_file(str(path), **keep_indices)
    except (ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        message = f"{path} cannot be read as lines 'label index:value ...' ({reason}); correct the file"
        raise DataError(message) from error
    sparse, y = content
    first_index = 1 if sparse.shape[1] > 0 and sparse[:, :1].nnz == 0 else 0
    sparse = sparse[:, first_index:]
    m, d = sparse.shape
    check_fits(24.0 * m * d + 100.0 * d, f"{path} as {m} points with {d} features", "give fewer rows or features")
    names = [str(index) for index in range(first_index, first_index + d)]
    return checked_table(sparse.toarray(), y, names, name=path.name, source=str(path))
