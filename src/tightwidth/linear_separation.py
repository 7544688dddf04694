"""Samples that no width memorizes: an affine sigma makes every network a linear predictor (section 3.3).

Of all polynomials only the affine ones are decent.  With ``sigma(x) = a x + c`` the tangent features of a point are
copies of a x, and the network itself computes ``<v, x> + c sum(u)``: the rank is that of the points, and at a finite B
one more if c is not 0, however many pairs there are.  Whether some v separates the sample is then decided by Gordan's
theorem: none does, if and only if 0 is in the convex hull of the vectors y_i x_i.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tightwidth.activations import Activation

LEAST_MARGIN = 1e-12  # of unit vectors: less is rounding, and no training in float64 finds it


def is_affine(activation: Activation) -> bool:
    """Return whether ``sigma(x) = a x + c``, as far as its constants tell."""
    return activation.H == 0 and activation.is_continuous and not activation.kinks and not activation.breaks


def margin_bound(X: Float[np.ndarray, "m n"], y: Float[np.ndarray, " m"]) -> float:
    """Bound the margin of linear predictors:  max_v min_i y_i <v, x_i> / ||v||  <=  ||sum_i a_i y_i x_i|| / sum_i a_i.

    Parameters
    ----------
    X, y
        Points, [m, n], and labels +-1, [m].

    Returns
    -------
    float
        At least 0, which is where it is, up to rounding, if no v separates the points; infinite if no bound was found.

    Notes
    -----
    It holds for any a >= 0.  The a are those of ``min ||sum_i a_i y_i x_i||² + (sum_i a_i - 1)²``, at which the bound
    is the margin itself.  Takes about as many steps as there are features, each of ``m n`` operations.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> round(margin_bound(X, np.array([1.0, -1.0])), 6)
    0.707107
    >>> margin_bound(np.concatenate([X, -X]), np.ones(4)) < 1e-12
    True
    """
    from scipy.optimize import nnls  # here, since it takes a third of a second, and few samples come to it

    signed = (y[:, None] * X).astype(np.float64).T
    try:
        a, _ = nnls(np.concatenate([signed, np.ones((1, len(X)))]), np.append(np.zeros(len(signed)), 1.0))
    except RuntimeError:  # too many steps: nothing is known
        return math.inf
    return float(np.linalg.norm(signed @ a) / a.sum()) if a.sum() > 0 else math.inf


def no_width_can(X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], activation: Activation, B: float) -> bool:
    """Return whether it is certain that the network memorizes the sample at no width, in the form that B says."""
    if not is_affine(activation):
        return False
    slope, constant = float(activation.sigma_prime(jnp.zeros(()))), float(activation.sigma(jnp.zeros(())))
    features = X if slope != 0 else np.zeros_like(X)
    if math.isfinite(B) and constant != 0:
        features = np.concatenate([features, np.ones((len(X), 1), X.dtype)], axis=1)
    return margin_bound(features, y) <= LEAST_MARGIN
