"""Float64 in, float64 throughout, with no change of JAX's global setting.

JAX computes in float32 unless its x64 mode is on.  The mode is switched on here, for the duration of one call or
one step of a generator, whenever an argument holds float64 numbers; everything below the boundary then follows the
dtype of what it is given.
"""

import functools
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np

P = ParamSpec("P")
Out = TypeVar("Out")
Event = TypeVar("Event")
Result = TypeVar("Result")

FLOAT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def in_precision_of(*trees: Any) -> AbstractContextManager[Any]:
    """Return a context in which float64 leaves of the given trees keep their precision.

    A leaf is an array or a dtype.
    """
    if any(_is_float64(leaf) for leaf in jax.tree.leaves(trees)):
        return jax.enable_x64(True)
    return nullcontext()


def _is_float64(leaf: Any) -> bool:
    if isinstance(leaf, (str, type, np.dtype)):
        return leaf in ("float64", np.float64, np.dtype(np.float64))
    return getattr(leaf, "dtype", None) == np.float64


def follows_dtype(function: Callable[P, Out]) -> Callable[P, Out]:
    """Run a function in float64 when one of its arguments holds a float64 array, in float32 otherwise."""

    @functools.wraps(function)
    def in_precision(*args: P.args, **kwargs: P.kwargs) -> Out:
        with in_precision_of(args, kwargs):
            return function(*args, **kwargs)

    return in_precision


def stepwise(events: Generator[Event, None, Result], *trees: Any) -> Generator[Event, None, Result]:
    """Run each step of a generator in the precision of the trees, and none of the code between the steps.

    A context held open across a ``yield`` would leak into the caller; it is entered anew for each step instead.
    """
    while True:
        with in_precision_of(*trees):
            try:
                event = next(events)
            except StopIteration as stop:
                return stop.value
        yield event


def float_array(values: Any, dtype: np.dtype[Any] | type | None = None) -> np.ndarray:
    """Return values as a C-ordered NumPy array: float32 and float64 as they are, other numbers as float64.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        message = f"numbers of dtype {array.dtype} cannot be used as real numbers"
        raise TypeError(message)
    if dtype is None:
        dtype = array.dtype if array.dtype in FLOAT_DTYPES else np.dtype(np.float64)
    return np.ascontiguousarray(array, dtype=dtype)


def is_concrete(value: Any) -> bool:
    """Return whether a value is a number or an array, and not a stand-in for one inside a traced function."""
    try:
        np.asarray(value)
    except jax.errors.TracerArrayConversionError:
        return False
    return True
