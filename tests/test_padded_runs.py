"""Runs side by side in one padded shape against single runs, and against a slow transcription."""

import math

import jax
import pytest

import tightwidth as tw
from tightwidth import activations, losses, network
from tightwidth.padded_runs import RunSpec, Shape, can_pad_pairs, padded_size, run_side_by_side
from tightwidth.run_settings import STEPS, weights_key
from tightwidth.sampling import FiniteSample, random_points


def finish(running):
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


def side_by_side(specs, shape, *, loss="hinge", activation="relu", **options):
    return finish(
        run_side_by_side(
            specs, shape, activation=activations.get(activation), loss=losses.get(loss), batch_size=16, **options
        )
    )


def spec(m, d, q, seed, *, B=math.inf, eta=2.0, n_steps=400, **more):
    X, y = random_points(m, d, seed=seed)
    return RunSpec(X, y, q, B, eta, n_steps, seed, **more)


def single(spec, loss, activation="relu"):
    """Return the network after all the steps by Algorithm 1 itself, on the unpadded arrays."""
    (_, d), sigma = spec.X.shape, activations.get(activation)
    start = network.init(weights_key(spec.seed), d=d, q=spec.q, B=spec.B, activation=sigma)
    sample = FiniteSample(jax.numpy.asarray(spec.X), jax.numpy.asarray(spec.y), start.cache(jax.numpy.asarray(spec.X)))
    key = jax.random.fold_in(jax.random.key(spec.seed), STEPS)
    sgd = tw.algorithm1.Algorithm1(losses.get(loss), 16, jax.numpy.float32(spec.learning_rate), key)
    return sgd.advance(sgd.init(start), sample, spec.n_steps)


def distance(one, other):
    return max(float(abs(a - b).max()) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("B", "activation", "Q"),
    [(math.inf, "relu", 32), (math.inf, "tanh", 32), (2.0, "relu", 32), (0.3, "relu", 32), (2.0, "tanh", 20)],
)
def test_a_padded_run_is_the_run_itself(B, activation, Q):
    specs = [spec(90, 12, 20, 2, B=B), spec(50, 7, 20, 3, B=B)]
    runs = side_by_side(specs, Shape(128, 16, Q, 3), n_looks=8, loss="logistic", activation=activation)
    for one, run in zip(specs, runs, strict=True):
        state = single(one, "logistic", activation)
        assert run.ended == "steps"
        assert distance(run.network, state.network) < 1e-5  # 400 steps in float32; weights are of order 1
        moved = jax.tree.leaves(run.network)[1]
        assert float(abs(moved).max()) > 0.01, "something was learnt"


@pytest.mark.slow
def test_another_scale_of_the_rate_would_be_noticed():
    one = spec(70, 9, 20, 1)
    (run,) = side_by_side([one], Shape(128, 16, 32, 1), n_looks=8, loss="logistic")
    wrong = RunSpec(one.X, one.y, one.q, one.B, one.learning_rate * 20 / 32, one.n_steps, one.seed)
    assert distance(run.network, single(wrong, "logistic").network) > 1e-2


@pytest.mark.slow
def test_widths_and_lengths_may_differ_within_a_shape():
    specs = [spec(70, 9, 20, 1, n_steps=250), spec(90, 12, 31, 2, n_steps=400), spec(90, 12, 5, 2, n_steps=130)]
    for one, run in zip(specs, side_by_side(specs, Shape(128, 16, 32, 3), loss="logistic"), strict=True):
        assert run.n_steps == one.n_steps
        assert run.looks[-1].step == one.n_steps
        assert distance(run.network, single(one, "logistic").network) < 1e-5


@pytest.mark.slow
def test_looks_and_means_are_those_of_memorize():
    one = spec(64, 16, 16, 5, eta=1.0, n_steps=600)
    (run,) = side_by_side([one], Shape(64, 16, 16, 1), loss="perceptron", n_looks=7)
    result = tw.memorize(
        one.X, one.y, n_pairs=16, n_steps=600, batch_size=16, learning_rate=1.0, loss="perceptron", seed=5
    )
    assert run.ended == result.stopped == "no_gradient"
    assert run.n_steps == result.n_steps
    assert run.fraction == result.fraction_memorized_last == 1.0
    assert run.mean_fraction == pytest.approx(result.fraction_memorized_mean, abs=1e-6)


@pytest.mark.slow
def test_the_looks_do_not_change_the_run():
    one = spec(70, 9, 6, 1)
    few, many = (side_by_side([one], Shape(128, 16, 8, 1), n_looks=n)[0] for n in (2, 50))
    assert distance(few.network, many.network) == 0
    assert len(many.looks) > len(few.looks)


@pytest.mark.slow
def test_a_target_ends_a_run_before():
    one = spec(64, 16, 16, 5, n_steps=4000)
    (whole,) = side_by_side([one], Shape(64, 16, 16, 1), n_looks=400)
    (early,) = side_by_side([one], Shape(64, 16, 16, 1), n_looks=400, target=0.8)
    first = next(look.step for look in whole.looks if look.fraction >= 0.8)
    assert early.ended == "target"
    assert early.n_steps == first < whole.n_steps


@pytest.mark.slow
def test_one_run_of_a_seed_is_enough_where_that_is_asked_for():
    narrow, wide, other = spec(64, 16, 2, 5, n_steps=1000), spec(64, 16, 16, 5, n_steps=1000), spec(64, 16, 2, 6)
    options = {"n_looks": 50, "target": 0.9}
    left, enough, alone = side_by_side([narrow, wide, other], Shape(64, 16, 16, 3), one_a_seed=True, **options)
    assert (left.ended, enough.ended, alone.ended) == ("another", "target", "steps")
    assert left.looks[-1].step == enough.looks[-1].step < 1000
    assert left.fraction < 0.9
    assert side_by_side([narrow, wide, other], Shape(64, 16, 16, 3), **options)[0].ended == "steps"


@pytest.mark.slow
def test_the_rate_falls_geometrically_to_its_final_value():
    one = spec(8, 2, 2, 0, eta=8.0, n_steps=100, final_rate=0.5)
    assert one.rate(0) == 8.0
    assert one.rate(50) == pytest.approx(2.0)
    assert one.rate(100) == pytest.approx(0.5)
    assert spec(8, 2, 2, 0, eta=8.0).rate(50) == 8.0
    slow, fast = (
        side_by_side([spec(70, 9, 6, 1, final_rate=final)], Shape(128, 16, 8, 1), n_looks=8, loss="logistic")[0]
        for final in (0.02, None)
    )
    assert distance(slow.network, fast.network) > 1e-2


def test_which_pairs_can_be_padded():
    assert can_pad_pairs(activations.get("tanh"), math.inf)
    assert can_pad_pairs(activations.get("relu"), 1.0)
    assert not can_pad_pairs(activations.get("tanh"), 1.0)
    assert not can_pad_pairs(activations.get("leaky_relu"), 1.0)


@pytest.mark.parametrize("n", [1, 4, 5, 6, 7, 12, 13, 16, 17, 100, 193, 1025])
def test_padded_sizes_are_few_and_near(n):
    size = padded_size(n)
    assert n <= size <= max(4, 1.5 * n)
    assert size in [power * 2**k for power in (1, 3) for k in range(1, 12)]
