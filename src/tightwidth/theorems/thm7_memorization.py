"""Theorem 7 with its constants: a width and a number of steps that memorize in the worst case (section 3.3).

The matrix Chernoff bound, applied to ``K^{-1/2} K_W K^{-1/2}``, gives ``K_W >= K/2`` with probability 1 - delta from
``q >= c C^2 R_S^2 (m/d) ln(m/delta) / lambda_min(K)`` pairs on, with ``c = 2/(1 - ln 2) = 6.518``; then the labels
have ``M_W^2 <= 2 y^T K^{-1} y``, and the regret bound of SGD does the rest (docs/derivations/theorem7.md).
"""

import math
from dataclasses import dataclass

from tightwidth.errors import HypothesisError

MOST_STEPS = 1e18  # beyond, a number of steps says nothing
CHERNOFF = 2 / (1 - math.log(2))  # 1 / (the exponent 1/2 - (ln 2)/2 of the lower tail at one half)


@dataclass(frozen=True)
class Hypotheses:
    """Hold what the theorem is told about the sample, the activation and the loss.

    Parameters
    ----------
    m, d
        Number of points and of features.
    R
        R of the sample, in [1, sqrt(d)].
    C
        ``sup |sigma'|``.
    lambda_min
        Smallest eigenvalue of the expected kernel on the sample, or a lower bound on it.
    label_norm_squared
        ``y^T K^{-1} y``, or an upper bound on it.
    L
        Lipschitz constant of the loss.

    Raises
    ------
    HypothesisError
        If one is outside its range.
    """

    m: int
    d: int
    R: float
    C: float
    lambda_min: float
    label_norm_squared: float
    L: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        conditions = (
            (
                self.m >= 1 and self.d >= 1,
                f"m={self.m} points in d={self.d} dimensions: both must be at least 1",
            ),
            (
                1 <= self.R <= math.sqrt(self.d) * (1 + 1e-9),
                f"R={self.R:g} must lie in [1, sqrt(d)={math.sqrt(self.d):g}]",
            ),
            (
                0 < self.C < math.inf,
                f"C={self.C:g} must be positive and finite: a decent activation that is not constant",
            ),
            (
                self.lambda_min > 0,
                f"lambda_min={self.lambda_min:g} must be positive: the kernel is singular on this sample",
            ),
            (
                0 < self.label_norm_squared < math.inf,
                f"label_norm_squared={self.label_norm_squared:g} must be positive and finite",
            ),
            (0 < self.L < math.inf, f"L={self.L:g} must be positive and finite: a Lipschitz loss"),
        )
        for holds, message in conditions:
            if not holds:
                raise HypothesisError(message)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        message = f"{name}={value:g} must lie strictly between 0 and 1"
        raise HypothesisError(message)


def sufficient_pairs(given: Hypotheses, *, delta: float = 0.01) -> int:
    """Return ``q = ceil(6.518 C^2 R^2 (m/d) ln(m/delta) / lambda_min)``: ``K_W >= K/2``, save with probability delta.

    References
    ----------
    Daniely (2020), Theorem 7.
    """
    _check_share("delta", delta)
    per_eigenvalue = given.C**2 * given.R**2 * given.m / given.d / given.lambda_min
    return math.ceil(CHERNOFF * per_eigenvalue * math.log(given.m / delta))


def failure_probability(given: Hypotheses, *, q: int) -> float:
    """Return the delta of q pairs, the inverse of `sufficient_pairs`; at most 1."""
    per_eigenvalue = given.C**2 * given.R**2 * given.m / given.d / given.lambda_min
    return min(1.0, given.m * math.exp(-q / CHERNOFF / per_eigenvalue))


def gradient_bound(given: Hypotheses, *, batch_size: int) -> float:
    """Return ``G_b^2 = L^2 C^2 (1/b + (1 - 1/b) R^2/d)``."""
    return (given.L * given.C) ** 2 * (1 / batch_size + (1 - 1 / batch_size) * given.R**2 / given.d)


def sufficient_steps(given: Hypotheses, *, epsilon: float, batch_size: int, perceptron: bool = False) -> int:
    """Return ``T = 2 y^T K^{-1} y G_b^2 / eps^2`` for the hinge loss, ``/ eps`` for the perceptron.

    Given ``K_W >= K/2``, the random iterate of so many steps then memorizes 1 - epsilon of the sample in expectation.
    """
    _check_share("epsilon", epsilon)
    T = 2 * given.label_norm_squared * gradient_bound(given, batch_size=batch_size) / epsilon
    T = T if perceptron else T / epsilon
    if not T < MOST_STEPS:
        message = f"epsilon={epsilon:g} asks for more than {MOST_STEPS:g} steps; raise it"
        raise HypothesisError(message)
    return math.ceil(T)


def error(given: Hypotheses, *, n_steps: int, batch_size: int, perceptron: bool = False) -> float:
    """Return the share that may stay unmemorized after T steps, the inverse of `sufficient_steps`; at most 1."""
    ratio = 2 * given.label_norm_squared * gradient_bound(given, batch_size=batch_size) / n_steps
    return min(1.0, ratio if perceptron else math.sqrt(ratio))
