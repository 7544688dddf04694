"""Decent activations, with the constants that the theorems use (sections 2.3 and 2.5).

An activation is decent if it is continuous and its first and second derivatives are bounded off a finite set.  Three
things about it enter the bounds: ``C = sup |sigma'|``, ``H = sup |sigma''|`` off the kinks, and the kinks themselves
with the jump of ``sigma'`` at each.

An `Activation` need not be decent: kernels accept any.  What proves something calls `check_decent` first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import jax
import jax.numpy as jnp
from jax.scipy.special import erf as _erf
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from tightwidth.errors import HypothesisError, InputError

Elementwise = Callable[[Array], Array]


@dataclass(frozen=True)
class Activation:
    """Hold sigma, its derivative and the constants that the theorems need.

    Parameters
    ----------
    name
        What messages, files and figures call it.
    sigma, sigma_prime
        Elementwise functions of a JAX array.  At a kink ``sigma_prime`` takes its value from the left.
    C
        ``sup |sigma'|``, infinite if ``sigma'`` is unbounded.
    H
        ``sup |sigma''|`` off the kinks; 0 if sigma is piecewise linear.
    kinks
        Pairs (place, jump of sigma' there), in ascending order.
    breaks
        Places where sigma' is continuous, up to a kink, but sigma'' jumps.
    is_continuous
        Whether sigma itself is continuous.

    References
    ----------
    Daniely (2020), Section 2.3.
    """

    name: str
    sigma: Elementwise
    sigma_prime: Elementwise
    C: float
    H: float
    kinks: tuple[tuple[float, float], ...] = ()
    breaks: tuple[float, ...] = ()
    is_continuous: bool = True

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether sigma'' vanishes off the kinks."""
        return self.H == 0

    def smooth(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return sigma without its kinks: ``sigma(x) - sum_j J_j (x - kappa_j)_+``, continuously differentiable."""
        return self.sigma(x) - sum(
            (jump * jnp.maximum(x - place, 0) for place, jump in self.kinks), start=jnp.zeros_like(x)
        )

    def smooth_prime(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the derivative of `smooth`: ``sigma'(x) - sum_j J_j 1[x > kappa_j]``."""
        return self.sigma_prime(x) - sum((jump * (x > place) for place, jump in self.kinks), start=jnp.zeros_like(x))

    def __repr__(self) -> str:
        """Return a line that names the activation and its constants."""
        return f"Activation({self.name!r}, C={self.C:.6g}, H={self.H:.6g}, kinks={self.kinks})"


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


def _relu_prime(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


LEAK = 0.01  # the customary slope of the leaky relu on the left
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
SILU_C = 1.0998393201297612  # sigma' is largest where 2 s(1 - s) + x s(1 - s)(1 - 2s) = 0, at x = 2.39936
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


def _known() -> dict[str, Activation]:
    """Return the activations known by name: first the decent ones, then the others."""
    gelu = Activation(
        "gelu",
        lambda x: x * norm.cdf(x),
        lambda x: norm.cdf(x) + x * norm.pdf(x),
        C=GELU_C,
        H=math.sqrt(2 / math.pi),
    )
    decent = [
        Activation("relu", lambda x: jnp.maximum(x, 0), _relu_prime, C=1, H=0, kinks=((0.0, 1.0),)),
        Activation(
            "leaky_relu",
            lambda x: jnp.where(x > 0, x, LEAK * x),
            lambda x: jnp.where(x > 0, jnp.ones_like(x), jnp.full_like(x, LEAK)),
            C=1,
            H=0,
            kinks=((0.0, 1 - LEAK),),
        ),
        Activation(
            "abs",
            jnp.abs,
            lambda x: jnp.where(x > 0, jnp.ones_like(x), -jnp.ones_like(x)),
            C=1,
            H=0,
            kinks=((0.0, 2.0),),
        ),
        Activation("elu", _elu, _elu_prime, C=1, H=1, breaks=(0.0,)),
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
        Activation(
            "erf",
            _erf,
            lambda x: 2 / math.sqrt(math.pi) * jnp.exp(-x * x),
            C=2 / math.sqrt(math.pi),
            H=math.sqrt(8 / (math.pi * math.e)),
        ),
        gelu,
        Activation("silu", jax.nn.silu, _silu_prime, C=SILU_C, H=0.5),
        Activation("sin", jnp.sin, jnp.cos, C=1, H=1),
        Activation("cos", jnp.cos, lambda x: -jnp.sin(x), C=1, H=1),
        Activation("identity", lambda x: x, jnp.ones_like, C=1, H=0),
    ]
    others = [
        Activation("square", lambda x: x * x, lambda x: 2 * x, C=math.inf, H=2),
        Activation("exp", jnp.exp, jnp.exp, C=math.inf, H=math.inf),
        Activation("step", _relu_prime, jnp.zeros_like, C=0, H=0, is_continuous=False),
        Activation("sign", jnp.sign, jnp.zeros_like, C=0, H=0, is_continuous=False),
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
    near = get_close_matches(activation, REGISTRY, n=1) if isinstance(activation, str) else []
    hint = f" (did you mean {near[0]}?)" if near else ""
    message = f"unknown activation {activation!r}{hint}; known: {', '.join(REGISTRY)}; or give a tightwidth.Activation"
    raise InputError(message)
