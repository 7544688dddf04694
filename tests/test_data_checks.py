"""Checks of tables: each refusal says what was given, what is needed, what to do."""

import numpy as np
import pytest

from tightwidth.data import check_table
from tightwidth.data.checks import check_same_length
from tightwidth.errors import DataError

X = np.arange(12.0).reshape(4, 3)
NAMES = ("height", "weight", "age")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_])
def test_real_numbers_of_any_type_pass(dtype):
    check_table(X.astype(dtype), NAMES)
    check_table(X.astype(dtype))


@pytest.mark.parametrize("shape", [(), (12,), (2, 2, 3)])
def test_other_than_two_dimensions(shape):
    with pytest.raises(DataError, match=r"X has shape .*; two dimensions are needed, .*X\.reshape\(len\(X\), -1\)"):
        check_table(np.zeros(shape))


@pytest.mark.parametrize("n_rows", [0, 1])
def test_fewer_than_two_points(n_rows):
    with pytest.raises(DataError, match=rf"X has {n_rows} data rows; at least 2 points are needed; give more rows"):
        check_table(X[:n_rows])


def test_no_features():
    with pytest.raises(DataError, match="X has no feature columns; at least 1 is needed beside the target"):
        check_table(X[:, :0])


@pytest.mark.parametrize("values", [X.astype(str), X.astype(object), X.astype(complex), X.astype("M8[s]")])
def test_values_that_are_no_real_numbers(values):
    with pytest.raises(DataError, match=r"X holds values of type .*; features must be real numbers; convert them"):
        check_table(values, NAMES)


def test_number_of_names():
    with pytest.raises(DataError, match="X has 3 columns and 2 column names; give one name for each column"):
        check_table(X, NAMES[:2])


def test_nan_and_infinity_are_located_in_the_first_bad_column():
    bad = X.copy()
    bad[0, 2] = -np.inf
    bad[[1, 3], 1] = np.nan, np.inf
    with pytest.raises(DataError, match=r"^f holds 3 NaN or infinite values, first in column 'weight' at data row 2;"):
        check_table(bad, NAMES, name="f")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_single_nan_in_a_table_without_names(dtype):
    bad = X.astype(dtype)
    bad[3, 0] = np.nan
    with pytest.raises(DataError, match="X holds 1 NaN or infinite value, first in column 'x0' at data row 4;"):
        check_table(bad)


def test_points_and_labels_of_different_length():
    check_same_length(X, np.zeros(4))
    with pytest.raises(DataError, match="X has 4 rows and 5 labels; one label for each row is needed"):
        check_same_length(X, np.zeros(5))


def test_every_message_is_one_line():
    with pytest.raises(DataError) as caught:
        check_table(np.full((2, 1), np.nan), ["two\nlines"])
    assert "\n" not in str(caught.value)
