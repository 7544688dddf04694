"""Rows in pieces: the same numbers and targets as of the whole file, in the order of the file and in any other."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from sklearn.datasets import dump_svmlight_file

from tightwidth.data import load
from tightwidth.data.rows import RowSource, open_rows
from tightwidth.data.rows.batches import BatchRows
from tightwidth.data.rows.files import rows_of_arrays
from tightwidth.data.rows.source import LEAST_ROWS, MOST_ROWS, PIECE_NUMBERS
from tightwidth.data.target import target_from_text
from tightwidth.errors import DataError, MemoryEstimateError

M = 2 * MOST_ROWS + 100  # three pieces
PIECES = [1, 2, 3, 7]  # rows of a piece, for small files


def numbers(m=M, d=3, dtype: Any = np.float64):
    return np.random.default_rng(d).standard_normal((m, d)).astype(dtype)


def words(m=M):
    return np.array(["ant", "bee", "12"])[np.random.default_rng(1).integers(0, 3, m)]


def in_pieces_of(monkeypatch, n_rows):
    monkeypatch.setattr(RowSource, "piece_rows", property(lambda _: n_rows))


def joined(parts) -> tuple[np.ndarray, Any]:
    """Return all rows and all targets of pieces."""
    X = np.concatenate([rows.X for rows in parts])
    return X, None if parts[0].target is None else np.concatenate([rows.target for rows in parts])


def check_pieces(source) -> tuple[np.ndarray, Any]:
    """Check that pieces follow one another, are small, and can be read in any order; return the rows."""
    pieces, parts = zip(*source.pieces(), strict=True)
    assert [piece.n_rows for piece in pieces] == [len(rows.X) for rows in parts]
    assert [piece.first_row for piece in pieces] == np.cumsum([0, *(p.n_rows for p in pieces[:-1])]).tolist()
    assert all(0 < piece.n_rows <= source.piece_rows for piece in pieces) or isinstance(source, BatchRows)
    assert all(rows.X.flags.c_contiguous and rows.X.dtype in (np.float32, np.float64) for rows in parts)
    n = len(pieces)
    for order in (range(n), range(n)[::-1], np.random.default_rng(0).permutation(n), [n - 1, n - 1, 0]):
        again = list(source.read([pieces[place] for place in order]))
        assert len(again) == len(order)
        for place, rows in zip(order, again, strict=True):
            np.testing.assert_array_equal(rows.X, parts[place].X)
            np.testing.assert_array_equal(rows.target, parts[place].target)
    return joined(parts)


def check_same(path, **options):
    """Check that a source in pieces holds what the whole table does, and return it."""
    table, source = load(path, **options), open_rows(path, **options)
    X, target = check_pieces(source)
    np.testing.assert_array_equal(X, table.X)
    assert X.dtype == table.X.dtype
    if target.dtype.kind == "U":
        target = target_from_text(target.tolist())  # what text stands for is known at the end only
    np.testing.assert_array_equal(target, table.target)
    assert target.dtype.kind == table.target.dtype.kind
    assert source.column_names == table.column_names
    return source


class TestNumpyFiles:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16, ">f4", np.bool_])
    def test_a_column_is_the_target(self, tmp_path, dtype):
        path = tmp_path / "points.npy"
        np.save(path, (10 * numbers()).astype(dtype))
        for target in (0, -2, "2"):
            source = check_same(path, target=target)
            assert source.d == 2
            assert not source.has_names

    def test_labels_in_a_file_of_their_own(self, tmp_path):
        X, labels = tmp_path / "points.npy", tmp_path / "labels"
        np.save(X, np.asfortranarray(numbers()))
        for target in (words(), np.arange(M), np.linspace(0, 1, M)[:, None]):
            np.save(labels.with_suffix(".npy"), target)
            assert check_same(X, labels=labels.with_suffix(".npy")).d == 3
        for suffix in (".txt", ".csv"):
            labels.with_suffix(suffix).write_text("\n".join(["label", *words()]) + "\n", encoding="utf-8")
            check_same(X, labels=labels.with_suffix(suffix))

    def test_what_is_asked_for(self, tmp_path):
        path = tmp_path / "points.npy"
        np.save(path, numbers(5))
        with pytest.raises(DataError, match=r"one matrix and no labels are given; give either --labels FILE"):
            open_rows(path)
        with pytest.raises(DataError, match=r"is given --target and --labels; drop one"):
            open_rows(path, target=0, labels=path)
        np.save(path.with_name("y.npy"), np.ones(4))
        with pytest.raises(DataError, match="has 5 rows and 4 labels"):
            open_rows(path, labels=path.with_name("y.npy"))
        with pytest.raises(DataError, match=r"there is no file .*none\.npy"):
            open_rows(path, labels=path.with_name("none.npy"))
        np.save(path, numbers(5).reshape(5, 3, 1))
        with pytest.raises(DataError, match=r"has shape \(5, 3, 1\); two dimensions are needed"):
            open_rows(path, target=0)
        np.save(path, words(5)[:, None])
        with pytest.raises(DataError, match=r"holds values of type <U3; features must be real numbers"):
            open_rows(path, labels=path)

    def test_to_predict_no_target_is_needed(self, tmp_path):
        path = tmp_path / "points.npy"
        np.save(path, numbers(5))
        X, target = check_pieces(open_rows(path, needs_target=False, columns=3))
        np.testing.assert_array_equal(X, numbers(5))
        assert target is None
        X, _ = check_pieces(open_rows(path, target=1, needs_target=False, columns=2))
        np.testing.assert_array_equal(X, numbers(5)[:, [0, 2]])
        with pytest.raises(DataError, match=r"has 3 feature columns and the model 2; .* with --target"):
            open_rows(path, needs_target=False, columns=2)

    def test_archives(self, tmp_path):
        path = tmp_path / "points.npz"
        np.savez(path, X=numbers(), y=words(), other=np.arange(M))
        check_same(path)
        check_same(path, target="other")

    def test_archives_without_a_target(self, tmp_path):
        path = tmp_path / "points.npz"
        np.savez(path, X=numbers(5, dtype=np.float32))
        X, target = check_pieces(open_rows(path, needs_target=False, columns=3))
        np.testing.assert_array_equal(X, numbers(5, dtype=np.float32))
        assert target is None
        with pytest.raises(DataError, match="arrays X and y are needed"):
            open_rows(path)
        np.savez(path, Z=np.ones(3))
        with pytest.raises(DataError, match=r"holds Z; an array X is needed; write it with np\.savez"):
            open_rows(path, needs_target=False)
        np.savez(path, X=np.ones(3))
        with pytest.raises(DataError, match=r"has X of shape \(3,\); two dimensions are needed"):
            open_rows(path, needs_target=False)


class TestCsv:
    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("kind", ["text", "whole", "real"])
    def test_three_pieces(self, tmp_path, monkeypatch, header, kind):
        in_pieces_of(monkeypatch, 400)
        path = tmp_path / "points.csv"
        X, target = numbers(1000), {"text": words(1000), "whole": np.arange(1000), "real": numbers(1000)[:, 0]}[kind]
        with path.open("w", newline="", encoding="utf-8") as handle:
            out = csv.writer(handle)
            out.writerows([["a", "b", "kind", "c"]] if header else [])
            out.writerows([[a, b, t, c] for (a, b, c), t in zip(X.tolist(), target.tolist(), strict=True)])
        source = check_same(path, target="kind" if header else 2)
        assert source.has_names == header
        assert len(list(source.pieces())) == 3

    @pytest.mark.parametrize("n_rows", PIECES)
    @pytest.mark.parametrize(
        "text",
        [
            "a,b,y\n1,2,u\n3,4,v\n5,6,u\n",
            "\n\na,b,y\n\n1,2,u\n   \n\n\n3,4,v\n5,6,u\n7,8,v",
            "\ufeffa,b,y\r\n1,2,0\r\n3,4,1\r\n",
            "\ufeff1,2,0\n3,4,1\n",
            "a;b;y\n1;2;0\n3;4;1\n",
            "a\tb\ty\n1\t2\t0\n3\t4\t1\n",
            "a, b, y\n1, 2, u\n3, 4, v\n",
            '"a","b","y"\n"1","2","u"\n"3","4","v"\n',
            'a,b,y\n1,2,"u, or ""U"""\n3,4,"v"\n5,6,v\n',
            'a,b,y\n1,2,"u\nU"\n3,4,v\n5,6,"u\n\n\nU"\n7,8,v\n9,10,"\nw"\n',
            'a,b,y\r\n1,2,"u\r\nU"\r\n3,4,v\r\n5,6,v\r\n',
            '"a\nA",b,y\n1,2,u\n3,4,v\n',
            'a,b,y\n1,2,5" pipe\n3,4,"6""\npipe"\n5,6,v\n7,8,5" pipe\n9,1,v\n',  # quotes that quote nothing
            "a,b,y\n1,2,u\x85U\n3,4,v\u2028V\x0b\n5,6,w\x1cW\n",  # what only str.splitlines takes for line ends
            "a,b,y\n1,2,1\n3,4,2.5\n5,6,nan\n",
            "größe,b,y\n1,2,ä\n3,4,ö\n",
        ],
    )
    def test_as_people_write_them(self, tmp_path, monkeypatch, n_rows, text):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode())
        in_pieces_of(monkeypatch, n_rows)
        table, source = load(path, target=2), open_rows(path, target=2)
        pieces, parts = zip(*source.pieces(), strict=True)
        X, target = joined(parts)
        np.testing.assert_array_equal(X, table.X)
        assert all(len(rows.X) <= n_rows for rows in parts)
        found = target_from_text([text.replace("\r\n", "\n") for text in target.tolist()])
        np.testing.assert_array_equal(found, table.target)
        again = joined(list(source.read(pieces[::-1]))[::-1])
        np.testing.assert_array_equal(again[0], X)
        np.testing.assert_array_equal(again[1], target)
        if "y\n" in text or "y\r\n" in text:
            X, _ = joined([rows for _, rows in open_rows(path, target=2, columns=source.column_names[::-1]).pieces()])
            np.testing.assert_array_equal(X, table.X[:, ::-1])

    def test_fields_are_counted_where_columns_are_chosen(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text('c,a,t,y\n5,1,"x, y",0\n6,2,z,1\n', encoding="utf-8")
        X, target = check_pieces(open_rows(path, columns=("a", "c")))
        np.testing.assert_array_equal(X, [[1, 5], [2, 6]])
        assert target.tolist() == ["0", "1"]
        path.write_text("c,a,t,y\n5,1,x,0\n6,2,1\n", encoding="utf-8")
        with pytest.raises(DataError, match="line 3: 3 fields are given and 4 are needed, as in line 1"):
            check_pieces(open_rows(path, columns=("a", "c")))

    def test_a_line_is_named_in_a_later_piece(self, tmp_path, monkeypatch):
        in_pieces_of(monkeypatch, 3)
        path = tmp_path / "table.csv"
        path.write_text('a,b,y\n1,2,u\n\n3,4,"v\nV"\n5,six,u\n', encoding="utf-8")
        with pytest.raises(DataError, match=r"line 6, column 'b': 'six' is not a number"):
            list(open_rows(path).pieces())

    def test_a_quote_that_never_ends_is_not_read_to_the_end(self, tmp_path, monkeypatch):
        in_pieces_of(monkeypatch, 16)
        path = tmp_path / "table.csv"
        path.write_text('a,b,y\n1,2,u\n3,4,"v\n' + "5,6,u\n" * 40_000, encoding="utf-8")
        with pytest.raises(DataError, match=r"cannot be read as a text table \(field larger than .*\); check its quo"):
            list(open_rows(path).pieces())

    def test_carriage_returns_alone(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_bytes(b"a,b,y\r1,2,0\r3,4,1\r")
        with pytest.raises(DataError, match="lines that end in a carriage return alone; write it with line feeds"):
            open_rows(path)

    def test_bytes_that_are_no_text(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_bytes(b"a,b,y\n" + b"1,2,0\n" * 5000 + b"3,4,\xff\n")
        with pytest.raises(DataError, match=r"is not UTF-8 text; .* save the file as UTF-8"):
            list(open_rows(path).pieces())


class TestParquet:
    def write(self, path, columns, rows=1500):
        parquet.write_table(pyarrow.table(columns), path, row_group_size=rows)
        return path

    @pytest.mark.parametrize("rows", [1500, MOST_ROWS, M])
    def test_row_groups(self, tmp_path, rows):
        X = numbers()
        columns = {"a": X[:, 0], "kind": pyarrow.array(words()).dictionary_encode(), "b": np.arange(M, dtype=np.int32)}
        path = self.write(tmp_path / "t.parquet", {**columns, "c": X[:, 2].astype(np.float32)}, rows)
        source = check_same(path, target="kind")
        assert source.has_names
        assert len({piece.unit for piece, _ in source.pieces()}) == -(-M // rows)

    @pytest.mark.parametrize("target", [words(), np.arange(M, dtype=np.int8), np.arange(M) % 2 == 0, numbers()[:, 1]])
    def test_targets_and_float32(self, tmp_path, target):
        X = numbers(dtype=np.float32)
        path = self.write(tmp_path / "t.parquet", {"a": X[:, 0], "Label": target, "b": X[:, 1]})
        check_same(path)
        assert next(iter(open_rows(path).pieces()))[1].X.dtype == np.float32

    def test_nulls_are_missing_values(self, tmp_path):
        path = self.write(tmp_path / "t.parquet", {"a": [1.0, None, 3.0], "b": [1, 2, None], "y": ["u", None, "v"]}, 2)
        X, target = check_pieces(open_rows(path))
        np.testing.assert_array_equal(X, [[1, 1], [np.nan, 2], [3, np.nan]])
        assert target.tolist() == ["u", "", "v"]

    def test_columns_that_are_no_numbers(self, tmp_path):
        columns = {"a": [1.0, 2.0], "name": [None, "Ann"], "y": [0, 1]}
        path = self.write(tmp_path / "t.parquet", columns)
        with pytest.raises(
            DataError, match=r"column 'name': the values are of type string, first 'Ann' at data row 2; .*encode or"
        ):
            open_rows(path)
        X, _ = check_pieces(open_rows(path, columns=("a",)))  # which nobody asked for
        np.testing.assert_array_equal(X, [[1], [2]])
        with pytest.raises(DataError, match=r"column 'name': the values are of type string"):
            open_rows(path, columns=("name", "a"))

    def test_refusals(self, tmp_path):
        path = self.write(tmp_path / "t.parquet", {"y": [0, 1]})
        with pytest.raises(DataError, match="has no feature columns; at least 1 is needed beside the target"):
            open_rows(path)
        table = pyarrow.Table.from_arrays([pyarrow.array([1.0])] * 3, names=["a", "a", "y"])
        parquet.write_table(table, path)
        with pytest.raises(DataError, match="has 2 columns named 'a'; give each its own name"):
            open_rows(path)
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DataError, match=r"cannot be read as a \.parquet file .*; write it again"):
            open_rows(path)


class TestSvmlight:
    @pytest.mark.parametrize("zero_based", [True, False])
    def test_indices_from_zero_or_one(self, tmp_path, zero_based):
        path = tmp_path / "t.svm"
        X = numbers()
        X[np.random.default_rng(2).random(X.shape) < 0.6] = 0
        dump_svmlight_file(X, np.arange(M) % 3, str(path), zero_based=zero_based)
        source = check_same(path)
        assert source.column_names[0] == ("0" if zero_based else "1")
        with pytest.raises(DataError, match="at the head of each line; drop --target"):
            open_rows(path, target=0)

    def test_comments_blank_lines_and_a_later_widest_row(self, tmp_path, monkeypatch):
        path = tmp_path / "t.libsvm"
        path.write_bytes(b"# made by hand\n1 1:2\r\n\n-1 2:3 # a note\n# end of a part\n\n1.5 5:1e-3")
        in_pieces_of(monkeypatch, 2)
        check_same(path)
        X, _ = check_pieces(open_rows(path, columns=7))
        assert X.shape == (3, 7)
        with pytest.raises(DataError, match="has the index 5, and 4 features are needed; give the columns of the fit"):
            open_rows(path, columns=4)

    def test_a_wrong_line_is_named(self, tmp_path):
        path = tmp_path / "t.svm"
        path.write_text("1 1:2\n" * 5000 + "1 1:2 3\n", encoding="utf-8")
        with pytest.raises(DataError, match="line 5001: no line 'label index:value"):
            open_rows(path)
        path.write_text("1\n0\n", encoding="utf-8")
        with pytest.raises(DataError, match="has no feature columns"):
            open_rows(path)

    def test_rows_that_no_memory_holds(self, tmp_path):
        path = tmp_path / "t.svm"
        path.write_text("1 1:2\n0 2000000000:1\n", encoding="utf-8")
        with pytest.raises(MemoryEstimateError, match=r"1024 rows of .* with 2000000000 features"):
            open_rows(path)


class TestBatches:
    def batches(self, sizes=(5, 1, 9)):
        return [(numbers(n), words(n)) for n in sizes]

    @pytest.mark.parametrize("kind", ["list", "function", "object"])
    def test_what_can_be_started_again(self, kind):
        given = self.batches()
        source = BatchRows({"list": given, "function": lambda: iter(given), "object": tuple(given)}[kind])
        X, target = check_pieces(source)
        np.testing.assert_array_equal(X, np.concatenate([batch[0] for batch in given]))
        np.testing.assert_array_equal(target, np.concatenate([batch[1] for batch in given]))
        assert {piece.unit for piece, _ in source.pieces()} == {0}

    def test_targets_are_as_in_files(self):
        X = numbers(2)
        source = BatchRows([(X, np.array(["u", None], object)), (X.tolist(), [1, 2])])
        assert [np.asarray(rows.target).tolist() for _, rows in source.pieces()] == [["u", ""], [1, 2]]

    def test_what_runs_out(self):
        one = (numbers(3), words(3))
        with pytest.raises(DataError, match="cannot be started again, and it is read more than once; give a list"):
            BatchRows(iter([one, one, one]))
        running = iter(self.batches())
        with pytest.raises(DataError, match="cannot be started again"):
            BatchRows(lambda: running)
        left = [self.batches(), self.batches(), self.batches(), self.batches()[:2]]
        source = BatchRows(lambda: left.pop(0))
        pieces = [piece for piece, _ in source.pieces()]
        with pytest.raises(DataError, match="fewer batches than when it was first read"):
            list(source.read(pieces))

    @pytest.mark.parametrize(
        ("batches", "text"),
        [
            ([], "the stream has no batch; needed are batches"),
            ([(np.ones((2, 1)), [0, 1]), (np.ones((0, 1)), [])], "batch 2 of the stream is empty"),
            ([(np.ones((2, 1)), [0, 1]), (np.ones((2, 3)), [0, 1])], "batch 2 of the stream has 3 columns and the fir"),
            ([np.ones((2, 1))], "batch 1 of the stream is a ndarray; needed is a pair"),
            ([(np.ones(2), [0, 1])], r"batch 1 of the stream has X of shape \(2,\) and type float64; needed is a"),
            ([(np.array([["a"]]), [0])], r"has X of shape \(1, 1\) and type <U1; needed is a matrix of real numbers"),
            ([(np.ones((2, 1)), [0])], r"batch 1 of the stream has 2 rows and y of shape \(1,\); give a target"),
        ],
    )
    def test_refusals(self, batches, text):
        with pytest.raises(DataError, match=text):
            list(BatchRows(batches).pieces())


class TestColumnsOfAModel:
    def files(self, folder, names, X, y):
        rows = [",".join(names), *(",".join(map(str, row)) for row in np.column_stack([X, y]).tolist())]
        (folder / "t.csv").write_text("\n".join(rows), encoding="utf-8")
        parquet.write_table(
            pyarrow.table(dict(zip(names, [*X.T, y], strict=True))), folder / "t.parquet", row_group_size=4
        )
        return [folder / "t.csv", folder / "t.parquet"]

    def test_by_name_in_another_order_and_with_others(self, tmp_path):
        X = numbers(9, 4)
        for path in self.files(tmp_path, ["c", "z", "a", "b", "y"], X, np.arange(9)):
            given: list[dict[str, Any]] = [{}, {"needs_target": False}, {"target": "y", "needs_target": False}]
            for settings in given:
                source = open_rows(path, columns=("a", "b", "c"), **settings)
                np.testing.assert_array_equal(check_pieces(source)[0], X[:, [2, 3, 0]])
                assert source.column_names == ("a", "b", "c")
            with pytest.raises(
                DataError,
                match=r"lacks 2 of the 3 columns of the model: q, r; its columns are c, z, a, b; give the columns of",
            ):
                open_rows(path, columns=("a", "q", "r"))

    def test_a_feature_may_have_the_name_of_a_target(self, tmp_path):
        X = numbers(9, 2)
        for path in self.files(tmp_path, ["label", "a", "kind"], X, np.arange(9)):
            source = open_rows(path, columns=("a", "label"), needs_target=False)
            np.testing.assert_array_equal(check_pieces(source)[0], X[:, ::-1])

    def test_by_number_where_the_model_has_no_names(self, tmp_path):
        X = numbers(9, 2)
        for path in self.files(tmp_path, ["a", "b", "y"], X, np.arange(9)):
            np.testing.assert_array_equal(check_pieces(open_rows(path, columns=2, needs_target=False))[0], X)
            with pytest.raises(DataError, match=r"has 2 feature columns and the model 5; give the columns of the fit"):
                open_rows(path, columns=5)

    def test_names_that_occur_twice_are_not_guessed_at(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_text("a,a,b,y\n1,2,3,0\n4,5,6,1\n", encoding="utf-8")
        with pytest.raises(DataError, match="has 2 columns named 'a'; give each its own name"):
            open_rows(path, columns=("b", "a"))

    def test_one_column_is_enough_to_predict(self, tmp_path):
        path = tmp_path / "t.csv"
        for text, columns in (("a\n1\n2\n", ("a",)), ("1\n2\n", 1)):
            path.write_text(text, encoding="utf-8")
            X, target = check_pieces(open_rows(path, columns=columns, needs_target=False))
            np.testing.assert_array_equal(X, [[1], [2]])
            assert target is None


def test_built_in_sets_and_arrays():
    for name in ("wine", "digits"):
        check_same(name)
    source = rows_of_arrays(numbers(), words())
    X, target = check_pieces(source)
    np.testing.assert_array_equal(X, numbers())
    np.testing.assert_array_equal(target, words())
    assert source.stamp() == (M, 3)
    with pytest.raises(DataError, match="X has 3 rows and 2 labels"):
        rows_of_arrays(numbers(3), np.ones(2))


@pytest.mark.parametrize(("d", "n_rows"), [(1, MOST_ROWS), (2000, PIECE_NUMBERS // 2000), (10**5, LEAST_ROWS)])
def test_long_rows_make_small_pieces(d, n_rows):
    X = np.broadcast_to(np.float32(1), (MOST_ROWS, d))
    assert next(iter(rows_of_arrays(X, np.ones(MOST_ROWS)).pieces()))[0].n_rows == n_rows


def test_other_files_are_refused(tmp_path):
    for name, text in (("t.xls", "has the suffix '.xls'"), ("none.csv", "there is no file"), ("", "is a directory")):
        if name == "t.xls":
            (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=text):
            open_rows(tmp_path / name)
    path = Path(tmp_path / "t.csv")
    path.touch()
    with pytest.raises(DataError, match=r"t\.csv is empty"):
        open_rows(path)
    path.write_text("a,b,y\n1,2,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"--labels .* is for \.npy files"):
        open_rows(path, labels=path)
    before = open_rows(path).stamp()
    path.write_text("a,b,y\n1,2,0\n3,4,1\n", encoding="utf-8")
    assert open_rows(path).stamp() != before
    source = open_rows(path)
    path.unlink()
    with pytest.raises(DataError, match=r"cannot be read any more \(No such file or directory\); put the file back"):
        source.stamp()
