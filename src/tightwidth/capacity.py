"""The smallest width at which training memorizes a sample: what was found, where theorems only bound (section 3.3).

Two networks are sought.  In the linear limit the path of the perceptron does not depend on its rate, and nothing has to
be chosen.  At a finite B the gates move, and fewer parameters than points are enough, if B and the learning rate suit:
they are chosen first, by short runs on a small grid and on its best point's neighbours.  Both widths are then bisected
for several seeds, each of which draws its own weights and batches; the seeds of a round are run side by side.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tightwidth import losses
from tightwidth.activations import Activation
from tightwidth.capacity_request import (
    Budget,
    check_budget,
    check_sample,
    check_search_size,
    check_seeds,
    widest,
)
from tightwidth.capacity_result import Attempt, Capacity, Form, Purpose, Smallest, smallest_of
from tightwidth.long_jobs import finished, told
from tightwidth.losses import Loss
from tightwidth.network import Network
from tightwidth.padded_runs import Finished, RunSpec, Shape, can_pad_pairs, padded_size, run_side_by_side
from tightwidth.precision import stepwise

SCALES = (0.03, 0.1, 0.3, 1.0)  # B, from where gates move freely to where they begin to stick
RATES = (0.5, 2.0, 8.0)  # eta
FINER = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
FINER_SCALE, FINER_RATE = math.sqrt(10 / 3), 2.0
COOLED = 0.02  # share of the learning rate that is left at the end
CANDIDATES = 4  # pairs of B and eta that each seed tries: whether a last dead point comes alive is a matter of luck
CHEAP = 128  # numbers in W': with fewer, compiling another shape costs more than padding
CHOSEN_AT = 0.35  # of the width of the linear limit


@dataclass(frozen=True)
class Searching:
    """Report how far a search is: what is being run, steps done of those of this round at most.

    ``attempts`` are those of a round that has just ended, none while it runs.
    """

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
        self.largest_batch = max(self.budget.batch_size, self.budget.finite_batch_size)

    def steps(self, purpose: Purpose) -> int:
        return self.budget.n_steps(purpose, self.m)

    def widest(self, n_lanes: int) -> int:
        return widest(self.m, self.d, self.X.itemsize, n_lanes=n_lanes, batch_size=self.largest_batch)

    def run(
        self, specs: Sequence[RunSpec], loss: Loss, what: str, n_lanes: int, *, one_a_seed: bool = True
    ) -> Generator[Searching, None, list[Finished]]:
        """Run until everything is memorized, by one run of every seed or by all, or all steps are taken."""
        pads = can_pad_pairs(self.activation, specs[0].B)
        alike = pads or len({spec.q for spec in specs}) == 1
        groups = [list(specs)] if alike else [[spec] for spec in specs]
        finished: list[Finished] = []
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
            while True:
                try:
                    yield Searching(what, next(running), planned, ())
                except StopIteration as end:
                    finished += end.value
                    break
        return finished


def smallest_widths(
    X: Any,
    y: Any,
    *,
    activation: str | Activation = "relu",
    seeds: int = 3,
    budget: Budget | None = None,
    seed: int = 0,
) -> Capacity:
    """Find the fewest pairs with which Algorithm 1 memorizes a whole sample, in the linear limit and at a finite B.

    Parameters
    ----------
    X
        Points, [n_samples, n_features]; every row is projected to the unit sphere.  float32 and float64 are kept.
    y
        Labels +1 and -1, [n_samples].
    activation
        A name or an object; it must be decent.
    seeds
        How many searches there are, each with weights and batches of its own.
    budget
        How long runs may be; None: ``Budget()``.  A width counts as enough if its run memorizes everything within the
        budget: with more epochs fewer pairs may do.
    seed
        The first of the seeds; the others follow it.

    Returns
    -------
    Capacity
        For each form the width found for every seed, the networks, and what was tried.

    Raises
    ------
    DataError
        If the data cannot be memorized as they are.
    InputError
        If a number is out of its range, or the activation unknown.
    HypothesisError
        If the activation is not decent, or claims wrong constants.
    MemoryEstimateError
        If the machine has not enough memory.

    Notes
    -----
    Runs in the linear limit have the perceptron loss, those at a finite B the hinge loss, and a learning rate that
    falls geometrically.  The widths found are upper bounds: another seed, B or rate may do with fewer pairs.

    References
    ----------
    Daniely (2020), Section 3.3.

    Examples
    --------
    >>> import numpy as np, tightwidth as tw
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((64, 8)).astype(np.float32), rng.choice([-1.0, 1.0], 64)
    >>> budget = tw.capacity.Budget(tangent=400, choice=100, finite=400, finite_batch_size=16)
    >>> found = tw.capacity.smallest_widths(X, y, budget=budget)
    >>> len(found.tangent.widths), min(found.finite.found) < min(found.tangent.found)
    (3, True)
    """
    searching = smallest_widths_steps(X, y, activation=activation, seeds=seeds, budget=budget, seed=seed)
    return finished(searching)


def smallest_widths_steps(
    X: Any, y: Any, *, activation: str | Activation, seeds: int, budget: Budget | None, seed: int
) -> Generator[Searching, None, Capacity]:
    """Do what `smallest_widths` does, yielding how far it is; the result is the value of the generator."""
    budget = check_budget(budget)
    points, labels, sigma = check_sample(X, y, activation, seed)
    drawn = check_seeds(seeds, seed)
    m, d = points.shape
    check_search_size(
        m,
        d,
        points.itemsize,
        n_lanes=n_lanes(len(drawn)),
        batch_size=max(budget.batch_size, budget.finite_batch_size),
    )
    searching = search(points, labels, activation=sigma, seeds=drawn, budget=budget)
    return (yield from stepwise(searching, points))


def n_lanes(n_seeds: int) -> int:
    """Return how many runs of a search go side by side at most."""
    return max(len(SCALES) * len(RATES), n_seeds * CANDIDATES)


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
    choice = yield from _choose(trainer, seeds[0], narrow)
    candidates = [(run.output_scale, run.learning_rate) for run in choice[:CANDIDATES]]
    finite = yield from _bisect(trainer, "finite", seeds, narrow, candidates)
    return Capacity(trainer.m, trainer.d, tuple(seeds), choice, tangent, finite)


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


def _choose(trainer: _Trainer, seed: int, q: int) -> Generator[Searching, None, tuple[Attempt, ...]]:
    """Compare pairs (B, eta) by the share that short runs memorize: on a grid, then beside its best; best first."""
    n_steps, hinge = trainer.steps("choice"), losses.get("hinge")
    what, n_lanes = f"choosing B and eta at {q} pairs", len(SCALES) * len(RATES)

    def compare(points: list[tuple[float, float]]) -> Generator[Searching, None, list[Attempt]]:
        specs = [RunSpec(trainer.X, trainer.y, q, B, eta, n_steps, seed, COOLED * eta) for B, eta in points]
        finished = yield from trainer.run(specs, hinge, what, n_lanes, one_a_seed=False)
        runs = _attempts("choice", specs, finished)
        yield Searching(what, n_steps, n_steps, tuple(runs))
        return sorted(runs, key=_merit)

    coarse = yield from compare([(B, eta) for B in SCALES for eta in RATES])
    B, eta = coarse[0].output_scale, coarse[0].learning_rate
    finer = yield from compare([(B * FINER_SCALE**i, eta * FINER_RATE**j) for i, j in FINER])
    return tuple(sorted(coarse + finer, key=_merit))


def _merit(run: Attempt) -> tuple[float, int]:
    """Order runs by the share memorized, those that memorized everything by how soon."""
    return -run.fraction, run.n_steps


def _attempts(form: Purpose, specs: Sequence[RunSpec], finished: Sequence[Finished]) -> list[Attempt]:
    return [
        Attempt(form, spec.seed, spec.q, spec.B, spec.learning_rate, run.looks[-1].step, run.fraction)
        for spec, run in zip(specs, finished, strict=True)
    ]


def _bisect(
    trainer: _Trainer,
    form: Form,
    seeds: Sequence[int],
    first: int,
    candidates: Sequence[tuple[float, float]],
    tolerance: float = 0.0,
) -> Generator[Searching, None, Smallest]:
    """Bracket and bisect the smallest width of every seed, one round for all seeds side by side."""
    loss = losses.get("perceptron" if form == "tangent" else "hinge")
    n_steps, cooled = trainer.steps(form), None if form == "tangent" else COOLED
    too_few = dict.fromkeys(seeds, 0)
    enough: dict[int, int | None] = dict.fromkeys(seeds)
    networks: dict[int, Network | None] = dict.fromkeys(seeds)
    attempts: list[Attempt] = []
    n_lanes = len(seeds) * len(candidates)
    most = trainer.widest(n_lanes)
    while True:
        widths = {seed: _next_width(too_few[seed], enough[seed], first, most, tolerance) for seed in seeds}
        tried = {seed: q for seed, q in widths.items() if q is not None}
        if not tried:
            break
        numbers = ", ".join(str(q) for q in sorted(set(tried.values())))
        what = f"{'linear limit' if form == 'tangent' else 'finite B'}: {numbers} pairs"
        specs = [
            RunSpec(trainer.X, trainer.y, q, B, eta, n_steps, seed, cooled and cooled * eta)
            for seed, q in tried.items()
            for B, eta in candidates
        ]
        finished = yield from trainer.run(specs, loss, what, n_lanes)
        runs = _attempts(form, specs, finished)
        for seed, q in tried.items():
            done = [run.network for one, run in zip(runs, finished, strict=True) if one.seed == seed and one.is_enough]
            if done:
                enough[seed], networks[seed] = q, done[0]
            else:
                too_few[seed] = q
        attempts += runs
        yield Searching(what, n_steps, n_steps, tuple(runs))
    return smallest_of(form, tuple(seeds), tuple(attempts), tuple(networks.values()))


def _next_width(too_few: int, enough: int | None, first: int, most: int, tolerance: float) -> int | None:
    """Return the next width to try between one that failed (0: none yet) and one that worked; None: nothing is open."""
    if enough is None:
        q = first if too_few == 0 else max(too_few + 1, 3 * too_few // 2)
        return q if q <= most else None
    return None if enough - too_few <= max(1, tolerance * enough) else (too_few + enough) // 2
