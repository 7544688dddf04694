"""A run of Algorithm 1: its random iterate, its chunks, its sums, its sources, what it compiles."""

import functools
import logging
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from thresholds import chi_square
from tightwidth import activations, losses, sphere
from tightwidth.algorithm1 import Algorithm1, Compensated, draw_random_step, finish, run, run_stream
from tightwidth.network import Displacement, Tangent, init, predict
from tightwidth.sampling import FiniteSample, Synthetic, buffers

Q, D, M, BATCH, T, ETA = 6, 5, 30, 4, 150, 2.0
X = oracles.sphere(np.random.default_rng(0), M, D).astype(np.float32)
Y = np.random.default_rng(1).choice([-1.0, 1.0], M).astype(np.float32)
ITERATE_KEY = jax.random.key(2)


def start(B=math.inf, seed=0):
    return init(jax.random.key(seed), d=D, q=Q, B=B, activation=activations.get("relu"))


def settings(loss="hinge", seed=1, eta=ETA):
    return Algorithm1(losses.get(loss), BATCH, jnp.float32(eta), jax.random.key(seed))


def sample():
    return FiniteSample(jnp.asarray(X), jnp.asarray(Y))


@functools.cache
def linear_path(seed=1):
    """Return the oracle's iterates W_1, ..., W_{T+1}, as tangent weights, and the loss and mistakes of each step."""
    rows = np.asarray(sample().draw(jax.random.key(seed), jnp.arange(T, dtype=jnp.int32), BATCH))
    batches = [(X[picked], Y[picked]) for picked in rows]
    W_half = np.asarray(start().W_half)
    path, minibatch_losses = oracles.linear_sgd("relu", "hinge", W_half, ETA, batches)
    mistakes = [
        np.mean(y * (oracles.psi(W_half, points, "relu") @ v) <= 0)
        for (points, y), v in zip(batches, path[:-1], strict=True)
    ]
    return path.reshape(T + 1, Q, D) / np.sqrt(Q), minibatch_losses, mistakes


def weights(net):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(net)]


def assert_same_bits(left, right):
    for one, other in zip(weights(left), weights(right), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_random_step_is_uniform_over_the_planned_steps():
    n_steps = 7
    steps = np.array([draw_random_step(jax.random.key(seed), n_steps) for seed in range(1400)])
    assert set(steps) == set(range(1, n_steps + 1))
    statistic, threshold = chi_square(np.bincount(steps)[1:])
    assert statistic < threshold
    for wrong in (np.minimum(steps, n_steps - 1), np.maximum(steps, 2)):  # the first or the last left out
        statistic, threshold = chi_square(np.bincount(wrong, minlength=n_steps + 1)[1:])
        assert statistic > threshold


def test_the_random_step_of_a_run_is_that_of_its_key():
    done = finish(run(settings(), start(), sample(), n_steps=T, key=ITERATE_KEY))
    assert done.random_step == draw_random_step(ITERATE_KEY, T)
    assert done.n_steps == T


@pytest.mark.parametrize("key", [jax.random.key(seed) for seed in range(5)])
def test_iterate_t_has_seen_one_update_less_than_t(key):
    path, *_ = linear_path()
    done = finish(run(settings(), start(), sample(), n_steps=T, key=key))
    assert isinstance(done.random_iterate, Tangent)
    assert isinstance(done.last, Tangent)
    np.testing.assert_allclose(done.random_iterate.V, path[done.random_step - 1], atol=1e-5)
    np.testing.assert_allclose(done.last.V, path[T], atol=1e-5)
    neighbours = [np.abs(done.random_iterate.V - path[done.random_step + side]).max() for side in (-2, 0)]
    moves = [np.abs(path[done.random_step + side] - path[done.random_step - 1]).max() for side in (-2, 0)]
    np.testing.assert_allclose(neighbours, moves, atol=1e-5)


def test_the_first_iterate_is_the_initialization():
    net = start()
    done = finish(run(settings(), net, sample(), n_steps=1, key=ITERATE_KEY))
    assert (done.random_step, done.random_iterate) == (1, net)
    assert np.abs(weights(done.last)[1]).max() > 0
    stopped = finish(run(settings(), net, sample(), n_steps=1, key=ITERATE_KEY, stop_at_random_step=True))
    assert (stopped.n_steps, stopped.last) == (0, net)


@pytest.mark.parametrize("key", [jax.random.key(seed) for seed in range(5)])
def test_stopping_at_the_random_step_gives_the_random_iterate(key):
    whole = finish(run(settings(), start(), sample(), n_steps=T, key=key))
    stopped = finish(run(settings(), start(), sample(), n_steps=T, key=key, stop_at_random_step=True))
    assert (stopped.random_step, stopped.n_steps) == (whole.random_step, whole.random_step - 1)
    assert_same_bits(stopped.random_iterate, whole.random_iterate)
    assert_same_bits(stopped.last, whole.random_iterate)


def test_the_online_averages_are_those_of_the_minibatches_before_their_updates():
    _, minibatch_losses, mistakes = linear_path()
    done = finish(run(settings(), start(), sample(), n_steps=T, key=ITERATE_KEY))
    assert done.mean_online_loss == pytest.approx(np.mean(minibatch_losses), rel=1e-5)
    assert done.mean_online_mistakes == pytest.approx(np.mean(mistakes), rel=1e-5)
    assert done.mean_online_loss != pytest.approx(np.mean(minibatch_losses[1:]), rel=1e-4)


@pytest.mark.parametrize("B", [2.0, math.inf])
def test_the_result_depends_neither_on_the_chunks_nor_on_the_day(B):
    def outcome(every):
        steps = run(settings(), start(B), sample(), n_steps=T, key=ITERATE_KEY, every=every)
        return finish(steps)

    reference = outcome(4096)
    for every in (1, 7, 64, 128, 149, T, 4096):
        seen = outcome(every)
        assert_same_bits((seen.last, seen.random_iterate), (reference.last, reference.random_iterate))
        assert seen.mean_online_loss == reference.mean_online_loss
        assert seen.mean_online_mistakes == reference.mean_online_mistakes


def test_the_run_reports_at_even_distances_and_at_its_end():
    for every, expected in ((60, [60, 120, 150]), (150, [150]), (1000, [150])):
        states = run(settings(), start(), sample(), n_steps=T, key=ITERATE_KEY, every=every)
        assert [int(state.t) for state in states] == expected


def test_another_seed_gives_another_run():
    first, second = (run(settings(seed=s), start(), sample(), n_steps=T, key=ITERATE_KEY) for s in (1, 3))
    assert not np.array_equal(weights(finish(first).last)[1], weights(finish(second).last)[1])


def test_no_number_compiles_anything_anew(caplog):
    def work(n_steps, eta, B, seed):
        net = start(B, seed=seed)
        return finish(run(settings(seed=seed, eta=eta), net, sample(), n_steps=n_steps, key=ITERATE_KEY, every=50))

    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        work(20, 1.0, 2.0, 0)
        work(20, 1.0, math.inf, 0)
        work(20, 1.0, math.inf, 0)
        caplog.clear()
        work(21, 1.0, 2.0, 0)
        work(20, 0.7, 2.0, 0)
        work(20, 1.0, 1e7, 0)
        work(20, 1.0, 2.0, 5)
        work(90, 3.0, math.inf, 6)
        compiled = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Compiling")]
        assert compiled == []
        eqx.filter_jit(lambda x: x * 3.14)(jnp.ones(17))  # the log would have shown it
    assert any(record.getMessage().startswith("Compiling") for record in caplog.records)


@pytest.mark.slow
def test_nothing_moves_after_the_last_update():
    y = np.sign(X[:, 0])
    separable = FiniteSample(jnp.asarray(X), jnp.asarray(y))
    algorithm = settings("perceptron")
    state = algorithm.advance(algorithm.init(start()), separable, 3000)
    last = int(state.last_update)
    assert 0 < last < 3000
    assert (predict(state.network, X) * y > 0).all()
    before, after = (algorithm.advance(algorithm.init(start()), separable, n) for n in (last - 1, last))
    assert_same_bits(after.network, state.network)
    assert not np.array_equal(weights(before.network)[1], weights(after.network)[1])


def noisy_sign(key, points):
    return jnp.sign(points[:, 0]) * jnp.where(jax.random.bernoulli(key, 0.1, points.shape[:1]), -1, 1)


FRESH = Synthetic(sphere.uniform(D), noisy_sign)


@functools.cache
def fresh_batches(n_steps):
    draws = FRESH.draw(jax.random.key(1), jnp.arange(n_steps, dtype=jnp.int32), BATCH)
    drawn = map(jax.jit(lambda key: FRESH.batch(key, BATCH)), draws)
    return [(np.asarray(points), np.asarray(y)) for points, y, _ in drawn]


@pytest.mark.slow
def test_fresh_points_are_drawn_inside_the_loop():
    batches = fresh_batches(T)
    assert len(np.unique(np.concatenate([x for x, _ in batches]), axis=0)) == T * BATCH
    path, minibatch_losses = oracles.linear_sgd("relu", "hinge", np.asarray(start().W_half), ETA, batches)
    done = finish(run(settings(), start(), FRESH, n_steps=T, key=ITERATE_KEY, every=40))
    np.testing.assert_allclose(np.sqrt(Q) * np.ravel(weights(done.last)[1]), path[-1], atol=1e-5)
    assert done.mean_online_loss == pytest.approx(minibatch_losses.mean(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("B", [2.0, math.inf])
def test_a_stream_of_the_same_points_gives_the_same_network(B):
    done = finish(run(settings(), start(B), FRESH, n_steps=T, key=ITERATE_KEY))
    cut = buffers(fresh_batches(T), batch_size=BATCH, n_steps=64)
    *states, last = run_stream(settings(), start(B), cut)
    assert [int(state.t) for state in (*states, last)] == [64, 128, 150]
    assert isinstance(last.network, Displacement if math.isfinite(B) else Tangent)
    for seen, expected in zip(weights(last.network), weights(done.last), strict=True):
        np.testing.assert_allclose(seen, expected, atol=1e-5)
    assert float(last.online_loss.total) / T == pytest.approx(done.mean_online_loss, rel=1e-5)


def test_a_running_sum_keeps_small_terms():
    def add(_, sums):
        compensated, plain = sums
        return compensated.add(jnp.float32(0.1)), plain + jnp.float32(0.1)

    n, zero = 1_000_000, jnp.float32(0)
    compensated, plain = jax.jit(lambda: jax.lax.fori_loop(0, n, add, (Compensated(zero, zero), zero)))()
    exact = n * float(np.float32(0.1))
    assert float(compensated.total) == pytest.approx(exact, rel=1e-7)
    assert float(plain) != pytest.approx(exact, rel=1e-3)
