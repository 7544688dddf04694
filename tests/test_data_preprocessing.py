"""Standardised columns, compared with scikit-learn where that is exact enough to compare with."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from tightwidth.data import Standardizer, standardize
from tightwidth.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)) * [1, 10, 1e-3, 1e3, 2] + [0, 5, -1, 1e4, 3]
WEIGHTS = RNG.integers(0, 4, size=40).astype(float)


@pytest.mark.parametrize("weights", [None, WEIGHTS, 1e-3 * WEIGHTS], ids=["plain", "weighted", "scaled"])
def test_as_scikit_learn(weights):
    ours = Standardizer.fit(X, weights)
    theirs: Any = StandardScaler().fit(X, sample_weight=weights)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.scale, theirs.scale_, rtol=1e-12)
    later = RNG.normal(size=(7, 5))
    np.testing.assert_allclose(ours.transform(later), theirs.transform(later), rtol=1e-9)


def test_the_divisor_is_the_number_of_points():
    standardized = standardize(X)
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standardized.std(axis=0), 1, rtol=1e-12)
    assert (np.abs(standardized.std(axis=0, ddof=1) - 1) > 1e-3).all()  # so that the other divisor would be noticed


def test_weights_count_repetitions():
    repeated = Standardizer.fit(np.repeat(X, WEIGHTS.astype(int), axis=0))
    weighted = Standardizer.fit(X, WEIGHTS)
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-12)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept_and_the_arithmetic_is_float64(dtype):
    offset = (X + 1e4).astype(dtype)
    standardized = standardize(offset)
    assert standardized.dtype == dtype
    np.testing.assert_array_equal(standardized, standardize(offset.astype(np.float64)).astype(dtype))


def test_whole_numbers_become_float64():
    standardized = standardize(np.array([[1, 7], [3, 7]]))
    assert standardized.dtype == np.float64
    assert standardized.tolist() == [[-1.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-310, 12345.678])
@pytest.mark.parametrize("m", [1, 3, 10, 1001])
def test_constant_columns_go_to_exactly_zero(value, m):
    standardizer = Standardizer.fit(np.full((m, 2), value))
    np.testing.assert_array_equal(standardizer.mean, value)
    np.testing.assert_array_equal(standardizer.transform(np.full((m, 2), value)), 0.0)
    np.testing.assert_array_equal(standardizer.transform(np.array([[5.0, -1e10]])), 0.0)


def test_a_row_of_weight_zero_counts_as_absent():
    points = np.array([[1.0, 2.0], [1.0, 4.0], [9.0, 9.0]])
    standardizer = Standardizer.fit(points, np.array([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(standardizer.transform(points)[:, 0], 0.0)
    np.testing.assert_allclose(standardizer.transform(points)[:, 1], [-1, 1, 6])


def test_a_nearly_constant_column_is_not_constant():
    points = np.array([[1e8], [1e8 + 1e-6], [1e8 - 1e-6]])
    exact = [Fraction(float(value)) for value in points[:, 0]]
    mean = sum(exact) / 3
    variance = sum((value - mean) ** 2 for value in exact) / 3
    np.testing.assert_allclose(Standardizer.fit(points).scale, float(variance) ** 0.5, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_do_not_matter(unit):
    np.testing.assert_allclose(standardize(X * unit), standardize(X), rtol=1e-7)


def test_a_column_of_numbers_without_digits_is_constant():
    points = np.array([[0, 1.0], [5e-324, 2.0], [1e-300, 4.0]])
    assert (standardize(points)[:, 0] == 0).all()
    np.testing.assert_allclose(standardize(points * [1e50, 1]).var(axis=0), 1)


@settings(deadline=None)
@given(arrays(np.float64, (6, 3), elements=st.floats(-1e6, 1e6)))
def test_mean_zero_and_variance_one_or_all_zero(points):
    standardized = standardize(points)
    for before, after in zip(points.T, standardized.T, strict=True):
        if np.ptp(before) < 1e-292:  # constant, or numbers that have lost their digits
            assert (after == 0).all()
        elif np.ptp(before) > 1e-6 * np.abs(before).max():
            np.testing.assert_allclose(after.mean(), 0, atol=1e-8)
            np.testing.assert_allclose(after.var(), 1, rtol=1e-8)


def test_the_argument_is_not_changed():
    before = X.copy()
    Standardizer.fit(X, WEIGHTS).transform(X)
    np.testing.assert_array_equal(X, before)


def test_other_columns_than_in_the_fit():
    with pytest.raises(DataError, match=r"X has shape \(40, 4\); 5 columns are needed, as in the data that the"):
        Standardizer.fit(X).transform(X[:, :4])
    with pytest.raises(DataError, match=r"X has shape \(5,\); 5 columns are needed"):
        Standardizer.fit(X).transform(X[0])


@pytest.mark.parametrize("points", [X[0], X[:0]])
def test_no_matrix_or_no_rows(points):
    with pytest.raises(DataError, match=r"X has shape .*; a matrix \[points, features\] with at least one row is need"):
        Standardizer.fit(points)


def test_weights_that_are_none():
    with pytest.raises(DataError, match=r"sample_weight has shape \(39,\) for 40 rows; one weight for each row"):
        Standardizer.fit(X, WEIGHTS[:39])
    for weights, text in (
        (-WEIGHTS, "from -3 to -0"),
        (0 * WEIGHTS, "from 0 to 0"),
        (WEIGHTS + np.nan, "from nan"),
    ):
        with pytest.raises(DataError, match=rf"sample_weight runs {text}.*; finite weights of at least 0, not all 0"):
            Standardizer.fit(X, weights)
