"""`tightwidth reproduce`: what it runs, keeps, writes and returns; in this process, on coins that cost nothing."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

import report_samples
from html_structure import read
from report_samples import COINS, statement, throw, verdict
from test_cli_memorize import in_process
from test_records import strict
from tightwidth import experiments
from tightwidth.cell_store import CellStore
from tightwidth.cli import reproduce_run
from tightwidth.cli.cell_progress import TimeLeft
from tightwidth.report.statements import all_statements

LOCAL = ("--workers", 0)


class Coins:
    """Count what is run, and end in an error or an interrupt where that is asked for."""

    def __init__(self) -> None:
        self.ran: list[tuple[int, int]] = []
        self.interrupt_at: int | None = None
        self.fails_at_seed: int | None = None

    def run(self, config):
        if config.seed == self.fails_at_seed:
            message = "the coin is <lost>"
            raise RuntimeError(message)
        if len(self.ran) == self.interrupt_at:
            raise KeyboardInterrupt
        self.ran.append((config.n, config.seed))
        return throw(config)


@pytest.fixture
def coins(monkeypatch):
    """Make coins an experiment, and three statements on them the only ones."""
    found = Coins()
    module = types.ModuleType(f"tightwidth.experiments.{COINS}")
    module.__dict__["EXPERIMENT"] = report_samples.experiment(found.run)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(experiments, "NAMES", (*experiments.NAMES, COINS))
    monkeypatch.setattr(reproduce_run, "all_statements", statements)
    return found


def statements(stems=()):
    """Return three statements, two of which share cells; the first has figures."""
    return (
        statement("Theorem 4", seeds=3, stems=stems),
        statement("Section A.5", seeds=4, stems=()),
        statement("Theorem 7", n=20, seeds=2, stems=()),
    )


@pytest.fixture
def call(monkeypatch, capsys, tmp_path, coins):  # noqa: ARG001 (coins are registered by being there)
    """Run the command in an empty folder; where it would leave the process at once, it raises."""

    def leave(code):
        raise SystemExit(code)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "_exit", leave)
    run = in_process(monkeypatch, capsys)
    return lambda *arguments: run("reproduce", *LOCAL, *arguments)


ALL = [(10, 0), (10, 1), (10, 2), (10, 3), (20, 0), (20, 1)]  # what statements share is run once


class TestRun:
    def test_it_runs_each_cell_once_and_writes_page_verdicts_and_figures(self, call, coins, monkeypatch):
        monkeypatch.setattr(reproduce_run, "all_statements", lambda: statements(("coins",)))
        done = call("-o", "out")
        assert done.code == 0
        assert sorted(coins.ran) == ALL
        files = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file())
        names = [f"figures/coins.{suffix}" for suffix in ("pdf", "png", "svg")]
        assert [name for name in files if "sqlite" not in name] == [*names, "index.html", "verdicts.json"]
        assert all(path.stat().st_size for path in Path("out").rglob("*"))
        root = read(Path("out/index.html").read_text(encoding="utf-8"))
        assert len(root.all("figure")) == 1
        assert done.out.count("holds") == 3
        assert re.search(r"All 3 verdicts hold\.\nwrote out/index\.html\n$", done.out)

    def test_no_digit_is_lost_on_a_narrow_terminal(self, call, monkeypatch):
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("COLUMNS", "40")
        assert "…" not in call("--only", "thm 4").out

    def test_json_is_one_object_and_the_file_of_verdicts(self, call, monkeypatch):
        monkeypatch.setattr(reproduce_run, "all_statements", lambda: statements(("coins",)))
        done = call("-o", "out", "--json")
        fields = done.json()
        assert strict(Path("out/verdicts.json").read_text(encoding="utf-8")) == fields
        assert (fields["level"], fields["seed"], fields["holds"], fields["n_verdicts"]) == ("quick", 0, True, 3)
        assert [one["label"] for one in fields["statements"]] == ["Theorem 4", "Theorem 7", "Section A.5"]
        assert fields["statements"][0]["verdicts"][0]["holds"] is True
        assert len(fields["statements"][0]["figures"]) == 3
        assert all(Path("out", name).is_file() for name in fields["statements"][0]["figures"])
        assert (fields["n_cells"], fields["n_failed"]) == (6, 0)

    def test_neither_page_nor_verdicts_name_the_machine_or_its_folders(self, call, tmp_path):
        call("-o", "out")
        for name in ("index.html", "verdicts.json"):
            text = Path("out", name).read_text(encoding="utf-8")
            assert os.uname().nodename not in text
            assert str(tmp_path) not in text
            assert str(Path.home()) + "/" not in text

    def test_full_is_another_set_of_cells_in_the_same_folder(self, call, coins):
        call("-o", "out")
        done = call("-o", "out", "--full", "--json")
        assert done.json()["level"] == "full"
        assert sorted(coins.ran[6:]) == [(90, 0), (90, 1), (90, 2), (90, 3), (180, 0), (180, 1)]

    def test_the_seed_is_added_to_those_of_the_cells(self, call, coins):
        assert call("-o", "out", "--seed", 7).code == 0
        assert sorted(coins.ran) == [(n, seed + 7) for n, seed in ALL]
        assert "--seed 7" in Path("out/index.html").read_text(encoding="utf-8")

    def test_the_folder_has_a_name_if_none_is_given(self, call):
        assert call().out.endswith("wrote reproduction/index.html\n")


class TestOnly:
    def test_one_statement_in_any_spelling(self, call, coins):
        done = call("-o", "out", "--only", "thm. 7", "--json")
        assert [one["label"] for one in done.json()["statements"]] == ["Theorem 7"]
        assert sorted(coins.ran) == [(20, 0), (20, 1)]

    def test_several_in_the_order_of_the_paper(self, call):
        done = call("-o", "out", "--only", "Section A.5", "--only", "theorem 4", "--json")
        assert [one["label"] for one in done.json()["statements"]] == ["Theorem 4", "Section A.5"]


class TestResume:
    def test_what_is_finished_is_not_run_again(self, call, coins):
        first = call("-o", "out", "--only", "Theorem 4", "--json")
        assert len(coins.ran) == 3
        second = call("-o", "out")
        assert sorted(coins.ran) == ALL
        assert "6 cells, 3 of them finished before" in second.err
        assert call("-o", "out", "--only", "Theorem 4", "--json").json() == first.json()
        assert len(coins.ran) == 6

    def test_an_interrupt_keeps_what_is_finished(self, call, coins):
        coins.interrupt_at = 2
        done = call("-o", "out")
        assert done.code == 130
        assert done.out == ""
        assert "interrupted after 2 of 6 cells: the same command goes on there" in done.err
        assert not Path("out/index.html").exists()
        coins.interrupt_at = None
        again = call("-o", "out")
        assert (again.code, sorted(coins.ran)) == (0, ALL)
        assert "6 cells, 2 of them finished before" in again.err

    def test_the_page_is_that_of_an_unbroken_run_but_for_the_times(self, call, coins):
        call("-o", "whole")
        coins.interrupt_at = len(coins.ran) + 3
        assert call("-o", "broken").code == 130
        coins.interrupt_at = None
        call("-o", "broken")
        pages = [Path(name, "index.html").read_text(encoding="utf-8") for name in ("whole", "broken")]
        first, second = (re.sub(r"\d{4}-\d\d-\d\dT[\d:+]+|[\d.]+ s of computing", "TIME", page) for page in pages)
        assert first == second


class TestFailure:
    def test_exit_status_1_if_a_verdict_fails(self, call, monkeypatch):
        wrong = statement("Theorem 4", verdicts=[verdict("below", 0.1, 0.3, 0.4)], stems=())
        monkeypatch.setattr(reproduce_run, "all_statements", lambda: (wrong,))
        done = call("-o", "out")
        assert done.code == 1
        assert "The one verdict fails; look at Theorem 4." in done.out
        assert call("-o", "out", "--json").json()["n_failed"] == 1

    def test_a_cell_that_ends_in_an_error_leaves_its_statements_without_a_verdict(self, call, coins):
        coins.fails_at_seed = 3
        done = call("-o", "out", "--json")
        fields = done.json()
        assert done.code == 1
        answers = [(one["label"], one["holds"], one["n_missing"]) for one in fields["statements"]]
        assert answers == [("Theorem 4", True, 0), ("Theorem 7", True, 0), ("Section A.5", False, 1)]
        assert fields["statements"][2]["errors"] == ["RuntimeError: the coin is <lost>"]
        done = call("-o", "out")
        assert "failed: coins (seed=3, n=10): RuntimeError: the coin is <lost>" in done.err
        assert "no verdict" in done.out
        coins.fails_at_seed = None
        assert call("-o", "out").code == 0


class TestRefusals:
    @pytest.fixture
    def refused(self, call, coins):
        def line(*arguments):
            done = call(*arguments)
            assert (done.code, done.out, coins.ran) == (2, "", [])
            assert done.err.count("\n") == 1
            return done.err.removeprefix("tightwidth: ").rstrip("\n")

        return line

    def test_labels(self, refused):
        known = "give one of Theorem 4, Section A.5, Theorem 7"
        assert refused("--only", "Theorem 99") == f"--only 'Theorem 99' is unknown; {known}"
        assert refused("--only", "thm 2") == f"--only 'thm 2' is a label of the paper that is not measured; {known}"
        assert refused("--only", "thm 4", "--only", "x") == f"--only 'x' is unknown; {known}"
        assert not Path("reproduction").exists()

    def test_seeds(self, refused):
        range_ = "must be a whole number from 0 to 4294967292, since cells add their own number to it"
        assert refused("--seed", -1, "--only", "thm 4").startswith(
            "--seed -1 must be a whole number from 0 to 429496729"
        )
        assert refused("--seed", 2**32 - 1) == f"--seed 4294967295 {range_.replace('292', '293')}"

    def test_folders(self, refused):
        Path("file").write_text("x", encoding="utf-8")
        assert refused("-o", "file") == "file cannot be a folder: file is a file; give another place"
        assert refused("-o", "file/below") == "file/below cannot be a folder: file is a file; give another place"

    def test_a_folder_that_holds_something_else(self, refused):
        Path("site").mkdir()
        for name in ("index.html", "verdicts.json"):
            file = Path("site", name)
            file.write_text("mine", encoding="utf-8")
            assert refused("-o", "site").startswith(f"site/{name} would be overwritten, and there is no cells.sqlite")
            assert file.read_text(encoding="utf-8") == "mine"
            file.unlink()
        Path("site/figures").write_text("mine", encoding="utf-8")
        assert refused("-o", "site").startswith("site/figures is a file, which tightwidth reproduce did not make; give")
        Path("site/figures").unlink()
        Path("site/index.html").mkdir()
        assert refused("-o", "site").startswith("site/index.html is a folder, which tightwidth reproduce did not make")

    def test_a_folder_that_may_not_be_written(self, refused, monkeypatch):
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert refused("-o", "out") == "out cannot be written: permission denied; give another folder"

    def test_a_store_that_is_none(self, refused):
        Path("out").mkdir()
        Path("out/cells.sqlite").write_text("no database at all, " * 20, encoding="utf-8")
        assert "out/cells.sqlite" in refused("-o", "out")
        assert Path("out/cells.sqlite").read_text(encoding="utf-8").startswith("no database")

    def test_workers(self, refused):
        assert "Invalid value for '--workers'" in refused("--workers", -1)


class TestTimeLeft:
    def cells(self, *names):
        return [(name, report_samples.CoinConfig(n=10, seed=place)) for place, name in enumerate(names)]

    def record(self, name, seconds):
        one = report_samples.record_of_coin(report_samples.CoinConfig(n=10, seed=0))
        return one.model_copy(update={"experiment": name, "seconds": seconds})

    def test_each_experiment_counts_with_its_own_time(self):
        left = TimeLeft(self.cells("slow", "slow", "fast", "fast", "fast"), [])
        left.add(self.record("slow", 10.0))
        left.add(self.record("fast", 1.0))
        assert left.seconds(11.0) == pytest.approx(10 + 2 * 1)
        assert left.seconds(5.5) == pytest.approx((10 + 2 * 1) / 2)  # two workers

    def test_records_of_an_earlier_run_tell_the_time_but_not_the_speed(self):
        left = TimeLeft(self.cells("slow", "slow", "fast", "fast"), [self.record("slow", 10.0)])
        assert left.seconds(3.0) is None
        left.add(self.record("fast", 2.0))
        assert left.seconds(2.0) == pytest.approx(10 + 2)

    def test_what_is_unknown_counts_with_the_mean(self):
        left = TimeLeft(self.cells("known", "known", "new"), [])
        left.add(self.record("known", 3.0))
        assert left.seconds(3.0) == pytest.approx(3 + 3)


def finished(store: Path) -> int:
    """Return how many cells a store holds, which another process may be writing."""
    if not store.exists():
        return 0
    try:
        with CellStore.open(store, create=False) as found:
            return sum(1 for _ in found.all_records())
    except (ValueError, sqlite3.Error):
        return 0


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from tightwidth.cli import main; main()", "reproduce", *map(str, arguments)]


@pytest.mark.slow
def test_ctrl_c_on_the_real_statements_and_then_to_the_end(tmp_path):
    out = tmp_path / "out"
    options = ("--only", "Section A.5", "--full", "-o", out)
    run = subprocess.Popen(command(*options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while finished(out / "cells.sqlite") < 3 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=60)
    assert (run.returncode, said[0]) == (130, ""), said[1]
    assert "the same command goes on there" in said[1]
    kept = finished(out / "cells.sqlite")
    n_cells = sum(len(one.cells("full")) for one in all_statements() if one.label == "Section A.5")
    assert 3 <= kept < n_cells
    done = subprocess.run(command(*options), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert f"{n_cells} cells, {kept} of them finished before" in done.stderr


@pytest.mark.slow
def test_all_statements_at_the_quick_level(tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(command("-o", out), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    fields = strict((out / "verdicts.json").read_text(encoding="utf-8"))
    assert [one["errors"] for one in fields["statements"]] == [[]] * len(fields["statements"])
    assert fields["holds"], done.stdout
    root = read((out / "index.html").read_text(encoding="utf-8"))
    assert len(root.all("figure")) == sum(len(one["figures"]) // 3 for one in fields["statements"])
