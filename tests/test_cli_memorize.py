"""`tightwidth memorize`: what it prints, writes and returns, run in this process; twice as a command of its own."""

import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tightwidth as tw
from test_records import CONTRACT, strict
from tightwidth import cli, data, sphere

M, D = 32, 8
FIXED = ("--pairs", "12", "--steps", "1500", "--batch-size", "4", "--learning-rate", "3")
VARYING = ("seconds", "seconds_compile", "data")


@dataclass
class Done:
    """Hold how a command ended and what it printed."""

    code: Any
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Return the one JSON object on standard output, which is all that was printed."""
        assert self.err == ""
        return strict(self.out)

    def numbers(self) -> dict[str, Any]:
        """Return what is the same from run to run."""
        return {name: value for name, value in self.json().items() if name not in VARYING}


def table():
    """Return points, two-valued labels and a target of three classes."""
    rng = np.random.default_rng(3)
    y = rng.choice([-1, 1], M)
    return rng.standard_normal((M, D)), y, np.where(y > 0, "cat", rng.choice(["dog", "emu"], M))


def write_csv(path, X, name, last):
    rows = [",".join([*map(repr, x.tolist()), str(value)]) for x, value in zip(X, last, strict=True)]
    header = ",".join([*(f"x{j}" for j in range(X.shape[1])), name])
    path.write_text("\n".join([header, *rows]), encoding="utf-8")


def in_process(monkeypatch, capsys):
    """Return a function that runs the command in this process."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["tightwidth", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Done(end.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def tightwidth(monkeypatch, capsys, tmp_path):
    """Run the command in a folder with files of the same data in many forms."""
    monkeypatch.chdir(tmp_path)
    X, y, kinds = table()
    np.savez("points.npz", X=X, y=y)
    np.save("points.npy", X)
    np.savetxt("labels.txt", y, fmt="%d")
    write_csv(tmp_path / "two.csv", X, "label", y)
    write_csv(tmp_path / "three.csv", X, "kind", kinds)
    return in_process(monkeypatch, capsys)


class TestJson:
    def test_one_object_and_nothing_else(self, tightwidth):
        done = tightwidth("memorize", "points.npz", *FIXED, "--json")
        fields = done.json()
        assert done.code == 0
        for name, kind in CONTRACT.items():
            assert isinstance(fields[name], kind), name
        assert (fields["data"], fields["n_samples"], fields["n_features"]) == ("points.npz", M, D)
        assert (fields["n_pairs"], fields["n_parameters"]) == (12, 2 * 12 * (D + 1))
        assert (fields["output_scale"], fields["dtype"], fields["stopped"]) == ("inf", "float32", "no_gradient")

    def test_the_numbers_are_those_of_the_library(self, tightwidth):
        X, y, _ = table()
        X = sphere.project(data.standardize(X)).astype(np.float32)
        result = tw.memorize(X, y, n_pairs=12, n_steps=1500, batch_size=4, learning_rate=3.0, seed=5)
        fields = tightwidth("memorize", "points.npz", *FIXED, "--json", "--seed", 5).json()
        for name in set(CONTRACT) & set(vars(result)) - {*VARYING, "output_scale"}:
            assert fields[name] == getattr(result, name), name

    def test_exit_status_1_if_the_goal_was_missed(self, tightwidth):
        short = ("memorize", "points.npz", *FIXED, "--steps", 8)
        missed = tightwidth(*short, "--json")
        assert missed.code == 1
        assert missed.json()["fraction_memorized_last"] < 1
        lenient = tightwidth(*short, "--target-fraction", 0.1, "--json")
        assert lenient.code == 0
        assert lenient.numbers() == missed.numbers() | {"target_fraction": 0.1}

    def test_stop_at_the_target(self, tightwidth):
        fields = tightwidth(
            "memorize", "points.npz", *FIXED, "--stop", "target", "--target-fraction", 0.7, "--json"
        ).json()
        assert fields["stopped"] == "target"
        assert fields["fraction_memorized_last"] >= 0.7
        assert fields["n_steps"] < 1500


class TestReport:
    def test_rows_landmarks_and_progress(self, tightwidth):
        done = tightwidth("memorize", "points.npz", *FIXED)
        assert done.code == 0
        lines = done.out.splitlines()
        (theorem,) = (line for line in lines if line.startswith("theorem"))
        (certified,) = (line for line in lines if line.startswith("certified"))
        (observed,) = (line for line in lines if line.startswith("observed"))
        assert "worst case" in theorem
        assert "216" in certified
        assert observed.replace("│", " ").split()[:4] == ["observed", "12", "216", "6.75"]
        assert "100.00% memorized" in observed
        assert "landmarks   q d = m/2 at 2.0 pairs, q d = m at 4.0 pairs" in done.out
        assert "no point has a gradient any more after" in done.out
        assert "the width was given" in done.out
        assert done.err.startswith("points.npz: 32 points in 8 dimensions\n")
        assert "running 12 pairs for at most 1,500 steps of 4 points, learning rate 3" in done.err

    @pytest.mark.slow
    def test_finite_output_scale(self, tightwidth):
        done = tightwidth("memorize", "points.npz", *FIXED, "--output-scale", 10)
        assert "could have in the steps run; for all planned steps the certificate holds from B = " in done.out
        assert "from their linearisation" in done.out
        assert "guaranteed  none; gates of the sample can flip at output_scale=10" in done.out


class TestFiles:
    def test_output_is_what_json_prints(self, tightwidth):
        done = tightwidth("memorize", "points.npz", *FIXED, "--json", "-o", "run.json")
        assert Path("run.json").read_text(encoding="utf-8") == done.out
        report = tightwidth("memorize", "points.npz", *FIXED, "--output", "again.json")
        assert report.out.splitlines()[-1] == "wrote again.json"
        again = strict(Path("again.json").read_text(encoding="utf-8"))
        assert {k: v for k, v in again.items() if k not in VARYING} == done.numbers()

    @pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
    def test_plot(self, tightwidth, suffix, magic):
        done = tightwidth("memorize", "points.npz", *FIXED, "--json", "--plot", f"figure.{suffix}")
        assert done.code == 0
        assert strict(done.out)["data"] == "points.npz"
        assert Path(f"figure.{suffix}").read_bytes().startswith(magic)

    @pytest.mark.slow
    def test_a_run_is_a_plan(self, tightwidth):
        free = ("memorize", "points.npz", "--json", "--loss", "perceptron")
        first = tightwidth(*free, "--batch-size", 4, "--pairs", 12, "-o", "run.json")
        assert first.json()["n_steps"] < first.json()["n_steps_planned"]  # the plan takes the second
        same = tightwidth("memorize", "points.npz", "--json", "--plan", "run.json")
        assert same.numbers() == first.numbers()
        other = tightwidth("memorize", "points.npz", "--json", "--plan", "run.json", "--steps", 40)
        assert other.json()["n_steps_planned"] == 40  # the command line goes first
        assert other.json()["loss"] == "perceptron"


class TestData:
    @pytest.mark.slow
    def test_the_same_data_in_other_files(self, tightwidth):
        npz = tightwidth("memorize", "points.npz", *FIXED, "--json").numbers()
        # the target column is called label, which is looked for
        assert tightwidth("memorize", "two.csv", *FIXED, "--json").numbers() == npz
        assert tightwidth("memorize", "two.csv", *FIXED, "--json", "--target", D).numbers() == npz
        assert tightwidth("memorize", "points.npy", "--labels", "labels.txt", *FIXED, "--json").numbers() == npz
        positive = tightwidth("memorize", "three.csv", "--target", "kind", "--positive", "cat", *FIXED, "--json")
        assert positive.numbers() == npz

    def test_random_labels_keep_the_points(self, tightwidth):
        X, y, _ = table()
        drawn = data.random_labels(M, 7)
        assert (drawn != y).any()
        np.savez("drawn.npz", X=X, y=drawn)
        expected = tightwidth("memorize", "drawn.npz", *FIXED, "--json", "--seed", 7)
        done = tightwidth("memorize", "three.csv", "--target", "kind", "--random-labels", *FIXED, "--json", "--seed", 7)
        assert done.numbers() == expected.numbers()
        assert done.json()["data"] == "three.csv, random labels"

    @pytest.mark.slow
    def test_columns_are_standardised_unless_told_otherwise(self, tightwidth):
        X, y, _ = table()
        np.savez("shifted.npz", X=5 + X * np.arange(1, D + 1), y=y)
        standard = tightwidth("memorize", "points.npz", *FIXED, "--json").numbers()
        shifted = tightwidth("memorize", "shifted.npz", *FIXED, "--json").numbers()
        assert shifted["R"] == pytest.approx(standard["R"], rel=1e-5)
        unchanged = tightwidth("memorize", "shifted.npz", *FIXED, "--json", "--no-standardize").numbers()
        assert unchanged["R"] > 1.2 * standard["R"]

    def test_a_bias_makes_a_zero_row_legal(self, tightwidth):
        X, y, _ = table()
        X[4] = 0
        np.savez("zero.npz", X=X[:, :-1], y=y)
        done = tightwidth("memorize", "zero.npz", "--no-standardize", "--on-sphere", "bias", *FIXED, "--json")
        assert done.json()["n_features"] == D

    @pytest.mark.slow
    def test_random_points_in_both_precisions(self, tightwidth):
        points = ("memorize", "--points", M, "--dim", D, *FIXED, "--json")
        single, double = tightwidth(*points).json(), tightwidth(*points, "--dtype", "float64").json()
        assert (single["data"], single["n_samples"], single["n_features"]) == ("random points", M, D)
        assert (single["dtype"], double["dtype"]) == ("float32", "float64")
        assert single["R"] == pytest.approx(double["R"], rel=1e-6)
        assert single["random_iterate_step"] == double["random_iterate_step"]
        assert tightwidth(*points, "--seed", 1).json()["R"] != single["R"]


class TestAsACommand:
    command = shutil.which("tightwidth", path=str(Path(sys.executable).parent))

    def run(self, *arguments, cwd):
        assert self.command is not None
        done = subprocess.run([self.command, *arguments], capture_output=True, text=True, cwd=cwd, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def test_a_run(self, tmp_path, tightwidth):
        arguments = ("memorize", "--points", str(M), "--dim", str(D), *FIXED, "--json")
        done = self.run(*arguments, cwd=tmp_path)
        assert done.code == 0
        assert done.numbers() == tightwidth(*arguments).numbers()

    def test_bad_input(self, tmp_path):
        done = self.run("memorize", "nowhere.csv", cwd=tmp_path)
        text = "tightwidth: there is no file nowhere.csv; an existing file is needed; check the path\n"
        assert (done.code, done.out, done.err) == (2, "", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine"])
def test_the_built_in_sets_are_memorized_with_random_labels(tightwidth, name):
    done = tightwidth("memorize", name, "--random-labels", "--loss", "perceptron", "--json")
    assert done.code == 0
    assert done.json()["fraction_memorized_last"] == 1
    assert done.json()["certified_fraction"] >= 0.95
    assert math.isclose(done.json()["target_fraction"], 1)
