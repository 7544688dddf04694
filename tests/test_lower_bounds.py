"""The orders of magnitude of section 1, Cover's exact count, and the table of earlier results."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

import oracles
from tightwidth.errors import HypothesisError
from tightwidth.theorems import lower_bounds, prior_work


def cover(m: int, n: int) -> Fraction:
    return Fraction(2 * sum(math.comb(m - 1, k) for k in range(n)), 2**m)


def test_orders_of_magnitude():
    assert lower_bounds.parameters_to_learn(12.0) == 144
    assert lower_bounds.parameters_to_memorize(500) == 500
    assert lower_bounds.even_chance_features(501) == 250.5


@pytest.mark.parametrize("m", [1, 2, 3, 10, 57, 400])
def test_the_share_is_that_of_the_sum(m):
    for n in sorted({1, 2, 3, m // 2, m - 1, m, m + 5} - {0}):
        assert lower_bounds.separable_share(m, n) == pytest.approx(float(cover(m, n)), rel=1e-9)


def test_landmarks():
    for m in (2, 10, 1000, 10**6, 10**9):
        assert lower_bounds.separable_share(m, int(lower_bounds.even_chance_features(m))) == pytest.approx(0.5)
        assert lower_bounds.separable_share(m, m) == 1
    m = 10_000
    shares = [lower_bounds.separable_share(m, m // 2 + offset) for offset in (-400, -100, 0, 100, 400)]
    assert shares == sorted(shares)
    assert shares[0] < 1e-14
    assert shares[-1] > 1 - 1e-14


@pytest.mark.parametrize(("m", "n"), [(6, 3), (7, 3), (6, 2)])
def test_the_share_is_that_of_the_labels_that_a_linear_program_separates(m, n):
    X = oracles.sphere(np.random.default_rng(5), m, n)
    separable = sum(
        linprog(np.zeros(n), A_ub=-np.array(y)[:, None] * X, b_ub=-np.ones(m), bounds=(None, None)).status == 0
        for y in itertools.product([-1.0, 1.0], repeat=m)
    )
    assert separable / 2**m == lower_bounds.separable_share(m, n)
    for wrong in (cover(m, n + 1), cover(m, n - 1), cover(m + 1, n)):  # a free offset, one off, one off
        assert separable / 2**m != float(wrong)


def test_refusals():
    with pytest.raises(HypothesisError, match="norm=0 must be positive and finite"):
        lower_bounds.parameters_to_learn(0.0)
    for function in (lower_bounds.parameters_to_memorize, lower_bounds.even_chance_features, prior_work.parameters):
        with pytest.raises(HypothesisError, match="m=0 must be at least 1 and finite"):
            function(0)
    with pytest.raises(HypothesisError, match="n=0 must be at least 1 and finite"):
        lower_bounds.separable_share(5, 0)
    with pytest.raises(HypothesisError, match="m=0 must be at least 1 and finite"):
        lower_bounds.separable_share(0, 5)


def test_earlier_results_are_those_of_section_1_1():
    assert [entry.exponent for entry in prior_work.RESULTS] == [24, 8, 6, 6, 4, 2, 2, 1]
    by_name = dict(prior_work.parameters(10))
    assert by_name == {
        "Allen-Zhu et al. (2018)": 1e24,
        "Zou and Gu (2019)": 1e8,
        "Du et al. (2018a)": 1e6,
        "Wu et al. (2019)": 1e6,
        "Du et al. (2018b)": 1e4,
        "Song and Yang (2019)": 1e2,
        "Oymak and Soltanolkotabi (2019)": 1e2,
        "Daniely (2020)": 10.0,
    }
    assert [n for _, n in prior_work.parameters(10**14)][0::7] == [math.inf, 1e14]
    assert [n for _, n in prior_work.parameters(1)] == [1.0] * 8
