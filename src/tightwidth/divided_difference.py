"""B [ sigma(z + a/B) - sigma(z - c/B) ] without cancellation, at any B and in any precision.

The displacement form of the network (`tightwidth.network`) rests on it.  Sigma is split into its kinks and the rest:

- a kink of jump J at kappa contributes J [ (t + a)_+ - (t - c)_+ ] with ``t = B (z - kappa)``.  With the gates
  ``p = [t + a > 0]`` and ``n = [t - c > 0]`` that is ``p a + n c + (p - n) t``, and t enters only where the gates
  differ, where ``|t| <= |a| + |c|``;
- the rest is continuously differentiable, and contributes (a + c) times the mean of its derivative over
  [z - c/B, z + a/B]: three Gauss-Legendre nodes where the interval is short, the plain difference where it is not.
  An interval that contains a jump of sigma'' is split there.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.activations import Activation

NODES = (-float(np.sqrt(0.6)), 0.0, float(np.sqrt(0.6)))
WEIGHTS = (5 / 18, 8 / 18, 5 / 18)  # of a mean over [-1, 1]


def _short(dtype: np.dtype) -> float:
    """Return the length up to which three nodes are more exact than a difference: the errors meet there."""
    return 0.1 if dtype == jnp.float32 else 0.02


def _mean_slope(activation: Activation, low: Array, high: Array) -> Array:
    """Return the mean of smooth' over [low, high] by Gauss and Legendre; exact for polynomials up to degree 5."""
    middle, half = (low + high) / 2, (high - low) / 2
    slopes = jnp.stack([w * activation.smooth_prime(middle + half * x) for x, w in zip(NODES, WEIGHTS, strict=True)])
    return jnp.sum(slopes, axis=0)


def _smooth_part(activation: Activation, z: Array, a: Array, c: Array, inverse_B: Array) -> Array:
    low, high = z - c * inverse_B, z + a * inverse_B
    total = a + c
    short = _mean_slope(activation, low, high) * total
    for place in activation.breaks:
        t = (z - place) * (1 / inverse_B)
        start, end = t - c, t + a  # the ends, seen from the break and magnified by B
        mixed = (start > 0) != (end > 0)
        at = jnp.asarray(place, z.dtype)
        # from start to the break, and from the break to end; each is a signed length times a mean slope on one side
        below, above = jnp.minimum(start, end), jnp.maximum(start, end)
        left = -below * _mean_slope(activation, at + below * inverse_B, at)
        right = above * _mean_slope(activation, at, at + above * inverse_B)
        short = jnp.where(mixed, jnp.sign(end - start) * (left + right), short)
    wide = (activation.smooth(high) - activation.smooth(low)) / inverse_B
    return jnp.where(jnp.abs(total) * inverse_B < _short(z.dtype), short, wide)


def gates(
    z: Float[Array, "*s"], shift: Float[Array, "*s"], place: float, inverse_B: Float[Array, ""]
) -> Float[Array, "*s"]:
    """Return ``[z + shift/B > place]`` as 0 or 1, decided from ``B (z - place) + shift``."""
    return ((z - place) * (1 / inverse_B) + shift > 0).astype(z.dtype)


def divided_difference(
    activation: Activation,
    z: Float[Array, "*s"],
    a: Float[Array, "*s"],
    c: Float[Array, "*s"],
    inverse_B: Float[Array, ""],
) -> Float[Array, "*s"]:
    """Return ``B [ sigma(z + a/B) - sigma(z - c/B) ]``; exactly 0 where a = c = 0.

    Parameters
    ----------
    activation
        The activation.
    z, a, c
        Pre-activations at the initial weights, and the displacements of the two neurons of a pair times B.
    inverse_B
        1/B, positive.
    """
    if activation.is_piecewise_linear:
        leftmost = min((place for place, _ in activation.kinks), default=0.0) - 1.0
        total = (a + c) * activation.sigma_prime(jnp.asarray(leftmost, z.dtype))
    else:
        total = _smooth_part(activation, z, a, c, inverse_B)
    for place, jump in activation.kinks:
        plus, minus = gates(z, a, place, inverse_B), gates(z, -c, place, inverse_B)
        t = jnp.where(plus != minus, (z - place) * (1 / inverse_B), 0)
        total = total + jump * (plus * a + minus * c + (plus - minus) * t)
    return total


def slope(
    activation: Activation, z: Float[Array, "*s"], shift: Float[Array, "*s"], inverse_B: Float[Array, ""]
) -> Float[Array, "*s"]:
    """Return ``sigma'(z + shift/B)`` with the kinks decided as in `divided_difference`."""
    if activation.is_piecewise_linear:
        leftmost = min((place for place, _ in activation.kinks), default=0.0) - 1.0
        total = jnp.full_like(z, 1) * activation.sigma_prime(jnp.asarray(leftmost, z.dtype))
    else:
        total = activation.smooth_prime(z + shift * inverse_B)
    for place, jump in activation.kinks:
        total = total + jump * gates(z, shift, place, inverse_B)
    return total
