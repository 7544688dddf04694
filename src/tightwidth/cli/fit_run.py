"""Run `fit_stream` with progress, write the model, and report what came out."""

import time
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import typer

from tightwidth import __version__, models
from tightwidth.cli import interrupts
from tightwidth.cli.progress import StepProgress
from tightwidth.errors import InputError
from tightwidth.estimators import DepthTwoClassifier, DepthTwoRegressor
from tightwidth.estimators.stream_fit import fit_stream_steps
from tightwidth.estimators.stream_run import StreamProgress, StreamWarning
from tightwidth.network import n_parameters
from tightwidth.records.fit import FitRecord
from tightwidth.shared_run import CUT

MEASURES = {"classify": "wrong before they were learnt from", "regress": "mean loss before they were learnt from"}


def run(
    data: str, *, task: str, output: Path, parameters: dict[str, Any], settings: dict[str, Any], quiet: bool
) -> FitRecord:
    """Fit, write the model, delete the checkpoint, and return the record.

    Raises
    ------
    InputError
        If the seed is out of its range, or what was learnt is not finite.
    """
    if not 0 <= parameters["random_state"] < 2**32:
        message = f"seed={parameters['random_state']} must be a whole number from 0 to {2**32 - 1}"
        raise InputError(message)
    estimator = (DepthTwoClassifier if task == "classify" else DepthTwoRegressor)(**parameters)
    checkpoint: Path = settings["checkpoint"]
    began = time.perf_counter()
    with StepProgress(quiet=quiet, unit="rows", at_most=False) as progress, warnings.catch_warnings():
        warnings.simplefilter("default", StreamWarning)
        warnings.showwarning = lambda message, *_args, **_more: progress.say(f"note: {message}")
        goes_on = checkpoint.exists() and not settings["anew"]
        rate = None  # of rows in this run, where earlier ones have learnt from a part of them
        steps = fit_stream_steps(estimator, data, **settings)
        try:
            while True:
                event = next(steps)
                interrupts.check()
                if goes_on and event.doing == "fit":  # the checkpoint is of this job
                    progress.say(f"going on from {checkpoint}")
                    goes_on, rate = False, event.rows_per_second
                elif rate is not None:
                    rate = event.rows_per_second
                _show(event, progress, task)
        except StopIteration as end:
            estimator = end.value
        except KeyboardInterrupt:
            steps.close()
            if checkpoint.exists():
                progress.say(f"interrupted; {checkpoint} keeps how far the run is: the same command goes on from there")
            raise
    if not all(np.isfinite(array).all() for array in (estimator.certificate_.misses, *estimator.trained_)):
        checkpoint.unlink(missing_ok=True)
        message = "the loss is not finite: the rate was too large; give a smaller --learning-rate, or auto"
        raise InputError(message)
    models.save(estimator, output)
    checkpoint.unlink(missing_ok=True)
    seconds = time.perf_counter() - began
    if rate is None:
        rate = estimator.n_rows_ * estimator.n_passes_ / seconds
    return _record(estimator, data, task, output, seconds, rate)


def _show(event: StreamProgress, progress: StepProgress, task: str) -> None:
    if event.doing == "survey":
        progress.wait(f"reading: {event.rows:,} rows, {event.rows_per_second:,.0f} rows/s")
        return
    assert event.of is not None
    note = _measure(task, event.misses)
    if event.interval is not None:
        note += f" ({_number(task, event.interval.low)} to {_number(task, event.interval.high)})"
    if event.n_passes > 1:
        note += f", pass {event.which + 1} of {event.n_passes}"
    progress.steps(event.rows, event.of, note)


def _measure(task: str, misses: float) -> str:
    return f"{_number(task, misses)} wrong" if task == "classify" else f"loss {_number(task, misses)}"


def _number(task: str, misses: float) -> str:
    return f"{misses:.2%}" if task == "classify" else f"{CUT * misses:.4f}"


def _record(estimator: Any, data: str, task: Any, output: Path, seconds: float, rate: float) -> FitRecord:
    plan, said = estimator.plan_, estimator.certificate_
    q, d = estimator.W_half_.shape
    K = len(plan.norms)
    scale = 1.0 if task == "classify" else CUT
    return FitRecord(
        data=data,
        task=task,
        model=str(output),
        n_rows=estimator.n_rows_,
        n_features=estimator.n_features_in_,
        n_outputs=K,
        n_pairs=q,
        n_parameters=K * n_parameters(q, d),
        activation=str(estimator.activation),
        loss=str(estimator.loss),
        output_scale=float(estimator.output_scale),
        batch_size=plan.batch_size,
        n_passes=estimator.n_passes_,
        n_steps=estimator.n_steps_,
        learning_rate=plan.learning_rate,
        online_mean=scale * said.misses,
        online_low=scale * said.misses_interval.low,
        online_high=scale * said.misses_interval.high,
        reasons=plan.reasons,
        dtype=str(np.dtype(estimator.W_half_.dtype)),
        seed=int(estimator.random_state),
        seconds=seconds,
        rows_per_second=rate,
        device=jax.devices()[0].device_kind,
        version=__version__,
    )


def print_report(record: FitRecord) -> None:
    """Print what was learnt from, what was run and why, and what the run says of itself."""
    out = 1.0 if record.task == "classify" else CUT
    shown = [_number(record.task, value / out) for value in (record.online_mean, record.online_low, record.online_high)]
    lines = [
        f"{record.n_rows:,} rows with {record.n_features} features, {record.n_passes} "
        f"pass{'es' if record.n_passes > 1 else ''} in {record.seconds:.1f} s ({record.rows_per_second:,.0f} rows/s)",
        f"{record.n_outputs} output{'s' if record.n_outputs > 1 else ''} of {record.n_pairs} pairs, "
        f"{record.n_parameters:,} parameters, B = {record.output_scale:g}, {record.activation}, {record.loss}",
        f"{MEASURES[record.task]}, first pass: {shown[0]} (95%: {shown[1]} to {shown[2]})",
        *(f"{name.replace('_', ' ')} {reason}" for name, reason in record.reasons.items()),
        f"wrote {record.model}",
    ]
    for line in lines:
        typer.echo(line)
