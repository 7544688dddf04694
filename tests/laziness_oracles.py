"""What laziness measures, in decimal arithmetic of 60 digits: no difference cancels there, and none is rearranged."""

import dataclasses
from decimal import Decimal, localcontext

import numpy as np

import oracles


def exp(x):
    return x.exp()


def erf(x):
    """Return the error function by its power series, for moderate x."""
    term, total, n = x, x, 0
    while abs(term) > Decimal(10) ** -70:
        n += 1
        term *= -x * x / n
        total += term / (2 * n + 1)
    return 2 * total / ROOT_PI


ROOT_PI = Decimal("1.7724538509055160272981674833411451827975494561223871282138077898529113")
ROOT_TWO = Decimal("1.4142135623730950488016887242096980785696718753769480731766797379907325")
SIGMA = {
    "relu": lambda z: max(z, Decimal(0)),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "tanh": lambda z: (exp(2 * z) - 1) / (exp(2 * z) + 1),
    "gelu": lambda z: z * (1 + erf(z / ROOT_TWO)) / 2,
    "hard_tanh": lambda z: max(Decimal(-1), min(Decimal(1), z)),
}
SIGMA_PRIME = {
    "relu": lambda z: Decimal(int(z > 0)),
    "leaky_relu": lambda z: Decimal(1) if z > 0 else Decimal("0.01"),
    "tanh": lambda z: 4 / (exp(z) + exp(-z)) ** 2,
    "gelu": lambda z: (1 + erf(z / ROOT_TWO)) / 2 + z * exp(-z * z / 2) / (ROOT_PI * ROOT_TWO),
    "hard_tanh": lambda z: Decimal(int(-1 < z <= 1)),
}
KINKS = {"relu": [0.0], "leaky_relu": [0.0], "hard_tanh": [-1.0, 1.0], "tanh": [], "gelu": []}


def side(activation, z):
    return sum(z > Decimal(kink) for kink in KINKS[activation])


def decimals(array):
    return np.vectorize(Decimal, otypes=[object])(np.asarray(array, np.float64))


@dataclasses.dataclass
class Exact:
    """Hold what is exact but for one rounding; the full and the hidden kernel as (change, start)."""

    flipped: int
    hidden: tuple[np.ndarray, np.ndarray]
    full: tuple[np.ndarray, np.ndarray]
    errors: np.ndarray

    @staticmethod
    def drift(kernels):
        return float(np.linalg.norm(kernels[0]) / np.linalg.norm(kernels[1]))


def exact(net, X):
    """Transcribe the definitions neuron by neuron: no difference is taken before 60 digits are there."""
    name, q, (P, N) = net.activation.name, net.q, decimals(net.PN)
    sigma, slope = (np.vectorize(f[name], otypes=[object]) for f in (SIGMA, SIGMA_PRIME))
    with localcontext() as context:
        context.prec = 60
        wide, B = decimals(X), 1 / Decimal(float(net.inverse_B))
        start = (np.asarray(X, np.float64) @ np.asarray(net.W_half, np.float64).T).astype(X.dtype)
        z = np.concatenate([decimals(start)] * 2, axis=1)
        a, c = wide @ P.T, wide @ N.T
        end = z + np.concatenate([a, -c], axis=1) / B
        u_start = np.array([B] * q + [-B] * q)
        u_end = u_start + np.concatenate([decimals(net.s), decimals(net.r)]) / B
        kernels = []
        for u, at in ((u_start, z), (u_end, end)):
            G, S = u * slope(at), sigma(at)
            hidden = (wide @ wide.T) * (G @ G.T) / (2 * q * B * B)
            kernels.append((hidden, hidden + S @ S.T / (2 * q * B * B)))
        h = sigma(end) @ u_end
        linear = (slope(z[:, :q]) * (a + c)).sum(axis=1)
        flipped = sum(side(name, p) != side(name, e) for p, e in zip(z.flat, end.flat, strict=True))
        (hidden, full), (hidden_end, full_end) = kernels
        of_hidden, of_full = (
            ((there - here).astype(float), here.astype(float))
            for here, there in ((hidden, hidden_end), (full, full_end))
        )
        return Exact(int(flipped), of_hidden, of_full, np.abs(h - linear).astype(float))


def descent(activation, X, y, W, *, B, eta, n_steps):
    """Return P, N, s, r after steps with the absolute loss, point after point."""
    sigma, slope = (lambda z: oracles.SIGMA[activation](z, np)), oracles.SIGMA_PRIME[activation]
    P, N, s, r = np.zeros_like(W), np.zeros_like(W), np.zeros(len(W), W.dtype), np.zeros(len(W), W.dtype)
    for t in range(n_steps):
        x = X[t % len(X)]
        plus, minus = (W + P / B) @ x, (W - N / B) @ x
        h = np.sum(B * (sigma(plus) - sigma(minus)) + (s * sigma(plus) + r * sigma(minus)) / B)
        step = -eta / (2 * len(W)) * np.sign(h - y[t % len(X)] + 1e-9)
        P, N, s, r = (
            (P + step * ((1 + s / B**2) * slope(plus))[:, None] * x).astype(W.dtype),
            (N + step * ((1 - r / B**2) * slope(minus))[:, None] * x).astype(W.dtype),
            (s + step / B * sigma(plus)).astype(W.dtype),
            (r + step / B * sigma(minus)).astype(W.dtype),
        )
    return P, N, s, r
