"""Tangent kernels of relu, leaky relu and abs at any depth, in decimal arithmetic of 50 digits.

The coordinates of the points are taken as exact.  At 50 digits the cancellation of ``1 - rho`` between points 1e-9
apart leaves more than 30, so that the formulas stand here as they are printed.
"""

import functools
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np

DIGITS = 50
SLOPES = {"relu": 0.0, "leaky_relu": 0.01, "abs": -1.0}


class Deep(NamedTuple):
    """Hold ``T^L - K^L`` and ``K^L``, rounded once."""

    hidden: float
    output: float


def arctan(t: Decimal) -> Decimal:
    """Return the arctangent for t >= 0: halve the angle four times, then the power series."""
    for _ in range(4):
        t = t / (1 + (1 + t * t).sqrt())
    square, power, total, n = t * t, t, t, 1
    while abs(power) > Decimal(10) ** -(DIGITS + 5):
        power *= -square
        n += 2
        total += power / n
    return 16 * total


@functools.cache
def pi() -> Decimal:
    """Return pi."""
    with localcontext() as context:
        context.prec = DIGITS
        return 4 * arctan(Decimal(1))


def angle(cosine: Decimal) -> Decimal:
    """Return the angle in [0, pi] of this cosine."""
    return pi() if cosine <= -1 else 2 * arctan((max(1 - cosine, Decimal(0)) / (1 + cosine)).sqrt())


def dot(x: Sequence[Decimal], z: Sequence[Decimal]) -> Decimal:
    """Return the inner product."""
    return sum((p * q for p, q in zip(x, z, strict=True)), Decimal(0))


def layer(slope: Decimal, a: Decimal, b: Decimal, c: Decimal) -> tuple[Decimal, Decimal]:
    """Return E sigma(u) sigma(v) and E sigma'(u) sigma'(v) for variances a, b > 0, covariance c.

    sigma(x) is ``slope x + (1 - slope) max(x, 0)``.
    """
    norms = (a * b).sqrt()
    cosine = max(min(c / norms, Decimal(1)), Decimal(-1))
    theta = angle(cosine)
    sine = (1 - cosine * cosine).sqrt()
    bend = (1 - slope) ** 2 / (2 * pi())
    value = slope * c + bend * norms * (sine + (pi() - theta) * cosine)
    return value, slope + bend * (pi() - theta)


def deep(
    activation: str, depth: int, x: np.ndarray, z: np.ndarray, weight_variance: float = 1, bias_variance: float = 0
) -> Deep:
    """Return both parts of T^L, from ``T^1 = K^1 = <x, z>`` by the recursion of the layers.

    Depth 2 with the default variances is tk^h and dual(sigma) of the paper.
    """
    with localcontext() as context:
        context.prec = DIGITS
        slope, w, bias = (Decimal(number) for number in (SLOPES[activation], weight_variance, bias_variance))
        left, right = ([Decimal(float(coordinate)) for coordinate in point] for point in (x, z))
        a, b, c = dot(left, left), dot(right, right), dot(left, right)
        T, hidden = c, Decimal(0)
        if not a or not b:
            message = "a point is 0; this oracle needs an angle"
            raise ValueError(message)
        for _ in range(depth - 1):
            value, slopes = layer(slope, a, b, c)
            hidden = w * T * slopes
            a, b = (w * (1 + slope * slope) / 2 * variance + bias for variance in (a, b))
            c = w * value + bias
            T = hidden + c
        return Deep(float(hidden), float(c))


# Points that are hard for a kernel


def near_pairs(rng: np.random.Generator, d: int, distances: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors X and, at these distances in random directions, Z; unit up to rounding, [n, d] each."""
    X = rng.standard_normal((len(distances), d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    steps = rng.standard_normal(X.shape)
    steps -= np.sum(steps * X, axis=1, keepdims=True) * X
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    half = np.asarray(distances)[:, None] / 2
    Z = X * (1 - 2 * half**2) + steps * 2 * half * np.sqrt(1 - half**2)
    return X, Z


def difficult_points(rng: np.random.Generator, n: int, d: int, dtype: type, *, n_centres: int = 6) -> np.ndarray:
    """Return clusters on the sphere with duplicates and antipodes of their points, [n, d].

    They are 1e-3 wide down to what the dtype can tell apart: 1e-7, or 1e-10 where a correlation could not.
    """
    least = -7 if dtype is np.float32 else -10
    centres = rng.standard_normal((n_centres, d))
    X = centres[rng.integers(n_centres, size=n)]
    spread = 10 ** rng.uniform(least, -3, size=(n, 1))
    X = X / np.linalg.norm(X, axis=1, keepdims=True) + spread * rng.standard_normal((n, d))
    X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype)
    eighth = n // 8
    X[:eighth] = X[eighth : 2 * eighth]
    X[2 * eighth : 3 * eighth] = -X[3 * eighth : 4 * eighth]
    return X


def is_positive(K: np.ndarray, shift: float) -> bool:
    """Return whether ``K + shift I`` is positive definite, by elimination that rounds nothing that matters.

    In double precision an eigenvalue solver errs by as much as the kernel matrices that it would judge.
    """
    with localcontext() as context:
        context.prec = DIGITS
        rows = [[Decimal(float(entry)) for entry in row[: i + 1]] for i, row in enumerate(K)]
        for i, row in enumerate(rows):
            row[i] += Decimal(shift)
        for k in range(len(rows)):
            column = [row[k] for row in rows[k:]]
            if column[0] <= 0:
                return False
            for i, entry in enumerate(column[1:], start=1):
                share, row = entry / column[0], rows[k + i]
                for j in range(1, i + 1):
                    row[k + j] -= share * column[j]
        return True
