"""Theorem 7 with its constant: sizing and bound, the event that it rests on, and its numbers on a sample."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

import certificate_oracles as oracle
from tightwidth import activations, losses, worst_case
from tightwidth.errors import HypothesisError
from tightwidth.theorems import thm7_memorization as thm7

GIVEN = thm7.Hypotheses(m=500, d=20, R=1.3, C=1.0, lambda_min=0.1, label_norm_squared=4000.0)


class TestWidth:
    def test_the_constant(self):
        assert pytest.approx(6.518, abs=5e-4) == thm7.CHERNOFF
        theta = 0.5  # P(lambda_min <= theta mu) <= m exp(-(mu / rho) (1 - theta + theta ln theta))
        assert 1 / (1 - theta + theta * math.log(theta)) == pytest.approx(thm7.CHERNOFF, rel=1e-12)

    @pytest.mark.parametrize("delta", [0.5, 0.01, 1e-9])
    def test_the_formula_and_its_inverse(self, delta):
        for given in (GIVEN, replace(GIVEN, C=0.25, R=4.0, m=90)):
            q = thm7.sufficient_pairs(given, delta=delta)
            exact = 6.518 * given.C**2 * given.R**2 * given.m / given.d * math.log(given.m / delta) / given.lambda_min
            assert q == pytest.approx(exact, rel=1e-4, abs=1)
            assert thm7.failure_probability(given, q=q) <= delta < thm7.failure_probability(given, q=q - 1)

    def test_a_probability_is_at_most_1(self):
        assert thm7.failure_probability(GIVEN, q=1) == 1

    def test_monotone(self):
        q = thm7.sufficient_pairs(GIVEN)
        for change in ({"m": 600}, {"R": 1.5}, {"C": 1.1}, {"lambda_min": 0.09}, {"d": 15}):
            assert thm7.sufficient_pairs(replace(GIVEN, **change)) > q
        assert thm7.sufficient_pairs(GIVEN, delta=0.001) > q


class TestSteps:
    @pytest.mark.parametrize("loss", ["hinge", "perceptron", "huber"])
    @pytest.mark.parametrize(("epsilon", "b"), [(0.05, 1), (0.01, 64)])
    def test_the_formula_and_its_inverse(self, loss, epsilon, b):
        given = replace(GIVEN, L=2.0, C=0.7, least_loss=0.5 if loss == "huber" else 1.0)
        perceptron, loss = loss == "perceptron", "hinge" if loss == "huber" else loss
        T = thm7.sufficient_steps(given, epsilon=epsilon, batch_size=b, loss=loss)
        G_squared = (2.0 * 0.7) ** 2 * (1 / b + (1 - 1 / b) * 1.3**2 / 20)
        assert thm7.gradient_bound(given, batch_size=b) == pytest.approx(G_squared)
        share = epsilon if perceptron else (given.least_loss * epsilon) ** 2
        assert pytest.approx(2 * 4000 * G_squared / share, abs=1) == T
        assert thm7.error(given, n_steps=T, batch_size=b, loss=loss) <= epsilon
        assert thm7.error(given, n_steps=T - 1, batch_size=b, loss=loss) > epsilon
        assert thm7.error(given, n_steps=1, batch_size=b, loss=loss) == 1

    @pytest.mark.parametrize("epsilon", [0.3, 0.01])
    def test_the_logistic_loss(self, epsilon):
        """The best multiple c of the interpolant, by search, in ``[ln(1 + e^-c) + c sqrt(N/T)]/ln 2``."""
        T = thm7.sufficient_steps(GIVEN, epsilon=epsilon, batch_size=4, loss="logistic")
        N = 2 * 4000 * thm7.gradient_bound(GIVEN, batch_size=4)

        def share(T):
            best = minimize_scalar(
                lambda c: (np.log1p(np.exp(-c)) + c * math.sqrt(N / T)) / math.log(2), bounds=(0, 60), method="bounded"
            )
            return best.fun

        assert share(T) == pytest.approx(epsilon, rel=1e-6)
        assert thm7.error(GIVEN, n_steps=T, batch_size=4, loss="logistic") == pytest.approx(share(T), rel=1e-6)
        assert thm7.error(GIVEN, n_steps=T, batch_size=4, loss="logistic") <= epsilon
        assert thm7.error(GIVEN, n_steps=T - 1, batch_size=4, loss="logistic") > epsilon
        assert thm7.error(GIVEN, n_steps=1, batch_size=4, loss="logistic") == 1
        assert thm7.sufficient_steps(GIVEN, epsilon=epsilon, batch_size=4) < T  # the hinge is cheaper

    def test_monotone(self):
        T = thm7.sufficient_steps(GIVEN, epsilon=0.05, batch_size=4)
        for change in ({"R": 1.5}, {"C": 1.1}, {"L": 1.5}, {"label_norm_squared": 5000.0}, {"d": 15}):
            assert thm7.sufficient_steps(replace(GIVEN, **change), epsilon=0.05, batch_size=4) > T
        assert thm7.sufficient_steps(GIVEN, epsilon=0.04, batch_size=4) > T
        assert thm7.sufficient_steps(GIVEN, epsilon=0.05, batch_size=8) < T


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"m": 0}, "m=0 points in d=20 dimensions: both must be at least 1"),
        ({"d": 0}, "m=500 points in d=0 dimensions: both must be at least 1"),
        ({"R": 0.9}, "R=0.9 must lie in [1, sqrt(d)=4.47214]"),
        ({"R": 4.6}, "R=4.6 must lie in [1, sqrt(d)=4.47214]"),
        ({"R": math.nan}, "R=nan must lie in [1, sqrt(d)=4.47214]"),
        ({"C": 0.0}, "C=0 must be positive and finite: a decent activation that is not constant"),
        ({"C": math.inf}, "C=inf must be positive and finite: a decent activation that is not constant"),
        ({"lambda_min": 0.0}, "lambda_min=0 must be positive: the kernel is singular on this sample"),
        ({"label_norm_squared": -1.0}, "label_norm_squared=-1 must be positive and finite"),
        ({"label_norm_squared": math.inf}, "label_norm_squared=inf must be positive and finite"),
        ({"L": math.inf}, "L=inf must be positive and finite: a Lipschitz loss"),
        ({"L": 0.0}, "L=0 must be positive and finite: a Lipschitz loss"),
    ],
)
def test_hypotheses_are_checked(change, text):
    with pytest.raises(HypothesisError, match=re.escape(text)):
        replace(GIVEN, **change)


def test_counts_are_checked():
    with pytest.raises(HypothesisError, match="batch_size=0 must be at least 1"):
        thm7.sufficient_steps(GIVEN, epsilon=0.1, batch_size=0)
    with pytest.raises(HypothesisError, match="n_steps=0 must be at least 1"):
        thm7.error(GIVEN, n_steps=0, batch_size=1)
    with pytest.raises(HypothesisError, match="q=0 must be at least 1"):
        thm7.failure_probability(GIVEN, q=0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, math.nan])
def test_shares_are_checked(share):
    with pytest.raises(HypothesisError, match=f"delta={share:g} must lie strictly between 0 and 1"):
        thm7.sufficient_pairs(GIVEN, delta=share)
    with pytest.raises(HypothesisError, match=f"epsilon={share:g} must lie strictly between 0 and 1"):
        thm7.sufficient_steps(GIVEN, epsilon=share, batch_size=1)


def test_the_event_holds_at_the_width_of_the_theorem():
    m, d, delta, n_draws = 24, 6, 0.2, 80
    X = oracle.sphere(np.random.default_rng(7), m, d)
    K = oracle.relu_kernel(X)
    R = math.sqrt(d * np.linalg.eigvalsh(X.T @ X / m)[-1])
    lambda_min = np.linalg.eigvalsh(K)[0]
    q = thm7.sufficient_pairs(thm7.Hypotheses(m, d, R, 1.0, lambda_min, 1.0), delta=delta)

    def failures(width):
        """Count the draws without K_W >= K / 2: those whose least generalised eigenvalue is below one half."""
        count = 0
        for seed in range(n_draws):
            W = np.random.default_rng(seed).standard_normal((width, d))
            gates = X @ W.T > 0
            K_W = (X @ X.T) * (gates.astype(float) @ gates.T) / width
            count += eigh(K_W, K, eigvals_only=True)[0] < 0.5
        return count

    allowed = oracle.least_failures(n_draws, delta, 1e-6)  # exceeded with probability 1e-6 if delta were attained
    assert allowed < n_draws // 2
    assert failures(q) <= allowed
    assert failures(q // 300) > allowed  # at a narrower width the event does fail


class TestOnASample:
    m, d = 40, 6

    def sample(self, dtype=np.float64):
        rng = np.random.default_rng(3)
        return oracle.sphere(rng, self.m, self.d).astype(dtype), rng.choice([-1.0, 1.0], self.m).astype(dtype)

    def computed(self, X, y, *, activation="relu", loss="hinge", R=1.5, b=3):
        return worst_case.worst_case(
            X,
            y,
            activation=activations.get(activation),
            loss=losses.get(loss),
            R=R,
            epsilon=0.1,
            batch_size=b,
            seed=0,
        )

    # the entropy of a coin with probability 0.01298686 is 0.1 bits
    @pytest.mark.parametrize(
        ("loss", "share"), [("hinge", 0.1**2), ("perceptron", 0.1), ("logistic", 0.01298686**2), ("huber", 0.05**2)]
    )
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_numbers_are_those_of_the_dense_kernel(self, loss, share, dtype):
        X, y = self.sample(dtype)
        found = self.computed(X, y, loss=loss)
        assert isinstance(found, worst_case.WorstCase)
        K = oracle.relu_kernel(X)
        label_norm_squared = y.astype(np.float64) @ np.linalg.solve(K, y.astype(np.float64))
        least = np.linalg.eigvalsh(K)[0]
        # rows of norm 1 - e have arccos(1 - 2 e) / (2 pi) less on the diagonal of the kernel
        off = math.acos(1 - 2 * np.finfo(dtype).eps) / (2 * math.pi) / least
        assert found.label_norm_squared == pytest.approx(label_norm_squared, rel=off + 1e-6)
        assert 0.7 * least < found.lambda_min <= least * (1 + off + 1e-6)  # from below
        q = 6.518 * 1.5**2 * self.m / self.d * math.log(self.m / 0.01) / found.lambda_min
        assert found.n_pairs == pytest.approx(q, rel=1e-4)
        G_squared = 1 / 3 + 2 / 3 * 1.5**2 / self.d
        assert found.n_steps == pytest.approx(2 * found.label_norm_squared * G_squared / share, abs=1, rel=1e-6)

    def test_orthogonal_points_are_no_trouble_and_noise_is_no_eigenvalue(self):
        y = np.array([1.0, -1.0] * 6)
        found = self.computed(np.eye(12), y)  # K = I/2
        assert isinstance(found, worst_case.WorstCase)
        assert found.lambda_min == pytest.approx(0.5, rel=1e-9)
        assert found.lambda_min <= 0.5
        near = np.linspace(0, 1e-9, 12)  # distances of 1e-10, and a smooth kernel: 60 digits would be needed
        X = np.stack([np.cos(near), np.sin(near)], axis=1)
        assert self.computed(X, y, activation="erf") in (
            "the expected kernel is singular on this sample",
            "the expected kernel is too ill-conditioned on this sample",
        )

    def test_every_activation_has_an_expected_kernel(self):
        X, y = self.sample()
        found = self.computed(X, y, activation="erf")
        rho = np.clip(X.astype(np.float64) @ X.T.astype(np.float64), -1, 1)
        K = rho * 4 / np.pi / np.sqrt(9 - 4 * rho**2)  # <x,z> E erf'(u) erf'(v), Williams (1997)
        expected = y.astype(np.float64) @ np.linalg.solve(K, y.astype(np.float64))
        assert isinstance(found, worst_case.WorstCase)
        assert found.label_norm_squared == pytest.approx(expected, rel=1e-5)

    @pytest.mark.slow
    def test_large_samples_are_extrapolated_from_subsamples(self, monkeypatch):
        """Within four errors of the whole sample; no subsample alone would be."""
        rng = np.random.default_rng(2)
        X, y = oracle.sphere(rng, 1024, 12), rng.choice([-1.0, 1.0], 1024)
        whole = self.computed(X, y)
        monkeypatch.setattr(worst_case, "LARGEST_SAMPLE", 1023)
        monkeypatch.setattr(worst_case, "SUBSAMPLES", (128, 256, 512))
        found = self.computed(X, y)
        assert isinstance(whole, worst_case.WorstCase)
        assert isinstance(found, worst_case.WorstCase)
        assert whole.lambda_min_error is whole.label_norm_squared_error is None
        for name in ("lambda_min", "label_norm_squared"):
            exact, estimate, error = getattr(whole, name), getattr(found, name), getattr(found, f"{name}_error")
            assert 0 < error < 0.5 * exact
            assert abs(estimate - exact) < 4 * error
            part = getattr(worst_case._measured(X[:512], y[:512], activations.get("relu"), 0), name)
            assert abs(part - exact) > 4 * error or abs(part - exact) > 2 * abs(estimate - exact)

    def test_one_line_says_why_it_was_not_computed(self, monkeypatch):
        X, y = self.sample()
        twice = np.concatenate([X, X[:1]]), np.append(y, y[0])
        assert self.computed(*twice) in (
            "the expected kernel is singular on this sample",
            "the expected kernel is too ill-conditioned on this sample",
        )
        monkeypatch.setattr(worst_case, "LARGEST_SAMPLE", 39)
        monkeypatch.setattr(worst_case, "SUBSAMPLES", (10, 20, 40))
        assert self.computed(np.concatenate([X, X]), np.concatenate([y, y])) in (  # a subsample of 40 of 80 has pairs
            "the expected kernel is singular on this sample",
            "the expected kernel is too ill-conditioned on this sample",
        )
