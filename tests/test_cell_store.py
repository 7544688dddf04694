"""The store of finished cells: what goes in comes out, once; files that are not stores are left as they are."""

import contextlib
import re
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

from sweep_cases import NAME, CaseConfig, cells
from tightwidth.cell_records import CellRecord
from tightwidth.cell_store import CellStore, cell_id, files
from tightwidth.cell_store.identity import id_of_plain, plain_config
from tightwidth.errors import DataError, InputError


def record(config: CaseConfig, value: float = 0.1, name: str = NAME) -> CellRecord:
    """Return a record of a cell."""
    return CellRecord(
        experiment=name,
        config=plain_config(config),
        seed=config.seed,
        values={"value": value, "count": 3, "curve": [1.0, 0.1 + 0.2], "word": "inf", "flag": True, "missing": None},
        seconds=0.25,
        device="cpu",
        version="0.1.0",
        commit=None,
        finished="2020-01-02T03:04:05+00:00",
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.sqlite"


@pytest.fixture
def store(path):
    with CellStore.open(path) as opened:
        yield opened


class TestIdentity:
    def test_every_number_of_the_config_counts_and_their_order_does_not(self):
        base = cell_id(NAME, CaseConfig(x=1))
        assert base == id_of_plain(NAME, dict(reversed(plain_config(CaseConfig(x=1)).items())))
        others = [CaseConfig(x=2), CaseConfig(x=1, seed=1), CaseConfig(x=1, scale=2), CaseConfig(x=1, does="more")]
        assert len({base, cell_id("other", CaseConfig(x=1)), *(cell_id(NAME, other) for other in others)}) == 6

    def test_a_whole_number_is_the_number_of_a_float_field(self):
        assert cell_id(NAME, CaseConfig(scale=1)) == cell_id(NAME, CaseConfig(scale=1.0))

    def test_infinity_is_a_word(self):
        class Scales(BaseModel):
            B: float
            others: tuple[float, ...] = ()

        found = plain_config(Scales(B=float("inf"), others=(float("-inf"), 2.0)))
        assert found == {"B": "inf", "others": ["-inf", 2.0]}
        with pytest.raises(ValueError, match="B is NaN; a number is needed"):
            plain_config(Scales(B=float("nan")))


class TestRecords:
    def test_come_out_as_they_went_in_and_in_the_order_asked_for(self, store):
        wanted = cells(3)
        for _, config in reversed(wanted):
            assert store.write(record(config, value=config.x / 7))
        assert store.records(wanted) == [record(config, value=config.x / 7) for _, config in wanted]
        assert [r["x"] for r in store.all_records()] == [2, 1, 0]

    def test_a_cell_is_kept_once_and_the_first_stays(self, store):
        config = CaseConfig(x=5)
        assert store.write(record(config, value=1.0))
        assert not store.write(record(config, value=2.0))
        assert [r["value"] for r in store.all_records()] == [1.0]

    def test_are_read_in_pages(self, store, monkeypatch):
        monkeypatch.setattr("tightwidth.cell_store.store.PAGE", 3)
        for _, config in cells(8):
            store.write(record(config))
        assert [r["x"] for r in store.all_records()] == list(range(8))

    def test_those_that_are_not_finished_are_counted(self, store):
        store.write(record(CaseConfig(x=1)))
        assert store.finished(cells(3)) == [False, True, False]
        with pytest.raises(InputError, match=r"2 of 3 cells are not finished in .*cells\.sqlite; all are needed; run"):
            store.records(cells(3))

    def test_are_there_for_another_process_before_the_store_is_closed(self, store, path):
        store.write(record(CaseConfig(x=1)))
        with CellStore.open(path, create=False) as other:
            assert len(list(other.all_records())) == 1
            assert other.status().running is False

    def test_values_that_are_not_strict_json_are_refused_and_nothing_is_written(self, store):
        bad = record(CaseConfig(x=1)).model_copy(update={"values": {"value": float("nan")}})
        with pytest.raises(ValueError, match="not JSON compliant"):
            store.write(bad)
        assert list(store.all_records()) == []


class TestStatus:
    def test_counts_what_the_last_sweep_wants(self, store):
        for _, config in cells(4):
            store.write(record(config))
        wanted = [*cells(8)[2:], *cells(8)[2:3]]  # one of them twice
        store.plan(wanted)
        store.write_failure(wanted[3], "RuntimeError: x")
        store.write_failure(wanted[3], "ValueError: y")
        status = store.status()
        assert (status.planned, status.finished, status.failed, status.left, status.others) == (6, 2, 1, 3, 2)
        assert status.experiments == {NAME: 4}
        assert status.seconds == 1.0
        [failure] = store.failures()
        assert (failure.error, failure.attempts, failure.config["x"]) == ("ValueError: y", 2, 5)

    def test_a_failure_is_forgotten_when_the_cell_is_finished(self, store):
        [cell] = cells(1)
        store.plan([cell])
        store.write_failure(cell, "RuntimeError: x")
        store.write(record(cell[1]))
        assert store.failures() == []
        assert store.status().failed == 0


class TestDriver:
    def test_a_second_one_is_refused_until_the_first_has_ended(self, store, path, monkeypatch):
        monkeypatch.setattr(files, "SECONDS_FOR_A_LOOK", 0.05)
        store.drive()
        store.drive()  # which it is already
        with CellStore.open(path) as other:
            assert other.status().running is True
            with pytest.raises(
                InputError, match=r"another tightwidth is running cells into .*; wait until it has ended"
            ):
                other.drive()
            store.close()
            assert other.status().running is False
            other.drive()
        assert list(path.parent.iterdir()) == [path]

    def test_a_file_that_may_not_be_written_is_refused(self, path, monkeypatch):
        CellStore.open(path).close()
        monkeypatch.setattr("tightwidth.cell_store.store.os.access", lambda *_: False)
        with CellStore.open(path) as store, pytest.raises(InputError, match="cannot be written: permission denied"):
            store.drive()

    def test_a_folder_without_room_for_the_lock_is_refused(self, path):
        CellStore.open(path).close()
        path.with_name(f"{path.name}-driver").mkdir()
        with CellStore.open(path) as store, pytest.raises(InputError, match="driver cannot be written"):
            store.drive()
        with CellStore.open(path) as store:
            assert store.status().running is False

    def test_one_that_waits_drives_when_the_first_has_ended(self, store, path):
        lock = path.with_name(f"{path.name}-driver")
        first = sqlite3.connect(lock, isolation_level=None, check_same_thread=False)
        first.execute("BEGIN EXCLUSIVE")

        def end():  # as a driver does
            lock.unlink()
            first.close()

        ending = threading.Timer(0.2, end)
        ending.start()
        store.drive()
        ending.join()
        with CellStore.open(path) as other:
            assert other.status().running is True

    def test_a_file_in_the_place_of_the_lock_is_no_driver(self, path):
        CellStore.open(path).close()
        path.with_name(f"{path.name}-driver").write_bytes(b"something else" * 100)
        with CellStore.open(path) as store:
            assert store.status().running is False
            with pytest.raises(InputError, match=r"driver cannot be locked .file is not a database.; see to the disk"):
                store.drive()


def untouched(path: Path, kind: type[InputError], match: str) -> None:
    """Open a file that must be refused, and be the same afterwards."""
    before = path.read_bytes()
    for create in (True, False):
        with pytest.raises(kind, match=match):
            CellStore.open(path, create=create)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def write_raw(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        for statement in statements:
            raw.execute(statement)


class TestOtherFiles:
    def test_of_another_schema_version(self, path):
        CellStore.open(path).close()
        write_raw(path, "PRAGMA user_version = 7")
        untouched(
            path,
            InputError,
            "has schema version 7, and tightwidth .* reads and writes version 1; nothing was changed; use the version",
        )

    def test_of_another_program(self, path):
        write_raw(path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
        untouched(path, InputError, "is an SQLite database of another program; nothing was changed; give")

    def test_no_database(self, path):
        path.write_text("some notes of mine\n" * 20, encoding="utf-8")
        untouched(path, InputError, "is not an SQLite database, or was cut off; nothing was changed")

    def test_empty(self, path):
        path.touch()
        untouched(path, InputError, r"cells\.sqlite is empty; nothing was changed; give")

    @pytest.mark.parametrize("damage", ["cut off", "overwritten"])
    def test_damaged(self, path, damage):
        with CellStore.open(path) as store:
            long = {"curve": [0.1 * k for k in range(1000)]}
            for _, config in cells(8):
                store.write(record(config).model_copy(update={"values": long}))
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] if damage == "cut off" else whole[:8192] + b"\xff" * 20000 + whole[28192:])
        untouched(path, DataError, "is damaged .*; nothing was changed; restore it from a copy")

    def test_a_table_that_is_missing(self, path):
        CellStore.open(path).close()
        write_raw(path, "DROP TABLE failures")
        untouched(path, DataError, "is damaged .no such table: failures.; nothing was changed")

    def test_a_row_that_cannot_be_read(self, path):
        with CellStore.open(path) as store:
            store.write(record(CaseConfig(x=1)))
        write_raw(path, "UPDATE cells SET measured = '{not JSON'")
        with CellStore.open(path) as store, pytest.raises(DataError, match=r"is damaged: cell [0-9a-f]{32} cannot be"):
            list(store.all_records())

    def test_missing(self, path):
        with pytest.raises(InputError, match=r"cannot be read .No such file or directory.; give the database"):
            CellStore.open(path, create=False)
        assert not path.exists()

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"cannot be read .Is a directory"):
            CellStore.open(tmp_path)

    def test_in_no_folder(self, tmp_path):
        with pytest.raises(InputError, match=re.escape(f"there is no folder {tmp_path / 'no'}; give a file")):
            CellStore.open(tmp_path / "no" / "cells.sqlite")

    def test_in_a_folder_that_may_not_be_written(self, path, monkeypatch):
        monkeypatch.setattr("tightwidth.cell_store.files.os.access", lambda *_: False)
        with pytest.raises(InputError, match="cannot be written: permission denied; give a file in another folder"):
            CellStore.open(path)

    def test_without_hard_links_it_is_made_all_the_same(self, path, monkeypatch):
        def no_links(*_):
            raise PermissionError

        monkeypatch.setattr("tightwidth.cell_store.files.os.link", no_links)
        with CellStore.open(path) as store:
            assert store.write(record(CaseConfig()))
        assert list(path.parent.iterdir()) == [path]

    def test_one_that_cannot_be_made(self, path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files, "_move", full)
        with pytest.raises(InputError, match=r"cannot be written .*No space left on device.*; give another file"):
            CellStore.open(path)
        assert list(path.parent.iterdir()) == []

    def test_locked_by_another_program(self, path, monkeypatch):
        CellStore.open(path).close()
        monkeypatch.setattr(files, "SECONDS_FOR_OTHERS", 0.0)
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(InputError, match=r"cannot be used .database is locked.; .*; end the program"):
                CellStore.open(path)

    def test_one_that_may_only_be_read(self, path):
        with CellStore.open(path) as store:
            store.write(record(CaseConfig(x=1)))
        path.chmod(stat.S_IRUSR)
        with CellStore.open(path, create=False) as store:
            assert len(list(store.all_records())) == 1
