"""The package's activation for each family of `dual_oracles`, and two that a user might write."""

import math
import re

import jax.numpy as jnp
import pytest

import dual_oracles
from tightwidth import activations
from tightwidth.activations import Activation

BENT = Activation(
    "bent",
    lambda x: 0.2 * x - 0.9 * jnp.maximum(x + 0.4, 0) + 2.2 * jnp.maximum(x - 1.1, 0),
    lambda x: jnp.where(x <= -0.4, 0.2, jnp.where(x <= 1.1, -0.7, 1.5)).astype(x.dtype),
    C=1.5,
    H=0,
    kinks=((-0.4, -0.9), (1.1, 2.2)),
)
NOTCHED = Activation(
    "notched",
    lambda x: jnp.tanh(x) + 0.5 * jnp.abs(x - 0.3),
    lambda x: 1 - jnp.tanh(x) ** 2 + jnp.where(x > 0.3, 0.5, -0.5).astype(x.dtype),
    C=1.5,
    H=4 / (3 * math.sqrt(3)),
    kinks=((0.3, 1.0),),
)
GROWING = Activation(
    "growing", lambda x: jnp.exp(x * x / 2), lambda x: x * jnp.exp(x * x / 2), C=math.inf, H=math.inf
)  # its second moment is infinite

NAMES = tuple(dual_oracles.FAMILIES)
CONTINUOUS = tuple(name for name, known in dual_oracles.FAMILIES.items() if known.sigma_prime)


def known(name: str) -> Activation:
    """Return the activation of that family."""
    special = {
        "leaky_relu_0.3": lambda: activations.leaky_relu(0.3),
        "affine_erf": lambda: activations.affine_erf(1.3, 0.7, -0.2),
        "bent": lambda: BENT,
        "notched": lambda: NOTCHED,
    }
    if name in special:
        return special[name]()
    numbered = re.fullmatch(r"(monomial|rectified_monomial|hermite)_(\d)", name)
    if numbered:
        return getattr(activations, numbered[1])(int(numbered[2]))
    return activations.get(name)


def slow_where_integrated(cases):
    """Return cases, those of activations that are integrated by quadrature at kinks marked slow."""
    kinked = {"bent", "notched", "elu", "selu", "hard_tanh"}
    return [
        pytest.param(*((case,) if isinstance(case, str) else case), marks=pytest.mark.slow)
        if (case if isinstance(case, str) else case[0]) in kinked
        else case
        for case in cases
    ]
