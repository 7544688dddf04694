"""The geometry of a kernel space against explicit embeddings: inner products, norms, balls, shortest vectors."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import pairwise

import oracles
from tightwidth.errors import DataError, InputError
from tightwidth.kernel_spaces import KernelFunction, in_ball, minimal_norm, project_onto_ball, representer
from tightwidth.kernels import Kernel

N, D = 12, 4


class Linear(Kernel):
    def of_points(self, x, z):
        return x @ z


class Quadratic(Kernel):
    def of_points(self, x, z):
        return (1 + x @ z) ** 2


class Gaussian(Kernel):
    width: float = 1.0

    def of_points(self, x, z):
        return jnp.exp(-jnp.sum((x - z) ** 2) / (2 * self.width**2))


KERNELS = {
    "linear": (Linear(), pairwise.linear_kernel),
    "quadratic": (Quadratic(), lambda X, Z: pairwise.polynomial_kernel(X, Z, degree=2, gamma=1, coef0=1)),
    "gaussian": (Gaussian(0.8), lambda X, Z: pairwise.rbf_kernel(X, Z, gamma=1 / (2 * 0.64))),
}


def quadratic_embedding(X):
    """Return Psi with ``<Psi(x), Psi(z)> = (1 + <x, z>)^2``."""
    squares = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    return np.hstack([np.ones((len(X), 1)), np.sqrt(2) * X, squares])


def points(seed, m=N):
    return np.random.default_rng(seed).standard_normal((m, D))


def function(kernel, seed, n=N):
    return KernelFunction(kernel, points(seed, n), np.random.default_rng(seed + 100).standard_normal(n))


@pytest.mark.parametrize("name", KERNELS)
def test_values_inner_products_and_norms_are_the_sums(name):
    kernel, gram = KERNELS[name]
    f, g, X = function(kernel, 0), function(kernel, 1), points(2, 7)
    np.testing.assert_allclose(f(X), gram(X, f.centres) @ f.alpha, rtol=1e-10)
    assert f.inner(g) == pytest.approx(f.alpha @ gram(f.centres, g.centres) @ g.alpha)
    assert f.norm() == pytest.approx(np.sqrt(f.alpha @ gram(f.centres, f.centres) @ f.alpha))
    assert f.coefficients is f.alpha


@pytest.mark.parametrize("name", KERNELS)
def test_the_representer_of_a_point_evaluates_there(name):
    kernel, gram = KERNELS[name]
    f, X = function(kernel, 0), points(2, 5)
    for x in X:
        assert f.inner(representer(kernel, x)) == pytest.approx(f(x[None])[0])
        assert representer(kernel, x).inner(f) == pytest.approx(f(x[None])[0])
        # k(x, z) = <k(x, .), k(z, .)>, and no value exceeds ||f|| sqrt(k(x, x))
        assert representer(kernel, x).inner(representer(kernel, X[0])) == pytest.approx(gram(x[None], X[:1])[0, 0])
        assert abs(f(x[None])[0]) <= f.norm() * representer(kernel, x).norm() * (1 + 1e-12)


@pytest.mark.parametrize(("kernel", "embedding"), [(Linear(), lambda X: X), (Quadratic(), quadratic_embedding)])
def test_the_space_is_that_of_an_explicit_embedding(kernel, embedding):
    f, g, X = function(kernel, 0), function(kernel, 1), points(2, 7)
    v, w = (embedding(h.centres).T @ h.alpha for h in (f, g))
    np.testing.assert_allclose(f(X), embedding(X) @ v)
    assert f.inner(g) == pytest.approx(v @ w)
    assert f.norm() == pytest.approx(np.linalg.norm(v))


def test_functions_add_up():
    kernel, X = Gaussian(0.8), points(2, 7)
    f, g = function(kernel, 0), function(kernel, 1, 5)
    np.testing.assert_allclose((f + g)(X), f(X) + g(X), rtol=1e-10)
    np.testing.assert_allclose((f - g)(X), f(X) - g(X), rtol=1e-10)
    np.testing.assert_allclose((-f)(X), -f(X))
    assert (f + g).centres.shape == (N + 5, D)
    for a in (-2.5, np.float64(-2.5), 3):
        for scaled in (a * f, f * a):
            assert isinstance(scaled, KernelFunction)
            np.testing.assert_allclose(scaled(X), float(a) * f(X), rtol=1e-12)
            assert scaled.norm() == pytest.approx(abs(float(a)) * f.norm())
    squared = f.norm() ** 2 + 2 * f.inner(g) + g.norm() ** 2
    assert (f + g).norm() ** 2 == pytest.approx(squared)
    assert abs(2 * f.inner(g)) > 1e-3 * squared  # what the sum of the squares alone would miss
    parallelogram = (f + g).norm() ** 2 + (f - g).norm() ** 2
    assert parallelogram == pytest.approx(2 * f.norm() ** 2 + 2 * g.norm() ** 2)
    assert abs(f.inner(g)) <= f.norm() * g.norm()
    assert f.inner(2 * f + g) == pytest.approx(2 * f.norm() ** 2 + f.inner(g))


def test_functions_with_the_same_centres_share_them():
    f = function(Gaussian(0.8), 0)
    g = KernelFunction(Gaussian(0.8), f.centres.copy(), np.ones(N))
    assert (f + g).centres.shape == (N, D)
    np.testing.assert_array_equal((f + g).alpha, f.alpha + 1)
    assert (f - f).norm() == 0


def test_a_norm_is_never_the_root_of_a_negative_number():
    f = function(Linear(), 0)
    null = np.linalg.svd(f.centres.T)[2][-1]  # sum_j alpha_j x_j = 0
    assert 0 <= KernelFunction(Linear(), f.centres, null).norm() < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_centres_keep_their_precision_and_the_coefficients_are_float64(dtype):
    kernel, gram = KERNELS["gaussian"]
    f = KernelFunction(kernel, points(0).astype(dtype), np.ones(N, np.float32))
    assert (f.centres.dtype, f.alpha.dtype) == (dtype, np.float64)
    X = points(2, 7)
    assert f(X.astype(dtype)).dtype == np.float64
    tolerance = {np.float32: 1e-5, np.float64: 1e-13}[dtype]
    np.testing.assert_allclose(f(X.astype(dtype)), gram(X, points(0)) @ np.ones(N), rtol=tolerance)
    wide = KernelFunction(kernel, points(1), np.ones(N))
    assert (f + wide).centres.dtype == np.float64
    assert f.inner(wide) == pytest.approx(gram(points(0), points(1)).sum(), rel=1e-6)


def test_functions_of_two_spaces_do_not_mix():
    f, g = function(Gaussian(0.8), 0), function(Gaussian(0.9), 0)
    for operation in (f.inner, f.__add__, f.__sub__):
        with pytest.raises(
            InputError, match=r"functions of two kernel spaces were given, Gaussian\(.*0.8.*; one kernel"
        ):
            operation(g)
    h = KernelFunction(Gaussian(0.8), np.ones((2, D + 1)), np.ones(2))
    for operation in (f.inner, f.__add__, f.__sub__):
        with pytest.raises(DataError, match="functions of 4 and of 5 features were given; their points must have"):
            operation(h)


@pytest.mark.parametrize(
    ("centres", "alpha", "message"),
    [
        (np.ones(3), np.ones(3), r"X has shape \(3,\); needed is \[n_samples, n_features\]"),
        (np.ones((3, 2)), np.ones((3, 1)), r"alpha has shape \(3, 1\); one coefficient is needed for each centre"),
        (np.ones((3, 2)), np.ones(2), r"alpha has shape \(2,\) but there are 3 points"),
        (np.ones((3, 2)), np.array([1, np.nan, 1]), r"alpha holds 1 NaN or infinite values, the first in row 2"),
    ],
)
def test_coefficients_that_do_not_fit_are_refused(centres, alpha, message):
    with pytest.raises(DataError, match=message):
        KernelFunction(Linear(), centres, alpha)


def test_points_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="X has 5 columns and Z has 4"):
        function(Linear(), 0)(np.ones((3, D + 1)))
    with pytest.raises(DataError, match="X holds 12 NaN or infinite values"):
        function(Linear(), 0)(np.full((3, D), np.nan))


# The ball


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_projections_onto_the_ball(dtype):
    rng = np.random.default_rng(5)
    centres = points(0).astype(dtype)
    functions = [KernelFunction(Gaussian(0.8), centres, 3 * rng.standard_normal(N)) for _ in range(3)]
    functions.append(0.01 * functions[0])
    M, slack = 2.0, {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    assert {in_ball(f, M) for f in functions} == {True, False}
    for f in functions:
        nearest = project_onto_ball(f, M)
        assert nearest.norm() == pytest.approx(min(f.norm(), M), rel=slack)
        assert in_ball(nearest, M)
        assert in_ball(f, M) == (f.norm() <= M)
        if in_ball(f, M):
            assert nearest is f
        np.testing.assert_allclose(project_onto_ball(nearest, M).alpha, nearest.alpha, rtol=slack)
        for g in functions:  # no function of the ball is nearer, and no two are taken farther apart
            inside = project_onto_ball(g, M)
            assert (f - nearest).norm() <= (f - inside).norm() + 1e-3 * (dtype == np.float32) + 1e-9
            assert (nearest - inside).norm() <= (f - g).norm() + 1e-3 * (dtype == np.float32) + 1e-9


@pytest.mark.parametrize("M", [0.0, -1.0, np.nan, np.inf])
def test_the_radius_is_positive_and_finite(M):
    for function_of_ball in (in_ball, project_onto_ball):
        with pytest.raises(
            InputError, match=rf"M={M} must be positive and finite, the radius of a ball .*; give M > 0"
        ):
            function_of_ball(function(Linear(), 0), M)


# Embeddings


@pytest.mark.parametrize(("m", "dimension"), [(10, 30), (10, 10), (30, 10)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_minimal_norm_is_that_of_the_kernel(m, dimension, dtype):
    rng = np.random.default_rng(m + dimension)
    Psi = rng.standard_normal((m, dimension)).astype(dtype)
    wide = Psi.astype(np.float64)
    values = wide @ rng.standard_normal(dimension)
    least = minimal_norm(Psi, values)
    np.testing.assert_allclose(wide @ least.v, values, rtol=1e-9, atol=1e-9)
    assert least.relative_residual < 1e-12
    assert least.rank == min(m, dimension)
    assert least.norm == pytest.approx(np.linalg.norm(least.v))
    np.testing.assert_allclose(least.v, np.linalg.lstsq(wide, values)[0], rtol=1e-8, atol=1e-10)
    K = wide @ wide.T
    alpha = np.linalg.solve(K, values) if m <= dimension else np.linalg.pinv(K, rcond=1e-10, hermitian=True) @ values
    assert least.norm**2 == pytest.approx(values @ alpha, rel=1e-6)
    assert least.norm != pytest.approx(values @ alpha, rel=1e-2)  # the norm is no square
    f = KernelFunction(Linear(), wide, alpha)  # the same function, through the kernel <Psi(x), Psi(z)>
    assert f.norm() == pytest.approx(least.norm, rel=1e-6)


def test_an_embedding_of_no_numbers_is_refused():
    with pytest.raises(TypeError, match="numbers of dtype complex128 cannot be used as real numbers"):
        minimal_norm(np.eye(2) * 1j, np.ones(2))


def test_the_minimiser_is_unique():
    rng = np.random.default_rng(0)
    Psi, values = rng.standard_normal((8, 20)), rng.standard_normal(8)
    least = minimal_norm(Psi, values)
    null = np.linalg.svd(Psi)[2][8:]
    np.testing.assert_allclose(null @ least.v, 0, atol=1e-12)  # so any other is longer:
    for _ in range(20):
        other = least.v + 0.1 * null.T @ rng.standard_normal(12)
        np.testing.assert_allclose(Psi @ other, values, atol=1e-10)
        moved = np.linalg.norm(other - least.v)
        assert np.linalg.norm(other) ** 2 == pytest.approx(least.norm**2 + moved**2)


def test_the_rank_counts_singular_values_above_the_tolerance():
    rng = np.random.default_rng(0)
    Q, P = (np.linalg.qr(rng.standard_normal((9, 9)))[0] for _ in range(2))
    Psi = Q @ np.diag([1, 0.5, 1e-3, 1e-6, 1e-13, 1e-15, 0, 0, 0]) @ P.T  # 9 eps = 2e-15
    values = Q[:, :3] @ np.ones(3)
    assert minimal_norm(Psi, values).rank == 5
    least = minimal_norm(Psi, values, rank_tolerance=1e-8)
    assert least.rank == 4
    assert least.norm == pytest.approx(np.sqrt(1 + 4 + 1e6))
    assert minimal_norm(Psi, values, rank_tolerance=1e-4).rank == 3
    with pytest.raises(DataError, match=r"no vector has these 9 values in an embedding of rank 2: the nearest misses"):
        minimal_norm(Psi, values, rank_tolerance=1e-2)


def test_zeros_have_norm_zero():
    assert minimal_norm(np.zeros((3, 2)), np.zeros(3)).norm == 0
    assert minimal_norm(np.ones((3, 2)), np.zeros(3)).norm == 0
    assert minimal_norm(np.zeros((3, 2)), np.zeros(3)).rank == 0


def test_values_of_no_function_of_the_space_are_refused():
    X = oracles.sphere(np.random.default_rng(0), 20, 3)
    with pytest.raises(
        DataError, match=r"these 20 values in an embedding of rank 3: .* by 0.9\d*, relatively; give an"
    ):
        minimal_norm(X, np.random.default_rng(1).choice([-1.0, 1.0], 20))


@pytest.mark.parametrize(
    ("Psi", "values", "settings", "error", "message"),
    [
        (np.ones(3), np.ones(3), {}, DataError, r"Psi has shape \(3,\), or holds NaN; a finite matrix is needed"),
        (np.full((3, 2), np.inf), np.ones(3), {}, DataError, r"Psi has shape \(3, 2\), or holds NaN"),
        (np.ones((3, 0)), np.ones(3), {}, DataError, r"Psi has shape \(3, 0\)"),
        (np.ones((3, 2)), np.ones(2), {}, DataError, r"values has shape \(2,\) but there are 3 points"),
        (np.ones((3, 2)), np.ones((3, 1)), {}, DataError, r"the values have shape \(3, 1\); one is needed for each"),
        (np.ones((3, 2)), np.array([1, 1, np.nan]), {}, DataError, r"values holds 1 NaN .* the first in row 3"),
        (
            np.ones((3, 2)),
            np.ones(3),
            {"rank_tolerance": 1.0},
            InputError,
            r"rank_tolerance=1.0 must lie between 0 and",
        ),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(Psi, values, settings, error, message):
    with pytest.raises(error, match=message):
        minimal_norm(Psi, values, **settings)
