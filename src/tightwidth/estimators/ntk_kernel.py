"""The neural tangent kernel as a kernel of scikit-learn's Gaussian processes (section 2.5)."""

import inspect
import math
from typing import Any

import jax
import numpy as np
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from tightwidth.activations import Activation
from tightwidth.angular_kernels import AngularKernel, Part
from tightwidth.errors import InputError
from tightwidth.estimators.kernel_gradients import (
    differences,
    has_closed_forms,
    weight_gradients,
)
from tightwidth.kernels import checked_points, diagonal, gram
from tightwidth.memory import check_fits
from tightwidth.tangent_kernel import expected_kernel

Bounds = Any  # a pair of numbers, or "fixed"
BOUNDS = (1e-5, 1e5)


class NTKKernel(Kernel):
    """The expected neural tangent kernel, for GaussianProcessRegressor and GaussianProcessClassifier.

    Its values are those of `tightwidth.tangent_kernel.ntk`, always in float64: Gaussian processes factorize them.  It
    goes into sums and products with other kernels, and its numbers are found by maximum likelihood with them.

    Parameters
    ----------
    activation
        A name, or an `Activation`.
    depth
        Layers of weights, at least 2.
    output_scale
        B, for depth two.  Free if finite, unless only the hidden part is meant, which has no B.
    weight_variance, bias_variance
        w^2 and c^2 of the recursion, 1 and 0 if None.  Free if given and positive: a logarithm stands for each, and
        0 has none.
    part
        "both", "hidden" or "output"; the output part of the recursion is the NNGP kernel.
    output_scale_bounds, weight_variance_bounds, bias_variance_bounds
        The least and the largest value the optimiser may try, or "fixed".

    Notes
    -----
    Gradients in the logarithms are exact at depth two, and deeper where the activation has closed forms.  Deeper under
    other activations (tanh, silu, softplus, elu, a user's own) the derivatives in w^2 and c^2 are central differences,
    right to some 1e-8 of the largest entry; they cost two kernel matrices each, and under these activations every new
    value of w^2 or c^2 costs new tables.  `diag` costs no matrix.

    At depth two, and for homogeneous activations such as relu at any depth without c^2, w^2 does no more than scale the
    kernel; a ConstantKernel beside it does the same.

    Examples
    --------
    >>> from sklearn.gaussian_process import GaussianProcessRegressor
    >>> from sklearn.gaussian_process.kernels import WhiteKernel
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> kernel = 1.0 * NTKKernel(depth=3, bias_variance=0.1) + WhiteKernel(0.1)
    >>> GaussianProcessRegressor(kernel, optimizer=None).fit(X, [1.0, -1.0, 0.0]).predict(X).shape
    (3,)
    """

    def __init__(
        self,
        activation: str | Activation = "relu",
        *,
        depth: int = 2,
        output_scale: float = math.inf,
        weight_variance: float | None = None,
        bias_variance: float | None = None,
        part: Part = "both",
        output_scale_bounds: Bounds = BOUNDS,
        weight_variance_bounds: Bounds = BOUNDS,
        bias_variance_bounds: Bounds = BOUNDS,
    ) -> None:
        self.activation = activation
        self.depth = depth
        self.output_scale = output_scale
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.part = part
        self.output_scale_bounds = output_scale_bounds
        self.weight_variance_bounds = weight_variance_bounds
        self.bias_variance_bounds = bias_variance_bounds

    @property
    def is_recursive(self) -> bool:
        """Whether w^2 and c^2 count, and not B."""
        return self.depth != 2 or self.weight_variance is not None or self.bias_variance is not None

    @property
    def hyperparameter_output_scale(self) -> Hyperparameter:
        """B, fixed where it is infinite or has no part in the kernel."""
        counts = not self.is_recursive and self.part != "hidden"
        return self._hyperparameter("output_scale", counts)

    @property
    def hyperparameter_weight_variance(self) -> Hyperparameter:
        """w^2, fixed where it is not given."""
        return self._hyperparameter("weight_variance", True)

    @property
    def hyperparameter_bias_variance(self) -> Hyperparameter:
        """c^2, fixed where it is not given or 0."""
        return self._hyperparameter("bias_variance", True)

    def _hyperparameter(self, name: str, counts: bool) -> Hyperparameter:
        value = getattr(self, name)
        has_logarithm = value is not None and 0 < value < math.inf
        bounds = getattr(self, f"{name}_bounds") if counts and has_logarithm else "fixed"
        return Hyperparameter(name, "numeric", bounds)

    def expected_kernel(self) -> AngularKernel:
        """Return the kernel as `tightwidth.kernels` takes it.

        Raises
        ------
        InputError
            If the activation or the part is unknown, a number is out of its range, or output_scale meets the recursion.
        HypothesisError
            If sigma jumps and the hidden part is meant.
        """
        return self._with()

    def _with(self, **changes: Any) -> AngularKernel:
        names = ("activation", "output_scale", "depth", "part", "weight_variance", "bias_variance")
        kernel = expected_kernel(**{**{name: getattr(self, name) for name in names}, **changes})
        # NumPy numbers are arguments of what is compiled; Python's would be part of it, and compile for each value
        return jax.tree.map(np.float64, kernel)

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """Return the kernel k(X, Y), and its gradient if asked for.

        Parameters
        ----------
        X, Y
            Points, [m, d] and [n, d]; without Y the matrix is k(X, X).
        eval_gradient
            Whether to return the gradient too; only without Y.

        Returns
        -------
        K : ndarray
            [m, n], float64.
        K_gradient : ndarray
            [m, m, n_free]: derivatives in the logarithms of the free hyperparameters, in the order of `theta`.  Only if
            asked for.

        Raises
        ------
        InputError
            If a parameter is out of its range, or the gradient is meant for two tables.
        DataError
            If X or Y is no table of finite numbers, or their columns differ.
        HypothesisError
            If sigma jumps and the hidden part is meant, or a second moment is infinite.
        MemoryEstimateError
            If the matrix, or its gradient, would not fit in memory.
        """
        X, Y = checked_points(_doubles(X), None if Y is None else _doubles(Y))
        if not eval_gradient:
            return gram(self.expected_kernel(), X, Y)
        if Y is not None:
            message = "the gradient of a kernel of two tables was asked for; it is defined for one: leave Y out"
            raise InputError(message)
        names = [hyperparameter.name for hyperparameter in self.hyperparameters if not hyperparameter.fixed]
        check_fits(
            8.0 * (1 + len(names)) * len(X) ** 2,
            f"a kernel matrix of {len(X)} points and its gradient in {len(names)} numbers",
            "fit to fewer points",
        )
        kernel = self.expected_kernel()
        K = gram(kernel, X)
        if "output_scale" in names:  # tk^o is proportional to B^-2
            parts = {"output_scale": -2 * gram(self._with(part="output"), X)}
        elif self.depth == 2:  # the last layer is linear in w^2 and c^2
            constant = 0.0 if self.part == "hidden" else float(kernel.last[-1])
            parts = {"weight_variance": K - constant, "bias_variance": np.full_like(K, constant)}
        elif names and has_closed_forms(kernel):
            parts = dict(zip(("weight_variance", "bias_variance"), weight_gradients(kernel, X), strict=True))
        else:
            parts = {name: differences(self._along(name), X) for name in names}
        gradient = np.empty((*K.shape, len(names)))
        for k, name in enumerate(names):
            gradient[:, :, k] = parts[name]
        return K, gradient

    def _along(self, name: str) -> Any:
        return lambda t: self._with(**{name: getattr(self, name) * math.exp(t)})

    def diag(self, X: Any) -> Any:
        """Return k(x, x) for every row of X, [m], without the matrix.

        Raises
        ------
        InputError
            If a parameter is out of its range.
        DataError
            If X is no table of finite numbers.
        """
        return diagonal(self.expected_kernel(), _doubles(X))

    def is_stationary(self) -> Any:
        """Return False: the kernel depends on the points, not only on their difference."""
        return False

    def __repr__(self) -> str:
        """Return the call that makes this kernel, with three digits, without what is left at its default."""
        said = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, name)
            if name == "activation" or (not name.endswith("_bounds") and value != parameter.default):
                text = f"{value:.3g}" if isinstance(value, float) else repr(value)
                said.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(said)})"


def _doubles(X: Any) -> Any:
    """Return numbers in float64, and anything else as it is, for the check that refuses it."""
    array = np.asarray(X)
    return array.astype(np.float64, copy=False) if array.dtype.kind in "biuf" else array
