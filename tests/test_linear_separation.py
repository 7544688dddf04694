"""Whether a linear predictor separates a sample, against a linear program and Cover's count."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from tightwidth import activations
from tightwidth.activations import Activation
from tightwidth.linear_separation import is_affine, margin_bound, no_width_can
from tightwidth.sampling import random_points
from tightwidth.theorems.lower_bounds import separable_share

IDENTITY = activations.get("identity")
SHIFTED = Activation("shifted", lambda x: x + 0.5, jnp.ones_like, C=1, H=0)
CONSTANT = Activation("constant", jnp.ones_like, jnp.zeros_like, C=0, H=0)


def is_separable(X, y):
    """Decide by a linear program: some v has y_i <v, x_i> >= 1 for all i."""
    found = linprog(np.zeros(X.shape[1]), A_ub=-(y[:, None] * X), b_ub=-np.ones(len(X)), bounds=(None, None))
    return found.status == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "d"), [(12, 6), (12, 4), (40, 20), (6, 6)])
def test_against_a_linear_program(m, d, dtype):
    separable = []
    for seed in range(20):
        X, y = random_points(m, d, seed=seed, dtype=dtype)
        separable.append(is_separable(X.astype(np.float64), y))
        assert no_width_can(X, y, IDENTITY, math.inf) != separable[-1]
        assert no_width_can(X, y, IDENTITY, 1.0) != separable[-1]
    if separable_share(m, d) == 1:
        assert all(separable)
    else:
        assert 0 < sum(separable) < 20, "both answers are there"


def test_the_bound_is_the_margin():
    rng = np.random.default_rng(0)
    v = rng.standard_normal(5)
    X = rng.standard_normal((30, 5))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.sign(X @ v)
    bound = margin_bound(X, y)
    for _ in range(200):
        other = v + rng.standard_normal(5)
        assert np.min(y * (X @ other)) / np.linalg.norm(other) <= bound
    assert np.min(y * (X @ v)) / np.linalg.norm(v) > 0


def test_only_affine_activations_are_concerned():
    assert {name for name in activations.DECENT if is_affine(activations.get(name))} == {"identity"}
    assert is_affine(activations.leaky_relu(1.0))
    assert is_affine(activations.monomial(0))
    X, y = random_points(64, 4, seed=0)
    assert no_width_can(X, y, IDENTITY, math.inf)
    for name in activations.DECENT:
        assert no_width_can(X, y, activations.get(name), 1.0) == (name == "identity")
    broken = dataclasses.replace(IDENTITY, breaks=(0.0,))
    assert not no_width_can(X, y, broken, 1.0)


def test_a_constant_gives_the_network_a_threshold_and_its_limit_none():
    X = np.array([[np.cos(t), np.sin(t)] for t in (-0.5, 0.0, 0.5, 2.0, 3.0, 4.0)])
    y = np.array([-1.0, 1.0, -1.0, -1.0, -1.0, -1.0])  # only a line off the origin cuts one point off
    assert no_width_can(X, y, IDENTITY, 1.0)
    assert no_width_can(X, y, SHIFTED, math.inf)
    assert not no_width_can(X, y, SHIFTED, 1.0)
    for B in (1.0, math.inf):
        assert no_width_can(X, y, CONSTANT, B)


def test_what_is_not_decided_is_not_claimed(monkeypatch):
    def too_long(*_):
        raise RuntimeError

    monkeypatch.setattr("scipy.optimize.nnls", too_long)
    X, y = random_points(64, 4, seed=0)
    assert not no_width_can(X, y, IDENTITY, math.inf)
