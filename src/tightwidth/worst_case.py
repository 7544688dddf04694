"""What Theorem 7 asks for on a given sample, with the expected kernel measured: the row called *theorem*."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from tightwidth.activations import Activation
from tightwidth.angular_kernels import tangent
from tightwidth.errors import HypothesisError
from tightwidth.kernels import gram
from tightwidth.losses import REGISTRY, Loss, least_loss_of_a_mistake
from tightwidth.spectrum import largest_eigenvalue_bound
from tightwidth.theorems import thm7_memorization as thm7

LARGEST_SAMPLE = 8192  # the kernel matrix takes 8 m^2 bytes and its factorization m^3/3 operations
INVERSE_STEPS = 25


@dataclass(frozen=True)
class WorstCase:
    """Hold the width and the number of steps of Theorem 7, and what they were computed from."""

    n_pairs: int
    n_steps: int
    lambda_min: float
    label_norm_squared: float


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
) -> WorstCase | str:
    """Return what Theorem 7 asks for, or one line that says why it was not computed.

    ``lambda_min(K)`` is bounded from below through the largest eigenvalue of the inverse, except with probability 1e-9.
    """
    (m, d), kind = X.shape, kind_of(loss)
    if kind is None:
        return f"no constants of Theorem 7 are known for the {loss.name} loss"
    if m > LARGEST_SAMPLE:
        return f"the expected kernel of {m} points is not factorized (at most {LARGEST_SAMPLE})"
    K = gram(tangent(activation, part="hidden"), X.astype(np.float64))
    try:
        factor = cho_factor(K, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return "the expected kernel is singular on this sample"

    def solve(v: np.ndarray) -> np.ndarray:
        return cho_solve(factor, v, check_finite=False)

    label_norm_squared = float(y.astype(np.float64) @ solve(y.astype(np.float64)))
    inverse_top = largest_eigenvalue_bound(solve, m, seed=seed, n_steps=INVERSE_STEPS)
    if not (0 < inverse_top < np.inf and label_norm_squared > 0):
        return "the expected kernel is too ill-conditioned on this sample"
    try:
        given = _hypotheses(1 / inverse_top, label_norm_squared, activation, loss, m=m, d=d, R=R)
        q = thm7.sufficient_pairs(given)
        T = thm7.sufficient_steps(given, epsilon=epsilon, batch_size=batch_size, loss=kind)
    except HypothesisError as error:
        return str(error)
    return WorstCase(q, T, 1 / inverse_top, label_norm_squared)


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
    with jax.enable_x64(True):
        at_labels = np.asarray(jax.jit(loss.value)(y, y))
    return "hinge" if not at_labels.any() else None
