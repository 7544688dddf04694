"""The divided difference keeps its digits at any B, in both precisions, next to kinks and away from them."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from tightwidth import activations
from tightwidth.activations import DECENT
from tightwidth.divided_difference import divided_difference, gates, slope

N = 128
LARGE = 1e3  # from here on no interval of the data below is long
SHORT = {np.float32: 0.1, np.float64: 0.02}  # the plain difference is used beyond, and magnifies rounding by 1/SHORT
DTYPES = [np.float32, np.float64]

# half of them where short intervals become long ones
scales = st.one_of(st.floats(np.log10(0.3), 12), st.floats(0, 2)).map(lambda exponent: 10**exponent)
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def compiled(function, name):
    return jax.jit(functools.partial(function, activations.get(name)))


def call(function, name, dtype, *arrays):
    with jax.enable_x64(dtype is np.float64):
        return np.asarray(compiled(function, name)(*(jnp.asarray(array, dtype) for array in arrays)))


def points(name, B, dtype, seed):
    """Return z, a, c in the given dtype, and 1/B as it stores it; half of z is where the two gates may differ."""
    rng = np.random.default_rng(seed)
    a, c = 2 * rng.standard_normal((2, N)) * rng.choice([1, 1e-3, 0], (2, N), p=[0.7, 0.2, 0.1])
    reach = (np.abs(a) + np.abs(c)) / B
    near = rng.choice(np.array(oracles.PIECES.get(name, (0,)), float), N) + rng.uniform(-1.5, 1.5, N) * reach
    z = np.where(rng.random(N) < 0.5, near, rng.standard_normal(N))
    return [np.asarray(array, dtype) for array in (z, a, c, 1 / B)]


def error(seen, expected, name, a, c):
    """Return the largest error as a share of what the two neurons have moved."""
    size = (np.abs(a) + np.abs(c)).astype(np.float64) * activations.get(name).C
    return np.max(np.abs(seen - expected) / np.where(size > 0, size, 1))


def expected_difference(name, z, a, c, inverse_B):
    wide = (array.astype(np.float64) for array in (z, a, c))
    return oracles.divided_difference(name, *wide, B=1 / float(inverse_B))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DECENT)
@given(B=scales, seed=seeds)
@settings(max_examples=20, deadline=None)
def test_it_is_the_integral_of_the_derivative_to_rounding(name, dtype, B, seed):
    z, a, c, inverse_B = points(name, B, dtype, seed)
    seen = call(divided_difference, name, dtype, z, a, c, inverse_B)
    assert seen.dtype == dtype
    subtracts = B < LARGE and not activations.get(name).is_piecewise_linear
    tolerance = 8 * np.finfo(dtype).eps / (SHORT[dtype] if subtracts else 1)  # below 1e-5 in float32
    oracle_error = 1e-12
    assert error(seen, expected_difference(name, z, a, c, inverse_B), name, a, c) < tolerance + oracle_error


@pytest.mark.parametrize("name", DECENT)
def test_the_oracle_agrees_with_a_plain_difference_where_that_is_accurate(name):
    for B in (0.3, 1.0, 10.0):
        z, a, c, _ = points(name, B, np.float64, seed=1)
        low, high = (oracles.SIGMA[name](end, np) for end in (z - c / B, z + a / B))
        assert error(B * (high - low), oracles.divided_difference(name, z, a, c, B), name, a, c) < 1e-10


@pytest.mark.skipif(bool(np.finfo(np.longdouble).eps > 1e-18), reason="long double has no more digits than double here")
@pytest.mark.parametrize("name", ["relu", "abs", "hard_tanh", "elu", "tanh", "sin", "silu"])
def test_the_oracle_agrees_with_a_difference_of_more_digits_at_large_B(name):
    B = np.longdouble(1e7)
    z, a, c = (array.astype(np.longdouble) for array in points(name, 1e7, np.float64, seed=2)[:3])
    low, high = (oracles.SIGMA[name](end, np) for end in (z - c / B, z + a / B))
    seen = oracles.divided_difference(name, *(array.astype(np.float64) for array in (z, a, c)), B=1e7)
    assert error(seen, np.asarray(B * (high - low), np.float64), name, a, c) < 1e-8  # 1e7 eps/2e-3, of small a and c


@pytest.mark.parametrize("name", ["relu", "hard_tanh", "tanh", "elu"])
def test_simpler_formulas_would_not_do(name):
    B = 1e7
    z, a, c, inverse_B = points(name, B, np.float32, seed=3)
    truth = expected_difference(name, z, a, c, inverse_B)

    def sigma(x):
        return np.asarray(activations.get(name).sigma(jnp.asarray(x)))

    plain = (sigma(z + a * inverse_B) - sigma(z - c * inverse_B)) / inverse_B
    linear = (a + c) * oracles.SIGMA_PRIME[name](z.astype(np.float64))
    assert error(plain, truth, name, a, c) > 0.1
    if activations.get(name).kinks:
        assert error(linear, truth, name, a, c) > 0.1  # ignores that gates flip


def test_the_midpoint_alone_would_not_do():
    z, a, c, inverse_B = points("tanh", 50.0, np.float64, seed=4)
    truth = expected_difference("tanh", z, a, c, inverse_B)
    middle = (a + c) * oracles.SIGMA_PRIME["tanh"](z + (a - c) * inverse_B / 2)
    assert error(middle, truth, "tanh", a, c) > 1e-5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DECENT)
def test_it_is_exactly_zero_where_nothing_has_moved(name, dtype):
    for B in (0.3, 3.7, 1e7, 1e30):
        z = points(name, B, dtype, seed=5)[0]
        zero = np.zeros(N, dtype)
        np.testing.assert_array_equal(call(divided_difference, name, dtype, z, zero, zero, 1 / B), 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DECENT)
def test_it_is_odd_under_exchange_of_the_ends(name, dtype):
    z, a, c, inverse_B = points(name, 20.0, dtype, seed=6)
    there = call(divided_difference, name, dtype, z, a, c, inverse_B)
    back = call(divided_difference, name, dtype, z, -c, -a, inverse_B)
    assert error(there, -back, name, a, c) < 8 * np.finfo(dtype).eps / SHORT[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DECENT)
@given(B=scales, seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_slope_is_the_derivative_at_the_moved_point(name, dtype, B, seed):
    z, shift, _, inverse_B = points(name, B, dtype, seed)
    seen = call(slope, name, dtype, z, shift, inverse_B)
    wide, B = z.astype(np.float64), 1 / float(inverse_B)
    pieces = [-np.inf, *(place for place, _ in activations.get(name).kinks), np.inf]
    for left, right in itertools.pairwise(pieces):
        # inside a piece, seen from its ends and magnified by B, but for where the rounding of the data decides
        margin = 4 * np.finfo(dtype).eps * (np.abs(shift) + 1e-300)
        inside = (B * (wide - left) + shift > margin) & (B * (wide - right) + shift <= -margin)
        at = np.clip(wide + shift / B, np.nextafter(left, np.inf), right)
        expected = oracles.SIGMA_PRIME[name](at)
        np.testing.assert_allclose(seen[inside], expected[inside], atol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gates_are_decided_next_to_the_kink(dtype):
    z = np.array([1, 1, 1, 1 + 2**-20, 1 + 2**-20, 1 - 2**-20, 1 - 2**-20, 5, -5], dtype)
    shift = np.array([0, 1e-3, -1e-3, -1, -2, 1, 2, -9, 9], dtype)
    expected = [0, 1, 0, 1, 0, 0, 1, 1, 0]
    with jax.enable_x64(dtype is np.float64):
        seen = gates(jnp.asarray(z), jnp.asarray(shift), 1.0, jnp.asarray(1 / 1.5e6, dtype))
    np.testing.assert_array_equal(seen, expected)
