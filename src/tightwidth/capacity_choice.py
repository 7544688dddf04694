"""Choose B and the learning rate of a search at a finite B: short runs on a grid, then beside its best point."""

import math
from collections.abc import Generator
from dataclasses import dataclass

from tightwidth import losses
from tightwidth.capacity_result import Attempt
from tightwidth.capacity_runs import COOLED, Searching, Trainer, attempts_of
from tightwidth.network import Network
from tightwidth.padded_runs import RunSpec

SCALES = (0.03, 0.1, 0.3, 1.0)  # B, from where gates move freely to where they begin to stick
RATES = (0.5, 2.0, 8.0)  # eta
FINER = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
FINER_SCALE, FINER_RATE = math.sqrt(10 / 3), 2.0


@dataclass(frozen=True, eq=False)
class Choice:
    """Hold the runs that were compared, best first, and the network of the best."""

    attempts: tuple[Attempt, ...]
    network: Network

    def candidates(self, n: int) -> list[tuple[float, float]]:
        """Return the n best pairs (B, eta)."""
        return [(run.output_scale, run.learning_rate) for run in self.attempts[:n]]


def choose(trainer: Trainer, seed: int, q: int) -> Generator[Searching, None, Choice]:
    """Compare pairs (B, eta) by the share that short runs memorize: on a grid, then beside its best; best first."""
    n_steps, hinge = trainer.steps("choice"), losses.get("hinge")
    what, n_lanes = f"choosing B and eta at {q} pairs", len(SCALES) * len(RATES)

    def compare(points: list[tuple[float, float]]) -> Generator[Searching, None, list[tuple[Attempt, Network]]]:
        specs = [RunSpec(trainer.X, trainer.y, q, B, eta, n_steps, seed, COOLED * eta) for B, eta in points]
        finished = yield from trainer.run(specs, hinge, what, n_lanes, one_a_seed=False)
        runs = attempts_of("choice", specs, finished)
        yield Searching(what, n_steps, n_steps, tuple(runs))
        return sorted(zip(runs, (one.network for one in finished), strict=True), key=_merit)

    coarse = yield from compare([(B, eta) for B in SCALES for eta in RATES])
    best, _ = coarse[0]
    B, eta = best.output_scale, best.learning_rate
    finer = yield from compare([(B * FINER_SCALE**i, eta * FINER_RATE**j) for i, j in FINER])
    ranked = sorted(coarse + finer, key=_merit)
    return Choice(tuple(run for run, _ in ranked), ranked[0][1])


def _merit(ran: tuple[Attempt, Network]) -> tuple[float, int]:
    """Order runs by the share memorized, those that memorized everything by how soon."""
    run, _ = ran
    return -run.fraction, run.n_steps
