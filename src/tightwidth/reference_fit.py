"""What a plan for learning competes with: a ridge fit of the labels, its norm and its loss (section 3.2)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation
from tightwidth.angular_kernels import tangent
from tightwidth.interpolation import kernel_ridge
from tightwidth.kernel_spaces import KernelFunction
from tightwidth.losses import Loss, mean_loss

LARGEST_FIT = 4096  # points of a ridge fit; more are subsampled
SUBSAMPLES = 3
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # times the mean of the diagonal


@dataclass(frozen=True)
class Fit:
    """Hold a function of the kernel space that does what is wanted: its norm, half its range, and its mean loss.

    ``norm_error`` is the half range over subsamples, None if the fit is of all the points; ``loss`` is infinite where
    no sample is at hand; ``held_out_loss`` is that of the fit of four fifths of the points on the last fifth, which
    chose the ridge, None if a norm was given.
    """

    norm: float
    norm_error: float | None
    loss: float
    held_out_loss: float | None = None


def ridge_fit(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    activation: Activation,
    loss: Loss,
    *,
    seed: int,
    most: float | None = None,
) -> Fit:
    """Return a ridge fit of the labels, its norm, and its loss on all the points.

    The ridge is that whose fit of four fifths of the points has the least loss on the last fifth.  With a limit on the
    norm all fits are scaled into the ball of that norm, and the one with the least loss on all the points is taken; the
    norm returned is the limit.  On more than 4096 points the fits are to 3 subsamples of as many.
    """
    m, labels = len(X), y.astype(np.float64)
    rng = np.random.default_rng(seed)
    if m <= LARGEST_FIT:
        parts, (held, kept) = [np.arange(m)], np.split(rng.permutation(m), [m // 5])
    else:
        parts = [rng.permutation(m)[:LARGEST_FIT] for _ in range(SUBSAMPLES)]
        held, kept = np.split(rng.permutation(m)[:LARGEST_FIT], [LARGEST_FIT // 5])
    kernel = tangent(activation, part="hidden")
    unit = float(np.mean(kernel.diagonal(X[parts[0]])))

    def fit(rows: np.ndarray, ridge: float) -> KernelFunction:
        return kernel_ridge(kernel, X[rows].astype(np.float64), labels[rows], ridge=ridge * unit)

    def loss_of(f: KernelFunction, rows: np.ndarray, limit: float | None) -> float:
        scale = 1.0 if limit is None else min(1.0, limit / max(f.norm(), 1e-300))
        return mean_loss(loss, scale * np.asarray(f(X[rows].astype(np.float64))), labels[rows])

    everything = np.arange(m)
    unseen = None
    if most is None:
        ridge = RIDGES[0]
        if len(held):
            unseen, ridge = min((loss_of(fit(kept, ridge), held, None), ridge) for ridge in RIDGES)
        fits = [fit(rows, ridge) for rows in parts]
    else:
        fits = min(
            ([fit(rows, ridge) for rows in parts] for ridge in RIDGES),
            key=lambda found: np.median([loss_of(f, everything, most) for f in found]),
        )
    norms, losses = [f.norm() for f in fits], [loss_of(f, everything, most) for f in fits]
    middle = int(np.argsort(norms)[len(norms) // 2])
    spread = None if most is not None or len(fits) == 1 else (max(norms) - min(norms)) / 2
    return Fit(norms[middle] if most is None else most, spread, losses[middle], unseen)
