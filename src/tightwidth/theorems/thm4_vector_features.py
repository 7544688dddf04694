"""Theorem 4: features that are a number times x are worth d scalar ones (section 3.1).

For factorized features ``<f_check(omega), psi(omega, x)> = psi'(omega, x) <f_check(omega), x>``, and the mean square of
``<f_check(omega), x>`` over an R-bounded distribution is at most ``|f_check(omega)|^2 R^2 / d``: that is the whole gain
over Corollary 3 (docs/derivations/approximation.md).  It is a statement about the average over the distribution; at
single points Corollary 3 cannot be improved.
"""

import math
from dataclasses import dataclass

from tightwidth.theorems.hypotheses import least_count, require_count, require_positive, require_R


@dataclass(frozen=True)
class Hypotheses:
    """Hold what the theorem is told about the function, the distribution, the scheme and the loss.

    Parameters
    ----------
    norm
        ``||f||``, or an upper bound on it.
    R
        R of the distribution, in [1, sqrt(d)].
    C
        ``sup |psi|`` of the factorized scheme; for the features of the tangent kernel ``sup |sigma'|``.
    d
        Dimension of the points, which lie on the unit sphere.
    L
        Lipschitz constant of the loss.

    Raises
    ------
    HypothesisError
        If one is outside its range.

    Notes
    -----
    The paper states the theorem for factorized features and leaves out that they are C-bounded, which it uses.
    """

    norm: float
    R: float
    C: float
    d: int
    L: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_positive("norm", self.norm)
        require_count("d", self.d)
        require_R(self.R, self.d)
        require_positive("C", self.C, "a bounded scheme of features that are not all 0")
        require_positive("L", self.L, "a Lipschitz loss")


def squared_error(given: Hypotheses, *, q: int) -> float:
    """Return ``R^2 C^2 ||f||^2 / (q d)``, which ``E ||f - f_omega||_{2,D}^2`` does not exceed.

    Raises
    ------
    HypothesisError
        If q < 1.
    """
    return error(given, q=q) * error(given, q=q)


def error(given: Hypotheses, *, q: int) -> float:
    """Return ``R C ||f|| / sqrt(q d)``, which ``E ||f - f_omega||_{2,D}`` does not exceed.

    Raises
    ------
    HypothesisError
        If q < 1.
    """
    require_count("q", q)
    return given.R * given.C * given.norm / math.sqrt(q * given.d)


def bound(given: Hypotheses, *, q: int) -> float:
    """Return ``L R C ||f|| / sqrt(q d)``, which ``E L_D(f_omega) - L_D(f)`` does not exceed.

    Raises
    ------
    HypothesisError
        If q < 1.

    References
    ----------
    Daniely (2020), Theorem 4.

    Examples
    --------
    >>> bound(Hypotheses(norm=30.0, R=1.0, C=1.0, d=100), q=900)
    0.1
    """
    return given.L * error(given, q=q)


def sufficient_pairs(given: Hypotheses, *, excess: float) -> int:
    """Return ``q = ceil(L^2 R^2 C^2 ||f||^2 / (d excess^2))``, the least q whose `bound` is at most this.

    Raises
    ------
    HypothesisError
        If the excess is not positive and finite, or asks for more than 1e18 pairs.
    """
    require_positive("excess", excess)
    return _sufficient(given, excess / given.L, f"excess={excess:g}")


def sufficient_pairs_for_error(given: Hypotheses, *, error: float) -> int:
    """Return ``q = ceil(R^2 C^2 ||f||^2 / (d error^2))``, the least q whose `error` is at most this.

    Raises
    ------
    HypothesisError
        If the error is not positive and finite, or asks for more than 1e18 pairs.
    """
    require_positive("error", error)
    return _sufficient(given, error, f"error={error:g}")


def saving(given: Hypotheses) -> float:
    """Return ``d / R^2``, by how many times fewer pairs suffice than by Corollary 3: d at best, 1 if R = sqrt(d).

    References
    ----------
    Daniely (2020), Section 3.1.
    """
    return given.d / given.R**2


def _sufficient(given: Hypotheses, target: float, name: str) -> int:
    root = error(given, q=1) / target
    return least_count(lambda q: error(given, q=q) <= target, root * root, target=name, of="pairs")
