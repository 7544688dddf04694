"""Duals without a closed form as functions of the angle, tabulated once (section 2.5).

For Gaussians of one common variance a dual is a function of the angle alone.  Where the activation is smooth it is its
power series in rho, whose coefficients are squares; where it has kinks the series converges too slowly, but as a
function of theta the dual is smooth on all of [0, pi], and a Chebyshev series in theta converges fast.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

from tightwidth.angles import angle
from tightwidth.dual_quadrature import Integrand, check_resolved, hermite_expansion, pair_means, second_moment

PADDING = 16  # lengths are multiples of it, so that few shapes compile
MOST_TERMS = 384  # of a power series
MOST_DEGREE = 1024  # of a Chebyshev series
TRUSTED = 1e-11  # the largest error, in units of f(1), of a table that is given out
TAIL = 1e-14  # share of f(1) that a power series may leave out
SMALL = 4e-15  # size of the last Chebyshev coefficients, in units of f(1), at which the degree suffices
LEGENDRE = np.polynomial.legendre.leggauss(16)


def _padded(coefficients: np.ndarray) -> np.ndarray:
    return np.pad(coefficients, (0, -len(coefficients) % PADDING))


def _from_the_top(
    coefficients: Array | np.ndarray, step: Callable[[Array, tuple[Array, Array]], tuple[Array, Array]], like: Array
) -> tuple[Array, Array]:
    """Run a recurrence over coefficients from the last to the first, in a loop over blocks that are unrolled."""
    blocks = jnp.asarray(coefficients, like.dtype).reshape(-1, PADDING)
    n = blocks.shape[0]
    start = (jnp.zeros_like(like), jnp.zeros_like(like))
    return jax.lax.fori_loop(0, n, lambda i, sums: step(blocks[n - 1 - i], sums), start)


class SeriesDual(eqx.Module):
    """Hold ``f(rho) = sum_n c_n rho^n`` with ``c_n >= 0``."""

    coefficients: Float[Array | np.ndarray, " n"]
    top: float | Array
    error: float | Array = 0.0
    is_double: bool = eqx.field(static=True, default=False)

    def __call__(self, rho: Float[Array, "*s"], sine: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """Return the series by Horner's scheme; no digit is lost, since all terms of one parity have one sign."""
        del sine
        square = rho * rho

        def step(c: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            even, odd = sums  # apart: next to rho = -1 their difference is taken once
            for k in range(PADDING - 2, -1, -2):
                even, odd = even * square + c[k], odd * square + c[k + 1]
            return even, odd

        even, odd = _from_the_top(self.coefficients, step, rho)
        return even + rho * odd


class AngleDual(eqx.Module):
    """Hold ``f(cos theta)`` as a Chebyshev series in ``1 - 2 theta / pi``, evaluated in float64 only."""

    coefficients: Float[Array | np.ndarray, " n"]
    top: float | Array
    error: float | Array = 0.0
    is_double: bool = eqx.field(static=True, default=True)

    def __call__(self, rho: Float[Array, "*s"], sine: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """Return the series by Clenshaw's recurrence."""
        return self.at_angle(angle(rho, sine))

    def at_angle(self, theta: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """Return ``f(cos theta)``."""
        twice = 2 - 4 * theta / math.pi

        def step(c: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            before, here = sums
            for k in range(PADDING - 1, -1, -1):
                before, here = here, twice * here - before + c[k]
            return before, here

        before, here = _from_the_top(self.coefficients, step, theta)
        return here - before * twice / 2

    def drop(self, theta: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """Return ``int_0^theta f(cos t) sin t dt``: what the dual loses whose derivative f is, exact near 0."""
        total = jnp.zeros_like(theta)
        for node, weight in zip(*LEGENDRE, strict=True):
            t = theta * (1 + node) / 2
            total = total + weight * self.at_angle(t) * jnp.sin(t)
        return total * theta / 2


TableDual = SeriesDual | AngleDual


def series_table(f: Integrand, std: float) -> SeriesDual | None:
    """Return the power series of the dual of ``f(std .)``, or None if it converges too slowly."""
    for n_terms in (48, 96, 192, MOST_TERMS):
        coefficients, (moment,) = hermite_expansion(f, np.array([std]), n_terms)
        squares = coefficients[0] ** 2
        tail = moment - float(squares.sum())
        if tail <= TAIL * moment:
            used = max(1, int(np.flatnonzero(squares > 1e-18 * moment)[-1]) + 1) if moment > 0 else 1
            error = abs(float(tail)) + 8 * float(np.finfo(np.float64).eps) * float(moment)
            return SeriesDual(_padded(squares[:used]), float(moment), error)
    return None


def angle_table(
    exact: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]], top: float, *, degree: int = 32
) -> AngleDual:
    """Return the Chebyshev series in the angle of a function of (rho, sine), given with its error estimate.

    The degree is doubled from the one given until the last quarter of the coefficients is rounding.
    """
    values, error = np.empty(0), 0.0
    while True:
        # the extrema of the Chebyshev polynomial, x = 1 - 2 theta/pi from 1 down to -1: every second one is known
        known = len(values) > 0
        new = np.arange(1, degree, 2) if known else np.arange(degree + 1)
        theta = np.pi * (1 - np.cos(np.pi * new / degree)) / 2
        found, its_error = exact(np.cos(theta), np.sin(theta))
        error = max(error, its_error)
        if known:
            values, before = np.empty(degree + 1), values
            values[::2], values[1::2] = before, found
        else:
            values = found
        from scipy.fft import dct  # here, since it takes a tenth of a second, and few duals come to it

        coefficients = np.asarray(dct(values, type=1)) / degree
        coefficients[[0, -1]] /= 2
        last = float(np.abs(coefficients[-(degree // 4) :]).max())
        scale = max(abs(top), float(np.abs(values).max()))
        if last <= SMALL * scale or degree >= MOST_DEGREE:
            break
        degree *= 2
    used = int(np.flatnonzero(np.abs(coefficients) > 1e-17 * max(scale, 1e-300))[-1]) + 1 if scale > 0 else 1
    truncation = 2 * float(np.abs(coefficients[-(degree // 4) :]).sum())
    error += truncation + 16 * float(np.finfo(np.float64).eps) * scale
    return AngleDual(_padded(coefficients[:used]), float(chebyshev.chebval(1.0, coefficients)), float(error))


def quadrature_table(f: Integrand, std: float) -> TableDual:
    """Return the table of ``E f(u) f(v)`` for Gaussians of standard deviation std, from quadrature.

    Raises
    ------
    HypothesisError
        If the second moment of f is infinite.
    InputError
        If f changes too fast on the scale of std for the table to be right.
    """
    if not f.splits:
        series = series_table(f, std)
        if series is not None:
            return series

    def exact(rho: np.ndarray, sine: np.ndarray) -> tuple[np.ndarray, float]:
        same = np.full(rho.shape, std)
        return pair_means(f, same, same, rho, sine)

    # between two different kinks the dual is smooth without being analytic, and needs more terms
    table = angle_table(exact, second_moment(f, std), degree=32 if len(f.splits) < 2 else 128)
    check_resolved(f, std, float(table.error), float(table.top), TRUSTED)
    return table
