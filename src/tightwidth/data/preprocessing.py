"""Columns with mean 0 and variance 1.

The numbers that do it are kept (`Standardizer`), so that points that come later are treated alike.
"""

from dataclasses import dataclass

import numpy as np

from tightwidth.data.table import Labels, PerColumn, Points
from tightwidth.errors import DataError

LEAST_SPREAD = np.finfo(np.float64).tiny / np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Map each column j to  (x_j - mean_j) / scale_j.

    Attributes
    ----------
    mean
        The column means in float64, shape [d]; for a constant column its value.
    scale
        The column standard deviations (with divisor m) in float64, shape [d]; infinity for a constant column,
        so that it becomes exactly 0, also where later points have another value.
    """

    mean: PerColumn
    scale: PerColumn

    @classmethod
    def fit(cls, X: np.ndarray, sample_weight: np.ndarray | None = None) -> "Standardizer":
        """Return the standardizer of the columns of X, weighted if weights are given.

        Parameters
        ----------
        X
            The points, shape [m, d], finite.
        sample_weight
            Weights of the rows, shape [m], at least 0 and not all 0; their scale does not matter, and a row
            of weight 0 counts as absent.

        Raises
        ------
        DataError
            If X has no row or is no matrix, or if the weights are none.

        Notes
        -----
        A column is constant if its values are all equal, not if its variance is small; all within 1e-292 counts as
        equal, because numbers that small have lost their digits.  Deviations are taken
        from the first row and divided by the largest of them before they are squared, so that neither a large
        common offset nor very large or small units lose digits.  One float64 copy of X is made.
        """
        if X.ndim != 2 or X.shape[0] == 0:
            message = f"X has shape {X.shape}; a matrix [points, features] with at least one row is needed; reshape it"
            raise DataError(message)
        if sample_weight is None:
            weights = np.full(X.shape[0], 1.0 / X.shape[0])
            deviations = X.astype(np.float64)
        else:
            weights = normalized_weights(sample_weight, X.shape[0])
            deviations = X[weights > 0].astype(np.float64)
            weights = weights[weights > 0]
        offset = deviations[0].copy()
        deviations -= offset
        shift = np.einsum("m,md->d", weights, deviations)
        constant = np.abs(deviations).max(axis=0) < LEAST_SPREAD
        deviations -= shift
        largest = np.where(constant, 1.0, np.abs(deviations).max(axis=0))
        deviations /= largest
        variance = np.einsum("m,md,md->d", weights, deviations, deviations)
        scale = np.where(constant, np.inf, largest * np.sqrt(variance))
        return cls(mean=np.where(constant, offset, offset + shift), scale=scale)

    def transform(self, X: np.ndarray) -> Points:
        """Return (X - mean) / scale, computed in float64, in the dtype of X (float64 if X holds no floats).

        Parameters
        ----------
        X
            The points, shape [n, d], with the columns of the fit.

        Raises
        ------
        DataError
            If X does not have the columns of the fit.
        """
        if X.ndim != 2 or X.shape[1] != len(self.mean):
            message = (
                f"X has shape {X.shape}; {len(self.mean)} columns are needed, as in the data that the "
                "standardizer was fitted to; give the same features in the same order"
            )
            raise DataError(message)
        standardized = X.astype(np.float64)
        standardized -= self.mean
        standardized /= self.scale
        return standardized.astype(X.dtype if X.dtype.kind == "f" else np.float64, copy=False)


def standardize(X: np.ndarray) -> Points:
    """Return X with columns of mean 0 and variance 1, constant columns exactly 0.

    Parameters
    ----------
    X
        The points, shape [m, d], finite.

    Returns
    -------
    Z
        The standardized points, shape [m, d], in the dtype of X.

    Raises
    ------
    DataError
        If X has no row or is no matrix.

    Examples
    --------
    >>> standardize(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    return Standardizer.fit(X).transform(X)


def normalized_weights(sample_weight: np.ndarray, m: int) -> Labels:
    """Return weights of m rows divided by their sum.

    Raises
    ------
    DataError
        If there is not one finite weight of at least 0 for each row, or if all are 0.
    """
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (m,):
        message = (
            f"sample_weight has shape {weights.shape} for {m} rows; one weight for each row is needed, shape ({m},)"
        )
        raise DataError(message)
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        message = (
            f"sample_weight runs from {weights.min():g} to {weights.max():g}; finite weights of at least 0, "
            "not all 0, are needed; drop the rows without weight"
        )
        raise DataError(message)
    weights = weights / weights.max()
    return weights / weights.sum()
