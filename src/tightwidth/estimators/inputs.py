"""From what users give to unit rows: checked, standardised, on the sphere, the same at fit and at predict."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse import issparse

from tightwidth import sphere
from tightwidth.data.preprocessing import Standardizer, normalized_weights
from tightwidth.data.rows.statistics import ColumnStatistics
from tightwidth.errors import DataError, InputError
from tightwidth.memory import check_fits

BLOCK_NUMBERS = 1 << 22  # of sparse rows that are made dense at a time

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn 1.5 has it as a method

    def validate_data(_estimator: Any, /, X: Any = "no_validation", y: Any = "no_validation", **settings: Any) -> Any:
        """Check X and y, and keep or compare the number and the names of the features."""
        return _estimator._validate_data(X, y, **settings)


def validated(estimator: Any, X: Any, y: Any = "no_validation", **settings: Any) -> Any:
    """Return X, and y if given, after scikit-learn's checks; float32 stays, other numbers become float64.

    Without y the features must be those of the fit.

    Raises
    ------
    ValueError
        If X is no finite dense table of real numbers, or y does not fit to it.
    """
    settings["reset"] = not isinstance(y, str)
    return validate_data(estimator, X, y, dtype=[np.float64, np.float32], **settings)


def dense(X: Any) -> Float[np.ndarray, "m d"]:
    """Return rows as they are, sparse ones with their zeros.

    Raises
    ------
    MemoryEstimateError
        If they would not fit in memory.
    """
    if not issparse(X):
        return X
    m, d = X.shape
    check_fits(
        4.0 * m * d * X.dtype.itemsize,
        f"{m} sparse rows of {d} features, made dense,",
        "fit them in parts with partial_fit, or from a .svm file with fit_stream",
    )
    return X.toarray()


def dense_blocks(X: Any) -> Iterator[Float[np.ndarray, "n d"]]:
    """Yield dense rows at once, sparse ones in blocks made dense."""
    if not issparse(X):
        yield X
        return
    rows = max(1, BLOCK_NUMBERS // X.shape[1])
    for start in range(0, X.shape[0], rows):
        yield X[start : start + rows].toarray()


def checked_weights(sample_weight: Any, m: int) -> Float[np.ndarray, " m"] | None:
    """Return weights of m rows in float64, or None if none are given; one number counts for all.

    Raises
    ------
    DataError
        If there is not one finite weight of at least 0 for each row, or if all are 0.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float64)
    if weights.ndim == 0:
        weights = np.full(m, weights)
    if weights.size and not weights.any():
        message = f"the sample_weight of all {weights.size} rows is zero; a row counts by its weight; give some above 0"
        raise DataError(message)
    normalized_weights(weights, m)
    return weights


@dataclass(frozen=True, eq=False)
class Inputs:
    """Map rows to the unit sphere as the training data were: by their means, their scales, and their size.

    Attributes
    ----------
    standardizer
        What centres and scales the columns, or None.
    on_sphere
        "bias", "project" or "require".
    constant
        The coordinate that "bias" appends: the root-mean-square norm of the training rows, or 1 if all are 0.
    """

    standardizer: Standardizer | None
    on_sphere: str
    constant: float

    @classmethod
    def fit(
        cls,
        X: Float[np.ndarray, "m d"],
        sample_weight: Float[np.ndarray, " m"] | None = None,
        *,
        standardize: bool,
        on_sphere: str,
    ) -> "Inputs":
        """Return the map for training rows, weighted if weights are given; a row of weight 0 counts as absent.

        Raises
        ------
        InputError
            If on_sphere is none of the three ways, or "require" is to be met by standardised columns.
        """
        _check_ways(standardize=standardize, on_sphere=on_sphere)
        standardizer = Standardizer.fit(X, sample_weight) if standardize else None
        constant = 1.0
        if on_sphere == "bias":
            norms, _ = sphere.norms_and_directions(X if standardizer is None else standardizer.transform(X))
            constant = _root_mean_square(norms, sample_weight) or 1.0
        return cls(standardizer, on_sphere, constant)

    @classmethod
    def of_columns(cls, columns: ColumnStatistics, *, standardize: bool, on_sphere: str) -> "Inputs":
        """Return the map for rows of which the statistics of the columns are known; errors as `fit`.

        Standardised rows have the mean squared norm 1 for each column that is not constant.
        """
        _check_ways(standardize=standardize, on_sphere=on_sphere)
        standardizer = columns.standardizer() if standardize else None
        constant = 1.0
        if on_sphere == "bias":
            squared = float(np.sum(~columns.is_constant)) if standardize else columns.mean_squared_norm
            constant = float(np.sqrt(squared)) or 1.0
        return cls(standardizer, on_sphere, constant)

    def transform(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
        """Return unit rows in the dtype of X; e = d + 1 with a bias, else e = d.

        Raises
        ------
        DataError
            If a row is zero and to be projected, or no unit vector and required to be one.
        """
        rows = X if self.standardizer is None else self.standardizer.transform(X)
        if self.on_sphere == "bias":
            return sphere.with_bias(rows, self.constant)
        return sphere.to_sphere(rows, self.on_sphere)


def _check_ways(*, standardize: bool, on_sphere: str) -> None:
    if on_sphere not in sphere.WAYS:
        message = f"on_sphere={on_sphere!r} is unknown; known: {', '.join(sphere.WAYS)}"
        raise InputError(message)
    if on_sphere == "require" and standardize:
        message = (
            "on_sphere='require' asks for unit rows, which standardised columns have not; give standardize=False "
            "for rows that are unit vectors as they are, or on_sphere='project'"
        )
        raise InputError(message)


def _root_mean_square(norms: Float[np.ndarray, " m"], weights: Float[np.ndarray, " m"] | None) -> float:
    if weights is not None:
        norms, weights = norms[weights > 0], weights[weights > 0]
    largest = float(norms.max(initial=0))
    if largest == 0:
        return 0.0
    return largest * float(np.sqrt(np.average((norms / largest) ** 2, weights=weights)))
