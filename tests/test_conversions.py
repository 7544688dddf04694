"""From one form of the network to another: what is predicted stays the same."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from tightwidth import activations, losses
from tightwidth.algorithm1 import Algorithm1
from tightwidth.conversions import (
    displaced,
    from_standard_scaling,
    to_displacement,
    to_plain,
    to_standard_scaling,
    to_tangent,
)
from tightwidth.errors import InputError
from tightwidth.network import Displacement, Plain, Tangent, init, init_plain, predict
from tightwidth.sampling import FiniteSample

Q, D, M = 5, 4, 30
KEY = jax.random.key(0)
X = oracles.sphere(np.random.default_rng(0), M, D)
Y = np.random.default_rng(1).choice([-1.0, 1.0], M)


def trained(B, dtype: Any = np.float64):
    """Return a network after some steps of Algorithm 1 with the logistic loss."""
    net = init(KEY, d=D, q=Q, B=B, activation=activations.get("tanh"), dtype=dtype)
    with jax.enable_x64(dtype is np.float64):
        sample = FiniteSample(jnp.asarray(X, dtype), jnp.asarray(Y, dtype))
        run = Algorithm1(losses.get("logistic"), 3, jnp.asarray(4.0, dtype), jax.random.key(1))
    return run.advance(run.init(net), sample, 50).network


def distance(left, right):
    """Return the largest difference of outputs over the largest output."""
    return np.abs(left - right).max() / np.abs(right).max()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("B", [0.3, 1.0, 50.0, 1e3])
def test_the_plain_form_of_a_trained_network_predicts_the_same(B, dtype):
    net = trained(B, dtype=dtype)
    plain = to_plain(net)
    assert plain.W.dtype == plain.u.dtype == plain.B.dtype == np.float64
    assert float(plain.B) == pytest.approx(B, rel=1e-6)
    seen = predict(net, X.astype(dtype))
    assert distance(seen, predict(plain, X)) < (1e-11 if dtype is np.float64 else 1e-5)
    assert distance(seen, oracles.outputs(np.asarray(plain.W), np.asarray(plain.u), X, "tanh")) < 1e-5
    assert np.abs(seen).max() > 0.1  # it has learned something


@pytest.mark.slow
@pytest.mark.parametrize("B", [0.3, 50.0])
def test_displacement_to_plain_and_back(B):
    net = trained(B)
    assert isinstance(net, Displacement)
    back = to_displacement(to_plain(net), np.asarray(net.W_half))
    for seen, expected in zip(jax.tree.leaves(back), jax.tree.leaves(net), strict=True):
        np.testing.assert_allclose(seen, expected, atol=1e-11 * B**2)
    assert distance(predict(back, X), predict(net, X)) < 1e-10


def test_plain_to_displacement_and_back():
    rng = np.random.default_rng(2)
    start = init_plain(KEY, d=D, q=Q, B=3.0, activation=activations.get("gelu"), dtype=np.float64)
    with jax.enable_x64(True):
        shifts = (jnp.asarray(rng.standard_normal((2 * Q, D))), jnp.asarray(rng.standard_normal(2 * Q)))
        net = eqx.tree_at(lambda n: (n.W, n.u), start, (start.W + shifts[0], start.u + shifts[1]))
    displaced = to_displacement(net, np.asarray(start.W[:Q]))
    assert distance(predict(displaced, X), predict(net, X)) < 1e-13
    for seen, expected in zip(jax.tree.leaves(to_plain(displaced)), jax.tree.leaves(net), strict=True):
        np.testing.assert_allclose(seen, expected, atol=1e-13)


@pytest.mark.slow
def test_a_tangent_network_is_the_limit_of_its_plain_forms():
    net = trained(math.inf)
    limit = predict(net, X)
    distances = [distance(predict(to_plain(net, B), X), limit) for B in (1e1, 1e3, 1e5)]
    assert distances[2] < 1e-5
    assert distances[0] > 30 * distances[1]
    plain = to_plain(net, 1e3)
    assert isinstance(net, Tangent)
    # split evenly, which is where SGD would have gone
    upper, lower = np.split(np.asarray(plain.W), 2)
    np.testing.assert_allclose(upper + lower, 2 * np.asarray(net.W_half), atol=1e-12)
    np.testing.assert_allclose((upper - lower) * 1e3, net.V, atol=1e-9)
    np.testing.assert_array_equal(plain.u, np.repeat([1e3, -1e3], Q))


def test_the_linearisation_of_a_trained_network():
    for B, tolerance in ((1e3, 1e-4), (1e6, 1e-8)):
        net = trained(B)
        assert isinstance(net, Displacement)
        linear = to_tangent(net)
        np.testing.assert_array_equal(linear.V, net.PN[0] + net.PN[1])
        assert distance(predict(linear, X), predict(net, X)) < tolerance
    near = trained(0.3)
    assert isinstance(near, Displacement)
    assert distance(predict(to_tangent(near), X), predict(near, X)) > 0.01  # here it is another network


def test_footnote_2_moves_the_factor_from_the_inputs_to_the_weights():
    plain = to_plain(trained(2.0))
    standard = to_standard_scaling(plain)
    h = oracles.outputs(np.asarray(standard.W), np.asarray(standard.u), X * np.sqrt(D), "tanh")
    assert distance(h, predict(plain, X)) < 1e-13
    assert distance(predict(standard, X * D**0.5), predict(plain, X)) < 1e-13
    np.testing.assert_allclose(from_standard_scaling(standard).W, plain.W, rtol=1e-14)
    # entries of W' of variance 1 become entries of variance 1/d
    np.testing.assert_allclose(np.asarray(standard.W) * np.sqrt(D), plain.W, rtol=1e-14)


def test_a_plain_network_is_taken_to_double_precision():
    net = init_plain(KEY, d=D, q=Q, B=3.0, activation=activations.get("relu"))
    plain = to_plain(net)
    assert plain.W.dtype == np.float64
    np.testing.assert_array_equal(plain.W, np.asarray(net.W, np.float64))
    assert isinstance(to_plain(net, 3.0), Plain)


def test_a_tangent_network_as_displacements():
    net = trained(math.inf)
    assert isinstance(net, Tangent)
    there = displaced(net, 1e6)
    np.testing.assert_array_equal(there.PN[0], there.PN[1])
    np.testing.assert_array_equal(to_tangent(there).V, net.V)
    assert distance(predict(there, X), predict(net, X)) < 1e-8
    assert distance(predict(displaced(net, 2.0), X), predict(to_plain(net, 2.0), X)) < 1e-12
    assert distance(predict(displaced(net, 2.0), X), predict(net, X)) > 1e-3


@pytest.mark.parametrize("B", [math.inf, 0.0, -1.0, math.nan])
def test_a_tangent_network_needs_an_output_scale(B):
    net = trained(math.inf)
    assert isinstance(net, Tangent)
    for convert in (to_plain, displaced):
        with pytest.raises(InputError, match="a tangent network has no output scale of its own; give a finite B > 0"):
            convert(net, B)
    with pytest.raises(InputError, match="a tangent network has no output scale of its own; give a finite B > 0"):
        to_plain(net)


def test_an_output_scale_that_contradicts_the_networks_own_is_refused():
    with pytest.raises(InputError, match="B=7 but this network was started with B=3; leave B out"):
        to_plain(trained(3.0), 7.0)
    with pytest.raises(InputError, match="B=7 but this network was started with B=3; leave B out"):
        to_plain(to_plain(trained(3.0)), 7.0)


def test_weights_of_another_shape_are_refused():
    plain = to_plain(trained(3.0))
    with pytest.raises(InputError, match=r"W_half has shape \(6, 4\) but the network has pairs and features \(5, 4\)"):
        to_displacement(plain, np.zeros((6, 4)))
