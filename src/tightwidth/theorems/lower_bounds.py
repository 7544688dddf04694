"""What no network can do with fewer parameters (section 1): the orders of magnitude to compare widths with.

The paper says that learning needs ``Omega(M^2)`` parameters and memorization m, "up to poly-log factors", and gives
neither the constants nor the logarithms.  The two formulas here leave them out as well: a network that stays below them
refutes nothing, and a ratio to them that stays bounded as the problem grows is what "optimal" means.  Cover's count, in
contrast, is exact; it is the statement for a linear predictor on n fixed features.
"""

from tightwidth.theorems.hypotheses import require_count, require_positive


def parameters_to_learn(norm: float) -> float:
    """Return ``M^2``: networks that learn all even polynomials of coefficient norm M, or all f with ``||f|| <= M``.

    Up to a constant that the paper does not state, and at a fixed error; R-bounded distributions with R = O(1) are no
    easier.

    Raises
    ------
    HypothesisError
        If the norm is not positive and finite.

    References
    ----------
    Daniely (2020), Section 1.

    Examples
    --------
    >>> parameters_to_learn(30.0)
    900.0
    """
    require_positive("norm", norm)
    return norm * norm


def parameters_to_memorize(m: int) -> int:
    """Return m: networks that memorize a fixed share above one half of m points with random labels.

    Up to poly-log factors that the paper does not state: the count of the sign patterns that a piecewise polynomial
    network of n parameters can produce has logarithms of m and n in it.

    Raises
    ------
    HypothesisError
        If m is below 1.
    """
    require_count("m", m)
    return m


def separable_share(m: int, n: int) -> float:
    """Return the probability that random labels of m points in R^n are linearly separable: exact.

    ``2^(1-m) sum_{k<n} C(m-1, k)``, for points in general position (every n of them linearly independent) and
    hyperplanes through the origin.

    Parameters
    ----------
    m, n
        Number of points and of features.

    Returns
    -------
    float
        In [0, 1]: 1 for m <= n, one half at m = 2n.

    Raises
    ------
    HypothesisError
        If one is below 1.

    Notes
    -----
    It is ``P(Binomial(m - 1, 1/2) <= n - 1)``, computed as that: the binomial coefficients would overflow.  The
    tangent features of q pairs have n = qd coordinates; where their position is general, and for the weights drawn,
    this is the probability that any v memorizes all of the sample.

    References
    ----------
    .. [1] Cover, Geometrical and statistical properties of systems of linear inequalities, IEEE Trans. Electronic
       Computers 14 (1965), 326-334.

    Examples
    --------
    >>> separable_share(4, 2)
    0.5
    """
    require_count("m", m)
    require_count("n", n)
    from scipy.stats import binom  # here, since it takes half a second that no other result needs

    return float(binom.cdf(n - 1, m - 1, 0.5))


def even_chance_features(m: int) -> float:
    """Return ``m/2``, the n at which `separable_share` is one half: the landmark ``q d = m/2`` of widths.

    The share falls from near 1 to near 0 within a few times sqrt(m) around it.

    Raises
    ------
    HypothesisError
        If m is below 1.
    """
    require_count("m", m)
    return m / 2
