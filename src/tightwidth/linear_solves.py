"""Solve ``(K + ridge I) alpha = Y`` for a kernel matrix K by Cholesky, or say why no digit would hold (section 2.4).

Kernel matrices are positive semi-definite, and often nearly singular: two points that almost coincide are enough.  A
factorization may then succeed on rounding errors alone, and its alpha is noise.  So the condition number is always
estimated, for the matrix scaled to a unit diagonal, and a solve that cannot be trusted is refused
(docs/derivations/kernel_spaces.md).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_lapack_funcs

from tightwidth.errors import ConditioningError, DataError, InputError
from tightwidth.memory import check_fits
from tightwidth.precision import FLOAT_DTYPES, float_array

LANGE, POTRF, POTRS, POCON = get_lapack_funcs(("lange", "potrf", "potrs", "pocon"), dtype=np.float64)
TRUSTED = 0.1  # the largest condition * eps: of alpha one digit is left
BLOCK_ELEMENTS = 1 << 22
ALIKE = 32  # units in the last place that the correlation of points that coincide may be away from 1
RIDGE_FACTOR = 8  # between two tries at a ridge that is enough


@dataclass(frozen=True)
class Solution:
    """Hold alpha, [m] or [m, k] like Y, in float64, and how far it can be trusted.

    ``relative_residual`` is ``||Y - (K + ridge I) alpha|| / ||Y||`` of alpha itself, computed anew in float64, the
    largest over the columns; ``condition`` an estimate of the condition number of ``K + ridge I``, scaled to a unit
    diagonal: by Cholesky in the 1-norm, seldom below a third of the truth; by conjugate gradients in the 2-norm, of the
    part that Y touches.  ``n_iterations`` is 0 for Cholesky.
    """

    alpha: Float[np.ndarray, "m ..."]
    relative_residual: float
    condition: float
    method: Literal["cholesky", "conjugate gradients"]
    n_iterations: int = 0


def condition_limit(precision: Any) -> float:
    """Return the largest condition number that leaves a digit of alpha: 0.1/eps of the precision K was computed in.

    4.5e14 for float64 and 8.4e5 for float32: an entry of K is wrong by eps, and alpha relatively by the condition
    number times that.

    Raises
    ------
    InputError
        If the precision is neither float32 nor float64.
    """
    if np.dtype(precision) not in FLOAT_DTYPES:
        message = f"precision={np.dtype(precision)} is unknown; give float32 or float64, what K was computed in"
        raise InputError(message)
    return TRUSTED / float(np.finfo(precision).eps)


def solve(K: Any, Y: Any, *, ridge: float = 0.0, precision: Any = None) -> Solution:
    """Return the solution of ``(K + ridge I) alpha = Y`` by Cholesky in float64.

    Parameters
    ----------
    K
        Symmetric positive semi-definite, [m, m].  Float32 entries are taken as exact numbers, so that the residual is
        that of the matrix given; that they stand for others, off by 6e-8, is the business of ``precision``.
    Y
        Right-hand sides, [m] or [m, k].
    ridge
        Not negative.
    precision
        What K was computed in, float32 or float64, which sets the largest condition number; by default its dtype.

    Returns
    -------
    Solution
        With one step of iterative refinement, which makes the solution backward stable entry by entry.

    Raises
    ------
    TypeError
        If K does not hold real numbers.
    DataError
        If K is no symmetric finite matrix, or Y is not finite or of another length.
    InputError
        If the ridge is negative or not finite, or the precision is neither float32 nor float64.
    MemoryEstimateError
        If the factor, 8 m^2 bytes beside K, does not fit in memory.
    ConditioningError
        If ``K + ridge I`` is numerically singular: it has no Cholesky factorization, or a condition number beyond
        `condition_limit`.  The message names points that coincide, and a ridge that is enough (it was tried).

    Notes
    -----
    Costs m^3/3 operations.

    Examples
    --------
    >>> solve(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, 3.0])).alpha
    array([1., 1.])
    """
    K = _check_matrix(K)
    columns = check_right_sides(Y, len(K))
    check_ridge(ridge)
    limit = condition_limit(K.dtype if precision is None else precision)
    check_fits(
        8 * len(K) ** 2, f"the factor of a {len(K)} x {len(K)} matrix", "use products: conjugate_gradients.solve"
    )
    factor = _factorized(K, ridge)
    if factor.condition > limit:
        raise _singular(K, ridge, factor, limit)
    alpha = factor.solve(columns)
    alpha += factor.solve(_residual(K, ridge, alpha, columns))
    left = relative_residual(_residual(K, ridge, alpha, columns), columns)
    return Solution(alpha.reshape(np.shape(Y)), left, factor.condition, "cholesky")


# What both ways of solving share


def check_right_sides(Y: Any, m: int, name: str = "y") -> Float[np.ndarray, "m k"]:
    """Return Y as float64 columns, [m, k].

    Raises
    ------
    DataError
        If Y does not hold m finite real numbers, or m rows of them.
    """
    try:
        columns = float_array(Y, np.float64)
    except (TypeError, ValueError) as error:
        message = f"{name} holds something other than numbers ({error}); give one real number for each of {m} points"
        raise DataError(message) from error
    if columns.ndim not in (1, 2) or len(columns) != m or columns.size == 0:
        message = f"{name} has shape {columns.shape} but there are {m} points; give one value (or row) for each point"
        raise DataError(message)
    finite = np.isfinite(columns)
    if not finite.all():
        row = int(np.argmin(finite.reshape(m, -1).all(axis=1)))
        message = f"{name} holds {int((~finite).sum())} NaN or infinite values, the first in row {row + 1}; remove them"
        raise DataError(message)
    return columns.reshape(m, -1)


def check_ridge(ridge: float) -> None:
    """Raise unless the ridge is finite and not negative.

    Raises
    ------
    InputError
        If it is not.
    """
    if not (math.isfinite(ridge) and ridge >= 0):
        message = f"ridge={ridge} must be finite and not negative; give 0 to interpolate, or a ridge > 0"
        raise InputError(message)


def column_norms(columns: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " k"]:
    """Return the norms of the columns; squares neither overflow nor vanish."""
    largest = np.abs(columns).max(axis=0, initial=0)
    return largest * np.linalg.norm(columns / np.where(largest == 0, 1, largest), axis=0)


def relative_residual(residual: Float[np.ndarray, "m k"], Y: Float[np.ndarray, "m k"]) -> float:
    """Return the largest ratio of the norms of two columns; the residual of a zero column counts as it is."""
    norms = column_norms(Y)
    return float(np.max(column_norms(residual) / np.where(norms == 0, 1, norms)))


# Cholesky


@dataclass(frozen=True)
class _Factor:
    """Hold the Cholesky factor of ``S = s (K + ridge I) s``, with s so that the diagonal is 1.

    ``norm`` is ``||S||_1`` and ``condition`` the estimate of ``||S||_1 ||S^{-1}||_1``, infinite if there is no factor.
    """

    lower: Float[np.ndarray, "m m"]
    s: Float[np.ndarray, " m"]
    norm: float
    condition: float

    def solve(self, Y: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
        """Return ``s S^{-1} s Y``."""
        solution, _ = POTRS(self.lower, self.s[:, None] * Y, lower=1)
        return np.ascontiguousarray(self.s[:, None] * solution)


def _factorized(K: Float[np.ndarray, "m m"], ridge: float) -> _Factor:
    diagonal = np.diagonal(K).astype(np.float64) + ridge
    s = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
    S = np.array(K, dtype=np.float64, order="F")
    S *= s[:, None]
    S *= s
    np.fill_diagonal(S, np.where(diagonal > 0, 1, 0))
    norm = float(LANGE("1", S))
    lower, failed = POTRF(S, lower=1, clean=0, overwrite_a=1)
    if failed:
        return _Factor(lower, s, norm, math.inf)
    reciprocal, _ = POCON(lower, norm, uplo="L")
    return _Factor(lower, s, norm, 1 / reciprocal if reciprocal > 0 else math.inf)


def _row_blocks(m: int) -> Iterator[slice]:
    rows = max(1, BLOCK_ELEMENTS // m)
    return (slice(start, min(m, start + rows)) for start in range(0, m, rows))


def _residual(
    K: Float[np.ndarray, "m m"], ridge: float, alpha: Float[np.ndarray, "m k"], Y: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, "m k"]:
    """Return ``Y - (K + ridge I) alpha`` in float64."""
    product = np.concatenate([K[rows].astype(np.float64) @ alpha for rows in _row_blocks(len(K))])
    return Y - product - ridge * alpha


def _check_matrix(K: Any) -> Float[np.ndarray, "m m"]:
    K = float_array(K)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or not len(K):
        message = f"K has shape {K.shape}; a square matrix is needed, the kernel between all pairs of points"
        raise DataError(message)
    diagonal = np.abs(np.diagonal(K)).astype(np.float64)
    if not np.isfinite(K).all():
        message = "K holds NaN or infinite entries; check the points and the kernel"
        raise DataError(message)
    # beyond what rounding does to an entry of this size
    far = 1e3 * float(np.finfo(K.dtype).eps) * len(K)
    for rows in _row_blocks(len(K)):
        apart = np.abs(K[rows] - K[:, rows].T)
        if (apart > far * (np.sqrt(np.outer(diagonal[rows], diagonal)) + np.abs(K[rows]))).any():
            message = f"K is not symmetric (entries differ by {apart.max():.2g}); give k(x_i, x_j) for all pairs"
            raise DataError(message)
    return K


def _singular(K: Float[np.ndarray, "m m"], ridge: float, factor: _Factor, limit: float) -> ConditioningError:
    """Return the error that says what is wrong with the matrix, and which ridge is enough."""
    is_single = limit < condition_limit(np.float64)
    found = f"condition {factor.condition:.2g}" if math.isfinite(factor.condition) else "no Cholesky factorization"
    first, enough = _sufficient_ridge(K, ridge, factor, limit)
    if enough > 100 * math.sqrt(len(K)) * first:
        found += " (eigenvalues below 0 by more than rounding: is it a kernel?)"
    message = (
        f"the kernel matrix of m={len(K)} points with ridge={ridge:g} is numerically singular in "
        f"{'float32' if is_single else 'float64'}: {found}, and at most {limit:.2g} leaves a digit of the solution; "
        f"{_what_to_remove(K)}, or give ridge={enough:.2g} or more{', or points in float64' if is_single else ''}"
    )
    return ConditioningError(message)


def _sufficient_ridge(K: Float[np.ndarray, "m m"], ridge: float, factor: _Factor, limit: float) -> tuple[float, float]:
    """Return the first and the last of a growing sequence of ridges, of two digits: the last one is enough."""
    size = max(1.0, factor.norm) * (float(np.abs(np.diagonal(K)).max()) or 1.0)
    first = enough = _two_digits(max(2 * ridge, 2 * size / limit))
    while _factorized(K, enough).condition > limit and enough < size:
        enough = _two_digits(RIDGE_FACTOR * enough)
    return first, enough


def _two_digits(number: float) -> float:
    return float(f"{number:.1e}")


def _what_to_remove(K: Float[np.ndarray, "m m"]) -> str:
    """Return advice that names two points whose correlation in the kernel is +-1, or one with k(x, x) <= 0."""
    diagonal = np.diagonal(K).astype(np.float64)
    if (diagonal <= 0).any():
        row = int(np.argmin(diagonal))
        return f"remove row {row + 1}, where k(x, x) = {diagonal[row]:.2g}"
    scale = np.sqrt(diagonal)
    for rows in _row_blocks(len(K)):
        correlation = np.abs(K[rows]) / np.outer(scale[rows], scale)
        correlation[np.arange(len(correlation)), np.arange(len(K))[rows]] = 0
        i, j = divmod(int(np.argmax(correlation)), len(K))
        if correlation[i, j] >= 1 - ALIKE * float(np.finfo(K.dtype).eps):
            return f"remove one of rows {rows.start + i + 1} and {j + 1}, which coincide in the kernel"
    return "remove points that nearly coincide"
