"""Theorems 10, 5 and 6: formulas, sizing, what each rests on by sampling, and runs that stay under the bounds."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import zeta

import certificate_oracles as oracle
from tightwidth import activations, algorithm1, losses, network, sampling
from tightwidth.errors import HypothesisError
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm6_polynomials as thm6
from tightwidth.theorems import thm10_embedding as thm10

GIVEN = thm10.Hypotheses(norm=7.0, d=20, R=1.3, C=0.9, L=1.5)
NETWORK = thm5.Hypotheses(7.0, 20, 1.3, 0.9, 1.5, H=0.4, jumps=0.8, value_at_0=0.2, second_moment=0.7)
POLYNOMIALS = thm6.Hypotheses(2.0, 4, 30, 1.1)


class TestTheEmbedding:
    def test_the_terms(self):
        q, T, b, eta = 300, 5000, 8, 0.2
        seen = thm10.bound(GIVEN, q=q, n_steps=T, batch_size=b, learning_rate=eta)
        G_squared = (1.5 * 0.9) ** 2 * (1 / b + (1 - 1 / b) * 1.3**2 / 20)
        assert seen.approximation == pytest.approx(1.5 * 1.3 * 0.9 * 7 / math.sqrt(q * 20))
        assert seen.distance == pytest.approx(49 / (2 * eta * T))
        assert seen.noise == pytest.approx(eta * G_squared / 2)
        assert seen.total == pytest.approx(sum(seen.terms.values()))
        assert seen.terms[seen.dominant] == max(seen.terms.values())

    def test_the_best_rate_is_the_best(self):
        size = {"q": 50, "n_steps": 900, "batch_size": 4}
        best = thm10.bound(GIVEN, **size)
        assert best.distance == pytest.approx(best.noise)
        for factor in (0.8, 1.25):
            eta = factor * thm10.best_rate(GIVEN, n_steps=900, batch_size=4)
            assert thm10.bound(GIVEN, learning_rate=eta, **size).total > best.total

    @pytest.mark.parametrize("share", [0.3, 0.5])
    @pytest.mark.parametrize(("epsilon", "b"), [(0.5, 1), (0.02, 64)])
    @pytest.mark.parametrize("is_factorized", [True, False])
    def test_sizing_and_bound_are_inverse(self, epsilon, b, share, is_factorized):
        given = replace(GIVEN, is_factorized=is_factorized)
        size = thm10.sizing(given, epsilon=epsilon, batch_size=b, share=share)
        assert size.bound.total <= epsilon * (1 + 1e-12)
        assert math.isinf(size.B)
        assert size.bound == thm10.bound(
            given, q=size.q, n_steps=size.n_steps, batch_size=b, learning_rate=size.learning_rate
        )
        for q, T in ((size.q - 1, size.n_steps), (size.q, size.n_steps - 1)):
            if q:
                assert thm10.bound(given, q=q, n_steps=T, batch_size=b).total > epsilon * (1 - 2 / min(q, T))
        exact = (1.5 * 0.9 * 7 / (share * epsilon)) ** 2 * (1.3**2 / 20 if is_factorized else 1)
        assert size.q == pytest.approx(exact, abs=1)

    def test_half_is_the_least_work(self):
        work = {
            share: math.prod((s := thm10.sizing(GIVEN, epsilon=0.01, share=share)) and (s.q, s.n_steps))
            for share in (0.4, 0.5, 0.6)
        }
        assert work[0.5] < min(work[0.4], work[0.6])

    def test_monotone(self):
        size = {"q": 50, "n_steps": 900, "batch_size": 4}
        at = thm10.bound(GIVEN, **size).total
        for worse in ({"norm": 8.0}, {"R": 1.4}, {"C": 1.0}, {"L": 1.6}, {"d": 15}, {"is_factorized": False}):
            assert thm10.bound(replace(GIVEN, **worse), **size).total > at
        for better in ({"q": 51}, {"n_steps": 901}, {"batch_size": 5}):
            assert thm10.bound(GIVEN, **{**size, **better}).total < at

    def test_the_law_of_the_batch_size(self):
        critical = thm10.critical_batch_size(GIVEN)
        assert critical == pytest.approx(20 / 1.3**2)
        steps = {b: thm10.sizing(GIVEN, epsilon=0.01, batch_size=b).n_steps for b in (1, 4, 12, 10**6)}
        assert steps[1] / steps[4] == pytest.approx(4 / (1 + 3 / critical), rel=1e-3)
        assert steps[12] < 2 * steps[10**6]  # near the critical size less than twice the limit is left
        assert steps[1] / steps[10**6] == pytest.approx(critical, rel=1e-3)


SIZE: dict[str, Any] = {"q": 300, "n_steps": 5000, "batch_size": 8, "learning_rate": 0.2}


class TestTheNetwork:
    def test_in_the_limit_it_is_the_embedding(self):
        assert thm5.bound(NETWORK, **SIZE) == thm10.bound(NETWORK, **SIZE)
        far = thm5.bound(NETWORK, B=1e40, **SIZE)
        assert 0 < far.linearisation < 1e-9
        assert replace(far, linearisation=0.0) == thm10.bound(NETWORK, **SIZE)

    def test_it_falls_with_B(self):
        costs = [thm5.linearisation(NETWORK, B=B, **SIZE).total for B in np.geomspace(1e-3, 1e20, 60).tolist()]
        assert math.isinf(costs[0])
        finite = [cost for cost in costs if math.isfinite(cost)]
        assert len(finite) > 40
        assert (np.diff(finite) < 0).all()

    def test_large_B_rates(self):
        """Two decades of B gain two of the outputs, and one of the gradients where sigma' jumps."""
        low, high = (thm5.linearisation(NETWORK, B=B, **SIZE) for B in (1e14, 1e16))
        assert low.outputs / high.outputs == pytest.approx(100, rel=1e-3)
        assert low.gradients / high.gradients == pytest.approx(10, rel=1e-3)
        smooth = replace(NETWORK, jumps=0.0)
        low, high = (thm5.linearisation(smooth, B=B, **SIZE) for B in (1e14, 1e16))
        assert low.gradients / high.gradients == pytest.approx(100, rel=1e-3)

    @pytest.mark.parametrize("excess", [0.1, 1e-4])
    def test_sufficient_B_is_inverse_to_the_cost(self, excess):
        B = thm5.sufficient_B(NETWORK, excess=excess, **SIZE)
        assert thm5.linearisation(NETWORK, B=B, **SIZE).total <= excess
        assert thm5.linearisation(NETWORK, B=B * (1 - 3e-6), **SIZE).total > excess

    @pytest.mark.parametrize("finite_B", [True, False])
    def test_sizing(self, finite_B):
        size = thm5.sizing(NETWORK, epsilon=0.1, batch_size=4, finite_B=finite_B)
        assert size.bound.total <= 0.1
        assert math.isfinite(size.B) == finite_B
        assert size.bound.linearisation <= 0.01
        if finite_B:
            assert size.bound.linearisation > 0.0099
        linear = thm10.sizing(NETWORK, epsilon=0.09 if finite_B else 0.1, batch_size=4)
        assert (size.q, size.n_steps) == (linear.q, linear.n_steps)

    def test_monotone(self):
        at = thm5.sufficient_B(NETWORK, excess=0.01, **SIZE)
        for worse in ({"H": 0.5}, {"jumps": 0.9}, {"second_moment": 0.8}, {"value_at_0": 0.3}, {"best_loss": 1.5}):
            assert thm5.sufficient_B(replace(NETWORK, **worse), excess=0.01, **SIZE) >= at

    def test_no_B_suffices_for_nothing(self):
        with pytest.raises(HypothesisError, match=r"no output scale B up to 1e\+60 keeps the network within 1e-40"):
            thm5.sufficient_B(NETWORK, excess=1e-40, **SIZE)


@pytest.mark.parametrize(
    "name", ["relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hard_tanh", "tanh", "gelu"))]
)
def test_what_the_linearisation_rests_on(name):
    """The worst displacement of length r costs, at Gaussian pre-activations, what delta and mu say, and not less.

    Of 100,000 draws of a number in [0, 1] (after division by its largest value) the mean is within 5 standard errors,
    save with probability 1e-6.
    """
    sigma, slope = oracle.SIGMA[name], oracle.SIGMA_PRIME[name]
    active = activations.get(name)
    jumps, phi_0 = sum(abs(jump) for _, jump in active.kinks), 1 / math.sqrt(2 * math.pi)
    z = np.random.default_rng(0).standard_normal(100_000)
    for r in (0.3, 0.03, 0.003):
        shifts = np.linspace(-r, r, 21)
        curves = np.max([np.abs(sigma(z + s) - sigma(z) - slope(z) * s) for s in shifts], axis=0)
        gates = np.max([np.abs(slope(z + s) - slope(z)) for s in shifts], axis=0)
        of_outputs = r * r * (active.H / 2 + phi_0 * jumps)
        of_gradients = (active.H * r + jumps * math.sqrt(2 * phi_0 * r)) ** 2
        for values, limit in ((curves, of_outputs), (gates**2, of_gradients)):
            error = 5 * values.std() / math.sqrt(len(z))
            assert values.mean() - error <= limit
        if name == "relu":  # its kink is where the density is largest: there the bounds are sharp
            assert curves.mean() > 0.9 * of_outputs
            assert (gates**2).mean() > 0.9 * of_gradients


class Learning:
    """Hold a sample, labelled by a linear function with a margin, and a function of known norm that has no loss.

    The points are on both sides of ``|<x, e>| >= margin``, so that ``f = <x, e>/margin`` has hinge loss 0, the least
    there is.  Under relu ``a_1 = 1/4``, so ``||f|| = 2/margin``.
    """

    best = 0.0

    def __init__(self, d, *, margin, m=4000, seed=0):
        X = oracle.sphere(np.random.default_rng(seed), 8 * m, d)
        X = X[np.abs(X[:, 0]) >= margin][:m]
        assert len(X) == m
        self.X, self.y, self.d = X, np.sign(X[:, 0]), d
        R = math.sqrt(d * np.linalg.eigvalsh(X.T @ X / m)[-1])
        self.given = thm5.Hypotheses(2 / margin, d, R, 1.0, best_loss=0.0)

    def excess(self, size, *, seed, B=math.inf, dtype=np.float32):
        """Return the mean over the iterates of the hinge loss of one run, from fresh minibatches before each update."""
        keys = jax.random.split(jax.random.key(seed))
        with jax.enable_x64(dtype == np.float64):
            X, y = jnp.asarray(self.X, dtype), jnp.asarray(self.y, dtype)
            net = network.init(keys[0], d=self.d, q=size.q, B=B, activation=activations.get("relu"), dtype=dtype)
            rate = jnp.asarray(size.learning_rate, dtype)
            run = algorithm1.Algorithm1(losses.get("hinge"), size.batch_size, rate, keys[1])
            state = run.advance(run.init(net), sampling.FiniteSample(X, y), size.n_steps)
            return float(state.online_loss.total) / size.n_steps, state.network

    def mean_excess(self, size, n_seeds, B=math.inf):
        values = np.array([self.excess(size, seed=seed, B=B)[0] for seed in range(n_seeds)]) - self.best
        return values.mean(), values.std(ddof=1) / math.sqrt(n_seeds)


class Noisy(Learning):
    """Hold a sample of which no function is right: 15% of the labels are flipped, and the best of norm M is computed.

    The soft margin at C is the function of least loss among those of its own norm, which M is set to.
    """

    def __init__(self, d, *, C, m=400, seed=0):
        super().__init__(d, margin=0.25, m=m, seed=seed)
        self.y = self.y * np.where(np.random.default_rng(seed + 1).random(m) < 0.15, -1, 1)
        Psi = np.linalg.cholesky(oracle.relu_kernel(self.X) + 1e-12 * np.eye(m))
        alpha, value = oracle.soft_margin(Psi, self.y, C)
        v = (alpha * self.y) @ Psi
        self.best = np.maximum(0, 1 - self.y * (Psi @ v)).mean()
        assert v @ v / 2 + C * m * self.best == pytest.approx(value, rel=1e-4)  # no duality gap: it is the best
        self.given = replace(self.given, norm=float(np.linalg.norm(v)), best_loss=float(self.best))


@pytest.fixture(scope="module")
def learning():
    return Learning(16, margin=0.2)


@pytest.mark.parametrize("finite_B", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "batch", [pytest.param("1", marks=pytest.mark.slow), "d/R^2", pytest.param("4d", marks=pytest.mark.slow)]
)
def test_runs_stay_under_the_bound(learning, batch, finite_B):
    """Batch sizes 1, d/R^2 and 4d: the mean of 20 seeds plus 5 standard errors is below the bound.

    The online mean is unbiased for the mean loss of the iterates.  The bound is below 1, the excess loss of h = 0.
    """
    b = {"1": 1, "d/R^2": round(thm10.critical_batch_size(learning.given)), "4d": 4 * learning.d}[batch]
    size = thm5.sizing(learning.given, epsilon=0.8, batch_size=b, finite_B=finite_B)
    assert size.bound.total <= 0.8 < 1  # the hinge loss of h = 0
    mean, error = learning.mean_excess(size, 20, B=size.B)
    assert mean + 5 * error < size.bound.total
    assert mean > 0.02  # the bound is not loose by orders of magnitude


@pytest.mark.parametrize("finite_B", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_runs_stay_under_the_bound_where_no_function_is_right(finite_B):
    """With flipped labels, against the best function of norm M: 20 seeds, 5 standard errors.

    Steps that forget the square of M do not reach it.
    """
    noisy = Noisy(8, C=0.2)
    assert 0.35 < noisy.best < 0.45
    size = thm5.sizing(noisy.given, epsilon=0.45, batch_size=4, finite_B=finite_B)
    assert size.bound.total <= 0.45 < 1 - noisy.best  # the excess loss of h = 0
    mean, error = noisy.mean_excess(size, 20, B=size.B)
    assert mean + 5 * error < size.bound.total
    assert mean > size.bound.total / 10
    fewer = replace(size, n_steps=round(size.n_steps / noisy.given.norm**2))
    mean, error = noisy.mean_excess(fewer, 20, B=size.B)
    assert mean - 5 * error > size.bound.total


@pytest.mark.slow
def test_fewer_steps_in_larger_batches(learning):
    """The law is seen: d/R^2 points a step do with some d/R^2 times fewer steps, 16 times as many with hardly fewer."""
    critical = round(thm10.critical_batch_size(learning.given))
    excess = {}
    for b in (1, critical, 16 * critical):
        size = thm5.sizing(learning.given, epsilon=0.8, batch_size=b, finite_B=False)
        excess[b] = size.n_steps, learning.mean_excess(size, 10)[0]
    assert excess[1][0] / excess[critical][0] > critical / 2
    assert excess[critical][0] / excess[16 * critical][0] < 2
    assert max(value for _, value in excess.values()) < 2 * min(value for _, value in excess.values())


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
def test_the_B_it_returns_is_sufficient(learning, dtype):
    """At the planned B the network is as near to its linear limit as promised, on fresh points, in both precisions.

    ``|h - <v, Psi>|`` is averaged over 1,000 fresh points and 3 seeds.  The promise is on the expectation; the mean of
    numbers that are not negative exceeds three times its expectation with probability 1/3 at most, and is far below it.
    """
    size = thm5.sizing(learning.given, epsilon=0.8, batch_size=8)
    cost = thm5.linearisation(
        learning.given,
        q=size.q,
        n_steps=size.n_steps,
        batch_size=8,
        learning_rate=size.learning_rate,
        B=size.B,
    )
    assert cost.outputs <= cost.total <= 0.08
    fresh = oracle.sphere(np.random.default_rng(9), 1000, learning.d)
    apart = []
    for seed in range(3):
        mean, net = learning.excess(size, seed=seed, B=size.B, dtype=dtype)
        assert mean < size.bound.total
        W, P, N = (np.asarray(part, np.float64) for part in (net.W_half, net.PN[0], net.PN[1]))
        linear = np.sum((fresh @ W.T > 0) * (fresh @ (P + N).T), axis=1)
        with jax.enable_x64(dtype == np.float64):
            h = np.asarray(network.predict(net, jnp.asarray(fresh, dtype)), np.float64)
        assert np.abs(linear).mean() > 0.5  # it has learnt something
        apart.append(np.abs(h - linear).mean())
    rounding = 2e-4 if dtype == np.float32 else 1e-9
    assert np.mean(apart) <= cost.outputs + rounding
    _, net = learning.excess(size, seed=0, B=10.0, dtype=dtype)  # and a B far below it is not sufficient
    W, P, N = (np.asarray(part, np.float64) for part in (net.W_half, net.PN[0], net.PN[1]))
    with jax.enable_x64(dtype == np.float64):
        h = np.asarray(network.predict(net, jnp.asarray(fresh, dtype)), np.float64)
    assert np.abs(h - np.sum((fresh @ W.T > 0) * (fresh @ (P + N).T), axis=1)).mean() > 3 * cost.outputs


class TestPolynomials:
    def test_the_coefficients_are_those_of_the_series(self):
        rho = np.linspace(-0.6, 0.6, 13)
        exact = rho * (np.pi - np.arccos(rho)) / (2 * np.pi)
        series = sum(thm6.relu_coefficient(n) * rho**n for n in range(60))
        np.testing.assert_allclose(series, exact, atol=1e-13)
        assert thm6.relu_coefficient(6) == pytest.approx(3 / (80 * math.pi))
        # a_n ~ (2 pi sqrt(pi))^-1 2 sqrt(2) n^(-3/2): all of them add up to tk^h(1) = 1/2
        tail = zeta(1.5, 5001) / (2 * math.pi * math.sqrt(math.pi) * 2)
        total = 0.25 + sum(thm6.relu_coefficient(2 * k + 2) for k in range(5000))
        assert total + tail == pytest.approx(0.5, abs=1e-6)

    def test_the_norm(self):
        assert POLYNOMIALS.norm == pytest.approx(2 * math.sqrt(12 * math.pi))
        assert replace(POLYNOMIALS, degree=2).norm == pytest.approx(2 * math.sqrt(2 * math.pi))
        assert thm6.constant_norm(10) == pytest.approx(7.73, abs=5e-3)
        assert thm6.constant_norm(30) == pytest.approx(13.62, abs=5e-3)
        both = replace(POLYNOMIALS, with_constant=True).norm
        assert both == pytest.approx(2 * math.hypot(thm6.constant_norm(30), math.sqrt(12 * math.pi)))

    def test_the_norm_covers_the_dearest_polynomials(self):
        """x_1 x_2 ... over many points: the norm of the interpolant of a polynomial never exceeds that of the ball."""
        rng = np.random.default_rng(1)
        d = 6
        X = oracle.sphere(rng, 400, d)
        rho = np.clip(X @ X.T, -1, 1)
        K = rho * (np.pi - np.arccos(rho)) / (2 * np.pi)
        for degree, values in ((4, X[:, 0] * X[:, 1] * X[:, 2] * X[:, 3]), (4, X[:, 0] ** 4), (2, X[:, 0] ** 2)):
            least = values @ np.linalg.solve(K, values)  # of all functions with these values
            assert math.sqrt(least) < thm6.Hypotheses(1.0, degree, d).norm
        least = X[:, 0] ** 4 @ np.linalg.solve(K, X[:, 0] ** 4)
        assert math.sqrt(least) > thm6.Hypotheses(1.0, 2, d).norm / 3

    def test_it_is_theorem_5(self):
        size = thm6.sizing(POLYNOMIALS, epsilon=0.2, batch_size=3)
        assert size == thm5.sizing(POLYNOMIALS.of_theorem_5, epsilon=0.2, batch_size=3)
        assert size.bound == thm6.bound(
            POLYNOMIALS,
            q=size.q,
            n_steps=size.n_steps,
            batch_size=3,
            learning_rate=size.learning_rate,
            B=size.B,
        )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: replace(GIVEN, norm=0.0), "norm=0 must be positive and finite: the functions competed with have it"),
        (lambda: replace(GIVEN, norm=-1.0), "norm=-1 must be positive and finite"),
        (lambda: replace(GIVEN, norm=math.nan), "norm=nan must be positive and finite"),
        (lambda: replace(GIVEN, R=0.5), r"R=0.5 must lie in \[1, sqrt\(d\)=4.47214\]"),
        (lambda: replace(GIVEN, R=5.0), r"R=5 must lie in \[1, sqrt\(d\)=4.47214\]"),
        (lambda: replace(GIVEN, L=math.inf), "L=inf must be positive and finite: a Lipschitz loss"),
        (lambda: replace(GIVEN, C=math.inf), "C=inf must be positive and finite: a decent activation"),
        (lambda: replace(GIVEN, d=0), "d=0 must be at least 1 and finite"),
        (lambda: replace(NETWORK, H=-1.0), "H=-1 must be finite and not negative"),
        (lambda: replace(POLYNOMIALS, degree=3), "degree=3 must be an even number of at least 2"),
        (lambda: replace(POLYNOMIALS, degree=0), "degree=0 must be an even number of at least 2"),
        (lambda: thm6.constant_norm(1), "d=1: on a sphere of fewer than 2 dimensions"),
        (lambda: thm6.relu_coefficient(-1), "n=-1 must be finite and not negative"),
        (lambda: thm10.sizing(GIVEN, epsilon=0.0), r"epsilon=0 must lie strictly between 0 and 1"),
        (lambda: thm5.sizing(NETWORK, epsilon=1.0), r"epsilon=1 must lie strictly between 0 and 1"),
        (lambda: thm10.sizing(GIVEN, epsilon=0.1, share=1.0), r"share=1 must lie strictly between 0 and 1"),
        (lambda: thm10.sizing(GIVEN, epsilon=1e-12), r"asks for more than 1e\+18 pairs; raise it"),
        (lambda: thm10.bound(GIVEN, q=0, n_steps=1), "q=0 must be at least 1"),
        (lambda: thm10.bound(GIVEN, q=1, n_steps=0), "n_steps=0 must be at least 1"),
        (lambda: thm10.bound(GIVEN, q=1, n_steps=1, batch_size=0), "batch_size=0 must be at least 1"),
        (lambda: thm10.bound(GIVEN, q=1, n_steps=1, learning_rate=0.0), "learning_rate=0 must be positive"),
        (lambda: thm5.bound(NETWORK, q=1, n_steps=1, B=-2.0), "B=-2 must be positive and finite"),
    ],
)
def test_what_the_theorems_refuse(call, text):
    with pytest.raises(HypothesisError, match=text):
        call()
