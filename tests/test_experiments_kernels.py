"""Cells of the experiments about kernels and learning, against slow NumPy that shares no code with them."""

import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln

from kernel_records import relu_tk_h, relu_tk_o
from tightwidth import experiments, sampling
from tightwidth.errors import InputError
from tightwidth.experiments import approximation, learning, polynomials
from tightwidth.experiments.samples import sphere_points
from tightwidth.network import draw_W_half
from tightwidth.sampling import fair_labels

SMALL = {
    "bounded_distributions": {"n_samples": 60, "n_features": 20},
    "initialization": {"n_pairs": 16},
    "weight_changes": {"n_pairs": 8, "output_scale": 2.0},
    "constant_polynomial": {"n_features": 8},
    "label_norms": {"n_samples": 64, "n_features": 8},
    "approximation": {"n_pairs": 64, "n_features": 8},
    "learning": {"n_pairs": 16, "n_steps": 60, "batch_size": 4},
    "polynomials": {"n_pairs": 16, "n_steps": 60, "batch_size": 4},
}
COMPILING = ("initialization", "approximation", "learning", "polynomials")  # for seconds


def values(name, **config) -> dict[str, Any]:
    """Run one cell."""
    experiment = experiments.get(name)
    ((place, found),) = experiment.run([experiment.config(**config)])
    assert place == 0
    return found


def W_half(seed, q, d):
    """Return the rows of W' that a key of this seed draws, in float64."""
    return np.asarray(draw_W_half(jax.random.key(seed), q, d), np.float64)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in COMPILING else name for name in SMALL]
)
def test_a_cell_repeats_itself_in_strict_json_and_says_what_memory_it_takes(name):
    experiment = experiments.get(name)
    assert experiment.name == name
    config = experiment.config(**SMALL[name], seed=3)
    (first,), (again,) = (list(experiment.run([config])) for _ in range(2))
    assert first == again
    assert json.loads(json.dumps(first[1], allow_nan=False)) == first[1]
    assert 1e6 < experiment.bytes_needed(config) < 1e10
    ((_, other),) = experiment.run([experiment.config(**SMALL[name], seed=4)])
    assert other != first[1]


def test_the_start_of_a_network():
    q, B = 16, 3.0
    found = values("initialization", n_pairs=q, seed=5)
    assert found["largest_output"] == 0
    points = sphere_points(64, 8, 5).astype(np.float64)
    x, other = points[:2] / np.linalg.norm(points[:2], axis=1, keepdims=True)
    across = other - (other @ x) * x
    across /= np.linalg.norm(across)
    W = W_half(5, q, 8)
    for place, rho in enumerate(found["cosines"]):
        z = rho * x + math.sqrt(1 - rho**2) * across
        hidden = (x @ z) * np.mean((W @ x > 0) & (W @ z > 0))
        output = np.mean(np.maximum(W @ x, 0) * np.maximum(W @ z, 0)) / B**2
        assert found["sampled_hidden"][place] == pytest.approx(hidden, rel=1e-9)
        assert found["sampled_output"][place] == pytest.approx(output, rel=1e-9)
        assert found["formula_hidden"][place] == pytest.approx(relu_tk_h(rho), rel=1e-12)
        assert found["formula_output"][place] == pytest.approx(relu_tk_o(rho) / B**2, rel=1e-9)


def test_the_shortest_change_of_the_weights():
    q, d, B, seed = 8, 4, 2.0, 1
    found = values("weight_changes", n_pairs=q, output_scale=B, seed=seed)
    X = sphere_points(4 * q * (d + 1), d, seed).astype(np.float64)
    Z = X @ np.vstack([W_half(seed, q, d)] * 2).T
    u = np.repeat([B, -B], q)
    G = np.hstack([((Z > 0)[:, :, None] * u[:, None] * X[:, None, :]).reshape(len(X), -1), np.maximum(Z, 0)])
    alpha = np.random.default_rng([seed, q]).standard_normal(12)
    K = G @ G[:12].T / (2 * q * B**2)
    h, norm = K @ alpha, math.sqrt(alpha @ K[:12] @ alpha)
    # the least norm by the normal equations in the space of the points, and not by least squares in the weights
    eigenvalues, vectors = np.linalg.eigh(G @ G.T)
    kept = eigenvalues > 1e-9 * eigenvalues[-1]
    least = math.sqrt(np.sum((vectors[:, kept].T @ h) ** 2 / eigenvalues[kept]))
    assert found["kernel_norm"] == pytest.approx(norm, rel=1e-9)
    assert found["least_change"] == pytest.approx(least, rel=1e-6)
    assert found["formula"] == pytest.approx(norm / (math.sqrt(2 * q) * B), rel=1e-9)
    assert found["printed"] == pytest.approx(math.sqrt(q) * B * norm, rel=1e-9)


def test_the_mean_of_the_kernel_is_that_over_all_pairs():
    d = 8
    found = values("constant_polynomial", n_features=d, seed=2)
    points = sphere_points(1024, d, 2).astype(np.float64)
    rho = points[:512] @ points[512:].T
    assert found["mean_kernel"] == pytest.approx(np.mean(rho * np.arcsin(rho)) / (2 * math.pi), rel=1e-9)
    log_normaliser = betaln((d - 1) / 2, 1 / 2)
    mean = quad(lambda t: relu_tk_h(t) * np.exp((d - 3) / 2 * np.log1p(-t * t) - log_normaliser), -1, 1)[0]
    assert found["exact_norm"] == pytest.approx(mean**-0.5, rel=1e-7)
    assert found["sampled_norm"] == found["mean_kernel"] ** -0.5


def test_the_norm_of_labels():
    found = values("label_norms", n_samples=64, n_features=8, seed=2)
    X, y = sphere_points(64, 8, 2).astype(np.float64), fair_labels(64, 2)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    squared = y @ np.linalg.solve(relu_tk_h(X @ X.T), y)
    assert found["norm"] ** 2 == pytest.approx(squared, rel=1e-5)
    assert found["norm_squared_per_point"] == pytest.approx(squared / 64, rel=1e-5)


@pytest.mark.parametrize("distribution", ["sphere", "line"])
def test_the_error_of_features(distribution):
    q, d, n, seed = 64, 8, 6, 1
    found = values("approximation", n_pairs=q, n_features=d, distribution=distribution, seed=seed)
    X = approximation.points(distribution, n + 256, d, seed)
    alpha = np.random.default_rng([seed, q, d]).standard_normal(n)
    alpha = np.array(sorted(alpha, key=abs, reverse=True))
    centres, at = X[:n], np.vstack([X[:1], X[n:]])
    norms = np.linalg.norm(X, axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-6)
    alpha /= math.sqrt(alpha @ relu_tk_h(centres @ centres.T) @ alpha)
    f = relu_tk_h(at @ centres.T) @ alpha
    W = np.asarray(draw_W_half(jax.random.fold_in(jax.random.key(seed), q), 2048, d), np.float64)
    squares = []
    for start in range(0, 2048, q):
        gates_at, gates = (at @ W[start : start + q].T > 0), (centres @ W[start : start + q].T > 0)
        f_omega = ((at @ centres.T) * (gates_at.astype(float) @ gates.T) / q) @ alpha
        squares.append((f_omega - f) ** 2)
    mean = np.mean(squares, axis=0)
    assert found["squared_error"] == pytest.approx(mean[1:].mean(), rel=1e-4)  # points come in float32
    assert found["squared_error_at_centre"] == pytest.approx(mean[0], rel=1e-4)
    assert found["n_draws"] == 32
    assert found["corollary_3"] == pytest.approx(1 / q)
    assert found["theorem_4"] == pytest.approx(found["R_squared"] / (q * d))


@pytest.mark.parametrize(("distribution", "d"), [("sphere", 16), ("line", 16)])
def test_R_is_that_of_the_distribution(distribution, d):
    """Of 40,000 points; the edge of the noise of a sample moment is ``2 sqrt(d/m)``, and 3 times that is never met."""
    X = approximation.points(distribution, 40_000, d, 0)
    seen = d * np.linalg.eigvalsh(X.T @ X / len(X))[-1]
    expected = approximation.R_of(distribution, d) ** 2
    assert abs(seen - expected) < 6 * math.sqrt(d / len(X)) * expected
    assert abs(X.mean(axis=0)).max() < 5 / math.sqrt(len(X))  # both ends of the line


def sgd(X, y, rows, W, eta):
    """Run SGD on the embedding by the definition; return the mean of the losses seen, and the outputs at the end."""
    q = len(W)
    Psi = ((X @ W.T > 0)[:, :, None] * X[:, None, :]).reshape(len(X), -1) / math.sqrt(q)
    v, losses = np.zeros(Psi.shape[1]), []
    for batch in rows:
        margins = y[batch] * (Psi[batch] @ v)
        losses.append(np.maximum(0, 1 - margins).mean())
        v += eta * ((margins < 1) * y[batch]) @ Psi[batch] / len(batch)
    return np.mean(losses), Psi @ v


@pytest.mark.parametrize("name", ["learning", pytest.param("polynomials", marks=pytest.mark.slow)])
def test_a_run_is_sgd_on_the_embedding(name):
    q, T, b, seed = 16, 60, 4, 2
    found = values(name, n_pairs=q, n_steps=T, batch_size=b, seed=seed)
    if name == "learning":
        X = sphere_points(40 * 1024, 16, seed)
        X = X[np.abs(X[:, 0]) >= 0.2][:1024]
        y, norm = np.sign(X[:, 0]).astype(float), 2 / 0.2
    else:
        X, y = polynomials.symmetric_sample(2, 0.25, 4, seed)
        norm = math.sqrt(math.pi) / 0.25
    weights, steps = jax.random.split(jax.random.key(seed))
    W = np.asarray(draw_W_half(weights, q, X.shape[1]), np.float64)
    draws = sampling.FiniteSample(jnp.asarray(X), jnp.asarray(y, jnp.float32)).draw(steps, jnp.arange(T), b)
    R_squared = X.shape[1] * np.linalg.eigvalsh(X.T.astype(float) @ X / len(X))[-1]
    G = math.sqrt(1 / b + (1 - 1 / b) * R_squared / X.shape[1])
    eta = norm / (G * math.sqrt(T))
    mean, h = sgd(X.astype(float), y, np.asarray(draws), W, eta)
    assert found["R_squared"] == pytest.approx(R_squared, rel=1e-5)
    assert found["learning_rate"] == pytest.approx(eta, rel=1e-5)
    assert found["excess"] == pytest.approx(mean, rel=1e-4)
    assert found["last_loss"] == pytest.approx(np.maximum(0, 1 - y * h).mean(), abs=1e-4)
    assert found["memorized"] == pytest.approx(np.mean(y * h > 0), abs=2e-3)
    assert found["approximation"] == pytest.approx(math.sqrt(R_squared / (q * X.shape[1])) * norm, rel=1e-5)
    assert found["distance"] == pytest.approx(found["noise"]) == pytest.approx(norm * G / 2 / math.sqrt(T), rel=1e-5)
    assert found["bound"] == pytest.approx(found["approximation"] + 2 * found["distance"])


def test_the_competitor_of_learning_has_no_loss():
    X = learning.with_margin(np.array([0.1, -0.3, 0.25, 0.2]), np.arange(8.0).reshape(4, 2), 0.2, 3)
    np.testing.assert_array_equal(X, [[2, 3], [4, 5], [6, 7]])
    with pytest.raises(InputError, match=r"2 of 2 points have the margin 0.1, 3 are needed; lower the margin"):
        learning.with_margin(np.ones(2), np.ones((2, 2)), 0.1, 3)


@pytest.mark.parametrize("degree", [0, 2, 3, 4])
def test_the_sample_of_a_monomial_is_symmetric_and_has_the_margin(degree):
    margin = polynomials.MARGINS[degree]
    X, y = polynomials.symmetric_sample(degree, margin, 4, 7)
    assert X.shape == (1024, 4)
    p = np.prod(X[:, :degree], axis=1)
    assert (y * p >= margin * (1 - 1e-6)).all()
    rows = {(*row.tolist(), label) for row, label in zip(X, y, strict=True)}
    for signs in ([-1, 1, 1, 1], [1, -1, 1, 1], [1, 1, -1, 1], [-1, -1, -1, -1]):
        flip = np.array(signs, np.float32)
        images = zip(X * flip, y * np.prod(flip[:degree]), strict=True)
        assert {(*row.tolist(), label) for row, label in images} == rows
    # the mean of y h(x), for functions h of the space: the hinge loss is at least 1 less that
    Z = np.random.default_rng(0).standard_normal((50, 4))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    means = relu_tk_h(Z @ X.T.astype(float)) @ y / len(y)
    assert np.abs(means).max() < 1e-7 if degree == 3 else np.abs(means).max() > 1e-4
    # the norms: a monomial of distinct variables has ||A||^2 = 1/n!, and a_2 = 1/(2 pi), a_4 = 1/(12 pi)
    exact = {2: math.pi, 4: math.pi / 2, 3: 2 * math.pi}
    if degree:
        assert polynomials.norm(degree, 4) == pytest.approx(math.sqrt(exact[degree]))
    else:
        assert math.sqrt(8 * math.pi) > polynomials.norm(0, 4) > 0.9 * math.sqrt(8 * math.pi)
