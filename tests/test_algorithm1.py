"""Algorithm 1 against automatic differentiation of the plain network, and against its linear limit."""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from tightwidth import activations, losses
from tightwidth.activations import Activation
from tightwidth.algorithm1 import Algorithm1
from tightwidth.conversions import to_plain
from tightwidth.network import Displacement, Plain, Tangent, init, init_plain, predict
from tightwidth.online_loss import OnlineLoss
from tightwidth.sampling import FiniteSample

Q, D, M, BATCH, T, ETA = 4, 5, 20, 3, 60, 2.0
WEIGHTS_KEY, STEPS_KEY = jax.random.key(0), jax.random.key(1)
X = oracles.sphere(np.random.default_rng(0), M, D).astype(np.float32).astype(np.float64)
Y = np.random.default_rng(1).choice([-1.0, 1.0], M)
SCALES = [0.3, 1.0, 10.0, 1e3]
# the loss enters through its derivative alone: every activation with one loss, every loss with relu
PAIRS = [(name, "hinge") for name in ("relu", "tanh", "gelu", "leaky_relu", "hard_tanh", "elu", "selu")] + [
    ("relu", "logistic"),
    ("relu", "perceptron"),
    ("gelu", "logistic"),
]
FLOATS = (np.float32, np.float64)


@functools.cache
def batches(n_steps=T):
    """Return the minibatches of the steps, in the order in which the sample draws them."""
    sample = FiniteSample(jnp.asarray(X, jnp.float32), jnp.asarray(Y, jnp.float32))
    rows = np.asarray(sample.draw(STEPS_KEY, jnp.arange(n_steps, dtype=jnp.int32), BATCH))
    return [(X[picked], Y[picked]) for picked in rows]


def start(form, name, B, dtype: Any = np.float64) -> Any:
    activation = activations.get(name) if isinstance(name, str) else name
    drawn = init_plain if form is Plain else init
    net = drawn(WEIGHTS_KEY, d=D, q=Q, B=B, activation=activation, dtype=dtype)
    assert isinstance(net, form)
    return net


def train(net, loss, *, eta=ETA, n_steps=T, dtype: Any = np.float64) -> Any:
    with jax.enable_x64(dtype is np.float64):
        sample = FiniteSample(jnp.asarray(X, dtype), jnp.asarray(Y, dtype))
        sample = eqx.tree_at(lambda s: s.cached, sample, net.cache(sample.X), is_leaf=lambda leaf: leaf is None)
        run = Algorithm1(losses.get(loss), BATCH, jnp.asarray(eta, dtype), STEPS_KEY)
    return run.advance(run.init(net), sample, n_steps)


@functools.cache
def oracle_path(name, loss, B):
    W_half = np.asarray(start(Tangent, "relu", math.inf).W_half)
    return oracles.plain_sgd(name, loss, W_half, B, ETA, batches())


def departure(net, path):
    """Return how far the weights are from the oracle's last ones, as a share of the distance those have moved."""
    plain = to_plain(net)
    shares = []
    for seen, expected in ((plain.W, path.W), (plain.u, path.u)):
        rounding = T * np.finfo(np.float64).eps * np.abs(expected[-1]).max()  # of the oracle itself
        error = np.abs(np.asarray(seen) - expected[-1]).max()
        shares.append(max(error - rounding, 0) / np.abs(expected[-1] - expected[0]).max())
    return max(shares)


def difference(left, right):
    """Return the largest difference of outputs over the largest output."""
    return np.abs(left - right).max() / np.abs(right).max()


@pytest.mark.parametrize(("name", "loss"), PAIRS)
def test_the_displacement_form_is_sgd_on_the_plain_network(name, loss):
    for B in SCALES:
        path = oracle_path(name, loss, B)
        state = train(start(Displacement, name, B), loss)
        assert departure(state.network, path) < 1e-9
        expected = oracles.outputs(path.W[-1], path.u[-1], X, name)
        assert difference(predict(state.network, X), expected) < 1e-9
        assert float(state.online_loss.total) / T == pytest.approx(path.losses.mean(), rel=1e-9)
        mistakes = [
            np.mean(y * oracles.outputs(W, u, points, name) <= 0)
            for (points, y), W, u in zip(batches(), path.W[:-1], path.u[:-1], strict=True)
        ]
        assert float(state.online_mistakes.total) / T == pytest.approx(np.mean(mistakes), rel=1e-9)
        assert float(state.online_variation.total) == pytest.approx(OnlineLoss().add(mistakes).V, rel=1e-9)


@pytest.mark.parametrize(("name", "loss"), [("relu", "hinge"), ("gelu", "logistic")])
def test_the_plain_form_is_sgd_on_the_plain_network(name, loss):
    for B in SCALES:
        net = train(start(Plain, name, B), loss).network
        assert departure(net, oracle_path(name, loss, B)) < 1e-9


def test_the_comparison_rejects_plausible_mistakes():
    name, loss, B = "relu", "hinge", 1.0
    path = oracle_path(name, loss, B)
    known = activations.get(name)
    values_for_slopes = Activation("sigma for sigma'", known.sigma, known.sigma, C=known.C, H=known.H)
    right = train(start(Displacement, name, B), loss).network
    wrong = {
        "a factor 2 in the rate, or eta/q for eta/(2q)": train(start(Displacement, name, B), loss, eta=2 * ETA),
        "sigma for sigma'": train(start(Plain, values_for_slopes, B), loss),
        "ten steps less": train(start(Displacement, name, B), loss, n_steps=T - 10),
        "another scale": train(start(Displacement, name, 1.01 * B), loss),
    }
    assert departure(right, path) < 1e-9
    for mistake, state in wrong.items():
        assert departure(state.network, path) > 1e-4, mistake
    with jax.enable_x64(True):
        frozen = eqx.tree_at(lambda net: (net.s, net.r), right, (0 * right.s, 0 * right.r))
    assert departure(frozen, path) > 1e-4  # only the hidden weights trained


@pytest.mark.parametrize(("name", "loss"), [("relu", "hinge"), ("relu", "perceptron"), ("gelu", "logistic")])
def test_the_tangent_form_is_sgd_on_the_embedding(name, loss):
    net = start(Tangent, name, math.inf)
    path, minibatch_losses = oracles.linear_sgd(name, loss, np.asarray(net.W_half), ETA, batches())
    state = train(net, loss)
    np.testing.assert_allclose(np.sqrt(Q) * np.ravel(state.network.V), path[-1], atol=1e-11)
    assert float(state.online_loss.total) / T == pytest.approx(minibatch_losses.mean(), rel=1e-9)
    for wrong in (2 * ETA, ETA / 2):
        twisted = np.ravel(train(net, loss, eta=wrong).network.V)
        assert np.abs(np.sqrt(Q) * twisted - path[-1]).max() > 1e-3


@pytest.mark.slow
def test_nothing_need_be_kept_per_point():
    net = start(Displacement, "relu", 2.0)
    with jax.enable_x64(True):
        bare = FiniteSample(jnp.asarray(X), jnp.asarray(Y))
        run = Algorithm1(losses.get("hinge"), BATCH, jnp.asarray(ETA), STEPS_KEY)
    seen = predict(run.advance(run.init(net), bare, T).network, X)
    assert difference(seen, predict(train(net, "hinge").network, X)) < 1e-11


def near_kinks(net, B):
    """Return how many gates have |z - kappa| < (|a| + |c|)/B."""
    Z, (P, N) = X @ np.asarray(net.W_half, np.float64).T, np.asarray(net.PN, np.float64)
    reach = (np.abs(X @ P.T) + np.abs(X @ N.T)) / B
    return sum(int(np.sum(np.abs(Z - place) < reach)) for place in oracles.PIECES.get(net.activation.name, ()))


# A neuron moves by at most r = eta T/(2 q B) = 15/B, so of the 80 gates 64 r come near a kink on average: at B = 1e5,
# one in a hundred draws of the weights has one.


def linear_limit(name, loss="hinge"):
    """Return the predictions of SGD on the embedding, which is B = infinity."""
    W_half = np.asarray(start(Tangent, "relu", math.inf).W_half)
    path, _ = oracles.linear_sgd(name, loss, W_half, ETA, batches())
    return oracles.psi(W_half, X, name) @ path[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "tanh", "hard_tanh"])
def test_in_single_precision_a_large_scale_gives_the_linear_limit(name):
    limit = linear_limit(name)
    for B in (1e7, 1e12):
        net = train(start(Displacement, name, B, np.float32), "hinge", dtype=np.float32).network
        assert near_kinks(net, B) == 0
        assert difference(predict(net, X.astype(np.float32)), limit) < 1e-5
    near = train(start(Displacement, name, 1.0, np.float32), "hinge", dtype=np.float32).network
    assert difference(predict(near, X.astype(np.float32)), limit) > 1e-3  # a small scale gives another network


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "tanh", "hard_tanh"])
def test_in_single_precision_the_scale_1e5_gives_what_double_precision_gives(name):
    single, double = (train(start(Displacement, name, 1e5, dtype), "hinge", dtype=dtype).network for dtype in FLOATS)
    assert near_kinks(double, 1e5) == 0
    assert difference(predict(single, X.astype(np.float32)), predict(double, X)) < 1e-5


@pytest.mark.slow
def test_in_single_precision_the_plain_form_drowns_at_a_large_scale():
    limit = linear_limit("relu", "perceptron")
    plain = train(start(Plain, "relu", 1e7, np.float32), "perceptron", dtype=np.float32).network
    assert difference(predict(plain, X.astype(np.float32)), limit) > 0.1


def test_training_tends_to_the_tangent_form_like_the_inverse_square_of_the_scale():
    limit = predict(train(start(Tangent, "gelu", math.inf), "logistic").network, X)
    at = [difference(predict(train(start(Displacement, "gelu", B), "logistic").network, X), limit) for B in (1e3, 1e4)]
    assert at[1] < 1e-5
    assert at[0] > 50 * at[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "B", "dtype"),
    [(form, 3.7, dtype) for form in (Plain, Displacement) for dtype in FLOATS] + [(Tangent, math.inf, np.float64)],
)
def test_the_first_step_of_the_perceptron_moves_for_every_point(form, B, dtype):
    net = start(form, "relu", B, dtype)
    state = train(net, "perceptron", n_steps=1, dtype=dtype)
    assert float(state.online_mistakes.total) == 1  # h = 0 exactly is a tie, and a tie is a mistake
    assert float(state.online_loss.total) == 0
    assert int(state.last_update) == int(state.t) == 1
    (points, y), *_ = batches()
    embedded = oracles.psi(np.asarray(net.W_half if form is not Plain else net.W[:Q]), points, "relu")
    v = ETA * embedded.T @ y / BATCH  # every point of the batch pulls
    if form is Tangent:
        np.testing.assert_allclose(np.sqrt(Q) * np.ravel(state.network.V), v, atol=1e-6)
    elif form is Displacement:
        np.testing.assert_allclose(np.sqrt(Q) * np.ravel(np.sum(np.asarray(state.network.PN), axis=0)), v, atol=1e-6)
    else:
        upper, lower = np.split(np.asarray(state.network.W), 2)
        np.testing.assert_allclose(B * np.sqrt(Q) * np.ravel(upper - lower), v, atol=1e-5)
