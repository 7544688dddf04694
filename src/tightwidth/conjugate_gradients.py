"""Solve ``(K + ridge I) alpha = Y`` knowing K by its products alone: conjugate gradients (section 2.4).

All columns of Y share one product an iteration, since forming the entries of K is what costs.  The coefficients of
the iteration are those of the Lanczos process, whose Ritz values estimate the condition number on the way.  The
residual that the recursion carries along drifts away from the true one: that one is computed at the end, and counts.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import eigvalsh_tridiagonal

from tightwidth.errors import ConditioningError, DataError, InputError
from tightwidth.linear_solves import TRUSTED, Solution, check_ridge, check_right_sides, column_norms, condition_limit
from tightwidth.long_jobs import finished
from tightwidth.spectrum import Product

MOST_STEPS = 1000
TOLERANCE = 1e-10
LEAST_TOLERANCE = 10 * float(np.finfo(np.float64).eps)
FIRST_LOOK = 50  # iterations until the first look at the condition number; the next are at twice as many


@dataclass(frozen=True)
class Step:
    """Say how far the iteration is: ``relative_residual`` is the recursion's, the largest over the columns."""

    iteration: int
    relative_residual: float


def solve(product: Product, Y: Any, **settings: Any) -> Solution:
    """Return the solution of ``(K + ridge I) alpha = Y``; settings and errors are those of `steps`.

    Examples
    --------
    >>> K = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> solve(lambda v: K @ v, np.array([3.0, 3.0])).alpha
    array([1., 1.])
    """
    return finished(steps(product, Y, **settings))


def steps(
    product: Product,
    Y: Any,
    *,
    ridge: float = 0.0,
    diagonal: Any = None,
    tolerance: float = TOLERANCE,
    precision: Any = np.float64,
    most_steps: int = MOST_STEPS,
) -> Generator[Step, None, Solution]:
    """Solve ``(K + ridge I) alpha = Y`` by conjugate gradients, yielding after each iteration.

    Parameters
    ----------
    product
        ``V -> K V`` for V of the shape of Y, in float64; K symmetric and positive semi-definite.
    Y
        Right-hand sides, [m] or [m, k].
    ridge
        Not negative.
    diagonal
        Diagonal of K, [m], to precondition with: worth it where it varies.
    tolerance
        Bound on the relative residual of every column.  Products that are added up in float32 allow for no less than
        1e-7 times the condition number.
    precision
        What the entries of K were computed in, float32 or float64, which sets the largest condition number.
    most_steps
        Iterations to spend.

    Returns
    -------
    Solution
        The value of the generator (``StopIteration.value``); `solve` drives it to there.

    Raises
    ------
    DataError
        If Y, the diagonal or a product is not finite or has the wrong shape.
    InputError
        If the ridge, the tolerance or the number of steps is out of range, or the precision is neither float32 nor
        float64.
    ConditioningError
        If ``K + ridge I`` turns out not to be positive definite, or so ill-conditioned that no digit of alpha would be
        right, or if the tolerance is not reached in time; the message says which ridge is enough.

    Notes
    -----
    Costs one product an iteration and one at the end, and some eight times the memory of Y.  Only the part of the
    spectrum that Y touches is seen: a singular system that has a solution is solved (points that coincide and have the
    same value), where Cholesky refuses.
    """
    m = len(Y)
    columns = check_right_sides(Y, m)
    check_ridge(ridge)
    system = _System(product, np.shape(Y), ridge, _scale(diagonal, ridge, m), condition_limit(precision))
    _check_settings(tolerance, most_steps)
    norms = column_norms(columns)
    columns = columns / np.where(norms == 0, 1, norms)
    iteration, ritz = _Iteration(system, columns, tolerance / 2), _Ritz()
    n, look = 0, FIRST_LOOK
    while iteration.is_active.any() and n < most_steps and ritz.condition <= system.limit:
        iteration.advance()
        n += 1
        yield Step(n, float(iteration.norms.max()))
        if n == look:
            ritz.see(iteration)
            look *= 2
    ritz.see(iteration)
    if ritz.condition > system.limit:
        raise _singular(system, ritz, tolerance, most_steps)
    left = float(column_norms(columns - system.apply(iteration.alpha)).max()) if n else 0.0
    if left > tolerance:
        raise _unreached(system, ritz, tolerance, most_steps, left, n)
    alpha = (iteration.alpha * norms).reshape(np.shape(Y))
    return Solution(alpha, left, ritz.condition, "conjugate gradients", n)


def _scale(diagonal: Any, ridge: float, m: int) -> Float[np.ndarray, "m 1"]:
    """Return the diagonal of ``K + ridge I``, [m, 1], or ones if it is not given."""
    if diagonal is None:
        return np.ones((m, 1))
    scale = np.asarray(diagonal, np.float64) + ridge
    if scale.shape != (m,) or not np.isfinite(scale).all():
        message = f"the diagonal has shape {scale.shape}, or holds NaN; give k(x, x) of each of the {m} points"
        raise DataError(message)
    if (scale <= 0).any():
        row = int(np.argmin(scale))
        message = (
            f"the kernel matrix of m={m} points with ridge={ridge:g} is singular: k(x, x) + ridge = {scale[row]:.2g} "
            f"in row {row + 1}; remove that row, or give a ridge above {max(0.0, ridge - float(scale[row])):.2g}"
        )
        raise ConditioningError(message)
    return scale[:, None]


def _check_settings(tolerance: float, most_steps: int) -> None:
    if not LEAST_TOLERANCE <= tolerance < 1:
        message = f"tolerance={tolerance} must lie between {LEAST_TOLERANCE:.2g} and 1; leave it out for {TOLERANCE:g}"
        raise InputError(message)
    if most_steps < 1:
        message = f"most_steps={most_steps} must be at least 1; leave it out for {MOST_STEPS}"
        raise InputError(message)


@dataclass(frozen=True)
class _System:
    """Hold the operator ``K + ridge I``, what to scale it with, and the largest condition number to be trusted."""

    product: Product
    shape: tuple[int, ...]
    ridge: float
    scale: Float[np.ndarray, "m 1"]
    limit: float

    @property
    def eps(self) -> float:
        """Precision of the entries of K."""
        return TRUSTED / self.limit

    def apply(self, V: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m k"]:
        image = np.asarray(self.product(V.reshape(self.shape)), np.float64)
        if image.shape != self.shape or not np.isfinite(image).all():
            message = (
                f"a product with K has shape {image.shape}, or holds NaN; finite values of shape {self.shape} are "
                "needed: check the points and the kernel"
            )
            raise DataError(message)
        return image.reshape(V.shape) + self.ridge * V


class _Iteration:
    """Hold the state of the recursion, from ``alpha = 0``; columns that are done stand still."""

    def __init__(self, system: _System, Y: Float[np.ndarray, "m k"], goal: float) -> None:
        self.system, self.goal = system, goal
        self.R, self.alpha, self.P = Y.copy(), np.zeros_like(Y), np.zeros_like(Y)
        self.rz: Float[np.ndarray, " k"] = np.ones(Y.shape[1])
        self.norms = column_norms(Y)
        self.is_active: Bool[np.ndarray, " k"] = self.norms > goal
        self.coefficients: list[tuple[np.ndarray, np.ndarray]] = []  # (step, beta) of each iteration, [k]
        self.flattest = math.inf  # Rayleigh quotient, if one was met that is not positive

    def advance(self) -> None:
        """Take one step, or stop for good at a direction that a positive definite matrix does not have."""
        Z = self.R / self.system.scale
        rz = np.sum(self.R * Z, axis=0)
        beta = rz / np.where(self.rz > 0, self.rz, 1) if self.coefficients else np.zeros_like(rz)
        self.P, self.rz = np.where(self.is_active, Z + beta * self.P, 0), rz
        Q = self.system.apply(self.P)
        curvature = np.sum(self.P * Q, axis=0)
        if (curvature[self.is_active] <= 0).any():
            lengths = np.sum(self.P * self.system.scale * self.P, axis=0)
            self.flattest = float(np.min(curvature[self.is_active] / lengths[self.is_active]))
            self.is_active = np.zeros_like(self.is_active)
            return
        step = np.where(self.is_active, rz / np.where(self.is_active, curvature, 1), 0)
        self.alpha += step * self.P
        self.R -= step * Q
        self.coefficients.append((step, beta))
        self.norms = column_norms(self.R)
        self.is_active = self.is_active & (self.norms > self.goal)


@dataclass
class _Ritz:
    """Hold the least and the largest Ritz value of the scaled operator met so far."""

    low: float = math.inf
    high: float = 0.0

    @property
    def condition(self) -> float:
        """Estimate of the condition number, from below; infinite if the operator is not positive definite."""
        if math.isinf(self.low):  # nothing was met
            return 1.0
        return self.high / self.low if self.low > 0 else math.inf

    def see(self, iteration: _Iteration) -> None:
        """Take in the Ritz values of the iteration: eigenvalues of the tridiagonal matrix of its coefficients."""
        if math.isfinite(iteration.flattest):
            self.low, self.high = min(self.low, iteration.flattest), max(self.high, -iteration.flattest)
        if not iteration.coefficients:
            return
        for step, beta in np.stack([np.stack(pair) for pair in iteration.coefficients], axis=-1).swapaxes(0, 1):
            a, b = step[step > 0], beta[step > 0]
            if len(a):
                diagonal = 1 / a + np.append(0, b[1:] / a[:-1])
                values: Any = eigvalsh_tridiagonal(diagonal, np.sqrt(b[1:]) / a[:-1])
                self.low, self.high = min(self.low, float(values[0])), max(self.high, float(values[-1]))


def _sufficient_ridge(system: _System, ritz: _Ritz, tolerance: float, most_steps: int) -> float:
    """Return a ridge with which the tolerance is reached (docs/derivations/kernel_spaces.md)."""
    largest = float(system.scale.max())
    spread = math.sqrt(largest / float(system.scale.min()))
    root = 2.0 * most_steps + 1  # of the condition number; too large, and after an odd number of rounds small enough
    for _ in range(5):
        rate = (tolerance / (4 * spread * root)) ** (1 / most_steps)
        root = (1 + rate) / (1 - rate)
    condition = min(root**2, system.limit, max(1.5, tolerance / LEAST_TOLERANCE))
    ridge = 1.2 * ritz.high / (condition - 1) + (ritz.high if _is_no_kernel(system, ritz) else 0)
    return system.ridge + 1.05 * largest * ridge


def _is_no_kernel(system: _System, ritz: _Ritz) -> bool:
    """Return whether a direction was met along which the quadratic form of K + ridge I is below 0, beyond rounding."""
    return ritz.low < -1e3 * system.eps * ritz.high


def _is_single(system: _System) -> bool:
    return system.eps > float(np.finfo(np.float64).eps)


def _singular(system: _System, ritz: _Ritz, tolerance: float, most_steps: int) -> ConditioningError:
    found = f"condition {ritz.condition:.2g} or more" if math.isfinite(ritz.condition) else "not positive definite"
    if _is_no_kernel(system, ritz):
        found += " (values below 0 by more than rounding: is it a kernel?)"
    enough = _sufficient_ridge(system, ritz, tolerance, most_steps) or 1.0
    message = (
        f"the kernel matrix of m={len(system.scale)} points with ridge={system.ridge:g} is numerically singular in "
        f"{'float32' if _is_single(system) else 'float64'}: {found}, and at most {system.limit:.2g} leaves a digit of "
        f"the solution; remove points that nearly coincide, or give ridge={enough:.2g} or more"
        f"{', or points in float64' if _is_single(system) else ''}"
    )
    return ConditioningError(message)


def _unreached(
    system: _System, ritz: _Ritz, tolerance: float, most_steps: int, left: float, n: int
) -> ConditioningError:
    enough = _sufficient_ridge(system, ritz, tolerance, most_steps)
    if n >= most_steps:
        advice = f"give ridge={enough:.2g} or more, or most_steps={2 * most_steps}"
    else:
        advice = f"rounding leaves no less: give tolerance={2 * left:.1g}, or " + (
            "points in float64" if _is_single(system) else f"ridge={enough:.2g}"
        )
    message = (
        f"conjugate gradients on m={len(system.scale)} points with ridge={system.ridge:g} came to the relative "
        f"residual {left:.2g} in {n} steps, {tolerance:g} is needed (condition {ritz.condition:.2g} or more); {advice}"
    )
    return ConditioningError(message)
