"""The NTK random q-embedding as a transformer of scikit-learn (sections 2.6 and 3.1).

``Psi(x) = (sigma'(<w_1,x>) x, ..., sigma'(<w_q,x>) x) / sqrt(q)``: a linear model on these columns is the linear limit
of a network with the hidden weights w_1, ..., w_q, and for wide networks a machine on the neural tangent kernel.
"""

import functools
import math
import numbers
import warnings
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tightwidth import activations, ntk_features, sphere
from tightwidth.activation_checks import check_activation, check_elementwise
from tightwidth.activations import Activation
from tightwidth.errors import InputError
from tightwidth.estimators.data_remarks import DataWarning, input_remarks
from tightwidth.estimators.depth_two_base import MOST_SEED
from tightwidth.estimators.inputs import Inputs, validated
from tightwidth.estimators.sketch import draw_signs, sketch, squared_error
from tightwidth.feature_scheme import draw_gaussians
from tightwidth.memory import check_fits
from tightwidth.precision import in_precision_of
from tightwidth.run_settings import signs_key, weights_key

BLOCK_ELEMENTS = 1 << 19  # numbers of a block: with many more it leaves the cache, and takes several times as long
MOST_ROWS, LEAST_ROWS = 512, 8  # of a block


class NTKFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Map rows to random features of the neural tangent kernel: ``<Psi(x), Psi(z)>`` is tk^h(x, z) on average.

    For use before a linear model, as scikit-learn's RBFSampler: it scales as the rows do, without a kernel matrix.

    Parameters
    ----------
    n_pairs
        q, the number of rows of W'.  "auto": q = n for n columns of a sketch; for all columns, the least for which
        ``error_estimate_`` is at most ``epsilon C``.
    n_components
        n, at most q, columns: a sketch of the q d columns, 4 q d operations a row.  "auto": the least n for which
        ``error_estimate_`` is at most ``epsilon C``, or ``n_pairs`` where that is given and too small.  None: all q d.
    activation
        A name or an object; it need not be decent, but must not jump.  With a name the transformer can be pickled.
    epsilon
        What "auto" aims at; C = sup |sigma'|.  A sketch then has ``(2 + R^2/d) / epsilon^2`` columns, 200 to 300 at
        0.1.  All columns are ``R^2 / epsilon^2`` many: at 0.1 a hundred where points are spread out evenly (R = 1), but
        some 50 d with ``on_sphere="bias"``, for a coordinate that is the same everywhere makes R^2 about d/2.
    standardize, on_sphere
        As for `NTKClassifier`.
    random_state
        Of W' and the signs of the sketch.  `DepthTwoClassifier` has the same W' at the same number.

    Attributes
    ----------
    n_pairs_, n_components_
        q, and the number of columns.
    W_half_, signs_
        W', [q, d], and the signs of the sketch, [q, d], or None.
    R_
        R of the training rows on the sphere, between 1 and sqrt(d).
    error_estimate_
        ``R C / sqrt(q d)``, with a sketch ``C sqrt(R^2/(q d) + 2 ceil(q/n)/q)``; None where sigma' is unbounded.  Times
        ``||f||``, it bounds the root of the expected mean square of ``f_omega - f`` over the training rows.
    inputs_
        The way to the sphere.
    n_features_in_, feature_names_in_
        Number of columns of X, and their names if they have any.

    Notes
    -----
    d counts the coordinates on the sphere: with ``on_sphere="bias"`` one more than X has columns.  Of all columns,
    ``i d + j`` is coordinate j of pair i.  float32 rows have float32 features, others float64.

    Rows are taken in blocks of one size, the last filled up with zeros: one shape compiles, and the features of a row
    do not depend on those beside it.  Besides the features, `transform` needs some copies of X and of one block.

    At one number of columns the sketch has the lower estimate where ``R^2 > 2 + R^2/d``, which data with a bias exceed
    from d = 6 on (docs/derivations/ntk_features.md, with errors as measured).

    `fit` warns (`DataWarning`) of data that spoil a fit, as `NTKClassifier` does.

    References
    ----------
    Daniely (2020), Section 3.1.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_wine(return_X_y=True)
    >>> model = make_pipeline(NTKFeatures(random_state=0), RidgeClassifier())
    >>> model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    @no_type_check  # scikit-learn's convention: anything is kept here, and checked by fit
    def __init__(
        self,
        n_pairs: int | str = "auto",
        *,
        n_components: int | str | None = "auto",
        activation: str | Activation = "relu",
        epsilon: float = 0.1,
        standardize: bool = True,
        on_sphere: str = "bias",
        random_state: Any = None,
    ) -> None:
        self.n_pairs = n_pairs
        self.n_components = n_components
        self.activation = activation
        self.epsilon = epsilon
        self.standardize = standardize
        self.on_sphere = on_sphere
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "NTKFeatures":
        """Draw W' for rows X, [m, d], and keep their way to the sphere; y is ignored.

        Raises
        ------
        ValueError
            If X is no finite table.
        InputError
            If a parameter is out of its range.
        DataError
            If a row cannot be brought to the sphere.
        HypothesisError
            If sigma jumps, or has not the constants it claims.
        MemoryEstimateError
            If W' would not fit in memory.
        """
        del y
        sigma = self._checked()
        X = validated(self, X, None)
        settings: Any = {name: getattr(self, name) for name in ("standardize", "on_sphere")}
        self.inputs_ = Inputs.fit(X, **settings)
        points = self.inputs_.transform(X)
        for remark in input_remarks(X, points, **settings):
            warnings.warn(remark, DataWarning, stacklevel=2)
        d, self.R_ = points.shape[1], sphere.R_of_sample(points)
        q, n = self._sizes(d)
        check_fits(9.0 * q * d, f"W' of {q} pairs in {d} dimensions", "give a smaller n_pairs, or a larger epsilon")
        seed = int(check_random_state(self.random_state).randint(MOST_SEED))
        self.W_half_ = draw_gaussians(weights_key(seed), q, d).astype(points.dtype)
        self.signs_ = None if n is None else draw_signs(signs_key(seed), q, d)
        self.n_pairs_, self.n_components_ = q, q * d if n is None else n
        self.error_estimate_ = None
        if math.isfinite(sigma.C):
            sketched = 0.0 if n is None else squared_error(sigma.C, q, n)
            self.error_estimate_ = math.sqrt((self.R_ * sigma.C) ** 2 / (q * d) + sketched)
        return self

    def _checked(self) -> Activation:
        """Return the activation; check every parameter but the way to the sphere."""
        sigma = ntk_features.ntk(self.activation).activation
        if sigma is not activations.REGISTRY.get(sigma.name):
            (check_activation if math.isfinite(sigma.C) else check_elementwise)(sigma)
        _check_count("n_pairs", self.n_pairs)
        if self.n_components is not None:
            _check_count("n_components", self.n_components, "None, for all columns, ")
        epsilon: Any = self.epsilon
        kind: Any = numbers.Real
        if isinstance(epsilon, bool) or not isinstance(epsilon, kind) or not 0 < epsilon < math.inf:
            message = f"epsilon={epsilon!r} must be a positive number; it is the error that 'auto' aims at, 0.1 say"
            raise InputError(message)
        return sigma

    def _sizes(self, d: int) -> tuple[int, int | None]:
        """Return q, and n for a sketch."""
        q: Any = None if isinstance(self.n_pairs, str) else int(self.n_pairs)
        n: Any = self.n_components
        epsilon, share = float(self.epsilon), self.R_**2 / d
        if n is None:
            return q or _least(share / epsilon**2), None
        if isinstance(n, str):
            if q is None:
                n = _least((2 + share) / epsilon**2)
            else:  # with the least n, up to `each` pairs give a column the same part
                each = math.floor(q * (epsilon**2 - share / q) / 2 * (1 + 1e-12))
                n = q if each < 1 else -(-q // each)
        n = int(n)
        if q is not None and q < n:
            message = (
                f"n_pairs={q} is less than n_components={n}, but each column of a sketch needs a pair of its own; give "
                f"n_pairs >= {n} or leave it at 'auto', or n_components=None for all {q * d} columns"
            )
            raise InputError(message)
        return q or n, n

    def transform(self, X: Any) -> Float[np.ndarray, "n columns"]:
        """Return the features of rows X, [n, columns], in the dtype of X.

        Raises
        ------
        ValueError
            If X is no finite table with the columns of the fit.
        DataError
            If a row cannot be brought to the sphere.
        MemoryEstimateError
            If the features would not fit in memory.
        """
        check_is_fitted(self)
        points = self.inputs_.transform(validated(self, X))
        (m, d), q, columns = points.shape, self.n_pairs_, self.n_components_
        widest = columns if self.signs_ is None else 2 * q
        rows = _rows(widest)
        check_fits(
            float(points.itemsize) * (m * columns + 3 * rows * max(widest, d)),
            f"{columns} {points.dtype} features of each of {m} rows",
            "transform fewer rows at a time, or ask for fewer columns by n_components",
        )
        out = np.empty((m, columns), points.dtype)
        sigma = activations.get(self.activation)
        with in_precision_of(points.dtype):
            W_half = jnp.asarray(self.W_half_, points.dtype)
            signs = None if self.signs_ is None else jnp.asarray(self.signs_)
            for start in range(0, m, rows):
                own = points[start : start + rows]
                block = jnp.asarray(np.pad(own, ((0, rows - len(own)), (0, 0))))
                features = (
                    _columns(W_half, block, sigma) if signs is None else _sketched(W_half, signs, block, sigma, columns)
                )
                out[start : start + rows] = np.asarray(features)[: len(own)]
        return out

    @property
    def _n_features_out(self) -> int:
        """What `get_feature_names_out` counts: ntkfeatures0, ntkfeatures1, ..."""
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        """Return the tags: both precisions are kept."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {"preserves_dtype": [np.float64, np.float32]}  # what scikit-learn 1.5 reads


@functools.partial(jax.jit, static_argnames="activation")
def _columns(W_half: Float[Array, "q d"], X: Float[Array, "b d"], activation: Activation) -> Float[Array, "b q_d"]:
    gates = activation.sigma_prime(X @ W_half.T) / np.sqrt(len(W_half)).astype(X.dtype)
    return (gates[:, :, None] * X[:, None, :]).reshape(len(X), -1)


@functools.partial(jax.jit, static_argnames=("activation", "n"))
def _sketched(
    W_half: Float[Array, "q d"], signs: Int8[Array, "q d"], X: Float[Array, "b d"], activation: Activation, n: int
) -> Float[Array, "b n"]:
    return sketch(activation.sigma_prime(X @ W_half.T), X, signs, n)


def _rows(widest: int) -> int:
    """Return how many rows a block has: the same however many rows there are, a power of 2."""
    affordable = max(LEAST_ROWS, min(MOST_ROWS, BLOCK_ELEMENTS // widest))
    return 1 << (affordable.bit_length() - 1)


def _least(number: float) -> int:
    """Return the least whole number of at least 1 that reaches a number, up to its rounding.

    Raises
    ------
    InputError
        If it is beyond what can be asked for.
    """
    if not number < MOST_SEED:
        message = f"epsilon asks for {number:.3g} pairs or columns; raise it, or give n_pairs"
        raise InputError(message)
    return max(1, math.ceil(number * (1 - 1e-12)))


def _check_count(name: str, value: Any, otherwise: str = "") -> None:
    if isinstance(value, str) and value == "auto":
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < 1:
        message = f"{name}={value!r} must be {otherwise}'auto', or a whole number of at least 1"
        raise InputError(message)
