"""What the training data look like, where that spoils a fit: said in a warning, with what to do about it.

A kernel machine fits whatever it is given, and a poor fit does not say why.  The usual reasons can be seen in the
data, at a cost that the kernel matrix dwarfs.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from tightwidth import sphere

LEAST_ROWS = 20  # fewer say little about what the data look like
ONE_DIRECTION = 0.9  # share R^2/d of the second moment along one line
SCALES_APART = 100.0  # of the largest column to the median one
CONTRADICTED = 0.05  # share of rows
DIGITS = {"float32": 5, "float64": 12}  # to which points on the sphere are the same


class DataWarning(UserWarning):
    """Say that the data look as if the fit will be poor, and what to do."""


def input_remarks(
    X: Float[np.ndarray, "m d"], points: Float[np.ndarray, "m e"], *, standardize: bool, on_sphere: str
) -> list[str]:
    """Return what is to be said of training rows X and of the unit rows that were made of them.

    Notes
    -----
    Costs ``m e^2`` operations.
    """
    if len(X) < LEAST_ROWS:
        return []
    remarks = [] if standardize or on_sphere == "require" else _scales_apart(X)
    m, e = points.shape
    R_squared = sphere.R_of_sample(points) ** 2
    if R_squared > ONE_DIRECTION * e:
        if e == 1:
            advice = "one column has no direction but its sign: append a constant coordinate with on_sphere='bias'"
        elif not standardize and on_sphere != "require":
            advice = "centre and scale the columns with standardize=True"
        elif on_sphere == "require":
            advice = (
                "centre the rows before they are divided by their norms, or give standardize=True, on_sphere='bias'"
            )
        else:
            advice = "remove columns that repeat one another, or outliers that set the scale of all"
        remarks.append(
            f"the {m} points lie almost in one direction: R^2 = {R_squared:.3g}, of at most d = {e}, and 1 if spread "
            f"out evenly; the kernel hardly tells such points apart and the fit may be poor; {advice}"
        )
    return remarks


def _scales_apart(X: Float[np.ndarray, "m d"]) -> list[str]:
    scales = np.std(X.astype(np.float64), axis=0)
    varying = np.sort(scales[scales > 0])
    if len(varying) < 2:
        return []
    median = varying[(len(varying) - 1) // 2]
    if varying[-1] <= SCALES_APART * median:
        return []
    return [
        f"column {int(np.argmax(scales)) + 1} has standard deviation {varying[-1]:.3g}, and half of the columns have "
        f"{median:.3g} or less; the kernel sees little but the largest columns; give standardize=True, or bring the "
        f"columns to one scale"
    ]


def label_remarks(points: Float[np.ndarray, "m e"], y: Shaped[Any, " m"]) -> list[str]:
    """Return what is to be said of points that coincide on the sphere and have different labels.

    Notes
    -----
    Costs about sorting the rows.
    """
    m = len(points)
    if m < LEAST_ROWS:
        return []
    _, labels = np.unique(y, return_inverse=True)
    rounded = np.round(points, DIGITS[str(points.dtype)]) + 0.0  # of the two zeros one
    _, groups = np.unique(rounded, axis=0, return_inverse=True)
    pairs, counts = np.unique(np.stack([groups.reshape(-1), labels], axis=1), axis=0, return_counts=True)
    most = np.zeros(m, dtype=int)
    np.maximum.at(most, pairs[:, 0], counts)
    lost = m - int(most.sum())
    if lost < CONTRADICTED * m:
        return []
    return [
        f"{lost} of the {m} points coincide with another point and have a different label than most that do; no "
        f"classifier is right on more than {1 - lost / m:.1%} of the sample; check the labels, or add a feature that "
        f"tells these points apart"
    ]
