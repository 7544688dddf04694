"""The smallest width at which training memorizes a sample: what was found, where theorems only bound (section 3.3).

Two networks are sought.  In the linear limit the path of the perceptron does not depend on its rate, and nothing has to
be chosen.  At a finite B the gates move, and fewer parameters than points are enough, if B and the learning rate suit:
they are chosen first, by short runs on a small grid and on its best point's neighbours.  Both widths are then bisected
for several seeds, each of which draws its own weights and batches; the seeds of a round are run side by side.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from tightwidth import losses
from tightwidth.activations import Activation
from tightwidth.losses import Loss
from tightwidth.network import Network, n_parameters
from tightwidth.padded_runs import Finished, RunSpec, Shape, can_pad_pairs, padded_size, run_side_by_side

SCALES = (0.03, 0.1, 0.3, 1.0)  # B, from where gates move freely to where they begin to stick
RATES = (0.25, 1.0, 4.0)  # eta
FINER = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
FINER_SCALE, FINER_RATE = math.sqrt(10 / 3), 2.0
COOLED = 0.05  # share of the learning rate that is left at the end
CANDIDATES = 4  # pairs of B and eta that each seed tries: whether a last dead point comes alive is a matter of luck
CHOSEN_AT = 0.35  # of the width of the linear limit
WIDEST = 64.0  # times m/d: where a search gives up

Form = Literal["tangent", "finite"]


@dataclass(frozen=True)
class Budget:
    """Hold how long runs may be, in epochs, and how they step.

    ``tangent`` and ``finite`` are the lengths of the runs that decide about a width, ``choice`` that of those which
    choose B and eta.
    """

    tangent: int = 800
    choice: int = 600
    finite: int = 2000
    batch_size: int = 64


@dataclass(frozen=True)
class Attempt:
    """Hold one run of the search and the share that it memorized."""

    form: Form
    seed: int
    n_pairs: int
    output_scale: float
    learning_rate: float
    n_steps: int
    fraction: float


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Capacity:
    """Hold what was found in the linear limit and at a finite B, for m points in d dimensions."""

    n_samples: int
    n_features: int
    tangent: Smallest
    finite: Smallest

    @property
    def parameters_per_sample(self) -> float | None:
        """The fewest parameters a point of any network that was found to memorize the whole sample."""
        widths = [*self.tangent.found, *self.finite.found]
        return n_parameters(min(widths), self.n_features) / self.n_samples if widths else None


@dataclass(frozen=True)
class Searching:
    """Report how far a search is: what is being run, steps done of those of this round at most, what was found."""

    what: str
    done: int
    planned: int
    attempts: tuple[Attempt, ...]


class _Trainer:
    """Run attempts on one sample, side by side."""

    def __init__(
        self, X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], activation: Activation, budget: Budget
    ) -> None:
        self.X, self.y, self.activation, self.budget = X, y, activation, budget
        self.m, self.d = X.shape

    def steps(self, epochs: int) -> int:
        return math.ceil(epochs * self.m / self.budget.batch_size)

    def run(
        self, specs: Sequence[RunSpec], loss: Loss, what: str, n_lanes: int
    ) -> Generator[Searching, None, list[Finished]]:
        """Run until everything is memorized, or all steps are taken."""
        widest = max(spec.q for spec in specs)
        pads = can_pad_pairs(self.activation, specs[0].B)
        alike = pads or all(spec.q == widest for spec in specs)
        groups = [list(specs)] if alike else [[spec] for spec in specs]
        finished: list[Finished] = []
        for group in groups:
            q = max(spec.q for spec in group)
            shape = Shape(self.m, self.d, padded_size(q) if pads else q, n_lanes if alike else 1)
            planned = max(spec.n_steps for spec in group)
            running = run_side_by_side(
                group,
                shape,
                activation=self.activation,
                loss=loss,
                batch_size=self.budget.batch_size,
                n_looks=100,
                target=1.0,
            )
            while True:
                try:
                    yield Searching(what, next(running), planned, ())
                except StopIteration as end:
                    finished += end.value
                    break
        return finished


def search(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    *,
    activation: Activation,
    seeds: Sequence[int],
    budget: Budget | None = None,
) -> Generator[Searching, None, Capacity]:
    """Find the smallest widths that memorize the whole sample, yielding how far it is.

    Parameters
    ----------
    X
        Points on the sphere, [m, d].
    y
        Labels +1 and -1, [m].
    activation
        A decent activation.
    seeds
        Of weights and batches; each has its own bisection.
    budget
        How long runs may be.  A width counts as enough if its run memorizes everything within the budget: with more
        epochs fewer pairs may do.

    Returns
    -------
    Capacity
        The value of the generator.

    Notes
    -----
    A bisection takes it that what a width can do a larger one can do too, which training makes likely and not certain.
    """
    trainer = _Trainer(X, y, activation, budget or Budget())
    tangent = yield from tangent_width(X, y, activation=activation, seeds=seeds, budget=budget)
    narrow = max(1, round(CHOSEN_AT * max(tangent.found, default=2 * math.ceil(trainer.m / trainer.d))))
    candidates = yield from _choose(trainer, seeds[0], narrow)
    finite = yield from _bisect(trainer, "finite", seeds, narrow, candidates)
    return Capacity(trainer.m, trainer.d, tangent, finite)


def tangent_width(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    *,
    activation: Activation,
    seeds: Sequence[int],
    budget: Budget | None = None,
    tolerance: float = 0.0,
) -> Generator[Searching, None, Smallest]:
    """Find the smallest widths of the linear limit alone, up to a share ``tolerance`` of them."""
    trainer = _Trainer(X, y, activation, budget or Budget())
    first = max(1, math.ceil(trainer.m / trainer.d))
    return (yield from _bisect(trainer, "tangent", seeds, first, [(math.inf, 1.0)], tolerance))


def _choose(trainer: _Trainer, seed: int, q: int) -> Generator[Searching, None, list[tuple[float, float]]]:
    """Choose pairs (B, eta) by the share that short runs memorize: on a grid, then beside its best point."""
    n_steps, hinge = trainer.steps(trainer.budget.choice), losses.get("hinge")

    def compare(points: list[tuple[float, float]]) -> Generator[Searching, None, list[tuple[float, float, float]]]:
        specs = [RunSpec(trainer.X, trainer.y, q, B, eta, n_steps, seed, COOLED * eta) for B, eta in points]
        finished = yield from trainer.run(specs, hinge, f"choosing B and eta at {q} pairs", len(SCALES) * len(RATES))
        return [(run.fraction, B, eta) for run, (B, eta) in zip(finished, points, strict=True)]

    coarse = yield from compare([(B, eta) for B in SCALES for eta in RATES])
    _, B, eta = max(coarse)
    finer = yield from compare([(B * FINER_SCALE**i, eta * FINER_RATE**j) for i, j in FINER])
    return [(B, eta) for _, B, eta in sorted(coarse + finer, reverse=True)[:CANDIDATES]]


def _bisect(
    trainer: _Trainer,
    form: Form,
    seeds: Sequence[int],
    first: int,
    candidates: Sequence[tuple[float, float]],
    tolerance: float = 0.0,
) -> Generator[Searching, None, Smallest]:
    """Bracket and bisect the smallest width of every seed, one round for all seeds side by side."""
    epochs = trainer.budget.tangent if form == "tangent" else trainer.budget.finite
    loss = losses.get("perceptron" if form == "tangent" else "hinge")
    n_steps, cooled = trainer.steps(epochs), None if form == "tangent" else COOLED
    too_few = dict.fromkeys(seeds, 0)
    enough: dict[int, int | None] = dict.fromkeys(seeds)
    networks: dict[int, Network | None] = dict.fromkeys(seeds)
    attempts: list[Attempt] = []
    widest = WIDEST * max(1.0, trainer.m / trainer.d)
    while True:
        widths = {seed: _next_width(too_few[seed], enough[seed], first, widest, tolerance) for seed in seeds}
        open_seeds = [seed for seed in seeds if widths[seed] is not None]
        if not open_seeds:
            break
        tried = ", ".join(str(q) for q in sorted({widths[seed] or 0 for seed in open_seeds}))
        what = f"{'linear limit' if form == 'tangent' else 'finite B'}: {tried} pairs"
        lanes = [(seed, widths[seed] or 1, B, eta) for seed in open_seeds for B, eta in candidates]
        specs = [
            RunSpec(trainer.X, trainer.y, q, B, eta, n_steps, seed, cooled and cooled * eta)
            for seed, q, B, eta in lanes
        ]
        finished = yield from trainer.run(specs, loss, what, len(seeds) * len(candidates))
        for spec, run in zip(specs, finished, strict=True):
            attempts.append(
                Attempt(form, spec.seed, spec.q, spec.B, spec.learning_rate, run.looks[-1].step, run.fraction)
            )
        for seed in open_seeds:
            done = [run for spec, run in zip(specs, finished, strict=True) if spec.seed == seed and run.fraction >= 1]
            if done:
                enough[seed], networks[seed] = widths[seed], done[0].network
            else:
                too_few[seed] = widths[seed] or 1
        yield Searching(what, n_steps, n_steps, tuple(attempts))
    return Smallest(form, tuple(enough.values()), tuple(attempts), tuple(networks.values()))


def _next_width(too_few: int, enough: int | None, first: int, widest: float, tolerance: float) -> int | None:
    """Return the next width to try between one that failed (0: none yet) and one that worked; None: nothing is open."""
    if enough is None:
        q = first if too_few == 0 else max(too_few + 1, 3 * too_few // 2)
        return q if q <= widest else None
    return None if enough - too_few <= max(1, tolerance * enough) else (too_few + enough) // 2
