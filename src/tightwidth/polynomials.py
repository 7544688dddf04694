"""The class P_c^M of even polynomials, and what bounds norms in the space of tk^h (section 3.2).

A kernel ``k(x, z) = sum_n a_n <x,z>^n`` with ``a_n >= 0`` holds every polynomial whose degrees n have ``a_n > 0``: if
``p = sum_n <A_n, x^(*n)>`` with symmetric tensors A_n, then ``||p||^2 <= sum_n ||A_n||_F^2 / a_n``
(docs/derivations/polynomials.md).  The exact norm on the sphere is in `tightwidth.spherical_harmonics`.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from tightwidth import activations, duals
from tightwidth.activations import Activation
from tightwidth.errors import InputError
from tightwidth.precision import float_array
from tightwidth.sparse_polynomials import Polynomial, check_variables

__all__ = ["Polynomial", "PolynomialClass", "norm_bound", "tk_h_series"]

FEW_MONOMIALS = 4096  # that many a random polynomial has, unless its class has fewer or another number is asked for
RAISED_TERMS = 8  # of the series of tk^h beyond the degree, where parts that it lacks may be raised to
ROUNDING = 1e-12  # by which a coefficient norm may exceed M


@dataclass(frozen=True)
class PolynomialClass:
    """Name P_c^M: the polynomials in d variables with even degrees up to c and coefficient norm at most M.

    Parameters
    ----------
    d
        Number of variables, at least 1.
    c
        Largest degree: even, at least 0.
    M
        Bound on ``sqrt(sum_alpha c_alpha^2)``, at least 0.
    constant
        Whether the degrees start at 0, as printed in the paper, or at 2.  What the paper says of P_c^M holds without
        constants: under relu the constant 1 has the norm ``sqrt(2 pi d)``, about, and not O(1)
        (docs/deviations.md, erratum 2).

    Raises
    ------
    InputError
        If d < 1, c is odd or negative, M is negative or not finite, or no monomial is left.

    References
    ----------
    Daniely (2020), Section 3.2.
    """

    d: int
    c: int
    M: float
    constant: bool = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_variables(self.d)
        if self.c < 0 or self.c % 2:
            message = f"c={self.c}: P_c^M holds polynomials of even degrees up to c; give an even c >= 0"
            raise InputError(message)
        if not (math.isfinite(self.M) and self.M >= 0):
            message = f"M={self.M}: it bounds a norm; give a finite M >= 0"
            raise InputError(message)
        if not self.degrees:
            message = "c=0 without the constant leaves no monomial; give c >= 2, or constant=True"
            raise InputError(message)

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degrees of its monomials."""
        return tuple(range(0 if self.constant else 2, self.c + 1, 2))

    @property
    def n_monomials(self) -> int:
        """The number of monomials, exactly: ``sum_n binom(d + n - 1, n)``."""
        return sum(math.comb(self.d + n - 1, n) for n in self.degrees)

    def contains(self, p: Polynomial) -> bool:
        """Return whether p is one of them, up to rounding of its coefficient norm (1e-12)."""
        fits = p.d == self.d and set(p.degrees.tolist()) <= set(self.degrees)
        return fits and p.coefficient_norm <= self.M * (1 + ROUNDING)

    def sample(self, *, key: PRNGKeyArray, n_monomials: int | None = None) -> Polynomial:
        """Draw a polynomial whose coefficients are uniform on the sphere of radius M.

        Parameters
        ----------
        key
            Decides both the monomials and the coefficients.
        n_monomials
            How many distinct monomials, drawn uniformly from the class.  If None, all, but 4096 at most.

        Raises
        ------
        InputError
            If ``n_monomials`` is not between 1 and the number of monomials of the class.

        Notes
        -----
        Time O(n c log d) in Python's integers, however large the class: some 50 microseconds a monomial.
        """
        total = self.n_monomials
        n = min(total, FEW_MONOMIALS) if n_monomials is None else n_monomials
        if not 1 <= n <= total:
            message = f"n_monomials={n}, but the class has {total} monomials; give a number from 1 to {total}"
            raise InputError(message)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        rows = [_monomial(rank, self.degrees, self.d) for rank in _distinct(rng, n, total)]
        g = rng.standard_normal(n)
        return Polynomial(np.array(rows, np.int64).reshape(n, self.c), g * (self.M / np.linalg.norm(g)), self.d)

    def norm_bound(self, a: Any, *, raise_degrees: bool = False) -> float:
        """Bound the norms of all of them: ``M max_n a_n^(-1/2)`` over the degrees of the class.

        Parameters
        ----------
        a
            The kernel, as for the function `norm_bound`.
        raise_degrees
            Write the constant c_0 as ``c_0 |x|^2``, which it is on the unit sphere, if ``a_0 = 0 < a_2``.  Then the
            bound is ``M max((d + 1)/a_2, max_{n > 2} 1/a_n)^(1/2)``.

        Returns
        -------
        float
            Infinite if the kernel lacks a degree of the class, as every tk^h lacks degree 0.

        Raises
        ------
        InputError
            As for the function `norm_bound`.
        HypothesisError
            If the activation has no tk^h.

        Examples
        --------
        >>> round(PolynomialClass(50, 2, 1.0, constant=False).norm_bound("relu"), 4)  # sqrt(2 pi)
        2.5066
        """
        series = _series(a, max(self.c, 2 if raise_degrees else 0))
        costs = {n: 1 / float(series[n]) if series[n] > 0 else math.inf for n in self.degrees}
        if raise_degrees and self.constant and series[0] == 0 < series[2]:
            # sum_i (c_0 + c_ii)^2 <= (d + 1) (c_0^2 + sum_i c_ii^2), with equality where c_0 = d c_ii
            costs |= {0: 0.0, 2: (self.d + 1) / float(series[2])} if self.c else {0: self.d / float(series[2])}
        return self.M * math.sqrt(max(costs.values())) if self.M else 0.0


def norm_bound(p: Polynomial, a: Any, *, raise_degrees: bool = False) -> float:
    """Bound the norm of p in the space of a kernel: ``||p|| <= (sum_n ||A_n||_F^2 / a_n)^(1/2)``.

    Parameters
    ----------
    p
        A polynomial.
    a
        The kernel, by its coefficients: ``k(x, z) = sum_n a_n <x,z>^n``, from a_0 to at least the degree of p.  Or an
        activation or its name, for its tk^h.
    raise_degrees
        Multiply a part whose degree the kernel lacks by the least even power of ``|x|`` that takes it to a degree of
        the kernel, if there is one among the coefficients given.  On the unit sphere that is the same function.

    Returns
    -------
    float
        The bound, infinite if p has a degree that the kernel lacks.  It holds on the unit sphere, and without
        ``raise_degrees`` in the unit ball, for the kernel that the series defines there.  The exact norm on the
        sphere, never above it, is `tightwidth.spherical_harmonics.kernel_norm`.

    Raises
    ------
    InputError
        If a is no series of finite numbers >= 0, has fewer coefficients than the degree of p asks for, or names no
        activation.
    HypothesisError
        If the activation has no tk^h: sigma jumps, or the second moment of sigma' is infinite.

    Examples
    --------
    >>> p = Polynomial.of_exponents([[1, 1]], [1.0])
    >>> round(norm_bound(p, "relu") ** 2, 4)  # pi
    3.1416
    """
    series = _series(a, p.degree, spare=RAISED_TERMS if raise_degrees else 0)
    if raise_degrees:
        p = _raised(p, series)
    norms = p.tensor_norms()
    return math.hypot(
        *(norm / math.sqrt(series[n]) if series[n] > 0 else math.inf for n, norm in enumerate(norms) if norm)
    )


def tk_h_series(activation: str | Activation, n_terms: int) -> Float[np.ndarray, " n"]:
    """Return the first coefficients a_n of ``tk^h(rho) = sum_n a_n rho^n``: ``a_0 = 0``, and none is negative.

    Raises
    ------
    InputError
        If no activation has that name.
    HypothesisError
        If it has no tk^h.

    Examples
    --------
    >>> (2 * np.pi * tk_h_series("relu", 5)).round(6)
    array([0.      , 1.570796, 1.      , 0.      , 0.166667])
    """
    found = duals.dual_prime(activations.get(activation)).power_series(max(1, n_terms - 1))
    return np.concatenate([[0.0], found.coefficients])[:n_terms]


def _series(a: Any, degree: int, spare: int = 0) -> Float[np.ndarray, " n"]:
    """Return the coefficients of a kernel from 0 to at least this degree."""
    if isinstance(a, str | Activation):
        return tk_h_series(a, degree + 1 + spare)
    series = check_series(a)
    if len(series) <= degree:
        message = (
            f"a has {len(series)} coefficients; degree {degree} needs a_0, ..., a_{degree}: give {degree + 1} or more"
        )
        raise InputError(message)
    return series


def check_series(a: Any) -> Float[np.ndarray, " n"]:
    """Return the coefficients of a kernel as an array.

    Raises
    ------
    InputError
        If they are not finite numbers >= 0.
    """
    try:
        series = float_array(a, np.float64)
    except (TypeError, ValueError):
        series = np.full(1, np.nan)
    if series.ndim != 1 or not (np.isfinite(series).all() and (series >= 0).all()):
        message = "the series is none of finite coefficients >= 0; give a_0, a_1, ... of k = sum_n a_n <x,z>^n"
        raise InputError(message)
    return series


def _raised(p: Polynomial, series: Float[np.ndarray, " n"]) -> Polynomial:
    """Return a polynomial equal to p on the sphere, without degrees that the series lacks, where it can be had."""
    parts = []
    for n, part in p.parts().items():
        steps = np.flatnonzero(series[n::2])
        for _ in range(int(steps[0]) if len(steps) else 0):
            part = part.times_squared_norm()
        parts.append(part)
    width = max((part.degree for part in parts), default=0)
    rows = [np.pad(part.factors, ((0, 0), (0, width - part.degree)), constant_values=p.d) for part in parts]
    empty = np.zeros((0, width), np.int64)
    return Polynomial(np.vstack([empty, *rows]), np.concatenate([part.coefficients for part in parts] or [[]]), p.d)


def _distinct(rng: np.random.Generator, n: int, total: int) -> list[int]:
    """Return a uniformly drawn set of n numbers below total, which may be beyond 64 bits, in ascending order."""
    if n == total:
        return list(range(total))
    if 2 * n > total:
        left_out = set(_distinct(rng, total - n, total))
        return [rank for rank in range(total) if rank not in left_out]
    width = 9 + total.bit_length() // 8  # at least 64 bits more than needed: remainders are uniform up to 2^-64
    ranks: set[int] = set()
    while len(ranks) < n:
        ranks.add(int.from_bytes(rng.bytes(width), "little") % total)
    return sorted(ranks)


def _monomial(rank: int, degrees: tuple[int, ...], d: int) -> list[int]:
    """Return the variables of the monomial of a rank, one to one, filled up with d to the largest degree."""
    n = degrees[0]
    for n in degrees:
        size = math.comb(d + n - 1, n)
        if rank < size:
            break
        rank -= size
    # a multiset of n out of d is a set i_1 < ... < i_n out of d + n - 1, whose rank is sum_k binom(i_k, k)
    variables = []
    for k in range(n, 0, -1):
        low, high = k - 1, d + k - 1  # binom(low, k) <= rank < binom(high, k)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if math.comb(middle, k) <= rank else (low, middle)
        rank -= math.comb(low, k)
        variables.append(low - (k - 1))
    return variables + [d] * (degrees[-1] - n)
