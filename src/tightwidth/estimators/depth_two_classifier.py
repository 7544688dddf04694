"""A depth-two network, trained by Algorithm 1, as a classifier of scikit-learn (sections 2.5 and 3.2)."""

import math
import warnings
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.base import ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from tightwidth.activations import Activation
from tightwidth.errors import InputError
from tightwidth.estimators.data_remarks import DataWarning, input_remarks
from tightwidth.estimators.depth_two_base import DepthTwo
from tightwidth.estimators.fit_plan import FOR_CLASSES
from tightwidth.estimators.inputs import dense, validated
from tightwidth.losses import Loss


def _has_probabilities(estimator: Any) -> bool:
    name = estimator.loss.name if isinstance(estimator.loss, Loss) else estimator.loss
    if name == "logistic":
        return True
    message = f"the {name} loss gives no probabilities; give loss='logistic'"
    raise AttributeError(message)


class DepthTwoClassifier(ClassifierMixin, DepthTwo):
    """Classify by depth-two networks that Algorithm 1 trains, as wide and as long as the theory says.

    Several classes are told apart one against the rest, by networks that share W' and are trained in one loop.

    Parameters
    ----------
    n_pairs
        q, half the number of hidden neurons of each output.  "auto": by Theorem 10 for ``epsilon``, at most 2 m/d.
    output_scale
        B.  ``inf`` trains the linear limit, a finite B the networks themselves.
    activation, loss
        Names or objects; the activation must be decent.  With a name the estimator can be pickled.  "hinge",
        "logistic" (with probabilities), "perceptron", "absolute", "huber", "squared".
    batch_size
        b.  "auto": all rows up to 256 of them, which sees weights exactly; else d/R^2 as a power of two, at least 32.
    n_steps, learning_rate
        T, and the embedding's eta.  "auto": T by Theorem 10, between 5 and 40 epochs and at least 1000; a rate that
        adapts to the gradients, ``M/sqrt(sum ||g_t||^2)``, or with ``certify`` the constant one of Theorem 10.
    epsilon
        The excess loss over a ridge fit that the theory may leave, half for the width, half for the steps.
    iterate
        "average", "last" or "random", which is Algorithm 1's; "auto" is the average at B = infinity, else the last.
    class_weight
        None, "balanced", or a dictionary of weights by class.
    standardize, on_sphere
        As for `NTKClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        Whether to hold out a part of the rows, and end once its score has not risen by tol for so many epochs; the best
        iterate is kept.
    warm_start
        Whether `fit` goes on from where the last one ended, with its W'.
    certify
        Whether `fit` computes ``certificate_.memorized``, which takes some seconds for each output.
    verbose
        Whether to print a line an epoch.
    random_state
        Of W', the draws and the held-out part.

    Attributes
    ----------
    classes_
        The labels.
    plan_
        What was run, and why: `tightwidth.estimators.fit_plan.FitPlan`.
    certificate_
        What the fit says about itself: `tightwidth.estimators.training.FitCertificate`.
    W_half_, trained_
        W' and what was trained: V, [K, q, d], or (P and N, s, r).
    n_pairs_, n_steps_, validation_scores_, inputs_
        Width, steps run, scores of the held-out rows (or None), the way to the sphere.
    n_features_in_, feature_names_in_
        Number of columns, and their names if they have any.

    Notes
    -----
    Sparse rows are made dense: all of them by `fit`, a block at a time by `predict`.

    A step costs ``4 b K q d`` operations at B = infinity.  `partial_fit` takes each row once, in its order; its first
    call plans, and fixes what standardises later rows.

    References
    ----------
    Daniely (2020), Section 3.2.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> DepthTwoClassifier(random_state=0).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    _patience = FOR_CLASSES

    @no_type_check  # scikit-learn's convention: anything is kept here, and checked by fit
    def __init__(
        self,
        n_pairs: int | str = "auto",
        *,
        output_scale: float = math.inf,
        activation: str | Activation = "relu",
        loss: str | Loss = "hinge",
        batch_size: int | str = "auto",
        n_steps: int | str = "auto",
        learning_rate: float | str = "auto",
        epsilon: float = 0.1,
        iterate: str = "auto",
        class_weight: Any = None,
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
        self.class_weight = class_weight
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "DepthTwoClassifier":
        """Fit to rows X, [m, d], with labels y, [m].

        Parameters
        ----------
        X, y
            Finite numbers and labels of at least two classes.
        sample_weight
            Weights of the rows, [m], not negative; a row of weight 2 counts as two, one of weight 0 as absent.

        Raises
        ------
        ValueError
            If X, y or the weights cannot be used, or there is one class only.
        InputError
            If a parameter is out of its range.
        DataError
            If a row cannot be brought to the sphere, or the weights are none.
        HypothesisError
            If the activation is not decent.
        MemoryEstimateError
            If the networks would not fit in memory.
        """
        X, y = validated(self, X, y, accept_sparse="csr")
        X = dense(X)
        check_classification_targets(y)
        weights = self._weights(sample_weight, len(X))
        if weights is not None:
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        if not (self.warm_start and hasattr(self, "trained_")):
            self.classes_ = np.unique(y)
        self._check_classes(y)
        if len(self.classes_) < 2:
            message = f"y holds one class, {self.classes_[0]!r}; a classifier needs rows of at least 2 classes"
            raise ValueError(message)
        held_out = None
        if self.early_stopping:
            X, X_held, y, y_held, weights = self._split(X, y, weights)
            held_out = X_held, lambda h: float(np.mean(self._labels(h) == y_held))
        weights = self._with_class_weights(y, weights)
        settings: Any = {name: getattr(self, name) for name in ("standardize", "on_sphere")}
        self._fit(X, self._targets(y), weights, held_out)
        for remark in input_remarks(X, self.inputs_.transform(X), **settings):
            warnings.warn(remark, DataWarning, stacklevel=2)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "DepthTwoClassifier":
        """Take one pass over more rows, in their order.

        Parameters
        ----------
        X, y
            Rows, [m, d], and labels, [m].
        classes
            All labels that will ever come; needed in the first call.
        sample_weight
            Weights of the rows, [m]: factors on their gradients, relative to the mean of the call.

        Raises
        ------
        ValueError
            If the classes are missing, or a label is none of them.
        """
        if not hasattr(self, "trained_"):
            if classes is None:
                message = "classes=None in the first call of partial_fit; give all labels that will ever come"
                raise ValueError(message)
            self.classes_ = np.unique(classes)
            X, y = validated(self, X, y, accept_sparse="csr")
            X = dense(X)
        else:
            if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
                message = f"classes={list(classes)!r} are not those of the first call, {self.classes_.tolist()!r}"
                raise ValueError(message)
            X = dense(validated(self, X, accept_sparse="csr"))
            y = np.asarray(y).reshape(-1)
            if len(y) != len(X):
                message = f"y has {len(y)} labels for {len(X)} rows; give one label a row"
                raise ValueError(message)
        self._check_classes(y)
        weights = self._weights(sample_weight, len(X))
        if weights is not None:
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        self._partial_fit(X, self._targets(y), self._with_class_weights(y, weights))
        return self

    @property
    def _judged(self) -> str:
        return "sign" if len(self.classes_) == 2 else "argmax"

    def _check_classes(self, y: Shaped[np.ndarray, " m"]) -> None:
        unseen = np.setdiff1d(y, self.classes_).tolist()
        if unseen:
            message = f"label {unseen[0]!r} is none of the classes {self.classes_.tolist()!r}; name all of them first"
            raise ValueError(message)

    def _targets(self, y: Shaped[np.ndarray, " m"]) -> Float[np.ndarray, "m K"]:
        """Return +1 for its class and -1 for the rest, [m, K]; one column for two classes."""
        signs = np.where(y[:, None] == self.classes_, 1.0, -1.0)
        return signs[:, 1:] if len(self.classes_) == 2 else signs

    def _labels(self, h: Float[np.ndarray, "m K"]) -> Shaped[np.ndarray, " m"]:
        places = (h[:, 0] > 0).astype(int) if len(self.classes_) == 2 else np.argmax(h, axis=1)
        return self.classes_[places]

    def _with_class_weights(self, y: Any, weights: Any) -> Float[np.ndarray, " m"] | None:
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, str) and self.class_weight != "balanced":
            message = f"class_weight={self.class_weight!r} is unknown; give None, 'balanced' or a dictionary"
            raise InputError(message)
        present = np.unique(y)
        of_class = dict(zip(present, compute_class_weight(self.class_weight, classes=present, y=y), strict=True))
        factors = np.array([of_class[label] for label in y], np.float64)
        return factors if weights is None else factors * weights

    def _split(self, X: Any, y: Any, weights: Any) -> tuple[Any, ...]:
        """Hold out a part of the rows, of every class alike where that is possible."""
        rows = np.arange(len(X))
        seed = self._split_seed()
        _, counts = np.unique(y, return_counts=True)
        stratify = y if counts.min() >= 2 and self.validation_fraction * len(X) >= len(counts) else None
        kept, held = train_test_split(rows, test_size=self.validation_fraction, random_state=seed, stratify=stratify)
        return X[kept], X[held], y[kept], y[held], None if weights is None else weights[kept]

    def decision_function(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """Return the outputs of the networks on rows X, [n, d]: [n] for two classes, else [n, classes].

        Raises
        ------
        ValueError
            If X is no finite table with the columns of the fit.
        """
        h = self._outputs(X)
        return h[:, 0] if len(self.classes_) == 2 else h

    def predict(self, X: Any) -> Shaped[np.ndarray, " n"]:
        """Return the labels of rows X, [n, d]; errors as `decision_function`."""
        check_is_fitted(self)
        return self._labels(self._outputs(X))

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """Return the probability of each class, [n, classes], which the logistic loss estimates.

        Several classes: the probabilities of each against the rest, divided by their sum.
        """
        h = self._outputs(X).astype(np.float64)
        one = 1 / (1 + np.exp(-np.clip(h, -500, 500)))
        if len(self.classes_) == 2:
            return np.concatenate([1 - one, one], axis=1)
        return one / one.sum(axis=1, keepdims=True)
