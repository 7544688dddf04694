"""A sweep as a TOML file: an experiment, its seeds, a grid of values, and what is fixed -> cells.

experiment = "bounded_distributions"
seeds = 3                                  # 0, 1, 2; or a list

[grid]                                     # every combination of these
n_samples = { from = 100, to = 3200, steps = 6, scale = "log" }
n_features = [50, 100]

[fixed]                                    # the same in every cell
"""

import difflib
import itertools
import math
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tightwidth import experiments
from tightwidth.errors import InputError
from tightwidth.experiments.axis import axis_values, checked_value
from tightwidth.experiments.batches import Cell
from tightwidth.experiments.experiment import Config, Experiment

KEYS = ("experiment", "seeds", "grid", "fixed")
MOST_CELLS = 1_000_000  # each is kept in memory, and takes a millisecond at least


@dataclass(frozen=True)
class Sweep:
    """Hold the cells of a file, and the experiment that runs them."""

    experiment: str
    cells: tuple[Cell, ...]


def read(path: Path) -> Sweep:
    """Return the cells that a file describes, grid by grid and seeds last.

    Raises
    ------
    InputError
        If the file cannot be read, or is not such a description; the message says what in it is wrong.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); give the TOML file of a sweep"
        raise InputError(message) from None
    except UnicodeDecodeError:
        message = f"{path} is not UTF-8 text; a TOML file is needed; save it as UTF-8"
        raise InputError(message) from None
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is not TOML: {error}; correct it there"
        raise InputError(message) from None
    except (ValueError, RecursionError) as error:  # Python's own limits, on digits and on depth
        message = f"{path} is not the file of a sweep: {error}; write smaller numbers, and no table as deep"
        raise InputError(message) from None
    try:
        return from_table(table)
    except InputError as error:
        message = f"{path}: {error}"
        raise type(error)(message) from None


def from_table(table: dict[str, Any]) -> Sweep:
    """Return the cells of a description that is a dictionary.

    Raises
    ------
    InputError
        If a key or the experiment is unknown, a value does not fit its field, or there are too many cells.
    """
    if "experiment" not in table:
        message = f"there is no key experiment; name one of {', '.join(experiments.NAMES)}"
        raise InputError(message)
    name = table["experiment"]
    if not isinstance(name, str):
        message = f"experiment = {name!r} is no name; give one of {', '.join(experiments.NAMES)}, in quotes"
        raise InputError(message)
    experiment = experiments.get(name)
    fields = [field for field in experiment.config.model_fields if field != "seed"]
    for key in table:
        if key in fields:
            message = f"{key} stands outside of [grid] and [fixed]; put it into one of them"
            raise InputError(message)
        _check_known(key, KEYS, "key")
    grid, fixed = (_part(table, part, fields) for part in ("grid", "fixed"))
    for field in grid.keys() & fixed.keys():
        message = f"{field} is both in [grid] and in [fixed]; leave it out of one of them"
        raise InputError(message)
    seeds = _seeds(table.get("seeds", 1), experiment)
    axes = {field: axis_values(experiment.config, field, value) for field, value in grid.items()}
    constants = {field: checked_value(experiment.config, field, value, "fixed") for field, value in fixed.items()}
    _check_count([*map(len, axes.values()), len(seeds)])
    return Sweep(name, tuple((name, config) for config in _configs(experiment, axes, constants, seeds)))


def _part(table: dict[str, Any], part: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the table [grid] or [fixed], all of whose keys are fields."""
    found = table.get(part, {})
    if not isinstance(found, dict):
        message = f"{part} = {found!r} is no table; write [{part}] and its keys below"
        raise InputError(message)
    for key in found:
        if key == "seed":
            message = f"seed stands in [{part}]; give seeds = N or a list of seeds at the top of the file"
            raise InputError(message)
        _check_known(key, fields, f"key of [{part}]")
    return found


def _check_known(key: str, known: Collection[str], what: str) -> None:
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        message = f"{what} {key!r} is unknown; {hint}known: {', '.join(known)}"
        raise InputError(message)


def _seeds(given: Any, experiment: Experiment[Any]) -> list[int]:
    """Return a list of seeds as it is given, or as many from 0 on."""
    if isinstance(given, int) and not isinstance(given, bool):
        if given < 1:
            message = f"seeds = {given} must be at least 1; give the number of seeds, or a list of them"
            raise InputError(message)
        _check_count([given])
        return list(range(given))
    if not isinstance(given, list) or not given:
        message = f"seeds = {given!r} is neither a number of seeds nor a list of them; give one of these"
        raise InputError(message)
    return list(dict.fromkeys(checked_value(experiment.config, "seed", seed, "seeds") for seed in given))


def _check_count(lengths: Sequence[int]) -> None:
    n = math.prod(lengths)
    if n > MOST_CELLS:
        product = " x ".join(f"{length:,}" for length in lengths)
        message = (
            f"the grid has {n:,} cells ({product}, seeds last), and a file may have {MOST_CELLS:,}; take fewer values "
            "or seeds, or spread them over several files"
        )
        raise InputError(message)


def _configs(
    experiment: Experiment[Any], axes: dict[str, list[Any]], constants: dict[str, Any], seeds: Iterable[int]
) -> Iterable[Config]:
    for values in itertools.product(*axes.values(), seeds):
        *of_axes, seed = values
        given = {**constants, **dict(zip(axes, of_axes, strict=True)), "seed": seed}
        try:
            yield experiment.config(**given)
        except ValidationError as error:  # fields that are right each by itself
            wrong = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
            shown = ", ".join(f"{field} = {value!r}" for field, value in given.items())
            message = f"the cell {shown} is refused: {wrong}; take it out of the grid, for example by a second file"
            raise InputError(message) from None
