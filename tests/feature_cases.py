"""Schemes, some of them a user's, with NumPy transcriptions of psi and of the kernel."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

import dual_oracles
import oracles
from tightwidth import random_features
from tightwidth.kernel_spaces import KernelFunction
from tightwidth.kernel_tiles import Kernel
from tightwidth.random_features import (
    Scheme,
    fourier,
    ntk,
    ntk_both,
    ntk_output,
    sum_of,
)

B, GAMMA = 0.7, 0.8
Q = 11  # of small embeddings, always the same: every number of omegas is compiled for
MANY = 65_536  # of draws
KEY = jax.random.key(5)
X = oracles.sphere(np.random.default_rng(0), 4, 3)
Z = np.vstack([oracles.sphere(np.random.default_rng(1), 2, 3), X[:1]])
ALPHA = np.array([1.0, -0.7, 0.5, 0.4])
EPS = {np.float32: 2.0**-23, np.float64: 2.0**-52}


class Linear(Kernel):
    def of_points(self, x, z):
        return jnp.dot(x, z)


class Coordinates(Scheme):
    """A user's: one coordinate, drawn uniformly, for the linear kernel."""

    @property
    def kernel(self):
        return Linear()

    @property
    def C(self):
        return math.sqrt(3)

    def psi(self, omega, x):
        return math.sqrt(3) * x[omega][None]

    def draw_one(self, key, d):
        return jax.random.randint(key, (), 0, d)


class Phases(Scheme):
    """A user's: cosines with a random phase, for the Gaussian kernel; omega is a pair."""

    gamma: float

    @property
    def C(self):
        return math.sqrt(2)

    @property
    def kernel(self):
        return random_features.GaussianKernel(self.gamma)

    def psi(self, omega, x):
        return jnp.sqrt(2) * jnp.cos(jnp.dot(omega[0], x) + omega[1])[None]

    def draw_one(self, key, d):
        first, second = jax.random.split(key)
        w = jnp.sqrt(2 * self.gamma) * jax.random.normal(first, (d,))
        return w, jax.random.uniform(second, (), maxval=2 * jnp.pi)


# The transcriptions: psi [m, q, p] for all pairs, and the kernel


def psi_ntk(name):
    return lambda W, points: oracles.gates(W, points, name)[:, :, None] * points[:, None, :]


def psi_output(name):
    return lambda W, points: oracles.SIGMA[name](points @ W.T, np)[:, :, None] / B


def psi_fourier(W, points):
    return np.stack([np.cos(points @ W.T), np.sin(points @ W.T)], axis=2)


def beside(*parts):
    return lambda omegas, points: np.concatenate(
        [psi(omegas[i] if isinstance(omegas, tuple) else omegas, points) for i, psi in enumerate(parts)], axis=2
    )


def of_pairs(function):
    return lambda points, others: np.array([[function(x, z) for z in others] for x in points])


def tk(name, part):
    """Return tk^h, tk^o or tk by nested quadrature."""
    weights = {"hidden": (1, 0), "output": (0, B**-2), "both": (1, B**-2)}[part]
    return of_pairs(lambda x, z: float(np.dot(weights, dual_oracles.tangent_pair(name, x, z))))


def gaussian(points, others):
    return rbf_kernel(points, others, gamma=GAMMA)


CASES = {
    "ntk relu": (ntk("relu"), psi_ntk("relu"), tk("relu", "hidden")),
    "ntk erf": (ntk("erf"), psi_ntk("erf"), tk("erf", "hidden")),
    "output tanh": (ntk_output("tanh", B=B), psi_output("tanh"), tk("tanh", "output")),
    "output relu": (ntk_output("relu", B=B), psi_output("relu"), tk("relu", "output")),
    "both tanh": (ntk_both("tanh", B=B), beside(psi_ntk("tanh"), psi_output("tanh")), tk("tanh", "both")),
    "fourier": (fourier(gamma=GAMMA), psi_fourier, gaussian),
    "sum": (
        sum_of(ntk("relu"), fourier(gamma=GAMMA)),
        beside(psi_ntk("relu"), psi_fourier),
        lambda points, others: tk("relu", "hidden")(points, others) + gaussian(points, others),
    ),
    "coordinates": (
        Coordinates(),
        lambda omegas, points: math.sqrt(3) * points[:, omegas][:, :, None],
        lambda points, others: points @ others.T,
    ),
    "phases": (
        Phases(GAMMA),
        lambda omegas, points: math.sqrt(2) * np.cos(points @ omegas[0].T + omegas[1])[:, :, None],
        gaussian,
    ),
}


def double(omegas):
    return jax.tree.map(lambda leaf: leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf, omegas)


def function(scheme, centres=X):
    return KernelFunction(scheme.kernel, centres, ALPHA[: len(centres)])
