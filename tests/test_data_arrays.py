"""Arrays written by NumPy, and label files: round trips, and nothing is unpickled."""

import numpy as np
import pytest

from tightwidth.data import load, load_file
from tightwidth.errors import DataError

X = np.random.default_rng(0).normal(size=(5, 3))
Y = np.array([1, -1, 1, 1, -1])


def saved(path, array):
    np.save(path, array)
    return path


class TestNpz:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32, ">f8", ">f4"])
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
    def test_round_trip_keeps_float32(self, tmp_path, dtype, order, write):
        points = X.astype(dtype, order=order)
        write(tmp_path / "a.npz", X=points, y=Y)
        table = load(tmp_path / "a.npz")
        np.testing.assert_array_equal(table.X, points)
        np.testing.assert_array_equal(table.target, Y)
        assert table.X.dtype == (np.float32 if points.dtype.itemsize == 4 else np.float64)
        assert table.X.dtype.isnative
        assert table.X.flags.c_contiguous
        assert table.column_names == ("x0", "x1", "x2")
        assert table.name == "a.npz"

    @pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_, np.float16])
    def test_other_numbers_become_float64(self, tmp_path, dtype):
        points = np.arange(6).reshape(3, 2).astype(dtype)
        np.savez(tmp_path / "a.npz", X=points, y=Y[:3])
        table = load_file(tmp_path / "a.npz")
        assert table.X.dtype == np.float64
        np.testing.assert_array_equal(table.X, points)

    def test_text_labels_a_column_of_labels_and_another_name(self, tmp_path):
        words = np.array(["a", "b", "a", "b", "c"])
        np.savez(tmp_path / "a.npz", X=X, words=words, y=Y[:, None])
        assert load_file(tmp_path / "a.npz", target="words").target.tolist() == words.tolist()
        np.testing.assert_array_equal(load_file(tmp_path / "a.npz").target, Y)

    def test_missing_arrays(self, tmp_path):
        np.savez(tmp_path / "a.npz", data=X, y=Y)
        with pytest.raises(DataError, match=r"holds data, y; arrays X and y are needed; write it with np\.savez"):
            load_file(tmp_path / "a.npz")
        np.savez(tmp_path / "a.npz")
        with pytest.raises(DataError, match="holds no arrays; arrays X and y are needed"):
            load_file(tmp_path / "a.npz")

    def test_a_single_array(self, tmp_path):
        saved(tmp_path / "a.npy", X).rename(tmp_path / "a.npz")
        with pytest.raises(DataError, match="holds a single array; arrays X and y are needed"):
            load_file(tmp_path / "a.npz")

    def test_different_lengths(self, tmp_path):
        np.savez(tmp_path / "a.npz", X=X, y=Y[:4])
        with pytest.raises(DataError, match=r"a\.npz has 5 rows and 4 labels; one label for each row is needed"):
            load_file(tmp_path / "a.npz")

    def test_one_hot_labels(self, tmp_path):
        np.savez(tmp_path / "a.npz", X=X, y=np.eye(5))
        with pytest.raises(DataError, match=r"array y, has shape \(5, 5\); one value for each point is needed"):
            load_file(tmp_path / "a.npz")

    def test_dates_as_labels(self, tmp_path):
        np.savez(tmp_path / "a.npz", X=X, y=Y.astype("M8[s]"))
        with pytest.raises(DataError, match=r"array y, holds values of type datetime64.*numbers or text are needed"):
            load_file(tmp_path / "a.npz")

    @pytest.mark.parametrize("key", ["X", "y"])
    def test_objects_are_never_unpickled(self, tmp_path, key):
        arrays = {"X": X, "y": Y}
        arrays[key] = arrays[key].astype(object)
        np.savez(tmp_path / "a.npz", allow_pickle=True, **arrays)
        with pytest.raises(DataError, match=rf"array {key}, cannot be read as a plain array \(Object arrays"):
            load_file(tmp_path / "a.npz")

    def test_structured(self, tmp_path):
        np.savez(tmp_path / "a.npz", X=np.zeros(5, dtype=[("u", float), ("v", float)]), y=Y)
        with pytest.raises(DataError, match=r"array X, is a structured array with fields u, v; a plain array"):
            load_file(tmp_path / "a.npz")

    @pytest.mark.parametrize("keep", [0.1, 0.6])
    def test_cut_off(self, tmp_path, keep):
        path = tmp_path / "a.npz"
        np.savez(path, X=X, y=Y)
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content))])
        with pytest.raises(DataError, match="was not written by NumPy, or was cut off"):
            load_file(path)

    def test_damaged_inside(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, X=np.full((50, 3), 1.5), y=np.arange(50))
        content = bytearray(path.read_bytes())
        content[600] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"array X, cannot be read as a plain array \(Bad CRC-32"):
            load_file(path)


class TestNpy:
    def test_target_column(self, tmp_path):
        path = saved(tmp_path / "a.npy", np.column_stack([X[:, 0], Y, X[:, 1:]]))
        for target in (1, "1", -3):
            table = load_file(path, target=target)
            np.testing.assert_array_equal(table.X, X)
            np.testing.assert_array_equal(table.target, Y)
            assert table.column_names == ("x0", "x2", "x3")

    @pytest.mark.parametrize("text", [True, False])
    @pytest.mark.parametrize("suffix", [".npy", ".txt", ".csv"])
    def test_label_files(self, tmp_path, suffix, text):
        path = saved(tmp_path / "a.npy", X.astype(np.float32))
        y = np.array(["cat", "dog", "y", "cat", "label"]) if text else Y
        labels = tmp_path / f"b{suffix}"
        if suffix == ".npy":
            np.save(labels, y)
        else:
            labels.write_text("\n".join(map(str, y)) + "\n\n", encoding="utf-8-sig")
        for given in (labels, str(labels)):
            table = load_file(path, labels=given)
            assert table.target.tolist() == y.tolist()
            assert table.target.dtype.kind == y.dtype.kind
            np.testing.assert_array_equal(table.X, X.astype(np.float32))
            assert table.X.dtype == np.float32

    @pytest.mark.parametrize(("heading", "values"), [("kind", Y), ("Label", list("abcab")), ("y", list("ynyny"))])
    def test_label_file_with_a_heading(self, tmp_path, heading, values):
        path = saved(tmp_path / "a.npy", X)
        (tmp_path / "b.csv").write_text("\n".join([heading, *map(str, values)]))
        assert load_file(path, labels=tmp_path / "b.csv").target.tolist() == list(values)

    def test_one_label_too_many_is_no_heading(self, tmp_path):
        path = saved(tmp_path / "a.npy", X)
        (tmp_path / "b.txt").write_text("1\n" * 6)
        with pytest.raises(DataError, match="has 5 rows and 6 labels"):
            load_file(path, labels=tmp_path / "b.txt")

    def test_neither_or_both(self, tmp_path):
        path = saved(tmp_path / "a.npy", X)
        labels = saved(tmp_path / "b.npy", Y)
        with pytest.raises(DataError, match=r"no labels are given; give either --labels FILE .* or --target INDEX"):
            load_file(path)
        with pytest.raises(DataError, match="--target and --labels are both given; give either"):
            load_file(path, target=0, labels=labels)

    def test_label_file_of_another_kind(self, tmp_path):
        (tmp_path / "b.json").write_text("[]")
        path = saved(tmp_path / "a.npy", X)
        with pytest.raises(
            DataError, match=r"label file .*b\.json has the suffix '\.json'; one of \.npy, \.txt, \.csv"
        ):
            load_file(path, labels=tmp_path / "b.json")

    def test_label_file_missing(self, tmp_path):
        with pytest.raises(DataError, match=r"there is no file .*b\.npy"):
            load_file(saved(tmp_path / "a.npy", X), labels=tmp_path / "b.npy")

    def test_label_file_with_more_columns(self, tmp_path):
        (tmp_path / "b.csv").write_text("1,2\n" * 5)
        with pytest.raises(DataError, match=r"b\.csv has 2 columns; one label a line is needed; keep the column"):
            load_file(saved(tmp_path / "a.npy", X), labels=tmp_path / "b.csv")

    def test_label_file_in_another_encoding(self, tmp_path):
        (tmp_path / "b.txt").write_text("ä\n" * 5, encoding="latin-1")
        with pytest.raises(DataError, match=r"b\.txt is not UTF-8 text; labels are needed, one a line"):
            load_file(saved(tmp_path / "a.npy", X), labels=tmp_path / "b.txt")

    @pytest.mark.parametrize("shape", [(5,), (5, 2, 2)])
    def test_other_than_two_dimensions(self, tmp_path, shape):
        path = saved(tmp_path / "a.npy", np.zeros(shape))
        for target, labels in ((0, None), (None, saved(tmp_path / "b.npy", Y))):
            with pytest.raises(DataError, match=r"a\.npy has shape .*; two dimensions are needed"):
                load_file(path, target=target, labels=labels)

    def test_target_column_out_of_range_or_named(self, tmp_path):
        path = saved(tmp_path / "a.npy", X)
        with pytest.raises(DataError, match="has 3 columns and no column 3; give --target"):
            load_file(path, target=3)
        with pytest.raises(DataError, match="has no column named 'y', since it has no header"):
            load_file(path, target="y")

    def test_the_target_column_was_the_only_one(self, tmp_path):
        with pytest.raises(DataError, match="has no feature columns; at least 1 is needed beside the target"):
            load_file(saved(tmp_path / "a.npy", X[:, :1]), target=0)

    def test_structured(self, tmp_path):
        path = saved(tmp_path / "a.npy", np.zeros(5, dtype=[("u", float), ("v", float)]))
        with pytest.raises(DataError, match=r"a\.npy is a structured array with fields u, v; .*structured_to_unst"):
            load_file(path, target=0)

    def test_objects_are_never_unpickled(self, tmp_path):
        path = tmp_path / "a.npy"
        np.save(path, X.astype(object), allow_pickle=True)
        with pytest.raises(DataError, match=r"a\.npy cannot be read as a plain array \(Object arrays cannot"):
            load_file(path, target=0)

    def test_an_archive(self, tmp_path):
        np.savez(tmp_path / "a.npz", X=X)
        (tmp_path / "a.npz").rename(tmp_path / "a.npy")
        with pytest.raises(DataError, match=r"is an archive of arrays; a single array is needed; rename it to \.npz"):
            load_file(tmp_path / "a.npy", target=0)

    def test_not_from_numpy_or_cut_off(self, tmp_path):
        path = tmp_path / "a.npy"
        path.write_text("1 2 3")
        with pytest.raises(DataError, match=r"was not written by NumPy, .* write it with np\.save or np\.savez"):
            load_file(path, target=0)
        content = saved(path, X).read_bytes()
        path.write_bytes(content[:-8])
        with pytest.raises(DataError, match=r"cannot be read as a plain array \("):
            load_file(path, target=0)
