"""What a kernel matrix on disk is the matrix of, and how much of it is written: the journal beside the file.

A matrix may be gone on with only by the job that began it.  The job is known by digests: of the points, and of the
kernel, which are its type, its numbers, and its values at a few of the points, so that a changed formula counts as
another kernel.
"""

import dataclasses
import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tightwidth import kernels
from tightwidth.errors import DataError
from tightwidth.kernel_tiles import LARGE_TILE, TILE, Kernel
from tightwidth.threads import ThreadSettings

PROBES = 16  # points at which the values of the kernel enter its digest
DIFFERENCES = {
    "shape": "another shape",
    "dtype": "another dtype",
    "points": "other points",
    "kernel": "another kernel",
    "made_by": "another version or device",
}


@dataclass(frozen=True)
class GramJob:
    """Hold what identifies a kernel matrix, down to the bits of its entries."""

    shape: tuple[int, int]
    dtype: str
    points: str
    kernel: str
    made_by: str

    @classmethod
    def of(cls, kernel: Kernel, X: np.ndarray, Z: np.ndarray | None) -> "GramJob":
        """Return the job of K(X, Z), or of K(X, X), for points that were checked.

        Notes
        -----
        Reads all points once, and computes the kernel of at most 32 of them.
        """
        tables = (X,) if Z is None else (X, Z)
        settings = ThreadSettings()
        return cls(
            shape=(len(X), len(tables[-1])),
            dtype=str(X.dtype),
            points=_digest([_described(table) for table in tables]),
            kernel=_digest([_described(kernel), *(_values(kernel, table) for table in tables)]),
            made_by=(
                f"tightwidth {version('tightwidth')}, jax {jax.__version__} on {settings.device_kind}, "
                f"tiles of {TILE} or {LARGE_TILE}"
                f"{'' if settings.precision is None else f', products {settings.precision}'}"
            ),
        )

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.shape[1] * np.dtype(self.dtype).itemsize

    def differences(self, other: "GramJob") -> str:
        """Return in words what sets two jobs apart, or nothing."""
        return ", ".join(said for name, said in DIFFERENCES.items() if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True)
class Journal:
    """Hold a job and the number of its rows that are on disk for certain."""

    job: GramJob
    rows: int

    def write(self, path: Path) -> None:
        """Replace the journal at this path in one step."""
        new = path.with_name(path.name + ".new")
        with new.open("w") as handle:
            json.dump({**dataclasses.asdict(self.job), "rows": self.rows}, handle, indent=2)
            handle.flush()
            os.fsync(handle.fileno())
        new.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Journal | None":
        """Return the journal at this path, or None if there is none.

        Raises
        ------
        DataError
            If what is there is no journal.
        """
        try:
            held = json.loads(path.read_text())
            rows = int(held.pop("rows"))
            return cls(GramJob(**{**held, "shape": tuple(held["shape"])}), rows)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = (
                f"{path} is no journal of a kernel matrix; it tells how far the matrix beside it is; delete both files "
                f"and begin again"
            )
            raise DataError(message) from error


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _values(kernel: Kernel, X: np.ndarray) -> Any:
    """Return the values of the kernel at a few points: what a name does not tell of a function."""
    return _described(kernels.gram(kernel, X[:: max(1, -(-len(X) // PROBES))]))


def _described(value: Any) -> Any:
    """Return lists and strings that are the same in every process for the same value."""
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, (np.ndarray, jax.Array)):
        array = np.ascontiguousarray(value)
        return [str(array.dtype), list(array.shape), hashlib.sha256(array.data).hexdigest()]
    if isinstance(value, (tuple, list)):
        return [_described(part) for part in value]
    if isinstance(value, dict):
        return sorted([str(key), _described(part)] for key, part in value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return [_name(type(value)), _described(fields)]
    if callable(value):
        return _name(value)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
