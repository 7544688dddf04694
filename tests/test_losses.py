"""Losses against NumPy: values, subgradients, Lipschitz constants, what is refused."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from tightwidth import losses
from tightwidth.errors import HypothesisError, InputError
from tightwidth.losses import (
    REGISTRY,
    Loss,
    check_lipschitz,
    check_loss,
    fraction_memorized,
    has_gradient,
    least_loss_of_a_mistake,
    mean_loss,
)

H = np.concatenate([np.linspace(-8, 8, 1025), [-1e3, 1e3]])  # contains the ties 0 and +-1
LIPSCHITZ = ["hinge", "perceptron", "logistic", "absolute", "huber"]


def test_six_losses_are_known():
    assert set(REGISTRY) == set(oracles.LOSS) == {*LIPSCHITZ, "squared"}


@pytest.mark.parametrize("label", [1.0, -1.0])
@pytest.mark.parametrize("name", REGISTRY)
def test_value_and_derivative_are_those_of_the_oracle(name, label):
    loss = losses.get(name)
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 2e-6)):
        h, y = H.astype(dtype), np.full(len(H), label, dtype)
        with jax.enable_x64(dtype is np.float64):
            value, slope = (np.asarray(f(jnp.asarray(h), jnp.asarray(y))) for f in (loss.value, loss.derivative))
        assert value.dtype == slope.dtype == dtype
        with np.errstate(over="ignore"):
            expected = oracles.LOSS_PRIME[name](H, label)
        np.testing.assert_allclose(value, oracles.LOSS[name](H, label, np), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(slope, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", LIPSCHITZ)
def test_L_is_the_least_lipschitz_constant(name):
    y = np.array([[1.0], [-1.0]])
    value = oracles.LOSS[name](H[:-2], y, np)
    steepest = np.abs(np.diff(value) / np.diff(H[:-2])).max()
    L = losses.get(name).L
    assert L * (1 - 1e-3) <= steepest <= L * (1 + 1e-12)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_derivative_is_a_subgradient_everywhere(name):
    # l(k) >= l(h) + l'(h) (k - h) for all pairs: the oracle's value against the package's derivative
    h = H[:-2:8]
    for label in (1.0, -1.0):
        value = oracles.LOSS[name](h, label, np)
        slope = np.asarray(losses.get(name).derivative(jnp.asarray(h, jnp.float32), jnp.float32(label)))
        assert (value[None, :] >= value[:, None] + slope[:, None] * (h[None, :] - h[:, None]) - 1e-5).all()


@pytest.mark.parametrize("label", [1.0, -1.0])
def test_a_tie_is_a_mistake_for_the_perceptron_and_none_for_the_hinge(label):
    zero, y = jnp.zeros(()), jnp.asarray(label)
    assert losses.get("perceptron").derivative(zero, y) == -label
    assert losses.get("perceptron").derivative(-zero, y) == -label
    assert losses.get("hinge").derivative(zero, y) == -label
    assert losses.get("hinge").derivative(y, y) == 0


@pytest.mark.parametrize("name", REGISTRY)
def test_the_known_losses_pass_their_check(name):
    check_loss(losses.get(name))


def test_only_lipschitz_losses_are_covered_by_theorems():
    for name in LIPSCHITZ:
        check_lipschitz(losses.get(name))
    text = r"loss 'squared' is not Lipschitz \(L = inf\): it can be trained with, .* use one of hinge, perceptron, "
    with pytest.raises(HypothesisError, match=text):
        check_lipschitz(losses.get("squared"))


def changed(name, **changes):
    known = losses.get(name)
    fields = {"value": known.value, "derivative": known.derivative, "L": known.L}
    return Loss("mine", **(fields | changes))


@pytest.mark.parametrize(
    ("mine", "text"),
    [
        (changed("hinge", L=0.5), r"loss 'mine' is not 0.5-Lipschitz at h = .*, y = 1"),
        (changed("squared", L=10), r"loss 'mine' is not 10-Lipschitz at h = .*, y = 1"),
        (changed("logistic", derivative=lambda h, y: -y * jax.nn.sigmoid(y * h)), "derivative that is no subgradient"),
        (changed("hinge", derivative=lambda h, y: jnp.where(y * h < 1, -y / 2, 0 * h)), "is no subgradient"),
        (changed("hinge", value=lambda h, y: jnp.minimum(jnp.maximum(1 - y * h, 0), 2)), "is no subgradient"),
        (
            Loss(
                "mine", lambda h, y: jnp.maximum(1 - y * h, 0) - 0.9, lambda h, y: jnp.where(y * h < 1, -y, 0 * h), L=1
            ),
            "is negative",
        ),
        (
            Loss("mine", lambda h, y: -jnp.cos(y * h), lambda h, y: y * jnp.sin(y * h), L=1),
            "not convex",
        ),
    ],
)
def test_a_wrong_loss_is_refused_with_the_reason(mine, text):
    with pytest.raises(HypothesisError, match=rf"loss 'mine' .*{text}|{text}"):
        check_loss(mine)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_least_loss_of_a_mistake_is_the_minimum_over_mistakes(name):
    h = np.linspace(-8, 0, 4001)
    expected = oracles.LOSS[name](h, 1.0, np).min()
    assert least_loss_of_a_mistake(losses.get(name)) == pytest.approx(expected, abs=1e-12)


def test_the_least_loss_of_a_mistake_is_nothing_where_mistakes_may_pay():
    away = Loss("away", lambda h, y: jnp.maximum(1 + y * h, 0), lambda h, y: jnp.where(y * h > -1, y, 0 * h), L=1)
    assert least_loss_of_a_mistake(away) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REGISTRY)
def test_the_mean_loss_is_the_oracles(name, dtype):
    rng = np.random.default_rng(0)
    h, y = rng.standard_normal(500).astype(dtype), rng.choice([-1, 1], 500).astype(dtype)
    expected = np.mean(oracles.LOSS[name](h.astype(np.float64), y, np))
    assert mean_loss(losses.get(name), h, y) == pytest.approx(expected, rel=1e-14 if dtype is np.float64 else 1e-6)


def test_whether_anything_still_moves():
    y = np.array([1, -1], np.float32)
    hinge, perceptron, logistic = map(losses.get, ("hinge", "perceptron", "logistic"))
    assert not has_gradient(hinge, y, y)
    assert has_gradient(hinge, np.float32(0.99) * y, y)
    assert not has_gradient(perceptron, np.float32(1e-30) * y, y)
    assert has_gradient(perceptron, np.array([1, 0], np.float32), y)
    assert has_gradient(logistic, 9 * y, y)


def test_a_tie_is_not_memorized():
    assert fraction_memorized(np.array([2.0, -2.0, 0.0, 1.0]), np.array([1.0, -1.0, 1.0, -1.0])) == 0.5
    assert fraction_memorized(np.zeros(3), np.ones(3)) == 0
    tiny = np.full(2, 1e-30, np.float32)
    assert fraction_memorized(tiny, np.ones(2, np.float32)) == 1


def test_an_unknown_loss_lists_the_known_ones():
    with pytest.raises(InputError, match=r"unknown loss 'hing' \(did you mean hinge\?\); known: hinge, ") as caught:
        losses.get("hing")
    assert all(name in str(caught.value) for name in REGISTRY)
    with pytest.raises(InputError, match="unknown loss 'zzzzz'; known: "):
        losses.get("zzzzz")
    assert losses.get(losses.get("hinge")) is REGISTRY["hinge"]


def test_the_representation_names_the_constant():
    assert repr(losses.get("squared")) == "Loss('squared', L=inf)"
    assert math.isinf(losses.get("squared").L)
