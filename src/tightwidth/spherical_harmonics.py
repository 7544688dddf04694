"""The exact norm of a polynomial on the sphere, in the space of a kernel ``f(<x,z>)`` (section 3.2).

A function with the harmonic parts p_k has ``||p||^2 = sum_k E p_k^2 / lambda_k``, with the eigenvalues of
`tightwidth.funk_hecke`.  The parts of a polynomial come from its Laplacians, exactly, in integers
(docs/derivations/polynomials.md).
"""

import math
from fractions import Fraction
from itertools import groupby

import numpy as np
from jaxtyping import Float

from tightwidth.funk_hecke import Kernel, check_sphere, eigenvalues
from tightwidth.sparse_polynomials import Polynomial

Terms = dict[tuple[int, ...], int]  # from the variables of a monomial to its coefficient


def harmonic_norms(p: Polynomial) -> Float[np.ndarray, " n"]:
    """Return ``(E p_k^2)^(1/2)`` on the uniform sphere, for the parts ``p = sum_k p_k`` of degree k = 0..degree.

    Parts of p of different degrees n may meet in one k: on the sphere ``x_1^2`` has a constant part 1/d.

    Returns
    -------
    array
        [degree + 1].  A part that vanishes is exactly 0, since the coefficients are taken for the fractions that they
        are and nothing is rounded before the end.

    Raises
    ------
    InputError
        If p has one variable: the sphere in R^1 is two points.

    Notes
    -----
    Time O(n c^3) in Python's integers: a second for 10^4 monomials of degree 4, whatever d is.

    Examples
    --------
    >>> p = Polynomial.of_exponents([[2, 0, 0], [0, 2, 0], [0, 0, 2]], [1.0, 1.0, 1.0])
    >>> harmonic_norms(p)
    array([1., 0., 0.])
    """
    d = p.d
    check_sphere(d)
    ratios = [value.as_integer_ratio() for value in p.coefficients.tolist()]
    unit = max((denominator for _, denominator in ratios), default=1)  # a power of 2 that all divide
    by_degree: dict[int, Terms] = {}
    for row, (numerator, denominator) in zip(p.factors.tolist(), ratios, strict=True):
        monomial = tuple(i for i in row if i < d)
        by_degree.setdefault(len(monomial), {})[monomial] = numerator * (unit // denominator)
    chains = {n: _laplacians(terms, n // 2) for n, terms in by_degree.items()}
    norms = []
    for k in range(p.degree + 1):
        # Delta^j p_n = rise(j, k) h + multiples of |x|^2, if h is the part of p_n that has degree k, and n = k + 2 j
        met = {n: math.prod(2 * s * (2 * s + 2 * k + d - 2) for s in range(1, (n - k) // 2 + 1)) for n in chains}
        met = {n: rise for n, rise in met.items() if n >= k and (n - k) % 2 == 0}
        common = math.lcm(*met.values())
        g: Terms = {}
        for n, rise in met.items():
            for monomial, value in chains[n][(n - k) // 2].items():
                g[monomial] = g.get(monomial, 0) + value * (common // rise)
        square = Fraction(_harmonic_square(g, k, d), (common * unit) ** 2 * math.prod(range(d, d + 2 * k, 2)))
        norms.append(_root(square))
    return np.array(norms)


def kernel_norm(p: Polynomial, kernel: Kernel) -> float:
    """Return the norm of p on the sphere in the space of a kernel: ``||p||^2 = sum_k E p_k^2 / lambda_k``.

    Parameters
    ----------
    p
        A polynomial in d >= 2 variables.
    kernel
        As for `eigenvalues`.

    Returns
    -------
    float
        Infinite if p has a harmonic part of a degree with ``lambda_k = 0``: p is not in the space, as no odd part of
        degree 3 or more is under relu.

    Raises
    ------
    InputError
        If p has one variable, or as for `eigenvalues`.
    HypothesisError
        If the activation has no tk^h.

    Examples
    --------
    >>> round(kernel_norm(Polynomial.of_exponents([[1, 0, 0]], [1.0]), "relu"), 6)  # a_1 = 1/4
    2.0
    """
    norms = harmonic_norms(p)
    values = eigenvalues(kernel, p.d, p.degree)
    parts = zip(norms.tolist(), values.tolist(), strict=True)
    return math.hypot(*(norm / math.sqrt(value) if value else math.inf for norm, value in parts if norm))


def constant_norm(d: int, kernel: Kernel) -> float:
    """Return the norm of the constant 1 on the sphere: ``lambda_0^(-1/2)``.

    Under relu ``||1||^2 = 2 pi (d - 1) Beta((d - 1)/2, 1/2) / Beta(d/2, 1/2)``, about ``2 pi d``.

    Parameters
    ----------
    d
        Dimension, at least 2.
    kernel
        As for `eigenvalues`.

    Raises
    ------
    InputError
        As for `eigenvalues`.
    HypothesisError
        If the activation has no tk^h.

    Examples
    --------
    >>> round(constant_norm(30, "relu"), 2)
    13.62
    """
    value = float(eigenvalues(kernel, d, 0)[0])
    return 1 / math.sqrt(value) if value else math.inf


def _laplacians(terms: Terms, n: int) -> list[Terms]:
    """Return ``p, Delta p, ..., Delta^n p``."""
    chain = [terms]
    for _ in range(n):
        image: Terms = {}
        for monomial, value in chain[-1].items():
            place = 0
            for _variable, run in groupby(monomial):
                power = len(list(run))
                if power > 1:
                    rest = monomial[:place] + monomial[place + 2 :]
                    image[rest] = image.get(rest, 0) + value * power * (power - 1)
                place += power
        chain.append(image)
    return chain


def _harmonic_square(g: Terms, k: int, d: int) -> Fraction:
    """Return ``sum_alpha alpha! h_alpha^2`` for the harmonic part h of g, homogeneous of degree k.

    ``sum_i (-1)^i <Delta^i g, Delta^i g> / (2^i i! prod_{l <= i} (2k + d - 2 - 2l))``, in Fischer's inner product.
    """
    total, scale = Fraction(0), 1
    for i, terms in enumerate(_laplacians(g, k // 2)):
        if i:
            scale *= -2 * i * (2 * k + d - 2 - 2 * i)
        total += Fraction(sum(value * value * _factorial(monomial) for monomial, value in terms.items()), scale)
    return total


def _factorial(monomial: tuple[int, ...]) -> int:
    return math.prod(math.factorial(len(list(run))) for _, run in groupby(monomial))


def _root(square: Fraction) -> float:
    """Return the square root of a fraction that may be beyond the range of floats."""
    shift = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(square / Fraction(4) ** shift), shift)
