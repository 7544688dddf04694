"""Fit the depth-two estimators to rows of any length: constant memory, several passes, and taken up after a kill.

All rows are read once before (`survey`), for what standardises the columns, the classes, the width, and whatever is
wrong with them.  Then each pass reads them in random order, the next group while the device computes with this one.
"""

import math
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

from tightwidth.data.rows import RowSource, Survey, open_rows, survey
from tightwidth.data.rows.batches import BatchRows
from tightwidth.errors import InputError
from tightwidth.estimators.depth_two_base import DepthTwo
from tightwidth.estimators.depth_two_classifier import DepthTwoClassifier
from tightwidth.estimators.stream_run import SECONDS_A_LOOK, StreamProgress, StreamRun

Estimator = TypeVar("Estimator")


def fit_stream(
    estimator: Estimator,
    source: Any,
    *,
    progress: Callable[[StreamProgress], Any] | None = None,
    **settings: Any,
) -> Estimator:
    """Fit a depth-two estimator to a file, or to an iterator of batches, of any length.

    Parameters
    ----------
    estimator
        A `DepthTwoClassifier` or `DepthTwoRegressor`; its parameters count but for ``n_steps``, ``warm_start``,
        ``verbose`` and early stopping.
    source
        The path of a file or the name of a built-in set, as for `tightwidth.data.load`; a list of batches ``(X, y)``,
        anything whose ``iter()`` starts anew, or a function that returns an iterator of batches.
    progress
        Called with a `StreamProgress` now and then.
    settings
        Those of `fit_stream_steps`.

    Returns
    -------
    estimator
        Fitted.

    Raises
    ------
    InputError
        If a parameter is out of its range, or the checkpoint belongs to another job.
    DataError
        If the rows cannot be used, or change between two passes.
    MemoryEstimateError
        If the networks would not fit in memory.

    Notes
    -----
    Memory holds the networks, and rows as many as the buffer three times.  The same call gives the same bits, with or
    without a kill between.

    Examples
    --------
    >>> from tightwidth.estimators import DepthTwoClassifier
    >>> model = fit_stream(DepthTwoClassifier(random_state=0), "breast_cancer", n_passes=5)
    >>> model.certificate_.misses < 0.2
    True
    """
    steps = fit_stream_steps(estimator, source, **settings)
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            return stop.value
        if progress is not None:
            progress(event)


def fit_stream_steps(
    estimator: Estimator,
    source: Any,
    *,
    target: str | int | None = None,
    labels: str | Path | None = None,
    n_passes: int | str = "auto",
    buffer_rows: int | str = "auto",
    dtype: Any = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 60.0,
    anew: bool = False,
) -> Generator[StreamProgress, None, Estimator]:
    """Fit as `fit_stream`, yielding how far it is a few times a second.

    Parameters
    ----------
    estimator, source
        As for `fit_stream`.
    target, labels
        Which column of a file is the target, or a file of them: as for `tightwidth.data.load`.
    n_passes
        How often every row is learnt from.  "auto": once, files of less than a million rows as often as makes a
        million, at most 40 times.
    buffer_rows
        How many rows are shuffled at a time; "auto" is 65,536, fewer of long rows.
    dtype
        float32 or float64; None for that of the rows.
    checkpoint
        Where to keep how far the run is.  A run that was stopped goes on from there; a finished one is not run again.
    checkpoint_seconds
        How often it is written.
    anew
        Whether to begin from the start even though there is a checkpoint.
    """
    _check(estimator, n_passes, buffer_rows, checkpoint_seconds)
    rows = source if isinstance(source, RowSource) else _opened(source, target, labels)
    known = yield from _surveyed(rows, estimator)
    fit = StreamRun.of(estimator, rows, known, n_passes, buffer_rows, dtype)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and not anew:
        fit.go_on(path)
    yield from fit.run(path, checkpoint_seconds)
    fit.keep()
    return estimator


def _check(estimator: Any, n_passes: Any, buffer_rows: Any, checkpoint_seconds: float) -> None:
    if not isinstance(estimator, DepthTwo):
        message = f"a stream is fitted by a DepthTwoClassifier or DepthTwoRegressor, not by {type(estimator).__name__}"
        raise InputError(message)
    for name, value in (("n_passes", n_passes), ("buffer_rows", buffer_rows)):
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            message = f"{name}={value!r} must be 'auto' or a whole number of at least 1"
            raise InputError(message)
    if not checkpoint_seconds >= 0:
        message = f"checkpoint_seconds={checkpoint_seconds!r} must be a number of at least 0"
        raise InputError(message)
    for name, only in (("n_steps", "auto"), ("early_stopping", False)):
        if getattr(estimator, name) != only:
            message = (
                f"{name}={getattr(estimator, name)!r} is not for streams, whose length is n_passes and whose misses "
                f"are counted before rows are learnt from; give {name}={only!r}"
            )
            raise InputError(message)
    estimator._checked()


def _opened(source: Any, target: Any, labels: Any) -> RowSource:
    if isinstance(source, str | Path):
        return open_rows(source, target=target, labels=labels)
    if target is not None or labels is not None:
        message = "target and labels are for files; batches are pairs (X, y); drop them"
        raise InputError(message)
    return BatchRows(source)


def _surveyed(rows: RowSource, estimator: Any) -> Generator[StreamProgress, None, Survey]:
    reading = survey(rows, is_classes=isinstance(estimator, DepthTwoClassifier), seed=estimator._split_seed())
    began = looked = time.perf_counter()
    while True:
        try:
            n = next(reading)
        except StopIteration as stop:
            return stop.value
        if time.perf_counter() - looked > SECONDS_A_LOOK:
            looked = time.perf_counter()
            yield StreamProgress("survey", n, None, 0, 0, math.nan, None, n / (looked - began))
