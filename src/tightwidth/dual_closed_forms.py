"""Dual activations in closed form: E sigma(u) sigma(v) and E sigma'(u) sigma'(v) for a Gaussian pair (section 2.5).

Each family of activations is one class with the two formulas, for any variances; docs/derivations/duals.md derives
them.  The formulas are elementwise, can be traced and differentiated, and avoid cancellation near ``rho = +-1``: they
take the angle and the determinant from `GaussianPair`, never from ``1 - rho^2``.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from tightwidth.angles import GaussianPair, complement, sine_minus_arc, versine

Formula = Callable[..., Any]


def two_slopes(pair: GaussianPair, low: float, high: float) -> Array:
    """``sigma(x) = low x`` on the left of 0 and ``high x`` on the right: relu, leaky relu, abs, identity."""
    arc = pair.complement
    bend = (high - low) ** 2 / (2 * math.pi)
    return pair.scale * (bend * (pair.sine + arc * pair.rho) + low * high * pair.rho)


def two_slopes_prime(pair: GaussianPair, low: float, high: float) -> Array:
    """Return ``(high - low)^2 (pi - theta) / (2 pi) + low high``."""
    return (high - low) ** 2 / (2 * math.pi) * pair.complement + low * high


def two_slopes_versine(pair: GaussianPair, low: float, high: float) -> Array:
    """Return ``1 - rho'`` with rho' the correlation of sigma(u) and sigma(v), exact where it is almost 0.

    It is written with theta where rho is positive, with pi - theta where it is negative, so that nothing cancels.
    """
    bend, level = (high - low) ** 2 / (2 * math.pi), (low * low + high * high) / 2
    acute = jnp.abs(pair.rho)
    small = versine(acute, pair.sine)  # 1 - |rho|
    third = sine_minus_arc(complement(-acute, pair.sine))
    near = low * high * small + bend * (math.pi * small - third)
    far = (low + high) ** 2 / 2 - low * high * small - bend * third
    return jnp.where(pair.rho >= 0, near, far) / level


def steps(pair: GaussianPair, low: float, high: float) -> Array:
    """``sigma = low`` on the left of 0 and ``high`` on the right: step, sign; 0 if u or v is constant."""
    value = (high - low) ** 2 / (2 * math.pi) * pair.complement + low * high
    return jnp.where(jnp.asarray(pair.scale) > 0, value, 0)


@lru_cache(maxsize=256)
def moment_coefficients(n: int) -> tuple[float, ...]:
    """Return the coefficients m_k of ``E u^n v^n = sum_k m_k (ab)^((n-k)/2) c^k``."""
    coefficients = [0.0] * (n + 1)
    for k in range(n % 2, n + 1, 2):
        half = (n - k) // 2
        coefficients[k] = math.factorial(n) ** 2 / (math.factorial(k) * (math.factorial(half) * 2**half) ** 2)
    return tuple(coefficients)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    total = jnp.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def monomial(pair: GaussianPair, n: int) -> Array:
    """``sigma(x) = x^n``."""
    return pair.scale**n * _polynomial(moment_coefficients(n), pair.rho)


def monomial_prime(pair: GaussianPair, n: int) -> Array:
    """Return ``n^2 E u^(n-1) v^(n-1)``."""
    return n * n * monomial(pair, max(n - 1, 0))


@lru_cache(maxsize=256)
def arc_cosine_coefficients(n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the polynomials A and B of ``E u_+^n v_+^n = (A(rho) (pi - theta) + B(rho) sin theta) / (2 pi)``.

    ``A = E u^n v^n``, and ``d/drho E u_+^n v_+^n = n^2 E u_+^(n-1) v_+^(n-1)`` gives B from the B of n - 1:
    ``A - rho B + (1 - rho^2) B' = n^2 (1 - rho^2) B_(n-1)``, solved from the highest power down, in exact fractions.
    """
    B: list[Fraction] = []
    for k in range(1, n + 1):
        A = [Fraction(m) for m in moment_coefficients(k)]
        right = [Fraction(0)] * (k + 2)
        for power, b in enumerate(B):
            right[power] += k * k * b
            right[power + 2] -= k * k * b
        for power, a in enumerate(A):
            right[power] -= a
        B = [Fraction(0)] * (k + 2)
        for power in range(k - 1, -1, -1):
            B[power] = ((power + 2) * B[power + 2] - right[power + 1]) / (power + 1)
        B = B[:k]
    return moment_coefficients(n), tuple(float(b) for b in B)


def rectified_monomial(pair: GaussianPair, n: int) -> Array:
    """``sigma(x) = max(x, 0)^n``: the arc-cosine kernel of order n."""
    A, B = arc_cosine_coefficients(n)
    arc = pair.complement
    return pair.scale**n * (_polynomial(A, pair.rho) * arc + _polynomial(B, pair.rho) * pair.sine) / (2 * math.pi)


def rectified_monomial_prime(pair: GaussianPair, n: int) -> Array:
    """Return ``n^2 E u_+^(n-1) v_+^(n-1)``."""
    return n * n * rectified_monomial(pair, n - 1)


def hermite(pair: GaussianPair, n: int) -> Array:
    """``sigma = He_n / sqrt(n!)``; at variance 1 it is ``rho^n``."""
    a, b = pair.variances
    off, covariance = (a - 1) * (b - 1), pair.covariance
    total = jnp.zeros_like(covariance)
    for k in range(n // 2 + 1):
        weight = math.factorial(n) / (math.factorial(k) ** 2 * math.factorial(n - 2 * k) * 4**k)
        total = total + weight * covariance ** (n - 2 * k) * off**k
    return total


def hermite_prime(pair: GaussianPair, n: int) -> Array:
    """Return ``n E h_(n-1)(u) h_(n-1)(v)``, h being the normalized polynomials."""
    return n * hermite(pair, max(n - 1, 0))


class _Spread(NamedTuple):
    """Hold ``I + k`` times the covariance matrix, whose determinant is ``(A B root)^2``, in parts that stay small.

    ``A = sqrt(1 + k a)``, ``B = sqrt(1 + k b)``; ``p = sqrt(k a)/A`` and ``q = sqrt(k b)/B`` are at most 1, and
    ``p q rho`` is a correlation, with ``root^2 = 1 - (p q rho)^2``.
    """

    A: Array
    B: Array
    p: Array
    q: Array
    root: Array

    @property
    def pq(self) -> Array:
        """``k`` times the product of the standard deviations over A B."""
        return self.p * self.q

    @property
    def inverse(self) -> Array:
        """One over the root of the determinant."""
        return 1 / self.A / self.B / self.root


def _spread(pair: GaussianPair, k: float) -> _Spread:
    u, v = math.sqrt(k) * jnp.asarray(pair.std_u), math.sqrt(k) * jnp.asarray(pair.std_v)
    A, B = jnp.hypot(1, u), jnp.hypot(1, v)
    p, q = u / A, v / B
    root = jnp.sqrt((1 / A / B) ** 2 + (p / B) ** 2 + (q / A) ** 2 + (p * q * pair.sine) ** 2)
    return _Spread(A, B, p, q, root)


def erf(pair: GaussianPair, size: float, steepness: float, offset: float) -> Array:
    """``sigma(x) = size erf(steepness x) + offset``."""
    spread = _spread(pair, 2 * steepness * steepness)
    arcsine = jnp.arctan2(spread.pq * pair.rho, spread.root)
    return size * size * 2 / math.pi * arcsine + offset * offset


def erf_prime(pair: GaussianPair, size: float, steepness: float, offset: float) -> Array:
    """Return the mean of two Gaussian bumps; the offset has no part in it."""
    del offset
    k = 2 * steepness * steepness
    return 2 * k * size * size / math.pi * _spread(pair, k).inverse


def gelu(pair: GaussianPair) -> Array:
    """``sigma(x) = x Phi(x)``."""
    rho, spread = pair.rho, _spread(pair, 1)
    both = 0.25 + jnp.arctan2(spread.pq * rho, spread.root) / (2 * math.pi)  # E Phi(u) Phi(v)
    rest = pair.sine * pair.sine + rho * rho * (1 / spread.A**2 + 1 / spread.B**2)
    return pair.scale * (rho * both + spread.pq * rest / (2 * math.pi * spread.root))


def gelu_prime(pair: GaussianPair) -> Array:
    """``sigma'(x) = Phi(x) + x phi(x)``."""
    spread = _spread(pair, 1)
    along = spread.pq * pair.rho
    both = 0.25 + jnp.arctan2(along, spread.root) / (2 * math.pi)
    rest = 1 / spread.A**2 + 1 / spread.B**2 + spread.inverse**2
    return both + along * rest / (2 * math.pi * spread.root)


def _apart(pair: GaussianPair, sign: int) -> Array:
    """Return the variance of ``u - sign v``, also where u and sign v are almost the same."""
    rho = sign * jnp.asarray(pair.rho)
    return (pair.std_u - pair.std_v) ** 2 + 2 * pair.scale * versine(rho, pair.sine)


def sin(pair: GaussianPair) -> Array:
    """``sigma(x) = sin x``; the derivative of cos has the same dual.

    Half of ``exp(-E(u-v)^2/2) - exp(-E(u+v)^2/2)``, of which the greater is a factor, so that nothing cancels.
    """
    least, covariance = jnp.minimum(_apart(pair, 1), _apart(pair, -1)), pair.covariance
    return jnp.sign(covariance) * jnp.exp(-least / 2) * -jnp.expm1(-2 * jnp.abs(covariance)) / 2


def cos(pair: GaussianPair) -> Array:
    """``sigma(x) = cos x``."""
    return (jnp.exp(-_apart(pair, 1) / 2) + jnp.exp(-_apart(pair, -1) / 2)) / 2


def exp(pair: GaussianPair) -> Array:
    """``sigma(x) = exp x``, its own derivative."""
    a, b = pair.variances
    return jnp.exp((a + b) / 2 + pair.covariance)


def gaussian(pair: GaussianPair) -> Array:
    """``sigma(x) = exp(-x^2)``."""
    return _spread(pair, 2).inverse


def gaussian_prime(pair: GaussianPair) -> Array:
    """``sigma'(x) = -2 x exp(-x^2)``."""
    spread = _spread(pair, 2)
    return 2 * spread.pq * pair.rho * spread.inverse**2 / spread.root


def _gabor_parts(pair: GaussianPair) -> tuple[_Spread, Array, Array, Array]:
    """Return the spread and, for each sign, ``exp`` of minus what ``u - sign v`` spreads; then their difference."""
    spread = _spread(pair, 2)
    slight = spread.pq * spread.inverse / spread.root  # 2 std_u std_v over the determinant
    common = (spread.pq * pair.sine / spread.root) ** 2 + ((pair.std_u - pair.std_v) * spread.inverse) ** 2
    near, far = (jnp.exp(-(common + slight * versine(sign * jnp.asarray(pair.rho), pair.sine)) / 2) for sign in (1, -1))
    power = slight * pair.rho
    difference = jnp.sign(power) * jnp.minimum(near, far) * jnp.expm1(jnp.abs(power))
    return spread, near, far, difference


def gabor(pair: GaussianPair) -> Array:
    """``sigma(x) = exp(-x^2) sin x``."""
    spread, _, _, difference = _gabor_parts(pair)
    return difference * spread.inverse / 2


def gabor_prime(pair: GaussianPair) -> Array:
    """Return the derivative of `gabor` in the covariance."""
    spread, near, far, difference = _gabor_parts(pair)
    half = spread.pq * pair.rho / 2  # c/(A B)
    ends = (1 / spread.A / spread.B) ** 2 + ((spread.p / spread.B) ** 2 + (spread.q / spread.A) ** 2) / 2
    cross = 2 * half / spread.A / spread.B
    steep = 4 * half / spread.root**2  # 4 c/determinant, times A B
    sides = near * (1 / spread.A / spread.B + steep * (ends + cross)) + far * (
        1 / spread.A / spread.B - steep * (ends - cross)
    )
    return (4 * half * difference + sides) * spread.inverse**2 / (2 * spread.root)


FORMULAS: dict[str, tuple[Formula, Formula | None]] = {
    "two_slopes": (two_slopes, two_slopes_prime),
    "steps": (steps, None),
    "monomial": (monomial, monomial_prime),
    "rectified_monomial": (rectified_monomial, rectified_monomial_prime),
    "hermite": (hermite, hermite_prime),
    "erf": (erf, erf_prime),
    "gelu": (gelu, gelu_prime),
    "sin": (sin, cos),
    "cos": (cos, sin),
    "exp": (exp, exp),
    "gaussian": (gaussian, gaussian_prime),
    "gabor": (gabor, gabor_prime),
}
VERSINES: dict[str, Formula] = {"two_slopes": two_slopes_versine}
