"""Sources by name and by suffix: built-in sets, and files that cannot be opened."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

import tightwidth.memory
from tightwidth.data import BUILTIN_NAMES, SUFFIXES, binary_labels, load, load_builtin
from tightwidth.errors import DataError, MemoryEstimateError


class TestBuiltin:
    @pytest.mark.parametrize("name", BUILTIN_NAMES)
    def test_as_scikit_learn_has_them(self, name):
        table = load(name)
        X, target = getattr(datasets, f"load_{name}")(return_X_y=True)
        np.testing.assert_array_equal(table.X, X)
        np.testing.assert_array_equal(table.target, target)
        assert table.X.dtype == np.float64
        assert table.name == name
        assert len(table.column_names) == X.shape[1]
        assert all(type(column) is str for column in table.column_names)

    def test_labels_of_each(self):
        assert binary_labels(load("breast_cancer").target).sum() == 357 - 212
        assert binary_labels(load("digits").target, positive="3").sum() == 183 - (1797 - 183)
        assert binary_labels(load("wine").target, positive=0).sum() == 59 - (178 - 59)

    def test_unknown(self):
        with pytest.raises(DataError, match="no built-in data set 'iris'; give one of digits, breast_cancer, wine"):
            load_builtin("iris")

    @pytest.mark.parametrize("given", [{"target": "y"}, {"labels": "y.npy"}])
    def test_has_its_own_labels(self, given):
        with pytest.raises(DataError, match=r"wine is built in and has its own labels; --target .*; drop them"):
            load("wine", **given)


class TestAccess:
    def test_unknown_word(self):
        with pytest.raises(DataError, match=r"'mnist' is neither a built-in data set nor a file; .*wine.*\.parquet"):
            load("mnist")

    def test_missing_file(self, tmp_path):
        with pytest.raises(
            DataError, match=r"there is no file .*none\.csv; an existing file is needed; check the path"
        ):
            load(tmp_path / "none.csv")

    def test_directory(self, tmp_path):
        with pytest.raises(DataError, match="is a directory; a file is needed"):
            load(tmp_path)

    def test_suffix(self, tmp_path):
        (tmp_path / "a.xlsx").write_text("x")
        with pytest.raises(DataError, match=r"has the suffix '\.xlsx'; one of \.npz, \.npy, \.csv.* is needed"):
            load(str(tmp_path / "a.xlsx"))

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_empty(self, tmp_path, suffix):
        (tmp_path / f"a{suffix}").touch()
        with pytest.raises(DataError, match="is empty; data with at least 2 points are needed; write the file again"):
            load(tmp_path / f"a{suffix}")

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (
                PermissionError(13, "Permission denied"),
                r"a\.csv may not be read; read permission is needed; .*chmod",
            ),
            (
                OSError(5, "Input/output error"),
                r"a\.csv cannot be read \(Input/output error\); a readable file",
            ),
        ],
    )
    def test_unreadable(self, tmp_path, monkeypatch, error, text):
        (tmp_path / "a.csv").write_text("a,y\n1,0\n2,1\n")

        def refuse(*_args, **_kwargs):
            raise error

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(DataError, match=text):
            load(tmp_path / "a.csv")

    def test_labels_are_for_npy(self, tmp_path):
        (tmp_path / "a.csv").write_text("a,y\n1,0\n2,1\n")
        with pytest.raises(
            DataError, match=r"--labels .* is for \.npy files and .*a\.csv is none; drop it, or use --t"
        ):
            load(tmp_path / "a.csv", labels="b.npy")

    def test_suffix_in_capitals(self, tmp_path):
        (tmp_path / "A.CSV").write_text("a,y\n1,0\n2,1\n")
        assert load(tmp_path / "A.CSV").target.tolist() == [0, 1]

    def test_larger_than_memory(self, tmp_path, monkeypatch):
        (tmp_path / "a.csv").write_text("a,y\n1,0\n2,1\n")
        monkeypatch.setattr(tightwidth.memory, "machine_memory", lambda: 10.0)
        with pytest.raises(MemoryEstimateError, match=r"a\.csv in memory needs about 12 B .*; give fewer rows"):
            load(tmp_path / "a.csv")
