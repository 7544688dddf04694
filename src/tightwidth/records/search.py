"""What `tightwidth memorize --search` found: the smallest widths, and every run of the search."""

from typing import Literal

from tightwidth.records.strict_json import Record, Scale


class AttemptRecord(Record):
    """A run of the search for the smallest width: the steps it took, and the share memorized then.

    The runs of form "choice" chose the output scales and learning rates of those of form "finite"; one that memorized
    everything counts for the widths of that form.  A run with fewer steps than its epochs allow and a share below 1 was
    left when another of its seed was enough.
    """

    form: Literal["tangent", "choice", "finite"]
    seed: int
    n_pairs: int
    output_scale: Scale
    learning_rate: float
    n_steps: int
    fraction: float


class SmallestRecord(Record):
    """The smallest width found for each seed (null: none was), and what the run with the fewest pairs had.

    ``low`` and ``high`` are the fewest and the most pairs of a seed for which a width was found; ``learning_rate``
    falls to ``learning_rate_last``.
    """

    widths: tuple[int | None, ...]
    smallest: int | None
    n_parameters: int | None
    parameters_per_sample: float | None
    low: int | None
    high: int | None
    seed: int | None
    output_scale: Scale | None
    learning_rate: float | None
    learning_rate_last: float | None
    n_steps: int | None
    loss: str
    batch_size: int
    n_epochs: int

    @property
    def widths_found(self) -> tuple[int, ...]:
        """The widths of the seeds for which one was found."""
        return tuple(q for q in self.widths if q is not None)


class SearchRecord(Record):
    """What `memorize --search` found; ``finished`` is false where it was interrupted, and the rest what it had then."""

    seeds: tuple[int, ...]
    finished: bool
    tangent: SmallestRecord
    finite: SmallestRecord
    attempts: tuple[AttemptRecord, ...]
    seconds: float
