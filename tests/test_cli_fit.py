"""`tightwidth fit`, `predict` and `score`: from files to a model, and from it to predictions and their accuracy."""

import csv
import io
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from rich.console import Console
from sklearn.datasets import dump_svmlight_file

import tightwidth as tw
from test_cli_memorize import in_process
from test_records import strict
from tightwidth import data
from tightwidth.cli import progress as progress_module
from tightwidth.cli.progress import StepProgress
from tightwidth.data.rows import RowSource
from tightwidth.estimators import DepthTwoClassifier, DepthTwoRegressor, NTKClassifier
from tightwidth.estimators.stream_fit import fit_stream
from tightwidth.records.fit import FitRecord, ScoreRecord

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # of calls in Python

M, NAMES = 200, ("height", "weight", "age")
FAST = ("--pairs", 16, "--batch-size", 32, "--passes", 3, "--dtype", "float64")


def rows(m=M, seed=0):
    """Return rows, labels that are text, and values: both are learnt easily."""
    X = np.round(np.random.default_rng(seed).standard_normal((m, 3)), 6)  # as text that is as short, the same numbers
    values = np.round(5 + 3 * X[:, 0] - 2 * X[:, 1], 6)
    return X, np.where(values > 5, "tall, or so", "short"), values


def write(path: Path, X, target, names=(*NAMES, "y")):
    """Write a file of this suffix, with the target in its last column."""
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as handle:
            out = csv.writer(handle)
            out.writerow(names)
            out.writerows([*x, t] for x, t in zip(X.tolist(), target.tolist(), strict=True))
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.table(dict(zip(names, [*X.T, target], strict=True))), path, row_group_size=64)
    elif path.suffix == ".npy":
        np.save(path, X)
        np.save(path.with_name("labels.npy"), target)
    elif path.suffix == ".npz":
        np.savez(path, X=X, y=target)
    else:
        dump_svmlight_file(X, target if target.dtype.kind == "f" else (target == "short") * 1.0, str(path))
    return path


def read_predictions(path: Path):
    """Return the columns of a file of predictions by their names."""
    if path.suffix == ".npy":
        return {"prediction": np.load(path)}
    if path.suffix == ".parquet":
        return {name: column.to_numpy() for name, column in zip(*_parts(parquet.read_table(path)), strict=True)}
    with path.open(newline="", encoding="utf-8") as handle:
        names, *lines = csv.reader(handle)
    return dict(zip(names, map(np.array, zip(*lines, strict=True)), strict=True))


def _parts(table):
    return table.column_names, table.columns


@pytest.fixture
def tightwidth(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def check_agrees(call, model, source, X, options=()):
    """Check that predictions in each format are those of the model in Python."""
    expected = tw.load(model).predict(X)
    for suffix in (".csv", ".npy", ".parquet"):
        path = Path("predictions").with_suffix(suffix)
        done = call("predict", model, source, "-o", path, *options)
        assert (done.code, done.err) == (0, "")
        assert done.out == f"wrote {len(X):,} predictions to {path}\n"
        found = read_predictions(path)["prediction"]
        np.testing.assert_array_equal(found.astype(expected.dtype), expected)
    assert not list(Path().glob("*.partial"))


class TestRoundTrips:
    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy", ".svm", ".npz"])
    @pytest.mark.parametrize("task", ["classify", "regress"])
    def test_fit_predict_score(self, tightwidth, monkeypatch, suffix, task):
        monkeypatch.setattr(RowSource, "piece_rows", property(lambda _: 64))
        X, labels, values = rows()
        path = write(Path("train").with_suffix(suffix), X, labels if task == "classify" else values)
        options = ("--labels", "labels.npy") if suffix == ".npy" else ()
        done = tightwidth("fit", path, "-o", "model.safetensors", "--task", task, *FAST, *options, "--json")
        assert (done.code, done.err) == (0, "")
        record = FitRecord.model_validate(strict(done.out))
        assert (record.n_rows, record.n_features, record.n_passes, record.n_pairs) == (M, 3, 3, 16)
        assert (record.task, record.data, record.model) == (task, str(path), "model.safetensors")
        assert 0 <= record.online_low <= record.online_mean <= record.online_high
        assert not Path("model.safetensors.checkpoint").exists()

        check_agrees(tightwidth, "model.safetensors", path, X)

        done = tightwidth("score", "model.safetensors", path, *options, "--json")
        assert (done.code, done.err) == (0, "")
        found: Any = ScoreRecord.model_validate(strict(done.out))
        model = tw.load("model.safetensors")
        if task == "classify":
            truth = (labels == "short") * 1 if suffix == ".svm" else labels
            assert found.accuracy == np.mean(model.predict(X) == truth) > 0.9
            assert found.accuracy_low < found.accuracy <= found.accuracy_high
            assert (found.r2, found.rmse) == (None, None)
        else:
            misses = model.predict(X) - values
            assert found.r2 == pytest.approx(1 - np.sum(misses**2) / np.sum((values - values.mean()) ** 2), rel=1e-12)
            assert found.rmse == pytest.approx(np.sqrt(np.mean(misses**2)), rel=1e-12)
            assert found.r2 > 0.5
            assert found.accuracy is None

    def test_the_model_is_that_of_python(self, tightwidth):
        X, labels, _ = rows()
        path = write(Path("train.csv"), X, labels)
        assert tightwidth("fit", path, "-o", "m", "--task", "classify", *FAST).code == 0
        settings = {"n_passes": 3, "dtype": "float64"}
        expected = fit_stream(DepthTwoClassifier(16, batch_size=32, random_state=0), path, **settings)
        found = tw.load("m")
        np.testing.assert_array_equal(found.decision_function(X), expected.decision_function(X))
        assert found.feature_names_in_.tolist() == list(NAMES)
        assert tightwidth("fit", path, "-o", "m", "--task", "classify", *FAST, "--seed", 1).code == 0
        assert not np.array_equal(tw.load("m").decision_function(X), expected.decision_function(X))

    def test_built_in(self, tightwidth):
        done = tightwidth("fit", "wine", "-o", "wine.safetensors", "--task", "classify", "--passes", 10)
        assert done.code == 0
        for text in ("178 rows with 13 features, 10 passes in ", "3 outputs of ", "wrong before they were learnt from"):
            assert text in done.out
        assert done.out.endswith("wrote wine.safetensors\n")
        check_agrees(tightwidth, "wine.safetensors", "wine", data.load("wine").X)
        done = tightwidth("score", "wine.safetensors", "wine")
        accuracy = np.mean(tw.load("wine.safetensors").predict(data.load("wine").X) == data.load("wine").target)
        assert done.out.startswith(f"accuracy {accuracy:.2%} on 178 rows (95%: ")

    def test_columns_in_another_order_and_with_others(self, tightwidth):
        X, labels, _ = rows()
        write(Path("train.csv"), X, labels)
        assert tightwidth("fit", "train.csv", "-o", "m", "--task", "classify", *FAST).code == 0
        expected = tw.load("m").predict(X)
        others = np.array([f"'n, {k}'" for k in range(M)])
        for suffix in (".csv", ".parquet"):
            path = Path("other").with_suffix(suffix)
            columns = {"age": X[:, 2], "name": others, "y": labels, "weight": X[:, 1], "height": X[:, 0]}
            if suffix == ".parquet":
                parquet.write_table(pyarrow.table(columns), path)
            else:
                with path.open("w", newline="", encoding="utf-8") as handle:
                    out = csv.writer(handle)
                    out.writerow(columns)
                    out.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
            check_agrees(tightwidth, "m", path, X)
            assert tightwidth("predict", "m", path, "-o", "p.npy", "--target", "y").code == 0
            np.testing.assert_array_equal(np.load("p.npy"), expected)
            found = strict(tightwidth("score", "m", path, "--json").out)
            assert found["accuracy"] == np.mean(expected == labels)

    @pytest.mark.slow
    def test_scores_beside_the_labels(self, tightwidth):
        X, labels, _ = rows()
        for name, target in (("two", labels), ("three", np.where(X[:, 2] > 1, "old", labels))):
            write(Path(f"{name}.csv"), X, target)
            assert tightwidth("fit", f"{name}.csv", "-o", name, "--task", "classify", *FAST).code == 0
            model = tw.load(name)
            scores = model.decision_function(X).reshape(M, -1)
            classes = model.classes_[1:] if name == "two" else model.classes_
            for output in ("p.csv", "p.parquet"):
                assert tightwidth("predict", name, f"{name}.csv", "-o", output, "--scores").code == 0
                found = read_predictions(Path(output))
                assert list(found) == ["prediction", *(f"score_{label}" for label in classes)]
                np.testing.assert_array_equal(found.pop("prediction"), model.predict(X))
                np.testing.assert_array_equal(np.array(list(found.values())).T.astype(float), scores)

    @pytest.mark.slow
    def test_models_that_python_fitted(self, tightwidth):
        X, labels, values = rows(60)
        write(Path("rows.npy"), X, labels)
        tw.save(NTKClassifier().fit(X, labels.astype(object)), "m")
        check_agrees(tightwidth, "m", "rows.npy", X)
        found = strict(tightwidth("score", "m", "rows.npy", "--labels", "labels.npy", "--json").out)
        assert found["accuracy"] == np.mean(tw.load("m").predict(X) == labels)
        both = np.stack([values, -values], axis=1)
        tw.save(DepthTwoRegressor(16, n_steps=50, random_state=0).fit(X, both), "m")
        assert tightwidth("predict", "m", "rows.npy", "-o", "p.csv").code == 0
        found = read_predictions(Path("p.csv"))
        assert list(found) == ["prediction_0", "prediction_1"]
        np.testing.assert_array_equal(np.array(list(found.values()), float).T, tw.load("m").predict(X))
        assert tightwidth("predict", "m", "rows.npy", "-o", "p.npy").code == 0
        np.testing.assert_array_equal(np.load("p.npy"), tw.load("m").predict(X))
        np.save("labels.npy", values)
        done = tightwidth("score", "m", "rows.npy", "--labels", "labels.npy")
        assert done.code == 2
        assert "m predicts 2 values a row; a model of one is needed to score" in done.err

    def test_labels_written_as_text_are_the_numbers(self, tightwidth):
        X, labels, _ = rows()
        target = (labels == "short") * 1
        write(Path("a.npy"), X, target)
        write(Path("a.csv"), X, target)
        write(Path("a.parquet"), X, target.astype(float))
        assert tightwidth("fit", "a.csv", "-o", "m", "--task", "classify", *FAST).code == 0
        scores = [
            strict(tightwidth("score", "m", name, *options, "--json").out)["accuracy"]
            for name, options in (("a.csv", ()), ("a.parquet", ()), ("a.npy", ("--labels", "labels.npy")))
        ]
        assert scores == [np.mean(tw.load("m").predict(X) == target)] * 3
        Path("bools.csv").write_text(
            Path("a.csv").read_text(encoding="utf-8").replace(",1\n", ",True\n").replace(",0\n", ",False\n"),
            encoding="utf-8",
        )
        write(Path("a.parquet"), X, target == 1)
        assert tightwidth("fit", "a.parquet", "-o", "m", "--task", "classify", *FAST).code == 0
        found = strict(tightwidth("score", "m", "bools.csv", "--json").out)["accuracy"]
        assert found == np.mean(tw.load("m").predict(X) == (target == 1))


class TestScore:
    @pytest.fixture
    def fitted(self, tightwidth):
        X, labels, values = rows()
        write(Path("train.csv"), X, labels)
        write(Path("values.csv"), X, values)
        assert tightwidth("fit", "train.csv", "-o", "m", "--task", "classify", *FAST).code == 0
        return tightwidth

    def test_at_least(self, fitted):
        accuracy = strict(fitted("score", "m", "train.csv", "--json").out)["accuracy"]
        for least, code in ((accuracy, 0), (math.nextafter(accuracy, 2), 1), (0, 0), (1.1, 1), ("nan", 1)):
            done = fitted("score", "m", "train.csv", "--at-least", least)
            assert (done.code, done.err) == (code, "")
            assert done.out.startswith("accuracy ")
        assert fitted("score", "m", "train.csv", "--at-least", 1.1, "--json").code == 1

    def test_a_class_that_was_never_seen_is_wrong(self, fitted):
        X, labels, _ = rows()
        before = strict(fitted("score", "m", "train.csv", "--json").out)["accuracy"]
        right = np.flatnonzero(tw.load("m").predict(X) == labels)[:7]
        labels = labels.astype("<U20")
        labels[right] = "a very new class"
        write(Path("train.csv"), X, labels)
        found = strict(fitted("score", "m", "train.csv", "--json").out)["accuracy"]
        assert found == pytest.approx(before - 7 / M, rel=1e-12)

    def test_values(self, fitted):
        X, _, values = rows()
        assert fitted("fit", "values.csv", "-o", "r", "--task", "regress", *FAST).code == 0
        done = fitted("score", "r", "values.csv", "--at-least", 0.5)
        assert done.code == 0
        assert done.out.startswith("R^2 0.")
        assert fitted("score", "r", "values.csv", "--at-least", 0.9999).code == 1
        write(Path("equal.csv"), X, 0 * values)
        done = fitted("score", "r", "equal.csv", "--at-least", -1e9)
        assert done.code == 1
        assert done.out.startswith("R^2 not defined, since all targets are equal on 200 rows, root-mean-square error ")
        assert strict(fitted("score", "r", "equal.csv", "--json").out)["r2"] is None


class TestProgress:
    def terminal(self, monkeypatch):
        screen = io.StringIO()
        monkeypatch.setattr(
            progress_module, "Console", lambda **_: Console(file=screen, force_terminal=True, width=150)
        )
        return screen

    def test_on_a_terminal_waiting_goes_on_through_many_pieces(self, monkeypatch):
        screen = self.terminal(monkeypatch)
        with StepProgress(quiet=False) as progress:
            for n in (10, 20, 30):
                progress.wait(f"{n} rows")
            progress.say("done")
            progress.wait("40 rows")
            progress.steps(1, 2, "0.5 wrong")
        assert "done" in screen.getvalue()

    def test_on_a_terminal_files_of_many_pieces_are_predicted(self, tightwidth, monkeypatch):
        X, labels, _ = rows()
        write(Path("train.csv"), X, labels)
        assert tightwidth("fit", "train.csv", "-o", "m", "--task", "classify", *FAST).code == 0
        self.terminal(monkeypatch)
        monkeypatch.setattr(RowSource, "piece_rows", property(lambda _: 20))
        assert tightwidth("predict", "m", "train.csv", "-o", "p.npy").code == 0
        assert tightwidth("score", "m", "train.csv").code == 0

    def test_a_run_that_was_taken_up_has_the_rate_of_its_own_rows(self, monkeypatch, capsys):
        clock = iter([100.0, 100.0, 110.0])
        monkeypatch.setattr("tightwidth.cli.progress.time.monotonic", lambda: next(clock))
        with StepProgress(quiet=False, unit="rows", at_most=False) as progress:
            progress.steps(9_000_000, 10_000_000, "1% wrong")
            progress.steps(9_000_500, 10_000_000, "1% wrong")
        assert "row 9,000,500 of 10,000,000, 50 rows/s, 1% wrong, 19,990 s left" in capsys.readouterr().err


@pytest.mark.slow
def test_as_a_command_of_its_own(tmp_path):
    X, labels, _ = rows()
    write(tmp_path / "train.csv", X, labels)

    def call(*arguments):
        command = [sys.executable, "-c", "from tightwidth.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = call("fit", "train.csv", "-o", "m", "--task", "classify", *FAST, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert strict(done.stdout)["n_rows"] == M
    done = call("predict", "m", "train.csv", "-o", "p.npy")
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), tw.load(tmp_path / "m").predict(X))
    done = call("score", "m", "train.csv", "--at-least", 1.1)
    assert (done.returncode, done.stderr) == (1, "")
