"""Activations against NumPy: values, derivatives, the constants C and H, the kinks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from tightwidth import activations
from tightwidth.activation_checks import check_activation, feature_parity, network_parity
from tightwidth.activations import DECENT, REGISTRY, Activation, check_decent
from tightwidth.errors import HypothesisError, InputError

STEP = 2**-12
GRID = np.arange(-40, 40, STEP)  # contains the kinks
KINKS = {
    "relu": [(0, 1)],
    "leaky_relu": [(0, 0.99)],
    "abs": [(0, 2)],
    "selu": [(0, 1.0507009873554805 * (1 - 1.6732632423543772))],
    "hard_tanh": [(-1, 1), (1, -1)],
}


def curvature(prime, x, width=1e-5):
    """Return sigma'' by central differences; its error is of the order 1e-10."""
    return (prime(x + width) - prime(x - width)) / (2 * width)


def away_from(places, x, margin=1e-3):
    for place in places:
        x = x[np.abs(x - place) > margin]
    return x


def test_the_seventeen_decent_activations_are_known():
    assert set(DECENT) == set(oracles.SIGMA)
    assert len(DECENT) == 17


@pytest.mark.parametrize("name", DECENT)
def test_sigma_and_its_derivative_are_those_of_the_oracle(name):
    activation = activations.get(name)
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 1e-6)):
        x = np.concatenate([GRID[::32], [-1e4, -1e3, 1e3, 1e4]]).astype(dtype)
        with jax.enable_x64(dtype is np.float64):
            value, slope = (np.asarray(f(jnp.asarray(x))) for f in (activation.sigma, activation.sigma_prime))
        assert value.dtype == slope.dtype == dtype
        wide = x.astype(np.float64)
        scale = np.maximum(1, np.abs(wide))
        np.testing.assert_allclose(value / scale, oracles.SIGMA[name](wide, np) / scale, atol=tolerance)
        np.testing.assert_allclose(slope, oracles.SIGMA_PRIME[name](wide), atol=tolerance)


@pytest.mark.parametrize("name", DECENT)
def test_C_is_the_supremum_of_the_derivative(name):
    seen = np.abs(oracles.SIGMA_PRIME[name](GRID)).max()
    C = activations.get(name).C
    assert C * (1 - 1e-6) <= seen <= C * (1 + 1e-12)


@pytest.mark.parametrize("name", DECENT)
def test_H_is_the_supremum_of_the_second_derivative_off_the_kinks(name):
    x = away_from(oracles.PIECES.get(name, ()), GRID, margin=1.5e-5)
    seen = np.abs(curvature(oracles.SIGMA_PRIME[name], x)).max()
    H = activations.get(name).H
    assert H * (1 - 1e-3) - 1e-9 <= seen <= H * (1 + 1e-6) + 1e-9
    smooth = set(oracles.SIGMA) - set(oracles.PIECES)
    if name in smooth:  # there the supremum is attained, and not only approached next to a kink
        assert seen >= H * (1 - 1e-6) - 1e-9


@pytest.mark.parametrize("name", DECENT)
def test_the_kinks_are_all_the_jumps_of_the_derivative_with_their_sizes(name):
    activation, prime = activations.get(name), oracles.SIGMA_PRIME[name]
    np.testing.assert_allclose(activation.kinks, KINKS.get(name, ()), rtol=1e-15)
    for place, jump in activation.kinks:
        assert prime(np.array(place + 1e-9)) - prime(np.array(place - 1e-9)) == pytest.approx(jump, abs=1e-7)
    places = [place for place, _ in activation.kinks]
    rises = np.abs(np.diff(prime(GRID)))
    jumps = rises > activation.H * STEP * (1 + 1e-6) + 1e-9  # more than sigma'' allows
    assert GRID[:-1][jumps].tolist() == places  # sigma' keeps its value from the left at the kink itself


@pytest.mark.parametrize("name", DECENT)
def test_breaks_are_the_other_jumps_of_the_second_derivative(name):
    activation, prime = activations.get(name), oracles.SIGMA_PRIME[name]
    pieces = {place for place, _ in activation.kinks if activation.is_piecewise_linear} | set(activation.breaks)
    assert pieces == set(oracles.PIECES.get(name, ()))
    for place in activation.breaks:
        below, above = (curvature(prime, np.array(place + side * 1e-3)) for side in (-1, 1))
        assert abs(below - above) > 0.5


@pytest.mark.parametrize("name", DECENT)
def test_smooth_has_no_kinks_left(name):
    activation = activations.get(name)
    x = GRID[np.abs(GRID) < 3]
    with jax.enable_x64(True):
        value, slope = (np.asarray(f(jnp.asarray(x))) for f in (activation.smooth, activation.smooth_prime))
    assert np.abs(np.diff(slope)).max() <= activation.H * STEP * (1 + 1e-9) + 1e-12
    # the mean of the slope over a step, by the trapezoid rule
    np.testing.assert_allclose(np.diff(value) / STEP, (slope[1:] + slope[:-1]) / 2, atol=activation.H * STEP + 1e-10)


def changed(name="tanh", **changes):
    known = activations.get(name)
    fields = {k: getattr(known, k) for k in ("sigma", "sigma_prime", "C", "H", "kinks", "breaks")}
    return Activation("mine", **(fields | changes))


@pytest.mark.parametrize("name", DECENT)
def test_a_users_activation_with_right_constants_is_accepted(name):
    mine = changed(name)
    check_activation(mine)
    check_decent(mine)
    assert activations.get(mine) is mine


@pytest.mark.parametrize(
    ("mine", "text"),
    [
        (changed("erf", C=1), r"\|sigma'\(0\)\| = 1.12838 exceeds C = 1"),
        (changed(H=0.7), r"\|sigma''\(.*\)\| is about 0.7697.* and exceeds H = 0.7"),
        (changed("softplus", sigma_prime=jnp.tanh), r"sigma'\(.*\) = .* but the difference quotient of sigma is"),
        (changed("sin", sigma_prime=lambda x: 2 * jnp.cos(x), C=2, H=2), r"sigma'\(.*\) = 2 but .* is 1"),
        (changed("relu", kinks=()), "difference quotient|or a kink there is not declared"),
        (changed("hard_tanh", kinks=((-1.0, 1.0),)), "difference quotient|or a kink there is not declared"),
        (changed("abs", kinks=((0.0, 1.0),)), "sigma' jumps by 2 at 0, not by 1"),
        (changed("relu", sigma=lambda x: x * (x > 0) + (x > 0)), "sigma is not continuous at 0: it jumps by 1"),
        (changed("tanh", sigma=lambda x: 1 / x), r"sigma or sigma' is not finite at 0"),
    ],
)
def test_wrong_constants_are_refused_with_the_reason(mine, text):
    with pytest.raises(HypothesisError, match=rf"activation 'mine' does not have the constants it claims: .*({text})"):
        check_activation(mine)


@pytest.mark.parametrize("place", [0.3, 0.30123, -1.77719])
def test_a_kink_that_is_not_declared_is_found_wherever_it_is(place):
    mine = Activation("mine", lambda x: jnp.maximum(x - place, 0), lambda x: (x > place).astype(x.dtype), C=1, H=0)
    with pytest.raises(HypothesisError, match="activation 'mine' does not have the constants it claims"):
        check_activation(mine)


@pytest.mark.parametrize("place", [0.3, 0.30123, -1.77719])
def test_a_jump_of_sigma_is_found_wherever_it_is(place):
    mine = Activation("mine", lambda x: (x > place).astype(x.dtype), jnp.zeros_like, C=1, H=0)
    with pytest.raises(HypothesisError, match="activation 'mine' does not have the constants it claims"):
        check_activation(mine)


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("square", "sigma' is unbounded"),
        ("exp", "sigma' is unbounded"),
        ("step", "sigma is not continuous"),
        ("sign", "sigma is not continuous"),
        (changed(H=math.inf), "sigma'' is unbounded off the kinks"),
    ],
)
def test_what_is_not_decent_is_refused_with_the_condition_that_fails(name, condition):
    with pytest.raises(HypothesisError, match=f"is not decent: {condition}; .* for example one of relu, leaky_relu"):
        check_decent(activations.get(name))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"unknown activation 'rlu' \(did you mean relu\?\); known: relu, ") as caught:
        activations.get("rlu")
    assert all(name in str(caught.value) for name in REGISTRY)
    with pytest.raises(InputError, match="unknown activation 'zzzzz'; known: "):
        activations.get("zzzzz")


@pytest.mark.parametrize("name", DECENT)
def test_parities_are_those_of_the_oracle(name):
    x = np.linspace(0.01, 8, 500)

    def parity(f):
        if np.allclose(f(x), f(-x), atol=1e-12):
            return 1
        return -1 if np.allclose(f(x), -f(-x), atol=1e-12) else 0

    word = {1: "even", -1: "odd", 0: None}
    assert network_parity(activations.get(name)) == word[parity(lambda x: oracles.SIGMA[name](x, np))]
    assert feature_parity(activations.get(name)) == word[-parity(oracles.SIGMA_PRIME[name])]  # times x, which is odd


def test_parities_by_name():
    assert {n for n in DECENT if feature_parity(activations.get(n)) == "even"} == {"abs", "cos", "gaussian"}
    odd = {"tanh", "sigmoid", "erf", "sin", "hard_tanh", "identity", "gabor"}
    assert {n for n in DECENT if feature_parity(activations.get(n)) == "odd"} == odd
    assert {n for n in DECENT if network_parity(activations.get(n)) == "odd"} == odd - {"sigmoid"}


def test_the_representation_names_the_constants():
    assert repr(activations.get("abs")) == "Activation('abs', C=1, H=0, kinks=((0.0, 2.0),))"


FAMILY = {
    "monomial_3": (lambda x: x**3, lambda x: 3 * x**2),
    "monomial_0": (np.ones_like, np.zeros_like),
    "rectified_monomial_0": (lambda x: np.heaviside(x, 0.0), np.zeros_like),
    "rectified_monomial_1": (lambda x: np.maximum(x, 0), lambda x: np.heaviside(x, 0.0)),
    "rectified_monomial_4": (lambda x: np.maximum(x, 0) ** 4, lambda x: 4 * np.maximum(x, 0) ** 3),
    "hermite_0": (np.ones_like, np.zeros_like),
    "hermite_1": (lambda x: x, np.ones_like),
    "hermite_4": (lambda x: (x**4 - 6 * x**2 + 3) / math.sqrt(24), lambda x: (4 * x**3 - 12 * x) / math.sqrt(24)),
}


@pytest.mark.parametrize("name", FAMILY)
def test_families_are_known_by_name_and_degree(name):
    activation = activations.get(name)
    assert activations.get(name) is activation
    x = np.linspace(-3, 3, 601)
    with jax.enable_x64(True):
        value, slope = (np.asarray(f(jnp.asarray(x))) for f in (activation.sigma, activation.sigma_prime))
    for seen, expected in zip((value, slope), FAMILY[name], strict=True):
        np.testing.assert_allclose(seen, expected(x), atol=1e-12 * max(1, np.abs(expected(x)).max()))


def test_families_with_parameters():
    x = np.linspace(-3, 3, 601)
    with jax.enable_x64(True):
        erf = activations.affine_erf(1.3, 0.7, -0.2)
        leaky = activations.leaky_relu(0.3)
        np.testing.assert_allclose(erf.sigma(jnp.asarray(x)), 1.3 * oracles.SIGMA["erf"](0.7 * x, np) - 0.2, atol=1e-14)
        np.testing.assert_allclose(leaky.sigma(jnp.asarray(x)), np.where(x > 0, x, 0.3 * x), atol=1e-15)
    for activation in (erf, leaky, activations.leaky_relu(-2.0)):
        check_activation(activation)
        check_decent(activation)
    assert activations.leaky_relu(0.01) == activations.get("leaky_relu")
    assert activations.affine_erf() == activations.get("erf")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: activations.get("monomial_31"),
            "a monomial of degree 31: the degree must be a whole number from 0 to",
        ),
        (lambda: activations.hermite(-1), "a Hermite polynomial of degree -1: the degree must be"),
        (lambda: activations.rectified_monomial(31), "a rectified monomial of degree 31: the degree must be"),
    ],
)
def test_a_degree_out_of_range_is_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
