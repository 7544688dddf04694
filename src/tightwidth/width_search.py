"""Which width has the least certified work ``q T``, from the weights that a seed draws (section 3.3, Theorem 7).

The widths form a ladder with ``q d = 2 m`` at its foot.  Each rung starts from the vector that an earlier one found:
the next wider rung's below the foot, that of the first rung with a certificate above it (the rung just passed while
there is none).  So a rung's certificate depends on the rungs that lead to it alone, and `climb` finds for a given width
exactly what `search` found there.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.certificates import Certificate
from tightwidth.comparators import find_certificate, is_margin_loss
from tightwidth.embedding import Embedding, embed
from tightwidth.memory import fits
from tightwidth.network import draw_W_half
from tightwidth.run_settings import Settings, bytes_needed, weights_key

GRID_RATIO = 2 ** (1 / 3)
FOOT = 2.0  # times m/d: where the search starts, and what is taken where nothing can be certified
WIDEST = 64.0  # times m/d, and times log2(m) pairs: where it gives up
NARROWEST_RUNG = -64
LEAST_HOPELESS = 8  # pairs, and 2 log2(m) more, before which no search is given up
PATIENCE = 2  # wider networks without progress before it stops
WIDTH_GIVEN = "the width was given"
MOST_POINTS_CLIMBED = 30_000  # beyond, a rung takes more than ten seconds, and a given width starts from nothing

Alpha = Float[np.ndarray, " m"] | None


@dataclass(frozen=True)
class Trial:
    """Hold what was found at one width: the certified steps, or None if no comparator certifies epsilon."""

    n_pairs: int
    n_steps: int | None
    certificate: Certificate
    alpha: Alpha

    @property
    def work(self) -> float:
        """``q T``, infinite where nothing is certified."""
        return math.inf if self.n_steps is None else float(self.n_pairs) * self.n_steps

    @property
    def is_certified(self) -> bool:
        """Whether some number of steps is certified."""
        return self.n_steps is not None


def first_width(m: int, d: int) -> int:
    """Return the width at the foot of the ladder, ``q d = 2 m``."""
    return _rung(0, m, d)


def _rung(k: int, m: int, d: int) -> int:
    """Return the width of the k-th rung."""
    return max(1, round(FOOT * m / d * GRID_RATIO**k))


def _widest(m: int, d: int) -> float:
    """Return the width beyond which no search goes."""
    return max(WIDEST * m / d, WIDEST * math.log2(m + 1))


def _is_linear(sigma: Activation) -> bool:
    """Return whether sigma' is constant: all widths then have the same kernel, and one is enough to look at."""
    return sigma.is_piecewise_linear and not sigma.kinks


class Widths:
    """Draw the embeddings of many widths and certify them.

    Widths up to a common number of columns share it, and its compilation.
    """

    def __init__(
        self,
        X: Float[np.ndarray, "m d"],
        y: Float[np.ndarray, " m"],
        settings: Settings,
        *,
        R: float,
        batch_size: int,
        aim: str | None = None,
    ) -> None:
        self.X, self.y, self.settings = X, y, settings
        self.aim = f"epsilon={settings.epsilon:g}" if aim is None else aim
        self.R, self.batch_size = R, batch_size
        self.wide: Embedding | None = None
        self.least_columns: int | None = None

    def embedding(self, q: int) -> Embedding:
        """Return the embedding of the sample by the first q weights of the seed."""
        d = self.X.shape[1]
        self.least_columns = self.least_columns or q
        Q = self.least_columns
        while q > Q:  # a function of q and the first width alone: so are the last bits of what is found
            Q *= 2
        if self.wide is None or Q != self.wide.Q:
            W_half = draw_W_half(weights_key(self.settings.seed), Q, d, self.X.dtype)
            self.wide = embed(self.X, W_half, self.settings.activation)
        return self.wide.narrowed(q)

    def certify(self, q: int, alpha: Alpha, *, thorough: bool = False) -> Trial:
        """Certify what can be certified at one width, from the dual variables of another."""
        settings = self.settings
        found = find_certificate(
            self.embedding(q),
            self.y,
            loss=settings.loss,
            batch_size=self.batch_size,
            epsilon=settings.epsilon,
            R=self.R,
            seed=settings.seed,
            alpha=alpha,
            thorough=thorough,
        )
        sizing = found.certificate.size(settings.epsilon)
        return Trial(q, None if sizing is None else sizing.n_steps, found.certificate, found.alpha)


@dataclass(frozen=True)
class Choice:
    """Hold the width chosen, with a certificate that more was spent on; every width tried; and why no more were."""

    final: Trial
    trials: tuple[Trial, ...]
    ended: str


def choose_width(widths: Widths) -> Generator[Trial, None, Choice]:
    """Choose the width with the least certified work, or that of the settings; yield every width tried."""
    (m, d), settings = widths.X.shape, widths.settings
    trials: list[Trial] = []
    alpha = None
    if settings.n_pairs is not None:
        q, ended = settings.n_pairs, WIDTH_GIVEN
        alpha = yield from climb(widths, q)
    elif not math.isfinite(settings.loss.L):
        q, ended = first_width(m, d), f"the {settings.loss.name} loss admits no certificate: q d = 2 m"
    else:
        trials, ended = yield from search(widths)
        best = min(trials, key=lambda trial: trial.work)
        best = best if best.is_certified else trials[0]
        q, alpha = best.n_pairs, best.alpha
    final = widths.certify(q, alpha, thorough=True)
    tried = sorted([trial for trial in trials if trial.n_pairs != q] + [final], key=lambda trial: trial.n_pairs)
    return Choice(final, tuple(tried), ended)


def climb(widths: Widths, q: int) -> Generator[Trial, None, Alpha]:
    """Yield the rungs that lead to the width q and q itself; return the dual variables found there.

    Below the foot the ladder ends where nothing is certified any more, above it where something is; from there on
    it is one step to q.
    """
    (m, d), loss = widths.X.shape, widths.settings.loss
    sigma = widths.settings.activation
    if m > MOST_POINTS_CLIMBED or not math.isfinite(loss.L):
        return None
    if not is_margin_loss(loss):  # no vector is handed on, but the columns that are kept are those of the search
        widths.embedding(q if _is_linear(sigma) else first_width(m, d))
        return None
    trial = widths.certify(q if _is_linear(sigma) else first_width(m, d), None)
    yield trial
    direction = 1 if q > trial.n_pairs else -1
    k, widest = direction, _widest(m, d)
    while direction * (_rung(k, m, d) - q) < 0 and trial.is_certified == (direction < 0) and _rung(k, m, d) <= widest:
        if _rung(k, m, d) != trial.n_pairs:
            trial = widths.certify(_rung(k, m, d), trial.alpha)
            yield trial
        k += direction
    if trial.n_pairs != q:
        trial = widths.certify(q, trial.alpha)
        yield trial
    return trial.alpha


def search(widths: Widths) -> Generator[Trial, None, tuple[list[Trial], str]]:
    """Start at the foot; go down while the certified work falls, else up; say why it ended."""
    (m, d), settings = widths.X.shape, widths.settings
    trials: list[Trial] = []

    def attempt(q: int, alpha: Alpha) -> Generator[Trial, None, Trial]:
        trial = widths.certify(q, alpha)
        trials.append(trial)
        yield trial
        return trial

    if _is_linear(settings.activation):
        yield from attempt(1, None)
        return trials, f"sigma' is constant: the predictor is linear, its kernel has rank at most d={d} at every width"
    foot = best = yield from attempt(first_width(m, d), None)
    if foot.is_certified:
        for k in range(-1, NARROWEST_RUNG, -1):
            if _rung(k, m, d) == best.n_pairs:
                continue
            narrower = yield from attempt(_rung(k, m, d), best.alpha)
            if narrower.work >= best.work:
                break
            best = narrower
        if best is not foot:
            return trials, f"the certified work q T is least at {best.n_pairs} pairs: it grows on both sides"
    stale, k, last, start = 0, 0, foot, foot
    while stale < PATIENCE:
        k += 1
        q = _rung(k, m, d)
        if q == last.n_pairs:
            continue
        if q > _widest(m, d):
            return trials, f"the widest network of the search was reached at {last.n_pairs} pairs"
        if not fits(bytes_needed(m, d, q, widths.X.dtype.itemsize)):
            return trials, f"networks wider than {last.n_pairs} pairs do not fit in memory"
        wider = yield from attempt(q, start.alpha)
        # a point is dead with probability 2^-q: as long as that matters, a wider network may do what this one cannot
        hopeless = q >= LEAST_HOPELESS + 2 * math.log2(m) and _least_loss(wider) >= 0.99 * _least_loss(last)
        nothing_yet = not (wider.is_certified or best.is_certified)
        stale = 0 if wider.work < best.work or (nothing_yet and not hopeless) else stale + 1
        last, start = wider, start if start.is_certified else wider
        best = min(best, wider, key=lambda trial: trial.work)
    if best.is_certified:
        return trials, f"the certified work q T is least at {best.n_pairs} pairs: it grows on both sides"
    return (
        trials,
        f"no width up to {last.n_pairs} pairs was certified for {widths.aim}, and wider ones come no nearer",
    )


def _least_loss(trial: Trial) -> float:
    return float(trial.certificate.comparators.loss.min())
