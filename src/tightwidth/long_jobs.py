"""Long jobs are generators that yield how far they are: run one to its end, or tell its steps in other words."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

Event = TypeVar("Event")
Told = TypeVar("Told")
Result = TypeVar("Result")


def finished(steps: Generator[Any, None, Result]) -> Result:
    """Run a job to its end and return its result.

    Examples
    --------
    >>> def job():
    ...     yield "half of it"
    ...     return 42
    >>> finished(job())
    42
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def told(steps: Generator[Event, None, Result], tell: Callable[[Event], Told]) -> Generator[Told, None, Result]:
    """Run a job as a part of another: yield ``tell(event)`` for each of its events, and return its result.

    Examples
    --------
    >>> def job():
    ...     yield 1
    ...     return 42
    >>> list(told(job(), "after {} step".format))
    ['after 1 step']
    """
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value
        yield tell(event)
