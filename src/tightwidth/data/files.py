"""From the name of a source to a table: the built-in sets, and files by their suffix."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tightwidth.data.builtin import BUILTIN_NAMES, load_builtin
from tightwidth.data.csv_table import read_csv
from tightwidth.data.numpy_files import read_npy, read_npz
from tightwidth.data.parquet_table import read_parquet
from tightwidth.data.svmlight_table import read_svmlight
from tightwidth.data.table import Table
from tightwidth.errors import DataError
from tightwidth.memory import check_fits

Reader = Callable[[Path, str | int | None], Table]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        ".npz": read_npz,
        ".csv": read_csv,
        ".parquet": read_parquet,
        ".svm": read_svmlight,
        ".svmlight": read_svmlight,
        ".libsvm": read_svmlight,
    }
)
SUFFIXES = (".npz", ".npy", ".csv", ".parquet", ".svm", ".svmlight", ".libsvm")


def load(source: str | Path, *, target: str | int | None = None, labels: str | Path | None = None) -> Table:
    """Return a built-in data set or the content of a file as a table.

    Parameters
    ----------
    source
        A name of `BUILTIN_NAMES`, or the path of a file.
    target, labels
        Where the target values are, as in `load_file`; a built-in set has its own.

    Raises
    ------
    DataError
        If the source is neither, if a built-in set is given a target, or if `load_file` refuses the file.
    MemoryEstimateError
        If the table would not fit into memory.
    """
    if isinstance(source, str) and source in BUILTIN_NAMES:
        if target is not None or labels is not None:
            message = (
                f"{source} is built in and has its own labels; --target and --labels (target=, labels= in "
                "Python) are for files; drop them"
            )
            raise DataError(message)
        return load_builtin(source)
    return load_file(source, target=target, labels=labels)


def load_file(path: str | Path, *, target: str | int | None = None, labels: str | Path | None = None) -> Table:
    """Return the content of a file as a table.

    Parameters
    ----------
    path
        A file whose suffix is one of `SUFFIXES`:  ``.npz`` with arrays X and y;  ``.npy`` with a matrix;
        ``.csv`` with or without a header, columns separated by comma, semicolon or tab;  ``.parquet``;
        ``.svm``, ``.svmlight`` or ``.libsvm`` with lines ``label index:value ...``.
    target
        The target column of a table or of a ``.npy`` matrix, by its name or by its index (from 0, or -1 for
        the last), by default the one named target, label or y;  for ``.npz`` the name of the array instead of
        y.
    labels
        For ``.npy`` only: a file ``.npy``, ``.txt`` or ``.csv`` with one target value for each row.

    Raises
    ------
    DataError
        If the file is missing, unreadable, empty, of another kind, or if what it holds is no table of finite
        numbers with a target.
    MemoryEstimateError
        If the table would not fit into memory.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    check_readable(path)
    if suffix not in SUFFIXES:
        message = (
            f"{path} has the suffix {suffix!r}; one of {', '.join(SUFFIXES)} is needed; convert or rename the file"
        )
        raise DataError(message)
    check_fits(float(path.stat().st_size), f"{path} in memory", "give fewer rows or columns")
    if suffix == ".npy":
        if labels is not None:
            check_readable(Path(labels))
        return read_npy(path, target, None if labels is None else Path(labels))
    if labels is not None:
        message = f"--labels (labels= in Python) is for .npy files and {path} is none; drop it, or use --target"
        raise DataError(message)
    return READERS[suffix](path, target)


def check_readable(path: Path) -> None:
    """Raise unless a path is a file that can be opened and holds something.

    Raises
    ------
    DataError
        If it is missing, a directory, not permitted, unreadable for another reason, or empty.
    """
    try:
        with path.open("rb") as handle:
            is_empty = not handle.read(1)
    except FileNotFoundError as error:
        raise DataError(missing_message(path)) from error
    except IsADirectoryError as error:
        message = f"{path} is a directory; a file is needed; give one of the files in it"
        raise DataError(message) from error
    except PermissionError as error:
        message = f"{path} may not be read; read permission is needed; change it, e.g. with chmod u+r"
        raise DataError(message) from error
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); a readable file is needed; check the path"
        raise DataError(message) from error
    if is_empty:
        message = f"{path} is empty; data with at least 2 points are needed; write the file again"
        raise DataError(message)


def missing_message(path: Path) -> str:
    """Return what to say of a path where nothing is, which may be a misspelt built-in name."""
    if path.suffix or len(path.parts) > 1:
        return f"there is no file {path}; an existing file is needed; check the path"
    return (
        f"{str(path)!r} is neither a built-in data set nor a file; give one of {', '.join(BUILTIN_NAMES)}, "
        f"or a file with suffix {', '.join(SUFFIXES)}"
    )
