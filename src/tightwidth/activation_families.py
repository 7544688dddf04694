"""Activations with a parameter: slopes, scaled erf, powers, rectified powers, Hermite polynomials (section 2.5).

Each call with the same parameters returns the same object, so that nothing compiled for it is compiled again.
"""

import functools
import math

import jax.numpy as jnp
from jax.scipy.special import erf as _erf
from jaxtyping import Array

from tightwidth.elementwise import Activation
from tightwidth.errors import InputError

MAX_DEGREE = 30  # of polynomials and rectified powers, whose duals grow like (2n - 1)!!
LEAK = 0.01  # the customary slope of the leaky relu on the left


def step(x: Array) -> Array:
    """Return 1 where x > 0, else 0."""
    return (x > 0).astype(x.dtype)


def leaky_relu(slope: float = LEAK) -> Activation:
    """Return the relu with this slope on the left."""
    return _leaky_relu(float(slope))


@functools.lru_cache(maxsize=256)
def _leaky_relu(slope: float) -> Activation:
    return Activation(
        "leaky_relu" if slope == LEAK else f"leaky_relu({slope:g})",
        lambda x: jnp.where(x > 0, x, slope * x),
        lambda x: jnp.where(x > 0, jnp.ones_like(x), jnp.full_like(x, slope)),
        C=max(1, abs(slope)),
        H=0,
        kinks=((0.0, 1 - slope),) if slope != 1 else (),
        family=("two_slopes", slope, 1.0),
    )


def affine_erf(a: float = 1.0, b: float = 1.0, c: float = 0.0) -> Activation:
    """Return ``a erf(b x) + c``."""
    return _affine_erf(float(a), float(b), float(c))


@functools.lru_cache(maxsize=256)
def _affine_erf(a: float, b: float, c: float) -> Activation:
    peak = 2 * a * b / math.sqrt(math.pi)
    return Activation(
        "erf" if (a, b, c) == (1, 1, 0) else f"affine_erf({a:g}, {b:g}, {c:g})",
        lambda x: a * _erf(b * x) + c,
        lambda x: peak * jnp.exp(-((b * x) ** 2)),
        C=abs(peak),
        H=abs(peak * b) * math.sqrt(2 / math.e),
        family=("erf", a, b, c),
    )


def _check_degree(kind: str, n: int) -> None:
    if not (isinstance(n, int) and 0 <= n <= MAX_DEGREE):
        message = f"{kind} of degree {n!r}: the degree must be a whole number from 0 to {MAX_DEGREE}; give another"
        raise InputError(message)


def _bounds(n: int, slope: float, curvature: float) -> tuple[float, float]:
    """Return (C, H) of a polynomial of degree n, which is decent up to degree 1."""
    return (slope if n <= 1 else math.inf, 0 if n <= 1 else curvature if n == 2 else math.inf)


@functools.lru_cache(maxsize=256)
def monomial(n: int) -> Activation:
    """Return ``x^n``.

    Raises
    ------
    InputError
        If n is no whole number from 0 to 30.
    """
    _check_degree("a monomial", n)
    C, H = _bounds(n, n, 2)
    return Activation(
        f"monomial_{n}",
        lambda x: x**n,
        lambda x: n * x ** max(n - 1, 0),
        C=C,
        H=H,
        family=("monomial", n),
    )


@functools.lru_cache(maxsize=256)
def rectified_monomial(n: int) -> Activation:
    """Return ``max(x, 0)^n``, whose duals are the arc-cosine kernels; n = 0 is the step, n = 1 relu.

    Raises
    ------
    InputError
        If n is no whole number from 0 to 30.
    """
    _check_degree("a rectified monomial", n)
    C, H = _bounds(n, n, 2)
    return Activation(
        f"rectified_monomial_{n}",
        lambda x: jnp.where(x > 0, x, 0) ** n if n else step(x),
        lambda x: n * jnp.where(x > 0, x, 0) ** (n - 1) if n > 1 else n * step(x),
        C=C,
        H=H,
        kinks=((0.0, 1.0),) if n == 1 else (),
        breaks=(0.0,) if n != 1 else (),
        is_continuous=n > 0,
        family=(("steps", 0.0, 1.0), ("two_slopes", 0.0, 1.0))[n] if n <= 1 else ("rectified_monomial", n),
    )


@functools.lru_cache(maxsize=256)
def hermite(n: int) -> Activation:
    """Return ``He_n(x) / sqrt(n!)``, orthonormal under the standard Gaussian.

    Raises
    ------
    InputError
        If n is no whole number from 0 to 30.
    """
    _check_degree("a Hermite polynomial", n)
    C, H = _bounds(n, n, math.sqrt(2))
    return Activation(
        f"hermite_{n}",
        lambda x: _hermite(n, x),
        lambda x: math.sqrt(n) * _hermite(n - 1, x) if n else jnp.zeros_like(x),
        C=C,
        H=H,
        family=("hermite", n),
    )


def _hermite(n: int, x: Array) -> Array:
    before, here = jnp.zeros_like(x), jnp.ones_like(x)
    for k in range(n):
        before, here = here, (x * here - math.sqrt(k) * before) / math.sqrt(k + 1)
    return here
