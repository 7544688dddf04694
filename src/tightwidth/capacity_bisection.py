"""Bracket and bisect the smallest width: every seed on its own, the runs of a round side by side."""

from collections.abc import Generator, Sequence

from tightwidth import losses
from tightwidth.capacity_choice import Choice
from tightwidth.capacity_result import Attempt, Form, Smallest, smallest_of
from tightwidth.capacity_runs import COOLED, Searching, Trainer, attempts_of
from tightwidth.network import Network
from tightwidth.padded_runs import RunSpec


def bisect(
    trainer: Trainer,
    form: Form,
    seeds: Sequence[int],
    first: int,
    candidates: Sequence[tuple[float, float]],
    tolerance: float = 0.0,
    choice: Choice | None = None,
) -> Generator[Searching, None, Smallest]:
    """Bracket and bisect the smallest width of every seed, one round for all seeds side by side.

    Nothing is run where it is certain that no width can.  A choosing run that memorized everything has shown that its
    width is enough for its seed.
    """
    loss = losses.get("perceptron" if form == "tangent" else "hinge")
    n_steps, cooled = trainer.steps(form), None if form == "tangent" else COOLED
    too_few = dict.fromkeys(seeds, 0)
    enough: dict[int, int | None] = dict.fromkeys(seeds)
    networks: dict[int, Network | None] = dict.fromkeys(seeds)
    attempts: list[Attempt] = []
    if choice is not None and choice.attempts[0].is_enough:
        best = choice.attempts[0]
        enough[best.seed], networks[best.seed] = best.n_pairs, choice.network
        attempts += choice.attempts
    n_lanes = len(seeds) * len(candidates)
    most = 0 if trainer.no_width_can(form) else trainer.widest(n_lanes)
    while True:
        widths = {seed: next_width(too_few[seed], enough[seed], first, most, tolerance) for seed in seeds}
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
        runs = attempts_of(form, specs, finished)
        for seed, q in tried.items():
            done = [run.network for one, run in zip(runs, finished, strict=True) if one.seed == seed and one.is_enough]
            if done:
                enough[seed], networks[seed] = q, done[0]
            else:
                too_few[seed] = q
        attempts += runs
        yield Searching(what, n_steps, n_steps, tuple(runs))
    return smallest_of(form, tuple(seeds), tuple(attempts), tuple(networks.values()))


def next_width(too_few: int, enough: int | None, first: int, most: int, tolerance: float) -> int | None:
    """Return the next width to try between one that failed (0: none yet) and one that worked; None: nothing is open."""
    if enough is None:
        q = first if too_few == 0 else max(too_few + 1, 3 * too_few // 2)
        return q if q <= most else None
    return None if enough - too_few <= max(1, tolerance * enough) else (too_few + enough) // 2
