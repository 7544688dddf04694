"""The dual of elu in closed form, by orthant probabilities of a Gaussian pair (section 2.5).

``elu(x) = x`` for x > 0 and ``e^x - 1`` for x <= 0.  An exponential under the expectation moves the means, so that
every term is an exponential times a probability of a quadrant, which Owen's T gives; docs/derivations/duals.md
derives the terms.  Each is exact to an absolute error of 1e-16 times its exponential, so for variances up to about 4.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from tightwidth.angles import GaussianPair, complement

LEAST_VARIANCE = 1e-4  # below, terms of size 1 add up to almost nothing
LARGEST_VARIANCE = 4.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
ROOT = math.sqrt(2 * math.pi)


def owens_t(h: Float[Array, "*s"], alpha: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return Owen's ``T(h, tan alpha) = int_0^alpha exp(-h^2 / (2 cos^2 t)) dt / (2 pi)`` for |alpha| <= pi/2.

    Beyond pi/4 by ``T(h, a) + T(a h, 1/a) = (Phi(h) + Phi(a h)) / 2 - Phi(h) Phi(a h)``, for h, a >= 0; 32 nodes of
    Gauss and Legendre do the rest to 1e-16.
    """
    size, h = jnp.abs(alpha), jnp.abs(h)
    steep = size > math.pi / 4
    slope = jnp.tan(jnp.where(steep, size, 0))
    ah = jnp.where(steep, h * slope, 0)
    arc, height = jnp.where(steep, math.pi / 2 - size, size), jnp.where(steep, ah, h)
    nodes, weights = jnp.asarray(NODES, arc.dtype), jnp.asarray(WEIGHTS, arc.dtype)

    def add(i: Array, total: Array) -> Array:
        return total + weights[i] * jnp.exp(-0.5 * (height / jnp.cos(arc * (1 + nodes[i]) / 2)) ** 2)

    direct = jax.lax.fori_loop(0, len(NODES), add, jnp.zeros_like(arc)) * arc / (4 * math.pi)
    whole = (ndtr(h) + ndtr(ah)) / 2 - ndtr(h) * ndtr(ah)
    return jnp.sign(alpha) * jnp.where(steep, whole - direct, direct)


def _density(x: Array) -> Array:
    return jnp.exp(-0.5 * x * x) / ROOT


def _across(t: Array, rho: Array, sine: Array) -> Array:
    """Return ``P[u > 0, v < 0]`` when a factor e^v has moved the means by the covariances with v, of deviation t."""
    alpha = jnp.where(rho > 0, -1.0, 1.0) * jnp.arctan2(sine, jnp.abs(rho))
    return (ndtr(rho * t) + ndtr(-t)) / 2 - owens_t(rho * t, alpha) - jnp.where(rho > 0, 0.5, 0.0)


def _below(r: Array, t: Array, rho: Array, sine: Array) -> Array:
    """Return ``P[u < 0, v < 0]`` when a factor e^(u+v) has moved the means."""
    h, k = r + rho * t, t + rho * r
    alphas = []
    for height, other in ((h, t), (k, r)):
        turned = jnp.arctan2(other * sine, jnp.abs(height))
        turned = jnp.where((height == 0) & (other * sine == 0), math.pi / 2, turned)
        alphas.append(jnp.where(height < 0, -turned, turned))
    opposite = jnp.where(h * k < 0, 0.5, 0.0)
    return (ndtr(-h) + ndtr(-k)) / 2 - owens_t(h, alphas[0]) - owens_t(k, alphas[1]) - opposite


def _parts(pair: GaussianPair) -> tuple[Array, ...]:
    r, t, rho, sine = jnp.broadcast_arrays(*(jnp.asarray(part) for part in pair))
    both = jnp.exp((r * r + t * t) / 2 + r * t * rho) * _below(r, t, rho, sine)
    return r, t, rho, sine, _across(r, rho, sine), _across(t, rho, sine), both


def elu(pair: GaussianPair) -> Array:
    """Return E elu(u) elu(v)."""
    r, t, rho, sine, across_u, across_v, both = _parts(pair)
    quadrant = complement(rho, sine) / (2 * math.pi)  # P[u < 0, v < 0]
    rising = r * t * (sine / (2 * math.pi) + rho * quadrant)  # both positive
    falling = both + quadrant
    mixed = jnp.zeros_like(rho)
    for one, other, across in ((r, t, across_v), (t, r, across_u)):  # the first positive, the second negative
        lift = jnp.exp(other * other / 2)
        linear = one * _density(rho * other) * ndtr(-other * sine) - rho * one * _density(other) / 2
        mixed = mixed + lift * (rho * one * other * across + linear) - one * (1 - rho) / (2 * ROOT)
        falling = falling - lift * (ndtr(-other) - across)
    return rising + mixed + falling


def elu_prime(pair: GaussianPair) -> Array:
    """Return E elu'(u) elu'(v), with elu' = 1 for x > 0 and e^x for x <= 0."""
    r, t, rho, sine, across_u, across_v, both = _parts(pair)
    quadrant = complement(rho, sine) / (2 * math.pi)
    return quadrant + jnp.exp(r * r / 2) * across_u + jnp.exp(t * t / 2) * across_v + both
