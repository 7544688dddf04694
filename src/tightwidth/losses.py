"""Decent losses (section 2.2): convex in the prediction, L-Lipschitz, smooth off a finite set.

A tie counts as a mistake: ``h_1 = 0`` exactly, so the perceptron's derivative at ``y h = 0`` is ``-y``; with any other
choice nothing would ever move.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.errors import HypothesisError, InputError
from tightwidth.precision import follows_dtype


@dataclass(frozen=True)
class Loss:
    """Hold a loss, its derivative in the prediction, and its Lipschitz constant.

    Parameters
    ----------
    name
        What messages, files and figures call it; its values are never negative.
    value, derivative
        Elementwise functions of predictions h and labels y (JAX arrays of one shape).  ``derivative`` is a
        subgradient in h; for labels +-1 take it as ``-y`` where ``y h = 0`` is to count as a mistake.
    L
        Lipschitz constant in h, infinite if there is none.

    References
    ----------
    Daniely (2020), Section 2.2.
    """

    name: str
    value: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]
    L: float

    def __repr__(self) -> str:
        """Return a line that names the loss and its Lipschitz constant."""
        return f"Loss({self.name!r}, L={self.L:g})"


@lru_cache(maxsize=256)
def least_loss_of_a_mistake(loss: Loss) -> float:
    """Return the least loss of a prediction with ``y h <= 0``, for labels +-1.

    By convexity it is the loss at h = 0 as long as the derivative there does not point away from the label: 1 for
    the hinge, ln 2 for the logistic loss, 0 for the perceptron.  A mean loss divided by it bounds the share of
    mistakes (Markov).
    """
    y = np.array([1.0, -1.0])
    value, slope = values_and_slopes(loss, np.zeros(2), y)
    return float(np.min(value)) if bool(np.all(slope * y <= 0)) else 0.0


def values_and_slopes(
    loss: Loss, h: Float[np.ndarray, "2"], y: Float[np.ndarray, "2"]
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    """Return the loss and its derivative at two predictions, in float64: all that is asked of a loss in one program."""
    with jax.enable_x64(True):
        value, slope = _values_and_slopes(loss, h, y)
        return np.asarray(value), np.asarray(slope)


@partial(jax.jit, static_argnames="loss")
def _values_and_slopes(loss: Loss, h: Array, y: Array) -> tuple[Array, Array]:
    return loss.value(h, y), loss.derivative(h, y)


@lru_cache(maxsize=256)
def loss_at_0(loss: Loss) -> float:
    """Return the mean loss of the prediction 0 for labels +1 and -1: 1 for the hinge, 0 for the perceptron."""
    return mean_loss(loss, np.zeros(2), np.array([1.0, -1.0]))


def check_lipschitz(loss: Loss) -> None:
    """Raise unless the loss is Lipschitz.

    Raises
    ------
    HypothesisError
        If L is not finite and positive.
    """
    if not (math.isfinite(loss.L) and loss.L > 0):
        message = (
            f"loss {loss.name!r} is not Lipschitz (L = {loss.L:g}): it can be trained with, but no theorem covers it; "
            f"use one of {', '.join(name for name, known in REGISTRY.items() if math.isfinite(known.L))}"
        )
        raise HypothesisError(message)


def check_loss(loss: Loss) -> None:
    """Raise if a loss is negative, not convex, not L-Lipschitz, or its derivative is wrong, on a grid of predictions.

    Raises
    ------
    HypothesisError
        If a claim fails; the message says which and where.
    """
    h = np.linspace(-20.0, 20.0, 4001) + 0.00137
    step = 1e-4
    with jax.enable_x64(True):
        for label in (1.0, -1.0):
            y = jnp.full(h.shape, label)

            def value(at: np.ndarray, y: Array = y) -> np.ndarray:
                return np.asarray(loss.value(jnp.asarray(at), y))

            slope = np.asarray(loss.derivative(jnp.asarray(h), y))
            left, right = (value(h) - value(h - step)) / step, (value(h + step) - value(h)) / step
            scale = 1e-6 * (1 + np.abs(slope))
            checks = (
                (np.abs(slope) > loss.L * (1 + 1e-6), f"is not {loss.L:g}-Lipschitz"),
                (
                    (slope < left - scale) | (slope > right + scale),
                    "has a derivative that is no subgradient, or is not convex,",
                ),
                (np.diff(slope, append=slope[-1]) < -1e-6, "is not convex"),
                (value(h) < -1e-9, "is negative"),
            )
            for failed, what in checks:
                if failed.any():
                    where = f"at h = {h[failed][0]:g}, y = {label:g}"
                    message = f"loss {loss.name!r} {what} {where}; correct value, derivative or L"
                    raise HypothesisError(message)


@partial(jax.jit, static_argnames="loss")
def _mean_and_moves(loss: Loss, h: Array, y: Array) -> tuple[Array, Array]:
    return jnp.mean(loss.value(h, y)), jnp.any((loss.derivative(h, y) != 0) | ~jnp.isfinite(h))


@follows_dtype
def mean_and_moves(loss: Loss, h: Float[Any, " m"], y: Float[Any, " m"]) -> tuple[float, bool]:
    """Return what `mean_loss` and `has_gradient` do, at the price of one of them."""
    mean, moves = _mean_and_moves(loss, h, y)
    return float(mean), bool(moves)


@follows_dtype
def mean_loss(loss: Loss, h: Float[Any, " m"], y: Float[Any, " m"]) -> float:
    """Return the empirical loss ``L_S(h) = (1/m) sum_i loss(h(x_i), y_i)``."""
    return mean_and_moves(loss, h, y)[0]


@follows_dtype
def has_gradient(loss: Loss, h: Float[Any, " m"], y: Float[Any, " m"]) -> bool:
    """Return whether the loss of any example still has a non-zero derivative; if none has, SGD moves no more.

    Outputs that overflowed count as moving: nothing is known about them.
    """
    return mean_and_moves(loss, h, y)[1]


def fraction_memorized(h: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"]) -> float:
    """Return the share of examples with ``y h > 0``; a tie is not memorized.

    References
    ----------
    Daniely (2020), Section 3.3.
    """
    return float(np.mean(np.asarray(y) * np.asarray(h) > 0))


def _hinge_derivative(h: Array, y: Array) -> Array:
    return jnp.where(y * h < 1, -y, jnp.zeros_like(h))


def _perceptron_derivative(h: Array, y: Array) -> Array:
    return jnp.where(y * h <= 0, -y, jnp.zeros_like(h))


def _huber(h: Array, y: Array) -> Array:
    r = jnp.abs(h - y)
    return jnp.where(r <= 1, 0.5 * r * r, r - 0.5)


REGISTRY = {
    loss.name: loss
    for loss in (
        Loss("hinge", lambda h, y: jnp.maximum(1 - y * h, 0), _hinge_derivative, L=1),
        Loss("perceptron", lambda h, y: jnp.maximum(-y * h, 0), _perceptron_derivative, L=1),
        Loss("logistic", lambda h, y: jax.nn.softplus(-y * h), lambda h, y: -y * jax.nn.sigmoid(-y * h), L=1),
        Loss("absolute", lambda h, y: jnp.abs(h - y), lambda h, y: jnp.sign(h - y), L=1),
        Loss("huber", _huber, lambda h, y: jnp.clip(h - y, -1, 1), L=1),
        Loss("squared", lambda h, y: 0.5 * (h - y) ** 2, lambda h, y: h - y, L=math.inf),
    )
}


def get(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the loss itself.

    Raises
    ------
    InputError
        If no loss has that name; the message lists the known ones.

    Examples
    --------
    >>> get("hinge").L
    1
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str) and loss in REGISTRY:
        return REGISTRY[loss]
    near = get_close_matches(loss, REGISTRY, n=1) if isinstance(loss, str) else []
    hint = f" (did you mean {near[0]}?)" if near else ""
    message = f"unknown loss {loss!r}{hint}; known: {', '.join(REGISTRY)}; or give a tightwidth.Loss"
    raise InputError(message)
