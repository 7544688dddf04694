"""Tables that can be used as points, and points that no network can tell apart with labels that want it to.

The same point with both labels is lost to every predictor.  An even feature map gives antipodes equal outputs and
an odd one opposite outputs; there, antipodes with opposite or with equal labels are lost as well.
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from tightwidth.errors import DataError
from tightwidth.precision import float_array

TOLERANCE = {
    np.dtype(np.float32): 1e-6,
    np.dtype(np.float64): 1e-13,
}  # rounding of a projection, with some room


def check_table(X: Any, *, n_features: int | None = None) -> Float[np.ndarray, "m d"]:
    """Return X as a table of finite numbers, float32 or float64.

    Raises
    ------
    DataError
        If it is none, or has not the number of features that is needed.
    """
    try:
        points = float_array(X)
    except (TypeError, ValueError) as error:
        message = f"X must be a table of numbers ({error}); convert it first"
        raise DataError(message) from None
    if points.ndim != 2 or points.shape[1] < 1:
        message = f"X has shape {points.shape}; needed is [n_samples, n_features] with at least one feature"
        raise DataError(message)
    if n_features is not None and points.shape[1] != n_features:
        message = f"X has {points.shape[1]} features but the network was trained on {n_features}; give the same columns"
        raise DataError(message)
    finite = np.isfinite(points)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        message = (
            f"X holds {int((~finite).sum())} NaN or infinite values (the first in row {row + 1}, column {column + 1}); "
            f"remove these rows or fill them in"
        )
        raise DataError(message)
    return points


def contradicted(
    X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], parity: Literal["even", "odd"] | None = None
) -> Bool[np.ndarray, " m"]:
    """Return which points are the same as another point of the other label, up to rounding.

    Parameters
    ----------
    X, y
        Unit rows, [m, d], and labels +-1, [m].
    parity
        "even": -x counts as x with the same label; "odd": as x with the opposite label; None: not at all.

    Notes
    -----
    Points are sorted by their product with one random direction; only points whose products agree are compared, so the
    cost is that of sorting unless very many points nearly coincide.
    """
    m = len(X)
    points, labels = X, y
    if parity is not None:
        points = np.concatenate([X, -X])
        labels = np.concatenate([y, y if parity == "even" else -y])
    # -0.0 and 0.0 differ in their bits but not as points
    distinct, group = np.unique(points + 0.0, axis=0, return_inverse=True)
    group = group.reshape(-1)
    plus: np.ndarray = np.bincount(group, weights=labels > 0, minlength=len(distinct)) > 0
    minus: np.ndarray = np.bincount(group, weights=labels < 0, minlength=len(distinct)) > 0
    lost: np.ndarray = plus & minus
    lost |= _nearly_the_same(distinct, plus, minus)
    return np.any(lost[group].reshape(-1, m), axis=0)


def _nearly_the_same(
    points: Float[np.ndarray, "n d"], plus: Bool[np.ndarray, " n"], minus: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Return which distinct points lie within rounding of a point of the other label."""
    tolerance = TOLERANCE[points.dtype]
    n, d = points.shape
    direction = np.random.default_rng(0).standard_normal(d)
    direction /= np.linalg.norm(direction)
    along = points.astype(np.float64) @ direction
    order = np.argsort(along)
    along = along[order]
    lost = np.zeros(n, dtype=bool)
    for offset in range(1, n):
        close = np.flatnonzero(along[offset:] - along[:-offset] <= tolerance)
        if len(close) == 0:
            break
        i, j = order[close], order[close + offset]
        differ = (plus[i] & minus[j]) | (minus[i] & plus[j])
        i, j = i[differ], j[differ]
        same = np.linalg.norm(points[i].astype(np.float64) - points[j], axis=1) <= tolerance
        lost[i[same]] = lost[j[same]] = True
    return lost
