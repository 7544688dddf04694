"""The store of finished cells: records in, records out, one transaction a cell.

Only the driver of a sweep writes; others may read while it does.
"""

import datetime
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, computed_field

from tightwidth.cell_records import CellRecord
from tightwidth.cell_store.files import DriverLock, connect, reported
from tightwidth.cell_store.identity import Cell, cell_id, id_of_plain, plain_config
from tightwidth.errors import DataError, InputError

COLUMNS = "experiment, config, seed, measured, seconds, device, version, source_commit, finished"
PAGE = 1000  # rows that are read in one go: a reader holds up the driver for milliseconds only


class Failure(BaseModel):
    """A cell that ended in an error, and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str
    config: dict[str, Any]
    error: str
    attempts: int
    failed: str


class Status(BaseModel):
    """How far the last sweep into a store came; ``others`` are finished cells of earlier ones that it does not want.

    ``experiments`` counts all finished cells by the names of their experiments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    planned: int
    finished: int
    failed: int
    others: int
    seconds: float
    running: bool
    experiments: dict[str, int]

    @computed_field
    @property
    def left(self) -> int:
        """The cells that are neither finished nor failed."""
        return self.planned - self.finished - self.failed


class CellStore:
    """Hold finished cells in one SQLite file.

    Examples
    --------
    >>> import tempfile
    >>> from tightwidth.experiments.bounded_distributions import BoundedConfig
    >>> path = Path(tempfile.mkdtemp()) / "cells.sqlite"
    >>> with CellStore.open(path) as store:
    ...     store.finished([("bounded_distributions", BoundedConfig())])
    [False]
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = DriverLock(path)

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True) -> "CellStore":
        """Open the store at a path; with ``create`` one is made where there is no file.

        Raises
        ------
        InputError
            If the file is missing, or is not a store of this schema version, or cannot be read or made.
        DataError
            If the file is damaged.  It is left as it is in every case.
        """
        path = Path(path)
        return cls(path, connect(path, create=create))

    def __enter__(self) -> "CellStore":
        """Return the store, which is closed at the end."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file, and let others drive."""
        self._lock.release()
        self._connection.close()

    def drive(self) -> None:
        """Become the one process that computes cells for this store, until it is closed.

        Raises
        ------
        InputError
            If another process is, or the file may not be written.
        """
        if not os.access(self.path, os.W_OK):
            message = f"{self.path} cannot be written: permission denied; give another file"
            raise InputError(message)
        if not self._lock.taken():
            message = (
                f"another tightwidth is running cells into {self.path}; wait until it has ended, or give the name of "
                "another file (tightwidth sweep status shows how far it is)"
            )
            raise InputError(message)

    def write(self, record: CellRecord) -> bool:
        """Keep a finished cell in one transaction, and return whether it is new: a cell is never kept twice."""
        key = id_of_plain(record.experiment, record.config)
        row = (
            *(record.experiment, _json(record.config), record.seed, _json(record.values), record.seconds),
            *(record.device, record.version, record.commit, record.finished),
        )
        with reported(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                values = ", ".join("?" * (1 + len(row)))
                done = self._connection.execute(f"INSERT OR IGNORE INTO cells VALUES ({values})", (key, *row))
                self._connection.execute("DELETE FROM failures WHERE id = ?", (key,))
        return done.rowcount > 0

    def write_failure(self, cell: Cell, error: str) -> None:
        """Keep that a cell ended in an error; it is forgotten when the cell is finished."""
        name, config = cell
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with reported(self.path):
            self._connection.execute(
                "INSERT INTO failures VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (id) DO UPDATE SET "
                "error = excluded.error, attempts = attempts + 1, failed = excluded.failed",
                (cell_id(name, config), name, _json(plain_config(config)), error, now),
            )

    def plan(self, cells: Sequence[Cell]) -> None:
        """Keep which cells a sweep is to run, in place of those of the last one: `status` counts them."""
        rows = [(cell_id(name, config), name) for name, config in cells]
        with reported(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                self._connection.execute("DELETE FROM planned")
                self._connection.executemany("INSERT OR IGNORE INTO planned VALUES (?, ?)", rows)

    def finished(self, cells: Sequence[Cell]) -> list[bool]:
        """Return, for each cell, whether it is finished."""
        with reported(self.path):
            known = {key for (key,) in self._connection.execute("SELECT id FROM cells").fetchall()}
        return [cell_id(name, config) in known for name, config in cells]

    def records(self, cells: Sequence[Cell]) -> list[CellRecord]:
        """Return the records of cells, in their order.

        Raises
        ------
        InputError
            If some are not finished.
        """
        found = []
        query = f"SELECT id, {COLUMNS} FROM cells WHERE id = ?"
        with reported(self.path):
            for name, config in cells:
                row = self._connection.execute(query, (cell_id(name, config),)).fetchone()
                found += [] if row is None else [self._record(row)]
        if len(found) < len(cells):
            message = (
                f"{len(cells) - len(found):,} of {len(cells):,} cells are not finished in {self.path}; "
                "all are needed; run them first"
            )
            raise InputError(message)
        return found

    def all_records(self) -> Iterator[CellRecord]:
        """Yield every finished cell, in the order in which they were finished."""
        last = 0
        while True:
            with reported(self.path):
                rows = self._connection.execute(
                    f"SELECT rowid, id, {COLUMNS} FROM cells WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, PAGE)
                ).fetchall()
            if not rows:
                return
            yield from (self._record(row) for _, *row in rows)
            last = rows[-1][0]

    def failures(self) -> list[Failure]:
        """Return the cells of the last sweep that ended in an error and were not finished since."""
        query = (
            "SELECT failures.experiment, config, error, attempts, failed FROM failures JOIN planned USING (id) "
            "ORDER BY failures.rowid"
        )
        with reported(self.path):
            rows = self._connection.execute(query).fetchall()
        return [
            Failure(experiment=name, config=json.loads(config), error=error, attempts=attempts, failed=failed)
            for name, config, error, attempts, failed in rows
        ]

    def status(self) -> Status:
        """Return how far the last sweep came, and whether one is running now."""
        with reported(self.path):
            counts = self._connection.execute(
                "SELECT (SELECT count(*) FROM planned), "
                "(SELECT count(*) FROM planned JOIN cells USING (id)), "
                "(SELECT count(*) FROM planned JOIN failures USING (id)), "
                "(SELECT count(*) FROM cells), (SELECT total(seconds) FROM cells)"
            ).fetchone()
            by_name = self._connection.execute(
                "SELECT experiment, count(*) FROM cells GROUP BY 1 ORDER BY 1"
            ).fetchall()
        planned, finished, failed, everything, seconds = counts
        return Status(
            planned=planned,
            finished=finished,
            failed=failed,
            others=everything - finished,
            seconds=seconds,
            running=self._lock.is_held(),
            experiments=dict(by_name),
        )

    def _record(self, row: Iterable[Any]) -> CellRecord:
        key, name, config, seed, measured, seconds, device, version, commit, finished = row
        try:
            return CellRecord(
                experiment=name,
                config=json.loads(config),
                seed=seed,
                values=json.loads(measured),
                seconds=seconds,
                device=device,
                version=version,
                commit=commit,
                finished=finished,
            )
        except (ValueError, TypeError, ValidationError) as error:
            message = (
                f"{self.path} is damaged: cell {key} cannot be read ({' '.join(str(error).split())}); nothing was "
                "changed; restore it from a copy, or give the name of a new file"
            )
            raise DataError(message) from None


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
