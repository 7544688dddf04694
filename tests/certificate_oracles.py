"""Slow float64 transcriptions, in NumPy and SciPy, of what the certificates and the planner compute.

They share no code with the package: features are formed one by one, matrices are dense, minibatches are enumerated.
"""

import itertools
import math

import numpy as np
from scipy.optimize import minimize
from scipy.special import erf, expit

SIGMA = {
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "tanh": np.tanh,
    "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
    "hard_tanh": lambda z: np.minimum(np.maximum(z, -1.0), 1.0),
    "identity": lambda z: z,
}
SIGMA_PRIME = {
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "gelu": lambda z: (1 + erf(z / math.sqrt(2))) / 2 + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "hard_tanh": lambda z: np.where(np.abs(z) < 1, 1.0, 0.0),
    "identity": np.ones_like,
}
LOSS = {
    "hinge": lambda h, y: np.where(y * h < 1, 1 - y * h, 0.0),
    "perceptron": lambda h, y: np.where(y * h < 0, -y * h, 0.0),
    "logistic": lambda h, y: np.log1p(np.exp(-y * h)),
    "absolute": lambda h, y: np.abs(h - y),
    "huber": lambda h, y: np.where(np.abs(h - y) <= 1, (h - y) ** 2 / 2, np.abs(h - y) - 0.5),
    "squared": lambda h, y: (h - y) ** 2 / 2,
}
SLOPE = {
    "hinge": lambda h, y: np.where(y * h < 1, -y, 0.0),
    "perceptron": lambda h, y: np.where(y * h <= 0, -y, 0.0),
    "logistic": lambda h, y: -y * expit(-y * h),
    "absolute": lambda h, y: np.where(h == y, 0.0, np.where(h > y, 1.0, -1.0)),
    "huber": lambda h, y: np.where(np.abs(h - y) <= 1, h - y, np.where(h > y, 1.0, -1.0)),
    "squared": lambda h, y: h - y,
}
LEAST_LOSS_OF_A_MISTAKE = {"hinge": 1.0, "logistic": math.log(2.0), "absolute": 1.0, "huber": 0.5}


def sphere(rng, m, d):
    """Return m uniform points on the sphere."""
    X = rng.standard_normal((m, d))
    return X / np.sqrt((X * X).sum(axis=1))[:, None]


def features(X, W, activation):
    """Return Psi(x) for each row, [m, q d]: the blocks sigma'(<w_i, x>) x / sqrt(q)."""
    X, W = np.asarray(X, dtype=np.float64), np.asarray(W, dtype=np.float64)
    rows = [[SIGMA_PRIME[activation](np.array(w @ x)) * x for w in W] for x in X]
    return np.array(rows).reshape(len(X), -1) / math.sqrt(len(W))


def relu_kernel(X):
    """Return the expected tk^h of relu on unit rows: rho times the probability that both gates are open."""
    rho = np.clip(np.asarray(X, np.float64) @ np.asarray(X, np.float64).T, -1, 1)
    np.fill_diagonal(rho, 1.0)
    return rho * (0.25 + np.arcsin(rho) / (2 * np.pi))


def spread(K):
    """Return the mean and the largest diagonal entry, and the largest eigenvalue divided by m."""
    return float(np.trace(K)) / len(K), float(np.diag(K).max()), float(np.linalg.eigvalsh(K)[-1]) / len(K)


def mean_square_of_a_minibatch(Psi, slopes, b):
    """Return E ||mean over b draws of slope_i Psi_i||^2, over all m^b minibatches drawn with replacement."""
    terms = slopes[:, None] * Psi
    total = 0.0
    for rows in itertools.product(range(len(Psi)), repeat=b):
        g = sum(terms[i] for i in rows) / b
        total += float(g @ g)
    return total / len(Psi) ** b


def share_lost(loss, *, v_loss, v_square, G_square, eta, n_steps):
    """Return the bound on the expected share that the random iterate does not memorize."""
    regret = v_square / (2 * eta * n_steps)
    if loss == "perceptron":
        x = eta * G_square
        return (v_loss + regret) / (1 - x / 2) if x < 2 else math.inf
    return (v_loss + regret + eta * G_square / 2) / LEAST_LOSS_OF_A_MISTAKE[loss]


def least_share_lost(loss, *, v_loss, v_square, G_square, n_steps):
    """Return the least of `share_lost` over the rate: by ever finer grids of log eta."""
    low, high, values = -30.0, 30.0, [math.inf]
    for _ in range(12):
        etas = np.exp(np.linspace(low, high, 201))
        values = [
            share_lost(loss, v_loss=v_loss, v_square=v_square, G_square=G_square, eta=eta, n_steps=n_steps)
            for eta in etas
        ]
        best, width = int(np.argmin(values)), (high - low) / 20
        low, high = math.log(etas[best]) - width, math.log(etas[best]) + width
    return min(values)


def soft_margin(Psi, y, C):
    """Return (alpha, value) of max over 0 <= alpha <= C of sum(alpha) - ||sum_i alpha_i y_i Psi_i||^2 / 2."""
    signed = y[:, None] * Psi
    Q = signed @ signed.T

    def negative(alpha):
        return alpha @ Q @ alpha / 2 - alpha.sum(), Q @ alpha - 1

    found = minimize(
        negative,
        np.zeros(len(y)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, C)] * len(y),
        options={"maxiter": 100_000, "maxfun": 200_000, "ftol": 1e-15, "gtol": 1e-11, "maxcor": 50},
    )
    return found.x, -float(found.fun)


class Replay:
    """Run SGD on the embedding from 0 with given minibatches [T, b], and keep all that happens on the way.

    Row t of ``v`` and of the outputs ``h`` on the sample is the iterate after t updates, 0 to T.
    """

    def __init__(self, Psi, y, loss, *, eta, batches):
        v, iterates = np.zeros(Psi.shape[1]), []
        mistakes, losses, self.moved = [], [], []
        for t, rows in enumerate(batches):
            iterates.append(v)
            h = Psi[rows] @ v
            slopes = SLOPE[loss](h, y[rows])
            mistakes.append(np.mean(y[rows] * h <= 0))
            losses.append(np.mean(LOSS[loss](h, y[rows])))
            if (slopes != 0).any():
                self.moved.append(t)
            v = v - eta * (slopes @ Psi[rows]) / len(rows)
        self.Psi, self.y, self.v = Psi, y, np.array([*iterates, v])
        self.h = self.v @ Psi.T
        self.mistakes, self.losses = np.array(mistakes), np.array(losses)  # of each minibatch, before its update

    def fraction(self, t):
        """Return the share that iterate W_t memorizes, t from 1."""
        return float((self.y * self.h[t - 1] > 0).mean())


def mean_share_lost(Psi, y, loss, *, eta, b, n_steps, n_runs, rng):
    """Return, for each of many runs, the mean over its iterates of the share with y h <= 0, counted exactly."""
    K = Psi @ Psi.T
    h = np.zeros((n_runs, len(y)))  # the outputs on the sample are all that a run needs
    lost = np.zeros(n_runs)
    for _ in range(n_steps):
        lost += (y * h <= 0).mean(axis=1)
        rows = rng.integers(len(y), size=(n_runs, b))
        slopes = SLOPE[loss](np.take_along_axis(h, rows, axis=1), y[rows])
        h -= eta * np.einsum("rb,rbj->rj", slopes, K[rows]) / b
    return lost / n_steps


def network(X, W, u, activation):
    """Return h(x) = sum_i u_i sigma(<w_i, x>) of plain weights, neuron by neuron."""
    total = np.zeros(len(X))
    for w, out in zip(W, u, strict=True):
        total += out * SIGMA[activation](X @ w)
    return total


def least_failures(n, p, risk):
    """Return the least k with P(Binomial(n, p) > k) <= risk, by adding up the probabilities."""
    tail, k = 1.0, -1
    while tail > risk:
        k += 1
        tail -= math.comb(n, k) * p**k * (1 - p) ** (n - k)
    return k


def least_expectation(values, risk):
    """Return what the expectation exceeds, save with probability risk, given independent values in [0, 1].

    Empirical Bernstein: Maurer and Pontil (COLT 2009), Theorem 4.
    """
    n, log = len(values), math.log(2 / risk)
    return values.mean() - math.sqrt(2 * values.var(ddof=1) * log / n) - 7 * log / (3 * (n - 1))
