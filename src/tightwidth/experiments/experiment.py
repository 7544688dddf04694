"""What an experiment is: a config of numbers and a seed in, measured values out; every cell by itself."""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from tightwidth.cell_records import Value

LARGEST_SEED = 2**32 - 1

Values = dict[str, Value]

# "inf" is read as a number, and written as a word: strict JSON has no infinity
OutputScale = Annotated[float, Field(gt=0), PlainSerializer(lambda B: "inf" if math.isinf(B) else B, when_used="json")]


class Config(BaseModel):
    """Hold what names one cell.  The same config gives the same numbers, in whatever company it is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="of everything random in the cell")


C = TypeVar("C", bound=Config)


def one_by_one(run: Callable[[Any], Values]) -> Callable[[Sequence[Any]], Iterator[tuple[int, Values]]]:
    """Turn a function of one config into one of many, which yields each result with the place of its config."""

    def run_all(configs: Sequence[Any]) -> Iterator[tuple[int, Values]]:
        for place, config in enumerate(configs):
            yield place, run(config)

    return run_all


def no_group(_config: Any) -> Hashable:
    """Put every cell into one group."""
    return ()


@dataclass(frozen=True)
class Experiment(Generic[C]):
    """Hold an experiment.

    Parameters
    ----------
    name
        As in a sweep's file: the module's name.
    title
        One line that says what is measured.
    config
        The class of its configs; descriptions of its fields are what a user reads.
    run
        From configs of one group to (place, values) pairs, in any order, each as soon as it is there.
    group
        Cells of one group share compiled programs and are run in one call.
    bytes_needed
        Estimates the memory that one cell takes.
    """

    name: str
    title: str
    config: type[C]
    run: Callable[[Sequence[C]], Iterator[tuple[int, Values]]]
    bytes_needed: Callable[[C], float]
    group: Callable[[C], Hashable] = no_group
