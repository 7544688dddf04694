"""The row of a plan that rests on the weights of a seed: what a vector found in their embedding proves.

To memorize, the bound is on the share of the sample not memorized; to learn, on the loss over that of the function
competed with.  Both are the regret of SGD on the sample against that vector (docs/derivations/certificate.md).
"""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tightwidth import finite_scale
from tightwidth.certificates import Certificate, Sizing, is_perceptron
from tightwidth.losses import least_loss_of_a_mistake, loss_at_0
from tightwidth.network import draw_W_half, preactivations
from tightwidth.plan_table import PlanRow, row_of
from tightwidth.reference_fit import Fit
from tightwidth.run_settings import NEGLIGIBLE, Settings, weights_key
from tightwidth.width_search import Choice, Trial, Widths, choose_width


def regret_terms(
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


def memorizing_row(
    X: Float[np.ndarray, "m d"],
    settings: Settings,
    *,
    q: int,
    certificate: Certificate,
    not_certified: str | None,
    size: Mapping[str, Any],
) -> PlanRow:
    """Return the row for memorizing ``1 - epsilon`` of the sample."""
    sizing = certificate.size(settings.epsilon)
    if sizing is None:
        return PlanRow("certified", not_certified or "no vector found certifies this epsilon")
    terms = regret_terms(
        sizing.norm_squared,
        sizing.comparator_loss,
        sizing.learning_rate,
        sizing.n_steps,
        certificate.G_squared,
        settings,
    )
    return _row(X, settings, q, certificate, sizing, terms, _found(settings, sizing), size)


@dataclass(frozen=True)
class Learning:
    """Hold the certified row of a plan for learning, and the search that led to it."""

    row: PlanRow
    trials: tuple[Trial, ...] = ()
    search_ended: str | None = None


def learning_row(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    settings: Settings,
    fit: Fit,
    *,
    R: float,
    batch_size: int,
    size: Mapping[str, Any],
) -> Generator[Trial, None, Learning]:
    """Search the width with the least work that certifies a mean loss of at most that of the fit plus epsilon.

    The regret bound ``l + N/(2 eta T) + eta G^2/2`` on the loss is ``l0`` times that on the share not memorized, so
    that the search is that for memorizing, at an epsilon of ``(target loss)/l0``.
    """
    least = least_loss_of_a_mistake(settings.loss)
    if least <= 0:
        reason = f"the {settings.loss.name} loss can vanish on a mistake, and no certificate is known for it"
        return Learning(PlanRow("certified", reason))
    target, at_0 = fit.loss + settings.epsilon, loss_at_0(settings.loss)
    if target >= at_0:
        reason = (
            f"nothing is left to learn: the prediction 0 has loss {at_0:.4g}, and the fit with epsilon {target:.4g}; "
            f"give a smaller epsilon or a larger norm"
        )
        return Learning(PlanRow("certified", reason))
    as_share = replace(settings, epsilon=target / least)
    widths = Widths(X, y, as_share, R=R, batch_size=batch_size, aim=f"a mean loss of {target:.4g}")
    choice: Choice = yield from choose_width(widths)
    certificate = choice.final.certificate
    sizing = certificate.size(as_share.epsilon)
    if sizing is None:
        reason = f"no vector found in the embedding has a loss below {target:.4g}, that of the fit plus epsilon"
        return Learning(PlanRow("certified", reason), choice.trials, choice.ended)
    eta, T = sizing.learning_rate, sizing.n_steps
    terms = {
        "comparator less fit": sizing.comparator_loss - fit.loss,
        "distance": sizing.norm_squared / (2 * eta * T),
        "noise": eta * certificate.G_squared / 2,
    }
    rests_on = f"{_found(settings, sizing)}; the mean loss of the iterates on the sample is at most {target:.4g}"
    row = _row(X, settings, choice.final.n_pairs, certificate, sizing, terms, rests_on, size)
    return Learning(row, choice.trials, choice.ended)


def _found(settings: Settings, sizing: Sizing) -> str:
    return (
        f"the weights of seed {settings.seed}: a vector of squared norm {sizing.norm_squared:.4g} and loss "
        f"{sizing.comparator_loss:.3g} was found in their embedding"
    )


def _row(
    X: Float[np.ndarray, "m d"],
    settings: Settings,
    q: int,
    certificate: Certificate,
    sizing: Sizing,
    terms: Mapping[str, float],
    rests_on: str,
    size: Mapping[str, Any],
) -> PlanRow:
    W_half = draw_W_half(weights_key(settings.seed), q, X.shape[1], X.dtype)
    B = finite_scale.certified_B(
        finite_scale.reach(preactivations(W_half, X), settings.activation),
        activation=settings.activation,
        q=q,
        n_steps=sizing.n_steps,
        learning_rate=sizing.learning_rate,
        L=settings.loss.L,
        norm=math.sqrt(float(certificate.comparators.norm_squared.max())),
        allowed=NEGLIGIBLE * settings.epsilon * certificate.least_loss,
    )
    return row_of(
        "certified",
        rests_on,
        q=q,
        n_steps=sizing.n_steps,
        batch_size=certificate.batch_size,
        learning_rate=sizing.learning_rate,
        output_scale=B if math.inf > B else None,
        terms=terms,
        **size,
    )
