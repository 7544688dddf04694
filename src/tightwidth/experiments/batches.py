"""Cells are run in batches: those of one group share compiled programs, and one that fails takes no other with it."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tightwidth import experiments
from tightwidth.errors import MemoryEstimateError
from tightwidth.experiments.experiment import Config, Experiment, Values, no_group
from tightwidth.memory import readable_bytes

MOST_CELLS = 32  # of a batch: some experiments have all values of a batch at its end, and a kill loses them
BATCHES_A_WORKER = 4

Cell = tuple[str, Config]


@dataclass(frozen=True)
class Batch:
    """Hold cells of one group, with their places among all cells of a run; ``group`` is a number for it."""

    experiment: str
    group: int
    places: tuple[int, ...]
    configs: tuple[Config, ...]

    def only(self, places: Sequence[int]) -> "Batch":
        """Return the cells of these places."""
        wanted = set(places)
        kept = [(place, config) for place, config in zip(self.places, self.configs, strict=True) if place in wanted]
        return Batch(
            self.experiment, self.group, tuple(place for place, _ in kept), tuple(config for _, config in kept)
        )


@dataclass(frozen=True)
class Outcome:
    """Hold what came of a cell: values, or else an error in one line.

    ``seconds`` have passed since the outcome before it in its batch, so that they add up to those of the batch.
    """

    place: int
    values: Values | None
    error: str | None
    seconds: float


def cut(cells: Sequence[Cell], places: Sequence[int], n_workers: int, memory: float = math.inf) -> list[Batch]:
    """Return the cells of these places in batches, each of one experiment and one group.

    Cells that share nothing come in small batches, so that the workers are ready at one time; those of a group in
    large ones, but never more than 32, and never more than the memory holds that a worker has.
    """
    groups: dict[Any, list[int]] = defaultdict(list)
    for place in places:
        name, config = cells[place]
        groups[name, experiments.get(name).group(config)].append(place)
    batches: list[Batch] = []
    for number, ((name, _), group) in enumerate(groups.items()):
        experiment = experiments.get(name)
        shares = n_workers * (BATCHES_A_WORKER if experiment.group is no_group else 1)
        largest = max(experiment.bytes_needed(cells[place][1]) for place in group)
        fitting = int(min(MOST_CELLS, memory / largest)) if largest > 0 else MOST_CELLS
        size = max(1, min(fitting, math.ceil(len(places) / shares)))
        for part in (group[start : start + size] for start in range(0, len(group), size)):
            batches.append(Batch(name, number, tuple(part), tuple(cells[place][1] for place in part)))
    return batches


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


def _outcome(place: int, values: Any, seconds: float) -> Outcome:
    try:
        return Outcome(place, plain_values(values), None, seconds)
    except (TypeError, ValueError) as error:
        return Outcome(place, None, in_one_line(error), seconds)


def plain_values(values: Any) -> Values:
    """Return what an experiment measured as records hold it.

    Raises
    ------
    TypeError
        If it is no dictionary, a name in it is no word, or a value is of a kind that records have no place for.
    ValueError
        If a list holds a number that is not finite, or a word cannot be written as UTF-8.
    """
    if not isinstance(values, dict):
        message = f"the experiment returned a {type(values).__name__}; a dictionary of measured values is needed"
        raise TypeError(message)
    for name in values:
        if not isinstance(name, str):
            message = f"the experiment named a measured value {name!r}; a word is needed"
            raise TypeError(message)
        name.encode()
    return {name: plain_value(value, name) for name, value in values.items()}


def plain_value(value: Any, name: str) -> Any:
    """Return a measured value as records hold it: a NaN is None, and an infinite number the word "inf" or "-inf".

    Raises
    ------
    ValueError
        If a list holds a number that is not finite, for which lists of records have no word, or a word cannot be
        written as UTF-8.
    TypeError
        If it is neither a number, a word, None, nor a list of numbers.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str):
        value.encode()
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
    """Return an error's type and message in one line that can be kept: a byte that is no text becomes an escape."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def largest_cell(cells: Sequence[Cell]) -> tuple[float, Cell]:
    """Return the most memory that a cell takes, in bytes, and the first cell that takes it."""
    known: dict[str, Experiment[Any]] = {name: experiments.get(name) for name in {name for name, _ in cells}}
    needed = [known[name].bytes_needed(config) for name, config in cells]
    place = max(range(len(cells)), key=needed.__getitem__)
    return needed[place], cells[place]


def check_memory(cells: Sequence[Cell], usable: float) -> None:
    """Raise if a cell needs more memory than a worker has, both in bytes.

    Raises
    ------
    MemoryEstimateError
        If one does; the message names it.
    """
    needed, (name, config) = largest_cell(cells)
    if needed > usable:
        numbers = ", ".join(f"{field} = {value}" for field, value in config.model_dump().items())
        message = (
            f"the cell {name} with {numbers} needs about {readable_bytes(needed)}, and a worker may use "
            f"{readable_bytes(usable)}; make the largest values smaller, or let fewer workers share it"
        )
        raise MemoryEstimateError(message)
