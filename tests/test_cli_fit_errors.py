"""Bad input to `tightwidth fit`, `predict` and `score`, full disks, changing files: one line, and nothing lost."""

import errno
import itertools
import json
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

import tightwidth as tw
from test_cli_fit import FAST, rows, write
from test_cli_memorize import in_process
from test_records import strict
from tightwidth.cli import fit_run, interrupts
from tightwidth.data import tensor_files
from tightwidth.estimators import DepthTwoClassifier, stream_fit, stream_run
from tightwidth.estimators.stream_fit import fit_stream, fit_stream_steps

FIT = ("-o", "m", "--task", "classify", *FAST)
REGRESS = ("-o", "m", "--task", "regress", *FAST)


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command in a folder with train.csv."""
    monkeypatch.chdir(tmp_path)
    write(Path("train.csv"), *rows()[:2])
    return in_process(monkeypatch, capsys)


@pytest.fixture
def refused(call):
    """Run the command, which must refuse its input, and return the line that it prints."""

    def line(*arguments):
        done = call(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("tightwidth: ")
        assert done.err.count("\n") == 1
        assert not list(Path().glob("*.partial"))
        return done.err.removeprefix("tightwidth: ").rstrip("\n")

    return line


@pytest.fixture
def fitted(call, refused):
    """Return `refused`, with a model beside train.csv."""
    assert call("fit", "train.csv", *FIT).code == 0
    return refused


def text_file(name, *lines):
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def held(path):
    """Return what a model file holds, whatever the order in its header."""
    tensors, content = tensor_files.read_tensors(path, kind="model")
    return {name: array.tolist() for name, array in tensors.items()}, content


class TestRows:
    @pytest.mark.parametrize(
        ("lines", "text"),
        [
            (["a,b,y"], "t.csv has a header and no rows; at least 2 points are needed; add them below the header"),
            (["", ""], "t.csv is empty: it has blank lines only; data with at least 2 points are needed"),
            (["a,b,y", "1,2,0"], "t.csv has 1 data rows; at least 2 are needed; give more rows"),
            (["a,b,y", "1,2,0", "3,4,0"], "t.csv: all targets are 0; at least two classes are needed; choose another"),
            (["a,b,y", "1,2,0", "3,4,"], "t.csv: the target at data row 2 is missing or infinite; every row needs one"),
            (
                ["a,b,c", "1,2,0", "3,4,1"],
                "t.csv has no column named target, label or y; its columns are a, b, c; name",
            ),
            (["1,2,0", "3,4,1"], "t.csv has 3 columns without names; one must be the target; give --target INDEX"),
            (["a,b,y", "1,2,0", "3,x,1", "5,z,0"], "t.csv, line 3, column 'b': 'x' is not a number; features must be"),
            (["a,b,y", "1,2,0", "3,,1"], "t.csv, line 3, column 'b': the field is empty; a number is needed; fill it"),
            (["a,b,y", "1,2,0", "3,4,1,1"], "t.csv, line 3: 4 fields are given and 3 are needed, as in line 1; compl"),
            (["a,b,y", "1,nan,0", "3,nan,1"], "t.csv has 1 column without a single finite value: 'b'; numbers are nee"),
            (
                ["a,b,y", "1,2,0", "3,inf,1", "nan,5,1"],
                "t.csv holds 2 NaN or infinite values in 2 of 2 columns, first in column 'b' at data row 2; finite num",
            ),
            (
                ["a,b,y", "1,2,0", "1e300,4,1"],
                "t.csv, column 'a': values run from 1 to 1e+300, whose squares leave the range of float64; rescale the",
            ),
        ],
    )
    def test_text_tables(self, refused, lines, text):
        assert refused("fit", text_file("t.csv", *lines), *FIT).startswith(text)
        assert not Path("m").exists()

    def test_values(self, refused):
        text_file("t.csv", "a,y", "1,2", "3,much")
        assert refused("fit", "t.csv", *REGRESS) == (
            "t.csv: the target 'much' at data row 2 is no number; values are needed; correct it, or fit classes "
            "(--task classify)"
        )
        text_file("t.csv", "a,y", *(f"{k},{k}" for k in range(1001)))
        assert refused("fit", "t.csv", *FIT) == (
            "t.csv: the target has more than 1000 different values in the first 1001 rows; classes are needed; give "
            "another target, or fit values (--task regress)"
        )

    def test_parquet(self, refused):
        parquet.write_table(pyarrow.table({"a": [1.0, 2], "b": ["red", "blue"], "y": [0, 1]}), "t.parquet")
        assert refused("fit", "t.parquet", *FIT).startswith(
            "t.parquet, column 'b': the values are of type string, first 'red' at data row 1; features must be numbers"
        )
        parquet.write_table(pyarrow.table({"a": [1.0, 2], "b": [None, 5.0], "y": [0, 1]}), "t.parquet")
        assert "first in column 'b' at data row 1" in refused("fit", "t.parquet", *FIT)

    @pytest.mark.slow
    @pytest.mark.parametrize("standardize", ["--standardize", "--no-standardize"])
    def test_huge_float32(self, call, standardize):
        X, labels, _ = rows()
        X = X.astype(np.float32)
        X[3, 1] = 3e38
        write(Path("t.npy"), X, labels)
        done = call("fit", "t.npy", "--labels", "labels.npy", *FIT, "--dtype", "float32", standardize, "--json")
        assert (done.code, done.err) == (0, "")  # it is in the range of float64, in which columns are measured
        assert np.isfinite(strict(done.out)["online_mean"])
        assert np.isfinite(tw.load("m").decision_function(X)).all()

    def test_files(self, refused):
        assert (
            refused("fit", "none.csv", *FIT) == "there is no file none.csv; an existing file is needed; check the path"
        )
        Path("t.csv").touch()
        assert refused("fit", "t.csv", *FIT).startswith("t.csv is empty; data with at least 2 points are needed")
        text = "train.csv has no column named 'kind'; its columns are height, weight, age, y; give --target"
        assert refused("fit", "train.csv", *FIT, "--target", "kind").startswith(text)
        assert refused("fit", "train.csv", *FIT, "--labels", "train.csv").startswith(
            "--labels (labels= in Python) is for"
        )
        assert refused("fit", "wine", *FIT, "--target", "y").startswith("wine is built in and has its own labels")


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value", "text"),
        [
            ("--task", "sort", "--task sort is unknown; give classify for labels, or regress for values"),
            ("--dtype", "float16", "--dtype float16 is unknown; known: float32, float64"),
            ("--iterate", "best", "--iterate best is unknown; known: auto, average, last, random"),
            ("--loss", "cross", "unknown loss 'cross'; known: hinge"),
            ("--activation", "rel", "unknown activation 'rel' (did you mean relu?); known: relu"),
            ("--class-weight", "even", "--class-weight even is for --task classify, and balanced is the only one"),
            ("--on-sphere", "no", "--on-sphere no is unknown; known: "),
            ("--passes", "0", "--passes 0 must be 'auto' or a whole number of at least 1"),
            ("--passes", "x", "Invalid value for '--passes': 'x' is neither auto nor a whole number"),
            ("--buffer-rows", "-1", "--buffer-rows -1 must be 'auto' or a whole number of at least 1"),
            ("--checkpoint-seconds", "nan", "--checkpoint-seconds nan must be a number of at least 0"),
            ("--pairs", "0", "--pairs 0 must be 'auto' or a whole number of at least 1"),
            ("--epsilon", "-1", "--epsilon -1.0 must be a number above 0"),
            ("--seed", "-1", "--seed -1 must be a whole number from 0 to 4294967295"),
            ("-o", "no/m", "no/m cannot be written: there is no folder no; give a file"),
            ("-o", ".", ". cannot be written: it is a folder; give a file"),
            ("-o", "train.csv", "DATA train.csv would be overwritten; give --output another file"),
            ("-o", "folder/../train.csv", "DATA train.csv would be overwritten; give --output another file"),
            ("--checkpoint", "train.csv", "DATA train.csv would be overwritten; give --output another file"),
            ("--checkpoint", "m", "--output and --checkpoint are one file, m; give two"),
        ],
    )
    def test_of_fit(self, refused, option, value, text):
        Path("folder").mkdir()
        before = Path("train.csv").read_bytes()
        assert refused("fit", "train.csv", *FIT, option, value).startswith(text)
        assert Path("train.csv").read_bytes() == before
        assert not Path("m").exists()

    def test_labels_are_not_overwritten(self, refused):
        write(Path("t.npy"), *rows()[:2])
        text = refused("fit", "t.npy", *FIT, "-o", "labels.npy", "--labels", "labels.npy")
        assert text == "--labels labels.npy would be overwritten; give --output another file"

    def test_values_have_no_class_weight(self, refused):
        assert refused("fit", "train.csv", *REGRESS, "--class-weight", "balanced").startswith(
            "--class-weight balanced is"
        )

    def test_of_predict(self, fitted):
        predict = ("predict", "m", "train.csv", "-o")
        text = "--output p.txt has the suffix '.txt'; give a .csv, .npy, .parquet file"
        assert fitted(*predict, "p.txt") == text
        text = "--scores needs columns with names, which p.npy cannot hold; give a .csv or .parquet file"
        assert fitted(*predict, "p.npy", "--scores") == text
        Path("folder").mkdir()
        for name in ("train.csv", "./train.csv", "folder/../train.csv"):
            assert fitted(*predict, name) == "DATA train.csv would be overwritten; give --output another file"
        assert fitted(*predict, "no/p.csv").startswith("no/p.csv cannot be written: there is no folder no")

    def test_models_of_values_have_no_scores(self, call, refused):
        write(Path("v.csv"), rows()[0], rows()[2])
        assert call("fit", "v.csv", *REGRESS).code == 0
        assert refused("predict", "m", "v.csv", "-o", "p.csv", "--scores").startswith(
            "--scores is for models that clas"
        )


class TestModels:
    def test_columns_of_another_table(self, fitted):
        text_file("t.csv", "height,age,y", "1,2,short", "3,4,short")
        for arguments in (("score", "m", "t.csv"), ("predict", "m", "t.csv", "-o", "p.csv")):
            assert fitted(*arguments) == (
                "t.csv lacks 1 of the 3 columns of the model: weight; its columns are height, age; give the columns of "
                "the fit"
            )
        np.save("t.npy", np.ones((5, 4)))
        assert fitted("predict", "m", "t.npy", "-o", "p.csv").startswith(
            "t.npy has 4 feature columns and the model 3; give the columns of the fit, and name the target, if there "
            "is one, with --target"
        )
        text_file("t.svm", "1 1:2 4:5", "0 1:1")
        assert fitted("score", "m", "t.svm").startswith("t.svm has the index 4, and 3 features are needed")

    def test_rows_that_cannot_be_predicted(self, fitted):
        X = rows()[0]
        X[150, 1] = np.nan
        np.save("t.npy", X)
        assert fitted("predict", "m", "t.npy", "-o", "p.csv") == (
            "t.npy holds 1 NaN or infinite value in 1 of 3 columns, first in column 'x1' at data row 151; finite "
            "numbers are needed; remove these rows or fill the values in"
        )
        assert not Path("p.csv").exists()
        np.save("t.npy", X[:0])
        assert fitted("predict", "m", "t.npy", "-o", "p.csv") == "t.npy has no rows; at least 1 is needed; give more"
        np.save("labels.npy", np.empty(0))
        text = fitted("score", "m", "t.npy", "--labels", "labels.npy")
        assert text == "t.npy has no rows; at least 1 is needed; give more"

    def test_files_that_are_no_models(self, fitted):
        predict = ("predict", "m", "train.csv", "-o", "p.csv")
        data = Path("m").read_bytes()
        for changed in (data[:-1], data[: len(data) // 2], data[:-1] + bytes([data[-1] ^ 1])):
            Path("m").write_bytes(changed)
            assert fitted(*predict).startswith("m is damaged: it was truncated or altered after it had been written")
        Path("m").write_bytes(b"")
        assert fitted(*predict).startswith("m is not a file of tightwidth; a model that tightwidth wrote is needed")
        Path("m").unlink()
        assert fitted(*predict).startswith(
            "m cannot be read (No such file or directory); a model that tightwidth wrote"
        )

    def test_newer_models_and_checkpoints(self, call, fitted, monkeypatch):
        with monkeypatch.context() as other:
            other.setattr(tensor_files, "FORMAT", 99)
            assert call("fit", "train.csv", *FIT, "-o", "newer").code == 0
        text = fitted("score", "newer", "train.csv")
        assert text.startswith("newer was written by tightwidth ")
        assert "in format 99" in text
        fit_stream(DepthTwoClassifier(16, random_state=0), "train.csv", n_passes=1, checkpoint="c")
        text = "c is a checkpoint and a model is needed; give another file"
        assert fitted("score", "c", "train.csv") == text
        assert fitted("fit", "train.csv", *FIT, "--checkpoint", "train.csv").startswith("DATA train.csv would be")
        text = "m is a model and a checkpoint is needed; give another file"
        assert fitted("fit", "train.csv", *FIT, "-o", "other", "--checkpoint", "m") == text

    @pytest.mark.slow
    def test_what_predicts_nothing(self, refused):
        tw.save(tw.memorize(rows()[0], (rows()[1] == "short") * 2.0 - 1, n_pairs=16, n_steps=9), "r")
        assert refused("score", "r", "train.csv").startswith(
            "r holds a MemorizeResult, which predicts no labels or val"
        )


class TestCheckpoints:
    def stopped(self, monkeypatch, call, *options):
        """Run a fit that is interrupted after its first chunk, and return what it printed."""
        monkeypatch.setattr(stream_run, "SECONDS_A_LOOK", -1)
        monkeypatch.setattr(stream_fit, "SECONDS_A_LOOK", 60)
        with monkeypatch.context() as here:
            here.setattr(interrupts, "check", self.interrupt)
            return call("fit", "train.csv", *FIT, *options)

    @staticmethod
    def interrupt():
        raise KeyboardInterrupt

    @pytest.fixture(autouse=True)
    def no_exit(self, monkeypatch):
        def leave(code):
            raise SystemExit(code)

        monkeypatch.setattr(os, "_exit", leave)

    def test_a_stopped_fit_goes_on_to_the_same_model(self, call, monkeypatch):
        assert call("fit", "train.csv", *FIT, "-o", "whole").code == 0
        done = self.stopped(monkeypatch, call)
        assert done.code == 130
        assert "interrupted; m.checkpoint keeps how far the run is: the same command goes on from there" in done.err
        assert not Path("m").exists()
        done = call("fit", "train.csv", *FIT)
        assert done.code == 0
        assert done.err.startswith("going on from m.checkpoint\n")
        assert not Path("m.checkpoint").exists()
        assert held("m") == held("whole")

    def test_the_rate_of_a_fit_that_went_on_is_that_of_the_rows_it_learnt_from(self, call, monkeypatch):
        def with_rates(*given, **settings):
            with closing(fit_stream_steps(*given, **settings)) as steps:
                for rate in itertools.count(100.0):
                    try:
                        event = next(steps)
                    except StopIteration as end:
                        return end.value
                    rates.append(rate)
                    yield event._replace(rows_per_second=rate)

        monkeypatch.setattr(fit_run, "fit_stream_steps", with_rates)
        rates = []
        assert self.stopped(monkeypatch, call).code == 130
        seen = json.loads(call("fit", "train.csv", *FIT, "--json").out)
        assert seen["rows_per_second"] == rates[-1]
        seen = json.loads(call("fit", "train.csv", *FIT, "--json").out)
        assert seen["rows_per_second"] == pytest.approx(seen["n_rows"] * seen["n_passes"] / seen["seconds"])

    def test_of_another_job(self, call, refused, monkeypatch):
        assert self.stopped(monkeypatch, call).code == 130
        before = Path("m.checkpoint").read_bytes()
        text = refused("fit", "train.csv", *FIT, "--pairs", 8, "--epsilon", 0.2, "--passes", 4)
        assert text == (
            "m.checkpoint belongs to another job (epsilon 0.1 instead of 0.2, n_pairs 16 instead of 8, n_passes 3 "
            "instead of 4); give the same settings to go on with it, or begin anew with --anew (anew=True in Python), "
            "which overwrites it"
        )
        X, labels, _ = rows()
        write(Path("other.csv"), X + 1, labels)
        assert "belongs to another job (other rows); give the same" in refused("fit", "other.csv", *FIT)
        assert Path("m.checkpoint").read_bytes() == before
        assert call("fit", "other.csv", *FIT, "--anew").code == 0

    def test_of_the_same_rows_elsewhere(self, call, monkeypatch):
        assert self.stopped(monkeypatch, call).code == 130
        Path("train.csv").rename("moved.csv")
        assert "going on from" in call("fit", "moved.csv", *FIT).err

    def test_damaged(self, call, refused, monkeypatch):
        assert self.stopped(monkeypatch, call).code == 130
        data = Path("m.checkpoint").read_bytes()
        Path("m.checkpoint").write_bytes(data[:-1])
        assert refused("fit", "train.csv", *FIT).startswith("m.checkpoint is damaged: it was truncated or altered")


class TestFullDisks:
    @staticmethod
    def full(monkeypatch, is_full):
        """Let files be full, told by what is being written beside its place."""
        sync = os.fsync

        def fsync(descriptor):
            if is_full({path.name for path in Path().glob("*.partial")}):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    def test_checkpoints(self, call, monkeypatch):
        assert call("fit", "train.csv", *FIT, "-o", "whole").code == 0
        seen = []

        def second_and_later(names):
            if "m.checkpoint.partial" in names:
                seen.append(Path("m.checkpoint").read_bytes() if Path("m.checkpoint").exists() else None)
            return len(seen) > 1 and "m.checkpoint.partial" in names

        self.full(monkeypatch, second_and_later)
        done = call("fit", "train.csv", *FIT, "--checkpoint-seconds", 0)
        assert done.code == 0
        assert set(done.err.splitlines()) == {  # a slow run says it again after a while
            "note: m.checkpoint cannot be written (No space left on device); the file that was there before is kept; "
            "free some space, or give another path; the run goes on and tries again later"
        }
        assert len(seen) > 2
        assert seen[0] is None
        assert seen[1] is not None
        assert set(seen[1:]) == {seen[1]}  # the old one is kept
        assert held("m") == held("whole")

    def test_the_model(self, call, refused, monkeypatch):
        assert call("fit", "train.csv", *FIT, "-o", "whole").code == 0
        with monkeypatch.context() as here:
            self.full(here, lambda names: "m.partial" in names)
            text = refused("fit", "train.csv", *FIT)
        assert text == "m cannot be written (No space left on device); free some space, or give another path"
        assert Path("m.checkpoint").exists()
        monkeypatch.setattr(stream_run.StreamRun, "_next", None)  # no step is run again
        done = call("fit", "train.csv", *FIT, "--json")
        assert (done.code, done.err) == (0, "")
        assert held("m") == held("whole")
        assert not Path("m.checkpoint").exists()
        assert json.loads(done.out)["n_passes"] == 3

    def test_predictions(self, fitted, monkeypatch):
        text_file("p.csv", "before")

        def replace(_path, _target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as here:
            here.setattr(Path, "replace", replace)
            text = fitted("predict", "m", "train.csv", "-o", "p.csv")
        assert text == "the output cannot be written (No space left on device); give it another place"
        assert Path("p.csv").read_text(encoding="utf-8") == "before\n"


class TestFilesThatChange:
    CHANGED = (
        "train.csv has changed since it was first read; every pass must see the same rows; put the file back to go on, "
        "or begin again"
    )

    def after_the_survey(self, monkeypatch, change):
        begin = stream_run.StreamRun._begin

        def begun(run):
            change()
            return begin(run)

        monkeypatch.setattr(stream_run.StreamRun, "_begin", begun)

    def test_between_the_survey_and_a_pass(self, refused, monkeypatch):
        def longer():
            with Path("train.csv").open("a", encoding="utf-8") as handle:
                handle.write("1,2,3,short\n")

        self.after_the_survey(monkeypatch, longer)
        assert refused("fit", "train.csv", *FIT) == self.CHANGED
        assert not Path("m").exists()

    def test_of_equal_size_and_time(self, refused, monkeypatch):
        def exchanged():
            before = Path("train.csv").stat()
            Path("train.csv").write_bytes(Path("train.csv").read_bytes().replace(b"3", b"4"))
            os.utime("train.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
            assert Path("train.csv").stat().st_mtime_ns == before.st_mtime_ns
            assert Path("train.csv").stat().st_size == before.st_size

        self.after_the_survey(monkeypatch, exchanged)
        assert refused("fit", "train.csv", *FIT) == self.CHANGED

    def test_gone(self, refused, monkeypatch):
        self.after_the_survey(monkeypatch, lambda: Path("train.csv").unlink())
        assert refused("fit", "train.csv", *FIT) == (
            "train.csv cannot be read any more (No such file or directory); put the file back to go on"
        )


def test_a_rate_that_is_too_large(refused):
    write(Path("v.csv"), rows()[0], rows()[2])
    options = ("--loss", "squared", "--learning-rate", "1e30", "--checkpoint-seconds", 0)
    for extra in ((), ("--json",)):
        for arguments in (("v.csv", *REGRESS), ("train.csv", *FIT)):
            text = refused("fit", *arguments, *options, *extra)
            assert text == "the loss is not finite: the rate was too large; give a smaller --learning-rate, or auto"
            assert {path.name for path in Path().iterdir()} == {"v.csv", "train.csv"}
