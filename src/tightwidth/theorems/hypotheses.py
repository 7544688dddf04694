"""Checks that the numbered results share: what was given, and the range in which it must lie."""

import math
from collections.abc import Callable

import numpy as np

from tightwidth.errors import HypothesisError

LARGEST_COUNT = 1e18  # beyond, a number of pairs, steps or points says nothing


def require(holds: bool | np.bool_, message: str) -> None:
    """Raise the message unless the hypothesis holds.

    Raises
    ------
    HypothesisError
        If it does not.
    """
    if not holds:
        raise HypothesisError(message)


def require_positive(name: str, value: float, reason: str = "") -> None:
    """Raise unless ``0 < value < inf``; the reason is appended to the message.

    Raises
    ------
    HypothesisError
        If the value is outside.
    """
    ending = f": {reason}" if reason else ""
    require(0 < value < math.inf, f"{name}={value:g} must be positive and finite{ending}")


def require_not_negative(name: str, value: float) -> None:
    """Raise unless ``0 <= value < inf``.

    Raises
    ------
    HypothesisError
        If the value is outside.
    """
    require(0 <= value < math.inf, f"{name}={value:g} must be finite and not negative")


def require_share(name: str, value: float) -> None:
    """Raise unless ``0 < value < 1``.

    Raises
    ------
    HypothesisError
        If the value is outside.
    """
    require(0 < value < 1, f"{name}={value:g} must lie strictly between 0 and 1")


def require_count(name: str, value: float) -> None:
    """Raise unless ``1 <= value < inf``, for numbers of pairs, points or coordinates.

    Raises
    ------
    HypothesisError
        If the value is outside.
    """
    require(1 <= value < math.inf, f"{name}={value:g} must be at least 1 and finite")


def require_R(R: float, d: int) -> None:
    """Raise unless ``1 <= R <= sqrt(d)``, as it is for every distribution on the sphere (up to rounding).

    Raises
    ------
    HypothesisError
        If R is outside.
    """
    # no shorter: at the upper end R comes from an eigenvalue, which has rounding errors
    require(1 <= R <= math.sqrt(d) * (1 + 1e-9), f"R={R:g} must lie in [1, sqrt(d)={math.sqrt(d):g}]")


def least_count(suffices: Callable[[int], bool], near: float, *, target: str, of: str) -> int:
    """Return the least integer that suffices, given the real number from which on integers do.

    The number is rounded, so its ceiling may be off by one; the statement itself decides between the neighbours.

    Parameters
    ----------
    suffices
        Whether an integer >= 1 suffices; true from some integer on.
    near
        The real solution of the formula, up to rounding.
    target, of
        For the message: "<target> asks for more than 1e+18 <of>".

    Raises
    ------
    HypothesisError
        If the number is larger than 1e18.
    """
    require(near <= LARGEST_COUNT, f"{target} asks for more than {LARGEST_COUNT:g} {of}; raise it")
    count = max(1, math.ceil(near))
    if count > 1 and suffices(count - 1):
        return count - 1
    return count if suffices(count) else count + 1
