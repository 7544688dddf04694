"""What a displacement changes at one neuron: its slope, and its value beyond the linear part, without cancellation.

For ``delta = shift/B`` (docs/derivations/large_B.md, section 5)

- `slope_change` is ``sigma'(z + delta) - sigma'(z)``,
- `remainder` is ``B [sigma(z + delta) - sigma(z)] - sigma'(z) shift``.

A kink adds to both only if z and z + delta are on different sides of it.  The rest of sigma adds ``delta`` times the
mean of its second derivative between the two, and ``shift delta`` times a weighted mean: five Gauss-Legendre nodes on
each side of every break where delta is short, the plain differences where it is not.  For float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.activations import Activation
from tightwidth.divided_difference import gates

SHORT = 0.1  # from here on the plain difference loses two digits at most, and five nodes lose none below
NODES, WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(5))


def _mean_curvatures(activation: Activation, z: Array, delta: Array) -> tuple[Array, Array]:
    """Return the integrals over t in [0, 1] of ``smooth''(z + t delta)`` and of ``(1 - t) smooth''(z + t delta)``."""
    safe = jnp.where(delta == 0, 1, delta)
    ends = [jnp.zeros_like(z), *(jnp.clip((place - z) / safe, 0, 1) for place in activation.breaks), jnp.ones_like(z)]
    cuts = jnp.sort(jnp.stack(ends), axis=0)
    middle, half = (cuts[1:] + cuts[:-1]) / 2, (cuts[1:] - cuts[:-1]) / 2
    spread = (-1, *[1] * cuts.ndim)
    t = middle + half * jnp.asarray(NODES, z.dtype).reshape(spread)  # [nodes, pieces, *s]
    at = z + t * delta
    _, curvature = jax.jvp(activation.smooth_prime, (at,), (jnp.ones_like(at),))
    terms = jnp.asarray(WEIGHTS, z.dtype).reshape(spread) * half * curvature
    return jnp.sum(terms, axis=(0, 1)), jnp.sum(terms * (1 - t), axis=(0, 1))


def slope_change(
    activation: Activation, z: Float[Array, "*s"], shift: Float[Array, "*s"], inverse_B: Float[Array, ""]
) -> Float[Array, "*s"]:
    """Return ``sigma'(z + shift/B) - sigma'(z)``; exactly 0 for a piecewise linear sigma whose gates do not flip.

    Parameters
    ----------
    activation
        The activation, a decent one.
    z, shift
        Pre-activations at the start, and their displacements times B.
    inverse_B
        1/B, positive.
    """
    total = jnp.zeros_like(z)
    if not activation.is_piecewise_linear:
        delta = shift * inverse_B
        short = delta * _mean_curvatures(activation, z, delta)[0]
        wide = activation.smooth_prime(z + delta) - activation.smooth_prime(z)
        total = jnp.where(jnp.abs(delta) < SHORT, short, wide)
    for place, jump in activation.kinks:
        total = total + jump * (gates(z, shift, place, inverse_B) - (z > place))
    return total


def remainder(
    activation: Activation, z: Float[Array, "*s"], shift: Float[Array, "*s"], inverse_B: Float[Array, ""]
) -> Float[Array, "*s"]:
    """Return ``B [sigma(z + shift/B) - sigma(z)] - sigma'(z) shift``, of order ``shift^2/B``; 0 like `slope_change`.

    With ``t = B (z - kappa)`` a kink adds ``J (t + shift)`` times the change of its gate.
    """
    total = jnp.zeros_like(z)
    if not activation.is_piecewise_linear:
        delta = shift * inverse_B
        short = shift * delta * _mean_curvatures(activation, z, delta)[1]
        rise = (activation.smooth(z + delta) - activation.smooth(z)) / inverse_B
        total = jnp.where(jnp.abs(delta) < SHORT, short, rise - activation.smooth_prime(z) * shift)
    for place, jump in activation.kinks:
        change = gates(z, shift, place, inverse_B) - (z > place)
        past = jnp.where(change == 0, 0, (z - place) * (1 / inverse_B) + shift)
        total = total + jump * change * past
    return total
