"""The angle between two points, exact also where it is almost 0 or almost pi (section 2.5).

A correlation alone keeps half of the digits of a small angle: next to ``rho = 1`` an error of 1e-16 in rho is one of
1e-8 in ``theta = arccos rho``, and the kernels of activations with a kink are functions of theta.  So two numbers
stand for an angle here, ``rho = cos theta`` and ``sine = sin theta``, each to full relative precision.  They come
from the half-chords ``|x - z|/2`` and ``|x + z|/2`` of unit vectors where points are near, and from a product where
they are not.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

Real = Any  # a number, or an array of JAX or NumPy: formulas are traced in one place and run on the host in another

# (arcsin(s)/s - 1)/s^2 as a polynomial in 4 s^2 - 1, for s^2 <= 1/2: Chebyshev interpolation in extended precision
ARCSINE = {
    "float32": (
        *(0.1887902021408081, 0.026215752586722374, 0.004979834426194429, 0.0010990564478561282),
        *(0.0002646844950504601, 6.668836431344971e-05, 1.7681915778666735e-05, 5.901513304706896e-06),
        1.661566329858033e-06,
    ),
    "float64": (
        *(0.188790204786391, 0.026215769578916852, 0.00497983937697808, 0.0010988347814060138),
        *(0.00026462011225956186, 6.747259957164912e-05, 1.7909610852245764e-05, 4.897520922668928e-06),
        *(1.370329470153954e-06, 3.90468501332131e-07, 1.1291625044789215e-07, 3.303005217545516e-08),
        *(9.769135575780249e-09, 2.9541949990076257e-09, 8.886243802200997e-10, 2.3313563652693186e-10),
        *(7.075290061433599e-11, 3.955688408409156e-11, 1.2210560048455782e-11),
    ),
}
# arccos(a) / sqrt(1 - a) as a polynomial in 2 a - 1, for a in [0, 1]: as above
ARCCOSINE = {
    "float32": (
        *(1.4809609651565552, -0.07601608335971832, 0.011029966175556183, -0.0021493202075362206),
        *(0.00047883400111459196, -0.00011650348460534588, 3.51631133526098e-05, -9.466701158089563e-06),
    ),
    "float64": (
        *(1.480960979386122, -0.07601609123466539, 0.011029313317978387, -0.0021491358589899785),
        *(0.00048205410057980847, -0.00011741250458649288, 3.0187169965332885e-05, -8.063536137807434e-06),
        *(2.2160198619896716e-06, -6.225475238484584e-07, 1.7797315671562673e-07, -5.1570673585322806e-08),
        *(1.5132092614032973e-08, -4.543230902598339e-09, 1.3584236542647276e-09, -3.5558311850536484e-10),
        *(1.0752605823271504e-10, -5.950963698428256e-11, 1.8289183033534515e-11),
    ),
}
SERIES = (2 / 6, -4 / 120, 6 / 5040, -8 / 362880, 10 / 39916800, -12 / 6227020800, 14 / 1307674368000)


class GaussianPair(NamedTuple):
    """Hold the law of two centred Gaussians (u, v), or arrays of such laws that broadcast.

    ``std_u`` and ``std_v`` are the standard deviations, the norms of two points x and z when ``u = <w, x>`` and
    ``v = <w, z>``; ``rho`` is the correlation and ``sine = sqrt(1 - rho^2)``, to full relative precision.
    """

    std_u: Real
    std_v: Real
    rho: Real
    sine: Real

    @property
    def variances(self) -> tuple[Real, Real]:
        """Variances of u and of v."""
        return self.std_u * self.std_u, self.std_v * self.std_v

    @property
    def scale(self) -> Real:
        """Product of the standard deviations."""
        return self.std_u * self.std_v

    @property
    def covariance(self) -> Real:
        """Covariance of u and v."""
        return self.scale * self.rho

    @property
    def complement(self) -> Real:
        """``pi - theta``, exact where theta is almost pi."""
        return complement(self.rho, self.sine)

    @property
    def determinant(self) -> Real:
        """Determinant of the covariance matrix, without cancellation."""
        return (self.scale * self.sine) ** 2


class FarPair(GaussianPair):
    """Hold a pair whose angle is known to be neither almost 0 nor almost pi: its sine is that of `sine_of`."""

    @property
    def complement(self) -> Real:
        """``pi - theta`` from the correlation alone, with a third of the operations."""
        size = jnp.abs(self.rho)
        acute = jnp.sqrt(jnp.maximum(1 - size, 0)) * _horner(ARCCOSINE, 2 * size - 1)
        return jnp.where(self.rho > 0, jnp.asarray(jnp.pi, acute.dtype) - acute, acute)


def _horner(coefficients: dict[str, tuple[float, ...]], t: Float[Array, "*s"]) -> Float[Array, "*s"]:
    of_dtype = coefficients[str(t.dtype)]
    polynomial = jnp.full_like(t, of_dtype[-1])
    for coefficient in reversed(of_dtype[:-1]):
        polynomial = polynomial * t + jnp.asarray(coefficient, t.dtype)
    return polynomial


def sine_of(rho: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return ``sqrt(1 - rho^2)`` of a correlation that was not computed from near points."""
    return jnp.sqrt(jnp.maximum((1 - rho) * (1 + rho), 0))


def angle(rho: Float[Array, "*s"], sine: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return theta in [0, pi] of ``cos theta = rho`` and ``sin theta = sine``, to the last digit or two.

    Notes
    -----
    The arcsine of the lesser of the two, by one polynomial without a branch: several times faster than arctan2.
    """
    size = jnp.abs(rho)
    lesser = jnp.minimum(sine, size)
    z = lesser * lesser
    arcsine = lesser + lesser * (z * _horner(ARCSINE, 4 * z - 1))
    acute = jnp.where(sine <= size, arcsine, jnp.asarray(jnp.pi / 2, z.dtype) - arcsine)
    return jnp.where(rho < 0, jnp.asarray(jnp.pi, z.dtype) - acute, acute)


def complement(rho: Float[Array, "*s"], sine: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return ``pi - theta``, exact where theta is almost pi."""
    return angle(-rho, sine)


def sine_minus_arc(theta: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return ``sin theta - theta cos theta``, of the order theta^3 / 3, without cancellation."""
    square = theta * theta
    series = jnp.zeros_like(theta)
    for coefficient in reversed(SERIES):
        series = series * square + coefficient
    small = jnp.abs(theta) < 0.7
    return jnp.where(small, theta * square * series, jnp.sin(theta) - theta * jnp.cos(theta))


def versine(rho: Float[Array, "*s"], sine: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return ``1 - cos theta``, exact where theta is almost 0."""
    return jnp.where(rho > 0, sine * sine / (1 + jnp.abs(rho)), 1 - rho)


def from_versine(versine: Float[Array, "*s"]) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """Return (rho, sine) of ``1 - cos theta``, which is clipped to [0, 2]."""
    inside = jnp.clip(versine, 0, 2)
    return 1 - inside, jnp.sqrt(inside * (2 - inside))


def unit_chords(
    x: Float[Array, " d"], z: Float[Array, " d"]
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Return the norms of two points, and (rho, sine) of the angle between them from its half-chords.

    A zero point has ``rho = 0`` with every other.
    """
    norms = []
    units = []
    for point in (x, z):
        # scale first, so that squares of huge or tiny coordinates neither overflow nor vanish
        largest = jnp.max(jnp.abs(point), initial=0)
        scaled = point / jnp.where(largest > 0, largest, 1)
        norm = jnp.sqrt(jnp.sum(scaled * scaled))
        norms.append(norm * largest)
        units.append(scaled / jnp.where(norm > 0, norm, 1))
    short, long = (jnp.sum(chord * chord) for chord in (units[0] - units[1], units[0] + units[1]))
    is_zero = (norms[0] == 0) | (norms[1] == 0)
    # the two squares add up to 4; the lesser is the one without cancellation
    rho = jnp.where(short < long, 1 - short / 2, long / 2 - 1)
    lesser = jnp.minimum(short, long)
    sine = jnp.sqrt(lesser * jnp.maximum(4 - lesser, 0)) / 2
    return norms[0], norms[1], jnp.where(is_zero, 0, rho), jnp.where(is_zero, 1, sine)
