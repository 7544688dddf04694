"""The plan for learning: excess loss over the best function of norm M, by theorem 5, from numbers or from data."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.angular_kernels import tangent
from tightwidth.errors import HypothesisError
from tightwidth.interpolation import kernel_ridge
from tightwidth.losses import Loss, mean_loss
from tightwidth.plan_table import Change, PlanRow, PlanTable, row_of
from tightwidth.theorem_inputs import network_hypotheses
from tightwidth.theorems import lower_bounds
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm10_embedding as thm10

LARGEST_FIT = 4096  # points of a ridge fit; more are subsampled
SUBSAMPLES = 3
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # times the mean of the diagonal


@dataclass(frozen=True)
class Fit:
    """Hold a function of the kernel space that does what is wanted: its norm, its mean loss, and their half ranges."""

    norm: float
    norm_error: float | None
    loss: float


def ridge_fit(
    X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], activation: Activation, loss: Loss, *, seed: int
) -> Fit:
    """Return the ridge fit whose loss and norm ask for the least width, ``norm/(1 - loss/loss of 0)`` being least.

    On more than 4096 points it is fitted to 3 subsamples, and its loss counted on all; the error of the norm is half
    the range over the three.
    """
    m, kernel = len(X), tangent(activation, part="hidden")
    rng = np.random.default_rng(seed)
    parts = [slice(None)] if m <= LARGEST_FIT else [rng.permutation(m)[:LARGEST_FIT] for _ in range(SUBSAMPLES)]
    nothing = mean_loss(loss, np.zeros(m), y.astype(np.float64))
    best: tuple[float, Fit] | None = None
    scale = float(np.mean(kernel.diagonal(X[: min(m, LARGEST_FIT)])))
    for ridge in RIDGES:
        fits = [kernel_ridge(kernel, X[part], y[part], ridge=ridge * scale) for part in parts]
        norms = [f.norm() for f in fits]
        losses = [mean_loss(loss, np.asarray(f(X), np.float64), y.astype(np.float64)) for f in fits]
        middle = int(np.argsort(norms)[len(norms) // 2])
        spread = None if len(fits) == 1 else (max(norms) - min(norms)) / 2
        fit = Fit(norms[middle], spread, losses[middle])
        gain = nothing - fit.loss
        price = fit.norm / gain if gain > 0 else math.inf
        if best is None or price < best[0]:
            best = price, fit
    assert best is not None
    return best[1]


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
    m: int | None = None,
    seconds_a_step: Callable[[int], float] | None = None,
) -> PlanTable:
    """Plan for an excess loss of at most epsilon over the best function of norm M.

    Raises
    ------
    HypothesisError
        If theorem 5 does not allow the numbers.
    """
    given = network_hypotheses(activation, norm=fit.norm, d=d, R=R, L=loss.L, best_loss=_loss_at_0(loss))
    if m is not None:
        given = replace(given, best_loss=min(given.best_loss, fit.loss))
    size = {"m": m or 0, "d": d, "seconds_a_step": seconds_a_step}
    sized = thm5.sizing(given, epsilon=epsilon, batch_size=batch_size)
    theorem = row_of(
        "theorem",
        f"Theorem 5: within {epsilon:g} of the best function of norm {fit.norm:.4g}, in expectation",
        q=sized.q,
        n_steps=sized.n_steps,
        batch_size=batch_size,
        learning_rate=sized.learning_rate,
        output_scale=sized.B,
        terms=sized.bound.terms,
        **size,
    )
    tangent_form = thm5.sizing(given, epsilon=epsilon, batch_size=batch_size, finite_B=False)
    limit = row_of(
        "limit",
        "Theorem 10: the same at B = infinity, SGD on the embedding, which needs no share for a finite B",
        q=tangent_form.q,
        n_steps=tangent_form.n_steps,
        batch_size=batch_size,
        learning_rate=tangent_form.learning_rate,
        output_scale=math.inf,
        terms=tangent_form.bound.terms,
        **size,
    )
    fewest = lower_bounds.parameters_to_learn(fit.norm)
    landmark = row_of(
        "lower bound",
        "M^2 parameters: fewer cannot learn all functions of norm M, up to a constant",
        q=max(1, math.ceil(fewest / (2 * (d + 1)))),
        **size,
    )
    reason = "certificates are for memorizing; what a run learnt is measured by its online loss"
    return PlanTable(
        goal="learn",
        n_samples=m,
        n_features=d,
        R=R,
        epsilon=epsilon,
        activation=activation.name,
        loss=loss.name,
        batch_size=batch_size,
        seed=seed,
        rows=(theorem, PlanRow("certified", reason), limit, landmark),
        norm=fit.norm,
        norm_error=fit.norm_error,
        residual_loss=fit.loss if m is not None else None,
        changes=_changes(given, epsilon, batch_size),
        frontier=_frontier(given, epsilon, batch_size),
    )


def _frontier(given: thm5.Hypotheses, epsilon: float, batch_size: int) -> tuple[tuple[int, int], ...]:
    """Return (q, T) for shares of epsilon from a twentieth to all but that, at B = infinity; the least T for a q."""
    sized = [
        thm10.sizing(given, epsilon=epsilon, batch_size=batch_size, share=float(share))
        for share in np.linspace(0.05, 0.95, 37)
    ]
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


def _loss_at_0(loss: Loss) -> float:
    y = np.array([1.0, -1.0])
    return mean_loss(loss, np.zeros(2), y)
