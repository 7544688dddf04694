"""Slow transcriptions of the formulas, in float64, that share no code with the package and do not import it.

NumPy and SciPy; JAX only where the transcription is an automatic derivative of the plain network.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from scipy import special
from scipy.integrate import quad
from scipy.stats import norm

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
ROOT_PI = np.sqrt(np.pi)


def _erfc(x: Any, xp: Any) -> Any:
    return special.erfc(x) if xp is np else jax.scipy.special.erfc(x)


def _elu(x: Any, xp: Any) -> Any:
    return xp.where(x > 0, x, xp.expm1(xp.where(x > 0, 0.0, x)))


def _selu(x: Any, xp: Any) -> Any:
    return SELU_SCALE * xp.where(x > 0, x, SELU_ALPHA * _elu(xp.where(x > 0, 0.0, x), xp))


# (x, array module) -> sigma(x); a branch holds at its right end, so that autodiff takes kinks from the left
SIGMA: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda x, xp: xp.where(x > 0, x, 0.0),
    "leaky_relu": lambda x, xp: xp.where(x > 0, x, x / 100),
    "abs": lambda x, xp: xp.where(x > 0, x, -x),
    "elu": _elu,
    "selu": _selu,
    "softplus": lambda x, xp: xp.logaddexp(x, 0.0),
    "tanh": lambda x, xp: xp.tanh(x),
    "sigmoid": lambda x, xp: (1 + xp.tanh(x / 2)) / 2,
    "hard_tanh": lambda x, xp: xp.where(x <= -1, -1.0, xp.where(x <= 1, x, 1.0)),
    "erf": lambda x, xp: 1 - _erfc(x, xp),
    "gelu": lambda x, xp: x * _erfc(-x / np.sqrt(2), xp) / 2,
    "silu": lambda x, xp: x * (1 + xp.tanh(x / 2)) / 2,
    "sin": lambda x, xp: xp.sin(x),
    "cos": lambda x, xp: xp.cos(x),
    "identity": lambda x, xp: xp.asarray(x),
    "gaussian": lambda x, xp: xp.exp(-xp.square(x)),
    "gabor": lambda x, xp: xp.exp(-xp.square(x)) * xp.sin(x),
}

SIGMA_PRIME: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.heaviside(x, 0.0),
    "leaky_relu": lambda x: 0.01 + 0.99 * np.heaviside(x, 0.0),
    "abs": lambda x: 2 * np.heaviside(x, 0.0) - 1,
    "elu": lambda x: np.exp(np.minimum(x, 0)),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))),
    "softplus": special.expit,
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: special.expit(x) * (1 - special.expit(x)),
    "hard_tanh": lambda x: np.heaviside(x + 1, 0.0) - np.heaviside(x - 1, 0.0),
    "erf": lambda x: 2 / ROOT_PI * np.exp(-(x**2)),
    "gelu": lambda x: norm.cdf(x) + x * norm.pdf(x),
    "silu": lambda x: special.expit(x) * (1 + x * special.expit(-x)),
    "sin": np.cos,
    "cos": lambda x: -np.sin(x),
    "identity": np.ones_like,
    "gaussian": lambda x: -2 * x * np.exp(-(x**2)),
    "gabor": lambda x: (np.cos(x) - 2 * x * np.sin(x)) * np.exp(-(x**2)),
}

# where sigma' or sigma'' jumps
PIECES = {"relu": (0,), "leaky_relu": (0,), "abs": (0,), "elu": (0,), "selu": (0,), "hard_tanh": (-1, 1)}

# (h, y, array module) -> loss; the branch at a tie is the one whose derivative is -y
LOSS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "hinge": lambda h, y, xp: xp.where(y * h < 1, 1 - y * h, 0.0),
    "perceptron": lambda h, y, xp: xp.where(y * h <= 0, -y * h, 0.0),
    "logistic": lambda h, y, xp: xp.logaddexp(-y * h, 0.0),
    "absolute": lambda h, y, xp: xp.where(h > y, h - y, y - h),
    "huber": lambda h, y, xp: xp.where(xp.abs(h - y) <= 1, (h - y) ** 2 / 2, xp.abs(h - y) - 0.5),
    "squared": lambda h, y, xp: xp.square(h - y) / 2,
}

LOSS_PRIME: dict[str, Callable[[Any, Any], Any]] = {
    "hinge": lambda h, y: np.where(y * h < 1, -y, 0),
    "perceptron": lambda h, y: np.where(y * h <= 0, -y, 0),
    "logistic": lambda h, y: -y / (1 + np.exp(y * h)),
    "absolute": lambda h, y: np.sign(h - y),
    "huber": lambda h, y: np.minimum(1, np.maximum(-1, h - y)),
    "squared": lambda h, y: h - y,
}


def sphere(rng: np.random.Generator, m: int, d: int) -> np.ndarray:
    """Return m uniform points on the sphere, to be had in float32 without rounding the norms away from 1."""
    X = rng.standard_normal((m, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def exact_R(X: np.ndarray) -> float:
    """Return ``sqrt(d lambda_max(X^T X / m))`` from the largest singular value."""
    m, d = X.shape
    return float(np.linalg.svd(np.asarray(X, np.float64), compute_uv=False)[0] * np.sqrt(d / m))


# The network


def xavier(W_half: np.ndarray, B: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (W, u) of I(d, q, B), given W'."""
    q = len(W_half)
    return np.vstack([W_half, W_half]), np.concatenate([np.full(q, B), np.full(q, -B)])


def outputs(W: Any, u: Any, X: Any, activation: str, xp: Any = np) -> Any:
    """Return ``h(x) = <u, sigma(W x)>``, by pairs: ``u v + u' v' = u (v - v') + (u + u') v'`` is 0 at the start."""
    q = len(u) // 2
    left, right = (SIGMA[activation](X @ W[rows].T, xp) for rows in (slice(0, q), slice(q, 2 * q)))
    return ((left - right) * u[:q] + right * (u[:q] + u[q:])).sum(axis=1)


def gates(W_half: np.ndarray, X: np.ndarray, activation: str) -> np.ndarray:
    """Return ``sigma'(<w_i, x_j>)``, [m, q]."""
    return SIGMA_PRIME[activation](np.asarray(X, np.float64) @ np.asarray(W_half, np.float64).T)


def psi(W_half: np.ndarray, X: np.ndarray, activation: str) -> np.ndarray:
    """Return the random q-embedding of the rows, [m, q d]."""
    features = gates(W_half, X, activation)[:, :, None] * np.asarray(X, np.float64)[:, None, :]
    return features.reshape(len(X), -1) / np.sqrt(len(W_half))


# Algorithm 1


@dataclass(frozen=True)
class Path:
    """Hold the iterates W^1, ..., W^{T+1} and the loss of each minibatch before its update."""

    W: np.ndarray
    u: np.ndarray
    losses: np.ndarray


@functools.cache
def _minibatch_gradient(activation: str, loss: str) -> Any:
    def minibatch_loss(weights: Any, X: Any, y: Any) -> Any:
        return jnp.mean(LOSS[loss](outputs(weights[0], weights[1], X, activation, jnp), y, jnp))

    return jax.value_and_grad(minibatch_loss)


@functools.cache
def _compiled_minibatch_gradient(activation: str, loss: str) -> Any:
    return jax.jit(_minibatch_gradient(activation, loss))


def plain_sgd(
    activation: str, loss: str, W_half: np.ndarray, B: float, eta: float, batches: Sequence[tuple[np.ndarray, Any]]
) -> Path:
    """Run SGD with the step ``eta / (2 q B^2)`` on (W, u) by automatic differentiation of the minibatch loss."""
    step = eta / (2 * len(W_half) * B**2)
    weights = xavier(np.asarray(W_half, np.float64), B)
    path, losses = [weights], []
    gradient = _minibatch_gradient(activation, loss)  # the first is not compiled: fused operations miss h = 0
    with jax.enable_x64(True):
        for X, y in batches:
            value, (dW, du) = gradient(tuple(map(jnp.asarray, weights)), jnp.asarray(X), jnp.asarray(y))
            weights = (weights[0] - step * np.asarray(dW), weights[1] - step * np.asarray(du))
            path.append(weights)
            losses.append(float(value))
            gradient = _compiled_minibatch_gradient(activation, loss)
    return Path(np.array([W for W, _ in path]), np.array([u for _, u in path]), np.array(losses))


def linear_sgd(
    activation: str, loss: str, W_half: np.ndarray, eta: float, batches: Sequence[tuple[np.ndarray, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Run SGD on ``<v, Psi(x)>`` from v = 0; return v_1, ..., v_{T+1} and the minibatch losses."""
    v = np.zeros(W_half.size)
    path, losses = [v], []
    for X, y in batches:
        features = psi(W_half, X, activation)
        h = features @ v
        losses.append(np.mean(LOSS[loss](h, y, np)))
        v = v - eta * features.T @ LOSS_PRIME[loss](h, y) / len(y)
        path.append(v)
    return np.array(path), np.array(losses)


# Tangent kernels


def tangent_kernels(activation: str, W_half: np.ndarray, B: float, X: np.ndarray, Z: np.ndarray) -> list[np.ndarray]:
    """Return tk, tk^h, tk^o at the initial weights: inner products of gradients over ``2 q B^2``."""
    with jax.enable_x64(True):
        weights = tuple(map(jnp.asarray, xavier(np.asarray(W_half, np.float64), B)))

        gradient = jax.grad(lambda w, x: outputs(w[0], w[1], x[None], activation, jnp)[0])
        points = jnp.asarray(np.vstack([X, Z]), jnp.float64)
        gradients = [
            np.asarray(part).reshape(len(points), -1) for part in jax.vmap(gradient, (None, 0))(weights, points)
        ]
    hidden, output = (g[: len(X)] @ g[len(X) :].T / (2 * len(W_half) * B**2) for g in gradients)
    return [hidden + output, hidden, output]


def relu_duals(rho: float) -> tuple[float, float]:
    """Return ``E relu'(u) relu'(v)`` and ``E relu(u) relu(v)`` for |rho| < 1, by quadrature over u."""
    spread = np.sqrt((1 - rho) * (1 + rho))  # of v given u, whose mean is rho u

    def slope(u: float) -> float:
        return float(norm.pdf(u) * norm.cdf(rho * u / spread))

    def value(u: float) -> float:
        mean = rho * u * norm.cdf(rho * u / spread) + spread * norm.pdf(rho * u / spread)
        return float(norm.pdf(u) * u * mean)

    return quad(slope, 0, 12, epsabs=1e-13)[0], quad(value, 0, 12, epsabs=1e-13)[0]


# B [ sigma(z + a/B) - sigma(z - c/B) ]

PANELS, NODES = 16, 16


def divided_difference(activation: str, z: np.ndarray, a: np.ndarray, c: np.ndarray, B: float) -> np.ndarray:
    """Return the integral of ``sigma'(z + t/B)`` over t from -c to a, piece by piece: nothing cancels at any B."""
    x, weight = np.polynomial.legendre.leggauss(NODES)
    ends = [-np.inf, *PIECES.get(activation, ()), np.inf]
    total = np.zeros(np.shape(z))
    for left, right in itertools.pairwise(ends):
        low, high = (np.clip(t, B * (left - z), B * (right - z)) for t in (-c, a))
        edges = low + (high - low) * np.linspace(0, 1, PANELS + 1).reshape(-1, *[1] * np.ndim(z))
        middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
        for node, share in zip(x, weight, strict=True):
            # rounding must not carry a node across the end of its piece
            at = np.clip(z + (middle + half * node) / B, np.nextafter(left, np.inf), right)
            total += share * np.sum(half * SIGMA_PRIME[activation](at), axis=0)
    return total
