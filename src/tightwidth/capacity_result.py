"""What a search for the smallest width returns: every run of it, and the least width that worked for every seed."""

import math
from dataclasses import dataclass
from typing import Literal

from tightwidth.network import Network, n_parameters

Form = Literal["tangent", "finite"]
Purpose = Literal["tangent", "choice", "finite"]


@dataclass(frozen=True)
class Attempt:
    """Hold one run of the search: its numbers, the steps that it took, and the share that it memorized then.

    Runs of form "choice" choose B and the learning rate of those of form "finite", and one that memorizes everything
    counts as one of them.
    """

    form: Purpose
    seed: int
    n_pairs: int
    output_scale: float
    learning_rate: float
    n_steps: int
    fraction: float

    @property
    def is_enough(self) -> bool:
        """Whether the whole sample was memorized."""
        return self.fraction >= 1

    def counts_for(self, form: Form) -> bool:
        """Return whether the run tells of the widths of a form: a short run that failed to choose B tells nothing."""
        return self.form == form or (form == "finite" and self.form == "choice" and self.is_enough)


@dataclass(frozen=True, eq=False)
class Smallest:
    """Hold the smallest width that was found for every seed, None where none was found, and what was run at it."""

    form: Form
    widths: tuple[int | None, ...]
    attempts: tuple[Attempt, ...]
    networks: tuple[Network | None, ...]

    @property
    def found(self) -> tuple[int, ...]:
        """The widths found, in increasing order."""
        return tuple(sorted(q for q in self.widths if q is not None))

    @property
    def best(self) -> Attempt | None:
        """The run that memorized everything with the fewest pairs, the soonest of them; None if no run did."""
        enough = [run for run in self.attempts if run.is_enough]
        return min(enough, key=lambda run: (run.n_pairs, run.n_steps), default=None)


@dataclass(frozen=True, eq=False)
class Capacity:
    """Hold what was found in the linear limit and at a finite B, for m points in d dimensions."""

    n_samples: int
    n_features: int
    seeds: tuple[int, ...]
    choice: tuple[Attempt, ...]
    tangent: Smallest
    finite: Smallest

    @property
    def parameters_per_sample(self) -> float | None:
        """The fewest parameters a point of any network that was found to memorize the whole sample."""
        widths = [*self.tangent.found, *self.finite.found]
        return n_parameters(min(widths), self.n_features) / self.n_samples if widths else None


def smallest_of(
    form: Form, seeds: tuple[int, ...], attempts: tuple[Attempt, ...], networks: tuple[Network | None, ...]
) -> Smallest:
    """Return the least widths that runs found, seed by seed; those that do not count for the form are left out."""
    attempts = tuple(run for run in attempts if run.counts_for(form))
    widths = [
        min((run.n_pairs for run in attempts if run.seed == seed and run.is_enough), default=math.inf) for seed in seeds
    ]
    return Smallest(form, tuple(None if math.isinf(q) else int(q) for q in widths), attempts, networks)
