"""How lazy a run was, against decimal arithmetic of 60 digits, in which no difference cancels."""

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from laziness_oracles import KINKS, descent, exact
from tightwidth import activations, algorithm1, conversions, kernel_drift, laziness, losses, network, sampling
from tightwidth.errors import DataError, HypothesisError, InputError

M, D, Q, N_STEPS, ETA = 6, 3, 4, 40, 1.0
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "gelu", "hard_tanh")
SCALES = (0.5, 3.0, 100.0, 1e6)


def sample(m, dtype):
    rng = np.random.default_rng(0)
    X, y = oracles.sphere(rng, m, D).astype(dtype), rng.choice([-1.0, 1.0], m).astype(dtype)
    return X, y, rng.standard_normal((Q, D)).astype(dtype)


def displacement(activation, B, W_half, PN, s, r):
    with jax.enable_x64(True):
        scale = jnp.asarray(1 / B, W_half.dtype)
        W_half, PN, s, r = (jnp.asarray(array, W_half.dtype) for array in (W_half, PN, s, r))
        return network.Displacement(W_half, PN, s, r, scale, activations.get(activation))


@functools.cache
def by_hand(activation, B, dtype=np.float64, m=M, n_steps=N_STEPS):
    """Return a network after steps with the absolute loss in NumPy, point after point, and its sample."""
    X, y, W = sample(m, dtype)
    P, N, s, r = descent(activation, X, y, W, B=B, eta=ETA, n_steps=n_steps)
    return displacement(activation, B, W, np.stack([P, N]), s, r), X


@functools.cache
def trained(activation, B, dtype=np.float64, m=M, n_steps=N_STEPS):
    """Return a network trained by Algorithm 1 with the absolute loss, and its sample."""
    X, y, W = sample(m, dtype)
    zeros = np.zeros((Q, D))
    with jax.enable_x64(True):
        net = displacement(activation, B, W, [zeros, zeros], zeros[:, 0], zeros[:, 0])
        source = sampling.FiniteSample(jnp.asarray(X), jnp.asarray(y), net.cache(jnp.asarray(X)))
        run = algorithm1.Algorithm1(losses.get("absolute"), 2, jnp.asarray(ETA, dtype), jax.random.key(2))
    return run.advance(run.init(net), source, n_steps).network, X


def measured(net, X, *, n_steps=N_STEPS, learning_rate=ETA, L=1.0, seed=0):
    return laziness.measure(net, X, n_steps=n_steps, learning_rate=learning_rate, L=L, seed=seed)


@pytest.mark.slow
class TestAgainstDecimals:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("B", SCALES)
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_every_number(self, activation, B, dtype):
        net, X = by_hand(activation, B, dtype)
        found, true = measured(net, X), exact(net, X)
        moved = np.linalg.norm(np.asarray(net.PN, np.float64), axis=-1) * float(net.inverse_B)
        assert found.n_gates == 2 * Q * M
        assert found.n_gates_flipped == true.flipped
        assert found.share_flipped == true.flipped / (2 * Q * M)
        assert found.largest_displacement == pytest.approx(moved.max(), rel=1e-14)
        assert found.mean_displacement == pytest.approx(moved.mean(), rel=1e-14)
        # where no gate flips and nothing curves, every digit is right; else rounding is relative to the first order
        noise = 0.0 if true.flipped == 0 and KINKS[activation] else 1e-15 / B
        assert found.kernel_drift == pytest.approx(true.drift(true.hidden), rel=1e-10, abs=noise)
        assert found.full_kernel_drift == pytest.approx(true.drift(true.full), rel=1e-10, abs=1e-15 / B)
        assert found.kernel_drift_standard_error == found.full_kernel_drift_standard_error == 0
        noise *= float(np.abs(np.asarray(net.PN)).sum())
        assert found.linearisation_error_largest == pytest.approx(true.errors.max(), rel=1e-10, abs=noise)
        assert found.linearisation_error_mean == pytest.approx(true.errors.mean(), rel=1e-10, abs=noise)

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_plausible_wrong_formulas_differ(self, activation):
        net, X = by_hand(activation, 3.0)
        found, true = measured(net, X), exact(net, X)
        change, start = true.hidden
        by_trace = np.linalg.norm(change) / np.trace(start)
        spectral = np.linalg.norm(change, 2) / np.linalg.norm(start, 2)
        for wrong in (by_trace, spectral, true.drift(true.full)):
            assert found.kernel_drift != pytest.approx(wrong, rel=1e-3)
        without_scale = np.linalg.norm(np.asarray(net.PN), axis=-1)
        assert found.largest_displacement != pytest.approx(without_scale.max(), rel=1e-3)
        tangent = conversions.to_tangent(net)
        half = np.abs(network.predict(net, X) - network.predict(tangent, X) / 2)
        assert found.linearisation_error_largest != pytest.approx(half.max(), rel=1e-3)

    def test_plain_differences_would_be_noise(self):
        net, X = by_hand("relu", 1e6)
        found = measured(net, X)
        W, W_half = np.asarray(conversions.to_plain(net).W), np.asarray(net.W_half)
        u = np.asarray(conversions.to_plain(net).u)
        G = u * oracles.SIGMA_PRIME["relu"](X @ W.T)
        G_start = oracles.SIGMA_PRIME["relu"](X @ W_half.T)
        start = (X @ X.T) * (G_start @ G_start.T) / Q
        plain = np.linalg.norm((X @ X.T) * (G @ G.T) / (2 * Q * 1e12) - start) / np.linalg.norm(start)
        assert 0 < found.kernel_drift < 1e-20
        assert plain == 0 or plain > 1e6 * found.kernel_drift


class TestBounds:
    @pytest.mark.slow
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("B", SCALES)
    @pytest.mark.parametrize("activation", ["relu", "hard_tanh"])
    def test_nothing_moves_farther_than_can_be(self, activation, B, dtype):
        net, X = (trained if (activation, dtype) == ("relu", np.float32) else by_hand)(activation, B, dtype)
        found = measured(net, X)
        assert isinstance(net, network.Displacement)
        z = (np.asarray(X, np.float64) @ np.asarray(net.W_half, np.float64).T).flat
        near = sum(any(abs(v - kink) <= found.displacement_bound for kink in KINKS[activation]) for v in z)
        assert found.n_gates_that_can_flip == 2 * near
        assert found.n_gates_flipped <= found.n_gates_that_can_flip <= found.n_gates
        assert found.largest_displacement <= found.displacement_bound

    @pytest.mark.parametrize("B", [0.5, 1.0, 3.0, 100.0])
    @pytest.mark.parametrize("n_steps", [1, 7, 40])
    def test_the_bound_solves_the_recursion_of_the_worst_case(self, n_steps, B):
        C, S, step = 1.3, 2.5, 0.05
        p, s = 0.0, 0.0
        for _ in range(n_steps):
            p, s = p + step * C * (1 + s / B**2), s + step * (S + C * p / B) / B
        bound = laziness.displacement_bound(C, step * n_steps, S, 1 / B)
        assert p / B <= bound
        # in ever smaller steps it is attained
        p, s, small = 0.0, 0.0, step * n_steps / 20_000
        for _ in range(20_000):
            p, s = p + small * C * (1 + s / B**2), s + small * (S + C * p / B) / B
        assert bound == pytest.approx(p / B, rel=1e-2)

    @pytest.mark.parametrize("B", [1e4, 1e100])
    def test_at_a_large_B_it_is_that_of_the_derivation(self, B):
        assert laziness.displacement_bound(1.3, 7.0, 2.5, 1 / B) == pytest.approx(1.3 * 7.0 / B, rel=1e-6)

    @pytest.mark.slow
    def test_one_step_attains_it(self):
        net, X = by_hand("relu", 1e6, n_steps=1)
        found = measured(net, X, n_steps=1)
        assert 0.998 * found.displacement_bound < found.largest_displacement <= found.displacement_bound

    def test_rounding_at_most_doubles_a_path(self):
        # every step is 0.6 of the last place, and rounds up to all of it
        p, step, n_steps = np.float32(1), np.float32(0.6 * 2**-23), 100_000
        end = p
        for _ in range(n_steps):
            end = end + step
        exactly = float(step) * n_steps
        assert 1.6 < float(end - p) / exactly < laziness._growth_by_rounding(10**9, np.float32) == 2
        assert laziness._growth_by_rounding(10**6, np.float32) == pytest.approx(1.03, abs=0.001)
        assert laziness._growth_by_rounding(0, np.float64) == 1

    def test_without_a_bound_on_the_slopes_every_gate_can_flip(self):
        found = measured(*by_hand("relu", 3.0), L=math.inf)
        assert found.displacement_bound == math.inf
        assert found.n_gates_that_can_flip == found.n_gates


class TestLimits:
    def test_the_tangent_form_is_lazy_by_definition(self):
        net, X = by_hand("relu", 3.0)
        assert dataclasses.astuple(measured(conversions.to_tangent(net), X)) == (2 * Q * M, *[0] * 11)

    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["relu", "elu"])
    def test_so_is_the_start(self, activation):
        found = measured(*by_hand(activation, 3.0, n_steps=0), n_steps=0)
        numbers = dataclasses.asdict(found) | {"n_gates": 0}
        assert set(numbers.values()) == {0}

    def test_a_break_between_start_and_end_is_taken_into_account(self):
        net, X = by_hand("elu", 0.5)
        B, z = 0.5, X @ np.asarray(net.W_half).T
        end = z + X @ np.asarray(net.PN[0]).T / B
        assert ((z > 0) != (end > 0)).any()
        plain = conversions.to_plain(net)
        h = oracles.outputs(np.asarray(plain.W), np.asarray(plain.u), X, "elu")
        linear = (oracles.SIGMA_PRIME["elu"](z) * (X @ np.asarray(net.PN[0] + net.PN[1]).T)).sum(axis=1)
        assert measured(net, X).linearisation_error_largest == pytest.approx(np.abs(h - linear).max(), rel=1e-12)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
class TestLargeSamples:
    @pytest.mark.parametrize("B", [0.5, 100.0])
    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_the_mean_over_all_signs_is_exact(self, activation, B):
        net, X = by_hand(activation, B)
        blocks = kernel_drift.Blocks(net, X)
        signs = np.array(list(itertools.product([-1, 1], repeat=M)), np.int8).T
        exactly, found = kernel_drift.exact_drift(blocks), kernel_drift.estimated_drift(blocks, signs)
        assert (found.hidden, found.full) == pytest.approx((exactly.hidden, exactly.full), rel=1e-9)

    @pytest.mark.parametrize("B", [0.5, 100.0])
    def test_in_blocks_within_the_standard_error(self, B, monkeypatch):
        net, X = by_hand("relu", B, m=9)
        monkeypatch.setattr(kernel_drift, "MOST_ROWS", M)  # a block and a shorter one
        found, true = measured(net, X), exact(net, X)
        exactly = true.drift(true.hidden), true.drift(true.full)
        assert found.n_gates_flipped == true.flipped
        assert (found.kernel_drift, found.full_kernel_drift) == pytest.approx(exactly, rel=1e-10)
        assert found.linearisation_error_mean == pytest.approx(true.errors.mean(), rel=1e-10)
        monkeypatch.setattr(laziness, "EXACT_POINTS", 8)
        monkeypatch.setattr(kernel_drift, "BLOCK_ELEMENTS", 32 * 4 * Q * D)  # 32 vectors at a time
        found = measured(net, X)
        assert measured(net, X) == found != measured(net, X, seed=1)
        estimates = (found.kernel_drift, found.full_kernel_drift)
        errors = (found.kernel_drift_standard_error, found.full_kernel_drift_standard_error)
        for true, estimate, error in zip(exactly, estimates, errors, strict=True):
            # a mean of 64: six standard errors, and a square of relative variance up to 2/64 for each of the norms
            assert 0 < error <= true * math.sqrt(2 / 64)
            assert abs(estimate - true) <= 6 * error


class TestRefusals:
    def test_the_plain_form(self):
        net, X = by_hand("relu", 3.0)
        with pytest.raises(InputError, match=r"does not tell where its weights started; give .*to_displacement"):
            measured(conversions.to_plain(net), X)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"n_steps": -1}, "n_steps=-1 must be a whole number, at least 0"),
            ({"seed": -2}, "seed=-2 must be a whole number, at least 0"),
            ({"learning_rate": 0.0}, "learning_rate=0.0 must be a number above 0"),
            ({"learning_rate": math.inf}, "learning_rate=inf must be a number above 0"),
            ({"L": math.nan}, "L=nan must be a number above 0"),
            ({"n_steps": 1}, r"a neuron moved by .* n_steps=1, learning_rate=1 and L=1 allow .*; give the numbers"),
        ],
    )
    def test_numbers_that_are_not_those_of_a_run(self, change, text):
        with pytest.raises(InputError, match=text):
            measured(*by_hand("relu", 3.0), **change)

    def test_points_that_are_not_those_of_a_run(self):
        net, X = by_hand("relu", 3.0)
        with pytest.raises(DataError, match=r"X has shape \(6, 2\); needed are .* one or more with 3 features"):
            measured(net, X[:, :2])
        with pytest.raises(DataError, match=r"X has shape \(0, 3\)"):
            measured(net, X[:0])
        with pytest.raises(DataError, match="rows are not on the unit sphere"):
            measured(net, 2 * X)
        with pytest.raises(DataError, match="NaN or infinite"):
            measured(net, X * np.nan)

    def test_an_activation_that_is_not_decent(self):
        net, X = by_hand("relu", 3.0)
        with pytest.raises(HypothesisError, match="not decent"):
            measured(dataclasses.replace(net, activation=activations.get("square")), X)
