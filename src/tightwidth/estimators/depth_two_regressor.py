"""A depth-two network, trained by Algorithm 1, as a regressor of scikit-learn (sections 2.5 and 3.2)."""

import math
import warnings
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from tightwidth.activations import Activation
from tightwidth.data.preprocessing import Standardizer
from tightwidth.errors import DataError
from tightwidth.estimators.data_remarks import DataWarning, input_remarks
from tightwidth.estimators.depth_two_base import DepthTwo
from tightwidth.estimators.fit_plan import FOR_VALUES
from tightwidth.estimators.inputs import dense, validated
from tightwidth.losses import Loss


class DepthTwoRegressor(RegressorMixin, DepthTwo):
    """Fit values by depth-two networks that Algorithm 1 trains, as wide and as long as the theory says.

    Values are brought to mean 0 and variance 1 before, and back after.  Several values a row are fitted by networks
    that share W' and are trained in one loop.

    Parameters
    ----------
    loss
        "huber", which is squared near 0 and has slopes of at most 1 standard deviation; "absolute", "squared", or a
        `tightwidth.Loss`.
    n_pairs, output_scale, activation, batch_size, n_steps, learning_rate, epsilon, iterate
        As for `DepthTwoClassifier`; "auto" takes between 5 and 10 epochs, at least 200 steps.
    standardize, on_sphere, early_stopping, validation_fraction, n_iter_no_change, tol, warm_start, certify, verbose
        As for `DepthTwoClassifier`; the score of held-out rows is R^2.
    random_state
        Of W', the draws and the held-out part.

    Attributes
    ----------
    targets_
        The means and standard deviations of the values.
    plan_, certificate_, W_half_, trained_, n_pairs_, n_steps_, validation_scores_, inputs_
        As for `DepthTwoClassifier`; ``certificate_.mean_online_mistakes`` counts rows on the wrong side of the mean.
    n_features_in_, feature_names_in_
        Number of columns, and their names if they have any.

    References
    ----------
    Daniely (2020), Section 3.2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> DepthTwoRegressor(random_state=0).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.35
    True
    """

    _patience = FOR_VALUES

    @no_type_check  # scikit-learn's convention: anything is kept here, and checked by fit
    def __init__(
        self,
        n_pairs: int | str = "auto",
        *,
        output_scale: float = math.inf,
        activation: str | Activation = "relu",
        loss: str | Loss = "huber",
        batch_size: int | str = "auto",
        n_steps: int | str = "auto",
        learning_rate: float | str = "auto",
        epsilon: float = 0.1,
        iterate: str = "auto",
        standardize: bool = True,
        on_sphere: str = "bias",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        warm_start: bool = False,
        certify: bool = False,
        verbose: bool | int = False,
        random_state: Any = None,
    ) -> None:
        self.n_pairs = n_pairs
        self.output_scale = output_scale
        self.activation = activation
        self.loss = loss
        self.batch_size = batch_size
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.epsilon = epsilon
        self.iterate = iterate
        self.standardize = standardize
        self.on_sphere = on_sphere
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.certify = certify
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DepthTwoRegressor":
        """Fit to rows X, [m, d], with values y, [m] or [m, targets].

        Parameters
        ----------
        X, y
            Finite numbers.
        sample_weight
            Weights of the rows, [m], not negative; a row of weight 2 counts as two, one of weight 0 as absent.

        Raises
        ------
        ValueError
            If X, y or the weights cannot be used.
        InputError
            If a parameter is out of its range.
        DataError
            If a row cannot be brought to the sphere, or the weights are none.
        HypothesisError
            If the activation is not decent.
        MemoryEstimateError
            If the networks would not fit in memory.
        """
        X, y = validated(self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True)
        X = dense(X)
        X, Y, weights = self._rows(X, y, sample_weight)
        held_out = None
        if self.early_stopping:
            X, Y, weights, held_out = self._split(X, Y, weights)
        if not (self.warm_start and hasattr(self, "trained_")):
            self.targets_, self._is_flat = Standardizer.fit(Y, weights), np.ndim(y) == 1
        self._fit(X, self.targets_.transform(Y), weights, held_out)
        for remark in input_remarks(
            X, self.inputs_.transform(X), standardize=bool(self.standardize), on_sphere=str(self.on_sphere)
        ):
            warnings.warn(remark, DataWarning, stacklevel=2)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DepthTwoRegressor":
        """Take one pass over more rows, in their order; the first call fixes the scale of columns and values.

        Parameters
        ----------
        X, y
            Rows, [m, d], and values, [m] or [m, targets].
        sample_weight
            Weights of the rows, [m]: factors on their gradients, relative to the mean of the call.

        Raises
        ------
        ValueError
            If X, y or the weights cannot be used.
        DataError
            If there are more or fewer values a row than in the first call.
        """
        if not hasattr(self, "trained_"):
            X, y = validated(self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True)
            X = dense(X)
            X, Y, weights = self._rows(X, y, sample_weight)
            self.targets_, self._is_flat = Standardizer.fit(Y, weights), np.ndim(y) == 1
        else:
            X = dense(validated(self, X, accept_sparse="csr"))
            X, Y, weights = self._rows(X, np.asarray(y, np.float64), sample_weight)
            if Y.shape[1] != len(self.targets_.mean):
                message = (
                    f"y has {Y.shape[1]} values a row, and the first call had {len(self.targets_.mean)}; give as many"
                )
                raise DataError(message)
        self._partial_fit(X, self.targets_.transform(Y), weights)
        return self

    def _rows(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Float[np.ndarray, "m K"], Any]:
        """Return rows, values [m, K] and weights, without the rows of weight 0."""
        Y = np.asarray(y, np.float64).reshape(len(y), -1)
        if len(Y) != len(X):
            message = f"y has {len(Y)} rows and X {len(X)}; give the values of every row"
            raise DataError(message)
        weights = self._weights(sample_weight, len(X))
        if weights is None:
            return X, Y, None
        return X[weights > 0], Y[weights > 0], weights[weights > 0]

    def _split(self, X: Any, Y: Any, weights: Any) -> tuple[Any, ...]:
        kept, held = train_test_split(
            np.arange(len(X)), test_size=self.validation_fraction, random_state=self._split_seed()
        )
        values = Y[held]

        def score(h: Float[np.ndarray, "n K"]) -> float:
            return float(r2_score(values, self._values(h)))

        return X[kept], Y[kept], None if weights is None else weights[kept], (X[held], score)

    def _values(self, h: Float[np.ndarray, "n K"]) -> Float[np.ndarray, "n K"]:
        """Return outputs in the units of the values; a value that was constant stays it."""
        return h * np.where(np.isinf(self.targets_.scale), 0.0, self.targets_.scale) + self.targets_.mean

    def predict(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """Return the values of rows X, [n, d]: [n] or [n, targets], float64.

        Raises
        ------
        ValueError
            If X is no finite table with the columns of the fit.
        """
        values = self._values(self._outputs(X).astype(np.float64))
        return values[:, 0] if self._is_flat else values

    def __sklearn_tags__(self) -> Any:
        """Return the tags: several values a row are welcome."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, bool]:
        return {"multioutput": True}  # what scikit-learn 1.5 reads
