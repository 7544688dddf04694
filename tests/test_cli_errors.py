"""Bad input: exit status 2, nothing on standard output, and one line that says what is wrong and what to do."""

import re
from pathlib import Path

import numpy as np
import pytest

from test_cli_memorize import in_process, write_csv

RANDOM = ("memorize", "--points", 32, "--dim", 8)
FILE = ("memorize", "data.npz", "--no-standardize")
KNOWN_ACTIVATIONS = (
    "known: relu, leaky_relu, abs, elu, selu, softplus, tanh, sigmoid, hard_tanh, erf, gelu, silu, sin, cos, identity"
)
KNOWN_LOSSES = "known: hinge, perceptron, logistic, absolute, huber, squared"


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Run the command, which must refuse its input, and return the line that it prints."""
    monkeypatch.chdir(tmp_path)
    call = in_process(monkeypatch, capsys)

    def line(*arguments):
        done = call(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("tightwidth: ")
        assert done.err.count("\n") == 1
        assert done.err.endswith("\n")
        return done.err.removeprefix("tightwidth: ").rstrip("\n")

    return line


def points(m=32, d=8):
    """Return points in general position and labels of both signs."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)


class TestFiles:
    def test_missing(self, refused):
        text = "there is no file nowhere.csv; an existing file is needed; check the path"
        assert refused("memorize", "nowhere.csv") == text
        assert re.match(
            r"'digit' is neither a built-in data set nor a file; give one of digits, breast_cancer, wine, or a file "
            r"with suffix \.npz, \.npy, \.csv, \.parquet, \.svm",
            refused("memorize", "digit"),
        )

    def test_what_is_read_is_not_overwritten(self, refused):
        X, y = points()
        write_csv(Path("data.csv"), X, "y", y)
        before = Path("data.csv").read_bytes()
        text = "DATA data.csv would be overwritten; give --output another file"
        assert refused("memorize", "data.csv", "-o", "./data.csv") == text
        assert refused("plan", "data.csv", "-o", "data.csv") == text
        assert Path("data.csv").read_bytes() == before
        Path("plan.json").write_text('{"n_pairs": 3}', encoding="utf-8")
        text = "--plan plan.json would be overwritten; give --output another file"
        assert refused(*RANDOM, "--plan", "plan.json", "-o", "plan.json") == text
        text = "--labels y.npy would be overwritten; give --output another file"
        assert refused("memorize", "x.npy", "--labels", "y.npy", "-o", "y.npy") == text

    def test_unreadable(self, refused):
        Path("data.npz").write_bytes(b"PK\x03\x04 and no more")
        assert re.match(r"data\.npz was not written by NumPy, or was cut off; .* np\.savez", refused(*FILE))
        Path("data.csv").write_bytes(b"a,y\n\xff\xfe,1\n")
        text = "data.csv is not UTF-8 text; a text table is needed; save the file as UTF-8"
        assert refused("memorize", "data.csv") == text
        Path("folder.csv").mkdir()
        text = "folder.csv is a directory; a file is needed; give one of the files in it"
        assert refused("memorize", "folder.csv") == text
        Path("data.xls").write_bytes(b"x")
        assert refused("memorize", "data.xls").startswith("data.xls has the suffix '.xls'; one of .npz, .npy, .csv")

    def test_empty(self, refused):
        Path("data.csv").touch()
        text = "data.csv is empty; data with at least 2 points are needed; write the file again"
        assert refused("memorize", "data.csv") == text
        Path("data.csv").write_text("a,b,y\n", encoding="utf-8")
        assert refused("memorize", "data.csv").startswith("data.csv has a header and no rows; at least 2 points")

    def test_unknown_target(self, refused):
        write_csv(Path("data.csv"), *points()[:1], "kind", points()[1])
        assert refused("memorize", "data.csv", "--target", "sort").startswith(
            "data.csv has no column named 'sort'; its columns are x0, x1, x2, x3, x4, x5, x6, x7, kind; give --target"
        )
        assert "no column named target, label or y" in refused("memorize", "data.csv")

    def test_files_to_write(self, refused):
        text = "--plot figure.gif has the suffix '.gif'; give a .png, .pdf or .svg file"
        assert refused(*RANDOM, "--plot", "figure.gif") == text
        text = "no/run.json cannot be written: there is no folder no; give a file"
        assert refused(*RANDOM, "-o", "no/run.json") == text
        assert refused(*RANDOM, "-o", ".") == ". cannot be written: it is a folder; give a file"

    @pytest.mark.parametrize("text", ["not JSON", "[]", "{}", '{"other": 1}'])
    def test_plans_without_a_plan(self, refused, text):
        Path("plan.json").write_text(text, encoding="utf-8")
        line = refused(*RANDOM, "--plan", "plan.json")
        why = "is not JSON" if text == "not JSON" else "holds none of n_pairs, output_scale, activation"
        assert line.startswith(f"--plan plan.json {why}")
        assert "give the object that tightwidth plan" in line
        assert refused(*RANDOM, "--plan", "none.json").startswith(
            "--plan none.json cannot be read (No such file or directory); give a JSON file"
        )


class TestLabels:
    def refused_labels(self, refused, y, *options):
        np.savez("data.npz", X=points()[0][: len(y)], y=y)
        return refused(*FILE, *options)

    def test_more_than_two_classes(self, refused):
        three = np.arange(32) % 3
        assert self.refused_labels(refused, three) == (
            "the target has 3 classes (0, 1, 2); two are needed; give --positive VALUE (positive= in Python) for the "
            "one that becomes +1, or --random-labels"
        )
        assert self.refused_labels(refused, three, "--positive", 7) == (
            "the target has no value '7'; give --positive (positive= in Python) as one of 0, 1, 2"
        )
        both = self.refused_labels(refused, three, "--positive", 1, "--random-labels")
        assert both == "--positive 1 and --random-labels exclude each other; leave one out"

    def test_all_equal(self, refused):
        assert self.refused_labels(refused, np.ones(32)).startswith(
            "all 32 target values are equal to 1; two different labels are needed; choose another target column"
        )

    def test_missing_labels(self, refused):
        y = points()[1]
        y[3] = np.nan
        assert self.refused_labels(refused, y).startswith(
            "1 of 32 target values are NaN or infinite, first at data row 4; every point needs a label"
        )


class TestPoints:
    def refused_points(self, refused, X, y, *options):
        np.savez("data.npz", X=X, y=y)
        return refused(*FILE, *options)

    def test_nan_and_infinity(self, refused):
        X, y = points()
        X[5, 2], X[7, 2], X[1, 4] = np.nan, np.inf, -np.inf
        assert self.refused_points(refused, X, y) == (
            "data.npz holds 3 NaN or infinite values, first in column 'x2' at data row 6; finite numbers are needed; "
            "remove these rows or fill the values in"
        )

    def test_a_zero_row(self, refused):
        X, y = points()
        X[[4, 9]] = 0
        assert self.refused_points(refused, X, y) == (
            "2 of 32 rows are zero (the first is row 5) and have no direction on the sphere; remove them, or append a "
            "constant coordinate with --on-sphere bias"
        )

    def test_fewer_than_2_points(self, refused):
        X, y = points()
        text = "data.npz has 1 data rows; at least 2 points are needed; give more rows"
        assert self.refused_points(refused, X[:1], y[:1]) == text

    def test_the_same_point_with_both_labels(self, refused):
        X, y = points()
        X[10], y[10], X[20], y[20] = 3 * X[1], -y[1], 0.2 * X[1], y[1]  # the same after projection only
        assert self.refused_points(refused, X, y) == (
            "3 of 32 points coincide on the sphere with a point of the other label (the first is row 2) and cannot be "
            "memorized; remove or relabel them"
        )

    @pytest.mark.parametrize(
        ("activation", "sign", "parity", "labels"),
        [("abs", -1, "even", "opposite"), ("cos", -1, "even", "opposite"), ("tanh", 1, "odd", "equal")],
    )
    @pytest.mark.parametrize("scale", ["inf", "10"])
    def test_antipodes(self, refused, activation, sign, parity, labels, scale):
        X, y = points()
        X[10], y[10] = -2 * X[3], sign * y[3]
        line = self.refused_points(refused, X, y, "--activation", activation, "--output-scale", scale)
        assert line.startswith(
            f"2 of 32 points have an antipode with the {labels} label (the first is row 4), and the network of "
            f"{activation} is an {parity} function: they cannot be memorized; take another activation, for example relu"
        )


class TestNumbers:
    @pytest.mark.parametrize(
        ("option", "value", "text"),
        [
            ("--pairs", "0", "--pairs 0 must be a whole number from 1 to 2147483646; or leave it at 'auto'"),
            ("--pairs", "-4", "--pairs -4 must be a whole number from 1 to 2147483646; or leave it at 'auto'"),
            ("--pairs", "wide", "Invalid value for '--pairs': 'wide' is neither auto nor a whole number"),
            ("--points", "1", "--points 1 must be a whole number from 2 to 2147483646; give such a --points"),
            ("--dim", "0", "--dim 0 must be a whole number from 1 to 2147483646; give such a --dim"),
            ("--epsilon", "0", "--epsilon 0.0 must be strictly between 0 and 1; it is the share that may stay"),
            ("--epsilon", "1", "--epsilon 1.0 must be strictly between 0 and 1; it is the share that may stay"),
            ("--epsilon", "nan", "--epsilon nan must be strictly between 0 and 1; it is the share that may stay"),
            ("--output-scale", "0", "--output-scale 0.0 must be positive; B = inf is the linear limit, finite B the"),
            ("--output-scale", "-inf", "--output-scale -inf must be positive; B = inf is the linear limit"),
            ("--output-scale", "nan", "--output-scale nan must be positive; B = inf is the linear limit"),
            ("--output-scale", "1e38", "--output-scale 1e+38 exceeds 1e+37, the largest in float32; take --output-sc"),
            ("--batch-size", "0", "--batch-size 0 must be a whole number from 1 to 2147483646; or leave it at 'auto'"),
            ("--steps", "0", "--steps 0 must be a whole number from 1 to 2147483646; or leave it at 'auto'"),
            ("--steps", "2147483647", "--steps 2147483647 must be a whole number from 1 to 2147483646; or leave"),
            ("--learning-rate", "0", "--learning-rate 0.0 must be a positive number; or leave it at 'auto'"),
            ("--learning-rate", "inf", "--learning-rate inf must be a positive number; or leave it at 'auto'"),
            ("--learning-rate", "1e300", "--learning-rate 1e+300"),  # infinite in float32
            ("--target-fraction", "0", "--target-fraction 0.0 must be in (0, 1]; it is the share that the last"),
            ("--target-fraction", "1.01", "--target-fraction 1.01 must be in (0, 1]; it is the share that the last"),
            ("--seed", "-1", "--seed -1 must be a whole number from 0 to 4294967295; it names the random numbers"),
            ("--seed", "4294967296", "--seed 4294967296 must be a whole number from 0 to 4294967295; it names"),
            ("--seed", "x", "Invalid value for '--seed': "),
            ("--dtype", "float16", "--dtype float16 is unknown; known: float32, float64"),
            ("--on-sphere", "near", "--on-sphere near is unknown; known: project, bias, require"),
        ],
    )
    def test_out_of_range(self, refused, option, value, text):
        assert refused(*RANDOM, option, value).startswith(text)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (
                ("--pairs", 2 * 10**9),
                "memorizing 32 points in 8 dimensions with 2000000000 pairs in float32 needs about",
            ),
            (("--points", 10**9, "--dim", 10**4), "drawing 1000000000 points in 10000 dimensions needs about 160 TB"),
            (("--batch-size", 2 * 10**9, "--pairs", 12), "memorizing 32 points in 8 dimensions"),
        ],
    )
    def test_memory_that_would_not_fit(self, refused, options, text):
        line = refused(*RANDOM, *options)
        assert line.startswith(text)
        assert re.search(r"needs about [\d.]+ [MGT]B and this machine has [\d.]+ [MGT]B; (take|give) fewer", line)

    def test_options_that_exclude_each_other(self, refused):
        text = "--target y needs DATA to apply to; give a file, or leave it out for random points"
        assert refused(*RANDOM, "--target", "y") == text
        text = "--points 9 is for random points, but DATA is wine; leave one of the two out"
        assert refused("memorize", "wine", "--points", 9) == text
        assert refused("memorize", "--wide").startswith("No such option: --wide")
        assert refused("memorise").startswith("No such command 'memorise'")


class TestNames:
    def test_unknown(self, refused):
        text = f"unknown activation 'rellu' (did you mean relu?); {KNOWN_ACTIVATIONS}"
        assert refused(*RANDOM, "--activation", "rellu").startswith(text)
        assert refused(*RANDOM, "--loss", "0-1").startswith(f"unknown loss '0-1'; {KNOWN_LOSSES}")

    @pytest.mark.parametrize(
        ("name", "condition"),
        [("square", "sigma' is unbounded"), ("exp", "sigma' is unbounded"), ("step", "sigma is not continuous")],
    )
    def test_not_decent(self, refused, name, condition):
        assert refused(*RANDOM, "--activation", name).startswith(
            f"activation '{name}' is not decent: {condition}; the theorems, plans and certificates need a decent "
            f"activation, for example one of relu, leaky_relu"
        )
