"""Which q, T, b and eta memorize a given sample, from the weights that its seed draws (section 3.3, Theorem 7).

The width is that with the least certified work, or the one that was given; the steps and the rate are what its
certificate asks for.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from tightwidth.certificates import Certificate, is_perceptron
from tightwidth.losses import Loss
from tightwidth.run_settings import Settings
from tightwidth.width_search import Choice, Trial, Widths, choose_width

WORK_BUDGET = 2e13  # floating-point operations: about five minutes on two cores
STEP_BUDGET = 5_000_000
UNCERTIFIED_EPOCHS = 400


@dataclass(frozen=True)
class Plan:
    """Hold the choice of q, T, b and eta, and where it came from.

    ``certified_steps`` is the T that the certificate asks for at this width, None if it certifies no T;
    ``not_certified`` says why the plan does not reach 1 - epsilon, if it does not.
    """

    n_pairs: int
    n_steps: int
    batch_size: int
    learning_rate: float
    R: float
    certificate: Certificate
    certified_steps: int | None
    not_certified: str | None
    trials: tuple[Trial, ...]
    search_ended: str


def automatic_batch_size(m: int, d: int, R: float) -> int:
    """Return the power of two at or above the critical batch size d/R^2, at most m.

    Up to there the number of steps falls in proportion to the batch size.
    """
    return max(1, min(2 ** math.ceil(math.log2(max(1.0, d / R**2))), m))


def plan_memorization(
    X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], settings: Settings, *, R: float
) -> Generator[Trial, None, Plan]:
    """Choose width, steps, batch size and rate for a sample on the sphere with labels +-1, yielding each width tried.

    Parameters
    ----------
    X, y
        Unit rows, [m, d], and labels +-1, [m].
    settings
        What is fixed; whatever is None is chosen.
    R
        R of the sample.

    Returns
    -------
    Plan
        The value of the generator.  Where the certified T exceeds the budget of steps, T is the perceptron's,
        ``epsilon`` times as many, and ``not_certified`` says so.
    """
    m, d = X.shape
    batch_size = settings.batch_size or automatic_batch_size(m, d, R)
    choice = yield from choose_width(Widths(X, y, settings, R=R, batch_size=batch_size))
    return _with_steps(choice, settings, m=m, d=d, R=R, batch_size=batch_size)


def _with_steps(choice: Choice, settings: Settings, *, m: int, d: int, R: float, batch_size: int) -> Plan:
    """Choose T and eta at the chosen width."""
    certificate, q = choice.final.certificate, choice.final.n_pairs
    sizing = certificate.size(settings.epsilon)
    budget = int(max(1, min(STEP_BUDGET, WORK_BUDGET / (4 * batch_size * q * d))))
    epoch_steps = math.ceil(UNCERTIFIED_EPOCHS * m / batch_size)
    reason = certificate.why_none()
    if settings.n_steps is not None:
        T = settings.n_steps
        if sizing is None:
            reason = reason or _no_comparator(settings)
        elif sizing.n_steps > T:
            reason = f"not certified at this epsilon: that takes {sizing.n_steps} steps, and {T} were asked for"
    elif sizing is None:
        T = min(budget, epoch_steps)
        reason = reason or _no_comparator(settings)
    elif sizing.n_steps > budget:
        # the perceptron's count is smaller by a factor epsilon
        T = sizing.n_steps if is_perceptron(settings.loss) else math.ceil(settings.epsilon * sizing.n_steps)
        T = min(T, budget)
        reason = f"not certified at this epsilon: that takes {sizing.n_steps} steps, and the budget is {budget}"
    else:
        T = sizing.n_steps
    if settings.learning_rate is not None:
        eta = settings.learning_rate
    elif not math.isfinite(settings.loss.L):
        # a step of the squared loss must not overshoot: at most 1 over the largest curvature of a minibatch
        curvature = replace(certificate, loss=_unit_lipschitz(settings.loss)).G_squared
        eta = 1 / curvature if curvature > 0 else 1.0  # no point has a gate open: nothing will move
    elif sizing is not None and sizing.n_steps == T:
        eta = sizing.learning_rate
    else:
        eta = certificate.best_rate(T)
    steps = None if sizing is None else sizing.n_steps
    return Plan(q, T, batch_size, eta, R, certificate, steps, reason, choice.trials, choice.ended)


def _unit_lipschitz(loss: Loss) -> Loss:
    return replace(loss, L=1.0)


def _no_comparator(settings: Settings) -> str:
    return (
        f"not certified at this epsilon: no vector found in the embedding has a loss below epsilon={settings.epsilon:g}"
    )
