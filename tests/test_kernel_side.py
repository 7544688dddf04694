"""The kernel side in short, for the default suite; the slow files hold the rest of it."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import decimal_oracles
import oracles
import tightwidth as tw
from tightwidth import angles, angular_kernels, kernels
from tightwidth.angles import FarPair, GaussianPair
from tightwidth.angular_kernels import Part
from tightwidth.errors import ConditioningError, DataError, HypothesisError, InputError


def test_near_points_keep_every_digit_and_a_bare_product_does_not():
    rng = np.random.default_rng(0)
    x = oracles.sphere(rng, 1, 20)[0]
    for distance in (1e-9, 1e-6, 1e-3):
        z = x + distance * oracles.sphere(rng, 1, 20)[0]
        for other in (z, -z):
            chords = (
                np.linalg.norm(x / np.linalg.norm(x) - other / np.linalg.norm(other)),
                np.linalg.norm(x / np.linalg.norm(x) + other / np.linalg.norm(other)),
            )
            theta = 2 * math.atan2(*chords)
            expected = (x @ other) * (math.pi - theta) / (2 * math.pi)
            pair = np.array([x]), np.array([other])
            assert tw.ntk(*pair)[0, 0] == pytest.approx(expected, abs=1e-12)
            single = tw.ntk(*(part.astype(np.float32) for part in pair))[0, 0]
            assert single == pytest.approx(expected, abs=1e-6)
    rho = np.float64(x @ (x + 1e-9))
    assert abs(rho * np.arccos(np.clip(rho, -1, 1)) / (2 * math.pi) - 1e-9 / (2 * math.pi)) > 1e-12


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 2e-15), (np.float32, 6e-7)])
def test_the_angle_of_far_pairs_is_that_of_the_correlation(dtype, tolerance):
    rho = np.linspace(-0.995, 0.995, 4001).astype(dtype)
    with jax.enable_x64(True):
        given = jnp.asarray(rho)
        pairs = [form(1.0, 1.0, given, angles.sine_of(given)) for form in (FarPair, GaussianPair)]
        seen = [np.asarray(pair.complement) for pair in pairs]
    exact = np.pi - np.arccos(rho.astype(np.longdouble))
    for values in seen:
        assert values.dtype == dtype
        assert np.abs(values.astype(np.longdouble) - exact).max() < tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_difficult_gram_is_symmetric_positive_and_the_same_in_blocks(dtype):
    X = decimal_oracles.difficult_points(np.random.default_rng(1), 60, 5, dtype)
    kernel = angular_kernels.tangent("relu", B=2.0)
    K = kernels.gram(kernel, X)
    np.testing.assert_array_equal(K, K.T)
    trace = float(np.trace(K.astype(np.float64)))
    assert np.linalg.eigvalsh(K.astype(np.float64))[0] >= -np.finfo(dtype).eps * trace
    for rows in (1, 7, 1000):
        blocks = [block for _, block in kernels.gram_blocks(kernel, X, block_rows=rows)]
        np.testing.assert_array_equal(np.concatenate(blocks), K)
    V = np.random.default_rng(2).standard_normal((60, 3))
    np.testing.assert_allclose(kernels.gram_product(kernel, V, X), K.astype(np.float64) @ V, atol=1e-13)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("size", [1e-9, 1e-4, 1.0])
def test_points_of_any_norm_keep_their_digits(size, dtype, tolerance):
    """sin, cos and gabor from the half-differences in extended precision; elu, which tends to the identity."""
    x, z = (size * np.array(point, dtype) for point in ([1, 0], [0.6, 0.8]))
    wide = [point.astype(np.longdouble) for point in (x, z)]
    a, b, c = wide[0] @ wide[0], wide[1] @ wide[1], wide[0] @ wide[1]
    sine = np.exp(-(a + b) / 2) * np.sinh(c)
    spread = (1 + 2 * a) * (1 + 2 * b) - 4 * c * c
    gabor = np.exp(-((a + b) + 4 * (a * b - c * c)) / (2 * spread)) * np.sinh(c / spread) / np.sqrt(spread)
    cases: tuple[tuple[str, Part, Any], ...] = (
        ("sin", "output", sine),
        ("cos", "hidden", c * sine),
        ("gabor", "output", gabor),
    )
    for name, part, expected in cases:
        seen = tw.ntk(x[None], z[None], activation=name, part=part, output_scale=1.0)[0, 0]
        assert abs(seen / expected - 1) < tolerance, name
    if size == 1e-9 and dtype == np.float64:
        linear = tw.ntk(x[None], 2 * z[None], activation="elu", part="output", output_scale=1.0)[0, 0]
        assert linear == pytest.approx(float(2 * c), rel=1e-7)


def test_huge_norms_do_not_overflow_on_the_way():
    x, z = np.array([[1e150, 0]]), np.array([[1e150, 1e150]])
    assert tw.ntk(x, z, activation="erf", part="output", output_scale=1.0)[0, 0] == pytest.approx(0.5)
    assert tw.ntk(x, np.array([[1e-150, 0]]))[0, 0] == pytest.approx(0.5)
    single = tw.ntk(1e10 * np.eye(2, dtype=np.float32) + np.float32(1e9), activation="gelu")
    np.testing.assert_allclose(single, tw.ntk(1e10 * np.eye(2) + 1e9, activation="relu"), rtol=1e-5)


@pytest.mark.slow
def test_depth_three_is_the_recursion():
    X = oracles.sphere(np.random.default_rng(3), 8, 4)

    def duals(rho):
        theta = np.arccos(np.clip(rho, -1, 1))
        return (np.sin(theta) + (np.pi - theta) * rho) / (2 * np.pi), (np.pi - theta) / (2 * np.pi)

    value, slope = duals(X @ X.T)
    K2, T2 = value, (X @ X.T) * slope + value
    value, slope = duals(2 * K2)  # all points have variance 1/2 in the second layer
    K3, T3 = value / 2, T2 * slope + value / 2
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(tw.ntk(X, depth=3)[off], T3[off], atol=1e-13)
    np.testing.assert_allclose(tw.ntk(X, depth=3, part="output")[off], K3[off], atol=1e-13)
    assert np.abs(T3 - K3)[off].max() > 0.01


@pytest.mark.slow
def test_the_kernel_at_trained_weights_is_that_of_the_exported_network():
    rng = np.random.default_rng(4)
    X, y = oracles.sphere(rng, 24, 5), rng.choice([-1.0, 1.0], 24)
    network = tw.memorize(X, y, n_pairs=6, n_steps=50, learning_rate=1.0, output_scale=3.0).network
    plain = tw.conversions.to_plain(network)

    def h(weights, x):
        return oracles.outputs(weights[0], weights[1], x[None], "relu", jax.numpy)[0]

    with jax.enable_x64(True):
        weights = (np.asarray(plain.W, np.float64), np.asarray(plain.u, np.float64))
        gradients = jax.vmap(jax.grad(h), (None, 0))(weights, X)
        W, u = (np.asarray(part).reshape(24, -1) / math.sqrt(2 * 6) / 3.0 for part in gradients)
    parts: tuple[tuple[Part, np.ndarray], ...] = (
        ("hidden", W @ W.T),
        ("output", u @ u.T),
        ("both", W @ W.T + u @ u.T),
    )
    for part, expected in parts:
        np.testing.assert_allclose(tw.empirical_ntk(network, X, part=part), expected, atol=1e-9)
        np.testing.assert_allclose(tw.empirical_ntk(plain, X, part=part), expected, atol=1e-9)


def test_a_jax_array_in_gives_a_jax_array_out():
    X = oracles.sphere(np.random.default_rng(5), 6, 3).astype(np.float32)
    K = tw.ntk(jax.numpy.asarray(X))
    assert isinstance(K, jax.Array)
    np.testing.assert_array_equal(np.asarray(K), tw.ntk(X))


def test_interpolation_and_an_ill_conditioned_solve():
    rng = np.random.default_rng(6)
    X, y = oracles.sphere(rng, 40, 6), rng.choice([-1.0, 1.0], 40)
    kernel = tw.tangent_kernel.expected_kernel("relu")
    f = tw.interpolation.minimum_norm_interpolant(kernel, X, y)
    np.testing.assert_allclose(f(X), y, atol=1e-9)
    expected = y @ np.linalg.solve(tw.ntk(X), y)
    assert f.norm() ** 2 == pytest.approx(expected, rel=1e-9)
    assert tw.interpolation.label_norm_squared(kernel, X, y) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ConditioningError, match="ridge"):
        tw.interpolation.minimum_norm_interpolant(kernel, np.vstack([X, X[:1]]), np.append(y, -y[0]))


def test_random_features_average_to_the_function():
    rng = np.random.default_rng(7)
    scheme = tw.random_features.ntk("relu")
    f = tw.kernel_spaces.KernelFunction(scheme.kernel, oracles.sphere(rng, 5, 4), rng.standard_normal(5))
    q = 20_000
    embedding = tw.random_features.draw_embedding(scheme, key=jax.random.key(0), q=q, d=4)
    x = oracles.sphere(rng, 10, 4)
    # the values averaged lie within sum |alpha_j| of 0: Hoeffding for ten means, failing with probability 1e-6
    threshold = np.abs(f.alpha).sum() * math.sqrt(2 * math.log(20 / 1e-6) / q)
    seen = tw.random_features.f_omega(embedding, f)(x)
    assert np.abs(seen - f(x)).max() < threshold
    assert np.abs(2 * seen - f(x)).max() > threshold  # a factor would be seen


def test_the_constant_polynomial_costs_sqrt_2_pi_d():
    assert tw.spherical_harmonics.constant_norm(10, "relu") == pytest.approx(7.7312631709, abs=1e-9)
    assert tw.spherical_harmonics.constant_norm(30, "relu") == pytest.approx(13.6154534652, abs=1e-9)


def test_the_estimators_learn_and_the_kernel_has_its_diagonal():
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    assert tw.NTKClassifier().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    kernel = tw.NTKKernel()
    np.testing.assert_allclose(kernel.diag(X[:9]), np.diag(kernel(X[:9])), rtol=1e-14)


def test_a_matrix_on_disk_goes_on_where_it_was_stopped(tmp_path):
    X = oracles.sphere(np.random.default_rng(8), 70, 3)
    kernel = angular_kernels.tangent("relu")
    steps = tw.data.save_gram_steps(tmp_path / "K.npy", kernel, X, block_rows=9)
    for _ in range(3):
        next(steps)
    steps.close()
    tw.data.save_gram(tmp_path / "K.npy", kernel, X, block_rows=9)
    np.testing.assert_array_equal(tw.data.open_gram(tmp_path / "K.npy"), kernels.gram(kernel, X))


def own(sigma):
    return tw.Activation("own", sigma, lambda x: jnp.where(x > 0, 1.0, 0.0), 1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda X: tw.ntk(X * np.nan), DataError, "NaN or infinite"),
        (lambda X: tw.ntk(X, X[:, :2]), DataError, "X has 3 columns and Z has 2"),
        (lambda X: tw.ntk(X, activation="step"), HypothesisError, "'step' jumps"),
        (lambda X: tw.ntk(X, depth=1), InputError, "depth=1 must be a whole number of at least 2"),
        (lambda X: tw.ntk(X, depth=3, output_scale=2.0), InputError, "output_scale=2 belongs to depth 2"),
        (lambda X: tw.ntk(X, output_scale=-1.0), InputError, "output_scale=-1 must be positive"),
        (lambda X: tw.ntk(X, depth=3, weight_variance=-1.0), InputError, "weight_variance=-1"),
        (lambda _: tw.duals.dual("relu")(1.1), InputError, r"rho=1.1 is no correlation"),
        (lambda X: tw.ntk(1e160 * X), DataError, r"norms up to 1e\+160 is beyond float64; scale the points"),
        (lambda X: tw.ntk(np.float32(1e30) * X.astype(np.float32)), DataError, "or give them in float64"),
        (lambda X: tw.ntk(60 * X, activation="exp"), DataError, "norms up to 60 is beyond float64"),
        (
            lambda X: tw.kernels.gram_product(tw.angular_kernels.tangent("relu"), 1j * X, X),
            DataError,
            "dtype complex128",
        ),
        (lambda X: tw.ntk(X, activation=own(lambda _: 1.0)), InputError, r"returns shape \(\) for an array"),
        (
            lambda X: tw.ntk(X, activation=own(np.tanh)),
            InputError,
            "cannot be traced by JAX .*; write it with jax.numpy",
        ),
        (lambda X: tw.ntk(X, activation=own(lambda x: jnp.maximum(x, 0))), InputError, "name all its kinks"),
    ],
)
def test_what_cannot_be_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(oracles.sphere(np.random.default_rng(9), 5, 3))
