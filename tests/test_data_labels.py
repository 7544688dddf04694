"""Labels of +1 and -1 from any target, and random ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightwidth.data import binary_labels, random_labels
from tightwidth.errors import DataError


@pytest.mark.parametrize(
    "target",
    [
        [-1, 1, 1, -1],
        [0, 1, 1, 0],
        [2.5, 7.0, 7.0, 2.5],
        [False, True, True, False],
        ["a", "b", "b", "a"],
        ["9", "10", "10", "9"],
        ["-1", "+1", "+1", "-1"],
        np.array(["no", "yes", "yes", "no"], dtype=object),
        np.array([3, 4, 4, 3], dtype=object),
        [[0], [1], [1], [0]],
    ],
)
def test_two_values_are_used_as_they_are(target):
    y = binary_labels(np.array(target))
    assert y.tolist() == [-1.0, 1.0, 1.0, -1.0]
    assert y.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32, np.uint8, np.str_])
@pytest.mark.parametrize("positive", ["3", 3, 3.0, "3.0", " 3 ", np.int64(3)])
def test_a_positive_value_is_found_as_number_or_text(dtype, positive):
    y = binary_labels(np.array([1, 3, 2, 3]).astype(dtype), positive=positive)
    assert y.tolist() == [-1.0, 1.0, -1.0, 1.0]


def test_a_positive_value_among_two():
    assert binary_labels(np.array([0, 1, 0]), positive="0").tolist() == [1.0, -1.0, 1.0]
    assert binary_labels(np.array(["no", "yes"]), positive="no").tolist() == [1.0, -1.0]
    assert binary_labels(np.array([True, False]), positive=False).tolist() == [-1.0, 1.0]


def test_the_text_itself_goes_before_the_number_it_stands_for():
    assert binary_labels(np.array(["1", "1.0", "b"]), positive="1.0").tolist() == [-1.0, 1.0, -1.0]


@given(st.lists(st.integers(-3, 3), min_size=2).filter(lambda values: len(set(values)) > 1), st.data())
def test_positive_is_one_against_the_rest(values, data):
    positive = data.draw(st.sampled_from(values))
    expected = [1.0 if value == positive else -1.0 for value in values]
    assert binary_labels(np.array(values), positive=str(positive)).tolist() == expected
    assert binary_labels(np.array(values, dtype=float), positive=positive).tolist() == expected
    assert binary_labels(np.array([f"c{value}" for value in values]), positive=f"c{positive}").tolist() == expected


def test_more_classes_without_a_positive_value():
    with pytest.raises(
        DataError,
        match=r"has 10 classes \(0, 1, 2, 3, 4, \.\.\.\); two are needed; give --positive VALUE .* --random",
    ):
        binary_labels(np.arange(20) % 10)
    with pytest.raises(DataError, match=r"has 3 classes \(a, b, c\); two are needed"):
        binary_labels(np.array(["b", "a", "c"]))
    with pytest.raises(DataError, match=r"has 3 classes \(-1, 0\.5, 1e\+300\); two are needed"):
        binary_labels(np.array([-1, 0.5, 1e300]))


@pytest.mark.parametrize("positive", ["7", "seven", "nan", 7.5])
def test_unknown_positive_value(positive):
    with pytest.raises(DataError, match=rf"no value '{positive}'; give --positive .* as one of 0, 1, 2$"):
        binary_labels(np.array([0.0, 1.0, 2.0]), positive=positive)


def test_at_most_ten_known_values_are_listed():
    with pytest.raises(DataError, match=r"as one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.$"):
        binary_labels(np.arange(11), positive="x")


@pytest.mark.parametrize("positive", [None, "1"])
def test_all_equal(positive):
    with pytest.raises(DataError, match=r"all 3 target values are equal to 1; two different labels are needed"):
        binary_labels(np.ones(3), positive=positive)


def test_missing_values_are_counted():
    with pytest.raises(DataError, match="2 of 4 target values are NaN or infinite, first at data row 2; every point"):
        binary_labels(np.array([0, np.nan, 1, np.inf]))
    with pytest.raises(DataError, match=r"3 of 5 target values are missing, first at data row 1; .* remove these rows"):
        binary_labels(np.array(["", "a", "NA", "b", " ? "]))
    with pytest.raises(DataError, match="1 of 3 target values are missing, first at data row 3"):
        binary_labels(np.array(["a", "b", None], dtype=object))
    with pytest.raises(DataError, match="1 of 3 target values are NaN or infinite, first at data row 2"):
        binary_labels(np.array([1, float("nan"), 0], dtype=object))


def test_targets_that_are_no_column_of_numbers_or_text():
    with pytest.raises(DataError, match=r"the target is empty; one value for each point is needed"):
        binary_labels(np.array([]))
    with pytest.raises(DataError, match=r"the target has shape \(2, 3\); .* for one-hot rows give y\.argmax"):
        binary_labels(np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"the target holds values of type object; numbers or text are needed"):
        binary_labels(np.array(["a", 1], dtype=object))
    with pytest.raises(DataError, match=r"the target holds values of type complex128; numbers or text are needed"):
        binary_labels(np.array([1j, 2]))


def test_messages_are_one_line():
    with pytest.raises(DataError, match="two lines") as caught:
        binary_labels(np.array(["two\nlines", "b", "c"]))
    assert "\n" not in str(caught.value)


def test_random_labels_are_fair_coins():
    """P(|mean| > t) <= 2 exp(-m t^2 / 2) by Hoeffding; it is p at t = sqrt(2 log(2 / p) / m)."""
    m, failure = 200_000, 1e-6
    threshold = math.sqrt(2 * math.log(2 / failure) / m)
    y = random_labels(m, seed=0)
    assert set(y.tolist()) == {-1.0, 1.0}
    assert y.dtype == np.float64
    assert abs(y.mean()) < threshold
    assert abs((y[1:] * y[:-1]).mean()) < threshold  # the products of neighbours are fair coins, too
    assert abs((y * random_labels(m, seed=1)).mean()) < threshold
    biased = np.where(np.random.default_rng(0).random(m) < 0.49, -1.0, 1.0)
    assert abs(biased.mean()) > threshold


def test_random_labels_are_not_balanced():
    assert len({random_labels(100, seed=seed).sum() for seed in range(10)}) > 1


def test_random_labels_follow_the_seed_alone():
    np.testing.assert_array_equal(random_labels(50, seed=3), random_labels(50, seed=3))
    np.testing.assert_array_equal(random_labels(50, seed=3), random_labels(80, seed=3)[:50])
    assert (random_labels(50, seed=3) != random_labels(50, seed=4)).any()


def test_random_labels_out_of_range():
    with pytest.raises(DataError, match="0 random labels were asked for; at least 1 is needed"):
        random_labels(0, seed=0)
    with pytest.raises(DataError, match="the seed -1 is negative; a whole number from 0 on is needed"):
        random_labels(5, seed=-1)
