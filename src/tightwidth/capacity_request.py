"""Check what a search for the smallest width was given, once, before anything is run."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.capacity_result import Purpose
from tightwidth.errors import DataError, InputError
from tightwidth.linear_separation import no_width_can
from tightwidth.memorization_request import LARGEST_SEED, check_contradictions, check_points, check_settings
from tightwidth.memory import USABLE_SHARE, check_fits, machine_memory
from tightwidth.padded_runs import STEPS_DRAWN, Shape, padded_size

MOST_EPOCHS = 10**6
MOST_SEEDS = 1000
WIDEST = 64.0  # times m/d, and pairs at least: where a search gives up


@dataclass(frozen=True)
class Budget:
    """Hold how long runs may be, in epochs, and how they step.

    ``tangent`` and ``finite`` are the lengths of the runs that decide about a width, ``choice`` that of those which
    choose B and eta.  Runs at a finite B step on batches of ``finite_batch_size``: the larger they are, the larger the
    learning rates at which gates still settle, and large rates revive points whose gates are all shut.
    """

    tangent: int = 800
    choice: int = 800
    finite: int = 3000
    batch_size: int = 64
    finite_batch_size: int = 128

    @classmethod
    def of_epochs(cls, finite: int) -> "Budget":
        """Return the usual budget, stretched until the runs at a finite B have so many epochs.

        Examples
        --------
        >>> Budget.of_epochs(6000).tangent
        1600
        """
        tangent, choice = (max(1, round(finite * part / cls.finite)) for part in (cls.tangent, cls.choice))
        return cls(tangent, choice, finite)

    def batch_of(self, purpose: Purpose) -> int:
        """Return the points a step of a run."""
        return self.batch_size if purpose == "tangent" else self.finite_batch_size

    def n_steps(self, purpose: Purpose, m: int) -> int:
        """Return the steps in which a run draws its epochs of m points."""
        return math.ceil(getattr(self, purpose) * m / self.batch_of(purpose))


def check_seeds(seeds: Any, seed: int) -> tuple[int, ...]:
    """Return the seeds of a search: so many from ``seed`` on.

    Raises
    ------
    InputError
        If their number is out of range, or they go beyond the largest seed.
    """
    if not _is_whole(seeds) or not 1 <= seeds <= MOST_SEEDS:
        message = (
            f"seeds={seeds!r} must be a whole number from 1 to {MOST_SEEDS}; each draws weights for a search of its own"
        )
        raise InputError(message)
    if seed + seeds - 1 > LARGEST_SEED:
        message = f"seed={seed} and the {seeds - 1} after it go beyond {LARGEST_SEED}; give a smaller seed"
        raise InputError(message)
    return tuple(range(int(seed), int(seed) + int(seeds)))


def check_budget(budget: Budget | None) -> Budget:
    """Return the budget, or the usual one for None.

    Raises
    ------
    InputError
        If one of its numbers is no whole number of at least 1, or a run would be longer than a million epochs.
    """
    budget = Budget() if budget is None else budget
    for name in ("tangent", "choice", "finite", "batch_size", "finite_batch_size"):
        value = getattr(budget, name)
        if not _is_whole(value) or not 1 <= value <= MOST_EPOCHS:
            what = "points a step" if "batch_size" in name else "epochs"
            message = f"budget.{name}={value!r} must be a whole number of {what} from 1 to {MOST_EPOCHS}; give one"
            raise InputError(message)
    return budget


def check_epochs(epochs: Any) -> Budget:
    """Return the usual budget stretched to so many epochs at a finite B.

    Raises
    ------
    InputError
        If it is no whole number from 1 to a million.
    """
    if not _is_whole(epochs) or not 1 <= epochs <= MOST_EPOCHS:
        message = (
            f"epochs={epochs!r} must be a whole number from 1 to {MOST_EPOCHS}; it is how long a width is tried at a "
            f"finite B, usually {Budget.finite}"
        )
        raise InputError(message)
    return Budget.of_epochs(int(epochs))


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_sample(
    X: Any, y: Any, activation: str | Activation, seed: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"], Activation]:
    """Return unit rows, labels and the activation, if both forms of the network can tell the points apart.

    Raises
    ------
    DataError
        If the data cannot be memorized as they are, or with this activation at no width.
    InputError
        If the activation is unknown, or the seed out of its range.
    HypothesisError
        If the activation is not decent, or claims wrong constants.
    """
    points, labels = check_points(X, y)
    for scale in (math.inf, 1.0):
        settings = check_settings(
            n_pairs="auto",
            output_scale=scale,
            activation=activation,
            loss="hinge",
            batch_size="auto",
            n_steps="auto",
            learning_rate="auto",
            epsilon=0.05,
            seed=seed,
        )
        check_contradictions(points, labels, settings)
    check_some_width_can(points, labels, settings.activation)
    return points, labels, settings.activation


def check_some_width_can(X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], activation: Activation) -> None:
    """Raise if it is certain that no width memorizes the sample, not at a finite B and so not in its limit either.

    Raises
    ------
    DataError
        With what stands in the way.
    """
    if no_width_can(X, y, activation, 1.0):
        message = (
            f"with {activation.name} every network is a linear predictor, whatever its width, and none separates these "
            f"{len(X)} points in {X.shape[1]} dimensions: no width is to be found; take another activation, for "
            f"example relu"
        )
        raise DataError(message)


def lane_bytes(shape: Shape, itemsize: int, batch_size: int) -> float:
    """Estimate the memory of one of the runs side by side: sample, gates and temporaries, weights, draws."""
    M, D, Q = shape.M, shape.D, shape.Q
    gates = M * Q * (6.0 * itemsize + 16.0)  # pre-activations in float64 once, and what a look at the sample holds
    return M * D * (2.0 * itemsize + 8.0) + gates + 8.0 * itemsize * Q * D + 8.0 * STEPS_DRAWN * batch_size


def check_search_size(m: int, d: int, itemsize: int, *, n_lanes: int, batch_size: int) -> None:
    """Raise before the search if its first runs would not fit into the memory.

    Raises
    ------
    MemoryEstimateError
        With what they need.
    """
    q = padded_size(max(1, 2 * math.ceil(m / d)))
    check_fits(
        n_lanes * lane_bytes(Shape(m, d, q, n_lanes), itemsize, batch_size) + 1e8,
        f"the search with {n_lanes} runs of {m} points in {d} dimensions side by side",
        "take fewer points, fewer seeds or float32",
    )


def widest(m: int, d: int, itemsize: int, *, n_lanes: int, batch_size: int) -> int:
    """Return where a search gives up: at 64 m/d pairs, or at the last power of 2 that fits into the memory."""
    most = math.ceil(WIDEST * max(1.0, m / d))
    room = USABLE_SHARE * machine_memory()
    while most > 1 and n_lanes * lane_bytes(Shape(m, d, padded_size(most), n_lanes), itemsize, batch_size) > room:
        most //= 2
    return most
