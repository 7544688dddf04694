"""Labels: from a target with any values to y in {-1, +1}.

A two-valued target is used as it is.  One with more values needs the value that becomes +1.  Random labels
leave the points as they are and forget the target, the classical test of memorization.
"""

from typing import Any

import numpy as np

from tightwidth.data.table import Labels
from tightwidth.data.target import is_missing_mark, number_from, plain_target, readable_list
from tightwidth.errors import DataError
from tightwidth.sampling import fair_labels

SHOWN_CLASSES = 5
LARGEST_READABLE = 1e15


def binary_labels(target: Any, *, positive: str | float | int | np.generic | None = None) -> Labels:
    """Return labels y in {-1, +1}:  y_i = +1 if target_i is the positive value, else -1.

    Parameters
    ----------
    target
        The target values, shape [m]: numbers or text.
    positive
        The value that becomes +1.  A text such as ``"3"`` also means the number 3, and a number also means
        the text that stands for it; a value that is the text itself goes first.  None takes the larger of two
        values, in the order of numbers if both are numbers and else in the order of text.

    Returns
    -------
    y
        The labels as float64, shape [m]; both signs occur.

    Raises
    ------
    DataError
        If the target is no column of numbers or text, is empty, misses values, has one value only, has more
        than two values while ``positive`` is None, or does not have the value ``positive``.

    Examples
    --------
    >>> binary_labels(np.array(["cat", "dog", "cat"]))
    array([-1.,  1., -1.])
    >>> binary_labels(np.array([0, 1, 2]), positive="0")
    array([ 1., -1., -1.])
    """
    values = plain_target(target)
    check_present(values)
    classes, index = np.unique(values, return_inverse=True)
    items = classes.tolist()
    if len(items) == 1:
        message = (
            f"all {len(values)} target values are equal to {readable(items[0])}; two different labels are "
            "needed; choose another target column with --target (target= in Python), or --random-labels"
        )
        raise DataError(message)
    if positive is not None:
        is_positive = matches(items, positive)
        if not any(is_positive):
            message = (
                f"the target has no value {str(positive)!r}; give --positive (positive= in Python) as one of "
                f"{readable_list(map(readable, items))}"
            )
            raise DataError(message)
    elif len(items) == 2:
        is_positive = is_larger_of_two(items)
    else:
        message = (
            f"the target has {len(items)} classes ({readable_list(map(readable, items), SHOWN_CLASSES)}); "
            "two are needed; give --positive VALUE (positive= in Python) for the one that becomes +1, or "
            "--random-labels"
        )
        raise DataError(message)
    return np.where(np.array(is_positive)[index], 1.0, -1.0)


def check_present(values: np.ndarray) -> None:
    """Raise if a target is empty, or if one of its values is missing.

    Raises
    ------
    DataError
        If there is no value, or if a number is NaN or infinite, or if a text marks a missing value.
    """
    if len(values) == 0:
        message = "the target is empty; one value for each point is needed; give data with at least 2 points"
        raise DataError(message)
    if values.dtype.kind == "f":
        missing, kind = ~np.isfinite(values), "NaN or infinite"
    elif values.dtype.kind == "U":
        classes, index = np.unique(values, return_inverse=True)
        missing, kind = np.array([is_missing_mark(text) for text in classes.tolist()])[index], "missing"
    else:
        return
    if missing.any():
        message = (
            f"{int(missing.sum())} of {len(values)} target values are {kind}, first at data row "
            f"{int(np.argmax(missing)) + 1}; every point needs a label; remove these rows"
        )
        raise DataError(message)


def matches(classes: list[Any], positive: str | float | int | np.generic) -> list[bool]:
    """Return for each class whether it is the positive value: as text, else as a number."""
    wanted = str(positive).strip()
    as_text = [wanted in (str(value), readable(value)) for value in classes]
    if any(as_text):
        return as_text
    number = number_from(wanted)
    return [number is not None and number_from(str(value)) == number for value in classes]


def is_larger_of_two(classes: list[Any]) -> list[bool]:
    """Return for each of two sorted classes whether it is the larger, as numbers if both stand for numbers.

    Examples
    --------
    >>> is_larger_of_two(["10", "9"])
    [True, False]
    """
    first, second = (number_from(str(value)) for value in classes)
    if first is not None and second is not None and first > second:
        return [True, False]
    return [False, True]


def readable(value: Any) -> str:
    """Return a class as a user would write it: whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_READABLE:
        return str(int(value))
    return str(value)


def random_labels(m: int, seed: int) -> Labels:
    """Return m independent labels, each +1 or -1 with probability 1/2.

    Parameters
    ----------
    m
        The number of labels, at least 1.
    seed
        A whole number from 0 on; the same seed gives the same labels, and the first labels do not depend on
        m.

    Returns
    -------
    y
        The labels as float64, shape [m].  They are fair coins and not balanced: for very small m all may be
        equal.

    Raises
    ------
    DataError
        If m is below 1 or the seed is negative.
    """
    if m < 1:
        message = f"{m} random labels were asked for; at least 1 is needed; give data with at least 2 points"
        raise DataError(message)
    if seed < 0:
        message = f"the seed {seed} is negative; a whole number from 0 on is needed; give another --seed (seed=)"
        raise DataError(message)
    return fair_labels(m, seed)
