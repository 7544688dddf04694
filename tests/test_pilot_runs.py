"""The weights in hand as a comparator: its numbers, and runs from the same weights that stay under its bound."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import certificate_oracles as oracle
import tightwidth as tw
from tightwidth import activations, conversions, network, pilot_runs
from tightwidth.errors import DataError, HypothesisError, InputError
from tightwidth.run_settings import weights_key

M, D, Q = 40, 6, 9


def sample(dtype: Any = np.float32):
    rng = np.random.default_rng(4)
    return oracle.sphere(rng, M, D).astype(dtype), rng.choice([-1.0, 1.0], M).astype(dtype)


def pilot(output_scale=math.inf, dtype: Any = np.float32) -> Any:
    X, y = sample(dtype)
    return tw.memorize(X, y, loss="hinge", n_pairs=Q, n_steps=2000, seed=3, output_scale=output_scale).network


@pytest.mark.parametrize("loss", ["perceptron", "logistic"])
@pytest.mark.parametrize("output_scale", [math.inf, pytest.param(30.0, marks=pytest.mark.slow)])
def test_its_numbers_are_those_of_the_weights(loss, output_scale):
    X, y = sample()
    net = pilot(output_scale)
    made = pilot_runs.certificate_by(net, X, y, loss=loss, batch_size=3)
    Psi = oracle.features(X, net.W_half, "relu")
    V = np.asarray(net.V if output_scale == math.inf else net.PN.sum(axis=0), np.float64)
    v = math.sqrt(Q) * V.ravel()
    margins = y * (Psi @ v)
    assert v @ v == pytest.approx(Q * np.sum(V**2))
    scales = np.sqrt(made.comparators.norm_squared / (v @ v))
    for scale, found in zip(scales, made.comparators.loss, strict=True):
        counted = oracle.LOSS["hinge" if loss == "perceptron" else loss](scale * margins, 1.0).mean()
        assert found == pytest.approx(counted, rel=1e-5, abs=1e-6)
    mean, largest, top = oracle.spread(Psi @ Psi.T)
    diagonal = largest if loss == "perceptron" else mean
    assert made.G_squared == pytest.approx(diagonal / 3 + 2 / 3 * top, rel=1e-5)
    if margins.min() > 0:
        assert made.comparators.separating_norm_squared == pytest.approx(v @ v / margins.min() ** 2, rel=1e-4)


@pytest.mark.slow
def test_other_runs_from_the_same_weights_keep_it():
    """40 runs of W' of seed 3 on other minibatches: the mean share lost plus 5 standard errors is below the bound."""
    X, y = sample(np.float64)
    net = pilot(dtype=np.float64)
    np.testing.assert_array_equal(net.W_half, network.draw_W_half(weights_key(3), Q, D, np.float64))
    made = pilot_runs.certificate_by(net, X, y, loss="perceptron", batch_size=2)
    sizing = made.size(0.2)
    assert sizing is not None
    Psi = oracle.features(X, net.W_half, "relu")
    lost = []
    for seed in range(40):
        rows = np.random.default_rng(seed).integers(0, M, (sizing.n_steps, 2))
        replay = oracle.Replay(Psi, y, "perceptron", eta=sizing.learning_rate, batches=rows)
        lost.append(1 - np.mean([replay.fraction(t + 1) for t in range(sizing.n_steps)]))
    error = np.std(lost, ddof=1) / math.sqrt(40)
    assert np.mean(lost) + 5 * error < 0.2
    assert np.mean(lost) > 0.2 / 50


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"network": "plain"}, InputError, "the plain form does not tell where its weights started"),
        ({"batch_size": 0}, InputError, "batch_size=0 must be a whole number of at least 1"),
        ({"y": np.zeros(M)}, DataError, r"give one label, \+1 or -1, for each row"),
        ({"y": np.ones(3)}, DataError, r"y has shape \(3,\) for 40 rows"),
        ({"X": 2 * sample()[0]}, DataError, "norm"),
        ({"X": np.eye(4, dtype=np.float32)}, DataError, "features"),
        ({"network": "square"}, HypothesisError, "'square' is not decent"),
    ],
)
def test_what_it_refuses(change, error, text):
    X, y = sample()
    W_half = jnp.ones((2, D), jnp.float32)
    nets: dict[str, Any] = {
        "tangent": network.Tangent(W_half, W_half, activations.get("relu")),
        "square": network.Tangent(W_half, W_half, activations.get("square")),
    }
    nets["plain"] = conversions.to_plain(nets["tangent"], B=10.0)
    given = {"network": "tangent", "X": X, "y": y, "batch_size": 2, **change}
    with pytest.raises(error, match=text):
        pilot_runs.certificate_by(
            nets[given["network"]], given["X"], given["y"], loss="hinge", batch_size=given["batch_size"]
        )
