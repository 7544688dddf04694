"""The file of a store: made whole or not at all, looked at before it is opened, and written by one driver at a time.

It has a rollback journal and not a write-ahead log: between two transactions all is in the one file, which may be
copied and may lie on a network disk.  A transaction is on disk when it ends (``synchronous = FULL``).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tightwidth.errors import DataError, InputError

APPLICATION_ID = 0x74776463  # "twdc"
SCHEMA_VERSION = 1
MADE_BY = f"tightwidth {version('tightwidth')}"
MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
SECONDS_FOR_OTHERS = 60.0  # how long a transaction of another process is waited for
SECONDS_FOR_A_LOOK = 1.0  # for a process that asks whether the lock is held

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cells (
    id TEXT PRIMARY KEY, experiment TEXT NOT NULL, config TEXT NOT NULL, seed INTEGER NOT NULL, measured TEXT NOT NULL,
    seconds REAL NOT NULL, device TEXT NOT NULL, version TEXT NOT NULL, source_commit TEXT, finished TEXT NOT NULL
);
CREATE TABLE failures (
    id TEXT PRIMARY KEY, experiment TEXT NOT NULL, config TEXT NOT NULL, error TEXT NOT NULL, attempts INTEGER NOT NULL,
    failed TEXT NOT NULL
);
CREATE TABLE planned (id TEXT PRIMARY KEY, experiment TEXT NOT NULL) WITHOUT ROWID;
"""
TABLES = ("meta", "cells", "failures", "planned")


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Return a connection to the store at a path, which is made if there is none and ``create`` is set.

    Raises
    ------
    InputError
        If there is no file and none is or can be made, or it is not a store, or one of another schema.
    DataError
        If the file is damaged.
    """
    if create and not path.exists():
        _create(path)
    _check_header(path)
    with reported(path), contextlib.ExitStack() as opened:
        connection = opened.enter_context(contextlib.closing(_connected(path)))
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        for table in TABLES:
            connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchall()
        opened.pop_all()
    return connection


def _connected(path: Path) -> sqlite3.Connection:
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=SECONDS_FOR_OTHERS, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _create(path: Path) -> None:
    """Make an empty store beside its place and move it there, so that whatever has the name is whole."""
    check_place(path)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN;{SCHEMA}COMMIT;")
            connection.execute("INSERT INTO meta VALUES ('made_by', ?)", (MADE_BY,))
        with contextlib.suppress(FileExistsError):  # another driver was faster: its file is as good
            _move(new, path)
    except (OSError, sqlite3.Error) as error:
        message = f"{path} cannot be written ({error}); give another file"
        raise InputError(message) from None
    finally:
        new.unlink(missing_ok=True)


def _move(new: Path, path: Path) -> None:
    """Give a file its name, unless the name is taken."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if not path.exists():
            new.rename(path)


def check_place(path: Path) -> None:
    """Raise if there is no folder in which a store could be made.

    Raises
    ------
    InputError
        If the folder is missing or may not be written.
    """
    if not path.parent.is_dir():
        message = f"{path} cannot be written: there is no folder {path.parent}; give a file"
        raise InputError(message)
    if not os.access(path.parent, os.W_OK):
        message = f"{path} cannot be written: permission denied; give a file in another folder"
        raise InputError(message)


def _check_header(path: Path) -> None:
    """Raise, before SQLite opens the file, if it is not a store of this schema.

    SQLite itself would take an empty file for a new database, and would roll back the journal of any other.
    """
    kept = "nothing was changed"
    try:
        with path.open("rb") as handle:
            header = handle.read(HEADER_BYTES)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); give the database that tightwidth sweep has written"
        raise InputError(message) from None
    if not header.startswith(MAGIC) or len(header) < HEADER_BYTES:
        what = "is empty" if not header else "is not an SQLite database, or was cut off"
        message = f"{path} {what}; {kept}; give a database of tightwidth sweep, or the name of a new file"
        raise InputError(message)
    user_version, application = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    if application != APPLICATION_ID:
        message = (
            f"{path} is an SQLite database of another program; {kept}; "
            "give a database of tightwidth sweep, or the name of a new file"
        )
        raise InputError(message)
    if user_version != SCHEMA_VERSION:
        message = (
            f"{path} has schema version {user_version}, and {MADE_BY} reads and writes version "
            f"{SCHEMA_VERSION}; {kept}; use the version of tightwidth that made it, or give the name of a new file"
        )
        raise InputError(message)


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite into ours.

    Raises
    ------
    InputError
        If the file cannot be read or written: it is locked, or the disk is full.
    DataError
        If the file is damaged.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        why = " ".join(str(error).split())
        if isinstance(error, sqlite3.OperationalError) and not why.startswith(("no such", "table ")):
            held = _is_held_by_another(error)
            see = "end the program that has it open" if held else "see to the disk, its room and its permissions"
            message = (
                f"{path} cannot be used ({why}); the cells that were finished are kept; "
                f"{see}, and run the same command again"
            )
            raise InputError(message) from None
        message = (
            f"{path} is damaged ({why}); nothing was changed; restore it from a copy, or give the name of a new file"
        )
        raise DataError(message) from None


def _is_held_by_another(error: sqlite3.Error) -> bool:
    """Return whether SQLite means that another connection has the file, and not that something is wrong with it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # the low byte is the kind


class DriverLock:
    """Keep a second driver from computing the same cells: held by one process, and free again when that ends.

    A second SQLite file in an exclusive transaction is a lock on every platform.  Nothing rests on it but work that
    would be done twice: a cell has one row whoever writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}-driver")
        self.connection: sqlite3.Connection | None = None

    def taken(self) -> bool:
        """Try to take the lock, and return whether this process has it.

        Raises
        ------
        InputError
            If the lock's file cannot be made or locked.
        """
        try:
            return self.connection is not None or self._take()
        except InputError:  # perhaps for a driver that ended has removed the file while this one waited
            return self._take()

    def _take(self) -> bool:
        try:
            connection = sqlite3.connect(self.path, timeout=SECONDS_FOR_A_LOOK, isolation_level=None)
        except sqlite3.OperationalError as error:
            message = f"{self.path} cannot be written ({error}); give a file in another folder"
            raise InputError(message) from None
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            connection.close()
            if _is_held_by_another(error):
                return False
            message = f"{self.path} cannot be locked ({error}); see to the disk, or remove it if no sweep runs"
            raise InputError(message) from None
        self.connection = connection
        return True

    def is_held(self) -> bool:
        """Return whether a process has the lock; to look at it takes a shared lock for a moment."""
        if self.connection is not None:
            return True
        if not self.path.exists():
            return False
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0.0)) as connection:
                connection.execute("SELECT * FROM sqlite_master").fetchall()
        except sqlite3.DatabaseError as error:
            return _is_held_by_another(error)
        return False

    def release(self) -> None:
        """Give the lock back."""
        if self.connection is not None:
            with contextlib.suppress(OSError):  # an open file has to stay on Windows
                self.path.unlink(missing_ok=True)
            self.connection.close()
            self.connection = None
