"""How large B must be: on real runs no gate flips where none may, and the linear limit is as near as is claimed."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certificate_oracles as oracle
from tightwidth import activations, algorithm1, conversions, finite_scale, losses, network, sampling
from tightwidth.finite_scale import Reach

M, D, Q, BATCH = 16, 4, 8, 2


class Problem:
    """Hold a sample, drawn weights and pre-activations."""

    def __init__(self, activation, seed=0, *, scale=1.0, dtype=np.float64, gap=None):
        rng = np.random.default_rng(seed)
        X, y = oracle.sphere(rng, M, D), rng.choice([-1.0, 1.0], M)
        W = scale * rng.standard_normal((Q, D))
        if gap is not None:  # one point, many times, and one neuron next to its kink
            X, y = np.repeat(X[:1], M, axis=0), np.ones(M)
            W[0] += (gap - W[0] @ X[0]) * X[0]
        self.activation = activations.get(activation)
        self.X, self.y, self.W, self.dtype = X.astype(dtype), y.astype(dtype), W.astype(dtype), dtype
        with jax.enable_x64(True):
            self.Z = network.preactivations(jnp.asarray(self.W), jnp.asarray(self.X))
        self.reach = finite_scale.reach(self.Z, self.activation)

    def start(self, B):
        """Return the network before the first step."""
        with jax.enable_x64(True):
            W, zeros = jnp.asarray(self.W), jnp.zeros((Q, D), self.dtype)
            if math.isinf(B):
                return network.Tangent(W, zeros, self.activation)
            both, none = jnp.stack([zeros, zeros]), jnp.zeros(Q, self.dtype)
            return network.Displacement(W, both, none, none, jnp.asarray(1 / B, self.dtype), self.activation)

    def states(self, B, n_steps, eta, *, every=1):
        """Return the networks on the way of a run with the absolute loss, whose slopes never vanish."""
        net = self.start(B)
        with jax.enable_x64(True):
            X, y, rate = jnp.asarray(self.X), jnp.asarray(self.y), jnp.asarray(eta, self.dtype)
            source = sampling.FiniteSample(X, y, net.cache(X))
        run = algorithm1.Algorithm1(losses.get("absolute"), BATCH, rate, jax.random.key(0))
        state, seen = run.init(net), []
        for _ in range(n_steps // every):
            state = run.advance(state, source, every)
            seen.append(state.network)
        return seen

    def flips(self, net):
        with jax.enable_x64(True):
            return finite_scale.count_flipped_gates(net, jnp.asarray(self.X), self.Z)

    def sufficient_B(self, n_steps, eta):
        size = {"q": Q, "n_steps": n_steps, "learning_rate": eta, "L": 1.0}
        return finite_scale.sufficient_B(self.reach, C=self.activation.C, **size)

    def penalty(self, B, n_steps, eta, *, norm=5.0, L=1.0, largest_value=None):
        return finite_scale.penalty(
            B,
            activation=self.activation,
            largest_value=self.reach.largest_value if largest_value is None else largest_value,
            q=Q,
            n_steps=n_steps,
            learning_rate=eta,
            L=L,
            norm=norm,
        )


class TestCertified:
    @pytest.mark.parametrize("activation", ["relu", "tanh", "hard_tanh"])
    def test_it_is_the_least_that_does_both(self, activation):
        problem = Problem(activation)
        size = {"q": Q, "n_steps": 40, "learning_rate": 0.5, "L": 1.0}
        enough = problem.sufficient_B(40, 0.5)
        for allowed in (1e-2, 1e-9):
            B = finite_scale.certified_B(
                problem.reach, activation=problem.activation, norm=5.0, allowed=allowed, **size
            )
            assert problem.penalty(B, 40, 0.5) <= allowed
            assert enough <= B
            below = B / 1.01
            assert below < enough or problem.penalty(below, 40, 0.5) > allowed

    def test_where_there_is_none(self):
        on_it = Reach(0.0, 1.0)
        size = {"q": 1, "n_steps": 1, "learning_rate": 1.0, "L": 1.0, "norm": 1.0, "allowed": 0.1}
        assert finite_scale.certified_B(on_it, activation=activations.get("relu"), **size) == math.inf


class TestReach:
    @pytest.mark.parametrize(("activation", "kinks"), [("relu", [0.0]), ("hard_tanh", [-1.0, 1.0])])
    def test_gap_and_largest_value(self, activation, kinks):
        problem = Problem(activation)
        Z = problem.X @ problem.W.T
        assert problem.reach.gap == pytest.approx(min(np.abs(Z - kink).min() for kink in kinks), rel=1e-9)
        assert problem.reach.largest_value == pytest.approx(np.abs(oracle.SIGMA[activation](Z)).max(), rel=1e-12)

    def test_without_kinks_and_on_a_kink(self):
        smooth = Problem("tanh")
        assert smooth.reach.gap == math.inf
        assert smooth.sufficient_B(100, 1.0) == 0
        on_it = Reach(0.0, 1.0)
        assert finite_scale.sufficient_B(on_it, C=1, q=1, n_steps=1, learning_rate=1.0, L=1.0) == math.inf


class TestFlips:
    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["relu", "hard_tanh"])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_no_gate_flips_at_the_sufficient_B_and_some_do_far_below(self, activation, seed):
        problem, n_steps, eta = Problem(activation, seed), 60, 1.0
        enough = problem.sufficient_B(n_steps, eta)
        assert [problem.flips(net) for net in problem.states(enough, n_steps, eta)] == [0] * n_steps
        assert problem.flips(problem.states(enough / 300, n_steps, eta, every=n_steps)[-1]) > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("eta", [1e-3, 0.05])
    def test_nor_where_B_is_small_and_the_output_weights_drive_the_hidden_ones(self, eta):
        problem = Problem("relu", scale=20.0)  # far from the kink, so that a small B is enough
        enough = problem.sufficient_B(40, eta)
        assert [problem.flips(net) for net in problem.states(enough, 40, eta)] == [0] * 40

    @pytest.mark.slow
    @pytest.mark.parametrize(("dtype", "gap"), [(np.float32, 1e-6), (np.float64, 1e-9)])
    def test_nor_by_one_step_that_goes_all_the_way(self, dtype, gap):
        # The first step moves a neuron by exactly C rho / B: that must stop short of the kink, however it is rounded.
        for seed in range(20):
            problem = Problem("relu", seed, dtype=dtype, gap=gap)
            (net,) = problem.states(problem.sufficient_B(1, 1.7), 1, 1.7)
            assert problem.flips(net) == 0

    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["relu", "hard_tanh"])
    @pytest.mark.parametrize("B", [0.5, 3.0])
    def test_the_count_is_that_of_the_plain_weights(self, activation, B):
        problem = Problem(activation)
        net = problem.states(B, 60, 1.0, every=60)[-1]
        W = np.asarray(conversions.to_plain(net).W)
        segment = {"relu": lambda z: z > 0, "hard_tanh": lambda z: (z > -1).astype(int) + (z > 1)}[activation]
        count = 0
        for i in range(2 * Q):
            for x in problem.X:
                count += int(segment(x @ W[i]) != segment(x @ problem.W[i % Q]))
        assert problem.flips(net) == count > 0


class TestTravel:
    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["relu", "gelu"])
    @pytest.mark.parametrize("B", [1.5, 20.0])
    def test_no_weight_moves_farther(self, activation, B):
        problem, n_steps, eta = Problem(activation), 60, 0.2
        rho = finite_scale.travel(q=Q, n_steps=n_steps, learning_rate=eta, L=1.0)
        assert rho == pytest.approx(eta * n_steps / (2 * Q))
        C = problem.activation.C
        for net in problem.states(B, n_steps, eta):
            W = np.asarray(conversions.to_plain(net).W)
            S = np.abs(oracle.SIGMA[activation](problem.X @ W.T)).max()
            S = max(S, problem.reach.largest_value + 2 * C * C * rho / B)
            assert np.abs(net.s).max() <= rho * S / B
            assert np.abs(net.r).max() <= rho * S / B
            assert np.linalg.norm(net.PN, axis=-1).max() <= C * rho * (1 + rho * S / B**3)

    def test_it_is_attained_so_that_a_half_of_it_fails(self):
        problem, n_steps, eta = Problem("relu", gap=0.5), 60, 1e-3  # every step pulls the same way
        net = problem.states(1e6, n_steps, eta, every=n_steps)[-1]
        rho = finite_scale.travel(q=Q, n_steps=n_steps, learning_rate=eta, L=1.0)
        assert np.linalg.norm(net.PN, axis=-1).max() == pytest.approx(rho, rel=1e-9)


class TestPenalty:
    N_STEPS, ETA = 40, 0.02  # so few and so small that every margin stays below 1 and every slope is -y

    @pytest.mark.slow
    @pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
    @pytest.mark.parametrize("B", [30.0, 1e3, 1e5])
    def test_it_bounds_the_distance_from_the_linear_limit(self, activation, B):
        problem = Problem(activation)
        if problem.sufficient_B(self.N_STEPS, self.ETA) > B:
            B = 1.01 * problem.sufficient_B(self.N_STEPS, self.ETA)
        limit = problem.states(math.inf, self.N_STEPS, self.ETA, every=10)
        finite = problem.states(B, self.N_STEPS, self.ETA, every=10)
        for there, here in zip(limit, finite, strict=True):
            linear = network.predict(there, problem.X)
            assert np.abs(linear).max() < 0.9
            own = network.predict(conversions.to_tangent(here), problem.X)
            plain = conversions.to_plain(here)
            h = oracle.network(problem.X, np.asarray(plain.W), np.asarray(plain.u), activation)
            rounding = 1e-15 * B * B
            bound = problem.penalty(B, self.N_STEPS, self.ETA, norm=0.0) + rounding
            assert np.abs(h - own).max() <= bound
            assert np.abs(h - linear).max() <= bound
            np.testing.assert_allclose(network.predict(here, problem.X), h, atol=rounding + 1e-9)

    @pytest.mark.slow
    def test_without_the_output_weights_it_would_fail(self):
        problem, B = Problem("relu"), 1e3
        limit, finite = (problem.states(scale, self.N_STEPS, self.ETA, every=10)[-1] for scale in (math.inf, B))
        measured = np.abs(network.predict(finite, problem.X) - network.predict(limit, problem.X)).max()
        assert problem.penalty(B, self.N_STEPS, self.ETA, norm=0.0, largest_value=0.0) < measured

    @pytest.mark.parametrize("activation", ["tanh", "gelu"])
    def test_without_the_curvature_it_would_fail(self, activation):
        # From the start both neurons of a pair move alike, and the curvature cancels: move one of each only.
        problem, B = Problem(activation), 1e4
        C, rho = problem.activation.C, self.ETA * self.N_STEPS / (2 * Q)
        h = 1e-4
        z = problem.W @ problem.X[0]
        curved_up = oracle.SIGMA_PRIME[activation](z + h) > oracle.SIGMA_PRIME[activation](z - h)
        PN = C * rho * np.stack([curved_up, ~curved_up])[:, :, None] * problem.X[0]
        start = problem.start(B)
        assert isinstance(start, network.Displacement)
        with jax.enable_x64(True):
            net = dataclasses.replace(start, PN=jnp.asarray(PN))
        measured = abs(network.predict(net, problem.X)[0] - network.predict(conversions.to_tangent(net), problem.X)[0])
        assert measured <= problem.penalty(B, self.N_STEPS, self.ETA, norm=0.0)
        problem.activation = dataclasses.replace(problem.activation, H=0)
        assert measured > problem.penalty(B, self.N_STEPS, self.ETA, norm=0.0)

    @pytest.mark.parametrize("L", [1.0, 3.0])
    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_the_formula_of_the_derivation(self, activation, L):
        problem, B, n_steps, eta, norm = Problem(activation), 1e4, 300, 0.3, 7.0
        C, H, S = problem.activation.C, problem.activation.H, 2.5
        rho = eta * n_steps * L / (2 * Q)
        mu = H * C * rho / B + C * rho * S / B**3
        delta = Q * H * (C * rho) ** 2 / B + 2 * Q * rho * S**2 / B**2
        distance = norm + eta * n_steps * L * (C + mu)
        expected = L * (delta + mu * distance) + eta / 2 * L**2 * (2 * C * mu + mu**2)
        found = problem.penalty(B, n_steps, eta, norm=norm, L=L, largest_value=S)
        assert expected <= found <= 1.02 * expected  # S grows by the little that the weights move

    def test_nothing_is_said_where_the_output_weights_take_over(self):
        assert Problem("tanh").penalty(0.1, 300, 0.3) == math.inf
