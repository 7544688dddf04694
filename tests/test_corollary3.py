"""Corollary 3 with its constant: bound and sizing are inverse, and the bound holds at every point and is attained."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import oracles
from thresholds import bernstein
from tightwidth.errors import HypothesisError
from tightwidth.theorems import cor3_random_features as cor3

GIVEN = cor3.Hypotheses(norm=7.0, C=0.9, L=1.5)


def test_the_formulas():
    assert cor3.squared_error(GIVEN, q=12) == pytest.approx(0.81 * 49 / 12, rel=1e-14)
    assert cor3.error(GIVEN, q=12) == pytest.approx(math.sqrt(0.81 * 49 / 12), rel=1e-14)
    assert cor3.excess_loss(GIVEN, q=12) == pytest.approx(1.5 * math.sqrt(0.81 * 49 / 12), rel=1e-14)


@pytest.mark.parametrize("target", [20.0, 0.5, 0.1, 1e-3, 6.3 / 10, 6.3 / 1000])
def test_bound_and_sizing_are_inverse(target):
    q = cor3.sufficient_features(GIVEN, error=target)
    assert cor3.error(GIVEN, q=q) <= target
    assert q == 1 or cor3.error(GIVEN, q=q - 1) > target
    for_loss = cor3.sufficient_features_for_loss(GIVEN, excess=target)
    assert for_loss == cor3.sufficient_features(GIVEN, error=target / 1.5)


def test_every_width_is_found_from_its_own_error():
    for q in (1, 2, 3, 7, 100, 12345, 10**9 + 7):
        assert cor3.sufficient_features(GIVEN, error=cor3.error(GIVEN, q=q)) == q


def test_monotone():
    q, bound = cor3.sufficient_features_for_loss(GIVEN, excess=0.1), cor3.excess_loss(GIVEN, q=50)
    for change in ({"norm": 8.0}, {"C": 1.0}, {"L": 2.0}):
        assert cor3.sufficient_features_for_loss(replace(GIVEN, **change), excess=0.1) > q
        assert cor3.excess_loss(replace(GIVEN, **change), q=50) > bound
    assert cor3.excess_loss(GIVEN, q=51) < bound
    assert cor3.sufficient_features_for_loss(GIVEN, excess=0.09) > q


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"norm": 0.0}, "norm=0 must be positive and finite"),
        ({"norm": math.nan}, "norm=nan must be positive and finite"),
        ({"C": math.inf}, "C=inf must be positive and finite: a bounded scheme of features that are not all 0"),
        ({"L": -1.0}, "L=-1 must be positive and finite: a Lipschitz loss"),
    ],
)
def test_hypotheses_are_checked(change, text):
    with pytest.raises(HypothesisError, match=re.escape(text)):
        replace(GIVEN, **change)


def test_refusals():
    with pytest.raises(HypothesisError, match="q=0 must be at least 1 and finite"):
        cor3.squared_error(GIVEN, q=0)
    with pytest.raises(HypothesisError, match="error=0 must be positive and finite"):
        cor3.sufficient_features(GIVEN, error=0.0)
    with pytest.raises(HypothesisError, match="excess=-1 must be positive and finite"):
        cor3.sufficient_features_for_loss(GIVEN, excess=-1.0)
    with pytest.raises(HypothesisError, match=re.escape("error=1e-09 asks for more than 1e+18 features; raise it")):
        cor3.sufficient_features(GIVEN, error=1e-9)
    with pytest.raises(HypothesisError, match="excess=1e-300 asks for more than"):
        cor3.sufficient_features_for_loss(GIVEN, excess=1e-300)


def test_the_bound_holds_at_every_point_and_is_near_the_truth_at_a_centre():
    d, q, n_draws = 10, 8, 20_000
    rng = np.random.default_rng(0)
    X = oracles.sphere(rng, 6, d)
    norm = math.sqrt(0.5)  # of f = k(x_1, .) for relu: k(x, x) = 1/2
    rho = np.clip(X @ X[0], -1, 1)
    f = rho * (math.pi - np.arccos(rho)) / (2 * math.pi)
    gates = rng.standard_normal((n_draws * q, d)) @ X.T > 0
    f_omega = rho * (gates * gates[:, :1]).reshape(n_draws, q, -1).mean(axis=1)
    measured = ((f_omega - f) ** 2).mean(axis=0)
    bound = cor3.squared_error(cor3.Hypotheses(norm, 1.0), q=q)
    # squared errors lie in [0, 1] and have a mean of 1/32 or less, hence a variance of no more than that
    error = bernstein(n_draws, 1 / (4 * q), 1.0, n_checks=len(X))
    assert np.all(measured < bound + error)
    # at the centre the variance is a (1 - a) / q with a = 1/2: half of the bound
    assert abs(measured[0] - bound / 2) < error
    for wrong in (bound / d, bound / q, bound**2):
        assert measured[0] > wrong + error
