"""Search for the smallest width with progress, and record what was found."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tightwidth import activations
from tightwidth.capacity import n_lanes, smallest_widths_steps
from tightwidth.capacity_request import Budget, check_epochs, check_search_size, check_seeds, check_some_width_can
from tightwidth.capacity_result import Attempt, Form, smallest_of
from tightwidth.capacity_runs import COOLED, Searching
from tightwidth.cli import interrupts
from tightwidth.cli.memorize_data import Sample
from tightwidth.cli.memorize_found import counted
from tightwidth.cli.progress import StepProgress
from tightwidth.network import n_parameters
from tightwidth.records.search import AttemptRecord, SearchRecord, SmallestRecord

SEEDS = 3
NAMES: dict[Form, str] = {"tangent": "linear limit", "finite": "finite B"}
LOSSES: dict[Form, str] = {"tangent": "perceptron", "finite": "hinge"}


@dataclass(frozen=True)
class Wanted:
    """Hold what was asked for: the seeds, and how long runs may be."""

    seeds: tuple[int, ...]
    budget: Budget


def check(*, seeds: int | None, epochs: int | None, seed: int) -> Wanted:
    """Return what was asked for.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    budget = Budget() if epochs is None else check_epochs(epochs)
    return Wanted(check_seeds(SEEDS if seeds is None else seeds, seed), budget)


def check_sample(sample: Sample, wanted: Wanted, *, activation: str) -> None:
    """Raise before anything is run if the search can find nothing, or needs more memory than there is."""
    check_some_width_can(sample.X, sample.y, activations.get(activation))
    m, d = sample.X.shape
    lanes, batch_size = n_lanes(len(wanted.seeds)), max(wanted.budget.batch_size, wanted.budget.finite_batch_size)
    check_search_size(m, d, sample.X.itemsize, n_lanes=lanes, batch_size=batch_size)


def run(sample: Sample, wanted: Wanted, *, activation: str, quiet: bool) -> SearchRecord:
    """Search, showing progress, and return the record of what was found, also after Ctrl-C."""
    started, attempts, finished = time.perf_counter(), [], False
    searching = smallest_widths_steps(
        sample.X,
        sample.y,
        activation=activation,
        seeds=len(wanted.seeds),
        budget=wanted.budget,
        seed=wanted.seeds[0],
    )
    try:
        _show(searching, attempts, quiet=quiet)
        finished = True
    except KeyboardInterrupt:
        pass
    return SearchRecord(
        seeds=wanted.seeds,
        finished=finished,
        tangent=_smallest("tangent", sample, wanted, attempts),
        finite=_smallest("finite", sample, wanted, attempts),
        attempts=tuple(
            AttemptRecord(**{name: getattr(one, name) for name in AttemptRecord.model_fields}) for one in attempts
        ),
        seconds=time.perf_counter() - started,
    )


def _show(searching: Iterable[Searching], attempts: list[Attempt], *, quiet: bool) -> None:
    """Go through the search with a bar for every round, and collect the attempts."""
    progress, what = StepProgress(quiet=quiet, doing="searching"), ""
    progress.say("searching for the fewest pairs")
    progress.wait("compiling the first runs")
    try:
        for event in searching:
            interrupts.check()
            if event.what != what:
                progress.__exit__(None, None, None)
                progress, what = StepProgress(quiet=quiet, doing=event.what), event.what
            if not event.attempts:
                progress.steps(event.done, event.planned, _found(attempts))
                continue
            attempts += event.attempts
            progress.__exit__(None, None, None)
            progress.say(f"  {event.what}: {_round(event.attempts)}")
    finally:
        progress.__exit__(None, None, None)


def _round(attempts: tuple[Attempt, ...]) -> str:
    """Return what one round came to, such as "enough for 2 of 3 seeds; 99.90% at best for the others"."""
    if attempts[0].form == "choice":
        best = min(attempts, key=lambda one: (-one.fraction, one.n_steps))
        return f"{best.fraction:.2%} memorized with B = {best.output_scale:.2g}, learning rate {best.learning_rate:.2g}"
    seeds = {one.seed for one in attempts}
    served = {one.seed for one in attempts if one.is_enough}
    rest = [one.fraction for one in attempts if one.seed not in served]
    text = f"enough for {len(served)} of {counted(len(seeds))}"
    others = " for the others" if served else ""
    return text if not rest else f"{text}; {max(rest):.2%} memorized at best{others}"


def _found(attempts: list[Attempt]) -> str:
    """Return the fewest pairs found so far, form by form."""
    widths = {form: [one.n_pairs for one in attempts if one.counts_for(form) and one.is_enough] for form in NAMES}
    so_far = [f"{name} {min(widths[form])} pairs" for form, name in NAMES.items() if widths[form]]
    return f"so far {', '.join(so_far)}" if so_far else "none found so far"


def _smallest(form: Form, sample: Sample, wanted: Wanted, attempts: list[Attempt]) -> SmallestRecord:
    """Return the record of one form, from what was run of it so far."""
    (m, d), budget = sample.X.shape, wanted.budget
    smallest = smallest_of(form, wanted.seeds, tuple(attempts), ())
    best, found = smallest.best, smallest.found
    parameters = None if best is None else n_parameters(best.n_pairs, d)
    cooled = 1.0 if form == "tangent" else COOLED
    return SmallestRecord(
        widths=smallest.widths,
        smallest=None if best is None else best.n_pairs,
        n_parameters=parameters,
        parameters_per_sample=None if parameters is None else parameters / m,
        low=min(found, default=None),
        high=max(found, default=None),
        seed=None if best is None else best.seed,
        output_scale=None if best is None else best.output_scale,
        learning_rate=None if best is None else best.learning_rate,
        learning_rate_last=None if best is None else best.learning_rate * cooled,
        n_steps=None if best is None else best.n_steps,
        loss=LOSSES[form],
        batch_size=budget.batch_of(form),
        n_epochs=budget.tangent if form == "tangent" else budget.finite,
    )
