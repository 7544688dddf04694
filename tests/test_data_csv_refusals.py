"""Text tables: which column is the target, and what is wrong, found by line and column."""

import pytest

from tightwidth.data import load_file
from tightwidth.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write_text(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write_text


class TestTarget:
    def test_default_names_in_order(self, write):
        assert load_file(write("y,LABEL,a\n1,2,3\n4,5,6\n")).target.tolist() == [2, 5]
        assert load_file(write("y,LABEL,Target\n1,2,3\n4,5,6\n")).target.tolist() == [3, 6]

    def test_none_of_the_default_names(self, write):
        with pytest.raises(
            DataError,
            match=r"no column named target, label or y; its columns are a, b; name .* with --target COLUMN",
        ):
            load_file(write("a,b\n1,2\n3,4\n"))

    def test_default_name_twice(self, write):
        with pytest.raises(DataError, match=r"2 columns that could be the target: Y, y; choose one with --target"):
            load_file(write("Y,y,a\n1,2,3\n4,5,6\n"))

    def test_unknown_name(self, write):
        with pytest.raises(DataError, match=r"no column named 'kind'; its columns are a, b, y; give --target"):
            load_file(write("a,b,y\n1,2,0\n3,4,1\n"), target="kind")

    def test_only_the_first_ten_columns_are_listed(self, write):
        path = write(",".join(f"c{j}" for j in range(12)) + "\n" + "1," * 11 + "1\n")
        with pytest.raises(DataError, match=r"its columns are c0, .*, c9, \.\.\.; name"):
            load_file(path)

    def test_name_without_header(self, write):
        with pytest.raises(DataError, match=r"no column named 'kind', since it has no header; .* from 0 to 2, -1"):
            load_file(write("1,2,0\n3,4,1\n"), target="kind")

    def test_no_header_and_no_target(self, write):
        with pytest.raises(DataError, match=r"3 columns without names; .* give --target INDEX .* from 0 to 2"):
            load_file(write("1,2,0\n3,4,1\n"))

    @pytest.mark.parametrize("target", [3, -4, "3"])
    def test_index_out_of_range(self, write, target):
        with pytest.raises(DataError, match=rf"3 columns and no column {target}; give --target .* from 0 to 2"):
            load_file(write("a,b,y\n1,2,0\n3,4,1\n"), target=target)

    def test_name_twice(self, write):
        path = write("a,k,k\n1,2,0\n3,4,1\n")
        with pytest.raises(DataError, match=r"2 columns named 'k'; .*index .*counted from 0: 1, 2"):
            load_file(path, target="k")
        assert load_file(path, target=2).target.tolist() == [0, 1]


class TestRefusals:
    def test_text_in_a_feature(self, write):
        path = write("a,b,y\n1,2,0\n\n3,four,1\n")
        with pytest.raises(DataError, match=r"table\.csv, line 4, column 'b': 'four' is not a number; .* --target"):
            load_file(path)

    def test_empty_field(self, write):
        with pytest.raises(DataError, match="line 3, column 'a': the field is empty; a number is needed; fill it in"):
            load_file(write("a,b,y\n1,2,0\n,4,1\n"))

    def test_decimal_comma(self, write):
        with pytest.raises(DataError, match=r"line 2, column 'b': '2,5' has a decimal comma; .* with a point"):
            load_file(write("a;b;y\n1;2,5;0\n3;4,5;1\n"))

    @pytest.mark.parametrize("row", ["3,4", "3,4,1,5"])
    def test_ragged_rows(self, write, row):
        n_fields = row.count(",") + 1
        with pytest.raises(
            DataError,
            match=f"line 3: {n_fields} fields are given and 3 are needed, as in line 1; complete or remove",
        ):
            load_file(write(f"a,b,y\n1,2,0\n{row}\n5,6,1\n"))

    def test_all_rows_wider_than_the_header(self, write):
        with pytest.raises(DataError, match="line 2: 4 fields are given and 3 are needed, as in line 1"):
            load_file(write("a,b,y\n1,2,0,9\n3,4,1,9\n"))

    def test_infinity_and_nan(self, write):
        with pytest.raises(DataError, match="holds 2 NaN or infinite values, first in column 'a' at data row 2"):
            load_file(write("a,b,y\n1,inf,0\nnan,4,1\n"))

    def test_header_only(self, write):
        with pytest.raises(DataError, match="a header and no rows; at least 2 points are needed; add them below"):
            load_file(write("a,b,y\n"))

    def test_one_row(self, write):
        with pytest.raises(DataError, match="has 1 data rows; at least 2 points are needed"):
            load_file(write("a,b,y\n1,2,0\n"))

    def test_one_column(self, write):
        with pytest.raises(DataError, match="has one column; features and a target are needed, separated by comma,"):
            load_file(write("y\n1\n2\n"))

    def test_blank_lines_only(self, write):
        with pytest.raises(DataError, match="is empty: it has blank lines only"):
            load_file(write("\n  \n"))

    @pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
    def test_other_encodings(self, write, encoding):
        with pytest.raises(DataError, match=r"is not UTF-8 text; .* save the file as UTF-8"):
            load_file(write("größe,y\n1,0\n2,1\n", encoding))

    def test_a_quote_that_never_ends(self, write):
        with pytest.raises(DataError, match=r"cannot be read as a text table \(.*\); check its quotes"):
            load_file(write('a,b,y\n1,2,"' + "x" * 140_000))
