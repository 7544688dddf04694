"""What is compared: contestants that do the same work, the cases they meet in, and the ratios that are asked of them.

A contestant is a function ``prepare(**given) -> work``, named as ``"module:function"`` so that another process, or
another environment, can import it.  ``work(n)`` does n units of the work and returns None or what there is to say of
it (`Facts`): ``units`` if it did another number of them, ``later``, a function that returns more of it when time and
memory are no more counted; everything else is shown beside the time.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

OURS, NEURAL_TANGENTS = "bench", "neural-tangents"  # environments
Facts = dict[str, Any]
Work = Callable[[int], Facts | None]


@dataclass(frozen=True)
class Contestant:
    """Hold a name, where the function is that prepares the work, and what it is given.

    Contestants of one ``process`` share it: what is compared to the last percent should meet the same thread pools and
    the same memory.  The others have a process each, so that their peak memory is their own.
    """

    name: str
    prepare: str
    given: Mapping[str, Any] = field(default_factory=dict)
    environment: str = OURS
    process: str = ""
    slowdown: float = 1.0  # for the test of the gate: every run takes so many times as long


@dataclass(frozen=True)
class Ratio:
    """Ask for the time of one contestant over that of another: the median over the rounds."""

    of: str
    over: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def name(self) -> str:
        """What is divided by what."""
        return f"{self.of} / {self.over}"

    def holds(self, value: float) -> bool | None:
        """Return whether a value is what was asked for, None if nothing was."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Case:
    """Hold contestants that do the same work, and how it is measured.

    ``seconds`` is how long a run should take: n is doubled until it does; None is for work that comes in one piece.
    With ``fresh`` every run has a new process, and pays for everything but imports and its data; nothing is warm.
    ``cores`` is how many the processes may use, all if None.
    ``conclude`` turns what the contestants say, by name, into what is said of the case.
    """

    name: str
    unit: str
    contestants: tuple[Contestant, ...]
    ratios: tuple[Ratio, ...] = ()
    seconds: float | None = None
    fresh: bool = False
    most_repeats: int | None = None
    cores: int | None = None
    conclude: Callable[[dict[str, "Measured"]], Facts] | None = None

    def replaced(self, **changes: Any) -> "Case":
        """Return the case with other fields."""
        return dataclasses.replace(self, **changes)


@dataclass
class Measured:
    """Hold what came of a contestant: seconds a unit in each round, in the order of the rounds.

    ``status`` is "done", "missing: ..." for a peer that is not installed, or "failed: ...".  ``peak_MB`` is the largest
    resident set of its process while it worked, ``start_MB`` the resident set before, with the data in memory; None
    where it shares a process, or the system does not tell.
    """

    status: str = "done"
    seconds: list[float] = field(default_factory=list)
    n: int = 1
    first_seconds: float | None = None
    peak_MB: float | None = None
    start_MB: float | None = None
    facts: Facts = field(default_factory=dict)
