"""Dual activations in closed form: E sigma(u) sigma(v) and E sigma'(u) sigma'(v) for a Gaussian pair (section 2.5).

Each family of activations is one class with the two formulas, for any variances; docs/derivations/duals.md derives
them.  The formulas are elementwise, can be traced and differentiated, and avoid cancellation near ``rho = +-1``: they
take the angle and the determinant from `GaussianPair`, never from ``1 - rho^2``.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

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


def _spread(pair: GaussianPair, k: float) -> Array:
    """Return the determinant of ``I + k`` times the covariance matrix."""
    a, b = pair.variances
    return 1 + k * (a + b) + k * k * pair.determinant


def erf(pair: GaussianPair, size: float, steepness: float, offset: float) -> Array:
    """``sigma(x) = size erf(steepness x) + offset``."""
    k = 2 * steepness * steepness
    arcsine = jnp.arctan2(k * pair.covariance, jnp.sqrt(_spread(pair, k)))
    return size * size * 2 / math.pi * arcsine + offset * offset


def erf_prime(pair: GaussianPair, size: float, steepness: float, offset: float) -> Array:
    """Return the mean of two Gaussian bumps; the offset has no part in it."""
    del offset
    k = 2 * steepness * steepness
    return 2 * k * size * size / math.pi / jnp.sqrt(_spread(pair, k))


def gelu(pair: GaussianPair) -> Array:
    """``sigma(x) = x Phi(x)``."""
    (a, b), c, spread = pair.variances, pair.covariance, _spread(pair, 1)
    density = 1 / (2 * math.pi * jnp.sqrt(spread))
    both = 0.25 + jnp.arctan2(c, jnp.sqrt(spread)) / (2 * math.pi)  # E Phi(u) Phi(v)
    return c * both + density * (pair.determinant + c * c * (1 / (1 + a) + 1 / (1 + b)))


def gelu_prime(pair: GaussianPair) -> Array:
    """``sigma'(x) = Phi(x) + x phi(x)``."""
    (a, b), c, spread = pair.variances, pair.covariance, _spread(pair, 1)
    density = 1 / (2 * math.pi * jnp.sqrt(spread))
    both = 0.25 + jnp.arctan2(c, jnp.sqrt(spread)) / (2 * math.pi)
    return both + density * c * (1 / (1 + a) + 1 / (1 + b) + 1 / spread)


def _waves(pair: GaussianPair) -> tuple[Array, Array]:
    """Return ``exp(-E(u-v)^2/2)`` and ``exp(-E(u+v)^2/2)``."""
    (a, b), c = pair.variances, pair.covariance
    return jnp.exp(-(a + b - 2 * c) / 2), jnp.exp(-(a + b + 2 * c) / 2)


def sin(pair: GaussianPair) -> Array:
    """``sigma(x) = sin x``; the derivative of cos has the same dual."""
    near, far = _waves(pair)
    return (near - far) / 2


def cos(pair: GaussianPair) -> Array:
    """``sigma(x) = cos x``."""
    near, far = _waves(pair)
    return (near + far) / 2


def exp(pair: GaussianPair) -> Array:
    """``sigma(x) = exp x``, its own derivative."""
    a, b = pair.variances
    return jnp.exp((a + b) / 2 + pair.covariance)


def gaussian(pair: GaussianPair) -> Array:
    """``sigma(x) = exp(-x^2)``."""
    return 1 / jnp.sqrt(_spread(pair, 2))


def gaussian_prime(pair: GaussianPair) -> Array:
    """``sigma'(x) = -2 x exp(-x^2)``."""
    return 4 * pair.covariance * _spread(pair, 2) ** -1.5


def _gabor_parts(pair: GaussianPair) -> tuple[Array, Array, Array, Array, Array]:
    (a, b), c, spread = pair.variances, pair.covariance, _spread(pair, 2)
    more, less = 1 + a + b + 2 * c, 1 + a + b - 2 * c
    return spread, more, less, jnp.exp(more / (2 * spread) - 0.5), jnp.exp(less / (2 * spread) - 0.5)


def gabor(pair: GaussianPair) -> Array:
    """``sigma(x) = exp(-x^2) sin x``."""
    spread, _, _, near, far = _gabor_parts(pair)
    return (near - far) / (2 * jnp.sqrt(spread))


def gabor_prime(pair: GaussianPair) -> Array:
    """Return the derivative of `gabor` in the covariance."""
    spread, more, less, near, far = _gabor_parts(pair)
    c = pair.covariance
    inner = near * (1 + 4 * c * more / spread) + far * (1 - 4 * c * less / spread)
    return (4 * c * (near - far) + inner) / (2 * spread * jnp.sqrt(spread))


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
