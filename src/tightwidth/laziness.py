"""How lazy a run of Algorithm 1 was: what moved, and how far the network is from its linearisation (Theorem 5).

The theorems are proved where nothing moves but the output.  At a finite B weights move, gates flip and the tangent
kernel drifts.  Everything is measured in float64, whatever the network's dtype, and differences are formed before they
are multiplied (docs/derivations/large_B.md, section 5): they stay exact where they are tiny, at a large B.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth import sphere
from tightwidth.activations import check_decent
from tightwidth.contradictions import check_table
from tightwidth.errors import DataError, InputError
from tightwidth.finite_scale import ROUNDING, count_flipped_gates, travel
from tightwidth.kernel_drift import EXACT_POINTS, N_PROBES, Blocks, estimated_drift, exact_drift, random_signs
from tightwidth.network import Displacement, Network, Plain, Tangent, network_dtype
from tightwidth.slope_changes import remainder


@dataclass(frozen=True)
class Laziness:
    """Hold how far a trained network is from its start and from its linearisation; all zero means linear.

    Parameters
    ----------
    n_gates
        ``2 q m``: one for each neuron and point, whether or not sigma has kinks.
    n_gates_flipped
        How many are on another side of a kink than at the start.
    n_gates_that_can_flip
        How many were within `displacement_bound` of a kink at the start.  With none, no gate could have flipped; for an
        activation that is linear between its kinks the certificate then holds at this B.
    largest_displacement, mean_displacement
        Distance of a neuron's weights from their start, ``|w_t - w_1| = |P_i|/B`` or ``|N_i|/B``, over the 2q neurons;
        in the units of the weights, whose length was about sqrt(d).
    displacement_bound
        The most that a neuron can have moved in so many steps, in the same units.
    kernel_drift, kernel_drift_standard_error
        ``||K_t - K_1|| / ||K_1||`` in the Frobenius norm, of the hidden part tk^h on the sample; 0 if exact.
    full_kernel_drift, full_kernel_drift_standard_error
        The same of tk, hidden and output weights together.
    linearisation_error_largest, linearisation_error_mean
        ``|h(x) - sum_i sigma'(<w_i', x>) <P_i + N_i, x>|`` over the sample, in the units of the output.
    """

    n_gates: int
    n_gates_flipped: int
    n_gates_that_can_flip: int
    largest_displacement: float
    mean_displacement: float
    displacement_bound: float
    kernel_drift: float
    kernel_drift_standard_error: float
    full_kernel_drift: float
    full_kernel_drift_standard_error: float
    linearisation_error_largest: float
    linearisation_error_mean: float

    @property
    def share_flipped(self) -> float:
        """Share of the gates that flipped, in [0, 1]."""
        return self.n_gates_flipped / self.n_gates


def measure(
    network: Network,
    X: Any,
    *,
    n_steps: int,
    learning_rate: float,
    L: float,
    seed: int = 0,
    n_probes: int = N_PROBES,
) -> Laziness:
    """Measure how lazy a run was, from the network that it ended at.

    Parameters
    ----------
    network
        The trained network.  In the tangent form everything is 0 by definition.
    X
        The sample that it was trained on: unit rows, [m, d]; taken in the dtype of the network.
    n_steps
        Updates that it has seen.
    learning_rate
        The embedding's step eta.
    L
        Lipschitz constant of the loss; if infinite, nothing bounds the displacement.
    seed
        Of the random signs that estimate the drift of large samples.
    n_probes
        How many vectors of signs: the standard error falls like ``1/sqrt(n_probes)``.  At least 2.

    Returns
    -------
    Laziness
        Its numbers.

    Raises
    ------
    InputError
        If the network is in the plain form, a number is out of its range, or the weights moved farther than the run
        described can move them.
    HypothesisError
        If the activation is not decent.
    DataError
        If X is no table of finite numbers, is empty, has not unit rows or the network's number of features.

    Notes
    -----
    The drift is exact up to 4096 points, in ``10 m^2 q`` operations; beyond, it is estimated from random sign
    vectors (Hutchinson) in ``20 m q d`` each.  Memory: blocks of rows, nothing of size m q.

    The network is the one that its stored numbers describe, with pre-activations at the start rounded to its dtype, as
    they were in the run; what a float32 run lost of P and N belongs to the network, and is measured.  Rounding here
    costs drifts 1e-15 / B, and linearisation errors that times ``sum_i |P_i| + |N_i|``.  For a piecewise linear sigma
    whose gates did not flip, all but a few digits of tk^h's drift and of the errors are right, however small they are.
    """
    if isinstance(network, Plain):
        message = (
            "the plain form does not tell where its weights started; give "
            "tightwidth.conversions.to_displacement(network, W_half)"
        )
        raise InputError(message)
    points = _checked(network, X, n_steps, learning_rate, L, seed, n_probes)
    q, m = network.q, len(points)
    if isinstance(network, Tangent):
        return Laziness(2 * q * m, 0, 0, *[0.0] * 9)
    with jax.enable_x64(True):
        blocks = Blocks(network, points)
        wide, sigma, inverse_B = blocks.network, network.activation, float(network.inverse_B)
        values = [float(jnp.max(jnp.abs(sigma.sigma(blocks.points(k)[1])))) for k in range(len(blocks))]
        rho = travel(q=q, n_steps=n_steps, learning_rate=learning_rate, L=L)
        rho *= ROUNDING * _growth_by_rounding(n_steps, network_dtype(network))
        bound = displacement_bound(sigma.C, rho, max(values), inverse_B)
        moved = np.linalg.norm(np.asarray(wide.PN), axis=-1) * inverse_B
        if not moved.max() <= bound:
            message = (
                f"a neuron moved by {moved.max():.6g}, and n_steps={n_steps}, learning_rate={learning_rate:g} and "
                f"L={L:g} allow {bound:.6g} on this sample; give the numbers of the run and the sample it was "
                f"trained on"
            )
            raise InputError(message)
        n_flipped = n_near = 0
        errors = []
        for k in range(len(blocks)):
            x, z = blocks.points(k)
            n_flipped += count_flipped_gates(wide, x, z)
            near = [jnp.abs(z - place) <= bound for place, _ in sigma.kinks]
            n_near += 2 * int(jnp.sum(jnp.any(jnp.stack(near), axis=0))) if near else 0
            errors.append(np.abs(np.asarray(_beyond_linear(wide, x, z))))
        drift = exact_drift(blocks) if m <= EXACT_POINTS else estimated_drift(blocks, random_signs(m, seed, n_probes))
    return Laziness(
        n_gates=2 * q * m,
        n_gates_flipped=n_flipped,
        n_gates_that_can_flip=n_near,
        largest_displacement=float(moved.max()),
        mean_displacement=float(moved.mean()),
        displacement_bound=bound,
        kernel_drift=drift.hidden,
        kernel_drift_standard_error=drift.hidden_standard_error,
        full_kernel_drift=drift.full,
        full_kernel_drift_standard_error=drift.full_standard_error,
        linearisation_error_largest=float(np.concatenate(errors).max()),
        linearisation_error_mean=float(np.concatenate(errors).mean()),
    )


def displacement_bound(C: float, rho: float, largest_value: float, inverse_B: float) -> float:
    """Bound ``|w_t - w_1|``: ``r = (C rho / B) [sinh(x)/x + (tau/2) (sinh(x/2)/(x/2))^2]``.

    Here ``x = C rho/B^2``, ``tau = rho S/B^3`` and ``S = largest_value`` bounds ``|sigma(z)|`` at the start, on the
    points trained on.  The bracket is 1 for large B, and never above ``1 + tau`` with S taken on the way.
    """
    x, tau = C * rho * inverse_B * inverse_B, rho * largest_value * inverse_B * inverse_B * inverse_B
    if not (math.isfinite(rho) and x < 700):  # e^700 is near the largest number
        return math.inf
    return C * rho * inverse_B * (_sinh_ratio(x) + tau / 2 * _sinh_ratio(x / 2) ** 2)


def _sinh_ratio(x: float) -> float:
    return math.sinh(x) / x if x > 1e-9 else 1.0


def _growth_by_rounding(n_steps: int, dtype: Any) -> float:
    """Bound what rounding adds to a path of so many steps: ``(1 + u)^T`` at its start, and never as much as doubles it.

    A rounded sum ``p + step`` is at most twice the step away from p, since p itself is a number of the format.
    """
    x = n_steps * float(np.finfo(dtype).eps) / 2
    return min(2.0, math.expm1(x) / x) if 0 < x < 2 else (1.0 if x == 0 else 2.0)


@jax.jit
def _beyond_linear(network: Displacement, X: Array, z: Array) -> Float[Array, " b"]:
    """Return ``h(x) - sum_i sigma'(z_i) <P_i + N_i, x>``."""
    sigma, inverse_B = network.activation, network.inverse_B
    a, c = X @ network.PN[0].T, X @ network.PN[1].T
    hidden = jnp.sum(remainder(sigma, z, a, inverse_B) - remainder(sigma, z, -c, inverse_B), axis=1)
    plus, minus = sigma.sigma(z + a * inverse_B), sigma.sigma(z - c * inverse_B)
    return hidden + inverse_B * (plus @ network.s + minus @ network.r)


def _checked(
    network: Displacement | Tangent, X: Any, n_steps: int, learning_rate: float, L: float, seed: int, n_probes: int
) -> Float[np.ndarray, "m d"]:
    """Return the points in the dtype of the network, after everything was checked."""
    check_decent(network.activation)
    for name, number, least in (("n_steps", n_steps, 0), ("seed", seed, 0), ("n_probes", n_probes, 2)):
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
            advice = "give a larger one" if name == "n_probes" else "give the one of the run"
            message = f"{name}={number!r} must be a whole number, at least {least}; {advice}"
            raise InputError(message)
    for name, number in (("learning_rate", learning_rate), ("L", L)):
        if not number > 0 or (name == "learning_rate" and math.isinf(number)):
            message = f"{name}={number!r} must be a number above 0; give the one of the run"
            raise InputError(message)
    points = check_table(X)
    d = network.W_half.shape[1]
    if points.shape[1] != d or len(points) == 0:
        message = f"X has shape {points.shape}; needed are the points of the run, one or more with {d} features"
        raise DataError(message)
    points = points.astype(network_dtype(network))
    sphere.check_on_sphere(points)
    return points
