"""Theorem 4 with its constant: sizing and bound, and the error of f_omega as measured on four distributions."""

import functools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import roots_gegenbauer
from sklearn.datasets import load_digits

import oracles
from thresholds import FAILURE
from tightwidth.errors import HypothesisError
from tightwidth.theorems import cor3_random_features as cor3
from tightwidth.theorems import thm4_vector_features as thm4

GIVEN = thm4.Hypotheses(norm=7.0, R=1.3, C=0.9, d=20, L=1.5)


class TestNumbers:
    def test_the_formulas(self):
        squared = 1.3**2 * 0.9**2 * 7**2 / (12 * 20)
        assert thm4.squared_error(GIVEN, q=12) == pytest.approx(squared, rel=1e-14)
        assert thm4.error(GIVEN, q=12) == pytest.approx(math.sqrt(squared), rel=1e-14)
        assert thm4.bound(GIVEN, q=12) == pytest.approx(1.5 * math.sqrt(squared), rel=1e-14)

    @pytest.mark.parametrize("target", [20.0, 0.5, 0.1, 1e-3, 1e-7])
    def test_bound_and_sizing_are_inverse(self, target):
        q = thm4.sufficient_pairs(GIVEN, excess=target)
        assert thm4.bound(GIVEN, q=q) <= target
        assert q == 1 or thm4.bound(GIVEN, q=q - 1) > target
        assert q == thm4.sufficient_pairs_for_error(GIVEN, error=target / 1.5)

    def test_every_width_is_found_from_its_own_bound(self):
        for q in (1, 2, 3, 7, 100, 12345, 10**9 + 7):
            assert thm4.sufficient_pairs(GIVEN, excess=thm4.bound(GIVEN, q=q)) in (q, q + 1)  # the division by L rounds
            assert thm4.sufficient_pairs_for_error(GIVEN, error=thm4.error(GIVEN, q=q)) == q

    def test_monotone(self):
        q, bound = thm4.sufficient_pairs(GIVEN, excess=0.1), thm4.bound(GIVEN, q=50)
        for change in ({"norm": 8.0}, {"R": 1.5}, {"C": 1.0}, {"d": 15}, {"L": 2.0}):
            assert thm4.sufficient_pairs(replace(GIVEN, **change), excess=0.1) > q
            assert thm4.bound(replace(GIVEN, **change), q=50) > bound
        assert thm4.bound(GIVEN, q=51) < bound
        assert thm4.sufficient_pairs(GIVEN, excess=0.09) > q

    def test_the_saving_is_what_corollary_3_lacks(self):
        for given in (GIVEN, replace(GIVEN, R=1.0), replace(GIVEN, R=math.sqrt(20))):
            scalar = cor3.Hypotheses(given.norm, given.C, given.L)
            ratio = cor3.squared_error(scalar, q=9) / thm4.squared_error(given, q=9)
            assert thm4.saving(given) == pytest.approx(ratio)
        assert thm4.saving(replace(GIVEN, R=1.0)) == 20
        assert thm4.saving(replace(GIVEN, R=math.sqrt(20))) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"norm": -1.0}, "norm=-1 must be positive and finite"),
            ({"R": 0.5}, "R=0.5 must lie in [1, sqrt(d)=4.47214]"),
            ({"R": 5.0}, "R=5 must lie in [1, sqrt(d)=4.47214]"),
            ({"d": 0}, "d=0 must be at least 1 and finite"),
            ({"C": 0.0}, "C=0 must be positive and finite: a bounded scheme of features that are not all 0"),
            ({"L": math.inf}, "L=inf must be positive and finite: a Lipschitz loss"),
        ],
    )
    def test_hypotheses_are_checked(self, change, text):
        with pytest.raises(HypothesisError, match=re.escape(text)):
            replace(GIVEN, **change)

    def test_refusals(self):
        with pytest.raises(HypothesisError, match="q=0 must be at least 1 and finite"):
            thm4.bound(GIVEN, q=0)
        with pytest.raises(HypothesisError, match="excess=0 must be positive and finite"):
            thm4.sufficient_pairs(GIVEN, excess=0.0)
        with pytest.raises(HypothesisError, match="error=inf must be positive and finite"):
            thm4.sufficient_pairs_for_error(GIVEN, error=math.inf)
        with pytest.raises(HypothesisError, match=re.escape("excess=1e-09 asks for more than 1e+18 pairs; raise it")):
            thm4.sufficient_pairs(GIVEN, excess=1e-9)


# The error of f_omega, by a transcription of the definition in NumPy

SIGMA_PRIME = {
    "relu": lambda z: (z > 0).astype(float),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "erf": lambda z: 2 / math.sqrt(math.pi) * np.exp(-z * z),
}
C = {"relu": 1.0, "tanh": 1.0, "erf": 2 / math.sqrt(math.pi)}
WIDTHS = [16, 48, 160]
N_POINTS, N_CENTRES = 256, 6


def kernel(activation, rho):
    """Return ``rho E sigma'(u) sigma'(v)``: closed forms, and for tanh Gauss-Hermite quadrature with 60 x 60 nodes."""
    rho = np.clip(rho, -1, 1)
    if activation == "relu":
        return rho * (math.pi - np.arccos(rho)) / (2 * math.pi)
    if activation == "erf":
        return rho * 4 / math.pi / np.sqrt(9 - 4 * rho**2)
    u, w = np.polynomial.hermite_e.hermegauss(60)
    w = w * SIGMA_PRIME[activation](u) / w.sum()
    r = rho[..., None, None]
    v = SIGMA_PRIME[activation](r * u[:, None] + np.sqrt(1 - r * r) * u)
    return rho * np.einsum("i,j,...ij->...", w, w / SIGMA_PRIME[activation](u), v)


def points(name, d=32):
    """Return a sample that plays the part of the distribution, [n, d], the same in every call."""
    rng = np.random.default_rng(1)
    if name == "uniform sphere":
        return oracles.sphere(rng, N_POINTS, d)
    if name == "discrete cube":
        return rng.choice([-1.0, 1.0], (N_POINTS, d)) / math.sqrt(d)
    if name == "clustered":
        near = np.eye(d)[0] + rng.standard_normal((N_POINTS, d)) * 0.6 / math.sqrt(d)
    else:
        digits = np.asarray(load_digits(return_X_y=True)[0])
        spread = digits.std(axis=0)
        near = (digits - digits.mean(axis=0)) / np.where(spread > 0, spread, 1)
        near = near[rng.choice(len(near), N_POINTS, replace=False)]
    return near / np.linalg.norm(near, axis=1, keepdims=True)


def ratios(activation, X, centres, alpha, q, n_draws, seed=0):
    """Return ``||f - f_omega||^2 q d / (R^2 C^2 ||f||^2)`` on the rows of X for each draw, with R and d."""
    (n, d), R = X.shape, oracles.exact_R(X)
    prime = SIGMA_PRIME[activation]
    norm_squared = alpha @ kernel(activation, centres @ centres.T) @ alpha
    f = kernel(activation, X @ centres.T) @ alpha
    rng, errors = np.random.default_rng([seed, q]), []
    for _ in range(0, n_draws, 50):
        W = rng.standard_normal((50 * q, d))
        f_check = (prime(W @ centres.T) * alpha) @ centres  # sum_j alpha_j psi(w_i, x_j)
        terms = prime(W @ X.T) * (f_check @ X.T)  # <f_check(w_i), psi(w_i, x)>
        errors.append((((terms.reshape(50, q, n).mean(axis=1)) - f) ** 2).mean(axis=1))
    return np.concatenate(errors) * q * d / (R**2 * C[activation] ** 2 * norm_squared), R, d


@functools.cache
def measured(name, activation, q, n_draws):
    X = points(name)
    alpha = np.random.default_rng(2).standard_normal(N_CENTRES)
    return ratios(activation, X, X[:N_CENTRES], alpha, q, n_draws)


def standard_errors(n_draws, n_checks):
    """Return how many standard errors a mean of this many draws may be off, two-sided, at FAILURE in all.

    By Student's law; squared errors are averages of many terms, and their means over 100 draws nearly normal.
    """
    return float(stats.t.isf(FAILURE / (2 * n_checks), n_draws - 1))


def check(name, activation, n_draws):
    """Compare the measured errors with the bound and with each other."""
    k = standard_errors(n_draws, 3 * len(WIDTHS))
    means, errors = [], []
    for q in WIDTHS:
        found, R, d = measured(name, activation, q, n_draws)
        mean, error = float(found.mean()), float(found.std(ddof=1)) / math.sqrt(n_draws)
        means.append(mean)
        errors.append(error)
        assert mean + k * error < 1  # the theorem, with room for the error of the measurement
        assert mean - k * error > 1 / d  # the factor d cannot be saved twice
        if name in ("clustered", "digits") and activation == "relu":
            assert (mean - k * error) * R**2 > 1  # without R^2 the bound is false
    pooled = float(np.average(means, weights=1 / np.square(errors)))
    for mean, error in zip(means, errors, strict=True):
        assert abs(mean - pooled) < k * error  # flat in q: the difference varies less than the mean
    # had the error another power of q, 1/sqrt(q) or 1/q^2, the ratio would change by sqrt(10) or by 10
    assert max(means) < math.sqrt(WIDTHS[-1] / WIDTHS[0]) * min(means)


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
@pytest.mark.parametrize("name", ["uniform sphere", "discrete cube", "clustered", "digits"])
def test_the_error_is_below_the_bound_and_falls_like_1_over_q(name, activation):
    # in a cluster the errors have one direction and vary more from draw to draw
    check(name, activation, n_draws=200 if name == "clustered" else 100)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
@pytest.mark.parametrize("name", ["uniform sphere", "discrete cube", "clustered", "digits"])
def test_the_same_with_a_standard_error_of_a_few_percent(name, activation):
    check(name, activation, n_draws=1000)
    for q in WIDTHS:
        found, _, _ = measured(name, activation, q, 1000)
        assert found.std(ddof=1) / math.sqrt(1000) < 0.05 * found.mean()


@pytest.mark.parametrize("d", [8, 16, 32, 64, 128])
def test_the_error_falls_like_1_over_d(d):
    n, n_draws, q = 1024, 100, 16
    X = oracles.sphere(np.random.default_rng(d), n, d)
    centre = np.eye(d)[:1]
    found, R, _ = ratios("relu", X, centre, np.ones(1), q, n_draws)
    rho = X[:, 0]
    a = (math.pi - np.arccos(rho)) / (2 * math.pi)  # P(both gates are open)
    # On this sample q E ||f - f_omega||^2 is the mean of rho^2 a (1 - a), and ||f||^2 is 1/2.
    exact = float(np.mean(rho**2 * a * (1 - a))) * 2 * d / R**2
    error = found.std(ddof=1) / math.sqrt(n_draws)
    assert abs(found.mean() - exact) < standard_errors(n_draws, 5) * error
    # On the sphere itself rho has the density (1 - rho^2)^((d-3)/2), and a (1 - a) is 3/16 less about rho^2/(4 pi^2) in
    # the mean over the sign: the ratio is 3/8 - O(1/d), flat.
    nodes, weights = roots_gegenbauer(200, d / 2 - 1)
    a = (math.pi - np.arccos(nodes)) / (2 * math.pi)
    in_mean = 2 * d * float(weights @ (nodes**2 * a * (1 - a))) / float(weights.sum())
    assert in_mean == pytest.approx(3 / 8 - 3 / (2 * math.pi**2 * (d + 2)), rel=0.01)
    # rho^2 has the standard deviation sqrt(2)/d at most, and a (1 - a) <= 1/4; the mean over n points is nearly normal
    sampling = 2 * d * 0.25 * math.sqrt(2) / d / math.sqrt(n)
    assert abs(exact * R**2 - in_mean) < standard_errors(n, 5) * sampling


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
@pytest.mark.parametrize(("signs", "share"), [([1.0], 1.0), ([1.0, -1.0], 0.5)])
def test_on_a_line_the_saving_vanishes(activation, signs, share):
    d, q, n_draws = 64, 16, 1000
    x = oracles.sphere(np.random.default_rng(0), 1, d)
    found, R, _ = ratios(activation, np.array(signs)[:, None] * x, x, np.ones(1), q, n_draws)
    assert pytest.approx(math.sqrt(d)) == R
    # the variance of sigma'(g)^2 at x; at -x it is that of sigma'(g) sigma'(-g), 0 for relu
    g, w = np.polynomial.hermite_e.hermegauss(200)
    s = SIGMA_PRIME[activation](g)
    w = w / w.sum()
    second = 0.5 if activation == "relu" else float(w @ s**2)
    fourth = 0.5 if activation == "relu" else float(w @ s**4)
    exact = (fourth - second**2) / (C[activation] ** 2 * second)
    exact *= share if activation == "relu" else 1.0
    error = found.std(ddof=1) / math.sqrt(n_draws)
    assert abs(found.mean() - exact) < standard_errors(n_draws, 6) * error
    # of the order of Corollary 3, and far above what the saving of a bounded distribution would leave of it
    assert 1 / 10 < exact < 1
    assert found.mean() > 6 / d
