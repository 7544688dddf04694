"""The three forms of the network: their start, their outputs, and that they are one network."""

import math
from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import oracles
from thresholds import kolmogorov
from tightwidth import activations, network
from tightwidth.activations import DECENT
from tightwidth.network import (
    Displacement,
    Plain,
    Tangent,
    draw_W_half,
    gates_of,
    init,
    init_plain,
    n_parameters,
    network_dtype,
    network_learning_rate,
    preactivations,
    predict,
)

DTYPES = [np.float32, np.float64]
FORMS = [("plain", "relu"), ("plain", "gelu"), ("displacement", "gelu"), ("tangent", "relu")]
KEY = jax.random.key(0)


def points(m, d, dtype: Any = np.float64, seed=0):
    return oracles.sphere(np.random.default_rng(seed), m, d).astype(dtype)


def relu():
    return activations.get("relu")


def moved(name, B, dtype: Any = np.float64, q=6, d=4, seed=1):
    """Return a displacement network in which everything has moved, and its weights (W, u) in the plain form."""
    rng = np.random.default_rng(seed)
    start = init(KEY, d=d, q=q, B=B, activation=activations.get(name), dtype=dtype)
    assert isinstance(start, Displacement)
    P, N = (rng.standard_normal((q, d)).astype(dtype) for _ in range(2))
    s, r = (rng.standard_normal(q).astype(dtype) for _ in range(2))
    with jax.enable_x64(dtype is np.float64):
        arrays = tuple(map(jnp.asarray, (np.stack([P, N]), s, r)))
        net = eqx.tree_at(lambda n: (n.PN, n.s, n.r), start, arrays)
    W_half, B = np.asarray(start.W_half, np.float64), 1 / float(start.inverse_B)
    return net, np.vstack([W_half + P / B, W_half - N / B]), np.concatenate([B + s / B, -B + r / B])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("form", "name"), FORMS)
@pytest.mark.parametrize(("q", "d", "m"), [(3, 5, 7), (64, 32, 100)])
def test_the_output_is_exactly_zero_at_initialization(form, name, dtype, q, d, m):
    X = points(m, d, dtype)
    for B in (0.3, 3.7, 1e7):  # scales whose products with sigma are rounded
        start = init_plain if form == "plain" else init
        B = math.inf if form == "tangent" else B
        net = start(KEY, d=d, q=q, B=B, activation=activations.get(name), dtype=dtype)
        assert network_dtype(net) == dtype
        np.testing.assert_array_equal(predict(net, X), np.zeros(m))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DECENT)
def test_the_plain_form_starts_at_zero_whatever_is_fused_into_the_activation(name, dtype):
    net = init_plain(KEY, d=5, q=3, B=3.7, activation=activations.get(name), dtype=dtype)
    np.testing.assert_array_equal(predict(net, points(7, 5, dtype)), np.zeros(7))


def test_the_smallest_network_starts_at_zero():
    for net in (
        init_plain(KEY, d=1, q=1, B=3.7, activation=relu()),
        init(KEY, d=1, q=1, B=3.7, activation=relu()),
        init(KEY, d=1, q=1, B=math.inf, activation=relu()),
    ):
        assert predict(net, np.ones((1, 1), np.float32)) == [0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_forms_start_from_the_same_weights(dtype):
    W_half = draw_W_half(KEY, 5, 3, dtype)
    plain = init_plain(KEY, d=3, q=5, B=2.0, activation=relu(), dtype=dtype)
    finite, limit = (init(KEY, d=3, q=5, B=B, activation=relu(), dtype=dtype) for B in (2.0, math.inf))
    assert isinstance(finite, Displacement)
    assert isinstance(limit, Tangent)
    W, u = oracles.xavier(np.asarray(W_half), 2.0)
    for seen, expected in ((plain.W, W), (plain.u, u), (finite.W_half, W_half), (limit.W_half, W_half)):
        assert seen.dtype == dtype
        np.testing.assert_array_equal(seen, expected)
    assert plain.q == finite.q == limit.q == 5


def test_the_rows_of_W_depend_neither_on_their_number_nor_on_the_precision():
    rows = np.asarray(draw_W_half(KEY, 20, 7))
    assert rows.dtype == np.float32
    for q, dtype in ((1, np.float32), (3, np.float64), (20, np.float64)):
        fewer = draw_W_half(KEY, q, 7, dtype)
        assert fewer.dtype == dtype
        np.testing.assert_array_equal(fewer, rows[:q])
    assert len(np.unique(rows)) == rows.size
    assert not np.array_equal(draw_W_half(jax.random.key(1), 20, 7), rows)


def test_the_entries_of_W_are_standard_gaussians():
    W = np.ravel(np.asarray(draw_W_half(KEY, 500, 64), np.float64))
    threshold = kolmogorov(W.size)
    assert stats.kstest(W, stats.norm.cdf).statistic < threshold
    for wrong in (W / 8, W * 2**0.5, 1.1 * W):  # variance 1/d, 2, 1.2
        assert stats.kstest(wrong, stats.norm.cdf).statistic > threshold


@pytest.mark.parametrize("name", DECENT)
@pytest.mark.parametrize("B", [0.3, 20.0])
def test_the_displacement_form_is_the_plain_network(name, B):
    net, W, u = moved(name, B)
    X = points(50, 4)
    expected = oracles.outputs(W, u, X, name)
    np.testing.assert_allclose(predict(net, X), expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("B", [0.3, 1.0, 30.0, 1e3])
def test_the_plain_form_is_the_plain_network(B):
    _, W, u = moved("tanh", B)
    X = points(50, 4)
    with jax.enable_x64(True):
        net = Plain(jnp.asarray(W), jnp.asarray(u), jnp.asarray(B), activations.get("tanh"))
    expected = oracles.outputs(W, u, X, "tanh")
    np.testing.assert_allclose(predict(net, X), expected, atol=1e-12 * np.abs(expected).max() + 1e-15 * B)


@pytest.mark.parametrize("name", ["relu", "tanh", "hard_tanh"])
def test_single_precision_keeps_the_output_at_any_B_in_the_displacement_form_alone(name):
    X = points(50, 4, np.float32)
    for B in (0.3, 1e3, 1e5, 1e7, 1e12):
        single, double = (predict(moved(name, B, dtype)[0], X.astype(dtype)) for dtype in DTYPES)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, atol=1e-5 * np.abs(double).max())
    _, W, u = moved(name, 1e7, np.float32)
    in_single = oracles.outputs(W.astype(np.float32), u.astype(np.float32), X, name)
    expected = predict(moved(name, 1e7)[0], X.astype(np.float64))
    assert np.abs(in_single - expected).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("name", DECENT)
def test_the_tangent_form_is_linear_in_the_embedding(name):
    net = init(KEY, d=4, q=6, B=math.inf, activation=activations.get(name), dtype=np.float64)
    V = np.random.default_rng(2).standard_normal((6, 4))
    with jax.enable_x64(True):
        net = eqx.tree_at(lambda n: n.V, net, jnp.asarray(V))
    X = points(50, 4)
    expected = oracles.psi(np.asarray(net.W_half), X, name) @ np.ravel(V) * np.sqrt(6)
    np.testing.assert_allclose(predict(net, X), expected, atol=1e-13)


@pytest.mark.parametrize("name", ["relu", "tanh", "selu"])
def test_the_displacement_form_tends_to_the_tangent_form(name):
    X = points(50, 4)
    distances = []
    for B in (1e2, 1e4, 1e6):
        net, *_ = moved(name, B)
        limit = Tangent(net.W_half, net.PN[0] + net.PN[1], net.activation)
        distances.append(np.abs(predict(net, X) - predict(limit, X)).max())
    assert distances[2] < 1e-4
    assert distances[0] > 30 * distances[1] > 900 * distances[2]  # like 1/B or faster


@pytest.mark.parametrize("B", [2.0, math.inf])
def test_no_points_have_no_predictions(B):
    net = init(KEY, d=4, q=6, B=B, activation=relu())
    seen = predict(net, np.zeros((0, 4), np.float32))
    assert (seen.shape, seen.dtype) == ((0,), np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["plain", "displacement", "tangent"])
def test_predictions_in_blocks_are_those_in_one(form, dtype, monkeypatch):
    net, *_ = moved("gelu", 2.0, dtype)
    if form == "tangent":
        net = Tangent(net.W_half, net.PN[0], net.activation)
    elif form == "plain":
        with jax.enable_x64(dtype is np.float64):
            W = jnp.concatenate([net.W_half, net.W_half + net.PN[0]])
            net = Plain(W, jnp.arange(12, dtype=dtype), jnp.asarray(2, dtype), net.activation)
    X = points(23, 4, dtype)
    whole = predict(net, X)
    with jax.enable_x64(dtype is np.float64):
        cached = net.cache(jnp.asarray(X))
    monkeypatch.setattr(network, "BLOCK_ELEMENTS", 60)  # five rows at a time
    tolerance = 8 * np.finfo(dtype).eps * np.abs(whole).max()
    np.testing.assert_allclose(predict(net, X), whole, atol=tolerance)
    np.testing.assert_allclose(predict(net, X, cached), whole, atol=tolerance)
    if isinstance(net, Plain):
        assert cached is None
    else:
        expected = X.astype(np.float64) @ np.asarray(net.W_half, np.float64).T
        np.testing.assert_allclose(preactivations(net.W_half, X), expected.astype(dtype), atol=8 * np.finfo(dtype).eps)


def test_the_sign_of_a_preactivation_is_exact():
    # points orthogonal to a weight but for the rounding of their entries to float32
    W_half = np.asarray(draw_W_half(KEY, 40, 16))
    rng = np.random.default_rng(3)
    W, G = W_half.astype(np.float64), rng.standard_normal((40, 16))
    G -= np.sum(G * W, axis=1, keepdims=True) / np.sum(W * W, axis=1, keepdims=True) * W
    X = (G / np.linalg.norm(G, axis=1, keepdims=True)).astype(np.float32)
    products = X.astype(np.float64) * W  # of two float32 numbers: exact
    exact = [sum(map(Fraction, row)) for row in products.tolist()]
    signs = np.array([(z > 0) - (z < 0) for z in exact])
    assert np.abs([float(z) for z in exact]).max() < 1e-6
    np.testing.assert_array_equal(np.sign(np.diag(preactivations(jnp.asarray(W_half), X))), signs)
    np.testing.assert_array_equal(np.diag(gates_of(jnp.asarray(W_half), jnp.asarray(X), relu())), signs > 0)
    in_single = np.einsum("id,id->i", X, W_half)
    assert (np.sign(in_single) != signs).any()  # a product in single precision gets some wrong


@pytest.mark.parametrize("name", DECENT)
def test_gates_are_the_derivative_at_the_preactivations(name):
    X, W_half = points(30, 6), draw_W_half(KEY, 8, 6, np.float64)
    with jax.enable_x64(True):
        seen = np.asarray(gates_of(W_half, jnp.asarray(X), activations.get(name)))
    np.testing.assert_allclose(seen, oracles.gates(np.asarray(W_half), X, name), atol=1e-14)


def test_numbers_of_parameters_and_steps():
    assert n_parameters(128, 64) == 16_640 == init_plain(KEY, d=64, q=128, B=1.0, activation=relu()).W.size + 256
    assert network_learning_rate(3.0, 5, 2.0) == pytest.approx(3 / (2 * 5 * 4))
    assert network_learning_rate(3.0, 5, math.inf) == 0
    assert network_learning_rate(1.0, 1, 1e200) == 0  # and no overflow of B^2
