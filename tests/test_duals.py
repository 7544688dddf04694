"""Dual activations against published values, nested quadrature, and their own derivatives."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dual_oracles
from dual_families import CONTINUOUS, GROWING, NAMES, known, slow_where_integrated
from tightwidth import activations, duals
from tightwidth.errors import HypothesisError, InputError

PUBLISHED = json.loads((Path(__file__).parent / "published_duals.json").read_text())
NEAR = 2.0**-24  # the float32 next to 1 is 1 - NEAR
SINGLES = np.array([-1, -1 + NEAR, -0.96875, -0.5, 0, 0.1875, 0.8125, 1 - NEAR, 1])  # float32 numbers
GRID = np.sort([*SINGLES, -1 + 1e-9, -0.1, 0.7, 1 - 1e-9])


def truth(name, prime, rho):
    oracle = dual_oracles.dual_prime if prime else dual_oracles.dual
    return np.array([oracle(name, float(r)) for r in rho])


def of(name, prime):
    return (duals.dual_prime if prime else duals.dual)(known(name))


def scale_of(name, prime):
    return max(1.0, truth(name, prime, [1.0])[0])


def agree(seen, expected, tolerance):
    return bool(np.abs(np.asarray(seen, np.float64) - expected).max() <= tolerance)


BOTH = [(name, False) for name in NAMES] + [(name, True) for name in CONTINUOUS]


@pytest.mark.parametrize("name", PUBLISHED["values"])
def test_duals_are_the_published_ones(name):
    rho = np.array(PUBLISHED["rho"])
    tolerance = np.where(np.abs(rho) == 1, 1e-8, 1e-12)  # the published ones lose half of the digits at the ends
    table = PUBLISHED["values"][name]
    seen = {
        "sigma_hat": duals.dual(activations.get(name))(rho),
        "hidden_ntk": rho * duals.dual_prime(activations.get(name))(rho),
    }
    for column, values in seen.items():
        assert (np.abs(values - table[column]) <= tolerance).all()
        assert (np.abs(2 * values - table[column]) > tolerance).any()
    assert (np.abs(seen["sigma_hat"] - table["hidden_ntk"]) > tolerance).any()
    # the oracle itself, which all else is compared with
    assert (np.abs(truth(name, False, rho) - table["sigma_hat"]) <= tolerance).all()
    assert (np.abs(rho * truth(name, True, rho) - table["hidden_ntk"]) <= tolerance).all()


@pytest.mark.parametrize(("name", "prime"), slow_where_integrated(BOTH))
def test_a_dual_is_the_integral(name, prime):
    expected, scale = truth(name, prime, GRID), scale_of(name, prime)
    function = of(name, prime)
    seen = function(GRID)
    assert isinstance(seen, np.ndarray)
    assert seen.dtype == np.float64
    assert agree(seen, expected, 1e-12 * scale)
    # its own estimate of the error is honest and small
    assert agree(seen, expected, function.error + 1e-13 * scale)
    assert 0 <= function.error <= 1e-12 * scale
    # in single precision
    single = function(SINGLES.astype(np.float32))
    assert single.dtype == np.float32
    expected_single = truth(name, prime, SINGLES)
    assert agree(single, expected_single, 1e-6 * scale)
    # a factor, a normalisation, sigma for sigma', a Gaussian of another variance: none would pass
    if expected.any():
        for wrong in (2 * seen, seen / 2, seen / np.sqrt(2 * np.pi)):
            assert not agree(wrong, expected, 1e-6 * scale)
    if name in CONTINUOUS and name != "exp":  # which is its own derivative
        assert not agree(seen, truth(name, not prime, GRID), 1e-6 * scale)
    if not name.endswith(("_0", "step", "sign")) and (name, prime) not in CONSTANT:
        f = dual_oracles.derivative(name) if prime else dual_oracles.FAMILIES[name].sigma
        some = np.isin(GRID, (-0.5, 0.7))
        assert not agree(seen[some], [dual_oracles.pair(f, f, 2.0, 2.0, 2 * r) for r in (-0.5, 0.7)], 1e-6 * scale)


CONSTANT = {  # in the variance: sigma' of these depends on the sign alone
    (name, True) for name in ("relu", "leaky_relu", "leaky_relu_0.3", "abs", "identity")
} | {(name, True) for name in ("monomial_1", "rectified_monomial_1", "hermite_1")}


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_numbers_and_arrays_of_any_shape(name):
    function = duals.dual(known(name))
    at_half = dual_oracles.dual(name, -0.5)
    one = function(-0.5)
    assert np.shape(one) == ()
    assert np.asarray(one).dtype == np.float64
    assert one == pytest.approx(at_half, abs=1e-14)
    table = function(np.full((2, 3), -0.5))
    assert table.shape == (2, 3)
    np.testing.assert_allclose(table, at_half, atol=1e-14)
    whole = function(np.array([0, 1]))
    assert whole.dtype == np.float64
    assert agree(whole, truth(name, False, [0.0, 1.0]), 1e-14)
    with jax.enable_x64(True):
        traced = jax.jit(lambda r: function(r))(jnp.asarray([-0.5, 0.7], jnp.float64))
        assert isinstance(traced, jax.Array)
        assert agree(np.asarray(traced), truth(name, False, [-0.5, 0.7]), 1e-12)


PAIRS = np.array(  # variances, covariance
    [
        (0.25, 0.25, 0.1),
        (1.0, 1.0, -0.3),
        (1.0, 3.0, -1.2),
        (3.0, 3.0, 2.97),
        (0.25, 3.0, 0.5),
        (3.0, 0.25, -0.8),
        (0.25, 1.0, 0.5),  # the correlation is 1
        (3.0, 3.0, -3.0),  # and -1
        (3.0, 0.75, -0.75),  # and -1/2
    ]
)
SIMILAR = {"square", "monomial_1", "monomial_2", "monomial_5", "rectified_monomial_1", "rectified_monomial_3"}
SIMILAR |= {"rectified_monomial_4", "hermite_0", "hermite_1", "hermite_2", "hermite_5", "hermite_6", "leaky_relu_0.3"}


@pytest.mark.parametrize(("name", "prime"), slow_where_integrated([case for case in BOTH if case[0] not in SIMILAR]))
def test_pairs_of_any_variances(name, prime):
    oracle = dual_oracles.dual_prime_of_pair if prime else dual_oracles.dual_of_pair
    expected = np.array([oracle(name, *map(float, triple)) for triple in PAIRS])
    size = {v: oracle(name, v, v, v) for v in (0.25, 0.75, 1.0, 3.0)}
    scale = np.array([max(np.sqrt(size[a] * size[b]), 0.1) for a, b, _ in PAIRS])
    function = of(name, prime)
    seen = function.of_pairs(*PAIRS.T)
    assert seen.dtype == np.float64
    assert (np.abs(seen - expected) <= 1e-11 * scale).all()
    if expected.any():
        assert (np.abs(2 * seen - expected) > 1e-6 * scale).any()
    if (name, prime) not in CONSTANT and not name.endswith(("_0", "step", "sign")):  # taken for standard Gaussians
        assert abs(truth(name, prime, [-0.5])[0] - seen[-1]) > 1e-6 * scale[-1]


@pytest.mark.parametrize("name", ["relu", "erf", "tanh", "hard_tanh", "exp"])
def test_pairs_broadcast_and_may_have_no_variance(name):
    a, b = np.array([[0.0], [0.25], [2.0]]), np.array([0.0, 1.0])
    seen = duals.dual(known(name)).of_pairs(a, b, 0.0)
    assert seen.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        assert seen[i, j] == pytest.approx(dual_oracles.dual_of_pair(name, float(a[i, 0]), float(b[j]), 0.0), abs=1e-11)


SMOOTHLY = ["relu", "abs", "hard_tanh", "bent", "erf", "gelu", "tanh", "softplus", "sin", "cos", "exp", "gabor"]
SMOOTHLY += ["monomial_3", "rectified_monomial_2", "hermite_4", "affine_erf", "elu"]
SLOPES_AT = np.array([-1, -0.8, -0.1, 0.4, 0.9, 1])
INSIDE = SLOPES_AT[1:-1]


def slope_of_the_integral(name, rho, step=2e-3):
    """Return the derivative of the dual by differences of order 4; rounding and the rest give some 1e-11 each."""
    ends = [dual_oracles.dual(name, float(rho + k * step)) for k in (-2, -1, 1, 2)]
    return float(np.dot(ends, [1, -8, 8, -1]) / (12 * step))


@pytest.mark.parametrize("name", slow_where_integrated(SMOOTHLY))
def test_the_derivative_of_a_dual_is_the_dual_of_the_derivative(name):
    scale = scale_of(name, True)
    function = duals.dual(known(name))
    expected = truth(name, True, SLOPES_AT)
    by_differences = [slope_of_the_integral(name, rho) for rho in INSIDE]
    assert agree(by_differences, expected[1:-1], 1e-8 * scale)  # the oracle obeys the law
    assert agree(function.derivative()(SLOPES_AT), expected, 1e-12 * scale)
    with jax.enable_x64(True):
        seen = np.asarray(jax.vmap(jax.grad(lambda r: function(r)))(jnp.asarray(SLOPES_AT, jnp.float64)))
    assert agree(seen[1:-1], expected[1:-1], 1e-10 * scale)
    assert agree(seen, expected, 1e-7 * scale)
    assert not agree(2 * seen, expected, 1e-6 * scale)
    if name != "exp":
        assert not agree(seen, truth(name, False, SLOPES_AT), 1e-6 * scale)


# Refusals


@pytest.mark.parametrize("name", ["relu", "tanh"])
@pytest.mark.parametrize(
    "rho", [1.1, -1.1, np.nan, np.inf, 1 + 1e-9, np.array([0.5, -1.5]), np.array([0.5, np.nan]), np.float32(1.001)]
)
def test_a_correlation_outside_its_range_is_refused(name, rho):
    with pytest.raises(InputError, match=r"rho|correlation"):
        duals.dual(known(name))(rho)


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_rounding_beyond_the_range_is_forgiven(name):
    function = duals.dual_prime(known(name))
    assert function(1 + 1e-13) == function(1.0)
    assert function(-1 - 1e-13) == function(-1.0)
    assert function(np.float32(1 + 1e-6)) == function(np.float32(1))


@pytest.mark.parametrize("name", ["step", "sign", "rectified_monomial_0"])
def test_sigma_that_jumps_has_no_hidden_part(name):
    jumping = known(name)
    with pytest.raises(HypothesisError, match=f"{jumping.name}.*does not exist"):
        duals.dual_prime(jumping)
    with pytest.raises(HypothesisError, match=jumping.name):
        duals.dual(jumping).derivative()


def test_an_infinite_second_moment_is_refused():
    for make in (duals.dual, duals.dual_prime):
        with pytest.raises(InputError, match=r"growing.*(second moment.*infinite|infinite second moment)"):
            make(GROWING)(0.5)
