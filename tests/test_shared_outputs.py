"""K networks side by side are K runs of Algorithm 1, and weights are what they say."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certificate_oracles as oracle
from thresholds import hoeffding
from tightwidth import activations, algorithm1, losses, network, sampling, shared_outputs, shared_run, weighted_sampling

M, D, Q, K = 12, 4, 5, 3


def sample(dtype: Any = np.float64):
    rng = np.random.default_rng(0)
    return oracle.sphere(rng, M, D).astype(dtype), rng.choice([-1.0, 1.0], (M, K)).astype(dtype)


def run_of(loss="logistic", batch_size=2, eta=0.7, adapts=False, dtype: Any = np.float64):
    with jax.enable_x64(dtype == np.float64):
        return shared_run.SharedRun(losses.get(loss), batch_size, adapts, jnp.full(K, eta, dtype), jax.random.key(3))


def start(B, dtype=np.float64):
    return shared_outputs.init_outputs(
        jax.random.key(1), d=D, q=Q, K=K, B=B, activation=activations.get("relu"), dtype=dtype
    )


@pytest.mark.slow
@pytest.mark.parametrize("B", [math.inf, 3.0])
def test_each_output_is_a_run_of_its_own(B):
    X, Y = sample()
    run, nets = run_of(), start(B)
    state = run.advance(run.init(nets), weighted_sampling.weighted(X, Y, None, nets.cache(X)), 150)
    state = run.advance(state, weighted_sampling.weighted(X, Y, None, None), 150)
    h = shared_outputs.predict_outputs(state.networks, X)
    for k in range(K):
        net = network.init(jax.random.key(1), d=D, q=Q, B=B, activation=activations.get("relu"), dtype=np.float64)
        alone = algorithm1.Algorithm1(run.loss, 2, run.learning_rate[0], run.key)
        with jax.enable_x64(True):
            source = sampling.FiniteSample(jnp.asarray(X), jnp.asarray(Y[:, k]))
        ended = alone.advance(alone.init(net), source, 300)
        np.testing.assert_allclose(h[:, k], network.predict(ended.network, X), atol=1e-11)
        np.testing.assert_allclose(network.predict(state.networks.alone(k), X), h[:, k], atol=1e-12)
        for name in ("online_loss", "online_mistakes", "online_variation"):
            shared, own = (float(np.asarray(getattr(s, name).total)[i]) for s, i in ((state, k), (ended, ())))
            assert shared == pytest.approx(own, rel=1e-9), name


def test_the_average_is_that_of_the_iterates():
    X, Y = sample()
    run, nets = run_of(), start(math.inf)
    source, state, seen = weighted_sampling.weighted(X, Y, None, None), run.init(nets), []
    for _ in range(40):
        seen.append(np.asarray(state.networks.trained[0]))
        state = run.advance(state, source, 1)
    np.testing.assert_allclose(state.averages[0], np.mean(seen, axis=0), atol=1e-13)
    assert not np.allclose(state.averages[0], np.mean([*seen[1:], state.networks.trained[0]], axis=0), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("adapts", [False, True])
def test_whole_batches_are_gradient_descent_on_the_weighted_loss(adapts):
    X, Y = sample()
    weights = np.arange(1.0, M + 1)
    run, nets = run_of(eta=0.5, adapts=adapts), start(math.inf)
    state = run.advance(run.init(nets), weighted_sampling.whole(X, Y, weights, None), 25)
    Psi = oracle.features(X, nets.W_half, "relu")
    for k in range(K):
        v, squares = np.zeros(Q * D), 0.0
        for _ in range(25):
            g = (weights / weights.sum() * oracle.SLOPE["logistic"](Psi @ v, Y[:, k])) @ Psi
            squares += g @ g
            v = v - 0.5 / (math.sqrt(squares) if adapts else 1) * g
        np.testing.assert_allclose(shared_outputs.predict_outputs(state.networks, X)[:, k], Psi @ v, atol=1e-12)


@pytest.mark.slow
def test_at_a_finite_B_the_rate_adapts_alike():
    """For B = 1e6 the steps are those of the limit, and so are the squares of the gradients."""
    X, Y = sample()
    ends = []
    for B in (math.inf, 1e6):
        run, nets = run_of(adapts=True), start(B)
        state = run.advance(run.init(nets), weighted_sampling.whole(X, Y, None, None), 30)
        ends.append((np.asarray(state.squares.total), shared_outputs.predict_outputs(state.networks, X)))
    for limit, finite in zip(*ends, strict=True):
        np.testing.assert_allclose(finite, limit, rtol=1e-4, atol=1e-5)


def test_rows_are_drawn_by_their_weights():
    """Of 400,000 draws the share of a row is within Hoeffding's bound of its weight, save with probability 1e-6."""
    X, Y = sample(np.float32)
    weights = np.array([1.0, 1e-12, 5.0] * 4)
    source = weighted_sampling.weighted(X, Y, weights, None)
    rows = np.asarray(source.draw(jax.random.key(0), jnp.arange(4000, dtype=jnp.int32), 100)).ravel()
    shares = np.bincount(rows, minlength=M) / rows.size
    near = hoeffding(rows.size, n_checks=M)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=near)
    assert np.abs(shares - 1 / M).max() > 5 * near
    assert (shares[1::3] == 0).all()


def test_batches_in_order_are_filled_up_with_nothing():
    X, Y = sample()
    weights = np.linspace(0.5, 2, M)
    source = weighted_sampling.in_order(X, Y, weights, batch_size=5, first=7)
    run, nets = run_of(batch_size=5, eta=0.5), start(math.inf)
    with jax.enable_x64(True):
        state = run.init(nets)
        state = eqx.tree_at(lambda state: state.t, state, jnp.int32(7))
    state = run.advance(state, source, 3)
    Psi, v = oracle.features(X, nets.W_half, "relu"), np.zeros(Q * D)
    for rows in (range(5), range(5, 10), range(10, 12)):
        part = list(rows)
        v = v - 0.5 * (weights[part] * oracle.SLOPE["logistic"](Psi[part] @ v, Y[part, 0])) @ Psi[part] / len(part)
    np.testing.assert_allclose(shared_outputs.predict_outputs(state.networks, X)[:, 0], Psi @ v, atol=1e-12)


def chunk_of(X, Y, batch_size, weights=None):
    ones = np.ones(len(X)) if weights is None else weights
    return weighted_sampling.in_order(X, Y, ones, batch_size=batch_size, first=0)


@pytest.mark.slow
@pytest.mark.parametrize("B", [math.inf, 2.0])
def test_a_chunk_is_its_batches_in_order(B):
    X, Y = sample()
    run, nets = run_of(batch_size=5, eta=0.5, adapts=True), start(B)
    chunk = chunk_of(X, Y, 5, np.linspace(0.5, 2, M))
    one, other = run.advance(run.init(nets), chunk, 3), run.follow(run.init(nets), chunk, 3)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    two = run.follow(run.init(nets), chunk, 2)
    assert int(two.t) == 2
    assert not np.allclose(two.networks.trained[0], other.networks.trained[0], atol=1e-4)


def grown(Psi, y, rows, reach, loss="hinge"):
    """The rate that learns the distance, in NumPy: iterates, reaches, gradients."""
    v, squares, reaches, iterates, gradients = np.zeros(Psi.shape[1]), 0.0, [], [], []
    for part in rows:
        g = oracle.SLOPE[loss](Psi[part] @ v, y[part]) @ Psi[part] / len(part)
        squares += g @ g
        reach = max(reach, math.sqrt(v @ v))
        iterates.append(v)
        reaches.append(reach)
        gradients.append(g)
        v = v - (reach / math.sqrt(squares) if squares > 0 else 0) * g
    return np.array([*iterates, v]), np.array(reaches), np.array(gradients)


def test_the_rate_that_grows_and_its_mean():
    rng = np.random.default_rng(5)
    X = oracle.sphere(rng, 60, D)
    Y = rng.choice([-1.0, 1.0], (60, K))
    with jax.enable_x64(True):
        run = shared_run.SharedRun(
            losses.get("hinge"), 5, True, jnp.asarray([0.01, 0.1, 10.0]), jax.random.key(3), "sign", True
        )
    nets = start(math.inf)
    state = run.follow(run.init(nets), chunk_of(X, Y, 5), 12)
    Psi, mean, iterates = oracle.features(X, nets.W_half, "relu"), np.zeros(0), np.zeros(0)
    rows = [list(range(5 * t, 5 * t + 5)) for t in range(12)]
    for k, first in enumerate((0.01, 0.1, 10.0)):
        iterates, reaches, _ = grown(Psi, Y[:, k], rows, first)
        v = math.sqrt(Q) * np.asarray(state.networks.trained[0][k]).ravel()
        np.testing.assert_allclose(v, iterates[-1], atol=1e-12)
        mean = math.sqrt(Q) * np.asarray(state.averages[0][k]).ravel()
        np.testing.assert_allclose(mean, reaches @ iterates[:-1] / reaches.sum(), atol=1e-12)
        assert float(state.reach[k]) == pytest.approx(reaches[-1], rel=1e-12)
    assert not np.allclose(mean, iterates[:-1].mean(axis=0) / 2, atol=1e-6)


@pytest.mark.parametrize("hostile", [False, True])
def test_the_regret_of_the_rate_that_grows(hostile):
    rng = np.random.default_rng(6)
    Psi, y = rng.standard_normal((40, 6)), rng.choice([-1.0, 1.0], 40)
    rows = [[0]] * 40 if hostile else [[t] for t in range(40)]
    slack = []
    for first in (1e-3, 0.1, 1.0, 30.0):
        iterates, reaches, gradients = grown(Psi, y, rows, first)
        reach = max(reaches[-1], np.linalg.norm(iterates, axis=1).max())
        root = math.sqrt((gradients**2).sum())
        for v in [np.zeros(6), *rng.standard_normal((20, 6)) * reach, iterates[-1]]:
            regret = reaches @ ((iterates[:-1] - v) * gradients).sum(axis=1)
            far = np.linalg.norm(iterates - v, axis=1).max()
            assert regret <= reach * (2 * far + reach) * root * (1 + 1e-12)
            slack.append(regret / (reach * reach * root + 1e-300))
    assert max(slack) > 1  # the distances to v are needed


@pytest.mark.slow
@pytest.mark.parametrize("judged", ["sign", "argmax", "loss"])
def test_rows_are_judged_as_a_whole(judged):
    X, _ = sample()
    rng = np.random.default_rng(8)
    places = rng.integers(0, K, M)
    Y = np.where(places[:, None] == np.arange(K), 1.0, -1.0)
    with jax.enable_x64(True):
        run = shared_run.SharedRun(losses.get("squared"), 4, False, jnp.full(K, 40.0), jax.random.key(3), judged, False)
    nets = start(math.inf)
    Psi = oracle.features(X, nets.W_half, "relu")
    state, v = run.init(nets), np.zeros((K, Q * D))
    total = variation = 0.0
    for t in range(3):
        part = list(range(4 * t, 4 * t + 4))
        h = Psi[part] @ v.T
        missed = {
            "sign": (Y[part] * h <= 0).any(axis=1),
            "argmax": h.argmax(axis=1) != places[part],
            "loss": np.minimum((h - Y[part]) ** 2 / 2, 10).mean(axis=1) / 10,
        }[judged].mean()
        variation += (missed - (0.5 + total) / (t + 1)) ** 2
        total += missed
        v -= 40.0 * ((h - Y[part]).T @ Psi[part]) / 4
    state = run.follow(state, chunk_of(X, Y, 4), 3)
    assert float(state.online_misses.total) == pytest.approx(total, rel=1e-10)
    assert float(state.online_misses_variation.total) == pytest.approx(variation, rel=1e-9)
