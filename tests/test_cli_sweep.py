"""`tightwidth sweep` as users call it: runs, status, tables, wrong input, Ctrl-C, and kills at any moment."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from rich.console import Console

import sweep_cases
from sweep_cases import GROUPED_NAME, NAME, CaseConfig, cells, without_times
from test_cli_memorize import in_process
from tightwidth.cell_store import CellStore
from tightwidth.cli import progress as progress_module
from tightwidth.cli import sweep_export
from tightwidth.cli.progress import StepProgress
from tightwidth.experiments.sweep import run_cells

CONFIG = f'experiment = "{NAME}"\nseeds = 2\n[grid]\nx = [3, 1, 2]\n'


@pytest.fixture
def tightwidth(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(CONFIG, encoding="utf-8")
    return in_process(monkeypatch, capsys)


def with_workers(*arguments):
    return ("sweep", "a.toml", "--workers", 0, *arguments)


class TestRun:
    def test_runs_what_is_missing(self, tightwidth):
        done = tightwidth(*with_workers())
        assert done.code == 0
        assert re.search(
            r"6 cells of sweep_cases:PLAIN: 0 were finished, 6 were run in .* cells/s\), 0 failed", done.out
        )
        assert "wrote a.sqlite; as a table: tightwidth sweep export a.sqlite -o FILE.csv" in done.out
        assert "running 6 on this process" in done.err
        again = tightwidth(*with_workers())
        assert (again.code, "6 were finished, 0 were run" in again.out) == (0, True)
        assert "6 cells, 6 finished before" in again.err

    def test_the_word_run_and_the_name_of_the_database_may_be_given(self, tightwidth):
        done = tightwidth("sweep", "run", "--workers", 0, "a.toml", "-o", "b.sqlite", "--json")
        report = done.json()
        assert (done.code, report["database"], report["cells"], report["run"], report["left"]) == (
            0,
            "b.sqlite",
            6,
            6,
            0,
        )
        assert tightwidth("sweep", "--workers", 0, "a.toml", "-o", "b.sqlite", "--json").json()["finished_before"] == 6

    def test_a_larger_grid_runs_only_what_is_new(self, tightwidth):
        tightwidth(*with_workers())
        Path("a.toml").write_text(CONFIG.replace("[3, 1, 2]", "[1, 2, 3, 4]"), encoding="utf-8")
        report = tightwidth(*with_workers("--json")).json()
        assert (report["cells"], report["finished_before"], report["run"]) == (8, 6, 2)

    def test_a_failure_is_exit_status_1_and_shown(self, tightwidth):
        Path("a.toml").write_text(CONFIG + '[fixed]\ndoes = "raise"\n', encoding="utf-8")
        done = tightwidth(*with_workers())
        assert done.code == 1
        assert "4 were run" in done.out
        assert "2 failed" in done.out
        assert "the same command runs the failed cells again" in done.out
        assert re.search("failed: .*x = 1, .*: RuntimeError: no such number second line", done.err)
        status = tightwidth("sweep", "status", "a.sqlite").out
        assert "of 6 cells 4 are finished, 2 failed, 0 left" in status
        assert re.search("failed once: sweep_cases:PLAIN, .*x = 1.*: RuntimeError: no such number", status)
        assert tightwidth(*with_workers("--json")).code == 1
        assert "failed 2 times" in tightwidth("sweep", "status", "a.sqlite").out

    def test_of_many_failures_the_first_are_shown(self, tightwidth):
        text = f'experiment = "{NAME}"\nseeds = 12\n[fixed]\ndoes = "raise"\nx = 1\n'
        Path("a.toml").write_text(text, encoding="utf-8")
        done = tightwidth(*with_workers())
        assert done.err.count("RuntimeError") == 5
        assert "(others are not shown)" in done.err
        status = tightwidth("sweep", "status", "a.sqlite").out
        assert (status.count("RuntimeError"), "and 2 more failed; --json shows all" in status) == (10, True)
        assert len(tightwidth("sweep", "status", "a.sqlite", "--json").json()["failures"]) == 12

    def test_without_arguments_there_is_help(self, tightwidth):
        for arguments in ((), ("--help",)):
            done = tightwidth("sweep", *arguments)
            assert (done.code, "CONFIG.toml | COMMAND" in done.out, done.err) == (0, True, "")

    def test_the_guide_runs(self, tightwidth):
        guide = (Path(__file__).parent.parent / "docs" / "sweeps.md").read_text(encoding="utf-8")
        toml, shell, python = (re.findall(rf"```{kind}\n(.*?)```", guide, re.S) for kind in ("toml", "sh", "python"))
        Path("bounded.toml").write_text(toml[0], encoding="utf-8")
        for line in shell[0].splitlines():
            words = line.split()
            where = ("--workers", 0) if words[1:] == ["sweep", "bounded.toml"] else ()
            assert tightwidth(*words[1:], *where).code == 0
        assert len(Path("bounded.csv").read_text(encoding="utf-8").splitlines()) == 1 + 5 * 2 * 3
        exec(python[0].replace("run_cells(cells, store)", "run_cells(cells, store, workers=0)"), {})
        with CellStore.open("mine.sqlite") as store:
            assert store.status().finished == 6


class TestStatus:
    def test_is_one_json_object(self, tightwidth):
        tightwidth(*with_workers())
        report = tightwidth("sweep", "status", "a.sqlite", "--json").json()
        del report["seconds"]
        assert report == {
            "database": "a.sqlite",
            "planned": 6,
            "finished": 6,
            "failed": 0,
            "left": 0,
            "others": 0,
            "running": False,
            "experiments": {NAME: 6},
            "failures": [],
        }

    def test_of_a_sweep_that_runs(self, tightwidth):
        tightwidth(*with_workers())
        with CellStore.open("a.sqlite") as store:
            store.drive()
            store.plan(cells(3, 3))
            out = tightwidth("sweep", "status", "a.sqlite").out
        assert "of 9 cells 4 are finished, 0 failed, 5 left; it is running" in out
        assert "and 2 finished cells of earlier sweeps" in out


class TestExport:
    def table(self, name):
        with Path(name).open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))

    def test_to_csv_in_the_order_of_the_grid(self, tightwidth):
        tightwidth(*with_workers())
        done = tightwidth("sweep", "export", "a.sqlite", "-o", "a.csv")
        assert (done.code, done.out) == (0, "wrote 6 rows to a.csv\n")
        rows = self.table("a.csv")
        assert list(rows[0]) == [
            *("experiment", "seed", "x", "sleep", "does", "scale", "value", "list", "name", "none"),
            *("seconds", "device", "version", "commit", "finished"),
        ]
        assert [(int(row["x"]), int(row["seed"])) for row in rows] == [(x, s) for x in (1, 2, 3) for s in (0, 1)]
        assert [float(row["value"]) for row in rows] == [(7919 * x + 31 * s) / 3 for x in (1, 2, 3) for s in (0, 1)]
        assert json.loads(rows[1]["list"]) == [1, 1]
        assert rows[0]["none"] == ""

    def test_to_parquet(self, tightwidth):
        tightwidth(*with_workers())
        report = tightwidth("sweep", "export", "a.sqlite", "-o", "a.parquet", "--json").json()
        table = parquet.read_table("a.parquet")
        assert (report["rows"], report["columns"]) == (6, table.column_names)
        assert table["list"].to_pylist() == [[x, s] for x in (1, 2, 3) for s in (0, 1)]
        assert table["scale"].to_numpy().dtype == np.float64
        assert table["x"].to_pylist() == [1, 1, 2, 2, 3, 3]

    def test_of_several_experiments_each_column_is_one_kind(self, tightwidth):
        with CellStore.open("b.sqlite") as store:
            odd = [(NAME, CaseConfig(x=0, does="nan")), (GROUPED_NAME, CaseConfig(x=2, scale=float("inf")))]
            list(run_cells([*cells(1), *odd], store, workers=0))
        tightwidth("sweep", "export", "b.sqlite", "-o", "b.parquet")
        table = parquet.read_table("b.parquet").to_pydict()
        assert table["experiment"] == [GROUPED_NAME, NAME, NAME]
        assert table["scale"] == [float("inf"), 1.0, 1.0]
        assert sorted(table["bound"], key=str) == [None, None, float("inf")]
        tightwidth("sweep", "export", "b.sqlite", "-o", "b.csv", "--experiment", GROUPED_NAME)
        assert [row["scale"] for row in self.table("b.csv")] == ["inf"]

    def test_a_value_that_is_called_as_a_number_of_the_config(self):
        with_both = sweep_cases.plain_record(values={"x": 5.0, "device": "abacus"})
        table = sweep_export.columns([with_both])
        assert (table["x"], table["measured.x"], table["measured.device"]) == ([0], [5.0], ["abacus"])

    def test_mixed_columns_become_words(self):
        assert sweep_export._of_one_kind([1, "a", None, [2]]) == ["1", "a", None, "[2]"]
        assert sweep_export._of_one_kind([1, 2.5, "-inf", None]) == [1.0, 2.5, float("-inf"), None]
        assert sweep_export._of_one_kind([None, None]) == [None, None]
        assert sweep_export._of_one_kind([1, 2**70]) == [1.0, 2.0**70]  # 64 bits do not hold it

    def test_without_pyarrow_the_extra_is_named(self, tightwidth, monkeypatch):
        tightwidth(*with_workers())
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        done = tightwidth("sweep", "export", "a.sqlite", "-o", "a.parquet")
        assert (done.code, "run: pip install 'tightwidth[parquet]'" in done.err) == (2, True)
        assert sorted(path.name for path in Path().iterdir()) == ["a.sqlite", "a.toml"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (("sweep", "none.toml"), r"none\.toml cannot be read \(No such file or directory\); give the TOML file"),
            (("sweep", "."), r"\. cannot be read \(Is a directory\); give the TOML file of a sweep"),
            (("sweep", "/"), r"/ cannot be read \(Is a directory\); give the TOML file of a sweep"),
            (("sweep", "bad.toml"), r"bad\.toml: key 'sedes' is unknown; did you mean seeds\? known"),
            (
                ("sweep", "unknown.toml"),
                r"unknown\.toml: experiment 'bounded' is unknown; known: .*bounded_distributions",
            ),
            (("sweep", "large.toml", "--workers", 0), "the cell .* x = 1000000.* and a worker may use"),
            (("sweep", "many.toml"), "the grid has 9,000,000 cells"),
            (("sweep", "a.toml", "-o", "a.toml"), r"a\.toml would be overwritten; give --output another file"),
            (("sweep", "a.toml", "-o", "no/a.sqlite"), r"no/a\.sqlite cannot be written: there is no folder no"),
            (
                ("sweep", "a.toml", "-o", "bad.toml"),
                r"bad\.toml is not an SQLite database, or was cut off; nothing was",
            ),
            (("sweep", "a.toml", "--workers", -1), "--workers -1 must be from 0"),
            (
                ("sweep", "a.toml", "--workers", 1, "--local-cluster", 2),
                "--workers 1 and --local-cluster 2 exclude each",
            ),
            (("sweep", "a.toml", "--scheduler", "x"), "no Dask scheduler is reached at x .*; check the address"),
            (
                ("sweep", "status", "none.sqlite"),
                r"none\.sqlite cannot be read \(No such file or directory\); give the d",
            ),
            (("sweep", "status", "a.toml"), r"a\.toml is not an SQLite database"),
            (("sweep", "export", "none.sqlite", "-o", "a.csv"), r"none\.sqlite cannot be read"),
            (
                ("sweep", "export", "x.sqlite", "-o", "a.xls"),
                r"--output a\.xls has the suffix '\.xls'; give a \.csv or",
            ),
            (("sweep", "export", "x.csv", "-o", "x.csv"), r"x\.csv would be overwritten"),
            (
                ("sweep", "export", "empty.sqlite", "-o", "a.csv"),
                "has no finished cells; it has none at all; run the sw",
            ),
            (
                ("sweep", "export", "empty.sqlite", "-o", "no/a.csv"),
                r"no/a\.csv cannot be written: there is no folder no",
            ),
        ],
    )
    def test_is_one_line_and_exit_status_2(self, tightwidth, arguments, text):
        Path("bad.toml").write_text("sedes = 3\n" + CONFIG, encoding="utf-8")
        Path("unknown.toml").write_text('experiment = "bounded"\n', encoding="utf-8")
        Path("large.toml").write_text(CONFIG.replace("2]", "1_000_000]"), encoding="utf-8")
        Path("many.toml").write_text(
            CONFIG.replace("[3, 1, 2]", "{ from = 1, to = 9000, steps = 9000 }").replace("= 2", "= 1000", 1),
            encoding="utf-8",
        )
        CellStore.open("empty.sqlite").close()
        before = {path: path.read_bytes() for path in Path().iterdir()}
        done = tightwidth(*arguments)
        assert (done.code, done.out) == (2, "")
        *_, last = done.err.splitlines()
        assert re.match(f"tightwidth: {text}|tightwidth: .*{text}", last)
        assert {path: path.read_bytes() for path in before} == before

    def test_databases_that_may_not_be_used_are_left_as_they_are(self, tightwidth):
        tightwidth(*with_workers())
        good = Path("a.sqlite").read_bytes()
        version = bytearray(good)
        version[60:64] = (9).to_bytes(4, "big")
        for bad, text in ((bytes(version), "has schema version 9"), (good[: len(good) // 2], "is damaged")):
            Path("a.sqlite").write_bytes(bad)
            for arguments in (
                with_workers(),
                ("sweep", "status", "a.sqlite"),
                ("sweep", "export", "a.sqlite", "-o", "b.csv"),
            ):
                done = tightwidth(*arguments)
                assert (done.code, text in done.err, "nothing was changed" in done.err) == (2, True, True)
                assert Path("a.sqlite").read_bytes() == bad


class TestProgress:
    def test_rates_below_ten_have_two_digits(self):
        assert [progress_module.readable_rate(rate) for rate in (0.0312, 1.0, 9.94, 10, 1234.6)] == [
            *("0.031", "1", "9.9", "10", "1,235")
        ]

    def test_plain_lines_say_how_many_cells_a_second_and_how_long_it_takes(self, monkeypatch, capsys):
        clock = iter([100.0, 100.0, 106.0, 106.0])
        monkeypatch.setattr("tightwidth.cli.progress.time.monotonic", lambda: next(clock))
        with StepProgress(quiet=False, unit="cells", at_most=False) as progress:
            progress.console = Console(file=sys.stderr, force_terminal=False, width=200)
            progress.steps(10, 40, "none failed")
            progress.steps(13, 40, "none failed")
        assert capsys.readouterr().err == "cell 13 of 40, 0.5 cells/s, none failed, 54 s left\n"

    def test_names_and_errors_are_shown_as_they_are(self, monkeypatch, capsys):
        text = "d[red].csv, [/x] :warning: failed"
        with StepProgress(quiet=False) as progress:
            progress.say(text)
        assert capsys.readouterr().err == text + "\n"
        monkeypatch.setenv("TTY_COMPATIBLE", "1")  # a terminal, which has spinners and bars
        with StepProgress(quiet=False, doing="[/x]") as progress:
            progress.wait(text)
            progress.wait(text + " again")
            progress.steps(1, 2, "[/x]")
        assert text in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# interrupted and killed


def command(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own, which finds the modules that this one finds."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", "from tightwidth.cli import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def finished(path: Path):
    """Return the finished cells, with the time at which each was."""
    if not path.exists():
        return {}
    with CellStore.open(path, create=False) as store:
        return {(r["x"], r.seed): r for r in store.all_records()}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text(encoding="utf-8").split(")")[-1].split()[0] != "Z"


def wait_for_a_moment(process, database: Path, moment: float, duration: float, n: int) -> None:
    """Wait for a share of the cells to be finished, or, for a negative number, of the duration to have passed."""
    if moment < 0:
        time.sleep(-moment * duration)
        return
    while len(finished(database)) < moment * n and process.poll() is None:
        time.sleep(0.003)


def killed_and_gone_on_with(tmp_path: Path, moments: np.ndarray, workers: int, stop: signal.Signals) -> None:
    """Stop a sweep at random moments and go on with it, and compare its database with that of an unbroken run."""
    n_x, database, log = 50, tmp_path / "a.sqlite", tmp_path / "log"
    wanted, config, whole = cells(n_x, 2, sleep=0.005), tmp_path / "a.toml", tmp_path / "unbroken.sqlite"
    config.write_text(
        f'experiment = "{NAME}"\nseeds = 2\n[fixed]\nsleep = 0.005\n[grid]\nx = {list(range(n_x))}\n', encoding="utf-8"
    )
    arguments = ("sweep", config, "--workers", workers)
    began = time.monotonic()
    if (moments < 0).any():
        finish(command(*arguments, "-o", whole))
    else:
        finish_here(wanted, whole)
    duration = time.monotonic() - began

    before, n_partial = {}, 0
    for moment in moments:
        log.write_text("", encoding="utf-8")
        process = command(*arguments, **{sweep_cases.LOG: str(log)})
        wait_for_a_moment(process, database, moment, duration, len(wanted))
        process.send_signal(stop)
        process.communicate(timeout=60)
        runs = [tuple(map(int, line.split())) for line in log.read_text(encoding="utf-8").splitlines()]
        deadline = time.monotonic() + 10
        while any(is_running(pid) for pid, _, _ in runs) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(is_running(pid) for pid, _, _ in runs)  # no worker outlives the driver
        assert not {(x, seed) for _, x, seed in runs} & set(before)  # what was finished is not run again
        now = finished(database)
        assert {cell: now[cell] for cell in before} == before  # nor lost, nor written anew
        before = now
        n_partial += 0 < len(now) < len(wanted)
        if len(now) == len(wanted):
            compare(database, whole, wanted)
            database.unlink()
            before = {}
    assert n_partial >= 1
    finish_here(wanted, database)
    compare(database, whole, wanted)


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=120)
    assert process.returncode == 0


def finish_here(wanted, database: Path) -> None:
    with CellStore.open(database) as store:
        list(run_cells(wanted, store, workers=0))


def compare(database: Path, whole: Path, wanted) -> None:
    """Show that two databases have the same cells, each once, but for their times."""
    with CellStore.open(database) as broken, CellStore.open(whole) as unbroken:
        assert without_times(broken.all_records()) == without_times(unbroken.all_records())
        assert len(list(broken.all_records())) == len(wanted)
        assert broken.records(wanted)
        assert broken.failures() == unbroken.failures() == []


def random_moments(n: int) -> np.ndarray:
    """Return moments of which half are shares of the cells, and half of the time of an unbroken run."""
    return np.random.default_rng(0).uniform(0, 1, n) * np.where(np.arange(n) % 2, -1, 1)


@pytest.mark.slow
def test_a_killed_driver_loses_and_repeats_nothing(tmp_path):
    killed_and_gone_on_with(tmp_path, np.array([0.2, 0.6]), 0, signal.SIGKILL)


@pytest.mark.slow
def test_no_worker_outlives_a_driver_that_is_killed_in_the_middle_of_a_cell(tmp_path):
    (tmp_path / "a.toml").write_text(CONFIG + "[fixed]\nsleep = 60\n", encoding="utf-8")
    log = tmp_path / "log"
    log.touch()
    process = command("sweep", tmp_path / "a.toml", "--workers", 1, **{sweep_cases.LOG: str(log)})
    deadline = time.monotonic() + 30
    while not log.read_text(encoding="utf-8").endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.02)
    worker = int(log.read_text(encoding="utf-8").split()[0])
    assert is_running(worker)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(worker)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_driver_that_is_killed_at_20_moments_loses_and_repeats_nothing(tmp_path, workers):
    killed_and_gone_on_with(tmp_path, random_moments(20), workers, signal.SIGKILL)


@pytest.mark.slow
def test_a_driver_that_is_interrupted_at_10_moments_loses_and_repeats_nothing(tmp_path):
    killed_and_gone_on_with(tmp_path, random_moments(10), 2, signal.SIGINT)


def test_ctrl_c_says_what_is_kept(tmp_path):
    (tmp_path / "a.toml").write_text(CONFIG + "[fixed]\nsleep = 0.3\n", encoding="utf-8")
    process = command("sweep", tmp_path / "a.toml", "--workers", 1)
    deadline = time.monotonic() + 30
    while not finished(tmp_path / "a.sqlite") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    kept = len(finished(tmp_path / "a.sqlite"))
    assert 1 <= kept < 6
    assert f"interrupted; {kept} of 6 cells are finished and kept" in " ".join(err.split())
    assert err.endswith("tightwidth: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sqlite", "a.toml"]
