"""The runs of a search for the smallest width: Algorithm 1 on one sample, several widths and seeds side by side."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.capacity_request import Budget, widest
from tightwidth.capacity_result import Attempt, Form, Purpose
from tightwidth.linear_separation import no_width_can
from tightwidth.long_jobs import told
from tightwidth.losses import Loss
from tightwidth.padded_runs import Finished, RunSpec, Shape, can_pad_pairs, padded_size, run_side_by_side

COOLED = 0.02  # share of the learning rate that is left at the end of a run at a finite B
CHEAP = 128  # numbers in W': with fewer, compiling another shape costs more than padding


@dataclass(frozen=True)
class Searching:
    """Report how far a search is: what is being run, steps done of those of this round at most.

    ``attempts`` are those of a round that has just ended, none while it runs.
    """

    what: str
    done: int
    planned: int
    attempts: tuple[Attempt, ...]


class Trainer:
    """Run attempts on one sample, side by side."""

    def __init__(
        self, X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], activation: Activation, budget: Budget
    ) -> None:
        self.X, self.y, self.activation, self.budget = X, y, activation, budget
        self.m, self.d = X.shape
        self.largest_batch = max(budget.batch_size, budget.finite_batch_size)

    def steps(self, purpose: Purpose) -> int:
        """Return how many steps a run takes at most."""
        return self.budget.n_steps(purpose, self.m)

    def widest(self, n_lanes: int) -> int:
        """Return where a search with so many runs side by side gives up."""
        return widest(self.m, self.d, self.X.itemsize, n_lanes=n_lanes, batch_size=self.largest_batch)

    def no_width_can(self, form: Form) -> bool:
        """Return whether it is certain that the sample is memorized at no width."""
        return no_width_can(self.X, self.y, self.activation, math.inf if form == "tangent" else 1.0)

    def run(
        self, specs: Sequence[RunSpec], loss: Loss, what: str, n_lanes: int, *, one_a_seed: bool = True
    ) -> Generator[Searching, None, list[Finished]]:
        """Run until everything is memorized, by one run of every seed or by all, or all steps are taken."""
        pads = can_pad_pairs(self.activation, specs[0].B)
        alike = pads or len({spec.q for spec in specs}) == 1
        groups = [list(specs)] if alike else [[spec] for spec in specs]
        done: list[Finished] = []
        for group in groups:
            q = max(spec.q for spec in group)
            Q = max(padded_size(q), padded_size(math.ceil(CHEAP / self.d))) if pads else q
            shape = Shape(self.m, self.d, Q, n_lanes if alike else 1)
            planned = max(spec.n_steps for spec in group)
            running = run_side_by_side(
                group,
                shape,
                activation=self.activation,
                loss=loss,
                batch_size=self.budget.batch_of("tangent" if math.isinf(specs[0].B) else "finite"),
                n_looks=100,
                target=1.0,
                one_a_seed=one_a_seed,
            )
            done += yield from told(running, partial(Searching, what, planned=planned, attempts=()))
        return done


def attempts_of(form: Purpose, specs: Sequence[RunSpec], finished: Sequence[Finished]) -> list[Attempt]:
    """Return what is kept of runs."""
    return [
        Attempt(form, spec.seed, spec.q, spec.B, spec.learning_rate, run.looks[-1].step, run.fraction)
        for spec, run in zip(specs, finished, strict=True)
    ]
