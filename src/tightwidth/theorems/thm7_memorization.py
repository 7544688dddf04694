"""Theorem 7 with its constants: a width and a number of steps that memorize in the worst case (section 3.3).

The matrix Chernoff bound, applied to ``K^{-1/2} K_W K^{-1/2}``, gives ``K_W >= K/2`` with probability 1 - delta from
``q >= c C^2 R_S^2 (m/d) ln(m/delta) / lambda_min(K)`` pairs on, with ``c = 2/(1 - ln 2) = 6.518``; then the labels
have ``M_W^2 <= 2 y^T K^{-1} y``, and the regret bound of SGD does the rest (docs/derivations/theorem7.md).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tightwidth.theorems.hypotheses import require, require_count, require_positive, require_R, require_share

MemorizingLoss = Literal["hinge", "perceptron", "logistic"]
LOSSES = ("hinge", "perceptron", "logistic")
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
    least_loss
        l0, the least loss of a mistake, where the loss is none of the three with a formula of its own: 1 for the
        absolute loss, 1/2 for huber.

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
    least_loss: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(
            self.m >= 1 and self.d >= 1,
            f"m={self.m} points in d={self.d} dimensions: both must be at least 1",
        )
        require_R(self.R, self.d)
        require_positive("C", self.C, "a decent activation that is not constant")
        require(
            self.lambda_min > 0,
            f"lambda_min={self.lambda_min:g} must be positive: the kernel is singular on this sample",
        )
        require_positive("label_norm_squared", self.label_norm_squared)
        require_positive("L", self.L, "a Lipschitz loss")
        require_positive("least_loss", self.least_loss, "a loss that charges for mistakes")


def sufficient_pairs(given: Hypotheses, *, delta: float = 0.01) -> int:
    """Return ``q = ceil(6.518 C^2 R^2 (m/d) ln(m/delta) / lambda_min)``: ``K_W >= K/2``, save with probability delta.

    References
    ----------
    Daniely (2020), Theorem 7.
    """
    require_share("delta", delta)
    per_eigenvalue = given.C**2 * given.R**2 * given.m / given.d / given.lambda_min
    q = CHERNOFF * per_eigenvalue * math.log(given.m / delta)
    require(q < MOST_STEPS, f"lambda_min={given.lambda_min:g} asks for more than {MOST_STEPS:g} pairs: it is too small")
    return math.ceil(q)


def failure_probability(given: Hypotheses, *, q: int) -> float:
    """Return the delta of q pairs, the inverse of `sufficient_pairs`; at most 1."""
    require_count("q", q)
    per_eigenvalue = given.C**2 * given.R**2 * given.m / given.d / given.lambda_min
    return min(1.0, given.m * math.exp(-q / CHERNOFF / per_eigenvalue))


def gradient_bound(given: Hypotheses, *, batch_size: int) -> float:
    """Return ``G_b^2 = L^2 C^2 (1/b + (1 - 1/b) R^2/d)``."""
    require_count("batch_size", batch_size)
    return (given.L * given.C) ** 2 * (1 / batch_size + (1 - 1 / batch_size) * given.R**2 / given.d)


def _norm_and_noise(given: Hypotheses, batch_size: int) -> float:
    """Return ``M_W^2 G_b^2 = 2 y^T K^{-1} y G_b^2``."""
    return 2 * given.label_norm_squared * gradient_bound(given, batch_size=batch_size)


def _entropy(s: float) -> float:
    """Return the entropy of a coin that falls on one side with probability s <= 1/2, in bits."""
    return -(s * math.log2(s) + (1 - s) * math.log1p(-s) / math.log(2))


def sufficient_steps(given: Hypotheses, *, epsilon: float, batch_size: int, loss: MemorizingLoss = "hinge") -> int:
    """Return a T after which the random iterate memorizes 1 - epsilon of the sample in expectation, if ``K_W >= K/2``.

    With ``N = 2 y^T K^{-1} y G_b^2`` and l0 the least loss of a mistake:

    - hinge, and every loss that is 0 at h = y:  ``N/(l0 eps)^2``;
    - perceptron:  ``N/eps``;
    - logistic:  ``N/s^2``, where the entropy of s in bits is eps.

    Raises
    ------
    HypothesisError
        If epsilon is not in (0, 1), the loss is unknown, or T exceeds 1e18.
    """
    require_share("epsilon", epsilon)
    _check_loss(loss)
    N = _norm_and_noise(given, batch_size)
    if loss == "perceptron":
        T = N / epsilon
    elif loss == "hinge":
        share = given.least_loss * epsilon
        T = N / share / share
    else:
        s, _ = logistic_comparator(epsilon)
        T = N / s / s
    require(T < MOST_STEPS, f"epsilon={epsilon:g} asks for more than {MOST_STEPS:g} steps; raise it")
    return math.ceil(T)


def logistic_comparator(epsilon: float) -> tuple[float, float]:
    """Return s with an entropy of epsilon bits, and ``c = ln(1/s - 1)``, the multiple of the interpolant to take.

    Its mean logistic loss is ``-ln(1 - s)``, and at the best rate distance and noise add up to ``c s``.
    """
    require_share("epsilon", epsilon)
    from scipy.optimize import brentq  # here, since it takes a third of a second, and one loss needs it

    s: Any = brentq(lambda s: _entropy(s) - epsilon, 1e-300, 0.5, xtol=1e-300, rtol=np.float64(1e-14))
    return float(s), math.log(1 / s - 1)


def error(given: Hypotheses, *, n_steps: int, batch_size: int, loss: MemorizingLoss = "hinge") -> float:
    """Return the share that may stay unmemorized after T steps, the inverse of `sufficient_steps`; at most 1."""
    _check_loss(loss)
    require_count("n_steps", n_steps)
    ratio = _norm_and_noise(given, batch_size) / n_steps
    if loss == "perceptron":
        return min(1.0, ratio)
    s = math.sqrt(ratio)
    if loss == "logistic":
        return _entropy(s) if s < 0.5 else 1.0
    return min(1.0, s / given.least_loss)


def _check_loss(loss: str) -> None:
    require(loss in LOSSES, f"loss={loss!r} is unknown to this theorem; known: {', '.join(LOSSES)}")
