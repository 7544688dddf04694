"""SGD on a random q-embedding competes with every function of the kernel space (section 2.6; Theorem 10).

The linear predictor ``<v, Psi(x)>`` starts at v = 0 and takes T steps eta on minibatches of size b.  It competes with
the v* whose blocks are ``f_check(omega_i)/sqrt(q)``: that vector has ``E ||v*||^2 = ||f||^2`` and predicts f_omega.
docs/derivations/sgd.md derives

    E L_D(v_t) - L_D(f)  <=  L rho C M / sqrt(q)  +  M^2 / (2 eta T)  +  eta G_b^2 / 2,
    G_b^2 = L^2 C^2 (1/b + (1 - 1/b) rho^2),

with ``rho^2 = R^2/d`` for a factorized scheme on an R-bounded distribution, and 1 for any other.
"""

import math
from dataclasses import dataclass

from tightwidth.theorems.excess_loss import ExcessLoss, Sizing
from tightwidth.theorems.hypotheses import (
    least_count,
    require,
    require_count,
    require_positive,
    require_R,
    require_share,
)

LARGEST_NORM = 1e100
LEAST_WORK = 0.5  # of the excess loss, for the width: q T is least where width and steps share it alike


@dataclass(frozen=True)
class Hypotheses:
    """Hold what the theorem is told about the class, the distribution, the scheme and the loss.

    Parameters
    ----------
    norm
        M: the functions competed with have at most this norm in the kernel space.
    d
        Dimension of the points, which lie on the unit sphere.
    R
        The distribution is R-bounded, R in [1, sqrt(d)].
    C
        The scheme is C-bounded; ``sup |sigma'|`` for the tangent kernel.
    L
        Lipschitz constant of the loss.
    is_factorized
        Whether ``psi(omega, x)`` is a number times x.  If not, R does not help.

    Raises
    ------
    HypothesisError
        If one is outside its range.
    """

    norm: float
    d: int
    R: float
    C: float
    L: float = 1.0
    is_factorized: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_positive("norm", self.norm, "the functions competed with have it")
        require(
            self.norm <= LARGEST_NORM, f"norm={self.norm:g} is beyond {LARGEST_NORM:g}, for which nothing is computed"
        )
        require_count("d", self.d)
        require_R(self.R, self.d)
        require_positive("C", self.C, "a decent activation that is not constant")
        require_positive("L", self.L, "a Lipschitz loss")

    @property
    def spread(self) -> float:
        """``rho^2``, between 1/d and 1: the largest second moment of the features over C^2."""
        return min(self.R**2 / self.d, 1.0) if self.is_factorized else 1.0


def critical_batch_size(given: Hypotheses) -> float:
    """Return ``d/R^2``: up to about here a minibatch b times as large needs b times fewer steps."""
    return 1 / given.spread


def gradient_bound(given: Hypotheses, *, batch_size: int) -> float:
    """Return ``G_b^2``, which bounds the expected squared norm of a minibatch gradient."""
    require_count("batch_size", batch_size)
    return (given.L * given.C) ** 2 * (1 / batch_size + (1 - 1 / batch_size) * given.spread)


def best_rate(given: Hypotheses, *, n_steps: float, batch_size: int) -> float:
    """Return ``eta = M/(G_b sqrt(T))``, at which the distance and the noise are equal, each ``M G_b/(2 sqrt(T))``."""
    return given.norm / math.sqrt(gradient_bound(given, batch_size=batch_size) * n_steps)


def bound(
    given: Hypotheses, *, q: int, n_steps: int, batch_size: int = 1, learning_rate: float | None = None
) -> ExcessLoss:
    """Return the bound on the excess loss of the random iterate, in expectation over everything random.

    Parameters
    ----------
    given
        The hypotheses.
    q, n_steps, batch_size
        Width, T and b, whole numbers of at least 1.
    learning_rate
        eta; None for the best one.

    Raises
    ------
    HypothesisError
        If a number is outside its range.

    Notes
    -----
    Holds for the average of the iterates as well, by convexity.

    References
    ----------
    Daniely (2020), Theorem 10.
    """
    require_count("q", q)
    require_count("n_steps", n_steps)
    eta = best_rate(given, n_steps=n_steps, batch_size=batch_size) if learning_rate is None else learning_rate
    require_positive("learning_rate", eta)
    return ExcessLoss(
        approximation=given.L * given.C * given.norm * math.sqrt(given.spread / q),
        distance=given.norm**2 / (2 * eta * n_steps),
        noise=eta * gradient_bound(given, batch_size=batch_size) / 2,
    )


def sufficient_pairs(given: Hypotheses, *, approximation: float, target: str | None = None) -> int:
    """Return the least q at which the approximation term is at most this: ``L^2 C^2 M^2 rho^2/approximation^2``."""
    require_positive("approximation", approximation)
    size = given.L * given.C * given.norm * math.sqrt(given.spread)
    return least_count(
        lambda q: size / math.sqrt(q) <= approximation,
        (size / approximation) ** 2,
        target=target or f"approximation={approximation:g}",
        of="pairs",
    )


def sufficient_steps(given: Hypotheses, *, optimisation: float, batch_size: int = 1, target: str | None = None) -> int:
    """Return the least T at which distance and noise add up to at most this at the best rate: ``M^2 G_b^2/opt^2``."""
    require_positive("optimisation", optimisation)
    size = given.norm * math.sqrt(gradient_bound(given, batch_size=batch_size))
    return least_count(
        lambda T: size / math.sqrt(T) <= optimisation,
        (size / optimisation) ** 2,
        target=target or f"optimisation={optimisation:g}",
        of="steps",
    )


def sizing(given: Hypotheses, *, epsilon: float, batch_size: int = 1, share: float = LEAST_WORK) -> Sizing:
    """Return q, T and eta for an excess loss of at most epsilon.

    Parameters
    ----------
    given
        The hypotheses.
    epsilon
        The excess loss, in (0, 1).
    batch_size
        b; T falls like 1/b up to `critical_batch_size`.
    share
        Which part of epsilon the width may take.  One half makes the work q T least.

    Raises
    ------
    HypothesisError
        If epsilon or the share is outside (0, 1), or more pairs or steps are needed than can be counted.
    """
    require_share("epsilon", epsilon)
    require_share("share", share)
    asked = f"epsilon={epsilon:g} at norm {given.norm:g}"
    q = sufficient_pairs(given, approximation=share * epsilon, target=asked)
    T = sufficient_steps(given, optimisation=(1 - share) * epsilon, batch_size=batch_size, target=asked)
    eta = best_rate(given, n_steps=T, batch_size=batch_size)
    reached = bound(given, q=q, n_steps=T, batch_size=batch_size, learning_rate=eta)
    return Sizing(q, T, batch_size, eta, math.inf, reached)
