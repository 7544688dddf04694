"""Text tables: what was written is what is read, in one go and record by record."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tightwidth.data import load_file
from tightwidth.data.csv_layout import csv_layout
from tightwidth.data.csv_table import values_by_record, values_in_one_go
from tightwidth.errors import DataError

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def write(tmp_path):
    def write_text(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write_text


def both_ways(path, target=None):
    """Read a file in one go, if it has no quotes inside fields, and by record, and check that they agree."""
    table = load_file(path, target=target)
    layout = csv_layout(path, target)
    in_one_go = values_in_one_go(path, layout)
    assert (in_one_go is None) == ('""' in path.read_text(encoding="utf-8"))
    for X, values in filter(None, (in_one_go, values_by_record(path, layout))):
        np.testing.assert_array_equal(X, table.X)
        np.testing.assert_array_equal(values, table.target)
        assert values.dtype == table.target.dtype
    return table


def test_header_and_numbers(write):
    table = both_ways(write("a,b,Target\n1,2.5,0\n-3e2,4,1\n"))
    np.testing.assert_array_equal(table.X, [[1, 2.5], [-300, 4]])
    np.testing.assert_array_equal(table.target, [0, 1])
    assert table.column_names == ("a", "b")
    assert table.name == "table.csv"
    assert table.X.dtype == np.float64
    assert table.X.flags.c_contiguous
    assert table.target.dtype == np.int64


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n", "\n   \n"])
def test_delimiters_newlines_byte_order_mark_and_blank_lines(write, delimiter, newline, encoding, ending):
    lines = [delimiter.join(row) for row in (["größe", "y", "b"], ["1", "0", "2"], ["3", "1", "4"])]
    table = load_file(write((("\n".join(lines)) + ending).replace("\n", newline), encoding))
    np.testing.assert_array_equal(table.X, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(table.target, [0, 1])
    assert table.column_names == ("größe", "b")


def test_blank_lines_before_and_between(write):
    table = both_ways(write("\n\na,b,y\n\n1,2,0\n\n3,4,1\n"))
    np.testing.assert_array_equal(table.X, [[1, 2], [3, 4]])


def test_quoted_fields(write):
    table = both_ways(write('"a, wide",b,y\n"1","2","cat, ""big"""\n3,4,dog\n'))
    np.testing.assert_array_equal(table.X, [[1, 2], [3, 4]])
    assert table.target.tolist() == ['cat, "big"', "dog"]
    assert table.column_names == ("a, wide", "b")


def test_spaces_around_fields(write):
    table = load_file(write('a, b, y\n1, 2, "cat"\n3, 4, dog\n'))
    np.testing.assert_array_equal(table.X, [[1, 2], [3, 4]])
    assert table.target.tolist() == ["cat", "dog"]
    assert table.column_names == ("a", "b")


def test_a_hash_is_no_comment(write):
    table = load_file(write("a,#b,y\n1,2,#1\n3,4,#2\n"))
    assert table.column_names == ("a", "#b")
    assert table.target.tolist() == ["#1", "#2"]


@pytest.mark.parametrize(
    ("fields", "expected", "dtype"),
    [
        (["0", "1", "-1"], [0, 1, -1], np.int64),
        (["0.5", "1", "1e3"], [0.5, 1, 1000], np.float64),
        (["1", "", "2"], [1, np.nan, 2], np.float64),
        (["1", "NA", "?"], [1, np.nan, np.nan], np.float64),
        (["1", "99999999999999999999", "2"], [1, 1e20, 2], np.float64),
    ],
)
def test_numeric_targets(write, fields, expected, dtype):
    table = both_ways(write("a,y\n" + "".join(f"{i},{field}\n" for i, field in enumerate(fields))))
    np.testing.assert_array_equal(table.target, expected)
    assert table.target.dtype == dtype


def test_text_targets_keep_missing_fields_empty(write):
    table = both_ways(write("a,y\n1,cat\n2,\n3,NA\n"))
    assert table.target.tolist() == ["cat", "", "NA"]


class TestHeader:
    def test_none_and_target_by_index(self, write):
        table = both_ways(write("1,2,cat\n3,4,dog\n"), target=-1)
        np.testing.assert_array_equal(table.X, [[1, 2], [3, 4]])
        assert table.target.tolist() == ["cat", "dog"]
        assert table.column_names == ("x0", "x1")

    def test_names_keep_their_place_when_the_target_is_taken_out(self, write):
        assert load_file(write("0,2,3\n1,4,5\n"), target="0").column_names == ("x1", "x2")

    def test_columns_numbered_as_data_frames_do(self, write):
        table = load_file(write("0,1,target\n1.5,2,cat\n3,4,dog\n"))
        assert table.column_names == ("0", "1")
        assert table.target.tolist() == ["cat", "dog"]

    def test_a_point_of_class_y_is_no_header(self, write):
        path = write("1.5,2,y\n3,4,n\n")
        with pytest.raises(DataError, match="3 columns without names"):
            load_file(path)
        assert load_file(path, target="-1").target.tolist() == ["y", "n"]

    def test_named_target_among_numbered_columns(self, write):
        table = load_file(write("10,20,kind\n1,2,cat\n3,4,dog\n"), target="kind")
        assert table.column_names == ("10", "20")

    def test_text_above_numbers_in_the_target_column(self, write):
        table = load_file(write("10,20,kind\n1,2,0\n3,4,1\n"), target=2)
        assert table.column_names == ("10", "20")
        assert table.target.tolist() == [0, 1]

    def test_empty_names_are_filled_in(self, write):
        assert load_file(write(",b,y\n1,2,0\n3,4,1\n")).column_names == ("x0", "b")

    def test_numbers_only_are_data(self, write):
        table = load_file(write("0,1,2\n3,4,5\n"), target="1")
        np.testing.assert_array_equal(table.X, [[0, 2], [3, 5]])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(FINITE, FINITE, FINITE, st.sampled_from(["cat", 'd"o,g', "ö"])), min_size=2, max_size=8),
    header=st.booleans(),
    place=st.integers(0, 3),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_round_trip(tmp_path_factory, rows, header, place, delimiter, quoting):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    records = [[*map(repr, row[:place]), row[3], *map(repr, row[place:3])] for row in rows]
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=delimiter, quoting=quoting)
        if header:
            writer.writerow(["t" if j == place else f"c{j}" for j in range(4)])
        writer.writerows(records)
    table = both_ways(path, target="t" if header else place)
    np.testing.assert_array_equal(table.X, [row[:3] for row in rows])
    assert table.target.tolist() == [row[3] for row in rows]
