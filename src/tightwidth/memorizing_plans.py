"""The plan for memorizing a sample: theorem 7, what the drawn weights certify, and landmarks (section 3.3)."""

import math
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tightwidth import sphere
from tightwidth.calibration import SecondsAStep
from tightwidth.certified_rows import memorizing_row, regret_terms
from tightwidth.errors import HypothesisError
from tightwidth.plan_table import Change, PlanRow, PlanTable, row_of
from tightwidth.planning import automatic_batch_size, plan_memorization
from tightwidth.run_settings import Settings
from tightwidth.sampling import random_points
from tightwidth.theorem_inputs import network_hypotheses
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm7_memorization as thm7
from tightwidth.theorems.a5_bounded_distributions import random_points_bound
from tightwidth.width_search import Trial
from tightwidth.worst_case import SUBSAMPLES, WorstCase, hypotheses, kind_of, worst_case

SHARE_OF_B = 0.1  # of epsilon, left to a finite B by the theorem
LARGEST_DRAWN = 1 << 16  # random points that are drawn, and certified, where only their number is given
POINTS_FOR_MANY = 16_384  # that stand for more than that
RARE = 0.01


def memorizing_plan(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    settings: Settings,
    *,
    seconds_a_step: SecondsAStep | None,
) -> Generator[Trial, None, PlanTable]:
    """Plan for unit rows X, [m, d], and labels +-1, [m], yielding every width tried."""
    (m, d), R = X.shape, sphere.R_of_sample(X, seed=settings.seed)
    plan = yield from plan_memorization(X, y, settings, R=R)
    found = worst_case(
        X,
        y,
        activation=settings.activation,
        loss=settings.loss,
        R=R,
        epsilon=settings.epsilon,
        batch_size=plan.batch_size,
        seed=settings.seed,
    )
    size = {"m": m, "d": d, "itemsize": X.dtype.itemsize, "seconds_a_step": seconds_a_step}
    certified = memorizing_row(
        X,
        settings,
        q=plan.n_pairs,
        certificate=plan.certificate,
        not_certified=plan.not_certified,
        size=size,
    )
    table = _table(found, certified, settings, R=R, batch_size=plan.batch_size, size=size)
    separating = plan.certificate.comparators.separating_norm_squared
    return replace(
        table,
        norm=table.norm if separating is None else math.sqrt(separating),
        trials=plan.trials,
        frontier=tuple((trial.n_pairs, trial.n_steps) for trial in plan.trials if trial.n_steps is not None),
        search_ended=plan.search_ended,
    )


def plan_for_many_points(
    m: int, d: int, settings: Settings, *, batch_size: int | None, seconds_a_step: Callable[[int], SecondsAStep | None]
) -> PlanTable:
    """Plan for m random points, too many to draw: Theorem 7 extrapolated from fewer, and no certificate.

    R is a bound that random points exceed with probability 0.01.
    """
    R = random_points_bound(m, d, delta=RARE, uniform=True)
    b = batch_size or automatic_batch_size(m, d, R)
    found = worst_case(
        *random_points(POINTS_FOR_MANY, d, seed=settings.seed),
        activation=settings.activation,
        loss=settings.loss,
        R=R,
        epsilon=settings.epsilon,
        batch_size=b,
        seed=settings.seed,
        n_points=m,
    )
    reason = f"the weights of a seed are certified for up to {LARGEST_DRAWN:,} random points, which takes minutes"
    size = {"m": m, "d": d, "seconds_a_step": seconds_a_step(b)}
    return _table(found, PlanRow("certified", reason), settings, R=R, batch_size=b, size=size)


def _table(
    found: WorstCase | str, certified: PlanRow, settings: Settings, *, R: float, batch_size: int, size: dict[str, Any]
) -> PlanTable:
    (m, d), demanded = (size["m"], size["d"]), found if isinstance(found, WorstCase) else None
    theorem = (
        PlanRow("theorem", f"Theorem 7 says nothing: {found}")
        if demanded is None
        else _theorem_row(demanded, settings, batch_size, R, size)
    )
    landmarks = (
        row_of("rank", "q d = m: from here on the embedding can interpolate", q=math.ceil(m / d), **size),
        row_of("Cover", "q d = m/2: below, random labels are not separable", q=math.ceil(m / 2 / d), **size),
    )
    return PlanTable(
        goal="memorize",
        n_samples=m,
        n_features=d,
        R=R,
        epsilon=settings.epsilon,
        activation=settings.activation.name,
        loss=settings.loss.name,
        batch_size=batch_size,
        seed=settings.seed,
        rows=(theorem, certified, *landmarks),
        norm=None if demanded is None else math.sqrt(demanded.label_norm_squared),
        lambda_min=None if demanded is None else demanded.lambda_min,
        lambda_min_error=None if demanded is None else demanded.lambda_min_error,
        changes=() if demanded is None else _changes(demanded, settings, batch_size, m=m, d=d, R=R),
    )


def _theorem_row(found: WorstCase, settings: Settings, b: int, R: float, size: dict[str, Any]) -> PlanRow:
    given = hypotheses(found, settings.activation, settings.loss, m=size["m"], d=size["d"], R=R)
    kind, G_squared = kind_of(settings.loss), thm7.gradient_bound(given, batch_size=b)
    norm = math.sqrt(2 * found.label_norm_squared)

    def steps(epsilon: float) -> tuple[int, float, float, float]:
        """Return T, eta, and the norm and loss of the comparator that prove epsilon."""
        T = thm7.sufficient_steps(given, epsilon=epsilon, batch_size=b, loss=kind or "hinge")
        if kind == "perceptron":
            return T, 1 / G_squared, norm, 0.0
        s, c = thm7.logistic_comparator(epsilon) if kind == "logistic" else (0.0, 1.0)
        return T, c * norm / math.sqrt(G_squared * T), c * norm, -math.log1p(-s)

    T, eta, moved, lost = steps((1 - SHARE_OF_B) * settings.epsilon)
    allowed = SHARE_OF_B * settings.epsilon * given.least_loss
    B = _sufficient_B(settings, moved, R, allowed, q=found.n_pairs, T=T, b=b, eta=eta, d=size["d"], loss=lost)
    if B is None:
        T, eta, moved, lost = steps(settings.epsilon)
    terms = regret_terms(moved**2, lost, eta, T, G_squared, settings)
    if B is not None:
        terms["linearisation"] = SHARE_OF_B * settings.epsilon
    return row_of(
        "theorem",
        f"Theorem 7: K_W >= K/2 with probability 0.99 for lambda_min(K) = {found.lambda_min:.3g}{_error(found)}",
        q=found.n_pairs,
        n_steps=T,
        batch_size=b,
        learning_rate=eta,
        output_scale=B,
        terms=terms,
        **size,
    )


def _error(found: WorstCase) -> str:
    if found.lambda_min_error is None:
        return ""
    return f" +- {found.lambda_min_error:.2g}, extrapolated from subsamples of up to {SUBSAMPLES[-1]:,} points"


def _sufficient_B(
    settings: Settings,
    norm: float,
    R: float,
    allowed: float,
    *,
    q: int,
    T: int,
    b: int,
    eta: float,
    d: int,
    loss: float,
) -> float | None:
    sigma = settings.activation
    try:
        given = network_hypotheses(sigma, norm=norm, d=d, R=R, L=settings.loss.L, best_loss=loss)
        return thm5.sufficient_B(
            given,
            q=q,
            n_steps=T,
            batch_size=b,
            learning_rate=eta,
            excess=allowed,
        )
    except HypothesisError:
        return None


def _changes(found: WorstCase, settings: Settings, batch_size: int, *, m: int, d: int, R: float) -> tuple[Change, ...]:
    """Return what Theorem 7 would ask for at another epsilon, R or d, with the kernel as it was measured."""
    given, kind = hypotheses(found, settings.activation, settings.loss, m=m, d=d, R=R), kind_of(settings.loss)
    cases = (
        (f"epsilon {settings.epsilon / 2:g}", given, settings.epsilon / 2),
        (f"R {min(2 * R, math.sqrt(d)):.3g}", replace(given, R=min(2 * R, math.sqrt(d))), settings.epsilon),
        (f"d {2 * d}, the same R and kernel", replace(given, d=2 * d), settings.epsilon),
    )
    changes = []
    for what, changed, epsilon in cases:
        try:
            share = (1 - SHARE_OF_B) * epsilon  # as in the row itself
            T = thm7.sufficient_steps(changed, epsilon=share, batch_size=batch_size, loss=kind or "hinge")
        except HypothesisError:
            continue
        changes.append(Change(what, thm7.sufficient_pairs(changed), T))
    return tuple(changes)
