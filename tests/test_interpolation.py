"""Interpolants and ridge against NumPy and scikit-learn; what is nearly singular is refused."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import pairwise

import oracles
from tightwidth import interpolation, memory
from tightwidth.errors import ConditioningError, DataError, InputError, MemoryEstimateError
from tightwidth.interpolation import kernel_ridge, label_norm_squared, minimum_norm_interpolant
from tightwidth.kernel_spaces import KernelFunction, minimal_norm, representer
from tightwidth.kernels import Kernel

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

M, D, GAMMA = 40, 5, 0.7
METHODS = ["cholesky", "conjugate gradients"]


class Gaussian(Kernel):
    def of_points(self, x, z):
        return jnp.exp(-GAMMA * jnp.sum((x - z) ** 2))


class Linear(Kernel):
    def of_points(self, x, z):
        return x @ z


KERNEL = Gaussian()


def gram(X, Z):
    return pairwise.rbf_kernel(X, Z, gamma=GAMMA)


def points(m=M, seed=0):
    return np.random.default_rng(seed).standard_normal((m, D))


def labels(m=M, seed=1):
    return np.random.default_rng(seed).choice([-1.0, 1.0], m)


@pytest.mark.parametrize("method", METHODS)
def test_the_interpolant_has_the_values_and_the_norm(method):
    X, y = points(), labels()
    f = minimum_norm_interpolant(KERNEL, X, y, method=method)
    np.testing.assert_allclose(f(X), y, atol=1e-8)
    expected = np.linalg.solve(gram(X, X), y)
    np.testing.assert_allclose(f.alpha, expected, rtol=1e-6, atol=1e-8)
    assert f.norm() ** 2 == pytest.approx(y @ expected, rel=1e-8)
    assert label_norm_squared(KERNEL, X, y, method=method) == pytest.approx(y @ expected, rel=1e-8)
    Z = points(9, 2)
    np.testing.assert_allclose(f(Z), gram(Z, X) @ expected, rtol=1e-6, atol=1e-8)
    assert f.solution is not None
    assert f.solution.method == method
    truth = np.linalg.norm(y - gram(X, X) @ f.alpha) / np.linalg.norm(y)
    assert f.solution.relative_residual == pytest.approx(truth, rel=1e-2, abs=1e-14)
    condition = np.linalg.cond(gram(X, X), 1 if method == "cholesky" else 2)
    assert condition / 3 < f.solution.condition < condition * 1.001
    assert (2 * f).solution is None


def test_no_function_with_the_same_values_has_a_smaller_norm():
    X, y = points(), labels()
    f = minimum_norm_interpolant(KERNEL, X, y)
    for z in points(5, 3):
        at_z = representer(KERNEL, z)
        g = at_z - minimum_norm_interpolant(KERNEL, X, at_z(X))  # 0 at all the points
        np.testing.assert_allclose(g(X), 0, atol=1e-8)
        assert g.norm() > 0.1
        assert f.inner(g) == pytest.approx(0, abs=1e-7)
        for a in (-0.3, 0.3):
            np.testing.assert_allclose((f + a * g)(X), y, atol=1e-7)
            assert (f + a * g).norm() ** 2 == pytest.approx(f.norm() ** 2 + a**2 * g.norm() ** 2)


def test_the_label_norm_is_the_minimal_norm_in_an_embedding():
    rng = np.random.default_rng(0)
    Psi, y = rng.standard_normal((20, 50)), labels(20)
    assert label_norm_squared(Linear(), Psi, y) == pytest.approx(minimal_norm(Psi, y).norm ** 2)
    f = minimum_norm_interpolant(Linear(), Psi, y)
    np.testing.assert_allclose(Psi.T @ f.alpha, minimal_norm(Psi, y).v, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ridge", [1e-3, 0.5, 20.0])
def test_ridge_is_that_of_scikit_learn(method, ridge):
    X, y, Z = points(), labels(), points(9, 2)
    f = kernel_ridge(KERNEL, X, y, ridge=ridge, method=method)
    peer = KernelRidge(alpha=ridge, kernel="rbf", gamma=GAMMA).fit(X, y)
    np.testing.assert_allclose(f.alpha, peer.dual_coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(f(Z), peer.predict(Z), rtol=1e-6, atol=1e-8)
    of_the_mean = KernelRidge(alpha=M * ridge, kernel="rbf", gamma=GAMMA).fit(X, y)
    assert np.abs(f(Z) - of_the_mean.predict(Z)).max() > 1e-3


def test_ridge_minimises_its_objective():
    X, y, ridge = points(), labels(), 0.5

    def objective(f):
        return np.sum((f(X) - y) ** 2) + ridge * f.norm() ** 2

    f = kernel_ridge(KERNEL, X, y, ridge=ridge)
    rng = np.random.default_rng(4)
    for centres in (X, points(M, 5)):
        for _ in range(5):
            g = KernelFunction(KERNEL, centres, rng.standard_normal(M))
            for a in (1e-2, -1e-2):  # a minimum: growth is of second order in a
                growth = np.sum(g(X) ** 2) + ridge * g.norm() ** 2
                assert objective(f + a * g) - objective(f) == pytest.approx(a**2 * growth, rel=1e-5)


def test_the_method_is_chosen_by_size_and_memory(monkeypatch):
    X, y = points(), labels()

    def method(m):
        solution = kernel_ridge(KERNEL, X[:m], y[:m], ridge=0.1).solution
        assert solution is not None
        return solution.method

    assert method(M) == "cholesky"
    monkeypatch.setattr(interpolation, "LARGEST_SAMPLE", 30)
    assert (method(30), method(31)) == ("cholesky", "conjugate gradients")
    monkeypatch.setattr(memory, "machine_memory", lambda: 20 * 20 * 16 / memory.USABLE_SHARE + 1)
    assert (method(20), method(21)) == ("cholesky", "conjugate gradients")
    with pytest.raises(
        MemoryEstimateError, match=r"kernel matrix of 30 points and its factor needs .* use method='conj"
    ):
        kernel_ridge(KERNEL, X[:30], y[:30], ridge=0.1, method="cholesky")


@pytest.mark.parametrize("method", METHODS)
def test_float32_points_give_a_float32_matrix_and_a_float64_solve(method):
    X, y = points().astype(np.float32), labels().astype(np.float32)
    f = kernel_ridge(KERNEL, X, y, ridge=0.1, method=method)
    assert (f.centres.dtype, f.alpha.dtype) == (np.float32, np.float64)
    A = gram(X.astype(np.float64), X.astype(np.float64)) + 0.1 * np.eye(M)
    error = np.linalg.norm(f.alpha - np.linalg.solve(A, y)) / np.linalg.norm(f.alpha)
    eps = np.finfo(np.float32).eps
    assert eps / 100 < error < 5 * eps * np.linalg.cond(A)  # the entries are those of float32
    assert f.solution is not None
    assert f.solution.relative_residual < 1e-10  # and the solve is that of float64


class Scaled(Kernel):
    def of_points(self, x, z):
        return jnp.exp(2 * (x[0] + z[0])) * KERNEL.of_points(x, z)


@pytest.mark.parametrize("method", METHODS)
def test_the_scale_of_a_point_is_no_matter(method):
    X, y = points(), labels()
    scale = np.exp(2 * X[:, 0])
    f = minimum_norm_interpolant(Scaled(), X, y * scale, method=method)
    np.testing.assert_allclose(f.alpha * scale, np.linalg.solve(gram(X, X), y), rtol=1e-6, atol=1e-8)
    condition = np.linalg.cond(gram(X, X), 1 if method == "cholesky" else 2)
    assert f.solution is not None
    assert condition / 3 < f.solution.condition < condition * 1.001
    assert np.linalg.cond(scale[:, None] * gram(X, X) * scale) > 1e3 * condition


@pytest.mark.parametrize("method", METHODS)
def test_the_precision_of_the_points_sets_the_largest_condition_number(method):
    X, y = points(), labels()
    X[7], y[3], y[7] = X[3] + 1e-4, 1, -1
    assert minimum_norm_interpolant(KERNEL, X, y, method=method, tolerance=1e-8).solution is not None
    with pytest.raises(
        ConditioningError, match=r"m=40 points with ridge=0 .* singular in float32.*, or points in float64"
    ):
        minimum_norm_interpolant(KERNEL, X.astype(np.float32), y, method=method)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicated_points_are_refused_and_a_ridge_helps(dtype):
    X, y = points().astype(dtype), labels()
    X[7] = X[3]
    for sign in (1, -1):
        y[7] = sign * y[3]
        for solve in (minimum_norm_interpolant, label_norm_squared):
            with pytest.raises(
                ConditioningError, match=r"remove one of rows 4 and 8, which coincide in the kernel, or"
            ):
                solve(KERNEL, X, y)
    with pytest.raises(ConditioningError, match=r"numerically singular .* remove points that nearly coincide"):
        minimum_norm_interpolant(KERNEL, X, y, method="conjugate gradients")
    with pytest.raises(ConditioningError) as error:
        minimum_norm_interpolant(KERNEL, X, y)
    (ridge,) = re.findall(r"give ridge=(\S+) or more", str(error.value))
    assert kernel_ridge(KERNEL, X, y, ridge=float(ridge)).solution is not None
    f = kernel_ridge(KERNEL, X, y, ridge=0.1, method="conjugate gradients")
    assert abs(f(X)[3] - f(X)[7]) < 1e-4


def test_more_points_than_dimensions_under_a_linear_kernel():
    X, y = oracles.sphere(np.random.default_rng(0), 50, 6), labels(50)
    for method in METHODS:
        with pytest.raises(ConditioningError, match="numerically singular in float64"):
            minimum_norm_interpolant(Linear(), X, y, method=method)
        f = kernel_ridge(Linear(), X, y, ridge=0.1, method=method)
        w = np.linalg.solve(X.T @ X + 0.1 * np.eye(6), X.T @ y)
        np.testing.assert_allclose(f(X), X @ w, atol=1e-8)


SOLVES = [
    minimum_norm_interpolant,
    label_norm_squared,
    lambda kernel, X, y, **settings: kernel_ridge(kernel, X, y, ridge=0.1, **settings),
]


@pytest.mark.parametrize("solve", SOLVES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(M - 1), r"y has shape \(39,\) but there are 40 points; give one value"),
        (np.ones((M, 1)), r"y has shape \(40, 1\); one value is needed for each of the 40 points"),
        (
            np.where(np.arange(M) == 4, np.nan, 1.0),
            r"y holds 1 NaN or infinite values, the first in row 5; remove them",
        ),
        (np.array(["b"] * M), r"y holds something other than numbers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(solve, method, y, message):
    with pytest.raises(DataError, match=message):
        solve(KERNEL, points(), y, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_the_ridge_is_not_negative(method):
    with pytest.raises(InputError, match=r"ridge=-0.1 must be finite and not negative; give 0 to interpolate"):
        kernel_ridge(KERNEL, points(), labels(), ridge=-0.1, method=method)


def test_the_settings_reach_the_iteration():
    X, y = points(), labels()
    f = kernel_ridge(KERNEL, X, y, ridge=0.1, method="conjugate gradients", tolerance=1e-3)
    assert f.solution is not None
    assert 1e-8 < f.solution.relative_residual <= 1e-3
    with pytest.raises(ConditioningError, match=r"in 2 steps, 1e-10 is needed .* or most_steps=4$"):
        kernel_ridge(KERNEL, X, y, ridge=0.1, method="conjugate gradients", most_steps=2)
    for solve in (label_norm_squared, minimum_norm_interpolant):
        with pytest.raises(ConditioningError, match=r"in 2 steps, 0.001 is needed"):
            solve(KERNEL, X, y, method="conjugate gradients", most_steps=2, tolerance=1e-3)


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match="method='lu' is unknown; known: auto, cholesky, conjugate gradients"):
        kernel_ridge(KERNEL, points(), labels(), ridge=0.1, method="lu")


def test_points_that_are_no_table_are_refused():
    for method in METHODS:
        for solve in (minimum_norm_interpolant, label_norm_squared):
            with pytest.raises(DataError, match="X holds 200 NaN or infinite values"):
                solve(KERNEL, np.full((M, D), np.nan), labels(), method=method)
