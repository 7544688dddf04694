"""The values of one field in a sweep's file: checked one by one, or spread over a range."""

import difflib
import typing
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from tightwidth.errors import InputError
from tightwidth.experiments.experiment import Config

RANGE = ("from", "to", "steps", "scale")
SCALES = ("linear", "log")
MOST_STEPS = 10_000
LARGEST = 1e300  # end of a range, so that the distance of its ends is a number too
LARGEST_WHOLE = 2**63 - 1  # that a table has room for


def axis_values(config: type[Config], field: str, given: Any) -> list[Any]:
    """Return the values of a field of the grid, each once: of a list, or of ``{from, to, steps, scale}``.

    Raises
    ------
    InputError
        If it is neither, or a value does not fit the field.
    """
    if isinstance(given, dict):
        given = _spread(config, field, given)
    if not isinstance(given, list):
        message = f"grid.{field} = {given!r} is no list; give [{given!r}] or put it into [fixed]"
        raise InputError(message)
    if not given:
        message = f"grid.{field} is an empty list; give at least one value, or leave it out for the default"
        raise InputError(message)
    values = [checked_value(config, field, value, "grid") for value in given]
    return list({repr(value): value for value in values}.values())


def checked_value(config: type[Config], field: str, value: Any, where: str) -> Any:
    """Return a value as the field has it.

    Raises
    ------
    InputError
        If it does not fit; ``where`` says in which part of the file it stands.
    """
    label = where if where == "seeds" else f"{where}.{field}"
    info = config.model_fields[field]
    try:
        found = _adapter(config, field).validate_python(value)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Input should ").removeprefix("Value error, ")
        meant = f" ({info.description})" if info.description else ""
        if where == "fixed" and isinstance(value, list | dict):
            why += "; several values belong into [grid]"
        message = f"{label} = {value!r} does not fit: {field}{meant} should {why}"
        raise InputError(message) from None
    is_word = isinstance(value, str) and not isinstance(found, str) and value not in ("inf", "-inf")
    is_truth = isinstance(value, bool) and not isinstance(found, bool)
    if is_word or is_truth:  # which pydantic would take for the number that it looks like
        message = f"{label} = {value!r} does not fit: {field} should be a number; write it as one, without quotes"
        raise InputError(message)
    if isinstance(found, int) and abs(found) > LARGEST_WHOLE:
        message = f"{label} = {found:.3e} does not fit: {field} should be at most {LARGEST_WHOLE:,} in size"
        raise InputError(message)
    if isinstance(found, float) and np.isnan(found):
        message = f"{label} = nan does not fit: {field} should be a number; NaN equals nothing, not even itself"
        raise InputError(message)
    return found


@cache
def _adapter(config: type[Config], field: str) -> Any:
    info = config.model_fields[field]
    of_field: Any = Annotated[info.annotation, info]  # pyright: ignore[reportInvalidTypeForm] (made at run time)
    return TypeAdapter(of_field)


def _spread(config: type[Config], field: str, given: dict[str, Any]) -> list[Any]:
    """Return ``steps`` values between two numbers, whole where the field is whole."""
    label = f"grid.{field}"
    for key in given:
        if key not in RANGE:
            near = difflib.get_close_matches(key, RANGE, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            message = f"key {key!r} of {label} is unknown; {hint}known: {', '.join(RANGE)}"
            raise InputError(message)
    missing = [key for key in RANGE[:3] if key not in given]
    if missing:
        message = f'{label} lacks {" and ".join(missing)}; give {{ from = A, to = B, steps = N, scale = "log" }}'
        raise InputError(message)
    kinds = _kinds(config.model_fields[field].annotation)
    if not kinds & {int, float}:
        message = f"{label} takes no numbers, so there is no range of them; give a list"
        raise InputError(message)
    low, high, steps, scale = given["from"], given["to"], given["steps"], given.get("scale", "linear")
    for key, value in (("from", low), ("to", high)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not -LARGEST <= value <= LARGEST:
            message = f"{label}: {key} = {value!r} is no finite number of at most {LARGEST:g} in size; give one"
            raise InputError(message)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_STEPS:
        message = f"{label}: steps = {steps!r} must be a whole number from 2 to {MOST_STEPS:,}"
        raise InputError(message)
    if scale not in SCALES:
        message = f"{label}: scale = {scale!r} is unknown; give one of {', '.join(SCALES)}"
        raise InputError(message)
    if scale == "log" and min(low, high) <= 0:
        message = f'{label}: from = {low} and to = {high} must be above 0 for scale = "log"; or take "linear"'
        raise InputError(message)
    spread = (np.geomspace if scale == "log" else np.linspace)(low, high, steps)
    if float in kinds:
        return spread.tolist()
    return list(dict.fromkeys(int(value) for value in np.rint(spread)))


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that an annotation names, such as int and None of ``int | None``."""
    parts = typing.get_args(annotation)
    return set().union(*map(_kinds, parts)) if parts else {annotation}
