"""Samples of experiments, drawn by NumPy: a new shape compiles nothing."""

from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float

from tightwidth import sphere
from tightwidth.data.builtin import BUILTIN_NAMES, load_builtin
from tightwidth.data.preprocessing import Standardizer
from tightwidth.errors import InputError
from tightwidth.sampling import fair_labels

SPHERE = "sphere"
POINTS, ROWS = 0x5350, 0x5352  # of a seed: what points and the choice of rows draw from


@lru_cache(maxsize=4)
def sphere_points(m: int, d: int, seed: int) -> Float[np.ndarray, "m d"]:
    """Return m uniform points on the sphere, in float32; the first ones do not depend on m."""
    X = np.random.default_rng([seed, POINTS, d]).standard_normal((m, d))
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    X.flags.writeable = False  # the configs of a grid share it
    return X


@cache
def _rows_of(inputs: str) -> Float[np.ndarray, "n d"]:
    """Return all rows of a built-in set, standardised and on the sphere; read once, since every config asks."""
    table = np.asarray(load_builtin(inputs).X)
    X = sphere.project(Standardizer.fit(table).transform(table)).astype(np.float32)
    X.flags.writeable = False
    return X


def check_inputs(inputs: str, m: int) -> None:
    """Raise unless there are inputs of this name, and m of them.

    Raises
    ------
    InputError
        With the names, or the number of rows.
    """
    if inputs == SPHERE:
        return
    if inputs not in BUILTIN_NAMES:
        message = f"inputs {inputs!r} are unknown; known: {', '.join((SPHERE, *BUILTIN_NAMES))}"
        raise InputError(message)
    there = len(_rows_of(inputs))
    if m > there:
        message = f"n_samples={m} exceeds the {there} rows of {inputs}; give at most {there}"
        raise InputError(message)


def random_labels_on(
    inputs: str, m: int, d: int, seed: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Return m points on the sphere, in float32, and fair labels.

    The points are uniform, or random rows of a built-in set whose columns were standardised; d is then its own.
    """
    if inputs == SPHERE:
        X = sphere_points(m, d, seed)
    else:
        there = _rows_of(inputs)
        X = there[np.random.default_rng([seed, ROWS]).permutation(len(there))[:m]]
    return X, fair_labels(m, seed).astype(np.float32)


def n_features_of(inputs: str) -> int:
    """Return the number of columns of a built-in set."""
    return _rows_of(inputs).shape[1]
