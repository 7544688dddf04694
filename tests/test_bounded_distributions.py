"""Section A.5: R of random points, its limit, and the bounds that hold with a stated probability."""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

import oracles
from certificate_oracles import least_failures
from thresholds import FAILURE
from tightwidth.errors import HypothesisError
from tightwidth.theorems import a5_bounded_distributions as a5

SIZES = list(itertools.product([1, 7, 64, 1000, 10**6], [2, 16, 300]))


def basis_vectors(rng, m, d):
    """Return m of the 2 d vectors ``+-e_i``: R = 1 like the cube, but R_S^2 is d/m times the largest count."""
    return np.eye(d)[rng.integers(d, size=m)] * rng.choice([-1.0, 1.0], (m, 1))


def cube(rng, m, d):
    return rng.choice([-1.0, 1.0], (m, d)) / math.sqrt(d)


def test_the_sphere_and_the_cube_have_R_1():
    assert a5.R_UNIFORM_SPHERE == a5.R_DISCRETE_CUBE == 1
    every_corner = np.array(list(itertools.product([-1.0, 1.0], repeat=5))) / math.sqrt(5)
    assert oracles.exact_R(every_corner) == pytest.approx(1)


class TestLimit:
    def test_is_that_of_marchenko_and_pastur(self):
        m, d = 2000, 200
        # The largest singular value is 1-Lipschitz in the rows, so by concentration on the sphere it is off its mean by
        # more than t with probability 2 exp(-(d - 1) t^2 / 2); the mean is off the limit by about m^{-2/3}.
        t = np.sqrt(2 * np.log(2 / FAILURE) / (d - 1))
        threshold = np.sqrt(d / m) * t + 0.02
        seen = oracles.exact_R(oracles.sphere(np.random.default_rng(0), m, d))
        assert abs(seen - a5.random_points_limit(m, d)) < threshold
        for wrong in (1 + d / m, np.sqrt(1 + d / m), 1.0, 1 + 2 * np.sqrt(d / m)):
            assert abs(seen - wrong) > threshold

    def test_is_at_most_that_of_a_single_point(self):
        assert a5.random_points_limit(4, 4) == 2 == a5.random_points_limit(1, 4)
        assert a5.random_points_limit(10**9, 4) == pytest.approx(1, abs=1e-4)


class TestMeanSquare:
    def test_is_what_samples_have_in_the_mean(self):
        m = d = 100
        n_draws = 1000
        rng = np.random.default_rng(5)
        seen = np.array([oracles.exact_R(oracles.sphere(rng, m, d)) ** 2 for _ in range(n_draws)])
        error = stats.t.isf(FAILURE / 2, n_draws - 1) * seen.std(ddof=1) / math.sqrt(n_draws)
        threshold = error + seen.mean() / min(m, d)  # and what the approximation leaves out
        expected = a5.random_points_mean_square(m, d)
        assert abs(seen.mean() - expected) < threshold
        edge, one_norm = 4.0, 2 / math.sqrt(m * d) * 4.0
        johnstone = (math.sqrt(m - 1) + math.sqrt(d)) ** 2 / m
        for wrong in (
            edge,
            expected + one_norm,  # Gaussian rows
            expected - one_norm,  # the sign of the correction
            johnstone - one_norm,  # no law of Tracy and Widom
            2 * expected - (johnstone - one_norm),  # twice its mean
        ):
            assert abs(seen.mean() - wrong) > threshold

    def test_tends_to_the_limit_and_stays_between_1_and_d(self):
        for m, d in ((10**6, 100), (10**8, 10**4), (10**4, 10**4)):
            assert a5.random_points_mean_square(m, d) == pytest.approx(a5.random_points_limit(m, d) ** 2, rel=3e-3)
        assert a5.random_points_mean_square(2, 1) == 1
        assert 1 <= a5.random_points_mean_square(2, 3) <= 3


class TestBound:
    @pytest.mark.parametrize(
        ("draw", "uniform"), [(oracles.sphere, True), (oracles.sphere, False), (cube, False), (basis_vectors, False)]
    )
    @pytest.mark.parametrize(("m", "d"), [(40, 16), (400, 16), (30, 60)])
    def test_fails_no_more_often_than_delta(self, draw, uniform, m, d):
        delta, n_draws = 0.05, 400
        rng = np.random.default_rng(m)
        seen = np.array([oracles.exact_R(draw(rng, m, d)) for _ in range(n_draws)])
        allowed = least_failures(n_draws, delta, FAILURE)  # exceeded with this probability if delta were attained
        assert np.sum(seen > a5.random_points_bound(m, d, delta=delta, uniform=uniform)) <= allowed
        if uniform:
            deviation = math.sqrt(2 * math.log(1 / delta) / m)
            for wrong in (1 + deviation, math.sqrt(1 + d / m)):  # without sqrt(d/m); as if the squares added up
                assert np.sum(seen > wrong) > allowed

    def test_the_number_of_directions_counts(self):
        m, d, delta, n_draws = 128, 64, 0.05, 400
        rng = np.random.default_rng(1)
        seen = np.array([oracles.exact_R(basis_vectors(rng, m, d)) for _ in range(n_draws)])
        allowed = least_failures(n_draws, delta, FAILURE)
        assert np.sum(seen > a5.random_points_bound(m, d, delta=delta)) <= allowed
        # the tail of one direction alone, that is without the factor d: the formula with delta d for delta
        assert np.sum(seen > a5.chernoff_bound(m, d, delta=delta * d, R=1.0)) > allowed

    def test_a_distribution_with_a_larger_R(self):
        m, d, delta, n_draws, R = 60, 9, 0.05, 400, 2.0
        rng = np.random.default_rng(2)

        def draw():
            # x = e_1 with probability p, else uniform on the rest: E x_1^2 = p = R^2/d
            rest = np.hstack([np.zeros((m, 1)), oracles.sphere(rng, m, d - 1)])
            return np.where(rng.random((m, 1)) < R**2 / d, np.eye(d)[:1], rest)

        seen = np.array([oracles.exact_R(draw()) for _ in range(n_draws)])
        allowed = least_failures(n_draws, delta, FAILURE)
        assert np.sum(seen > a5.random_points_bound(m, d, delta=delta, R=R)) <= allowed
        for wrong in (R, a5.random_points_bound(m, d, delta=delta)):  # R_S is not R; R does count
            assert np.sum(seen > wrong) > allowed

    @pytest.mark.parametrize(("m", "d"), SIZES)
    @pytest.mark.parametrize("delta", [0.5, 1e-3, 1e-12])
    def test_chernoff_solves_its_equation(self, m, d, delta):
        for R in (1.0, math.sqrt(d)):
            u = (a5.chernoff_bound(m, d, delta=delta, R=R) / R) ** 2
            # u ln u - u + 1 is the integral of ln over [1, u], and so that of s e^s over [0, ln u]
            nodes, weights = np.polynomial.legendre.leggauss(40)
            s = math.log(u) / 2 * (1 + nodes)
            exponent = math.log(u) / 2 * float(weights @ (s * np.exp(s)))
            assert m * R**2 / d * exponent == pytest.approx(math.log(d / delta), rel=1e-6)

    def test_the_mean_norm_of_a_gaussian_vector_is_at_least_the_root_of_d_minus_one_half(self):
        d = np.arange(1, 2001)
        mean = math.sqrt(2) * np.exp(gammaln((d + 1) / 2) - gammaln(d / 2))
        assert np.all(mean >= np.sqrt(d - 0.5))
        assert np.all(mean < np.sqrt(d - 0.5 + 1 / (7 * d)))  # so that nothing is lost

    @pytest.mark.parametrize(("m", "d"), SIZES)
    def test_monotone_and_in_range(self, m, d):
        for uniform in (False, True):
            bound = a5.random_points_bound(m, d, delta=0.01, uniform=uniform)
            assert 1 <= bound <= math.sqrt(d)
            assert a5.random_points_bound(2 * m, d, delta=0.01, uniform=uniform) <= bound
            assert a5.random_points_bound(m, d, delta=0.001, uniform=uniform) >= bound
            assert a5.random_points_bound(m, 2 * d, delta=0.01, uniform=uniform) >= bound
            assert uniform or a5.random_points_bound(m, d, delta=0.01, R=1.2) >= bound

    def test_tends_to_the_limit(self):
        m, d = 10**8, 10**6
        bound = a5.random_points_bound(m, d, delta=1e-6, uniform=True)
        assert a5.random_points_limit(m, d) < bound < a5.random_points_limit(m, d) + 1e-3


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("d", [2, 16, 300])
@pytest.mark.parametrize("R_target", [1.0001, 1.05, 1.3, 2.0, 5.0])
def test_the_number_of_points_is_the_inverse_of_the_bound(R_target, d, uniform):
    for delta in (0.1, 1e-9):
        m = a5.sufficient_points(R_target, d, delta, uniform=uniform)
        assert a5.random_points_bound(m, d, delta=delta, uniform=uniform) <= R_target
        fewer = m - math.ceil(m * 1e-6)  # one less, or as many as change a bound by more than its rounding
        assert fewer == 0 or a5.random_points_bound(fewer, d, delta=delta, uniform=uniform) > R_target
    assert m <= a5.sufficient_points(R_target, d, delta)


def test_any_sample_has_the_R_of_a_single_point():
    assert a5.sufficient_points(4.0, 16, 0.1) == 1 == a5.sufficient_points(4.0, 16, 0.1, R=4.0)


def test_refusals():
    for call, text in (
        (lambda: a5.random_points_limit(0, 3), "m=0 must be at least 1 and finite"),
        (lambda: a5.random_points_mean_square(0, 3), "m=0 must be at least 1 and finite"),
        (lambda: a5.random_points_mean_square(3, 0), "d=0 must be at least 1 and finite"),
        (lambda: a5.random_points_mean_square(1, 3), "m=1: the approximation is one for many points; give m >= 2"),
        (lambda: a5.random_points_bound(0, 3, delta=0.1), "m=0 must be at least 1 and finite"),
        (lambda: a5.random_points_bound(5, 0, delta=0.1), "d=0 must be at least 1 and finite"),
        (lambda: a5.random_points_bound(5, 3, delta=1.0), "delta=1 must lie strictly between 0 and 1"),
        (lambda: a5.random_points_bound(5, 4, delta=0.1, R=3.0), "R=3 must lie in [1, sqrt(d)=2]"),
        (
            lambda: a5.random_points_bound(5, 4, delta=0.1, R=1.5, uniform=True),
            "R=1.5 was given for the uniform sphere, which has R=1; leave R or uniform out",
        ),
        (
            lambda: a5.sufficient_points(1.5, 9, 0.1, R=1.5),
            "R_target=1.5 must be above R=1.5 of the distribution, to which R_S of samples tends; raise it",
        ),
        (lambda: a5.sufficient_points(math.nan, 9, 0.1), "R_target=nan must be above R=1"),
        (lambda: a5.sufficient_points(1 + 1e-10, 9, 0.1), "R_target=1 asks for more than 1e+18 points; raise it"),
    ):
        with pytest.raises(HypothesisError, match=re.escape(text)):
            call()
