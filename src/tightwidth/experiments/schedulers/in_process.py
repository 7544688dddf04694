"""Batches in this process, one after the other."""

from collections.abc import Iterator, Sequence

from tightwidth.experiments.batches import Batch, Outcome, outcomes
from tightwidth.experiments.origin import Origin


class InProcess:
    """Run batches here, with as many threads as JAX takes."""

    n_workers = 1

    def __init__(self, memory: float) -> None:
        self.memory = memory

    def __str__(self) -> str:
        """Say where the cells run."""
        return "this process"

    def __enter__(self) -> "InProcess":
        """Start nothing."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop nothing."""

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Outcome, Origin]]:
        """Yield what comes of every cell, batch by batch."""
        for batch in batches:
            for outcome in outcomes(batch):
                yield outcome, Origin.here()
