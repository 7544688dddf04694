"""The gate on ratios of times, which .ci/run calls, closes for what is slower by half and for nothing else."""

import dataclasses
import json
import math

import child
import children
import gate
import outcomes
import page
import pytest
import rounds
import run
from contests import Case, Contestant, Measured, Ratio

BASELINE = {"a": 0.5, "b": 2.0}
BUSY = "waiting:steps"


def waiting(tmp_path, monkeypatch):
    """Let a process find a contestant that takes as long on a busy machine as on a quiet one."""
    source = "import time\n\ndef steps():\n    return lambda n: time.sleep(0.01 * n)\n"
    (tmp_path / "waiting.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def a_case(slowdown=1.0):
    contestants = (Contestant("ours", BUSY, slowdown=slowdown), Contestant("peer", BUSY))
    return Case("made up", "step", contestants, (Ratio("ours", "peer", at_most=1.15),))


@pytest.mark.parametrize(("slowdown", "closed"), [(1.0, []), (1.2, []), (1.5, ["a"]), (3.0, ["a"])])
def test_the_comparison_closes_for_what_is_slower_by_half(slowdown, closed):
    assert gate.above({"a": 0.5 * slowdown, "b": 2.0}, BASELINE) == closed


def test_every_ratio_that_is_slower_is_named():
    assert gate.above({"a": 0.75, "b": 3.0}, BASELINE) == ["a", "b"]
    with pytest.raises(KeyError, match="c"):
        gate.above({"c": 1.0}, BASELINE)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([{"a": 0.5, "b": 2.0}], True),
        ([{"a": 0.9, "b": 2.0}, {"a": 0.5, "b": 4.0}], True),  # each was fine once
        ([{"a": 0.9, "b": 2.0}, {"a": 0.9, "b": 2.0}, {"a": 0.75, "b": 2.0}], False),
    ],
)
def test_only_what_is_slow_in_every_attempt_closes_it(attempts, expected):
    left, said = iter(attempts), []
    assert gate.passes(lambda: next(left), BASELINE, say=said.append) is expected
    assert next(left, None) is None
    assert any("above" in line for line in said) is (len(attempts) > 1)


@pytest.mark.slow
def test_a_contestant_that_is_slowed_by_half_is_caught_and_one_that_is_not_passes(tmp_path, monkeypatch):
    waiting(tmp_path, monkeypatch)
    baseline, said = {"made up: ours / peer": 1.0}, []
    assert gate.passes(lambda: gate.ratios_of(a_case(), 20), baseline, say=said.append), said
    assert not gate.passes(lambda: gate.ratios_of(a_case(slowdown=1.5), 20), baseline, say=said.append), said


def test_the_committed_baseline_has_the_ratios_of_the_gate():
    names = {f"{case.name}: {ratio.name}" for case in gate.cases() for ratio in case.ratios}
    baseline = json.loads(gate.BASELINE.read_text(encoding="utf-8"))
    assert set(baseline) == names
    assert all(math.isfinite(value) and value > 0 for value in baseline.values())
    slowed = {
        contestant.name
        for case in gate.cases()
        for contestant in gate.slower(case, 1.5).contestants
        if contestant.slowdown == 1.5
    }
    assert slowed == set(gate.OURS)


def test_one_that_is_missing_or_fails_leaves_the_others_alone(tmp_path, monkeypatch):
    waiting(tmp_path, monkeypatch)
    others = (
        Contestant("not installed", "no_such_module:steps"),
        Contestant("refuses", BUSY, {"what": 1}),
        Contestant("not built", BUSY, environment="neural-tangents"),
    )
    monkeypatch.setitem(children.INTERPRETERS, "neural-tangents", tmp_path / "bin" / "python")
    case = a_case()
    case = case.replaced(contestants=(*case.contestants, *others), ratios=(*case.ratios, Ratio("refuses", "ours")))
    found = outcomes.outcome(case, rounds.measure(case, 2))
    status = {name: of["status"].split(":")[0] for name, of in found["contestants"].items()}
    assert status == {
        "ours": "done",
        "peer": "done",
        "not installed": "missing",
        "refuses": "failed",
        "not built": "missing",
    }
    assert len(found["contestants"]["ours"]["seconds"]) == 2
    assert "value" in found["ratios"][0]
    assert "value" not in found["ratios"][1]
    assert run.failures({"b": {"cases": [found]}}) == [
        "b, made up, refuses: " + found["contestants"]["refuses"]["status"]
    ]
    with pytest.raises(RuntimeError, match="not installed: missing"):
        gate.ratios_of(case, 1)
    text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    known = {
        "cpu": "a",
        "cores": 2,
        "memory_GB": 1.0,
        "system": "s",
        "commit": "c",
        "changed": False,
        "date": "d e",
        "versions": {"bench": {"python": "3"}, "neural-tangents": None},
    }
    written = page.written_into(text, {"benchmarks": {"products": {"environment": known, "cases": [found]}}})
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert "| not built | missing |" in written


def test_a_ratio_is_the_median_over_the_rounds():
    measured = {"a": Measured(seconds=[1.0, 8.0, 3.0]), "b": Measured(seconds=[1.0, 2.0, 1.0])}
    assert rounds.ratio_of(measured, "a", "b") == (3.0, 1.0, 4.0)
    assert rounds.ratio_of({**measured, "b": dataclasses.replace(measured["b"], status="failed: x")}, "a", "b") is None
    assert Ratio("a", "b", at_most=3.0).holds(3.0)
    assert not Ratio("a", "b", at_least=3.0).holds(2.9)
    assert Ratio("a", "b").holds(1.0) is None


def test_every_benchmark_has_cases_whose_ratios_name_their_contestants():
    for name in run.BENCHMARKS:
        for quick in (False, True):
            for case in run.cases_of(name, quick):
                names = [contestant.name for contestant in case.contestants]
                assert len(set(names)) == len(names)
                assert all({ratio.of, ratio.over} <= set(names) for ratio in case.ratios)


def test_the_page_needs_its_markers():
    with pytest.raises(ValueError, match="once each"):
        page.written_into("no markers", {"benchmarks": {}})
    text = (run.ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text.count(page.BEGIN) == text.count(page.END) == 1


def test_a_process_tells_its_peak():
    peak = child.megabytes("VmHWM")
    assert peak is None or peak > 1
    assert child.megabytes("NoSuchField") is None
