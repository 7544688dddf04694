"""The smallest width at which training memorizes a sample: what was found, where theorems only bound (section 3.3).

Two networks are sought.  In the linear limit the path of the perceptron does not depend on its rate, and nothing has to
be chosen.  At a finite B the gates move, and fewer parameters than points are enough, if B and the learning rate suit:
they are chosen first, by short runs on a small grid and on its best point's neighbours.  Both widths are then bisected
for several seeds, each of which draws its own weights and batches; the seeds of a round are run side by side.
"""

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.capacity_bisection import bisect
from tightwidth.capacity_choice import RATES, SCALES, choose
from tightwidth.capacity_request import Budget, check_budget, check_sample, check_search_size, check_seeds
from tightwidth.capacity_result import Capacity, Smallest, smallest_of
from tightwidth.capacity_runs import Searching, Trainer
from tightwidth.long_jobs import finished
from tightwidth.precision import stepwise

CANDIDATES = 4  # pairs of B and eta that each seed tries: whether a last dead point comes alive is a matter of luck
CHOSEN_AT = 0.35  # of the width of the linear limit


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
        How long runs may be; None: ``Budget()``.  A width counts as enough if a run, be it one that is to choose B and
        the learning rate, memorizes everything within its budget: with more epochs fewer pairs may do.
    seed
        The first of the seeds; the others follow it.

    Returns
    -------
    Capacity
        For each form the width found for every seed, the networks, and what was tried.

    Raises
    ------
    DataError
        If the data cannot be memorized as they are, or with this activation at no width.
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
    >>> X, y = rng.standard_normal((48, 8)).astype(np.float32), rng.choice([-1.0, 1.0], 48)
    >>> budget = tw.capacity.Budget(tangent=100, choice=25, finite=100, batch_size=16, finite_batch_size=16)
    >>> found = tw.capacity.smallest_widths(X, y, seeds=1, budget=budget)
    >>> len(found.tangent.widths), found.finite.found < found.tangent.found
    (1, True)
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
        How long runs may be.  A width counts as enough if a run, be it one that is to choose B and the learning rate,
        memorizes everything within its budget: with more epochs fewer pairs may do.

    Returns
    -------
    Capacity
        The value of the generator.

    Notes
    -----
    A bisection takes it that what a width can do a larger one can do too, which training makes likely and not certain.
    """
    trainer = Trainer(X, y, activation, budget or Budget())
    tangent = yield from tangent_width(X, y, activation=activation, seeds=seeds, budget=budget)
    if trainer.no_width_can("finite"):
        none = smallest_of("finite", tuple(seeds), (), (None,) * len(seeds))
        return Capacity(trainer.m, trainer.d, tuple(seeds), (), tangent, none)
    narrow = max(1, round(CHOSEN_AT * max(tangent.found, default=2 * math.ceil(trainer.m / trainer.d))))
    choice = yield from choose(trainer, seeds[0], narrow)
    finite = yield from bisect(trainer, "finite", seeds, narrow, choice.candidates(CANDIDATES), choice=choice)
    return Capacity(trainer.m, trainer.d, tuple(seeds), choice.attempts, tangent, finite)


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
    trainer = Trainer(X, y, activation, budget or Budget())
    first = max(1, math.ceil(trainer.m / trainer.d))
    return (yield from bisect(trainer, "tangent", seeds, first, [(math.inf, 1.0)], tolerance))
