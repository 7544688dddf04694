"""Theorem 6: relu networks learn even polynomials, with every constant (section 3.2).

A homogeneous polynomial of degree n with coefficient norm c has norm at most ``c/sqrt(a_n)`` in the space of
``tk^h(rho) = sum_n a_n rho^n``; so those of even degrees 2, ..., c with coefficient norm M lie in the ball of radius
``M max_n a_n^{-1/2}``, and Theorem 5 applies.  The constant polynomial is not among them: ``a_0 = 0``, and on the
sphere it costs ``||1||``, about ``sqrt(2 pi d)`` (docs/deviations.md, erratum 2).
"""

import math
from dataclasses import dataclass

from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems.excess_loss import ExcessLoss, Sizing
from tightwidth.theorems.hypotheses import require, require_count, require_not_negative, require_positive, require_R

LARGE_DEGREE = 10_000  # from where on the logarithms of factorials lose more digits than Stirling's series


def relu_coefficient(n: int) -> float:
    """Return a_n of relu's ``tk^h(rho) = rho/4 + rho arcsin(rho)/(2 pi)``: 1/4, 1/(2 pi), 0, 1/(12 pi), 0, 3/(80 pi).

    Raises
    ------
    HypothesisError
        If n is negative.
    """
    require_not_negative("n", n)
    if n == 1:
        return 0.25
    if n == 0 or n % 2:
        return 0.0
    k = (n - 2) // 2
    if k > LARGE_DEGREE:  # Stirling: binom(2k, k)/4^k
        binomial = (1 - 1 / (8 * k) + 1 / (128 * k * k)) / math.sqrt(math.pi * k)
        return binomial / (2 * k + 1) / (2 * math.pi)
    return math.exp(math.lgamma(2 * k + 1) - 2 * math.lgamma(k + 1) - k * math.log(4)) / (2 * k + 1) / (2 * math.pi)


def constant_norm(d: int) -> float:
    """Return the norm of the constant 1 on the sphere of R^d, d >= 2, exactly; about ``sqrt(2 pi d)``."""
    require(d >= 2, f"d={d}: on a sphere of fewer than 2 dimensions the constant has no formula; give d >= 2")
    from scipy.special import betaln  # here, since it takes a tenth of a second that no other result needs

    return math.sqrt(2 * math.pi * (d - 1) * math.exp(betaln((d - 1) / 2, 0.5) - betaln(d / 2, 0.5)))


@dataclass(frozen=True)
class Hypotheses:
    """Hold what the theorem is told about the polynomials, the distribution and the loss.

    Parameters
    ----------
    coefficient_norm
        M: the Euclidean norm of all the coefficients.
    degree
        c, even, at least 2.
    d
        Dimension of the points, on the unit sphere.
    R
        The distribution is R-bounded, R in [1, sqrt(d)].
    L
        Lipschitz constant of the loss.
    with_constant
        Whether a constant term is among the coefficients, as the paper's class has it.
    best_loss
        As in Theorem 5.

    Raises
    ------
    HypothesisError
        If one is outside its range.
    """

    coefficient_norm: float
    degree: int
    d: int
    R: float = 1.0
    L: float = 1.0
    with_constant: bool = False
    best_loss: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_positive("coefficient_norm", self.coefficient_norm)
        require_count("d", self.d)
        require_R(self.R, self.d)
        require_positive("L", self.L, "a Lipschitz loss")
        require(
            self.degree >= 2 and self.degree % 2 == 0,
            f"degree={self.degree} must be an even number of at least 2: relu's kernel knows no other powers",
        )

    @property
    def norm(self) -> float:
        """The least radius derived of a ball in the space of tk^h that holds the class."""
        dearest = max(1 / relu_coefficient(n) for n in range(2, self.degree + 1, 2))
        constant = constant_norm(self.d) ** 2 if self.with_constant else 0.0
        return self.coefficient_norm * math.sqrt(dearest + constant)

    @property
    def of_theorem_5(self) -> thm5.Hypotheses:
        """The hypotheses of Theorem 5 for relu and the ball that holds the class."""
        return thm5.Hypotheses(self.norm, self.d, self.R, 1.0, self.L, best_loss=self.best_loss)


def bound(
    given: Hypotheses,
    *,
    q: int,
    n_steps: int,
    batch_size: int = 1,
    learning_rate: float | None = None,
    B: float = math.inf,
) -> ExcessLoss:
    """Return the bound on the excess loss of algorithm 1 over the best polynomial of the class.

    References
    ----------
    Daniely (2020), Theorem 6.
    """
    return thm5.bound(given.of_theorem_5, q=q, n_steps=n_steps, batch_size=batch_size, learning_rate=learning_rate, B=B)


def sizing(given: Hypotheses, *, epsilon: float, batch_size: int = 1, finite_B: bool = True) -> Sizing:
    """Return q, T, eta and B for an excess loss of at most epsilon over the best polynomial of the class."""
    return thm5.sizing(given.of_theorem_5, epsilon=epsilon, batch_size=batch_size, finite_B=finite_B)
