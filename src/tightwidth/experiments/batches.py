"""Cells are run in batches: those of one group share compiled programs, and one that fails takes no other with it."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tightwidth import experiments
from tightwidth.experiments.experiment import Config, Experiment, Values


@dataclass(frozen=True)
class Batch:
    """Hold cells of one group, with their places among all cells of a run."""

    experiment: str
    places: tuple[int, ...]
    configs: tuple[Config, ...]

    def only(self, places: Sequence[int]) -> "Batch":
        """Return the cells of these places."""
        wanted = set(places)
        kept = [(place, config) for place, config in zip(self.places, self.configs, strict=True) if place in wanted]
        return Batch(self.experiment, tuple(place for place, _ in kept), tuple(config for _, config in kept))


@dataclass(frozen=True)
class Outcome:
    """Hold what came of a cell: values, or else an error in one line.

    ``seconds`` have passed since the outcome before it in its batch, so that they add up to those of the batch.
    """

    place: int
    values: Values | None
    error: str | None
    seconds: float


def cut(cells: Sequence[tuple[str, Config]], places: Sequence[int], size: int) -> list[Batch]:
    """Return the cells of these places in batches of one experiment and group, with at most ``size`` cells each."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for place in places:
        name, config = cells[place]
        groups[name, experiments.get(name).group(config)].append(place)
    return [
        Batch(name, tuple(part), tuple(cells[place][1] for place in part))
        for (name, _), group in groups.items()
        for part in (group[start : start + size] for start in range(0, len(group), size))
    ]


def outcomes(batch: Batch) -> Iterator[Outcome]:
    """Run a batch and yield what comes of each cell as soon as it is there.

    An experiment says by an exception that a batch failed, and not which cell: those that have no values by then are
    run again, each by itself.
    """
    experiment = experiments.get(batch.experiment)
    left = set(range(len(batch.places)))
    alone = len(left) == 1
    began = time.perf_counter()
    try:
        for index, values in experiment.run(batch.configs):
            now = time.perf_counter()
            left.remove(index)
            yield _outcome(batch.places[index], values, now - began)
            began = now
        if left and alone:
            yield Outcome(batch.places[0], None, "the experiment returned no values for this cell", 0.0)
            return
    except Exception as error:
        if alone:
            yield Outcome(batch.places[0], None, in_one_line(error), time.perf_counter() - began)
            return
    for index in sorted(left):
        yield from outcomes(batch.only([batch.places[index]]))


def _outcome(place: int, values: Values, seconds: float) -> Outcome:
    try:
        return Outcome(place, {name: plain_value(value, name) for name, value in values.items()}, None, seconds)
    except (TypeError, ValueError) as error:
        return Outcome(place, None, in_one_line(error), seconds)


def plain_value(value: Any, name: str) -> Any:
    """Return a measured value as records hold it: a NaN is None, and an infinite number the word "inf" or "-inf".

    Raises
    ------
    ValueError
        If a list holds a number that is not finite, for which lists of records have no word.
    TypeError
        If it is neither a number, a word, None, nor a list of numbers.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, list | tuple) and all(type(part) in (int, float) for part in value):
        if not all(math.isfinite(part) for part in value):
            message = f"{name} holds a number that is not finite; a list has to be finite"
            raise ValueError(message)
        return list(value)
    message = f"{name} is a {type(value).__name__}; a number, a word, None or a list of numbers is needed"
    raise TypeError(message)


def in_one_line(error: BaseException) -> str:
    """Return an error's type and message in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def memory_of(cells: Sequence[tuple[str, Config]]) -> tuple[float, int]:
    """Return the most memory that one cell takes, in bytes, and the place of that cell."""
    known: dict[str, Experiment[Any]] = {name: experiments.get(name) for name in {name for name, _ in cells}}
    return max((known[name].bytes_needed(config), -place) for place, (name, config) in enumerate(cells))
