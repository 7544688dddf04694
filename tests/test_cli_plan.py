"""tightwidth plan: the table, the JSON object, the figure, and memorize --plan."""

import json

import numpy as np
import pytest

from test_cli_memorize import in_process
from tightwidth.plots.plan import draw
from tightwidth.records.plan import PlanRecord


@pytest.fixture
def tightwidth(monkeypatch, capsys):
    return in_process(monkeypatch, capsys)


@pytest.mark.slow
def test_a_plan_runs_as_it_is(tightwidth, tmp_path):
    path, figure = tmp_path / "plan[red].json", tmp_path / "plan.png"  # no markup
    options = ("--points", "96", "--dim", "8", "--loss", "perceptron", "--epsilon", "0.1", "--seed", "4")
    done = tightwidth("plan", *options, "-o", str(path), "--plot", str(figure))
    for name in ("theorem", "certified", "rank", "Cover", "critical batch size", "dominates", "theorem at"):
        assert name in done.out
    assert "certified by about" in done.err
    assert f"wrote {path}" in done.out
    assert figure.read_bytes().startswith(b"\x89PNG")
    record = PlanRecord.model_validate_json(path.read_text())
    done = tightwidth("memorize", "--plan", str(path), "--json")
    result = json.loads(done.out)
    assert done.code == 0
    for name in ("n_samples", "n_features", "n_pairs", "batch_size", "learning_rate", "loss", "epsilon", "seed"):
        assert result[name] == getattr(record, name), name
    assert result["n_steps_planned"] == record.n_steps
    assert result["certified_fraction"] >= 0.9


def test_to_learn_from_numbers_as_json(tightwidth):
    done = tightwidth("plan", "--goal", "learn", "--norm", "4", "--epsilon", "0.5", "--no-calibrate", "--json")
    assert done.err == ""
    record = PlanRecord.model_validate_json(done.out)
    assert (record.goal, record.data, record.n_samples, record.norm) == ("learn", "numbers", None, 4.0)
    (axes,) = draw(record).axes
    drawn = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.get_lines()}
    theorem = next(row for row in record.rows if row.name == "theorem")
    assert drawn["theorem"] == [[theorem.n_pairs, theorem.n_steps]]
    assert drawn["Theorem 10, other shares of ε"] == [list(map(float, point)) for point in record.frontier]


@pytest.mark.slow
def test_to_learn_from_data(tightwidth):
    done = tightwidth("plan", "wine", "--positive", "0", "--goal", "learn", "--epsilon", "0.3", "--no-calibrate")
    assert "a ridge fit of that norm has loss" in done.out
    assert "Theorem 5: within 0.3" in done.out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--goal", "learn"), "--norm is missing: to learn without DATA, give --dim and --norm"),
        (("--goal", "learn", "--norm", "3", "--points", "9"), "--points has no use in learning from numbers"),
        (("--loss", "squared"), "is not Lipschitz"),
        (("--dtype", "banana"), "--dtype banana needs DATA to apply to"),
        (("--target", "a"), "--target a needs DATA"),
        (("--plot", "x.txt"), "give a .png, .pdf or .svg file"),
    ],
)
def test_bad_input_is_told_in_one_line(tightwidth, options, text):
    done = tightwidth("plan", *options)
    assert (done.code, done.out) == (2, "")
    assert text in done.err
    assert done.err.count("\n") == 1


def test_a_plan_of_other_data_is_not_run_on_random_points(tightwidth, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"data": "wine", "goal": "memorize", "n_pairs": 3, "n_steps": 5}))
    done = tightwidth("memorize", "--plan", str(path))
    assert done.code == 2
    assert "is for wine; give that DATA" in done.err
    path.write_text(json.dumps({"data": "random points", "n_pairs": 3, "n_steps": 5, "n_samples": "100"}))
    done = tightwidth("memorize", "--plan", str(path))
    assert done.code == 2
    assert "has '100' for --points; a whole number is needed there" in done.err
    path.write_text(json.dumps({"data": "numbers", "goal": "learn", "n_pairs": 3, "n_steps": 5}))
    done = tightwidth("memorize", "--plan", str(path))
    assert done.code == 2
    assert "is for learning" in done.err
    path.write_text(json.dumps({"data": "random points", "goal": "memorize", "chosen": None, "n_pairs": None}))
    done = tightwidth("memorize", "--plan", str(path))
    assert done.code == 2
    assert "certifies no width for its epsilon" in done.err
