"""The kernel for Gaussian processes: values and gradients against slow recursions, and what scikit-learn asks of it."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

import estimator_oracles as slow
from tightwidth import activations, memory
from tightwidth.errors import DataError, HypothesisError, InputError, MemoryEstimateError
from tightwidth.estimators import NTKKernel, ntk_kernel
from tightwidth.tangent_kernel import ntk

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it


def points(n=12, d=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def awkward_points():
    """Return points with a copy, an antipode, a multiple, a zero row twice, and two that nearly coincide."""
    X = points(14)
    X[1], X[2], X[3], X[4], X[5] = X[0], -X[0], 2 * X[0], 0, 0
    X[6] = X[7] + 1e-9
    return X


def slow_matrix(kernel, X, Z):
    """Return the kernel by the definition, for relu and erf."""

    def of_points(x, z):
        if kernel.is_recursive:
            w2 = 1.0 if kernel.weight_variance is None else kernel.weight_variance
            T, K = slow.deep(
                x, z, activation=kernel.activation, depth=kernel.depth, w2=w2, c2=kernel.bias_variance or 0.0
            )
            return {"both": T, "output": K, "hidden": T - K}[kernel.part]
        hidden, output = slow.tangent(x, z, activation=kernel.activation, B=kernel.output_scale)
        return {"both": hidden + output, "output": output, "hidden": hidden}[kernel.part]

    return slow.matrix(of_points, X, Z)


KERNELS = (
    NTKKernel(),
    NTKKernel(output_scale=1.7),
    NTKKernel("erf", output_scale=0.6, part="output"),
    NTKKernel(weight_variance=1.4, bias_variance=0.3),
    NTKKernel(depth=3, weight_variance=1.4, bias_variance=0.3),
    NTKKernel("erf", depth=3, weight_variance=0.8, bias_variance=0.2),
)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_values_are_those_of_the_recursion(kernel):
    X, Z = points(), points(5, seed=1)
    np.testing.assert_allclose(kernel(X, Z), slow_matrix(kernel, X, Z), rtol=1e-10, atol=1e-12)
    K = kernel(X)
    np.testing.assert_array_equal(K, K.T)
    np.testing.assert_allclose(K, slow_matrix(kernel, X, X), rtol=1e-7, atol=1e-9)  # of arccos next to 1, squared
    np.testing.assert_allclose(kernel.diag(X), np.diag(K), rtol=1e-14)
    np.testing.assert_array_equal(kernel(X), ntk(X, **{name: getattr(kernel, name) for name in SETTINGS}))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert np.abs(kernel(X, Z) - slow_matrix(kernel, unit, Z)).max() > 0.01


SETTINGS = ("activation", "depth", "output_scale", "weight_variance", "bias_variance", "part")


def at(kernel, theta) -> Any:
    """Return the kernel with other hyperparameters."""
    return kernel.clone_with_theta(theta)


def copy_of(estimator) -> Any:
    return clone(estimator)


def free(kernel):
    return [hyperparameter.name for hyperparameter in kernel.hyperparameters if not hyperparameter.fixed]


def numerical_gradient(of_theta, theta, h):
    """Return central differences of fourth order, the parameters in the last axis."""
    columns = []
    for k in range(len(theta)):
        e = np.zeros(len(theta))
        e[k] = h
        near, far = of_theta(theta + e) - of_theta(theta - e), of_theta(theta + 2 * e) - of_theta(theta - 2 * e)
        columns.append((8 * near - far) / (12 * h))
    return np.stack(columns, axis=-1)


GRADIENTS = (
    (NTKKernel(output_scale=1.7), ["output_scale"]),
    (NTKKernel("erf", output_scale=0.6, part="output"), ["output_scale"]),
    (NTKKernel(weight_variance=1.4, bias_variance=0.3), ["bias_variance", "weight_variance"]),
    (NTKKernel(weight_variance=1.4, bias_variance=0.3, part="hidden"), ["bias_variance", "weight_variance"]),
    (NTKKernel(depth=3, weight_variance=1.4, bias_variance=0.3), ["bias_variance", "weight_variance"]),
    (NTKKernel("erf", depth=3, weight_variance=0.8, bias_variance=0.2), ["bias_variance", "weight_variance"]),
    (NTKKernel("erf", depth=3, weight_variance=0.8), ["weight_variance"]),
)


@pytest.mark.parametrize(
    ("kernel", "names"), GRADIENTS, ids=lambda part: repr(part) if isinstance(part, NTKKernel) else ""
)
def test_gradients_are_those_of_the_recursion_also_where_points_coincide(kernel, names):
    X = awkward_points()
    assert free(kernel) == names
    K, gradient = kernel(X, eval_gradient=True)
    np.testing.assert_array_equal(K, kernel(X))
    assert gradient.shape == (*K.shape, len(names))
    # h^4/30 times a fifth derivative of at most 3^5 entries: 7e-10
    expected = numerical_gradient(lambda theta: slow_matrix(at(kernel, theta), X, X), kernel.theta, 3e-3)
    size = np.abs(expected).max()
    far = np.ones(K.shape, bool)
    far[6, 7] = far[7, 6] = False  # of which the transcription knows no angle
    np.testing.assert_allclose(gradient[far], expected[far], rtol=1e-6, atol=1e-8 * size)
    own = numerical_gradient(lambda theta: at(kernel, theta)(X), kernel.theta, 3e-3)
    np.testing.assert_allclose(gradient, own, rtol=1e-6, atol=1e-8 * size)
    not_of_logarithms = gradient / np.exp(kernel.theta)
    assert np.abs(not_of_logarithms - expected)[far].max() > 0.1 * size or np.allclose(kernel.theta, 0)
    if len(names) == 2:
        assert np.abs(gradient[..., ::-1] - expected)[far].max() > 0.1 * size


def test_gradients_without_closed_forms(monkeypatch):
    X = awkward_points()
    kernel = NTKKernel("erf", depth=3, weight_variance=1.4, bias_variance=0.3)
    K, exact = kernel(X, eval_gradient=True)
    monkeypatch.setattr(ntk_kernel, "has_closed_forms", lambda _: False)
    again, differences = kernel(X, eval_gradient=True)
    np.testing.assert_array_equal(again, K)
    np.testing.assert_allclose(differences, exact, rtol=0, atol=1e-8 * np.abs(exact).max())
    assert (differences != exact).any()


def test_at_depth_two_no_activation_needs_a_closed_form():
    X = points(7)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    X[1], X[2] = X[0], -X[0]
    for part in ("both", "hidden", "output"):
        kernel = NTKKernel("tanh", weight_variance=1.4, bias_variance=0.3, part=part)
        K, gradient = kernel(X, eval_gradient=True)
        np.testing.assert_array_equal(K, kernel(X))
        own = numerical_gradient(lambda theta, kernel=kernel: at(kernel, theta)(X), kernel.theta, 1e-3)
        np.testing.assert_allclose(gradient, own, rtol=0, atol=1e-9 * np.abs(own).max())


def test_what_has_no_logarithm_or_no_part_is_fixed():
    assert free(NTKKernel()) == []
    assert NTKKernel().theta.shape == (0,)
    assert NTKKernel()(points(), eval_gradient=True)[1].shape == (12, 12, 0)
    assert free(NTKKernel(output_scale=2.0, part="hidden")) == []
    assert free(NTKKernel(depth=3)) == []
    assert free(NTKKernel(depth=3, bias_variance=0.0, weight_variance=2.0)) == ["weight_variance"]
    kernel = NTKKernel(depth=3, bias_variance=0.5, weight_variance=2.0, weight_variance_bounds="fixed")
    assert free(kernel) == ["bias_variance"]
    np.testing.assert_allclose(kernel.theta, [math.log(0.5)])
    np.testing.assert_allclose(kernel.bounds, [[math.log(1e-5), math.log(1e5)]])
    alone, both = (
        NTKKernel(bias_variance=0.5, weight_variance=2.0, weight_variance_bounds=bounds)(points(4), eval_gradient=True)[
            1
        ]
        for bounds in ("fixed", (1e-5, 1e5))
    )
    np.testing.assert_array_equal(alone, both[:, :, :1])
    tight = NTKKernel(output_scale=2.0, output_scale_bounds=(0.5, 4.0))
    np.testing.assert_allclose(tight.bounds, [[math.log(0.5), math.log(4)]])


def test_it_is_a_kernel_of_scikit_learn():
    kernel = NTKKernel("erf", depth=3, weight_variance=1.23456, bias_variance=0.1)
    assert repr(kernel) == "NTKKernel(activation='erf', depth=3, weight_variance=1.23, bias_variance=0.1)"
    assert repr(NTKKernel()) == "NTKKernel(activation='relu')"
    assert not kernel.is_stationary()
    assert copy_of(kernel) == kernel == pickle.loads(pickle.dumps(kernel))
    assert kernel != NTKKernel("erf", depth=3, weight_variance=1.23456, bias_variance=0.2)
    assert kernel != RBF()
    assert NTKKernel(**kernel.get_params()) == kernel
    changed = copy_of(kernel).set_params(depth=2, weight_variance=2.0)
    assert (changed.depth, changed.weight_variance, kernel.depth) == (2, 2.0, 3)
    moved = at(kernel, np.log([0.3, 0.7]))
    np.testing.assert_allclose([moved.bias_variance, moved.weight_variance], [0.3, 0.7])
    own = NTKKernel(activations.leaky_relu(0.3))
    assert copy_of(own) == own
    np.testing.assert_array_equal(copy_of(own)(points()), own(points()))


def test_sums_and_products():
    X, Z = points(), points(4, seed=1)
    kernel = NTKKernel(output_scale=1.5)
    joint = 2.0 * kernel + WhiteKernel(0.3) + RBF(0.8)
    np.testing.assert_allclose(joint(X), 2 * kernel(X) + 0.3 * np.eye(12) + RBF(0.8)(X), rtol=1e-14)
    np.testing.assert_allclose(joint(X, Z), 2 * kernel(X, Z) + RBF(0.8)(X, Z), rtol=1e-14)
    np.testing.assert_allclose(joint.diag(X), np.diag(joint(X)), rtol=1e-14)
    _, gradient = joint(X, eval_gradient=True)
    np.testing.assert_allclose(
        gradient, numerical_gradient(lambda theta: at(joint, theta)(X), joint.theta, 1e-3), atol=1e-9
    )
    np.testing.assert_allclose((kernel**2)(X), kernel(X) ** 2, rtol=1e-14)


def test_the_diagonal_needs_no_matrix():
    X = np.random.default_rng(0).standard_normal((300_000, 2))  # whose matrix takes 720 GB
    np.testing.assert_allclose(NTKKernel().diag(X), 0.5 * np.sum(X**2, axis=1), rtol=1e-13)


def test_values_are_float64_whatever_comes():
    X = points().astype(np.float32)
    for given in (X, X.astype(np.float64).tolist()):
        K = NTKKernel()(given)
        assert K.dtype == np.float64
        np.testing.assert_array_equal(K, NTKKernel()(X.astype(np.float64)))
        np.testing.assert_array_equal(NTKKernel().diag(given), NTKKernel().diag(X.astype(np.float64)))
    assert NTKKernel()(np.array([[1, 0], [3, 4]])).dtype == np.float64


def sample(n=40):
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (n, 3))
    X[1], X[2] = X[0], 0
    return X, np.sin(3 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.standard_normal(n)


def test_a_regression_predicts_by_the_formula():
    X, y = sample()
    kernel = NTKKernel(output_scale=1.5) + WhiteKernel(0.05)
    fixed: Any = None
    found = GaussianProcessRegressor(kernel, optimizer=fixed).fit(X[:30], y[:30])
    mean, deviation = found.predict(X[30:], return_std=True)
    plain = NTKKernel(output_scale=1.5)
    K = slow_matrix(plain, X[:30], X[:30]) + 0.05 * np.eye(30)
    cross = slow_matrix(plain, X[30:], X[:30])
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(K, y[:30]), rtol=1e-6, atol=1e-8)
    prior = np.diag(slow_matrix(plain, X[30:], X[30:])) + 0.05
    variance = prior - np.sum(cross * np.linalg.solve(K, cross.T).T, axis=1)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-6)


@pytest.mark.parametrize(
    "kernel", [NTKKernel(output_scale=1.5), NTKKernel(weight_variance=1.0, bias_variance=0.1)], ids=repr
)
def test_numbers_are_found_by_maximum_likelihood(kernel):
    X, y = sample()
    start = ConstantKernel(1.0, (1e-3, 1e3)) * kernel + WhiteKernel(0.1)
    found: Any = GaussianProcessRegressor(start, normalize_y=True).fit(X[:30], y[:30])
    assert found.log_marginal_likelihood_value_ > found.log_marginal_likelihood(start.theta) + 0.5
    assert np.abs(found.kernel_.theta - start.theta).max() > 0.1
    theta = start.theta + 0.1
    _, gradient = found.log_marginal_likelihood(theta, eval_gradient=True)
    own = numerical_gradient(lambda at: np.float64(found.log_marginal_likelihood(at)), theta, 1e-3)
    np.testing.assert_allclose(gradient, own, rtol=1e-6, atol=1e-6)
    assert copy_of(found).fit(X[:30], y[:30]).kernel_ == found.kernel_
    assert np.isfinite(found.predict(X[30:], return_std=True)).all()


def test_a_classification_finds_its_numbers_too():
    X, y = sample(60)
    labels = np.digitize(y, [0.0, 0.7])
    kernel = NTKKernel(output_scale=0.3)
    found: Any = GaussianProcessClassifier(kernel).fit(X[:50], labels[:50])
    assert found.score(X[50:], labels[50:]) >= 0.8
    np.testing.assert_allclose(found.predict_proba(X[50:]).sum(axis=1), 1)
    assert (np.abs(found.kernel_.theta - kernel.theta) > 0.05).all()


def test_what_cannot_be_is_refused_when_it_is_called(monkeypatch):
    X = points()
    with pytest.raises(InputError, match=r"gradient of a kernel of two tables was asked for; .*: leave Y out"):
        NTKKernel(output_scale=2.0)(X, X, eval_gradient=True)
    with pytest.raises(InputError, match=r"output_scale=2 belongs to depth 2 and cannot be combined with depth=3"):
        NTKKernel(depth=3, output_scale=2.0)(X)
    with pytest.raises(InputError, match="unknown activation 'rely'"):
        NTKKernel("rely").diag(X)
    with pytest.raises(InputError, match="weight_variance=-1"):
        NTKKernel(weight_variance=-1.0)(X)
    with pytest.raises(HypothesisError, match="'step' jumps"):
        NTKKernel("step")(X)
    with pytest.raises(DataError, match="X has 3 columns and Z has 2"):
        NTKKernel()(X, X[:, :2])
    with pytest.raises(DataError, match="X must be a table of numbers"):
        NTKKernel()([["a", "b"]])
    with pytest.raises(DataError, match="X holds 36 NaN"):
        NTKKernel().diag(np.nan * X)
    monkeypatch.setattr(memory, "machine_memory", lambda: 3000.0)
    with pytest.raises(MemoryEstimateError, match="a kernel matrix of 12 points and its gradient in 2 numbers needs"):
        NTKKernel(weight_variance=1.0, bias_variance=1.0)(X, eval_gradient=True)
