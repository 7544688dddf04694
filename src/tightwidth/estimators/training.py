"""The training loop of the estimators: epochs, a held-out part, the iterate that is kept, and progress."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth.algorithm1 import draw_random_step
from tightwidth.estimators.fit_plan import FitPlan
from tightwidth.losses import Loss
from tightwidth.online_loss import Interval, OnlineLoss
from tightwidth.precision import in_precision_of
from tightwidth.run_settings import RANDOM_ITERATE, STEPS
from tightwidth.seeds import stream_key
from tightwidth.shared_outputs import Outputs, Trained
from tightwidth.shared_run import SharedRun, SharedState
from tightwidth.weighted_sampling import WeightedSource

STEPS_A_LOOK = 100  # where every step takes all rows
SECONDS_A_CALL = 0.5


@dataclass(frozen=True)
class Stopping:
    """Hold when to stop early: a score of the held-out rows for what is trained, and how long it may not rise."""

    score: Callable[[Trained], float]
    n_iter_no_change: int
    tol: float


@dataclass(frozen=True)
class Fitted:
    """Hold what a fit ended with: the kept iterate, the last state, the steps run, and the scores on the way."""

    kept: Trained
    state: SharedState
    scores: tuple[float, ...]


def settings_of(plan: FitPlan, loss: Loss, seed: int, dtype: Any, *, judged: str, grows: bool = False) -> SharedRun:
    """Return the settings of a run of the plan; with ``grows`` a rate that adapts learns the norm as well."""
    adapts = plan.learning_rate is None
    # an output that the reference does not need to move may move by 1 all the same
    rates = [norm or 1.0 for norm in plan.norms] if adapts else [plan.learning_rate] * len(plan.norms)
    with in_precision_of(np.dtype(dtype)):
        key, rates = stream_key(seed, STEPS), jnp.asarray(np.asarray(rates, dtype))
        return SharedRun(loss, plan.batch_size, adapts, rates, key, judged, adapts and grows)


def train(
    run: SharedRun,
    start: Outputs,
    source: WeightedSource,
    plan: FitPlan,
    *,
    iterate: str,
    seed: int,
    steps_an_epoch: int,
    stopping: Stopping | None,
    say: Callable[[str], None] | None,
) -> Fitted:
    """Run the planned steps and return the last, the mean or a random iterate, or the best on the held-out rows."""
    T, state = plan.n_steps, run.init(start)
    random_step = draw_random_step(stream_key(seed, RANDOM_ITERATE), T)
    drawn = start.trained
    best, best_score, since, scores = None, -math.inf, 0, []
    began, done = time.perf_counter(), 0
    while done < T:
        until = min(T, (done // steps_an_epoch + 1) * steps_an_epoch)
        if done < random_step - 1:
            until = min(until, random_step - 1)
        state = jax.block_until_ready(run.advance(state, source, until - done))
        done = until
        if done == random_step - 1:
            drawn = state.networks.trained
        if say is not None and (done % steps_an_epoch == 0 or done == T):
            rate = done / (time.perf_counter() - began)
            loss = float(np.mean(np.asarray(state.online_loss.total))) / done
            say(f"step {done:,} of {T:,}, {rate:,.0f} steps/s, mean online loss {loss:.4f}")
        if stopping is not None and done % steps_an_epoch == 0:
            now = state.averages if iterate == "average" else state.networks.trained
            scores.append(stopping.score(now))
            if scores[-1] > best_score + stopping.tol:
                since = 0
            else:
                since += 1
            if scores[-1] > best_score:
                best, best_score = now, scores[-1]
            if since >= stopping.n_iter_no_change:
                if say is not None:
                    say(f"stopped after step {done:,}: the held-out score has not risen for {since} epochs")
                break
    kept = {"average": state.averages, "last": state.networks.trained, "random": drawn}[iterate]
    return Fitted(kept if best is None else best, state, tuple(scores))


@dataclass(frozen=True)
class FitCertificate:
    """Hold what a fit says about itself without held-out data.

    Attributes
    ----------
    mean_online_loss
        Mean over the iterates of the loss on the training distribution, for each output.
    mean_online_mistakes, intervals
        The same of the share of rows on the wrong side, and its 95% interval; exact if every step took all rows.
    excess_loss
        What Theorem 10 bounds the loss over that of the ridge fit by, term by term, for a rate that was given; None for
        one that adapts, or if the loss is not Lipschitz.
    memorized
        The share of the training rows that the random iterate has on the right side, in expectation, at least, proved
        for the weights that were drawn; one for each output.  None unless ``certify=True``.
    misses, misses_interval
        Mean over the iterates of the share of rows with a wrong label, whatever the number of outputs, and its 95%
        interval; for values the mean loss, cut off at 10 and divided by it.
    """

    mean_online_loss: tuple[float, ...]
    mean_online_mistakes: tuple[float, ...]
    intervals: tuple[Interval, ...]
    excess_loss: dict[str, float] | None
    memorized: tuple[float, ...] | None
    misses: float = math.nan
    misses_interval: Interval | None = None


def online_misses(state: SharedState) -> OnlineLoss:
    """Return what the steps say of the share of rows that were missed."""
    sums = (float(s.total) for s in (state.online_misses, state.online_misses_variation))
    return OnlineLoss(1.0, int(state.t), *sums)


def online_intervals(state: SharedState, *, is_exact: bool) -> tuple[Interval, ...]:
    """Return a 95% interval for the mean share of mistakes over the iterates, for each output."""
    n = int(state.t)
    sums = np.asarray(state.online_mistakes.total, np.float64), np.asarray(state.online_variation.total, np.float64)
    if is_exact:
        return tuple(Interval(total / n, total / n) for total in sums[0])
    return tuple(OnlineLoss(1.0, n, float(total), float(V)).interval() for total, V in zip(*sums, strict=True))
