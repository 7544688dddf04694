"""Slow transcriptions of the kernels and of the way to the sphere, point by point, for the tests of the estimators.

NumPy alone; they share no code with the package and do not import it.
"""

import math

import numpy as np


def _relu(a, b, c):
    """Return E sigma(u) sigma(v) and E sigma'(u) sigma'(v) for variances a, b and covariance c."""
    if a * b == 0:
        return 0.0, 0.25
    rho = min(1.0, max(-1.0, c / math.sqrt(a * b)))
    rho = math.copysign(1.0, rho) if abs(rho) > 1 - 1e-12 else rho  # points that coincide do so exactly
    rest = math.pi - math.acos(rho)
    value = math.sqrt(a * b) * (math.sqrt(1 - rho * rho) + rest * rho) / (2 * math.pi)
    return value, rest / (2 * math.pi)


def _erf(a, b, c):
    spread = (1 + 2 * a) * (1 + 2 * b)
    return 2 / math.pi * math.asin(2 * c / math.sqrt(spread)), 4 / math.pi / math.sqrt(spread - 4 * c * c)


DUALS = {"relu": _relu, "erf": _erf}


def tangent(x, z, *, activation="relu", B=math.inf):
    """Return tk^h and tk^o of a depth-two network at two points."""
    value, slope = DUALS[activation](x @ x, z @ z, x @ z)
    return x @ z * slope, value / B**2


def deep(x, z, *, activation, depth, w2, c2):
    """Return T^depth and K^depth by the recursion of covariances."""
    a, b, c = x @ x, z @ z, x @ z
    T = c
    for _ in range(depth - 1):
        value, slope = DUALS[activation](a, b, c)
        a, b, c = (w2 * part + c2 for part in (DUALS[activation](a, a, a)[0], DUALS[activation](b, b, b)[0], value))
        T = w2 * T * slope + c
    return T, c


def matrix(of_points, X, Z):
    return np.array([[of_points(x, z) for z in Z] for x in X])


def relu_gram(X, Z):
    """Return tk^h of relu at unit rows."""
    rho = np.clip(X @ Z.T, -1, 1)
    return rho * (np.pi - np.arccos(rho)) / (2 * np.pi)


def on_sphere(train, rows, *, how="bias", standardize=True, weights=None):
    """Return rows on the sphere by what the training rows show, a weight being a number of copies."""
    copies = train if weights is None else np.repeat(train, weights, axis=0)
    if standardize:
        mean, scale = copies.mean(axis=0), copies.std(axis=0)
        copies, rows = (copies - mean) / scale, (rows - mean) / scale
    if how == "bias":
        size = math.sqrt((copies**2).sum(axis=1).mean())
        rows = np.array([[*row, size] for row in rows])
    return rows / np.sqrt((rows**2).sum(axis=1))[:, None]


def hashed(q, d, n):
    """Return the matrix of a sketch without signs, [q d, n], one coordinate at a time."""
    S = np.zeros((q * d, n))
    for i in range(q):
        for j in range(d):
            S[i * d + j, (i + j % min(8, d, n)) % n] = 1
    return S
