"""Width, steps, batch size and rate of an estimator, from its training data and Theorem 10, with the reasons.

The reference is a ridge fit in the space of the expected kernel, its ridge chosen by generalised cross-validation: M_k
is its norm for output k, M the largest.  With
half of ``epsilon`` for the width and half for the steps, Theorem 10 asks for

    q = (L C M R)^2 / (d (eps/2)^2),   T = M^2 G^2 / (eps/2)^2,   G^2 = L^2 (k/b + (1 - 1/b) C^2 R^2/d),

``k = E sigma'(g)^2``.  The width is never more than ``q d = 2 m``, from where on every labelling of the sample can be
memorized, and the steps are kept between bounds on the epochs.  The rate is Theorem 10's ``M/(G sqrt(T))``, or adapts:
``M_k/sqrt(||g_1||^2 + .. + ||g_t||^2)`` is the same for the gradients that come.  Weights count as repetitions.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tightwidth import sphere
from tightwidth.activations import Activation
from tightwidth.angular_kernels import tangent
from tightwidth.kernels import gram
from tightwidth.losses import Loss
from tightwidth.planning import automatic_batch_size
from tightwidth.width_search import first_width

ROWS_OF_REFERENCE = 1024
RIDGES = (1e-2, 1e-1, 1.0, 10.0, 100.0)  # of the reference, times the diagonal of the kernel
LEAST_PAIRS = 16
WHOLE_BATCHES = 256  # rows up to which every step takes all of them
LEAST_BATCH = 32  # a smaller one costs a step of the loop as much


@dataclass(frozen=True)
class Patience:
    """Hold how long to train, whatever Theorem 10 asks for: it speaks of the worst case, and noise is learnt too."""

    least_epochs: int
    most_epochs: int
    least_steps: int


FOR_CLASSES = Patience(5, 40, 1000)
FOR_VALUES = Patience(5, 10, 200)  # noise in values is learnt sooner than wrong signs


@dataclass(frozen=True)
class FitPlan:
    """Hold what an estimator runs: q, T, b and eta, what they rest on, and a reason for each.

    Attributes
    ----------
    learning_rate
        eta, or None for one that adapts to the gradients.
    norms
        M_k, the norms of the ridge fits of the outputs.
    R, G_squared
        R of the (weighted) sample on the sphere, and the bound on a minibatch gradient.
    is_whole
        Whether every step takes all rows: then nothing is random but W'.
    reasons
        One line for each of n_pairs, batch_size, n_steps, learning_rate.
    """

    n_pairs: int
    n_steps: int
    batch_size: int
    learning_rate: float | None
    norms: tuple[float, ...]
    R: float
    G_squared: float
    is_whole: bool
    reasons: dict[str, str]


def plan_fit(
    X: Float[np.ndarray, "m e"],
    Y: Float[np.ndarray, "m K"],
    weights: Float[np.ndarray, " m"] | None,
    *,
    activation: Activation,
    loss: Loss,
    epsilon: float,
    n_pairs: int | None,
    n_steps: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    adapts: bool,
    patience: Patience,
    seed: int,
    drawn_from: int | None = None,
) -> FitPlan:
    """Choose what is None of q, T, b and eta for unit rows X and targets Y, or for so many of which they are a sample.

    Costs the eigenvalues of a kernel matrix of at most 1024 rows.
    """
    m, d = len(X) if drawn_from is None else drawn_from, X.shape[1]
    is_whole = batch_size is None and m <= WHOLE_BATCHES and drawn_from is None
    counted = len(np.unique(X, axis=0)) if is_whole else m  # a repeated row is one row, as is a weighted one
    norms = _reference_norms(X, Y, weights, min(counted, len(X)), activation, seed)
    norm = max(norms)
    R = _R(X, weights, seed)
    reasons = {}
    half = epsilon / 2
    L = loss.L if math.isfinite(loss.L) else 1.0
    q = n_pairs
    if q is None:
        by_theorem = (L * activation.C * norm * R) ** 2 / (d * half**2)
        most = first_width(counted, d)
        q = max(LEAST_PAIRS, min(math.ceil(by_theorem), most))
        by = f"Theorem 10 for norm {norm:.3g}, R {R:.3g} and {half:g}" if by_theorem <= most else "q d = 2 m"
        reasons["n_pairs"] = f"{q}: {by}" if q > LEAST_PAIRS else f"{q}: the least that is taken ({by} asks for fewer)"
    else:
        reasons["n_pairs"] = f"{q}: as given"
    if is_whole:
        b, reasons["batch_size"] = m, f"{m}: all rows, of which there are at most {WHOLE_BATCHES}"
    elif batch_size is None:
        b = max(min(LEAST_BATCH, m), automatic_batch_size(m, d, R))
        reasons["batch_size"] = f"{b}: d/R^2 = {d / R**2:.3g} as a power of two, or {LEAST_BATCH}"
    else:
        b, reasons["batch_size"] = batch_size, f"{batch_size}: as given"
    share = 0.0 if is_whole else 1 / b
    k = float(tangent(activation, part="hidden").diagonal(np.eye(1, d))[0])
    G_squared = L**2 * (k * share + (1 - share) * activation.C**2 * R**2 / d)
    T = n_steps
    if T is None:
        wanted, epoch = math.ceil(norm**2 * G_squared / half**2), 1 if is_whole else math.ceil(m / b)
        least, most = (max(patience.least_steps, n * epoch) for n in (patience.least_epochs, patience.most_epochs))
        T = min(max(wanted, least), most)
        by = f"Theorem 10 for norm {norm:.3g} and {half:g}"
        reasons["n_steps"] = f"{T}: {by}" if wanted == T else f"{T}: kept in {least} to {most}; {by} asks for {wanted}"
    else:
        reasons["n_steps"] = f"{T}: as given"
    if learning_rate is None and not adapts:
        learning_rate = (norm or 1.0) / math.sqrt(G_squared * T)
        reasons["learning_rate"] = f"{learning_rate:.3g}: M/(G sqrt(T)), the best of Theorem 10 for norm {norm:.3g}"
    elif learning_rate is None:
        reasons["learning_rate"] = "M/sqrt(sum of the squared gradients): the best constant rate for those so far"
    else:
        reasons["learning_rate"] = f"{learning_rate:.3g}: as given"
    return FitPlan(q, T, b, learning_rate, norms, R, G_squared, is_whole, reasons)


def _R(X: Float[np.ndarray, "m e"], weights: Float[np.ndarray, " m"] | None, seed: int) -> float:
    if weights is None:
        return sphere.R_of_sample(X, seed=seed)
    scaled = X.astype(np.float64) * np.sqrt(weights / weights.sum() * len(X))[:, None]
    return float(np.clip(sphere.R_of_sample(scaled, seed=seed), 1.0, math.sqrt(X.shape[1])))


def _reference_norms(
    X: Float[np.ndarray, "m e"],
    Y: Float[np.ndarray, "m K"],
    weights: Float[np.ndarray, " m"] | None,
    counted: int,
    activation: Activation,
    seed: int,
) -> tuple[float, ...]:
    """Return the norms of the ridge fits of the columns of Y, on at most 1024 rows.

    The ridge is that of the least generalised cross-validation, ``RSS/(counted - trace of the hat matrix)^2``, over all
    columns.  Weights and repetitions change neither.
    """
    rows = np.arange(len(X))
    if len(X) > ROWS_OF_REFERENCE:
        rows = np.sort(np.random.default_rng(seed).choice(len(X), ROWS_OF_REFERENCE, replace=False))
        counted = ROWS_OF_REFERENCE
    kernel = tangent(activation, part="hidden")
    K = gram(kernel, X[rows].astype(np.float64))
    shares = np.full(len(rows), 1 / len(rows)) if weights is None else weights[rows] / weights[rows].sum()
    s = np.sqrt(shares * counted)
    unit = max(float(np.average(np.diag(K), weights=shares)), 1e-12)
    values, vectors = np.linalg.eigh(s[:, None] * K * s)
    values, along = np.maximum(values, 0.0), vectors.T @ (s[:, None] * Y[rows])

    def cross_validated(ridge: float) -> float:
        left = ridge * unit / (values + ridge * unit)
        free = left.sum() - len(rows) + counted
        return float(((left[:, None] * along) ** 2).sum()) / max(free, 1e-12) ** 2

    ridge = min(RIDGES, key=cross_validated)
    squared = ((values / (values + ridge * unit) ** 2)[:, None] * along**2).sum(axis=0)
    return tuple(np.sqrt(squared).tolist())
