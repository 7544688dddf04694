"""Activations and losses in a file: those of the package by name and numbers, users' own by name alone.

No file holds a function.  What a user wrote is given again to `load`, and is compared with what was saved at a few
places, so that another function of the same name is noticed.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth import activations, losses
from tightwidth.activations import Activation
from tightwidth.errors import DataError, InputError
from tightwidth.losses import Loss

Function = Activation | Loss

PLACES = (-7.3, -2.1, -0.9, -0.3, 0.2, 0.7, 1.6, 5.9)  # where users' functions are compared
FACTORIES: dict[str, Callable[..., Activation]] = {  # by family: what makes it of the numbers in it
    "two_slopes": lambda slope, _: activations.leaky_relu(slope),
    "erf": activations.affine_erf,
}


def factory_of(activation: Activation) -> tuple[str, list[Any]] | None:
    """Return the family of a leaky relu or an affine erf of the package, and its numbers; None for any other."""
    family, *numbers = activation.family or ("",)
    if family not in FACTORIES:
        return None
    try:
        return (str(family), numbers) if FACTORIES[str(family)](*numbers) is activation else None
    except TypeError:  # a user's own, with a family that has other numbers
        return None


def is_registered(function: Function) -> bool:
    """Return whether it is one of those that the package knows by name."""
    try:
        return (losses.get if isinstance(function, Loss) else activations.get)(function.name) is function
    except InputError:
        return False


def kind_of(function: Function) -> str:
    """Return the argument of `load` that takes such a function."""
    return "loss" if isinstance(function, Loss) else "activation"


def encoded_function(function: Function) -> dict[str, Any]:
    """Return what a file says of an activation or a loss, as strict JSON."""
    said: dict[str, Any] = {"type": kind_of(function), "name": function.name}
    if is_registered(function):
        return said
    if isinstance(function, Activation) and (made := factory_of(function)) is not None:
        return {**said, "family": made[0], "numbers": made[1]}
    return {**said, "values": values_of(function)}


def values_of(function: Function) -> list[str]:
    """Return values and derivatives at a few places, in float64, as text: infinities are values too."""
    x = np.array(PLACES)
    with jax.enable_x64(True):
        if isinstance(function, Loss):
            h, y = jnp.asarray(np.tile(x, 2)), jnp.asarray(np.repeat([1.0, -1.0], len(x)))
            found = (function.value(h, y), function.derivative(h, y))
        else:
            found = (function.sigma(jnp.asarray(x)), function.sigma_prime(jnp.asarray(x)))
        return [repr(float(value)) for value in np.concatenate([np.asarray(part, np.float64) for part in found])]


def decoded_function(said: dict[str, Any], given: dict[str, Function | None], path: str) -> Function:
    """Return the activation or the loss that a file speaks of.

    Parameters
    ----------
    said
        What `encoded_function` returned.
    given
        What the user gave to `load`, by the argument's name, or None.
    path
        The file, for messages.

    Raises
    ------
    InputError
        If the function is a user's own and was not given, or another one was given.
    DataError
        If the file speaks of a function of the package that this version does not know.
    """
    kind, name = said["type"], said["name"]
    if "values" in said:
        return _own(said, given[kind], path)
    try:
        if "family" in said:
            return FACTORIES[said["family"]](*said["numbers"])
        return {"activation": activations.get, "loss": losses.get}[kind](str(name))
    except (KeyError, TypeError, InputError) as error:
        message = (
            f"{path} needs the {kind} {name!r}, which this version of tightwidth does not know; install the version "
            f"that wrote the file"
        )
        raise DataError(message) from error


def _own(said: dict[str, Any], given: Function | None, path: str) -> Function:
    kind, name = said["type"], said["name"]
    what = f"{path} was saved with an own {kind}, {name!r}, which no file can hold"
    advice = f"give it: load(path, {kind}=...)"
    if given is None:
        message = f"{what}; {advice}"
        raise InputError(message)
    if given.name != name:
        message = f"{what}, and {kind}={given.name!r} was given; {advice} with the one of that name"
        raise InputError(message)
    then, now = (np.array([float(value) for value in values]) for values in (said["values"], values_of(given)))
    if then.shape != now.shape or not np.allclose(now, then, rtol=1e-9, atol=1e-12, equal_nan=True):
        message = f"{what}, and the {kind} {name!r} that was given has other values; {advice} as it was then"
        raise InputError(message)
    return given
