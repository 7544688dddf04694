"""Points on the unit sphere, and how spread out they are (sections 1 and A.5).

A distribution on the sphere is R-bounded if ``E <u,x>^2 <= R^2 / d`` for every unit vector u; so
``R^2 = d lambda_max(E x x^T)``, between 1 (as spread out as can be) and d (all points on one line).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.errors import DataError, InputError
from tightwidth.spectrum import largest_eigenvalue, largest_eigenvalue_bound

EXACT_DIMENSION = 4000  # up to here R comes from LAPACK, beyond from an upper bound
BLOCK_ROWS = 65_536  # rows taken to float64 at a time
BOUND_STEPS = 60
WAYS = ("project", "bias", "require")  # to get points onto the sphere


@dataclass(frozen=True)
class Distribution:
    """Name a distribution on the sphere, with a sampler and its R.

    ``sample(key, n, dtype)`` returns n points, [n, d]; it can be traced, so that points may be drawn inside a compiled
    loop.  The distribution is ``R``-bounded.
    """

    name: str
    d: int
    R: float
    sample: Callable[[PRNGKeyArray, int, Any], Float[Array, "n d"]]


def check_dimension(d: int) -> None:
    """Raise unless there is a sphere in so many dimensions.

    Raises
    ------
    InputError
        If d is below 1.
    """
    if d < 1:
        message = f"dim={d}: points on a sphere need at least 1 coordinate; give dim >= 1"
        raise InputError(message)


def gaussians(key: PRNGKeyArray, n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
    """Draw standard Gaussian rows, in float32 and then cast: one seed gives the same points in both precisions."""
    return jax.random.normal(key, (n, d), jnp.float32).astype(dtype)


def uniform(d: int) -> Distribution:
    """Return the uniform distribution on the sphere in R^d, for which R = 1.

    References
    ----------
    Daniely (2020), Section A.5.
    """
    check_dimension(d)

    def sample(key: PRNGKeyArray, n: int, dtype: Any = jnp.float32) -> Float[Array, "n d"]:
        g = gaussians(key, n, d, dtype)
        return g / jnp.linalg.norm(g, axis=1, keepdims=True)

    return Distribution("uniform sphere", d, 1.0, sample)


def discrete_cube(d: int) -> Distribution:
    """Return the uniform distribution on the cube ``{+-1/sqrt(d)}^d``, for which R = 1."""
    check_dimension(d)

    def sample(key: PRNGKeyArray, n: int, dtype: Any = jnp.float32) -> Float[Array, "n d"]:
        signs = 2 * jax.random.randint(key, (n, d), 0, 2, jnp.int32) - 1
        return signs.astype(dtype) / jnp.sqrt(jnp.asarray(d, dtype))

    return Distribution("discrete cube", d, 1.0, sample)


def finite_set(points: Float[np.ndarray, "m d"] | Float[Array, "m d"], name: str = "finite set") -> Distribution:
    """Return the uniform distribution on the rows of ``points``, with its empirical R."""
    check_on_sphere(np.asarray(points))
    m, d = points.shape

    def sample(key: PRNGKeyArray, n: int, dtype: Any = None) -> Float[Array, "n d"]:
        rows = jax.random.randint(key, (n,), 0, m, jnp.int32)
        return jnp.asarray(points, dtype=dtype or points.dtype)[rows]

    return Distribution(name, d, R_of_sample(np.asarray(points)), sample)


def R_of_sample(X: Float[np.ndarray, "m d"], *, seed: int = 0) -> float:
    """Return R of the uniform distribution on the rows: ``R_S^2 = d lambda_max(X^T X / m)``.

    Parameters
    ----------
    X
        Unit rows, [m, d].
    seed
        Seed of the start vector where only a bound is computed.

    Returns
    -------
    float
        In [1, sqrt(d)].  Exact (LAPACK, float64) if d or m is at most 4000; beyond, an upper bound that fails with
        probability 1e-9, never an estimate from below.

    Notes
    -----
    Time O(m d^2) and memory O(d^2) where exact, O(m d) time a product and O(d) memory beyond.
    """
    m, d = X.shape
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, m, BLOCK_ROWS)]
    if min(m, d) <= EXACT_DIMENSION:
        if m < d:
            wide = X.astype(np.float64)
            top = largest_eigenvalue(wide @ wide.T / m)
        else:
            top = largest_eigenvalue(sum(X[b].astype(np.float64).T @ X[b].astype(np.float64) for b in blocks) / m)
    else:

        def second_moment(v: np.ndarray) -> np.ndarray:
            total = np.zeros(d)
            for b in blocks:
                rows = X[b].astype(np.float64)
                total += rows.T @ (rows @ v)
            return total / m

        top = largest_eigenvalue_bound(second_moment, d, seed=seed, n_steps=BOUND_STEPS)
    return min(max(1.0, math.sqrt(d * top)), math.sqrt(d))


def check_on_sphere(X: Float[np.ndarray, "m d"]) -> None:
    """Raise unless every row has norm 1, up to rounding.

    Raises
    ------
    DataError
        If a row does not; the message says which and its norm.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    off = np.abs(norms - 1) > (1e-4 if X.dtype == np.float32 else 1e-8)
    if off.any():
        row = int(np.argmax(off))
        message = (
            f"{int(off.sum())} of {len(X)} rows are not on the unit sphere (row {row + 1} has norm {norms[row]:.6g}); "
            f"unit rows are needed: project them, on_sphere='project'"
        )
        raise DataError(message)


def norms_and_directions(X: Float[np.ndarray, "m d"]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m d"]]:
    """Return the norms of the rows and the rows divided by them, in float64; a zero row has the direction 0."""
    return _norms_and_directions(X.astype(np.float64, copy=False), is_wide=X.dtype == np.float64)


def _norms_and_directions(X: Float[np.ndarray, "m d"], *, is_wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return norms and directions of rows in float64; ``is_wide`` says whether they may leave the range of float32."""
    wide, largest = X, np.ones((1, 1))
    if is_wide:
        # scale first, so that squares of huge or tiny entries neither overflow nor vanish
        largest = np.abs(X).max(axis=1, keepdims=True, initial=0)
        wide = X / np.where(largest > 0, largest, 1)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    return (norms * largest)[:, 0], wide / np.where(norms > 0, norms, 1)


def project(X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    """Return the rows divided by their norms, in the dtype of X.

    Raises
    ------
    DataError
        If a row is zero: it has no direction.
    """
    norms, directions = norms_and_directions(X)
    zero = norms == 0
    if zero.any():
        message = (
            f"{int(zero.sum())} of {len(X)} rows are zero (the first is row {int(np.argmax(zero)) + 1}) and have no "
            f"direction on the sphere; remove them, or append a constant coordinate with on_sphere='bias'"
        )
        raise DataError(message)
    return directions.astype(X.dtype)


def with_bias(X: Float[np.ndarray, "m d"], constant: float | None = None) -> Float[np.ndarray, "m d_plus_1"]:
    """Return the rows with a constant coordinate appended, then projected: zero rows become legal.

    ``constant`` defaults to the root-mean-square row norm of X, or 1 if that is zero.
    """
    if constant is None:
        # scale first, so that squares of huge or tiny entries neither overflow nor vanish
        largest = float(np.abs(X).max(initial=0)) or 1.0
        constant = largest * float(np.sqrt(np.mean(np.sum((X / largest).astype(np.float64) ** 2, axis=1)))) or 1.0
    wide = np.empty((len(X), X.shape[1] + 1))
    wide[:, :-1], wide[:, -1] = X, constant
    is_wide = X.dtype == np.float64 or not 1e-37 < constant < 1e38
    return _norms_and_directions(wide, is_wide=is_wide)[1].astype(X.dtype)


def to_sphere(X: Float[np.ndarray, "m d"], how: str = "project") -> Float[np.ndarray, "m e"]:
    """Return the rows on the sphere: "project" them, append a "bias" first, or "require" that they are there.

    Raises
    ------
    InputError
        If ``how`` is none of the three.
    """
    if how not in WAYS:
        message = f"on_sphere={how!r} is unknown; known: {', '.join(WAYS)}"
        raise InputError(message)
    if how == "require":
        check_on_sphere(X)
        return X
    if how == "project":
        return project(X)
    return with_bias(X)
