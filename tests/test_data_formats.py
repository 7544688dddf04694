"""Tables in .parquet and .svm files: round trips and refusals."""

import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn import datasets

import tightwidth.memory
from tightwidth.data import load, load_file
from tightwidth.errors import DataError, MemoryEstimateError

X = np.random.default_rng(1).normal(size=(4, 3))
Y = np.array([0, 1, 1, 0])


class TestParquet:
    def write(self, path, **columns):
        parquet.write_table(pa.table(columns), path)
        return path

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_round_trip(self, tmp_path, dtype):
        a, b, c = X.astype(dtype).T
        table = load(self.write(tmp_path / "t.parquet", a=a, label=Y, b=b, c=c))
        np.testing.assert_array_equal(table.X, X.astype(dtype))
        np.testing.assert_array_equal(table.target, Y)
        assert table.X.dtype == dtype
        assert table.X.flags.c_contiguous
        assert table.column_names == ("a", "b", "c")
        assert table.name == "t.parquet"

    def test_mixed_numbers_become_float64(self, tmp_path):
        columns = {
            "single": pa.array([1.5, 2.5], pa.float32()),
            "whole": pa.array([1, -(2**62)], pa.int64()),
            "truth": pa.array([True, False]),
            "decimal": pa.array([Decimal(1), Decimal(2)], pa.decimal128(5, 2)),
            "half": pa.array(np.array([0.5, 2], dtype=np.float16)),
        }
        table = load_file(self.write(tmp_path / "t.parquet", **columns, y=[0, 1]))
        np.testing.assert_array_equal(table.X, [[1.5, 1, 1, 1, 0.5], [2.5, -(2.0**62), 0, 2, 2]])
        assert table.X.dtype == np.float64

    @pytest.mark.parametrize(
        ("target", "expected"),
        [
            (pa.array(["cat", "dog", None, "cat"]), ["cat", "dog", "", "cat"]),
            (pa.array(["cat", "dog", None, "cat"]).dictionary_encode(), ["cat", "dog", "", "cat"]),
            (pa.array(["cat", "dog", "", "cat"], pa.large_string()), ["cat", "dog", "", "cat"]),
            (pa.array([True, False, True, True]), [True, False, True, True]),
            (pa.array([True, False, None, True]), [1, 0, np.nan, 1]),
            (pa.array([3, 4, None, 5]), [3, 4, np.nan, 5]),
            (pa.array(map(Decimal, [3, 4, 2, 5]), pa.decimal128(5, 2)), [3, 4, 2, 5]),
        ],
    )
    def test_targets(self, tmp_path, target, expected):
        table = load_file(self.write(tmp_path / "t.parquet", kind=target, a=X[:, 0]), target="kind")
        np.testing.assert_array_equal(table.target, np.array(expected))
        assert table.target.dtype.kind == np.array(expected).dtype.kind or table.target.dtype == np.float64

    def test_target_by_index(self, tmp_path):
        assert load_file(self.write(tmp_path / "t.parquet", a=X[:, 0], k=Y), target="-1").target.tolist() == Y.tolist()

    def test_names_go_before_indices(self, tmp_path):
        path = self.write(tmp_path / "t.parquet", **{"b": [5, 7], "0": [6, 8], "c": [1, 2]})
        assert load_file(path, target="0").target.tolist() == [6, 8]
        assert load_file(path, target=0).target.tolist() == [5, 7]

    def test_unknown_target(self, tmp_path):
        with pytest.raises(DataError, match="no column named 'kind'; its columns are a, y"):
            load_file(self.write(tmp_path / "t.parquet", a=X[:, 0], y=Y), target="kind")

    def test_missing_values(self, tmp_path):
        path = self.write(tmp_path / "t.parquet", a=X[:, 0], b=pa.array([1, None, 3, None]), y=Y)
        with pytest.raises(DataError, match="holds 2 NaN or infinite values, first in column 'b' at data row 2"):
            load_file(path)

    def test_text_in_a_feature(self, tmp_path):
        path = self.write(tmp_path / "t.parquet", a=X[:, 0], b=["u", "v", "w", "u"], y=Y)
        with pytest.raises(DataError, match=r"column 'b': the values are of type string; features must be numbers;"):
            load_file(path)

    def test_no_features(self, tmp_path):
        with pytest.raises(DataError, match="no feature columns"):
            load_file(self.write(tmp_path / "t.parquet", y=Y))

    def test_not_a_parquet_file(self, tmp_path):
        (tmp_path / "t.parquet").write_text("a,y\n1,2\n")
        with pytest.raises(DataError, match=r"cannot be read as a \.parquet file \(.*\); write it again"):
            load_file(tmp_path / "t.parquet")

    def test_without_pyarrow(self, tmp_path, monkeypatch):
        path = self.write(tmp_path / "t.parquet", a=X[:, 0], y=Y)
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(DataError, match=r"needs pyarrow, .*; run: pip install 'tightwidth\[parquet\]'"):
            load_file(path)

    def test_larger_than_memory(self, tmp_path, monkeypatch):
        path = self.write(tmp_path / "t.parquet", a=np.zeros(100_000), y=np.zeros(100_000))
        monkeypatch.setattr(tightwidth.memory, "machine_memory", lambda: 1e6)
        with pytest.raises(MemoryEstimateError, match=r"t\.parquet in memory needs about 1\.6 MB .*; give fewer rows"):
            load_file(path)


class TestSvmlight:
    @pytest.mark.parametrize("suffix", [".svm", ".svmlight", ".libsvm"])
    @pytest.mark.parametrize("zero_based", [False, True])
    def test_round_trip(self, tmp_path, suffix, zero_based):
        path = tmp_path / f"a{suffix}"
        sparse = X * (X > -0.5)
        datasets.dump_svmlight_file(sparse, Y, str(path), zero_based=zero_based)
        table = load(path)
        np.testing.assert_allclose(table.X, sparse, rtol=1e-15)
        np.testing.assert_array_equal(table.target, Y)
        assert table.column_names == (("0", "1", "2") if zero_based else ("1", "2", "3"))

    def test_comments_and_absent_values(self, tmp_path):
        (tmp_path / "a.svm").write_text("# points\n+1 2:1.5 # first\n-1 1:2\n")
        table = load_file(tmp_path / "a.svm")
        np.testing.assert_array_equal(table.X, [[0, 1.5], [2, 0]])
        np.testing.assert_array_equal(table.target, [1, -1])

    @pytest.mark.parametrize("text", ["1 a:2\n-1 1:1\n", "one 1:2\n", "1,2 1:2\n", "1 2:1 1:2\n", "\x00\xff"])
    def test_other_forms(self, tmp_path, text):
        (tmp_path / "a.svm").write_text(text)
        with pytest.raises(DataError, match=r"cannot be read as lines 'label index:value \.\.\.' \(.*\); correct"):
            load_file(tmp_path / "a.svm")

    def test_no_lines(self, tmp_path):
        (tmp_path / "a.svm").write_text("# nothing\n")
        with pytest.raises(DataError, match="has 0 data rows; at least 2 points are needed"):
            load_file(tmp_path / "a.svm")

    def test_target_is_in_the_lines(self, tmp_path):
        (tmp_path / "a.svm").write_text("1 1:2\n-1 1:3\n")
        with pytest.raises(DataError, match=r"has its labels at the head of each line; drop --target"):
            load_file(tmp_path / "a.svm", target=0)

    def test_larger_than_memory_when_dense(self, tmp_path):
        (tmp_path / "a.svm").write_text("1 2000000000:1\n" * 10_000)
        with pytest.raises(
            MemoryEstimateError,
            match=r"as 10000 points with 2000000000 features needs about 480 TB .*; give fewer rows",
        ):
            load_file(tmp_path / "a.svm")
