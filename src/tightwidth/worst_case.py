"""What Theorem 7 asks for on a given sample, with the expected kernel measured: the row called *theorem*.

Up to 8192 points the kernel matrix is factorized.  Beyond, lambda_min(K) and the norm of the labels are measured on
subsamples of three sizes and extrapolated by a power law of the number of points, with standard errors.  A subsample
alone would not do: its lambda_min is larger, and the norm of its labels smaller.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.angular_kernels import tangent
from tightwidth.errors import HypothesisError
from tightwidth.kernels import gram
from tightwidth.losses import REGISTRY, Loss, least_loss_of_a_mistake, values_and_slopes
from tightwidth.spectrum import largest_eigenvalue_bound
from tightwidth.theorems import thm7_memorization as thm7

LARGEST_SAMPLE = 8192  # the kernel matrix takes 8 m^2 bytes and its factorization m^3/3 operations
EXACT_POINTS = 1024  # up to here lambda_min(K) comes from LAPACK
INVERSE_STEPS = 25


SUBSAMPLES = (1024, 2048, 4096)
DRAWS = 3  # subsamples of each size


@dataclass(frozen=True)
class WorstCase:
    """Hold the width and the number of steps of Theorem 7, and what they were computed from.

    The errors are standard errors of an extrapolation from subsamples; None if all the points were used, in which case
    ``lambda_min`` is a bound from below, except with probability 1e-9.
    """

    n_pairs: int
    n_steps: int
    lambda_min: float
    label_norm_squared: float
    lambda_min_error: float | None = None
    label_norm_squared_error: float | None = None


class Measured(NamedTuple):
    """Hold two numbers of the expected kernel on a sample, and their standard errors."""

    lambda_min: float
    label_norm_squared: float
    lambda_min_error: float | None = None
    label_norm_squared_error: float | None = None


def worst_case(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    *,
    activation: Activation,
    loss: Loss,
    R: float,
    epsilon: float,
    batch_size: int,
    seed: int,
    n_points: int | None = None,
) -> WorstCase | str:
    """Return what Theorem 7 asks for, or one line that says why it was not computed.

    With ``n_points`` it is for so many points, of which X is a sample.
    """
    m, d, kind = n_points or len(X), X.shape[1], kind_of(loss)
    if kind is None:
        return f"no constants of Theorem 7 are known for the {loss.name} loss"
    found = _measured(X, y, activation, seed) if m <= LARGEST_SAMPLE else _extrapolated(X, y, activation, seed, m)
    if isinstance(found, str):
        return found
    try:
        given = _hypotheses(found.lambda_min, found.label_norm_squared, activation, loss, m=m, d=d, R=R)
        q = thm7.sufficient_pairs(given)
        T = thm7.sufficient_steps(given, epsilon=epsilon, batch_size=batch_size, loss=kind)
    except HypothesisError as error:
        return str(error)
    return WorstCase(q, T, *found)


def _measured(
    X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], activation: Activation, seed: int
) -> Measured | str:
    """Measure both numbers; lambda_min by LAPACK, of many points through the largest eigenvalue of the inverse."""
    K = gram(tangent(activation, part="hidden"), X.astype(np.float64))
    noise = len(K) * np.finfo(np.float64).eps * float(np.abs(K).sum(axis=1).max())  # of an eigenvalue, by rounding
    try:
        label_norm_squared, least = (_exactly if len(K) <= EXACT_POINTS else _bounded)(K, y.astype(np.float64), seed)
    except np.linalg.LinAlgError:
        return "the expected kernel is singular on this sample"
    least = least - noise if len(K) <= EXACT_POINTS else least
    if not (least > noise and label_norm_squared > 0):
        return "the expected kernel is too ill-conditioned on this sample"
    return Measured(least, label_norm_squared)


def _exactly(K: Float[np.ndarray, "m m"], y: Float[np.ndarray, " m"], _seed: int) -> tuple[float, float]:
    """Return ``y^T K^-1 y`` and lambda_min(K) of few points, by NumPy alone: SciPy takes longer to import."""
    np.linalg.cholesky(K)  # which raises unless K is positive definite
    return float(y @ np.linalg.solve(K, y)), float(np.linalg.eigvalsh(K)[0])


def _bounded(K: Float[np.ndarray, "m m"], y: Float[np.ndarray, " m"], seed: int) -> tuple[float, float]:
    """Return ``y^T K^-1 y`` and a bound on lambda_min(K) from below, from one factorization, for which K is used up."""
    from scipy.linalg import cho_factor, cho_solve  # here, since few points do without

    factor = cho_factor(K, lower=True, overwrite_a=True, check_finite=False)

    def solve(v: np.ndarray) -> np.ndarray:
        return cho_solve(factor, v, check_finite=False)

    inverse_top = largest_eigenvalue_bound(solve, len(y), seed=seed, n_steps=INVERSE_STEPS)
    return float(y @ solve(y)), 1 / inverse_top if inverse_top > 0 else 0.0


def _extrapolated(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], activation: Activation, seed: int, m: int
) -> Measured | str:
    """Measure subsamples and extrapolate: ``log(value) = a + c log(points)``, by least squares.

    The error is the standard error of the prediction and, squares added, how much a term in ``log(points)^2`` moves it.
    """
    rng = np.random.default_rng(seed)
    sizes, values = [], []
    for size in SUBSAMPLES:
        for _ in range(DRAWS):
            rows = rng.choice(len(X), size, replace=False)
            found = _measured(X[rows], y[rows], activation, seed)
            if isinstance(found, str):
                return found
            sizes.append(size)
            values.append(found[:2])
    x, logs, at = np.log(sizes), np.log(values), math.log(m)
    line, curve = (np.polyfit(x, logs, degree) for degree in (1, 2))
    prediction = line[0] * at + line[1]
    scatter = np.sqrt(((logs - np.outer(x, line[0]) - line[1]) ** 2).sum(axis=0) / (len(x) - 2))
    leverage = math.sqrt(1 + 1 / len(x) + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    bend = curve[0] * at**2 + curve[1] * at + curve[2] - prediction
    least, norm = np.exp(prediction).tolist()
    of_least, of_norm = np.hypot(scatter * leverage, bend).tolist()
    return Measured(least, norm, least * of_least, norm * of_norm)


def _hypotheses(
    lambda_min: float, label_norm_squared: float, activation: Activation, loss: Loss, *, m: int, d: int, R: float
) -> thm7.Hypotheses:
    least = 1.0 if kind_of(loss) == "perceptron" else least_loss_of_a_mistake(loss)
    return thm7.Hypotheses(m, d, R, activation.C, lambda_min, label_norm_squared, loss.L, least)


def hypotheses(found: WorstCase, activation: Activation, loss: Loss, *, m: int, d: int, R: float) -> thm7.Hypotheses:
    """Return what Theorem 7 was told about the sample."""
    return _hypotheses(found.lambda_min, found.label_norm_squared, activation, loss, m=m, d=d, R=R)


def kind_of(loss: Loss) -> thm7.MemorizingLoss | None:
    """Return which of the theorem's formulas holds for the loss: the hinge's for all that are 0 at h = y."""
    if loss is REGISTRY["perceptron"]:
        return "perceptron"
    if loss is REGISTRY["logistic"]:
        return "logistic"
    y = np.array([1.0, -1.0])
    at_labels, _ = values_and_slopes(loss, y, y)
    return "hinge" if not at_labels.any() else None
