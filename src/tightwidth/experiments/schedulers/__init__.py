"""Where batches run: in this process, in worker processes of this machine, on a Dask cluster.

All three give the same numbers, and none touches the store: what comes of the cells goes to the driver, which writes.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from tightwidth.experiments.batches import Batch, Outcome
from tightwidth.experiments.origin import Origin

MOST_DEATHS = 3  # of workers under one cell, before the cell counts as failed


@runtime_checkable
class Scheduler(Protocol):
    """Run batches; a context, at whose end nothing runs any more.

    Within it are known ``n_workers``, the cells that run at one time, and ``memory``, what each may take in bytes.
    """

    n_workers: int
    memory: float

    def __enter__(self) -> "Scheduler":
        """Start what runs batches."""
        ...

    def __exit__(self, *_error: object) -> None:
        """Stop it at once, whatever runs."""
        ...

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Outcome, Origin]]:
        """Yield what comes of every cell, as soon as it is there, in any order."""
        ...


def died(place: int, how: str, deaths: int) -> Outcome:
    """Return the outcome of a cell under which workers died."""
    return Outcome(place, None, f"the worker {how}, {deaths} times; it may want more memory than there is", 0.0)
