"""The tangent kernel against automatic differentiation, quadrature and published values."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from thresholds import bernstein, hoeffding
from tightwidth import activations, duals
from tightwidth.activations import DECENT
from tightwidth.network import draw_W_half
from tightwidth.tangent_kernel import empirical_tk, empirical_tk_h, empirical_tk_o, ntk

Q, D = 5, 4
KEY = jax.random.key(0)
PARTS = ("both", "hidden", "output")
X = oracles.sphere(np.random.default_rng(0), 6, D)
Z = oracles.sphere(np.random.default_rng(1), 3, D)

# rho, E relu(u) relu(v), rho E relu'(u) relu'(v): neural-tangents 0.6.5, float64
PUBLISHED = np.array(
    [
        (-0.9, 0.004769199422336043, -0.06460483190791784),
        (-0.5, 0.05449889052211469, -0.08333333333333333),
        (0.1, 0.18495138295131794, 0.026594214021463003),
        (0.3, 0.24137214191774387, 0.08954800260310175),
        (0.7, 0.3750452046266359, 0.26138584111267776),
        (0.99, 0.49515012786657725, 0.47269856024601614),
    ]
)


@pytest.mark.slow
@pytest.mark.parametrize("name", DECENT)
def test_the_kernel_at_given_weights_is_the_product_of_gradients(name):
    W_half, B = draw_W_half(KEY, Q, D, np.float64), 0.7
    expected = oracles.tangent_kernels(name, np.asarray(W_half), B, X, Z)
    seen = [empirical_tk(X, Z, W_half=W_half, activation=activations.get(name), B=B, part=part) for part in PARTS]
    size = np.abs(expected[0]).max()
    for one, by_autodiff in zip(seen, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, by_autodiff, rtol=1e-12, atol=1e-14 * size)
        assert np.abs(2 * one - by_autodiff).max() > 0.01 * size  # a factor 2 would be seen
    np.testing.assert_allclose(seen[0], seen[1] + seen[2], rtol=1e-15)


@pytest.mark.slow
def test_single_precision_gives_the_same_to_its_digits():
    W_half = draw_W_half(KEY, Q, D)
    single = empirical_tk(
        X.astype(np.float32), Z.astype(np.float32), W_half=W_half, activation=activations.get("tanh"), B=2.0
    )
    assert single.dtype == np.float32
    expected, *_ = oracles.tangent_kernels("tanh", np.asarray(W_half), 2.0, X, Z)
    np.testing.assert_allclose(single, expected, atol=1e-6)


def test_at_infinite_scale_only_the_hidden_part_is_left():
    W_half, relu = draw_W_half(KEY, Q, D, np.float64), activations.get("relu")
    hidden = empirical_tk_h(X, Z, W_half=W_half, activation=relu)
    np.testing.assert_array_equal(empirical_tk(X, Z, W_half=W_half, activation=relu), hidden)
    np.testing.assert_array_equal(empirical_tk_o(X, Z, W_half=W_half, activation=relu, B=math.inf), 0)
    np.testing.assert_array_equal(ntk(X, Z), ntk(X, Z, part="hidden"))


def test_the_hidden_part_is_the_inner_product_of_embeddings():
    W_half = draw_W_half(KEY, Q, D, np.float64)
    for name in ("relu", "gelu"):
        left, right = (oracles.psi(np.asarray(W_half), points, name) for points in (X, Z))
        seen = empirical_tk_h(X, Z, W_half=W_half, activation=activations.get(name))
        np.testing.assert_allclose(seen, left @ right.T, atol=1e-14)


@pytest.mark.parametrize("name", ["relu", "tanh", "sin"])
def test_the_gram_matrix_is_symmetric_and_positive(name):
    W_half = draw_W_half(KEY, Q, D, np.float64)
    K = empirical_tk(X, X, W_half=W_half, activation=activations.get(name), B=1.0)
    np.testing.assert_allclose(K, K.T, rtol=1e-14)
    assert np.linalg.eigvalsh(K)[0] > -1e-13


def test_permuting_pairs_and_rotating_everything_changes_nothing():
    W_half, gelu = np.asarray(draw_W_half(KEY, Q, D, np.float64)), activations.get("gelu")
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((D, D)))[0]

    def kernel(W, turn):
        with jax.enable_x64(True):
            W = jnp.asarray(W @ turn)
        return empirical_tk(X @ turn, Z @ turn, W_half=W, activation=gelu, B=1.0)

    reference = kernel(W_half, np.eye(D))
    np.testing.assert_allclose(kernel(W_half[::-1], np.eye(D)), reference, atol=1e-14)
    np.testing.assert_allclose(kernel(W_half, rotation), reference, atol=1e-13)


def expected_parts(rho):
    return duals.dual("relu")(rho), np.asarray(rho) * duals.dual_prime("relu")(rho)


def test_relus_expected_kernel_is_the_published_one():
    rho, *values = PUBLISHED.T
    for seen, expected in zip(expected_parts(rho), values, strict=True):
        np.testing.assert_allclose(seen, expected, rtol=1e-12)


def test_relus_expected_kernel_is_the_integral():
    rho = np.array([-0.95, -0.3, 0.0, 0.2, 0.6, 0.999])
    slopes, values = np.transpose([oracles.relu_duals(r) for r in rho])
    output, hidden = expected_parts(rho)
    np.testing.assert_allclose(output, values, rtol=1e-9)
    np.testing.assert_allclose(hidden, rho * slopes, rtol=1e-9)


def test_relus_expected_kernel_at_the_ends():
    output, hidden = expected_parts([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(hidden, [0, 0, 0.5], atol=1e-15)
    np.testing.assert_allclose(output, [0, 1 / (2 * np.pi), 0.5], atol=1e-15)


def test_the_derivative_of_the_dual_is_the_dual_of_the_derivative():
    rho = np.array([-0.9, -0.2, 0.1, 0.5, 0.9])
    with jax.enable_x64(True):
        slope = jax.vmap(jax.grad(duals.dual("relu")))(jnp.asarray(rho))
    np.testing.assert_allclose(rho * np.asarray(slope), expected_parts(rho)[1], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relus_expected_kernel_of_points(dtype):
    points, others = X.astype(dtype), np.vstack([Z, X[:1]]).astype(dtype)
    output, hidden = expected_parts(np.clip(X @ np.vstack([Z, X[:1]]).T, -1, 1))
    tolerance = 1e-14 if dtype is np.float64 else 1e-6
    for B in (0.5, 3.0):
        for part, expected in zip(PARTS, (hidden + output / B**2, hidden, output / B**2), strict=True):
            seen = ntk(points, others, output_scale=B, part=part)
            assert seen.dtype == dtype
            np.testing.assert_allclose(seen, expected, atol=tolerance)


@pytest.mark.slow
def test_the_kernel_at_random_weights_averages_to_the_expected_one():
    n_draws, q, B = 10, 20_000, 1.0
    relu = activations.get("relu")
    draws = [draw_W_half(jax.random.key(seed), q, D) for seed in range(n_draws)]
    points, others = X.astype(np.float32), Z.astype(np.float32)
    hidden, output = (
        np.mean([empirical_tk(points, others, W_half=W, activation=relu, B=B, part=part) for W in draws], axis=0)
        for part in PARTS[1:]
    )
    rho = X @ Z.T
    n, n_checks = n_draws * q, 2 * rho.size
    # products of two gates are 0 or 1; products of two outputs have second moment <= E u^4 / 2 = 3/2 and, but with
    # probability n exp(-r^2/2), stay below r^2 = 60
    threshold_h = np.abs(rho) * hoeffding(n, n_checks=n_checks) + 1e-6
    threshold_o = bernstein(n, variance=1.5, bound=60, n_checks=n_checks)
    assert (np.abs(hidden - ntk(X, Z, part="hidden")) < threshold_h).all()
    assert (np.abs(output - ntk(X, Z, output_scale=B, part="output")) < threshold_o).all()
    for wrong in (2 * hidden, hidden / q**0.5, output, output * rho):  # a factor, a missing one, sigma for sigma'
        assert (np.abs(wrong - ntk(X, Z, part="hidden")) > threshold_h).any()
    for wrong in (2 * output, hidden, output / 2):
        assert (np.abs(wrong - ntk(X, Z, output_scale=B, part="output")) > threshold_o).any()
