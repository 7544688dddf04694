"""A support vector machine and a ridge regression on the exact neural tangent kernel (section 2.5).

Both put their inputs on the unit sphere (`tightwidth.estimators.inputs`), take the kernel matrix of the training data
from `tightwidth.kernels`, and leave the rest to a convex problem: scikit-learn's SVC, and a linear system.
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from tightwidth import conjugate_gradients, linear_solves
from tightwidth.activations import Activation
from tightwidth.angular_kernels import AngularKernel
from tightwidth.errors import InputError
from tightwidth.estimators.data_remarks import DataWarning, input_remarks, label_remarks
from tightwidth.estimators.inputs import Inputs, checked_weights, validated
from tightwidth.estimators.ntk_kernel import NTKKernel
from tightwidth.interpolation import LARGEST_SAMPLE
from tightwidth.kernels import diagonal, gram, gram_blocks, gram_product
from tightwidth.linear_solves import Solution
from tightwidth.memory import check_fits, fits

KERNEL_NAMES = ("activation", "depth", "output_scale", "weight_variance", "bias_variance")


def _check_positive(name: str, value: float) -> None:
    if not (isinstance(value, (int, float, np.number)) and 0 < value < math.inf):
        message = f"{name}={value!r} must be a positive number; give {name} > 0"
        raise InputError(message)


class _OnTheSphere(BaseEstimator):
    """What both machines share: the kernel of their parameters, and the way of their inputs to the sphere."""

    def _init_points(self, X: Float[np.ndarray, "m d"], weights: Float[np.ndarray, " m"] | None) -> tuple[Any, Any]:
        """Keep the kernel and the way to the sphere; return the kernel and the points there."""
        self.kernel_ = NTKKernel(**{name: getattr(self, name) for name in KERNEL_NAMES})
        kernel = self.kernel_.expected_kernel()
        settings: Any = {name: getattr(self, name) for name in ("standardize", "on_sphere")}
        self.inputs_ = Inputs.fit(X, weights, **settings)
        return kernel, self.inputs_.transform(X)

    def _remarks(self, X: Float[np.ndarray, "m d"], points: Float[np.ndarray, "m e"]) -> list[str]:
        settings: Any = {name: getattr(self, name) for name in ("standardize", "on_sphere")}
        return input_remarks(X, points, **settings)

    def _points(self, X: Any) -> Float[np.ndarray, "n e"]:
        """Return later rows on the sphere."""
        check_is_fitted(self)
        return self.inputs_.transform(validated(self, X))


class NTKClassifier(ClassifierMixin, _OnTheSphere):
    """Classify by a support vector machine on the exact neural tangent kernel.

    Parameters
    ----------
    activation, depth, output_scale, weight_variance, bias_variance
        The kernel, as for `tightwidth.tangent_kernel.ntk`.  An activation that is given by name can be pickled.
    C
        Weight of the errors: the smaller, the smoother.  On the sphere k(x, x) is 0.5 for relu at depth two.
    class_weight
        None, "balanced", or a dictionary of weights by class.
    standardize
        Whether columns are brought to mean 0 and variance 1, weighted by ``sample_weight``.
    on_sphere
        "bias" appends the root-mean-square norm of the training rows as a constant coordinate and projects, so that
        norms keep a meaning and zero rows are legal; "project" divides by the norm; "require" takes unit rows alone.
    tol
        To which the dual problem is solved.  At the default, five digits below scikit-learn's, the machine does not
        depend on the order of the rows, nor on whether a row is repeated or weighted; it costs about twice as many
        steps as 1e-3.

    Attributes
    ----------
    classes_
        The labels.
    support_, support_points_
        Which rows of those with positive weight the machine rests on, and the rows on the sphere.
    kernel_, inputs_, svc_
        The kernel, the way to the sphere, and scikit-learn's machine on the kernel matrix.
    n_features_in_, feature_names_in_
        Number of columns, and their names if they have any.

    Notes
    -----
    Needs ``8 m^2`` bytes, and for float32 rows, whose kernel is computed in float32, 4 m^2 more.  A sample that would
    not fit in memory is refused before any is taken.  Several classes are told apart pairwise.

    `fit` warns (`DataWarning`) of data that spoil a fit: points almost in one direction, columns of very different
    scales that are not standardised, the same points with different labels.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> NTKClassifier().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    @no_type_check  # scikit-learn's convention: anything is kept here, and checked by fit
    def __init__(
        self,
        activation: str | Activation = "relu",
        *,
        depth: int = 2,
        output_scale: float = math.inf,
        weight_variance: float | None = None,
        bias_variance: float | None = None,
        C: float = 10.0,
        class_weight: Any = None,
        standardize: bool = True,
        on_sphere: str = "bias",
        tol: float = 1e-8,
    ) -> None:
        self.activation = activation
        self.depth = depth
        self.output_scale = output_scale
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.C = C
        self.class_weight = class_weight
        self.standardize = standardize
        self.on_sphere = on_sphere
        self.tol = tol

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "NTKClassifier":
        """Fit to rows X, [m, d], with labels y, [m].

        Parameters
        ----------
        X, y
            Finite numbers and labels of at least two classes.
        sample_weight
            Factors on C, [m], not negative; a row of weight 0 counts as absent.

        Raises
        ------
        ValueError
            If X, y or the weights cannot be used, or there is one class only.
        InputError
            If a parameter is out of its range.
        DataError
            If a row cannot be brought to the sphere, or the weights are none.
        HypothesisError
            If sigma jumps.
        MemoryEstimateError
            If the kernel matrix would not fit in memory.
        """
        _check_positive("C", self.C)
        _check_positive("tol", self.tol)
        X, y = validated(self, X, y)
        check_classification_targets(y)
        weights = checked_weights(sample_weight, len(X))
        if weights is not None:
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        kernel, points = self._init_points(X, weights)
        for remark in self._remarks(X, points) + label_remarks(points, y):
            warnings.warn(remark, DataWarning, stacklevel=2)
        m = len(points)
        single = points.dtype == np.float32
        check_fits((12.0 if single else 8.0) * m * m, f"the kernel matrix of {m} points", "fit to fewer rows")
        machine = SVC(C=self.C, kernel="precomputed", class_weight=self.class_weight, tol=self.tol)
        self.svc_ = machine.fit(gram(kernel, points), y, weights)
        self.classes_ = machine.classes_
        self.support_ = machine.support_
        self.support_points_ = points[machine.support_]
        return self

    def _kernel_blocks(self, X: Any) -> Iterator[Float[np.ndarray, "rows m"]]:
        """Yield rows of the kernel with the training data, as SVC wants them: 0 where a row supports nothing."""
        points = self._points(X)
        kernel = self.kernel_.expected_kernel()
        for _, block in gram_blocks(kernel, points, self.support_points_):
            wide = np.zeros((len(block), self.svc_.shape_fit_[0]))
            wide[:, self.support_] = block
            yield wide

    def predict(self, X: Any) -> Shaped[np.ndarray, " n"]:
        """Return the labels of rows X, [n, d].

        Raises
        ------
        ValueError
            If X is no finite table with the columns of the fit.
        DataError
            If a row cannot be brought to the sphere.
        """
        return np.concatenate([self.svc_.predict(block) for block in self._kernel_blocks(X)])

    def decision_function(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """Return how far rows X, [n, d], are on the side of each class: [n] for two classes, else [n, classes].

        Raises
        ------
        ValueError
            If X is no finite table with the columns of the fit.
        DataError
            If a row cannot be brought to the sphere.
        """
        return np.concatenate([self.svc_.decision_function(block) for block in self._kernel_blocks(X)])


class NTKRegressor(RegressorMixin, _OnTheSphere):
    """Fit values by ridge regression on the exact neural tangent kernel.

    Minimises ``sum_i w_i (f(x_i) - y_i)^2 + ridge ||f||^2``; the limit of wide networks that are trained on squared
    errors, as the ridge goes to 0.

    Parameters
    ----------
    activation, depth, output_scale, weight_variance, bias_variance
        The kernel, as for `tightwidth.tangent_kernel.ntk`.  An activation that is given by name can be pickled.
    ridge
        Positive.  The squares are added up, not averaged.  On the sphere k(x, x) is 0.5 for relu at depth two.
    standardize, on_sphere
        As for `NTKClassifier`.

    Attributes
    ----------
    dual_coef_, points_
        ``f(x) = sum_i dual_coef_i k(points_i, x)``: [m] or [m, targets], and the training rows on the sphere.
    solution_
        How well the system was solved: relative residual and condition number.
    kernel_, inputs_
        The kernel, and the way to the sphere.
    n_features_in_, feature_names_in_
        Number of columns, and their names if they have any.

    Notes
    -----
    Up to 16384 rows the system is solved by Cholesky in float64, ``m^3/3`` operations and ``16 m^2`` bytes; beyond, or
    where memory does not suffice, by conjugate gradients that store no matrix.  Values are not centred: where they are
    far from 0, wrap the estimator in scikit-learn's TransformedTargetRegressor.

    `fit` warns (`DataWarning`) of data that spoil a fit, as `NTKClassifier` does.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> NTKRegressor(ridge=0.3).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.4
    True
    """

    @no_type_check  # scikit-learn's convention: anything is kept here, and checked by fit
    def __init__(
        self,
        activation: str | Activation = "relu",
        *,
        depth: int = 2,
        output_scale: float = math.inf,
        weight_variance: float | None = None,
        bias_variance: float | None = None,
        ridge: float = 0.1,
        standardize: bool = True,
        on_sphere: str = "bias",
    ) -> None:
        self.activation = activation
        self.depth = depth
        self.output_scale = output_scale
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.ridge = ridge
        self.standardize = standardize
        self.on_sphere = on_sphere

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "NTKRegressor":
        """Fit to rows X, [m, d], with values y, [m] or [m, targets].

        Parameters
        ----------
        X, y
            Finite numbers.
        sample_weight
            Factors on the squared errors, [m], not negative; a row of weight 0 counts as absent.

        Raises
        ------
        ValueError
            If X, y or the weights cannot be used.
        InputError
            If a parameter is out of its range.
        DataError
            If a row cannot be brought to the sphere, or the weights are none.
        HypothesisError
            If sigma jumps.
        ConditioningError
            If the ridge is so small that the solution would be rounding noise; the message names one that is enough.
        """
        _check_positive("ridge", self.ridge)
        X, y = validated(self, X, y, multi_output=True, y_numeric=True)
        y = y.astype(np.float64)
        weights = checked_weights(sample_weight, len(X))
        if weights is not None:
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        kernel, points = self._init_points(X, weights)
        for remark in self._remarks(X, points):
            warnings.warn(remark, DataWarning, stacklevel=2)
        self.solution_ = _weighted_ridge(kernel, points, y, weights, float(self.ridge))
        self.dual_coef_ = self.solution_.alpha
        self.points_ = points
        return self

    def predict(self, X: Any) -> Float[np.ndarray, "n ..."]:
        """Return the values of rows X, [n, d]: [n] or [n, targets], float64.

        Raises
        ------
        ValueError
            If X is no finite table with the columns of the fit.
        DataError
            If a row cannot be brought to the sphere.
        """
        points = self._points(X)
        return gram_product(self.kernel_.expected_kernel(), self.dual_coef_, points, self.points_)

    def __sklearn_tags__(self) -> Any:
        """Return the tags: several values a row are welcome."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, bool]:
        return {"multioutput": True}  # what scikit-learn 1.5 reads


def _weighted_ridge(
    kernel: AngularKernel,
    points: Float[np.ndarray, "m e"],
    Y: Float[np.ndarray, "m ..."],
    weights: Float[np.ndarray, " m"] | None,
    ridge: float,
) -> Solution:
    """Return alpha with ``(K + ridge W^-1) alpha = Y``: for ``alpha = s beta``, ``(s K s + ridge I) beta = s Y``."""
    m = len(points)
    s = np.ones(m) if weights is None else np.sqrt(weights)
    column = s.reshape(m, *(1 for _ in Y.shape[1:]))
    if m <= LARGEST_SAMPLE and fits((8 + points.dtype.itemsize) * m**2):
        K = gram(kernel, points)
        if weights is not None:
            K *= s[:, None]
            K *= s
        found = linear_solves.solve(K, column * Y, ridge=ridge, precision=points.dtype)
    else:
        found = conjugate_gradients.solve(
            lambda V: column * gram_product(kernel, column * V, points),
            column * Y,
            ridge=ridge,
            diagonal=s * s * diagonal(kernel, points),
            precision=points.dtype,
        )
    return Solution(column * found.alpha, found.relative_residual, found.condition, found.method, found.n_iterations)
