"""Run `memorize` with progress."""

from typing import Any

from tightwidth.cli import interrupts
from tightwidth.cli.memorize_data import Sample
from tightwidth.cli.progress import StepProgress
from tightwidth.memorization import Event, Planned, Tried, memorize_steps
from tightwidth.memorization_request import check_run, check_settings
from tightwidth.memorization_result import MemorizeResult
from tightwidth.memorization_run import Running


def check(settings: dict[str, Any]) -> None:
    """Raise, before any data are loaded, if a setting is unknown or out of its range."""
    ending = {name: settings[name] for name in ("target_fraction", "stop")}
    check_run(**ending)
    check_settings(**{name: value for name, value in settings.items() if name not in ending})


def run(sample: Sample, settings: dict[str, Any], *, quiet: bool) -> MemorizeResult:
    """Memorize the sample, showing progress."""
    events = memorize_steps(sample.X, sample.y, **settings)
    (m, d), seen = sample.X.shape, []
    with StepProgress(quiet=quiet) as progress:
        progress.wait(f"{sample.name}: choosing the width")
        try:
            while True:
                event = next(events)
                if not seen:
                    progress.say(f"{sample.name}: {m:,} points in {d} dimensions")
                seen.append(event)
                interrupts.check()
                _show(event, progress)
        except StopIteration as end:
            return end.value
        except KeyboardInterrupt:
            progress.say(_what_is_finished(seen))
            raise


def _show(event: Event, progress: StepProgress) -> None:
    if isinstance(event, Tried):
        trial = event.trial
        found = "no certificate" if trial.n_steps is None else f"certified by about {trial.n_steps:,} steps"
        progress.say(f"  width {trial.n_pairs} pairs: {found}")
        progress.wait("choosing the width")
    elif isinstance(event, Planned):
        plan = event.plan
        progress.say(f"  {plan.search_ended}")
        progress.say(
            f"  running {plan.n_pairs} pairs for at most {plan.n_steps:,} steps of {plan.batch_size} points, "
            f"learning rate {plan.learning_rate:.3g}"
        )
        progress.wait("compiling the steps")
    else:
        progress.steps(event.point.step, event.n_steps, f"{event.point.fraction:.2%} memorized")


def _what_is_finished(seen: list[Event]) -> str:
    """Return, for a run that was interrupted, how far it came and how to run on without the search."""
    plans = [event.plan for event in seen if isinstance(event, Planned)]
    if not plans:
        tried = ", ".join(str(event.trial.n_pairs) for event in seen if isinstance(event, Tried))
        return f"interrupted in the search for a width (tried: {tried or 'none'}); give --pairs to leave it out"
    plan, looks = plans[-1], [event.point for event in seen if isinstance(event, Running)]
    how_far = (
        f"after {looks[-1].step:,} steps, {looks[-1].fraction:.2%} memorized" if looks else "before the first step"
    )
    options = f"--pairs {plan.n_pairs} --steps {plan.n_steps} --batch-size {plan.batch_size}"
    return (
        f"interrupted {how_far}; the search is done: {options} --learning-rate {plan.learning_rate!r} repeats the run"
    )
