"""Functions of a kernel space with given values: of least norm, or of a norm traded for the fit (section 2.4).

Both are ``f = sum_j alpha_j k(x_j, .)`` with ``(K + ridge I) alpha = y``, and the least squared norm of a function with
``f(x_i) = y_i`` is ``y^T K^{-1} y``.  A nearly singular K is refused, as `tightwidth.linear_solves` explains.
"""

from typing import Any

import numpy as np

from tightwidth import conjugate_gradients, linear_solves
from tightwidth.errors import DataError, InputError
from tightwidth.kernel_spaces import KernelFunction
from tightwidth.kernels import Kernel, checked_points, diagonal, gram, gram_product
from tightwidth.linear_solves import Solution
from tightwidth.memory import check_fits, fits
from tightwidth.precision import float_array

METHODS = ("auto", "cholesky", "conjugate gradients")
LARGEST_SAMPLE = 16384  # that "auto" factorizes: 1.5e12 operations, and 4.3 GB for K and its factor in float64


def kernel_ridge(
    kernel: Kernel, X: Any, y: Any, *, ridge: float, method: str = "auto", **settings: Any
) -> KernelFunction:
    """Return the f that minimises ``sum_i (f(x_i) - y_i)^2 + ridge ||f||^2``, by ``alpha = (K + ridge I)^{-1} y``.

    Parameters
    ----------
    kernel
        The kernel.
    X
        Points, [m, d].  For float32 points K is computed in float32, and the system solved in float64.
    y
        Values, [m].
    ridge
        Not negative.  The squares are added up, not averaged: a ridge for their mean is to be multiplied by m.
    method
        "cholesky" stores K; "conjugate gradients" computes its entries anew for each product; "auto" takes the first
        up to 16384 points if K and its factor fit in memory.
    **settings
        ``tolerance`` and ``most_steps`` of `tightwidth.conjugate_gradients.steps`, which Cholesky does without.

    Returns
    -------
    KernelFunction
        With the centres X; its ``solution`` tells the relative residual and the condition number.

    Raises
    ------
    DataError
        If X is no table of finite numbers, or y does not hold one finite number for each row.
    InputError
        If the ridge, the method or a setting is out of range.
    MemoryEstimateError
        If Cholesky is asked for and K and its factor do not fit in memory.
    ConditioningError
        If ``K + ridge I`` is so nearly singular that alpha would be noise, or the tolerance is not reached.
    """
    X, _ = checked_points(X)
    solution = _solution(kernel, X, y, ridge, method, **settings)
    return KernelFunction(kernel, X, solution.alpha, solution)


def minimum_norm_interpolant(
    kernel: Kernel, X: Any, y: Any, *, method: str = "auto", **settings: Any
) -> KernelFunction:
    """Return the function of least norm with ``f(x_i) = y_i``: `kernel_ridge` with a ridge of 0."""
    return kernel_ridge(kernel, X, y, ridge=0.0, method=method, **settings)


def label_norm_squared(kernel: Kernel, X: Any, y: Any, *, method: str = "auto", **settings: Any) -> float:
    """Return ``y^T K^{-1} y``, the least squared norm of a function with ``f(x_i) = y_i``; errors as `kernel_ridge`."""
    X, _ = checked_points(X)
    alpha = _solution(kernel, X, y, 0.0, method, **settings).alpha
    return float(float_array(y, np.float64) @ alpha)


def _solution(kernel: Kernel, X: np.ndarray, y: Any, ridge: float, method: str, **settings: Any) -> Solution:
    if method not in METHODS:
        message = f"method={method!r} is unknown; known: {', '.join(METHODS)}"
        raise InputError(message)
    if np.ndim(y) != 1:
        message = f"y has shape {np.shape(y)}; one value is needed for each of the {len(X)} points"
        raise DataError(message)
    m = len(X)
    linear_solves.check_right_sides(y, m)
    linear_solves.check_ridge(ridge)
    stored = (8 + X.dtype.itemsize) * m**2
    if method == "cholesky" or (method == "auto" and m <= LARGEST_SAMPLE and fits(stored)):
        check_fits(stored, f"the kernel matrix of {m} points and its factor", "use method='conjugate gradients'")
        return linear_solves.solve(gram(kernel, X), y, ridge=ridge, precision=X.dtype)
    return conjugate_gradients.solve(
        lambda v: gram_product(kernel, v, X),
        y,
        ridge=ridge,
        diagonal=diagonal(kernel, X),
        precision=X.dtype,
        **settings,
    )
