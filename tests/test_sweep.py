"""Cells are run once, wherever they run; one that fails or kills its worker takes no other with it."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest

import sweep_cases
from sweep_cases import GROUPED_NAME, NAME, CaseConfig, cells, without_times
from tightwidth import memory
from tightwidth.cell_store import CellStore, files
from tightwidth.errors import InputError, MemoryEstimateError
from tightwidth.experiments.batches import Batch, Outcome, cut, in_one_line, outcomes, plain_value
from tightwidth.experiments.bounded_distributions import BoundedConfig
from tightwidth.experiments.origin import Origin, source_commit
from tightwidth.experiments.schedulers import choice, dask_pool, worker_pool
from tightwidth.experiments.schedulers.dask_pool import DaskPool
from tightwidth.experiments.schedulers.worker_pool import WorkerPool
from tightwidth.experiments.sweep import Failed, Started, run_cells, run_steps


@pytest.fixture
def store(tmp_path):
    with CellStore.open(tmp_path / "cells.sqlite") as opened:
        yield opened


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Return a function that says which cells were run since the last call."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(sweep_cases.LOG, str(path))

    def lines():
        text = path.read_text(encoding="utf-8")
        path.write_text("", encoding="utf-8")
        return [line.split()[1:] for line in text.splitlines()]

    return lines


def expected(wanted):
    """Return the values that the cells have, by the formula of the case."""
    return [((7919 * c.x + 31 * c.seed) * c.scale) / 3 for _, c in wanted]


class TestBatches:
    def test_are_of_one_group_and_hold_every_cell_once(self):
        wanted = [*cells(20, 3, name=GROUPED_NAME), *cells(4)]
        found = cut(wanted, range(len(wanted)), n_workers=2)
        assert sorted(place for batch in found for place in batch.places) == list(range(len(wanted)))
        for batch in found:
            assert batch.configs == tuple(wanted[place][1] for place in batch.places)
            assert (
                len(
                    {
                        (name, config.x % 3 if name == GROUPED_NAME else 0)
                        for name, config in (wanted[place] for place in batch.places)
                    }
                )
                == 1
            )
        assert max(len(batch.places) for batch in found) <= 32

    def test_are_no_larger_than_the_memory(self):
        wanted = cells(40)  # of 1,000 bytes each
        assert {len(batch.places) for batch in cut(wanted, range(40), 1, memory=4500)} == {4}
        assert {len(batch.places) for batch in cut(wanted, range(40), 1, memory=500)} == {1}

    def test_one_that_fails_is_run_again_cell_by_cell(self):
        for name in (NAME, GROUPED_NAME):
            configs = tuple(config for _, config in cells(4, does="raise"))
            found = {o.place: o for o in outcomes(Batch(name, 0, (10, 11, 12, 13), configs))}
            assert sorted(found) == [10, 11, 12, 13]
            assert [o.place for o in found.values() if o.values is None] == [11]
            assert re.fullmatch("RuntimeError: no such number( second line)?", found[11].error or "")

    def test_a_cell_without_values_has_failed(self):
        [found] = outcomes(Batch("test_sweep:SILENT", 0, (3,), (CaseConfig(),)))
        assert found == Outcome(3, None, "the experiment returned no values for this cell", 0.0)

    def test_values_of_no_kind_are_failures_of_their_cells(self):
        n = len(sweep_cases.WRONG_VALUES)
        configs = tuple(config for _, config in cells(n + 1, does="wrong values"))
        found = {o.place: o for o in outcomes(Batch(NAME, 0, tuple(range(n + 1)), configs))}
        assert sorted(found) == list(range(n + 1))
        errors = [found[place].error or "" for place in range(n + 1)]
        for error, text in zip(
            errors,
            (
                "TypeError: the experiment returned a NoneType; a dictionary of measured values is needed",
                "TypeError: the experiment named a measured value 1; a word is needed",
                "UnicodeEncodeError: .* surrogates not allowed",
                "UnicodeEncodeError: .* surrogates not allowed",
                "TypeError: set is a set; a number, .* is needed",
                "",
            ),
            strict=True,
        ):
            assert re.fullmatch(text, error)

    def test_an_error_can_be_kept_whatever_bytes_are_in_it(self):
        error = in_one_line(OSError("no file \udcff\x00\x1b[31m\n of ä"))
        assert error == r"OSError: no file \udcff\x00\x1b[31m of ä"

    def test_seconds_add_up_to_those_of_the_batch(self):
        configs = tuple(config for _, config in cells(3, sleep=0.02))
        began = time.perf_counter()
        found = [o.seconds for o in outcomes(Batch(NAME, 0, (0, 1, 2), configs))]
        assert 0.06 <= sum(found) <= time.perf_counter() - began
        assert min(found) >= 0.02


SILENT = sweep_cases.Experiment("SILENT", "no values", CaseConfig, lambda _: iter(()), sweep_cases.needs)


class TestValues:
    def test_are_plain(self):
        assert plain_value(np.float32(0.5), "a") == 0.5
        assert type(plain_value(np.int64(3), "a")) is int
        assert plain_value(np.bool_(True), "a") is True
        assert plain_value(np.arange(3.0), "a") == [0.0, 1.0, 2.0]
        assert plain_value((1, 2.5), "a") == [1, 2.5]

    def test_what_is_not_finite_has_a_word(self):
        assert [plain_value(x, "a") for x in (math.nan, math.inf, -math.inf)] == [None, "inf", "-inf"]

    def test_others_are_refused(self):
        with pytest.raises(ValueError, match="curve holds a number that is not finite; a list has to be finite"):
            plain_value([1.0, math.nan], "curve")
        with pytest.raises(TypeError, match="it is a dict; a number, a word, None or a list of numbers is needed"):
            plain_value({}, "it")
        with pytest.raises(TypeError, match="it is a list; a number"):
            plain_value(["a"], "it")


class TestOneProcess:
    def test_every_cell_is_run_once_and_kept(self, store, log):
        wanted = [*cells(5, 2), *cells(5, 2)[:3]]
        assert len(list(run_cells(wanted, store, workers=0))) == 10
        assert len(log()) == 10
        records = store.records(wanted)
        assert [r["value"] for r in records] == expected(wanted)
        assert [r.seed for r in records] == [c.seed for _, c in wanted]
        assert list(run_cells(wanted, store, workers=0)) == []
        assert log() == []

    def test_the_order_and_company_of_cells_change_nothing(self, tmp_path):
        wanted = [*cells(7, 2, name=GROUPED_NAME), *cells(3), ("bounded_distributions", BoundedConfig(n_samples=9))]
        found = []
        for k, order in enumerate([wanted, wanted[::-1], sorted(wanted, key=lambda cell: cell[1].seed)]):
            with CellStore.open(tmp_path / f"{k}.sqlite") as one:
                list(run_cells(order[:5], one, workers=0))
                list(run_cells(order, one, workers=0))
                found.append(without_times(one.all_records()))
        assert found[0] == found[1] == found[2]

    def test_a_record_says_where_it_comes_from(self, store):
        [record] = run_cells(cells(1), store, workers=0)
        here = Origin.here()
        assert (record.device, record.version, record.commit) == (here.device, here.version, source_commit())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record.finished)
        assert record.seconds > 0

    def test_one_that_is_abandoned_keeps_what_is_finished(self, store, log):
        steps = run_cells(cells(6), store, workers=0)
        for _ in range(2):
            next(steps)
        steps.close()
        log()
        assert len(list(run_cells(cells(6), store, workers=0))) == 4
        assert len(log()) == 4

    def test_a_failure_is_kept_and_tried_again(self, store):
        events = list(run_steps(cells(3, does="raise"), store, workers=0))
        assert events[0] == Started(3, 0, "this process")
        assert [event.cell[1].model_dump()["x"] for event in events if isinstance(event, Failed)] == [1]
        assert (store.status().finished, store.status().failed) == (2, 1)
        events = list(run_steps(cells(3, does="raise"), store, workers=0))
        assert events[0] == Started(1, 2, "this process")
        assert [failure.attempts for failure in store.failures()] == [2]

    def test_values_that_cannot_be_kept_are_a_failure(self, store):
        list(run_cells(cells(2, does="nan"), store, workers=0))
        [record] = store.all_records()
        assert record.values == {"value": None, "bound": "inf", "list": [1.0]}
        assert store.failures()[0].error.startswith("ValueError: list holds a number that is not finite")

    def test_a_second_driver_is_refused(self, store, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "SECONDS_FOR_A_LOOK", 0.05)
        steps = run_cells(cells(2), store, workers=0)
        next(steps)
        with CellStore.open(tmp_path / "cells.sqlite") as other, pytest.raises(InputError, match="another tightwidth"):
            next(run_cells(cells(2), other, workers=0))

    def test_more_memory_than_there_is_is_refused_before_anything_runs(self, store, log):
        wanted = [*cells(2), (NAME, CaseConfig(x=10**6))]
        store.plan(cells(1))
        for workers in (0, 2):
            with pytest.raises(
                MemoryEstimateError, match=r"the cell .* x = 1000000.* needs about 1e.06 TB, and a worker"
            ):
                list(run_cells(wanted, store, workers=workers))
        assert log() == []
        assert store.status().planned == 1  # still those of the run before

    def test_as_many_workers_as_the_memory_holds(self, monkeypatch):
        monkeypatch.setattr(choice, "n_cores", lambda: 8)
        monkeypatch.setattr(memory, "machine_memory", lambda: 3500.0 / memory.USABLE_SHARE)
        assert choice.choose(cells(20), None, None, None).n_workers == 3
        assert choice.choose(cells(2), None, None, None).n_workers == 2

    @pytest.mark.parametrize(
        ("where", "match"),
        [
            ({"workers": -1}, "workers=-1 must be from 0 .this process. to 1024; leave it out"),
            ({"local_cluster": 0}, "local_cluster=0 must be from 1 to 1024"),
            ({"workers": 1, "scheduler": "x:1"}, "workers=1 and scheduler=x:1 exclude each other; give one of them"),
        ],
    )
    def test_places_that_are_none_are_refused(self, store, where, match):
        with pytest.raises(InputError, match=match):
            list(run_cells(cells(1), store, **where))


class TestWorkers:
    @pytest.mark.slow
    def test_give_the_same_as_one_process(self, store, tmp_path):
        wanted = [*cells(7, 2, name=GROUPED_NAME), ("bounded_distributions", BoundedConfig(n_samples=9))]
        list(run_cells(wanted, store, workers=2))
        with CellStore.open(tmp_path / "one.sqlite") as one:
            list(run_cells(wanted, one, workers=0))
            assert without_times(store.all_records()) == without_times(one.all_records())

    @pytest.mark.slow
    def test_one_that_dies_is_replaced_and_only_its_cell_fails(self, store, log):
        events = list(run_steps(cells(6, does="die"), store, workers=2))
        [failed] = [event for event in events if isinstance(event, Failed)]
        assert failed.cell[1].model_dump()["x"] == 1
        assert "the worker was ended by SIGKILL, 3 times" in failed.error
        assert [r["x"] for r in store.records([c for c in cells(6, does="die") if c[1].x != 1])] == [0, 2, 3, 4, 5]
        assert sum(x == "1" for x, _ in log()) == 3

    @pytest.mark.slow
    def test_one_that_is_killed_from_outside_costs_nothing(self):
        wanted = cells(12, sleep=0.05)
        with WorkerPool(2, math.inf) as pool:
            found = []
            for outcome, _ in pool.run(cut(wanted, range(12), 2)):
                found.append(outcome)
                if len(found) in (2, 5):
                    pool.workers[0].process.kill()
        assert sorted(o.place for o in found) == list(range(12))
        assert all(o.error is None for o in found)

    def test_that_do_not_start_are_an_error(self, store, monkeypatch):
        monkeypatch.setattr("tightwidth.experiments.schedulers.worker_pool.sys.executable", "/bin/false")
        with pytest.raises(
            InputError, match="worker processes do not start: the last one ended with exit status 1; see"
        ):
            list(run_cells(cells(1), store, workers=1))

    def test_more_than_the_system_lets_start_are_an_error(self, monkeypatch):
        class Third(worker_pool._Worker):
            started: ClassVar[list[Any]] = []

            def __init__(self, said):
                if len(self.started) == 2:
                    raise OSError(24, "Too many open files")
                super().__init__(said)
                self.started.append(self)

        monkeypatch.setattr(worker_pool, "_Worker", Third)
        with (
            pytest.raises(InputError, match=r"5 worker processes cannot be started, 2 could .*Too many.*; give fewer"),
            WorkerPool(5, math.inf),
        ):
            pass
        assert [worker.process.poll() is not None for worker in Third.started] == [True, True]

    def test_an_accelerator_has_one_of_them(self):
        with WorkerPool(2, math.inf) as pool:
            gpu = Origin("some GPU", "gpu", "0", None)
            first, second = pool.workers
            pool._is_free(first, gpu)
            pool._is_free(second, gpu)
            assert pool.workers == [first]

    def test_stay_with_their_groups(self):
        wanted = cells(30, 4, name=GROUPED_NAME)
        given = []
        pool = WorkerPool(2, math.inf)
        for batch in cut(wanted, range(len(wanted)), 2):
            pool._wait(batch)
        workers = [_Recorder(given, k) for k in range(2)]
        pool.workers = list(workers)
        while pool.waiting:
            for worker in workers:
                pool._feed(worker)
        for k in range(2):
            of_worker = [group for number, group in given if number == k]
            changes = sum(a != b for a, b in pairwise(of_worker))
            assert changes <= 1, of_worker  # 3 groups, 2 workers


class _Recorder(worker_pool._Worker):
    """Stand in for a worker, and note which groups it is given."""

    def __init__(self, given, number):
        self.given, self.number, self.group, self.batch = given, number, None, None

    def give(self, batch):
        self.group, self.batch = batch.group, batch
        self.given.append((self.number, batch.group))


def dask_process(*arguments: str) -> subprocess.Popen:
    """Start a process of a cluster, which finds the modules that this one finds."""
    env = {**os.environ, **worker_pool.ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler and two workers that are not restarted; return its address and their processes."""
    file = tmp_path / "scheduler.json"
    common = ("--scheduler-file", str(file), "--no-dashboard")
    processes = [dask_process("scheduler", "--port", "0", "--host", "127.0.0.1", *common)]
    processes += [dask_process("worker", "--no-nanny", "--nthreads", "1", *common) for _ in range(2)]
    try:
        deadline = time.monotonic() + 30
        found: list[str] = []
        while not found and time.monotonic() < deadline:  # the file is there before it is written
            time.sleep(0.1)
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            found = re.findall(r'"address": "(tcp://[^"]+)"', text)
        [address] = found
        yield address, processes
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


class TestDask:
    def test_a_scheduler_that_is_not_there_is_an_error_within_seconds(self, store, monkeypatch):
        monkeypatch.setattr(dask_pool, "SECONDS_TO_CONNECT", 0.3)
        began = time.monotonic()
        with pytest.raises(
            InputError, match=r"no Dask scheduler is reached at tcp://127.0.0.1:1 .*; check the address"
        ):
            list(run_cells(cells(1), store, scheduler="tcp://127.0.0.1:1"))
        assert time.monotonic() - began < 10

    @pytest.mark.parametrize("address", ["nonsense", "ftp://127.0.0.1:80"])
    def test_what_is_no_address_is_named(self, store, address):
        with pytest.raises(InputError, match=f"no Dask scheduler is reached at {address} .*; a running one is needed"):
            list(run_cells(cells(1), store, scheduler=address))

    def test_without_dask_the_extra_is_named(self, store, monkeypatch):
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(
            InputError, match=r"needs distributed, which is not installed; run: pip install 'tightwidth\["
        ):
            list(run_cells(cells(1), store, local_cluster=1))

    @pytest.mark.slow
    @pytest.mark.filterwarnings("default")
    def test_a_cluster_of_this_machine_gives_the_same_as_one_process(self, store, tmp_path):
        wanted = [*cells(7, 2, name=GROUPED_NAME), ("bounded_distributions", BoundedConfig(n_samples=9))]
        list(run_cells([*wanted, *cells(2, does="raise")], store, local_cluster=2))
        assert [failure.config["x"] for failure in store.failures()] == [1]
        with CellStore.open(tmp_path / "one.sqlite") as one:
            list(run_cells([*wanted, *cells(1, does="raise")], one, workers=0))
            assert without_times(store.all_records()) == without_times(one.all_records())

    @pytest.mark.slow
    @pytest.mark.filterwarnings("default")
    def test_a_worker_that_is_killed_costs_nothing(self, store, tmp_path, cluster):
        address, processes = cluster
        wanted = cells(40, sleep=0.1)
        killed = False
        for n, _ in enumerate(run_cells(wanted, store, scheduler=address)):
            if n == 3 and not killed:
                processes[2].send_signal(signal.SIGKILL)
                killed = True
        assert killed
        with CellStore.open(tmp_path / "one.sqlite") as one:
            list(run_cells(wanted, one, workers=0))
            assert without_times(store.all_records()) == without_times(one.all_records())

    @pytest.mark.slow
    @pytest.mark.filterwarnings("default")
    def test_a_cell_that_kills_its_workers_fails_alone(self, store):
        list(run_cells(cells(4, does="die"), store, local_cluster=2))
        [failure] = store.failures()
        assert failure.config["x"] == 1
        assert re.search("the worker died, [0-9]+ times; it may want more memory", failure.error)
        assert store.status().finished == 3

    @pytest.mark.slow
    @pytest.mark.filterwarnings("default")
    def test_a_scheduler_that_goes_away_keeps_what_is_finished(self, store, cluster):
        address, processes = cluster
        records = run_cells(cells(60, sleep=0.2), store, scheduler=address)
        for _ in range(3):
            next(records)
        processes[0].kill()
        with pytest.raises(InputError, match="the Dask scheduler is gone; the cells that were finished are kept"):
            list(records)
        assert 3 <= store.status().finished < 60

    @pytest.mark.slow
    @pytest.mark.filterwarnings("default")
    def test_workers_of_another_version_are_refused(self, store, cluster, monkeypatch):
        monkeypatch.setattr("tightwidth.__version__", "9.9")
        with pytest.raises(
            InputError, match=r"the workers of tcp.* have tightwidth .*, and this is 9.9; numbers may differ"
        ):
            list(run_cells(cells(1), store, scheduler=cluster[0]))

    @pytest.mark.slow
    @pytest.mark.filterwarnings("default")
    def test_a_scheduler_without_workers_is_an_error(self, store, cluster, monkeypatch):
        monkeypatch.setattr(dask_pool, "SECONDS_FOR_WORKERS", 1.0)
        for process in cluster[1][1:]:
            process.kill()
            process.wait()
        time.sleep(1)
        with pytest.raises(InputError, match="has no workers; start some: dask worker tcp"):
            list(run_cells(cells(1), store, scheduler=cluster[0]))


def test_the_commit_is_that_of_git(monkeypatch, tmp_path):
    found = source_commit()
    if found is not None:
        assert re.fullmatch("[0-9a-f]{40}(-dirty)?", found)
    monkeypatch.setattr("tightwidth.__file__", str(tmp_path / "__init__.py"))
    assert source_commit.__wrapped__() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commit.__wrapped__() is None


def test_numbers_say_where_cells_run():
    assert str(WorkerPool(1, 1.0)) == "1 worker process"
    assert str(WorkerPool(2, 1.0)) == "2 worker processes"
    assert str(DaskPool("tcp://a:1", None)) == "the Dask cluster tcp://a:1, 0 worker threads"
