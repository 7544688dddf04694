"""From an activation to the numbers that theorem 5 asks of it."""

import jax
import jax.numpy as jnp

from tightwidth.activations import Activation
from tightwidth.duals import dual
from tightwidth.theorems import thm5_networks as thm5


def network_hypotheses(
    activation: Activation, *, norm: float, d: int, R: float, L: float, best_loss: float
) -> thm5.Hypotheses:
    """Return the hypotheses of theorem 5 for a decent activation.

    Raises
    ------
    HypothesisError
        If a number is outside its range.
    """
    with jax.enable_x64(True):
        at_0 = abs(float(activation.sigma(jnp.zeros((), jnp.float64))))
    return thm5.Hypotheses(
        norm=norm,
        d=d,
        R=R,
        C=activation.C,
        L=L,
        H=activation.H,
        jumps=sum(abs(jump) for _, jump in activation.kinks),
        value_at_0=at_0,
        second_moment=float(dual(activation)(1.0)),
        best_loss=best_loss,
    )
