"""`tightwidth memorize --search`: the table, the record, its end after Ctrl-C, and what it refuses."""

import json
import math
from pathlib import Path

import pytest

from test_cli_memorize import in_process
from test_records import example
from tightwidth.cli import interrupts, memorize_search
from tightwidth.errors import MemoryEstimateError
from tightwidth.network import n_parameters
from tightwidth.records.memorization import MemorizeRecord

M, D = 64, 8
POINTS = ("memorize", "--points", M, "--dim", D)
USUAL = ("--pairs", 16, "--steps", 3000, "--batch-size", 8, "--learning-rate", 3)
SHORT = ("--search", "--search-epochs", 300)


@pytest.fixture
def tightwidth(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def row(text, name):
    (line,) = (line for line in text.splitlines() if line.startswith(name) and "│" in line)
    return [cell.strip() for cell in line.split("│")]


@pytest.mark.slow
def test_the_table_and_the_record(tightwidth):
    done = tightwidth(*POINTS, *USUAL, *SHORT, "-o", "run.json")
    assert done.code == 0
    again = tightwidth("memorize", "--plan", "run.json", "--json").json()
    assert (again["n_pairs"], again["search"]) == (16, None)
    record = MemorizeRecord.model_validate_json(Path("run.json").read_text(encoding="utf-8"))
    search = record.search
    assert search is not None
    assert search.finished
    assert search.seeds == (0, 1, 2)
    assert (search.tangent.n_epochs, search.finite.n_epochs) == (80, 300)
    names = ("theorem", "certified", "observed", "tangent", "finite B")
    assert [row(done.out, name)[0] for name in names] == list(names)
    for name, found in (("tangent", search.tangent), ("finite B", search.finite)):
        assert found.smallest is not None
        assert found.n_parameters is not None
        assert found.high is not None
        assert found.low is not None
        assert found.smallest == found.low == min(found.widths_found)
        assert found.high == max(found.widths_found)
        assert found.n_parameters == n_parameters(found.smallest, D)
        assert found.parameters_per_sample == found.n_parameters / M
        _, pairs, parameters, per_point, steps, interval = row(done.out, name)
        assert (int(pairs), int(parameters)) == (found.smallest, found.n_parameters)
        assert float(per_point) == pytest.approx(found.parameters_per_sample, abs=0.005)
        assert int(steps.replace(",", "")) == found.n_steps
        seeds = len(found.widths_found)
        span = f"{found.low} to {found.high}" if found.low < found.high else f"{found.low}"
        assert f"{span} pairs over {seeds} seed" in interval
        ran = [a for a in search.attempts if (a.seed, a.n_pairs, a.fraction) == (found.seed, found.smallest, 1.0)]
        assert any((a.output_scale, a.learning_rate) == (found.output_scale, found.learning_rate) for a in ran)
    assert search.tangent.output_scale == math.inf
    assert search.tangent.learning_rate_last == search.tangent.learning_rate
    assert search.finite.learning_rate is not None
    assert search.finite.learning_rate_last is not None
    assert search.finite.learning_rate_last < search.finite.learning_rate
    assert "within 80 epochs of batches of 64 points (tangent) or 300 of 128 (finite B)" in done.out
    assert "with more epochs (--search-epochs) fewer pairs may do" in done.out
    assert f"smallest    {search.finite.smallest} pairs with B = " in done.out
    assert "linear limit: 8 pairs: enough for " in done.err
    assert "choosing B and eta at " in done.err


@pytest.mark.slow
def test_json_is_one_object_and_repeats(tightwidth):
    options = (*POINTS, *USUAL, *SHORT, "--search-seeds", 3, "--json")
    first, second = (tightwidth(*options).json() for _ in range(2))
    for fields in (first, second):
        fields["search"].pop("seconds")
    assert first["search"] == second["search"]
    assert first["search"]["tangent"]["output_scale"] == "inf"
    assert tightwidth(*POINTS, *USUAL, "--json").json()["search"] is None


def test_records_of_before_are_read():
    fields = json.loads(example().to_json())
    assert fields.pop("search") is None
    assert MemorizeRecord.model_validate_json(json.dumps(fields)).search is None


class TestInterrupted:
    """Ctrl-C in the search keeps the usual run and what was found."""

    def interrupted(self, monkeypatch, tightwidth, looks, *more):
        """Run with an interrupt after some looks of the search."""
        seen = []

        def check():
            seen.append(True)
            if len(seen) > looks:
                raise KeyboardInterrupt

        run = memorize_search.run

        def searching(*arguments, **named):
            monkeypatch.setattr(interrupts, "check", check)
            return run(*arguments, **named)

        monkeypatch.setattr(memorize_search, "run", searching)
        left = []
        monkeypatch.setattr("tightwidth.cli.os._exit", left.append)
        done = tightwidth(*POINTS, *USUAL, *SHORT, *more)
        assert left == [130]
        return done

    @pytest.mark.slow
    def test_what_was_found_is_printed_and_written(self, monkeypatch, tightwidth):
        done = self.interrupted(monkeypatch, tightwidth, 110, "-o", "run.json")
        assert done.code == 130
        assert "tightwidth: interrupted" in done.err
        assert row(done.out, "observed")[1] == "16"
        assert row(done.out, "finite B")[1:] == ["-", "-", "-", "-", "interrupted before any width was found"]
        assert "by a bisection that was interrupted" in done.out
        search = json.loads(Path("run.json").read_text(encoding="utf-8"))["search"]
        assert not search["finished"]
        assert search["tangent"]["smallest"] in [a["n_pairs"] for a in search["attempts"] if a["fraction"] == 1]

    @pytest.mark.slow
    def test_before_anything_was_found(self, monkeypatch, tightwidth):
        done = self.interrupted(monkeypatch, tightwidth, 0, "--json")
        search = json.loads(done.out)["search"]
        assert (search["finished"], search["attempts"]) == (False, [])
        assert search["tangent"]["widths"] == [None] * 3


@pytest.mark.slow
def test_exit_status_1_if_no_width_was_found(monkeypatch, tightwidth):
    monkeypatch.setattr("tightwidth.capacity_request.WIDEST", 1)
    done = tightwidth(*POINTS, *USUAL, "--search", "--search-epochs", 1)
    assert done.code == 1
    assert row(done.out, "observed")[-1] == "100.00% memorized"
    for name in ("tangent", "finite B"):
        assert row(done.out, name)[-1] == "no width found for 3 seeds"


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (("--search-seeds", 2), "--search-seeds 2 is for the search; give --search too, or leave it out"),
            (("--search-epochs", 9), "--search-epochs 9 is for the search; give --search too, or leave it out"),
            (("--search", "--search-seeds", 0), "--search-seeds 0 must be a whole number from 1 to 1000"),
            (("--search", "--search-epochs", 0), "--search-epochs 0 must be a whole number from 1 to 1000000"),
            (("--search", "--seed", 2**32 - 1), "--seed 4294967295 and the 2 after it go beyond 4294967295"),
            (("--search", "--activation", "identity"), "none separates these 64 points in 8 dimensions: no width is"),
            (("--search", "--activation", "relo"), "unknown activation 'relo' (did you mean relu?)"),
        ],
    )
    def test_bad_input(self, tightwidth, options, text):
        done = tightwidth(*POINTS, *options)
        assert (done.code, done.out) == (2, "")
        assert text in done.err
        assert done.err.count("\n") == 1

    def test_memory_is_estimated_before_the_usual_run(self, tightwidth, monkeypatch):
        needed = []

        def check(n_bytes, what, advice):
            needed.append(n_bytes)
            message = f"{what}; {advice}"
            raise MemoryEstimateError(message)

        monkeypatch.setattr("tightwidth.capacity_request.check_fits", check)
        done = tightwidth(*POINTS, *USUAL, *SHORT, "--search-seeds", 50)
        assert done.code == 2
        assert "the search with 200 runs of 64 points in 8 dimensions side by side; take fewer points" in done.err
        assert needed[0] > 1e8
        assert "pairs:" not in done.err
