"""Decent activations, with the constants that the theorems use (sections 2.3 and 2.5).

An activation is decent if it is continuous and its first and second derivatives are bounded off a finite set.  Three
things about it enter the bounds: ``C = sup |sigma'|``, ``H = sup |sigma''|`` off the kinks, and the kinks themselves
with the jump of ``sigma'`` at each.

An `Activation` need not be decent: kernels accept any.  What proves something calls `check_decent` first.
"""

import math
from difflib import get_close_matches

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array

from tightwidth.activation_families import (
    LEAK,
    affine_erf,
    hermite,
    leaky_relu,
    monomial,
    rectified_monomial,
    step,
)
from tightwidth.elementwise import Activation, Elementwise
from tightwidth.errors import HypothesisError, InputError

__all__ = [
    "DECENT",
    "FAMILIES",
    "REGISTRY",
    "Activation",
    "Elementwise",
    "affine_erf",
    "check_decent",
    "get",
    "hermite",
    "leaky_relu",
    "monomial",
    "rectified_monomial",
]


def check_decent(activation: Activation) -> None:
    """Raise unless the activation is decent: continuous, with bounded first and second derivative off the kinks.

    Raises
    ------
    HypothesisError
        If a condition fails; the message says which.
    """
    failed = None
    if not activation.is_continuous:
        failed = "sigma is not continuous"
    elif not math.isfinite(activation.C):
        failed = "sigma' is unbounded"
    elif not math.isfinite(activation.H):
        failed = "sigma'' is unbounded off the kinks"
    if failed:
        message = (
            f"activation {activation.name!r} is not decent: {failed}; the theorems, plans and certificates need a "
            f"decent activation, for example one of {', '.join(DECENT)}"
        )
        raise HypothesisError(message)


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
SILU_C = 1.0998393201297612  # sigma' is largest where 2 s(1 - s) + x s(1 - s)(1 - 2s) = 0, at x = 2.39936
GABOR_H = 2.11532185103  # |sigma''| is largest at x = 0.48705
GELU_C = 0.5 * (1 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi)  # at x = sqrt 2


def _elu(x: Array) -> Array:
    return jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0)))


def _elu_prime(x: Array) -> Array:
    return jnp.where(x > 0, jnp.ones_like(x), jnp.exp(jnp.minimum(x, 0)))


def _selu_prime(x: Array) -> Array:
    return SELU_SCALE * jnp.where(x > 0, jnp.ones_like(x), SELU_ALPHA * jnp.exp(jnp.minimum(x, 0)))


def _silu_prime(x: Array) -> Array:
    s = jax.nn.sigmoid(x)
    return s + x * s * (1 - s)


FAMILIES = {"monomial": monomial, "rectified_monomial": rectified_monomial, "hermite": hermite}


def _known() -> dict[str, Activation]:
    """Return the activations known by name: first the decent ones, then the others."""
    gelu = Activation(
        "gelu",
        lambda x: x * norm.cdf(x),
        lambda x: norm.cdf(x) + x * norm.pdf(x),
        C=GELU_C,
        H=math.sqrt(2 / math.pi),
        family=("gelu",),
    )
    decent = [
        Activation(
            "relu",
            lambda x: jnp.maximum(x, 0),
            step,
            C=1,
            H=0,
            kinks=((0.0, 1.0),),
            family=("two_slopes", 0.0, 1.0),
        ),
        leaky_relu(LEAK),
        Activation(
            "abs",
            jnp.abs,
            lambda x: jnp.where(x > 0, jnp.ones_like(x), -jnp.ones_like(x)),
            C=1,
            H=0,
            kinks=((0.0, 2.0),),
            family=("two_slopes", -1.0, 1.0),
        ),
        Activation("elu", _elu, _elu_prime, C=1, H=1, breaks=(0.0,), family=("elu",)),
        Activation(
            "selu",
            lambda x: SELU_SCALE * jnp.where(x > 0, x, SELU_ALPHA * jnp.expm1(jnp.minimum(x, 0))),
            _selu_prime,
            C=SELU_SCALE * SELU_ALPHA,
            H=SELU_SCALE * SELU_ALPHA,
            kinks=((0.0, SELU_SCALE * (1 - SELU_ALPHA)),),
            breaks=(0.0,),
        ),
        Activation("softplus", jax.nn.softplus, jax.nn.sigmoid, C=1, H=0.25),
        Activation("tanh", jnp.tanh, lambda x: 1 / jnp.cosh(jnp.clip(x, -40, 40)) ** 2, C=1, H=4 / (3 * math.sqrt(3))),
        Activation(
            "sigmoid",
            jax.nn.sigmoid,
            lambda x: jax.nn.sigmoid(x) * jax.nn.sigmoid(-x),
            C=0.25,
            H=1 / (6 * math.sqrt(3)),
        ),
        Activation(
            "hard_tanh",
            lambda x: jnp.clip(x, -1, 1),
            lambda x: ((x > -1) & (x <= 1)).astype(x.dtype),
            C=1,
            H=0,
            kinks=((-1.0, 1.0), (1.0, -1.0)),
        ),
        affine_erf(1.0, 1.0, 0.0),
        gelu,
        Activation("silu", jax.nn.silu, _silu_prime, C=SILU_C, H=0.5),
        Activation("sin", jnp.sin, jnp.cos, C=1, H=1, family=("sin",)),
        Activation("cos", jnp.cos, lambda x: -jnp.sin(x), C=1, H=1, family=("cos",)),
        Activation("identity", lambda x: x, jnp.ones_like, C=1, H=0, family=("monomial", 1)),
        Activation(
            "gaussian",
            lambda x: jnp.exp(-x * x),
            lambda x: -2 * x * jnp.exp(-x * x),
            C=math.sqrt(2 / math.e),
            H=2,
            family=("gaussian",),
        ),
        Activation(
            "gabor",
            lambda x: jnp.exp(-x * x) * jnp.sin(x),
            lambda x: jnp.exp(-x * x) * (jnp.cos(x) - 2 * x * jnp.sin(x)),
            C=1,
            H=GABOR_H,
            family=("gabor",),
        ),
    ]
    others = [
        Activation("square", lambda x: x * x, lambda x: 2 * x, C=math.inf, H=2, family=("monomial", 2)),
        Activation("exp", jnp.exp, jnp.exp, C=math.inf, H=math.inf, family=("exp",)),
        Activation(
            "step", step, jnp.zeros_like, C=0, H=0, breaks=(0.0,), is_continuous=False, family=("steps", 0.0, 1.0)
        ),
        Activation(
            "sign", jnp.sign, jnp.zeros_like, C=0, H=0, breaks=(0.0,), is_continuous=False, family=("steps", -1.0, 1.0)
        ),
    ]
    return {activation.name: activation for activation in decent + others}


REGISTRY = _known()
DECENT = tuple(name for name, a in REGISTRY.items() if a.is_continuous and math.isfinite(a.C) and math.isfinite(a.H))


def get(activation: str | Activation) -> Activation:
    """Return the activation of that name, or the activation itself.

    Raises
    ------
    InputError
        If no activation has that name; the message lists the known ones.

    Examples
    --------
    >>> get("relu").C
    1
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str) and activation in REGISTRY:
        return REGISTRY[activation]
    kind, _, degree = activation.rpartition("_") if isinstance(activation, str) else ("", "", "")
    if kind in FAMILIES and degree.isdecimal():
        return FAMILIES[kind](int(degree))
    near = get_close_matches(activation, REGISTRY, n=1) if isinstance(activation, str) else []
    hint = f" (did you mean {near[0]}?)" if near else ""
    message = (
        f"unknown activation {activation!r}{hint}; known: {', '.join(REGISTRY)}, "
        f"{', '.join(f'{name}_N' for name in FAMILIES)}; or give a tightwidth.Activation"
    )
    raise InputError(message)
