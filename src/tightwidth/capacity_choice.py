"""Choose B and the learning rate of a search at a finite B: short runs on a grid, then beside its best point."""

import math
from collections.abc import Generator

from tightwidth import losses
from tightwidth.capacity_result import Attempt
from tightwidth.capacity_runs import COOLED, Searching, Trainer, attempts_of
from tightwidth.padded_runs import RunSpec

SCALES = (0.03, 0.1, 0.3, 1.0)  # B, from where gates move freely to where they begin to stick
RATES = (0.5, 2.0, 8.0)  # eta
FINER = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
FINER_SCALE, FINER_RATE = math.sqrt(10 / 3), 2.0


def choose(trainer: Trainer, seed: int, q: int) -> Generator[Searching, None, tuple[Attempt, ...]]:
    """Compare pairs (B, eta) by the share that short runs memorize: on a grid, then beside its best; best first."""
    n_steps, hinge = trainer.steps("choice"), losses.get("hinge")
    what, n_lanes = f"choosing B and eta at {q} pairs", len(SCALES) * len(RATES)

    def compare(points: list[tuple[float, float]]) -> Generator[Searching, None, list[Attempt]]:
        specs = [RunSpec(trainer.X, trainer.y, q, B, eta, n_steps, seed, COOLED * eta) for B, eta in points]
        finished = yield from trainer.run(specs, hinge, what, n_lanes, one_a_seed=False)
        runs = attempts_of("choice", specs, finished)
        yield Searching(what, n_steps, n_steps, tuple(runs))
        return sorted(runs, key=_merit)

    coarse = yield from compare([(B, eta) for B in SCALES for eta in RATES])
    B, eta = coarse[0].output_scale, coarse[0].learning_rate
    finer = yield from compare([(B * FINER_SCALE**i, eta * FINER_RATE**j) for i, j in FINER])
    return tuple(sorted(coarse + finer, key=_merit))


def _merit(run: Attempt) -> tuple[float, int]:
    """Order runs by the share memorized, those that memorized everything by how soon."""
    return -run.fraction, run.n_steps
