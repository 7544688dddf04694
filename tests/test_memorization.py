"""Plan, train, certify: every number of a result against a replay of the run in NumPy, minibatch by minibatch."""

import dataclasses
import logging
import math
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certificate_oracles as oracle
import tightwidth as tw
from tightwidth import conversions, finite_scale, laziness, memorization_run, network, run_settings, sampling
from tightwidth.finite_scale import Reach
from tightwidth.worst_case import WorstCase

M, D, Q, T, BATCH = 32, 8, 12, 1500, 4
FIXED: Any = {"n_pairs": Q, "n_steps": T, "batch_size": BATCH, "learning_rate": 3.0}
RISK = 1e-6


def sample(dtype: Any = np.float64, m=M, d=D):
    rng = np.random.default_rng(21)
    return (3 * rng.standard_normal((m, d))).astype(dtype), rng.choice([-1.0, 1.0], m).astype(dtype)


@lru_cache
def run(loss: Any = "hinge", dtype: Any = np.float64, **changes) -> Any:
    """Return a result that several tests look at."""
    return tw.memorize(*sample(dtype), **{**FIXED, "loss": loss, **changes})


def numbers(result: Any):
    """Return everything that is the same from run to run."""
    skipped = ("seconds", "seconds_compile", "plan", "network", "random_network", "worst_case")
    arrays = jax.tree.leaves((result.network, result.random_network))
    fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name not in skipped}
    return fields, [np.asarray(array).tobytes() for array in arrays]


@lru_cache
def replayed(loss, seed):
    """Return a result, and the same run in NumPy, on the minibatches that the seed draws, for all planned steps."""
    result, (X, y) = run(loss, seed=seed), sample()
    W = np.asarray(network.draw_W_half(run_settings.weights_key(seed), Q, D))
    Psi = oracle.features(X / np.linalg.norm(X, axis=1, keepdims=True), W, "relu")
    source = sampling.FiniteSample(jnp.zeros((M, D)), jnp.zeros(M))
    rows = source.draw(jax.random.fold_in(jax.random.key(seed), run_settings.STEPS), jnp.arange(T), BATCH)
    return result, oracle.Replay(Psi, y, loss, eta=result.learning_rate, batches=np.asarray(rows))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("loss", ["hinge", "perceptron", "logistic"])
class TestAgainstAReplay:
    @pytest.mark.slow
    def test_last_and_random_iterate(self, loss, seed):
        result, replay = replayed(loss, seed)
        X, _ = sample()
        np.testing.assert_allclose(result.decision_function(X), replay.h[-1], atol=1e-9)
        assert result.fraction_memorized_last == replay.fraction(T + 1)
        assert 1 <= result.random_iterate_step <= T
        assert result.fraction_memorized == replay.fraction(result.random_iterate_step)
        V = np.asarray(result.random_network.V)
        np.testing.assert_allclose(V.reshape(-1) * math.sqrt(Q), replay.v[result.random_iterate_step - 1], atol=1e-9)

    @pytest.mark.slow
    def test_means_over_the_iterates(self, loss, seed):
        result, replay = replayed(loss, seed)
        assert result.fraction_memorized_mean == pytest.approx(1 - replay.mistakes.mean(), abs=1e-9)
        assert result.mean_online_loss == pytest.approx(replay.losses.mean(), abs=1e-9)
        exact = np.mean([replay.fraction(t) for t in range(1, T + 1)])
        # Azuma: a sum of T b independent draws in [0, 1], given the past, is off by more with probability RISK
        assert abs(result.fraction_memorized_mean - exact) < math.sqrt(math.log(2 / RISK) / (2 * BATCH * T))
        low, high = result.fraction_memorized_interval
        assert 0 <= low < result.fraction_memorized_mean < high <= 1
        assert low <= exact <= high

    def test_steps_end_with_the_last_update(self, loss, seed):
        result, replay = replayed(loss, seed)
        assert result.n_steps_planned == T
        assert result.stopped == ("steps" if loss == "logistic" else "no_gradient")
        assert result.n_steps == replay.moved[-1] + 1
        if loss != "logistic":  # the remaining steps were taken in the replay, and changed nothing
            assert result.n_steps < T
            np.testing.assert_array_equal(replay.v[result.n_steps], replay.v[-1])

    def test_curve(self, loss, seed):
        result, replay = replayed(loss, seed)
        assert result.curve[0].step == 0
        for point in result.curve:
            assert point.fraction == replay.fraction(point.step + 1)
            assert point.loss == pytest.approx(oracle.LOSS[loss](replay.h[point.step], replay.y).mean(), abs=1e-9)
            if point.step:
                assert point.mean_fraction == pytest.approx(1 - replay.mistakes[: point.step].mean(), abs=1e-9)


class TestFields:
    def test_what_was_run(self):
        (result, _), (X, y) = replayed("hinge", 0), sample()
        assert (result.n_samples, result.n_features, result.n_pairs, result.n_parameters) == (M, D, Q, 2 * Q * (D + 1))
        assert result.parameters_per_sample == 2 * Q * (D + 1) / M
        assert (result.activation, result.loss, result.dtype, result.seed) == ("relu", "hinge", "float64", 0)
        assert (result.output_scale, result.learning_rate_network) == (math.inf, 0.0)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        assert pytest.approx(math.sqrt(D * np.linalg.eigvalsh(unit.T @ unit / M)[-1]), rel=1e-9) == result.R
        assert result.norm_squared >= 2 * oracle.soft_margin(replayed("hinge", 0)[1].Psi, y, np.inf)[1] * (1 - 1e-6)
        assert isinstance(result.worst_case, WorstCase)
        assert result.reached
        assert 0 <= result.seconds_compile <= result.seconds

    @pytest.mark.slow
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_predict_reproduces_the_counted_fraction(self, dtype):
        result, (X, y) = run("logistic", dtype), sample(dtype)
        assert result.fraction_memorized_last == np.mean(result.predict(X) == y)
        np.testing.assert_array_equal(result.predict(7 * X), result.predict(X))
        assert result.decision_function(X).dtype == dtype
        assert {leaf.dtype for leaf in jax.tree.leaves(result.network)} == {np.dtype(dtype)}

    @pytest.mark.slow
    def test_both_precisions_are_one_network(self):
        double, single = run("logistic"), run("logistic", np.float32)
        X, _ = sample()
        np.testing.assert_array_equal(double.network.W_half, single.network.W_half)
        assert double.random_iterate_step == single.random_iterate_step
        np.testing.assert_allclose(single.decision_function(X), double.decision_function(X), atol=1e-4)
        assert double.certified_fraction == pytest.approx(single.certified_fraction, abs=1e-2)

    def test_other_numbers_are_of_the_same_kind(self):
        X, y = sample()
        result = tw.memorize(X.tolist(), y.astype(int).tolist(), **FIXED)
        assert numbers(result) == numbers(run())


class TestRepetition:
    def test_the_same_seed_gives_the_same_bits(self):
        assert numbers(tw.memorize(*sample(), **FIXED)) == numbers(run())
        assert numbers(tw.memorize(*sample(), **FIXED, seed=1)) != numbers(run())

    @pytest.mark.slow
    @pytest.mark.parametrize("seconds", [1e-12, 1e9])
    def test_whatever_the_length_of_a_call(self, seconds, monkeypatch):
        monkeypatch.setattr(memorization_run, "SECONDS_A_CALL", seconds)
        for loss in ("hinge", "logistic"):
            assert numbers(tw.memorize(*sample(), **FIXED, loss=loss)) == numbers(run(loss))

    def test_looks_are_two_epochs_apart_and_later_a_32nd_of_the_way(self):
        looks = [point.step for point in run("logistic").curve]
        two_epochs = 2 * M // BATCH
        gaps = np.diff(looks)
        assert looks[-1] == T
        assert (gaps[:64] == two_epochs).all()
        assert (gaps[64:-1] == np.asarray(looks[64:-2]) // two_epochs // 32 * two_epochs).all()
        assert gaps[-2] > two_epochs  # or it says nothing
        assert len(looks) < T / two_epochs

    def test_a_plan_can_be_run_as_it_is(self):
        by_plan = tw.memorize(*sample(), plan=run().plan)
        assert numbers(by_plan) == numbers(run())
        assert by_plan.plan.search_ended == "the width was given"
        names = ("n_pairs", "n_steps_planned", "batch_size", "learning_rate")
        assert numbers(tw.memorize(*sample(), plan={name: getattr(run(), name) for name in names})) == numbers(run())


class TestEnd:
    def test_at_the_target(self):
        result = run("logistic", target_fraction=0.7, stop="target")
        assert result.stopped == "target"
        assert [point.fraction >= 0.7 for point in result.curve] == [False] * (len(result.curve) - 1) + [True]
        assert result.n_steps == result.curve[-1].step < T
        assert "the run stopped at its target, and the certificate is for all the planned steps" in (
            result.certified_reason
        )
        whole = run("logistic")
        assert (result.fraction_memorized is None) == (result.random_iterate_step > result.n_steps + 1)
        assert result.certified_fraction == whole.certified_fraction
        assert run("logistic", target_fraction=0.7).n_steps == T  # otherwise the target ends nothing

    @pytest.mark.slow
    def test_numbers_that_overflow_are_no_end_without_gradient(self):
        result = run(output_scale=1e-100)
        assert result.stopped != "no_gradient" or result.fraction_memorized_last == 1


class TestWidths:
    @pytest.mark.slow
    def test_random_points_are_memorized_and_certified_with_twice_as_many_columns(self):
        X, y = sample(np.float32, 128, 16)
        result: Any = tw.memorize(X, y)
        assert result.fraction_memorized_last == 1
        assert result.stopped == "no_gradient"
        assert result.n_pairs * 16 <= 2 * 128
        assert result.certified_fraction >= 0.95
        assert result.certified_reason is None
        assert result.fraction_memorized_mean >= result.certified_fraction

    @pytest.mark.slow
    def test_a_width_with_dead_points_runs_and_says_why_nothing_is_certified(self):
        result = run("perceptron", np.float32, n_pairs=2)
        X, _ = sample()
        dead = np.mean(np.all(X @ np.asarray(result.network.W_half, np.float64).T <= 0, axis=1))
        assert dead > 0
        assert result.fraction_memorized_last <= 1 - dead
        assert result.certified_fraction <= min(1 - dead, result.fraction_memorized_mean)
        assert result.certified_reason == (
            "not certified at this epsilon: no vector found in the embedding has a loss below epsilon=0.05"
        )
        assert result.norm_squared is None


@pytest.mark.slow
class TestFiniteScale:
    def test_gates_that_flip_are_counted_and_void_the_certificate(self):
        result = run(output_scale=10.0)
        X, y = sample()
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        plain = conversions.to_plain(result.network)
        W, start = np.asarray(plain.W), np.asarray(result.network.W_half)
        flipped = (X @ W.T > 0) != np.tile(X @ start.T > 0, 2)
        assert result.n_gates_flipped == flipped.sum() > 0
        h = oracle.network(X, W, np.asarray(plain.u), "relu")
        np.testing.assert_allclose(result.decision_function(X), h, atol=1e-9)
        assert result.fraction_memorized_last == np.mean(y * h > 0)
        assert result.learning_rate_network == pytest.approx(result.learning_rate / (2 * Q * 10.0**2))
        moved = np.linalg.norm(W - np.tile(start, (2, 1)), axis=1)
        lazy = result.laziness
        assert lazy.n_gates == flipped.size
        assert lazy.share_flipped == flipped.mean()
        assert lazy.n_gates_that_can_flip >= lazy.n_gates_flipped
        assert (lazy.largest_displacement, lazy.mean_displacement) == pytest.approx((moved.max(), moved.mean()))
        assert moved.max() <= lazy.displacement_bound
        gates = [(X @ V.T > 0) * np.asarray(plain.u) for V in (W, np.tile(start, (2, 1)))]
        gates[1] = np.sign(gates[1]) * 10.0
        now, then = ((X @ X.T) * (G @ G.T) for G in gates)
        assert lazy.kernel_drift == pytest.approx(np.linalg.norm(now - then) / np.linalg.norm(then), rel=1e-6)
        V = np.asarray(result.network.PN).sum(axis=0)
        apart = np.abs(h - ((X @ start.T > 0) * (X @ V.T)).sum(axis=1))
        assert (lazy.linearisation_error_largest, lazy.linearisation_error_mean) == pytest.approx(
            (apart.max(), apart.mean()), rel=1e-6
        )
        assert result.certified_fraction is None
        enough = result.sufficient_output_scale
        assert result.certified_reason == (
            f"gates of the sample can flip at output_scale=10; from {enough:.2g} on the certificate holds"
        )

    def test_from_the_sufficient_scale_on_the_certificate_is_that_of_the_limit(self):
        limit = run()
        result = run(output_scale=2 * limit.sufficient_output_scale)
        assert result.n_gates_flipped == result.laziness.n_gates_that_can_flip == 0
        assert 0 < result.laziness.kernel_drift < 1e-12
        assert limit.laziness == laziness.Laziness(2 * Q * M, *[0] * 11)
        assert limit.certified_fraction - 1e-3 < result.certified_fraction <= limit.certified_fraction
        np.testing.assert_allclose(
            result.decision_function(sample()[0]), limit.decision_function(sample()[0]), atol=1e-5
        )

    def test_the_sufficient_scale_is_that_of_the_weights_that_were_trained(self):
        """Also where a context of the caller's thread has other weights drawn, which another thread would not see."""
        X, y = sample()
        found = {}
        for partitionable in (False, True):
            with jax.threefry_partitionable(partitionable):
                result: Any = tw.memorize(X, y, **FIXED, output_scale=1e7)
            unit = X / np.linalg.norm(X, axis=1, keepdims=True)
            Z = unit @ np.asarray(result.network.W_half).T
            size = {"C": 1.0, "q": Q, "n_steps": T, "learning_rate": result.learning_rate, "L": 1.0}
            found[partitionable] = finite_scale.sufficient_B(Reach(np.abs(Z).min(), Z.max()), **size)
            assert result.sufficient_output_scale == pytest.approx(found[partitionable], rel=2e-3)
        assert abs(found[True] / found[False] - 1) > 0.02

    def test_a_smooth_activation_is_certified_once_it_is_nearly_linear(self):
        near, far = (run(activation="tanh", output_scale=B) for B in (1e9, 30.0))
        assert near.certified_fraction > 0.05
        assert far.certified_fraction < near.certified_fraction
        assert far.n_gates_flipped == 0
        enough = far.sufficient_output_scale  # for the curvature, where no gate can flip
        limit, at_it = (run(activation="tanh", output_scale=B) for B in (math.inf, enough))
        assert limit.certified_fraction - 0.05 / 1000 <= at_it.certified_fraction <= limit.certified_fraction


@pytest.mark.parametrize("B", [math.inf, pytest.param(100.0, marks=pytest.mark.slow)])
def test_what_overflowed_is_not_memorized(B):
    result = run("squared", learning_rate=1e30, n_steps=200, dtype=np.float32, output_scale=B)
    assert result.fraction_memorized_last == 0
    assert result.fraction_memorized_mean < 0.2
    assert (result.laziness, result.n_gates_flipped) == (None, None)


class TestOwnObjects:
    @pytest.mark.slow
    def test_activation_and_loss(self):
        bent = tw.Activation(
            "bent",
            lambda x: jnp.where(x > 0.5, 2 * x - 0.5, x),
            lambda x: jnp.where(x > 0.5, 2.0, 1.0),
            C=2,
            H=0,
            kinks=((0.5, 1.0),),
        )
        steep = tw.Loss(
            "steep", lambda h, y: jnp.maximum(2 - 2 * y * h, 0), lambda h, y: jnp.where(y * h < 1, -2 * y, 0 * h), L=2
        )
        result = run(steep, activation=bent)
        assert (result.activation, result.loss) == ("bent", "steep")
        assert result.fraction_memorized_last > 0.9
        assert 0 <= result.certified_fraction <= result.fraction_memorized_mean
        assert result.worst_case.n_pairs > result.n_pairs

    def test_their_claims_are_checked(self):
        relu, hinge = tw.activations.get("relu"), tw.losses.get("hinge")
        with pytest.raises(tw.HypothesisError, match=r"activation 'relu' does not have the constants it claims"):
            run(activation=dataclasses.replace(relu, C=0.5))
        with pytest.raises(tw.HypothesisError, match=r"loss 'hinge' is not 0.5-Lipschitz at h ="):
            run(dataclasses.replace(hinge, L=0.5))

    @pytest.mark.slow
    def test_a_loss_that_no_theorem_covers_is_trained_without_certificate(self):
        result = run("squared", learning_rate="auto")
        assert result.fraction_memorized_last > 0.7
        assert result.certified_fraction is None
        assert result.certified_reason == "no certificate: the squared loss is not Lipschitz"
        assert isinstance(result.worst_case, str)


@pytest.mark.slow
def test_the_programs_of_a_run_are_few_and_another_seed_compiles_none(caplog):
    def compiled(seed):
        X, y = tw.sampling.random_points(68, 9, seed=seed)
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            found = tw.memorize(X, y, seed=seed, n_pairs=19, batch_size=8, n_steps=2000)
        messages = [record.getMessage() for record in caplog.records]
        return found, [message for message in messages if message.startswith("Compiling")]

    first, programs = compiled(0)
    assert 0 < len(programs) <= 32
    other, again = compiled(1)
    assert again == []
    assert first.norm_squared != other.norm_squared
