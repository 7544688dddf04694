"""The plan for memorizing a sample: theorem 7, what the drawn weights certify, and landmarks (section 3.3)."""

import math
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from tightwidth import finite_scale, sphere
from tightwidth.certificates import is_perceptron
from tightwidth.errors import HypothesisError
from tightwidth.losses import least_loss_of_a_mistake
from tightwidth.network import draw_W_half, preactivations
from tightwidth.plan_table import Change, PlanRow, PlanTable, row_of
from tightwidth.planning import Plan, plan_memorization
from tightwidth.run_settings import Settings, weights_key
from tightwidth.theorem_inputs import network_hypotheses
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm7_memorization as thm7
from tightwidth.width_search import Trial
from tightwidth.worst_case import WorstCase, hypotheses, kind_of, worst_case

SHARE_OF_B = 0.1  # of epsilon, left to a finite B


def memorizing_plan(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    settings: Settings,
    *,
    seconds_a_step: Callable[[int], float] | None,
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
    theorem = (
        _theorem_row(found, settings, plan, R, size)
        if isinstance(found, WorstCase)
        else PlanRow("theorem", f"Theorem 7 says nothing: {found}")
    )
    certified = _certified_row(X, settings, plan, size)
    landmarks = (
        row_of("rank", "q d = m: from here on the embedding can interpolate", q=math.ceil(m / d), **size),
        row_of("Cover", "q d = m/2: below, random labels are not separable", q=math.ceil(m / 2 / d), **size),
    )
    separating = plan.certificate.comparators.separating_norm_squared
    of_labels = math.sqrt(found.label_norm_squared) if isinstance(found, WorstCase) else None
    return PlanTable(
        goal="memorize",
        n_samples=m,
        n_features=d,
        R=R,
        epsilon=settings.epsilon,
        activation=settings.activation.name,
        loss=settings.loss.name,
        batch_size=plan.batch_size,
        seed=settings.seed,
        rows=(theorem, certified, *landmarks),
        norm=of_labels if separating is None else math.sqrt(separating),
        lambda_min=found.lambda_min if isinstance(found, WorstCase) else None,
        changes=_changes(found, settings, plan, m=m, d=d, R=R) if isinstance(found, WorstCase) else (),
        trials=plan.trials,
        frontier=tuple((trial.n_pairs, trial.n_steps) for trial in plan.trials if trial.n_steps is not None),
        search_ended=plan.search_ended,
    )


def _theorem_row(found: WorstCase, settings: Settings, plan: Plan, R: float, size: dict) -> PlanRow:
    given = hypotheses(found, settings.activation, settings.loss, m=size["m"], d=size["d"], R=R)
    kind, b, T = kind_of(settings.loss), plan.batch_size, found.n_steps
    G_squared = thm7.gradient_bound(given, batch_size=b)
    norm = math.sqrt(2 * found.label_norm_squared)
    eta = 1 / G_squared if kind == "perceptron" else norm / math.sqrt(G_squared * T)
    return row_of(
        "theorem",
        f"Theorem 7: K_W >= K/2 with probability 0.99 for lambda_min(K) = {found.lambda_min:.3g}",
        q=found.n_pairs,
        n_steps=T,
        batch_size=b,
        learning_rate=eta,
        output_scale=_sufficient_B(settings, norm, R, q=found.n_pairs, T=T, b=b, eta=eta, d=size["d"]),
        terms=_regret_terms(norm**2, 0.0, eta, T, G_squared, settings),
        **size,
    )


def _sufficient_B(
    settings: Settings, norm: float, R: float, *, q: int, T: int, b: int, eta: float, d: int
) -> float | None:
    sigma = settings.activation
    try:
        given = network_hypotheses(sigma, norm=norm, d=d, R=R, L=settings.loss.L, best_loss=0.0)
        return thm5.sufficient_B(
            given,
            q=q,
            n_steps=T,
            batch_size=b,
            learning_rate=eta,
            excess=SHARE_OF_B * settings.epsilon,
        )
    except HypothesisError:
        return None


def _regret_terms(
    norm_squared: float, loss: float, eta: float, n_steps: int, G_squared: float, settings: Settings
) -> dict[str, float]:
    """Return the terms of the share not memorized: what the comparator loses, the distance to it, and the noise."""
    if is_perceptron(settings.loss):
        x = eta * G_squared
        scale = 1 - x / 2
        return {"comparator": loss / scale, "distance": norm_squared * G_squared / (2 * x * n_steps) / scale}
    least = least_loss_of_a_mistake(settings.loss)
    return {
        "comparator": loss / least,
        "distance": norm_squared / (2 * eta * n_steps) / least,
        "noise": eta * G_squared / 2 / least,
    }


def _certified_row(X: Float[np.ndarray, "m d"], settings: Settings, plan: Plan, size: dict) -> PlanRow:
    sizing = plan.certificate.size(settings.epsilon)
    if sizing is None:
        return PlanRow("certified", plan.not_certified or "no vector found certifies this epsilon")
    W_half = draw_W_half(weights_key(settings.seed), plan.n_pairs, X.shape[1], X.dtype)
    reach = finite_scale.reach(preactivations(W_half, X), settings.activation)
    B = finite_scale.sufficient_B(
        reach,
        C=settings.activation.C,
        q=plan.n_pairs,
        n_steps=sizing.n_steps,
        learning_rate=sizing.learning_rate,
        L=settings.loss.L,
    )
    return row_of(
        "certified",
        f"the weights of seed {settings.seed}: a vector of squared norm {sizing.norm_squared:.4g} and loss "
        f"{sizing.comparator_loss:.3g} was found in their embedding",
        q=plan.n_pairs,
        n_steps=sizing.n_steps,
        batch_size=plan.batch_size,
        learning_rate=sizing.learning_rate,
        output_scale=B if B > 0 else None,
        terms=_regret_terms(
            sizing.norm_squared,
            sizing.comparator_loss,
            sizing.learning_rate,
            sizing.n_steps,
            plan.certificate.G_squared,
            settings,
        ),
        **size,
    )


def _changes(found: WorstCase, settings: Settings, plan: Plan, *, m: int, d: int, R: float) -> tuple[Change, ...]:
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
            T = thm7.sufficient_steps(changed, epsilon=epsilon, batch_size=plan.batch_size, loss=kind or "hinge")
        except HypothesisError:
            continue
        changes.append(Change(what, thm7.sufficient_pairs(changed), T))
    return tuple(changes)
