"""Corollary 3: q bounded random features approximate a function at every point (section 2.6).

``f_omega(x)`` is the mean of q independent numbers with expectation f(x), none of whose mean squares exceeds
``C^2 ||f||^2`` (docs/derivations/approximation.md).  Nothing is assumed of the points: the bound holds for every x, and
hence on the average over any distribution.
"""

import math
from dataclasses import dataclass

from tightwidth.theorems.hypotheses import least_count, require_count, require_positive


@dataclass(frozen=True)
class Hypotheses:
    """Hold what the corollary is told about the function, the scheme and the loss.

    Parameters
    ----------
    norm
        ``||f||``, or an upper bound on it.
    C
        ``sup |psi|``; for the features of the tangent kernel ``sup |sigma'|``.
    L
        Lipschitz constant of the loss.

    Raises
    ------
    HypothesisError
        If one is not positive and finite.
    """

    norm: float
    C: float
    L: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_positive("norm", self.norm)
        require_positive("C", self.C, "a bounded scheme of features that are not all 0")
        require_positive("L", self.L, "a Lipschitz loss")


def squared_error(given: Hypotheses, *, q: int) -> float:
    """Return ``C^2 ||f||^2 / q``, which ``E (f(x) - f_omega(x))^2`` does not exceed, for every x.

    Raises
    ------
    HypothesisError
        If q < 1.

    References
    ----------
    Daniely (2020), Corollary 3.

    Examples
    --------
    >>> squared_error(Hypotheses(norm=3.0, C=1.0), q=36)
    0.25
    """
    return error(given, q=q) * error(given, q=q)


def error(given: Hypotheses, *, q: int) -> float:
    """Return ``C ||f|| / sqrt(q)``, which ``E ||f - f_omega||_{2,D}`` does not exceed, for every distribution D.

    Raises
    ------
    HypothesisError
        If q < 1.
    """
    require_count("q", q)
    return given.C * given.norm / math.sqrt(q)


def excess_loss(given: Hypotheses, *, q: int) -> float:
    """Return ``L C ||f|| / sqrt(q)``, which ``E L_D(f_omega) - L_D(f)`` does not exceed, for every distribution D.

    Raises
    ------
    HypothesisError
        If q < 1.
    """
    return given.L * error(given, q=q)


def sufficient_features(given: Hypotheses, *, error: float) -> int:
    """Return ``q = ceil(C^2 ||f||^2 / error^2)``, the least q whose `error` is at most this.

    Raises
    ------
    HypothesisError
        If the error is not positive and finite, or asks for more than 1e18 features.
    """
    require_positive("error", error)
    return _sufficient(given, error, f"error={error:g}")


def sufficient_features_for_loss(given: Hypotheses, *, excess: float) -> int:
    """Return ``q = ceil(L^2 C^2 ||f||^2 / excess^2)``, the least q whose `excess_loss` is at most this.

    Raises
    ------
    HypothesisError
        If the excess is not positive and finite, or asks for more than 1e18 features.
    """
    require_positive("excess", excess)
    return _sufficient(given, excess / given.L, f"excess={excess:g}")


def _sufficient(given: Hypotheses, target: float, name: str) -> int:
    root = error(given, q=1) / target
    return least_count(lambda q: error(given, q=q) <= target, root * root, target=name, of="features")
