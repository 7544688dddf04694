"""Rounds: every contestant works once in each, so that what slows the machine for a while slows all of them.

A ratio is the median, over the rounds, of the ratio of two times of one round.  The order turns from round to round.
"""

import math
from collections.abc import Callable
from statistics import median
from typing import Any

from children import Child, FailedError, MissingError
from contests import Case, Contestant, Measured

MOST_UNITS = 1 << 30
Say = Callable[[str], None]


def last_line(error: Exception) -> str:
    """Return the line of a traceback that says what happened."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]


class Meeting:
    """Hold the processes of the contestants of one case, and what was measured."""

    def __init__(self, case: Case) -> None:
        """Start nothing yet."""
        self.case = case
        self.measured = {contestant.name: Measured() for contestant in case.contestants}
        self._children: dict[str, Child] = {}

    def place(self, contestant: Contestant) -> str:
        """Return which process a contestant works in."""
        return contestant.process or contestant.name

    def attempt(self, contestant: Contestant, act: Callable[[Contestant], None]) -> None:
        """Do something with a contestant; one that is missing or fails is left out from then on."""
        found = self.measured[contestant.name]
        if found.status != "done":
            return
        try:
            act(contestant)
        except MissingError as error:
            found.status = f"missing: {last_line(error)}"
        except FailedError as error:
            found.status = f"failed: {last_line(error)}"
            if not contestant.process:  # others may still work in a shared one; a dead one fails them too
                self.dismiss(contestant)

    def prepare(self, contestant: Contestant) -> None:
        """Start its process, if it has none, and let it prepare."""
        where = self.place(contestant)
        if where not in self._children:
            self._children[where] = Child(contestant.environment, cores=self.case.cores)
        start = self._children[where].prepare(contestant)
        if not contestant.process:
            self.measured[contestant.name].start_MB = start

    def warm_up(self, contestant: Contestant) -> None:
        """Compile and load, and find how many units take the time that a run should."""
        found, seconds = self.measured[contestant.name], self.case.seconds
        child = self._children[self.place(contestant)]
        found.first_seconds = child.run(contestant, 1)["seconds"]
        while seconds is not None and found.n < MOST_UNITS:
            # the least of three, or a moment's trouble would leave so few units that their call costs more than they
            taken = math.inf
            for _ in range(3):
                taken = min(taken, child.run(contestant, found.n)["seconds"])
                if taken < seconds / 2:
                    break
            else:
                found.n = max(1, round(found.n * min(2.0, seconds / taken)))
                return
            found.n *= 2

    def run(self, contestant: Contestant) -> None:
        """Let it work once, and note what it says."""
        found = self.measured[contestant.name]
        told = self._children[self.place(contestant)].run(contestant, found.n)
        facts: dict[str, Any] = told["facts"]
        found.seconds.append(told["seconds"] / facts.pop("units", found.n))
        found.facts = facts
        if told["peak_MB"] is not None and not contestant.process:
            found.peak_MB = max(found.peak_MB or 0.0, told["peak_MB"])

    def run_fresh(self, contestant: Contestant) -> None:
        """Let it work in a process that has done nothing else."""
        try:
            self.prepare(contestant)
            self.run(contestant)
        finally:
            self.dismiss(contestant)

    def dismiss(self, contestant: Contestant) -> None:
        """End its process."""
        child = self._children.pop(self.place(contestant), None)
        if child is not None:
            child.close()

    def close(self) -> None:
        """End all processes."""
        for child in self._children.values():
            child.close()
        self._children.clear()


def measure(case: Case, repeats: int, say: Say = lambda _: None) -> dict[str, Measured]:
    """Return what was measured of each contestant of a case, by name."""
    meeting, contestants = Meeting(case), case.contestants
    repeats = min(repeats, case.most_repeats or repeats)
    try:
        if not case.fresh:
            for contestant in contestants:
                meeting.attempt(contestant, meeting.prepare)
                meeting.attempt(contestant, meeting.warm_up)
        for turn in range(repeats):
            say(f"round {turn + 1} of {repeats}")
            start = turn % len(contestants)
            for contestant in (*contestants[start:], *contestants[:start]):
                meeting.attempt(contestant, meeting.run_fresh if case.fresh else meeting.run)
    finally:
        meeting.close()
    return meeting.measured


def ratio_of(measured: dict[str, Measured], of: str, over: str) -> tuple[float, float, float] | None:
    """Return the median over the rounds of one contestant's time over another's, the least and the largest ratio.

    None if one of them did not finish its rounds.
    """
    if not all(measured[name].status == "done" and measured[name].seconds for name in (of, over)):
        return None
    ratios = [a / b for a, b in zip(measured[of].seconds, measured[over].seconds, strict=True)]
    return median(ratios), min(ratios), max(ratios)
