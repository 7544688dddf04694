"""When a guarantee for the linear limit holds at a finite B (Theorem 5; docs/derivations/large_B.md).

In T steps no neuron moves by more than ``r = eta T L C/(2 q B)``.  If every pre-activation of the sample is farther
than that from every kink, no gate of the sample ever flips; what is left is the curvature of sigma between kinks and
the movement of the output weights, and both are bounded here.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.activations import Activation
from tightwidth.network import Displacement
from tightwidth.precision import follows_dtype

LEAST_B, LARGEST_B = 1e-6, 1e60  # between which one is looked for
ROUNDING = 1.001  # a step may be rounded up, and must stop short of the kink all the same


@dataclass(frozen=True)
class Reach:
    """Hold how near the sample comes to a kink, ``min |z - kappa|``, and how large ``|sigma(z)|`` gets on it."""

    gap: float
    largest_value: float


@partial(jax.jit, static_argnames="activation")
def _reach(Z: Array, activation: Activation) -> tuple[list[Array], Array]:
    return [jnp.min(jnp.abs(Z - place)) for place, _ in activation.kinks], jnp.max(jnp.abs(activation.sigma(Z)))


@follows_dtype
def reach(Z: Float[Array, "m q"], activation: Activation) -> Reach:
    """Measure the pre-activations [m, q] of a sample; the gap is infinite if there is no kink."""
    gaps, largest = _reach(Z, activation)
    return Reach(min(map(float, gaps), default=np.inf), float(largest))


def travel(*, q: int, n_steps: int, learning_rate: float, L: float) -> float:
    """Return ``eta T L/(2 q)``: C times this over B is how far a neuron can move."""
    return learning_rate * n_steps * L / (2 * q)


def sufficient_B(reached: Reach, *, C: float, q: int, n_steps: int, learning_rate: float, L: float) -> float:
    """Return a B at which no gate of the sample can flip: ``B > eta T L C/(2 q min |z - kappa|)``; 0 without kinks.

    The factor ``1 + rho s/B^3`` is for the movement of the output weights, which drive the hidden ones along; from
    ``B^3 >= rho s`` on it is at most 2.
    """
    if np.isinf(reached.gap):
        return 0.0
    if reached.gap == 0:
        return np.inf
    rho = travel(q=q, n_steps=n_steps, learning_rate=learning_rate, L=L)
    alone = C * rho / reached.gap  # the B of hidden weights that move alone
    drive = rho * (reached.largest_value + C * reached.gap)  # rho s: the pull of the output weights is rho s/B^3
    with_pull = max(2 * alone, drive ** (1 / 3))  # there the factor is at most 2
    small_pull = alone * (1 + drive / alone / alone / alone) if alone > 0 else np.inf
    return ROUNDING * min(small_pull, with_pull)


def penalty(
    B: float,
    *,
    activation: Activation,
    largest_value: float,
    q: int,
    n_steps: int,
    learning_rate: float,
    L: float,
    norm: float,
) -> float:
    """Bound what a finite B adds to the loss in the guarantee while no gate flips; infinite if nothing can be said.

    With ``rho = eta T L/(2 q)`` a neuron moves by at most ``a/B``, ``a = C rho (1 + rho s/B^3)``, where s bounds
    ``|sigma|`` on the way.  Outputs differ from the linear ones by at most ``delta = q H a^2/B + 2 q rho s^2/B^2`` and
    gradients by ``mu = H a/B + C rho s/B^3``; the regret bound turns them into
    ``L (delta + mu D) + eta L^2 (2 C mu + mu^2)/2`` with ``D = ||v|| + eta T L (C + mu)``.
    """
    C, H = activation.C, activation.H
    rho = travel(q=q, n_steps=n_steps, learning_rate=learning_rate, L=L)
    s = largest_value + 2 * C * C * rho / B  # as long as a <= 2 C rho, which the next lines check
    drive = rho * s / B / B / B
    if drive > 1:
        return np.inf
    a = C * rho * (1 + drive)
    mu = H * a / B + C * drive
    delta = q * H * a * a / B + 2 * q * rho * s * s / B / B
    D = norm + learning_rate * n_steps * L * (C + mu)
    total = L * (delta + mu * D) + learning_rate * L * L * (2 * C * mu + mu * mu) / 2
    return total if np.isfinite(total) else np.inf


def certified_B(
    reached: Reach,
    *,
    activation: Activation,
    q: int,
    n_steps: int,
    learning_rate: float,
    L: float,
    norm: float,
    allowed: float,
) -> float:
    """Return a B from which on no gate of the sample can flip and the `penalty` is at most ``allowed``.

    Infinite if there is none up to 1e60.  With curvature between the kinks it is the penalty that asks for a large B,
    without it the gates.
    """
    size: dict[str, Any] = {"q": q, "n_steps": n_steps, "learning_rate": learning_rate, "L": L}
    low = high = max(sufficient_B(reached, C=activation.C, **size), LEAST_B)

    def costs(B: float) -> float:
        return penalty(B, activation=activation, largest_value=reached.largest_value, norm=norm, **size)

    while high < LARGEST_B and costs(high) > allowed:
        low, high = high, 10 * high
    if not (high < LARGEST_B and costs(high) <= allowed):
        return np.inf
    while high / low > 1.001:  # the penalty falls with B
        middle = math.sqrt(low * high)
        low, high = (low, middle) if costs(middle) <= allowed else (middle, high)
    return high


@follows_dtype
def count_flipped_gates(network: Displacement, X: Float[Array, "m d"], Z: Float[Array, "m q"]) -> int:
    """Return how many of the 2 q m gates of a sample differ from the initialization: ``sigma'`` crossed a kink.

    A neuron that is on the other side of at least one kink counts once.
    """
    total = 0
    rows = max(1, (1 << 22) // max(Z.shape[1], 1))
    for start in range(0, X.shape[0], rows):
        z = Z[start : start + rows]
        for moved, sign in ((network.PN[0], 1), (network.PN[1], -1)):
            shift = sign * (X[start : start + rows] @ moved.T)
            flipped = jnp.zeros(z.shape, bool)
            for place, _ in network.activation.kinks:
                before = z > place
                after = (z - place) * (1 / network.inverse_B) + shift > 0
                flipped |= before != after
            total += int(jnp.sum(flipped))
    return total
