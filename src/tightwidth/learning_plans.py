"""The plan for learning: excess loss over the best function of norm M, by theorem 5, from numbers or from data."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tightwidth.activations import Activation
from tightwidth.certified_rows import Learning
from tightwidth.errors import HypothesisError
from tightwidth.losses import Loss, loss_at_0
from tightwidth.plan_table import Change, PlanRow, PlanTable, row_of
from tightwidth.reference_fit import Fit
from tightwidth.theorem_inputs import network_hypotheses
from tightwidth.theorems import lower_bounds
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm10_embedding as thm10


def learning_plan(
    activation: Activation,
    loss: Loss,
    *,
    d: int,
    R: float,
    epsilon: float,
    batch_size: int,
    seed: int,
    fit: Fit,
    certified: Learning,
    size: Mapping[str, Any],
) -> PlanTable:
    """Plan for an excess loss of at most epsilon over the best function of norm M.

    Raises
    ------
    HypothesisError
        If theorem 5 does not allow the numbers.
    """
    given = network_hypotheses(activation, norm=fit.norm, d=d, R=R, L=loss.L, best_loss=loss_at_0(loss))
    given = replace(given, best_loss=min(given.best_loss, fit.loss))
    theorem = _sized_row(
        "theorem",
        f"Theorem 5: within {epsilon:g} of the best function of norm {fit.norm:.4g}, in expectation",
        given,
        epsilon,
        batch_size,
        True,
        size,
    )
    limit = _sized_row(
        "limit",
        "Theorem 10: the same at B = infinity, SGD on the embedding, which needs no share for a finite B",
        given,
        epsilon,
        batch_size,
        False,
        size,
    )
    fewest = lower_bounds.parameters_to_learn(fit.norm)
    landmark = row_of(
        "lower bound",
        "M^2 parameters: fewer cannot learn every function of norm M, up to a constant that is left out here",
        q=max(1, math.ceil(fewest / (2 * (d + 1)))),
        **size,
    )
    return PlanTable(
        goal="learn",
        n_samples=size["m"] or None,
        n_features=d,
        R=R,
        epsilon=epsilon,
        activation=activation.name,
        loss=loss.name,
        batch_size=batch_size,
        seed=seed,
        rows=(theorem, certified.row, limit, landmark),
        norm=fit.norm,
        norm_error=fit.norm_error,
        residual_loss=fit.loss if math.isfinite(fit.loss) else None,
        held_out_loss=fit.held_out_loss,
        changes=_changes(given, epsilon, batch_size),
        trials=certified.trials,
        frontier=_frontier(given, epsilon, batch_size),
        search_ended=certified.search_ended,
    )


def _sized_row(
    name: str,
    rests_on: str,
    given: thm5.Hypotheses,
    epsilon: float,
    batch_size: int,
    finite_B: bool,
    size: Mapping[str, Any],
) -> PlanRow:
    """Return the row of a theorem, empty with the reason if more is asked for than can be counted."""
    try:
        sized = thm5.sizing(given, epsilon=epsilon, batch_size=batch_size, finite_B=finite_B)
    except HypothesisError as error:
        return PlanRow(name, f"nothing: {error}")
    return row_of(
        name,
        rests_on,
        q=sized.q,
        n_steps=sized.n_steps,
        batch_size=batch_size,
        learning_rate=sized.learning_rate,
        output_scale=sized.B,
        terms=sized.bound.terms,
        **size,
    )


def _frontier(given: thm5.Hypotheses, epsilon: float, batch_size: int) -> tuple[tuple[int, int], ...]:
    """Return (q, T) for shares of epsilon from a twentieth to all but that, at B = infinity; the least T for a q."""
    sized: list[Any] = []
    for share in np.linspace(0.05, 0.95, 37).tolist():
        try:
            sized.append(thm10.sizing(given, epsilon=epsilon, batch_size=batch_size, share=share))
        except HypothesisError:
            continue
    least: dict[int, int] = {}
    for size in sized:
        least[size.q] = min(size.n_steps, least.get(size.q, size.n_steps))
    return tuple(sorted(least.items()))


def _changes(given: thm5.Hypotheses, epsilon: float, batch_size: int) -> tuple[Change, ...]:
    doubled = min(2 * given.R, math.sqrt(given.d))
    cases = (
        (f"epsilon {epsilon / 2:g}", given, epsilon / 2),
        (f"R {doubled:.3g}", replace(given, R=doubled), epsilon),
        (f"d {2 * given.d}, the same R and norm", replace(given, d=2 * given.d), epsilon),
        (f"norm {2 * given.norm:.4g}", replace(given, norm=2 * given.norm), epsilon),
    )
    changes = []
    for what, changed, share in cases:
        try:
            sized = thm5.sizing(changed, epsilon=share, batch_size=batch_size)
        except HypothesisError:
            continue
        changes.append(Change(what, sized.q, sized.n_steps))
    return tuple(changes)
