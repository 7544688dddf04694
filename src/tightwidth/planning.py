"""Which q, T and eta memorize a given sample, from the weights that its seed draws (section 3.3, Theorem 7).

For each width the weights are drawn, a large-margin vector is found in their embedding, and the certificate says how
many steps it needs.  The width with the least certified work ``q T`` is taken.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.activations import Activation
from tightwidth.algorithm1 import DRAWN_AHEAD
from tightwidth.certificates import Certificate, is_perceptron
from tightwidth.comparators import find_certificate
from tightwidth.embedding import Embedding, embed
from tightwidth.losses import Loss
from tightwidth.memory import fits
from tightwidth.network import draw_W_half

GRID_RATIO = 2 ** (1 / 3)
FIRST_WIDTH = 2.0  # times m/d: where the search starts, and what is taken where nothing can be certified
WIDEST = 64.0  # times m/d, and times log2(m) pairs: where it gives up
LEAST_HOPELESS = 8  # pairs, and 2 log2(m) more, before which no search is given up
PATIENCE = 2  # wider networks without progress before it stops
WORK_BUDGET = 2e13  # floating-point operations: about five minutes on two cores
STEP_BUDGET = 5_000_000
UNCERTIFIED_EPOCHS = 400
WEIGHTS, STEPS, RANDOM_ITERATE = 0, 1, 2  # the streams of random numbers that a seed opens


@dataclass(frozen=True)
class Settings:
    """Hold what the user fixed; None stands for "auto".

    ``output_scale`` is B, ``learning_rate`` the embedding's eta.
    """

    activation: Activation
    loss: Loss
    epsilon: float
    output_scale: float
    seed: int
    n_pairs: int | None = None
    n_steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class Trial:
    """Hold what was found at one width: the certified steps, or None if no comparator certifies epsilon."""

    n_pairs: int
    n_steps: int | None
    certificate: Certificate
    alpha: Float[Array, " m"] | None

    @property
    def work(self) -> float:
        """``q T``, infinite where nothing is certified."""
        return math.inf if self.n_steps is None else float(self.n_pairs) * self.n_steps


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


def weights_key(seed: int) -> PRNGKeyArray:
    """Return the key of W': the plan certifies the weights that the run will start from."""
    return jax.random.fold_in(jax.random.key(seed), WEIGHTS)


def automatic_batch_size(m: int, d: int, R: float) -> int:
    """Return the power of two at or above the critical batch size d/R^2, at most m.

    Up to there the number of steps falls in proportion to the batch size.
    """
    return max(1, min(2 ** math.ceil(math.log2(max(1.0, d / R**2))), m))


def bytes_needed(m: int, d: int, q: int, itemsize: int) -> float:
    """Estimate the memory of a run: the sample in two precisions, the weights, and temporaries of one block.

    The gates of the sample are kept beside only where they take at most a quarter of the memory.
    """
    one_row = 40.0 * q  # pre-activations and gates of one point, in both precisions
    return (itemsize + 8.0) * m * d + (6 * itemsize + 8.0) * q * d + one_row + 1e8


def batch_bytes(batch_size: int, d: int, q: int, itemsize: int) -> float:
    """Estimate the memory of one step, and of the draws that are made ahead."""
    return float(batch_size) * (8 * DRAWN_AHEAD + itemsize * (2 * d + 8 * q))


class _Widths:
    """Draw the embeddings of many widths; widths up to a common number of columns share it, and its compilation."""

    def __init__(self, X: Float[np.ndarray, "m d"], settings: Settings) -> None:
        self.X, self.settings = X, settings
        self.wide: Embedding | None = None

    def embedding(self, q: int) -> Embedding:
        m, d = self.X.shape
        if self.wide is None or q > self.wide.Q:
            first = 1 if self.settings.n_pairs else round(FIRST_WIDTH * m / d)
            Q = max(q, first if self.wide is None else 2 * self.wide.Q)
            W_half = draw_W_half(weights_key(self.settings.seed), Q, d, self.X.dtype)
            self.wide = embed(self.X, W_half, self.settings.activation)
        return self.wide.narrowed(q)


def _try_width(
    widths: _Widths,
    y: Float[np.ndarray, " m"],
    q: int,
    *,
    R: float,
    batch_size: int,
    alpha: Float[Array, " m"] | None,
    thorough: bool,
) -> Trial:
    """Draw the weights of one width and certify what can be certified."""
    settings = widths.settings
    found = find_certificate(
        widths.embedding(q),
        y,
        loss=settings.loss,
        batch_size=batch_size,
        epsilon=settings.epsilon,
        R=R,
        seed=settings.seed,
        alpha=alpha,
        thorough=thorough,
    )
    sizing = found.certificate.size(settings.epsilon)
    return Trial(q, None if sizing is None else sizing.n_steps, found.certificate, found.alpha)


def _search(
    widths: _Widths, y: Float[np.ndarray, " m"], *, R: float, batch_size: int
) -> Generator[Trial, None, tuple[list[Trial], str]]:
    """Start at q d = 2 m; go down while the certified work falls, else up; say why it ended."""
    (m, d), settings = widths.X.shape, widths.settings
    trials: list[Trial] = []

    def attempt(k: int) -> Generator[Trial, None, Trial]:
        q = _width(k, m, d)
        alpha = trials[-1].alpha if trials else None
        trial = _try_width(widths, y, q, R=R, batch_size=batch_size, alpha=alpha, thorough=False)
        trials.append(trial)
        yield trial
        return trial

    def tried() -> set[int]:
        return {trial.n_pairs for trial in trials}

    if settings.activation.is_piecewise_linear and not settings.activation.kinks:
        trial = _try_width(widths, y, 1, R=R, batch_size=batch_size, alpha=None, thorough=False)
        yield trial
        ended = f"sigma' is constant: the predictor is linear, its kernel has rank at most d={d} at every width"
        return [trial], ended
    best = yield from attempt(0)
    if math.isfinite(best.work):
        for k in range(-1, -64, -1):
            if _width(k, m, d) in tried():
                continue
            narrower = yield from attempt(k)
            if narrower.work >= best.work:
                break
            best = narrower
        if best is not trials[0]:
            return trials, f"the certified work q T is least at {best.n_pairs} pairs: it grows on both sides"
    stale, k = 0, 0
    while stale < PATIENCE:
        k += 1
        q = _width(k, m, d)
        if q in tried():
            continue
        if q > max(WIDEST * m / d, WIDEST * math.log2(m + 1)):
            return trials, f"the widest network of the search was reached at {trials[-1].n_pairs} pairs"
        if not fits(bytes_needed(m, d, q, widths.X.dtype.itemsize)):
            return trials, f"networks wider than {trials[-1].n_pairs} pairs do not fit in memory"
        before = _least_loss(trials[-1])
        wider = yield from attempt(k)
        # a point is dead with probability 2^-q: as long as that matters, a wider network may do what this one cannot
        hopeless = q >= LEAST_HOPELESS + 2 * math.log2(m) and _least_loss(wider) >= 0.99 * before
        if wider.work < best.work or (math.isinf(wider.work) and math.isinf(best.work) and not hopeless):
            stale = 0
        else:
            stale += 1
        best = min(best, wider, key=lambda trial: trial.work)
    if math.isfinite(best.work):
        return trials, f"the certified work q T is least at {best.n_pairs} pairs: it grows on both sides"
    last = trials[-1].n_pairs
    return (
        trials,
        f"no width up to {last} pairs was certified for epsilon={settings.epsilon:g}, and wider ones come no nearer",
    )


def _width(k: int, m: int, d: int) -> int:
    """Return the k-th width of the grid: q d = 2 m at k = 0."""
    return max(1, round(FIRST_WIDTH * m / d * GRID_RATIO**k))


def _least_loss(trial: Trial) -> float:
    return float(trial.certificate.comparators.loss.min())


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
    widths = _Widths(X, settings)
    trials: list[Trial] = []
    alpha = None
    if settings.n_pairs is not None:
        q, ended = settings.n_pairs, "the width was given"
    elif not math.isfinite(settings.loss.L):
        q, ended = (
            max(1, round(FIRST_WIDTH * m / d)),
            f"the {settings.loss.name} loss admits no certificate: q d = 2 m",
        )
    else:
        trials, ended = yield from _search(widths, y, R=R, batch_size=batch_size)
        best = min(trials, key=lambda trial: trial.work)
        q, alpha = (best.n_pairs, best.alpha) if math.isfinite(best.work) else (trials[0].n_pairs, trials[0].alpha)
    final = _try_width(widths, y, q, R=R, batch_size=batch_size, alpha=alpha, thorough=True)
    tried = sorted([trial for trial in trials if trial.n_pairs != q] + [final], key=lambda trial: trial.n_pairs)
    return _with_steps(final, settings, m=m, d=d, R=R, batch_size=batch_size, trials=tuple(tried), ended=ended)


def _with_steps(
    final: Trial,
    settings: Settings,
    *,
    m: int,
    d: int,
    R: float,
    batch_size: int,
    trials: tuple[Trial, ...],
    ended: str,
) -> Plan:
    """Choose T and eta at the chosen width."""
    certificate, q = final.certificate, final.n_pairs
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
        eta = 1 / replace(certificate, loss=_unit_lipschitz(settings.loss)).G_squared
    elif sizing is not None and sizing.n_steps == T:
        eta = sizing.learning_rate
    else:
        eta = certificate.best_rate(T)
    steps = None if sizing is None else sizing.n_steps
    return Plan(q, T, batch_size, eta, R, certificate, steps, reason, trials, ended)


def _unit_lipschitz(loss: Loss) -> Loss:
    return replace(loss, L=1.0)


def _no_comparator(settings: Settings) -> str:
    return (
        f"not certified at this epsilon: no vector found in the embedding has a loss below epsilon={settings.epsilon:g}"
    )
