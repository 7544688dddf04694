"""A fit of a stream between its survey and its end: what comes next, and what is kept on the way."""

import dataclasses
import math
import time
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from tightwidth.data.rows.order import default_buffer, groups_of_pass
from tightwidth.data.rows.source import RowSource
from tightwidth.data.rows.survey import Survey
from tightwidth.data.rows.targets import Classes
from tightwidth.errors import InputError
from tightwidth.estimators.compiled_ahead import compiled_ahead
from tightwidth.estimators.fit_plan import FitPlan, plan_fit
from tightwidth.estimators.inputs import Inputs
from tightwidth.estimators.kept_state import kept_state, restored_state
from tightwidth.estimators.stream_checkpoint import Checkpoint, Position, check_job, job_of
from tightwidth.estimators.stream_data import GroupData, GroupLoader, Targets, steps_of_chunk
from tightwidth.estimators.training import online_misses, settings_of
from tightwidth.online_loss import Interval, OnlineLoss
from tightwidth.shared_run import SharedState

FEW_ROWS = 1 << 20  # as many are learnt from if the number of passes is left open, and the file has fewer
MOST_PASSES = 40
SECONDS_A_LOOK = 0.3
FAST_BATCH = 256  # rows at which the products of a step are near their full speed
MANY_STEPS = 1000  # of such batches in a pass: then larger batches than d/R^2 cost little accuracy


class StreamWarning(UserWarning):
    """Say what a fit of a stream could not do, or what is to be known of its rows."""


class StreamProgress(NamedTuple):
    """Say how far a fit of a stream is.

    Attributes
    ----------
    doing
        "survey" or "fit".
    rows, of
        Rows read, or learnt from, of so many in all passes; None where that is not known.
    which, n_passes
        The pass, from 0, and the number of passes.
    misses, interval
        Mean share of rows with a wrong label before they were learnt from, in this pass; for values the mean loss, cut
        off at 10 and divided by it.  The 95% interval is for the first pass: later rows have been seen before.
    rows_per_second
        Since the start, or since the run was taken up.
    """

    doing: str
    rows: int
    of: int | None
    which: int
    n_passes: int
    misses: float
    interval: Interval | None
    rows_per_second: float


@dataclasses.dataclass
class StreamRun:
    """Hold a run between two chunks."""

    estimator: Any
    source: RowSource
    survey: Survey
    targets: Targets
    n_passes: int
    buffer_rows: int
    dtype: np.dtype[Any]
    seed: int
    plan: FitPlan | None = None
    position: Position = dataclasses.field(default_factory=Position)
    state: SharedState | None = None
    compiling: "Future[None] | None" = None

    @classmethod
    def of(
        cls, estimator: Any, source: RowSource, known: Survey, n_passes: Any, buffer_rows: Any, dtype: Any
    ) -> "StreamRun":
        """Return the run before its first step."""
        passes = n_passes
        if n_passes == "auto":
            passes = max(1, min(MOST_PASSES, math.ceil(FEW_ROWS / known.n_rows)))
        buffer = default_buffer(source.d) if buffer_rows == "auto" else buffer_rows
        targets = Targets.of(known.targets, getattr(estimator, "class_weight", None))
        kind = np.dtype(known.sample.X.dtype if dtype is None else dtype)
        return cls(estimator, source, known, targets, passes, buffer, kind, estimator._new_seed())

    def _job(self) -> dict[str, Any]:
        settings = {"n_passes": self.n_passes, "buffer_rows": self.buffer_rows, "dtype": str(self.dtype)}
        return job_of(self.estimator, self.source, self.survey, settings)

    def go_on(self, path: Path) -> None:
        """Take up the run of a checkpoint, if there is one."""
        held = Checkpoint.read(path)
        if held is None:
            return
        check_job(path, self._job(), held.job)
        self.seed, self.plan, self.position = held.seed, held.plan, held.position
        self._begin()
        run, networks = self._settings(), self.estimator._networks(self.estimator.trained_)
        self.state = restored_state(run, networks, held.state)

    def _begin(self) -> None:
        """Give the estimator its inputs, its classes or values, its plan and its first weights."""
        estimator, known = self.estimator, self.survey
        names = self.source.column_names
        estimator.n_features_in_ = len(names)
        if self.source.has_names:
            estimator.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        if isinstance(known.targets, Classes):
            estimator.classes_ = known.targets.values
        else:
            estimator.targets_, estimator._is_flat = known.targets, len(known.targets.mean) == 1
        estimator._seed = self.seed
        ways = {"standardize": bool(estimator.standardize), "on_sphere": str(estimator.on_sphere)}
        estimator.inputs_ = Inputs.of_columns(known.columns, **ways)
        points = estimator.inputs_.transform(known.sample.X).astype(self.dtype)
        assert known.sample.target is not None
        Y, weights = self.targets.columns(known.sample.target, 0, self.source.name, np.float64)
        sigma, loss, fixed = estimator._checked()
        if self.plan is None:
            self.plan = self._planned(points, Y, weights, sigma, loss, fixed)
        estimator.plan_ = self.plan
        self.compiling = self._compiled_ahead(points.shape[1], Y.shape[1], sigma)
        start = estimator._start(points, Y.shape[1], self.plan, sigma)
        estimator._keep(start, start.trained)

    def _planned(self, points: Any, Y: Any, weights: Any, sigma: Any, loss: Any, fixed: dict[str, Any]) -> FitPlan:
        m = self.survey.n_rows
        settings = {
            "activation": sigma,
            "loss": loss,
            "epsilon": float(self.estimator.epsilon),
            "adapts": not self.estimator.certify,
            "patience": self.estimator._patience,
            "seed": self.seed,
            "drawn_from": m,
        }
        reasons = {}
        if fixed["batch_size"] is None and m >= MANY_STEPS * FAST_BATCH:
            fixed = {**fixed, "batch_size": FAST_BATCH}
            reasons["batch_size"] = f"{FAST_BATCH}: the products are fast, and {m} rows make many steps of it"
        asked = plan_fit(points, Y, weights, **settings, **{**fixed, "n_steps": 1})
        T = self.n_passes * math.ceil(m / asked.batch_size)
        given = {**fixed, "n_pairs": asked.n_pairs, "batch_size": asked.batch_size, "n_steps": T}
        reasons = {
            **asked.reasons,
            **reasons,
            "n_steps": f"{T}: {self.n_passes} pass{'es' * (self.n_passes > 1)} over {m} rows",
        }
        if asked.learning_rate is None:
            reasons["learning_rate"] = "M/sqrt(sum of the squared gradients), M the distance from the start so far"
            return dataclasses.replace(asked, n_steps=T, reasons=reasons)
        plan = plan_fit(points, Y, weights, **settings, **given)  # the rate of Theorem 10 depends on T
        reasons["learning_rate"] = plan.reasons["learning_rate"]
        return dataclasses.replace(plan, reasons=reasons)

    def _compiled_ahead(self, d: int, K: int, sigma: Any) -> "Future[None]":
        assert self.plan is not None
        q, b = self.plan.n_pairs, self.plan.batch_size
        size = {"d": d, "q": q, "K": K, "n_steps": steps_of_chunk(b, q, d, self.survey.n_rows)}
        B = float(self.estimator.output_scale)
        return compiled_ahead(self._settings(), B=B, activation=sigma, dtype=self.dtype, **size)

    def _settings(self) -> Any:
        assert self.plan is not None
        _, loss, _ = self.estimator._checked()
        return settings_of(self.plan, loss, self.seed, self.dtype, judged=self.estimator._judged, grows=True)

    def run(self, path: Path | None, seconds: float) -> Generator[StreamProgress, None, None]:
        """Learn from the rows that are left, yielding how far the run is."""
        if self.state is None:
            self._begin()
            self.state = self._settings().init(self.estimator._networks(self.estimator.trained_))
        assert self.plan is not None
        run, plan, m, state = self._settings(), self.plan, self.survey.n_rows, self.state
        assert state is not None
        steps = steps_of_chunk(plan.batch_size, plan.n_pairs, self.estimator.W_half_.shape[1], m)
        loader = GroupLoader(
            self.source,
            self.survey,
            self.estimator.inputs_,
            self.targets,
            plan.batch_size,
            steps,
            self.dtype,
            self.seed,
        )
        began = looked = written = time.perf_counter()
        before, rows_before = self.position.seconds, self.position.rows
        try:
            for which, g, is_last, data in self._loaded(loader):
                self._wait_for_the_compiler()
                for c in range(self.position.chunk, len(data.X)):
                    chunk, n = data.chunk(c, state.t, self.dtype)
                    state = run.follow(state, chunk, n)
                    now = time.perf_counter()
                    self.state, self.position = (
                        state,
                        self._next(state, data, which, g, c, is_last=is_last, n=n, seconds=before + now - began),
                    )
                    if now - looked > SECONDS_A_LOOK:
                        jax.block_until_ready(state)
                        looked = time.perf_counter()
                        yield self._progress((self.position.rows - rows_before) / (looked - began))
                    if path is not None and time.perf_counter() - written > seconds:
                        self._write(path)
                        written = time.perf_counter()
        except (KeyboardInterrupt, GeneratorExit):
            if path is not None:
                self._write(path)
            raise
        if path is not None and self.position.rows > rows_before:
            self._write(path)
        yield self._progress((self.position.rows - rows_before) / (time.perf_counter() - began))

    def _loaded(self, loader: GroupLoader) -> Iterator[tuple[int, int, bool, GroupData]]:
        """Yield the groups that are left, each loaded while the one before is being learnt from."""

        def left() -> Iterator[tuple[int, int, bool, tuple[int, ...]]]:
            for which in range(self.position.which, self.n_passes):
                groups = groups_of_pass(self.survey.pieces, self.buffer_rows, seed=self.seed, which=which)
                first = self.position.group if which == self.position.which else 0
                for g in range(first, len(groups)):
                    yield which, g, g == len(groups) - 1, groups[g]

        with ThreadPoolExecutor(1) as ahead:
            waiting: tuple[int, int, bool, Future[GroupData]] | None = None
            for which, g, is_last, group in list(left()):
                following = which, g, is_last, ahead.submit(loader.load, which, g, group)
                if waiting is not None:
                    yield *waiting[:3], waiting[3].result()
                waiting = following
            if waiting is not None:
                yield *waiting[:3], waiting[3].result()

    def _wait_for_the_compiler(self) -> None:
        """Wait until the steps are compiled; an error there comes again, and is raised, where they run."""
        if self.compiling is not None:
            self.compiling.exception()
            self.compiling = None

    def _next(
        self, state: SharedState, data: GroupData, which: int, g: int, c: int, *, is_last: bool, n: int, seconds: float
    ) -> Position:
        """Return the position after chunk c."""
        now = self.position
        b, steps = data.X.shape[2], data.X.shape[1]
        rows = now.rows + min(n * b, data.n_rows - c * steps * b)
        here = dataclasses.replace(now, rows=rows, seconds=seconds)
        if c + 1 < len(data.X):
            return dataclasses.replace(here, which=which, group=g, chunk=c + 1)
        if not is_last:
            return dataclasses.replace(here, which=which, group=g + 1, chunk=0)
        misses = online_misses(state)
        sums = (misses.n, misses.total, misses.V)
        first = sums if now.first is None else now.first
        return dataclasses.replace(here, which=which + 1, group=0, chunk=0, begun=sums, earlier=now.begun, first=first)

    def _progress(self, rate: float) -> StreamProgress:
        assert self.state is not None
        misses, where = online_misses(self.state), self.position
        n, total, _ = where.begun if misses.n > where.begun[0] else where.earlier
        mean = (misses.total - total) / (misses.n - n) if misses.n > n else math.nan
        is_first = where.which == 0 or (where.first is not None and misses.n == where.first[0])
        interval = misses.interval() if is_first else None
        return StreamProgress(
            "fit",
            where.rows,
            self.n_passes * self.survey.n_rows,
            min(where.which, self.n_passes - 1),
            self.n_passes,
            mean,
            interval,
            rate,
        )

    def _write(self, path: Path) -> None:
        """Write the checkpoint; the run goes on if it cannot be written."""
        assert self.state is not None
        assert self.plan is not None
        if not math.isfinite(online_misses(self.state).total):
            return  # there is nothing to go on from
        try:
            Checkpoint(self._job(), self.seed, self.plan, self.position, kept_state(self.state)).write(path)
        except InputError as error:
            warnings.warn(f"{error}; the run goes on and tries again later", StreamWarning, stacklevel=2)

    def keep(self) -> None:
        """Give the estimator what was learnt, and what it says about itself."""
        assert self.state is not None
        estimator, first = self.estimator, self.position.first
        _, loss, _ = estimator._checked()
        estimator._keep_stream(self.state, loss, estimator.W_half_.shape[1])
        estimator.validation_scores_ = None
        if first is not None:
            known = OnlineLoss(1.0, *first)
            several = {"intervals": ()} if self.n_passes > 1 else {}
            estimator.certificate_ = dataclasses.replace(
                estimator.certificate_, misses=known.mean, misses_interval=known.interval(), **several
            )
        estimator.n_rows_, estimator.n_passes_ = self.survey.n_rows, self.n_passes
        if self.survey.is_ordered:
            message = (
                f"{self.source.name}: targets change along the file, so that neighbouring rows are alike; rows are "
                f"mixed {self.buffer_rows} at a time, and the interval of the misses holds for rows in random order"
            )
            warnings.warn(message, StreamWarning, stacklevel=2)
