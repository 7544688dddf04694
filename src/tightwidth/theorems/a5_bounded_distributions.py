"""Section A.5 with its constants: how large R of random points can be.

The uniform distributions on the sphere and on the cube have R = 1, since ``E x x^T = I/d``.  A sample of m points of an
R-bounded distribution has an empirical R_S that is larger, but not by much once m exceeds d by a logarithm.  Two bounds
that hold with probability 1 - delta: one by the matrix Chernoff inequality, for points of any R-bounded distribution;
and one by Gaussian matrices, sharper and for the uniform sphere only (docs/derivations/bounded_distributions.md).
"""

import math

from tightwidth.theorems.hypotheses import least_count, require, require_count, require_R, require_share

R_UNIFORM_SPHERE = 1.0
R_DISCRETE_CUBE = 1.0
TRACY_WIDOM_MEAN = -1.2065335745820  # of the law of real symmetric matrices (Bornemann, 2010)


def random_points_limit(m: int, d: int) -> float:
    """Return the limit of R_S for m uniform points on the sphere: ``1 + sqrt(d/m)``, at most ``sqrt(d)``.

    Marchenko and Pastur's law: the limit as m and d grow in proportion, and no bound at finite d.

    Raises
    ------
    HypothesisError
        If m or d is below 1.
    """
    require_count("m", m)
    require_count("d", d)
    return min(1 + math.sqrt(d / m), math.sqrt(d))


def random_points_mean_square(m: int, d: int) -> float:
    """Return what R_S^2 of m uniform points on the sphere is in the mean, to a part of about ``1/min(m, d)``.

    Marchenko and Pastur's edge is approached from below: by the mean of Tracy and Widom's law on Johnstone's scale, and
    by ``2/sqrt(m d)`` of the edge because all rows have one norm.

    Raises
    ------
    HypothesisError
        If m < 2 or d < 1.

    Notes
    -----
    An approximation for large m and d and no bound (docs/derivations/bounded_distributions.md, section 4).

    Examples
    --------
    >>> round(random_points_mean_square(400, 100), 3), random_points_limit(400, 100) ** 2
    (2.176, 2.25)
    """
    require_count("m", m)
    require_count("d", d)
    require(m >= 2, f"m={m}: the approximation is one for many points; give m >= 2")
    sum_of_roots = math.sqrt(m - 1) + math.sqrt(d)
    scale = sum_of_roots * (1 / math.sqrt(m - 1) + 1 / math.sqrt(d)) ** (1 / 3)
    of_gaussian_rows = (sum_of_roots**2 + TRACY_WIDOM_MEAN * scale) / m
    return min(max(of_gaussian_rows - 2 / math.sqrt(m * d) * (1 + math.sqrt(d / m)) ** 2, 1.0), float(d))


def random_points_bound(m: int, d: int, *, delta: float, R: float = 1.0, uniform: bool = False) -> float:
    """Return what R_S of m independent points of an R-bounded distribution exceeds with probability delta at most.

    Parameters
    ----------
    m, d
        Number of points and of their coordinates.
    delta
        Probability of failure.
    R
        R of the distribution that the points are drawn from.
    uniform
        Whether that is the uniform distribution on the sphere; the sharper bound then holds as well.

    Returns
    -------
    float
        In [1, sqrt(d)]: the least of the bounds that hold.

    Raises
    ------
    HypothesisError
        If a number is outside its range, or the distribution is said to be uniform with an R other than 1.

    References
    ----------
    Daniely (2020), Section A.5.

    Examples
    --------
    >>> bound = random_points_bound(4096, 64, delta=0.01, uniform=True)
    >>> round(bound, 3), random_points_limit(4096, 64)
    (1.177, 1.125)
    """
    require_count("m", m)
    _check(d, delta, R, uniform)
    bounds = [math.sqrt(d), chernoff_bound(m, d, delta=delta, R=R)]
    if uniform:
        bounds.append(gaussian_bound(m, d, delta=delta))
    return min(bounds)


def chernoff_bound(m: int, d: int, *, delta: float, R: float) -> float:
    """Return ``R sqrt(1 + t)`` with ``d (e^t / (1+t)^(1+t))^(m R^2/d) = delta``.

    Tropp, Found. Comput. Math. 12 (2012), Corollary 5.2, for the matrices ``x_i x_i^T`` of norm 1.
    """
    from scipy.optimize import root_scalar  # here, since it takes a third of a second

    exponent = math.log(d / delta) * d / (m * R**2)
    # (1+t) ln(1+t) - t >= t^2 / (2 + 2t/3), so the root lies below that of the right side
    above = exponent / 3 + math.sqrt(exponent**2 / 9 + 2 * exponent)
    bracket = [0.0, above * (1 + 1e-9)]
    solution = root_scalar(lambda t: _chernoff_exponent(t) - exponent, bracket=bracket, method="brentq", xtol=1e-300)
    return R * math.sqrt(1 + float(solution.root))


def gaussian_bound(m: int, d: int, *, delta: float) -> float:
    """Return ``(1 + sqrt(d/m) + sqrt(2 ln(1/delta)/m)) / sqrt(1 - 1/(2d))``, for uniform points on the sphere."""
    deviation = math.sqrt(2 * math.log(1 / delta))
    return (1 + (math.sqrt(d) + deviation) / math.sqrt(m)) / math.sqrt(1 - 1 / (2 * d))


def sufficient_points(R_target: float, d: int, delta: float, *, R: float = 1.0, uniform: bool = False) -> int:
    """Return the least m for which `random_points_bound` is at most R_target.

    Raises
    ------
    HypothesisError
        If a number is outside its range, or R_target is not above R: no sample size brings R_S below R surely.
    """
    _check(d, delta, R, uniform)
    message = (
        f"R_target={R_target:g} must be above R={R:g} of the distribution, to which R_S of samples tends; raise it"
    )
    require(R_target > R or R_target >= math.sqrt(d), message)
    ratio = (R_target / R) ** 2
    solutions = [1.0] if R_target >= math.sqrt(d) else [math.log(d / delta) * d / R**2 / _chernoff_exponent(ratio - 1)]
    margin = R_target * math.sqrt(1 - 1 / (2 * d)) - 1
    if uniform and margin > 0:
        solutions.append(((math.sqrt(d) + math.sqrt(2 * math.log(1 / delta))) / margin) ** 2)

    def suffices(m: int) -> bool:
        return random_points_bound(m, d, delta=delta, R=R, uniform=uniform) <= R_target

    return least_count(suffices, min(solutions), target=f"R_target={R_target:g}", of="points")


def _chernoff_exponent(t: float) -> float:
    """Return ``(1+t) ln(1+t) - t``; by its series where the difference would cancel."""
    if t < 1e-4:
        return t * t * (1 / 2 - t / 6 + t * t / 12)
    return (1 + t) * math.log1p(t) - t


def _check(d: int, delta: float, R: float, uniform: bool) -> None:
    require_count("d", d)
    require_share("delta", delta)
    require_R(R, d)
    require(not uniform or R == 1, f"R={R:g} was given for the uniform sphere, which has R=1; leave R or uniform out")
