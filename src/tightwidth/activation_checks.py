"""Check an activation's constants against its functions, and read off its symmetry (sections 2.3 and 2.5)."""

import functools
from collections.abc import Iterator
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth.activations import Activation, Elementwise
from tightwidth.errors import HypothesisError, InputError

GRID_REACH = 50.0  # standard Gaussians never come farther in practice
GRID_POINTS = 40_001
FAR = np.array([1e2, 1e3, 1e4])  # where an unbounded derivative betrays itself
SLACK = 1e-6  # of the finite differences, in the units of C and H


@functools.lru_cache(maxsize=256)
def check_elementwise(activation: Activation) -> None:
    """Raise unless sigma and sigma' can be traced by JAX and keep the shape.

    Raises
    ------
    InputError
        If one cannot, or does not.
    """
    for name, function in (("sigma", activation.sigma), ("sigma_prime", activation.sigma_prime)):
        try:
            shape = jax.eval_shape(function, jax.ShapeDtypeStruct((2, 3), np.float32)).shape
        except Exception as error:
            said = (str(error).splitlines() or ["?"])[0]
            message = (
                f"{name} of activation {activation.name!r} cannot be traced by JAX ({type(error).__name__}: {said}); "
                f"write it with jax.numpy, elementwise"
            )
            raise InputError(message) from error
        if shape != (2, 3):
            message = (
                f"{name} of activation {activation.name!r} returns shape {shape} for an array of shape (2, 3); write "
                f"it elementwise: a constant is jnp.full_like(x, 1.0)"
            )
            raise InputError(message)


def _grid(activation: Activation) -> np.ndarray:
    """Return the points of the check: an even grid, far points, none within 1e-3 of a kink or break."""
    near = np.linspace(-GRID_REACH, GRID_REACH, GRID_POINTS)
    x = np.concatenate([-FAR[::-1], near, FAR])
    for place in (*(place for place, _ in activation.kinks), *activation.breaks):
        x = x[np.abs(x - place) > 1e-3]
    return x


def _failures(activation: Activation) -> Iterator[str]:
    def sigma(x: np.ndarray) -> np.ndarray:
        return np.asarray(activation.sigma(jnp.asarray(x)), dtype=np.float64)

    def sigma_prime(x: np.ndarray) -> np.ndarray:
        return np.asarray(activation.sigma_prime(jnp.asarray(x)), dtype=np.float64)

    x = _grid(activation)
    value, slope = sigma(x), sigma_prime(x)
    if not (np.isfinite(value).all() and np.isfinite(slope).all()):
        bad = x[~(np.isfinite(value) & np.isfinite(slope))][0]
        yield f"sigma or sigma' is not finite at {bad:g}"
        return
    worst = int(np.argmax(np.abs(slope)))
    if abs(slope[worst]) > activation.C * (1 + SLACK) + SLACK:
        yield f"|sigma'({x[worst]:g})| = {abs(slope[worst]):.6g} exceeds C = {activation.C:g}"
    h = 1e-5
    difference = (sigma(x + h) - sigma(x - h)) / (2 * h)
    error = np.abs(difference - slope) / (1 + np.abs(x))  # the rounding of a difference grows with |sigma|
    worst = int(np.argmax(error))
    if error[worst] > 1e-5 * max(1.0, activation.C):
        seen = f"{difference[worst]:.6g}"
        yield f"sigma'({x[worst]:g}) = {slope[worst]:.6g} but the difference quotient of sigma is {seen}"
    curvature = np.abs(sigma_prime(x + h) - sigma_prime(x - h)) / (2 * h)
    worst = int(np.argmax(curvature))
    if curvature[worst] > activation.H * (1 + 1e-4) + 1e-4 * max(1.0, activation.C):
        yield (
            f"|sigma''({x[worst]:g})| is about {curvature[worst]:.6g} and exceeds H = {activation.H:g} "
            f"(or a kink there is not declared)"
        )
    yield from _changes_between(activation, x, value, slope)
    for place, jump in activation.kinks:
        below, above = np.array([place - 1e-9]), np.array([place + 1e-9])
        step = float(sigma(above)[0] - sigma(below)[0])
        if abs(step) > 1e-8 * (1 + abs(place)) * max(1.0, activation.C):
            yield f"sigma is not continuous at {place:g}: it jumps by {step:.6g}"
        seen = float(sigma_prime(above)[0] - sigma_prime(below)[0])
        if abs(seen - jump) > 1e-5 * max(1.0, activation.C):
            yield f"sigma' jumps by {seen:.6g} at {place:g}, not by {jump:g}"


def _changes_between(activation: Activation, x: np.ndarray, value: np.ndarray, slope: np.ndarray) -> Iterator[str]:
    """Compare neighbours on the grid, between which a jump or a kink that is not declared cannot hide."""
    gap = np.diff(x)
    declared = np.array([*(place for place, _ in activation.kinks), *activation.breaks])
    apart = (gap < 0.1) & ~((declared > x[:-1, None]) & (declared < x[1:, None])).any(axis=1)
    rise = np.abs(np.diff(value)) > activation.C * gap * (1 + SLACK) + SLACK * (1 + np.abs(x[1:]))
    turn = np.abs(np.diff(slope)) > activation.H * gap * (1 + 1e-4) + 1e-9 * max(1.0, activation.C)
    for failed, what in ((rise, "sigma rises by more than C allows"), (turn, "sigma' changes by more than H allows")):
        if (failed & apart).any():
            at = int(np.argmax(failed & apart))
            where = f"between {x[at]:g} and {x[at + 1]:g}"
            yield f"{what} {where}: a jump or a kink there is not declared, or C or H is too small"


@functools.lru_cache(maxsize=256)
def check_activation(activation: Activation) -> None:
    """Raise if the functions of an activation contradict its constants or its kinks on a grid.

    Raises
    ------
    HypothesisError
        If C or H is too small, sigma' is not the derivative of sigma, or a kink is missing or wrong.

    Notes
    -----
    A check on a grid of 40,001 points can refute constants and cannot prove them.
    """
    with jax.enable_x64(True):
        failure = next(_failures(activation), None)
    if failure is not None:
        message = (
            f"activation {activation.name!r} does not have the constants it claims: {failure}; correct C, H or kinks"
        )
        raise HypothesisError(message)


def _parity(function: Elementwise) -> Literal["even", "odd"] | None:
    x = np.linspace(0.0137, 9.7, 2000, dtype=np.float32)
    right, left = np.split(np.asarray(jax.jit(function)(np.concatenate([x, -x]))), 2)
    tolerance = 1e-5 * max(1.0, float(np.abs(right).max()))
    if bool((np.abs(right - left) <= tolerance).all()):
        return "even"
    if bool((np.abs(right + left) <= tolerance).all()):
        return "odd"
    return None


@functools.lru_cache(maxsize=256)
def feature_parity(activation: Activation) -> Literal["even", "odd"] | None:
    """Return the parity of ``x -> sigma'(<w,x>) x``: "even" if sigma' is odd, "odd" if sigma' is even, else None.

    An even feature map cannot give antipodes opposite labels, an odd one cannot give them equal labels.

    References
    ----------
    Daniely (2020), Section 2.5.
    """
    return {"even": "odd", "odd": "even", None: None}[_parity(activation.sigma_prime)]


@functools.lru_cache(maxsize=256)
def network_parity(activation: Activation) -> Literal["even", "odd"] | None:
    """Return the parity that sigma itself gives to every network ``sum_i u_i sigma(<w_i,x>)``, or None."""
    return _parity(activation.sigma)
