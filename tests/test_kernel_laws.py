"""Laws of the tangent kernel at random weights: its mean, its variance, its rank, and the directions it describes."""

import jax
import numpy as np
import pytest

import dual_oracles
import oracles
from dual_families import known
from thresholds import bernstein
from tightwidth import angular_kernels, kernels
from tightwidth.network import draw_W_half
from tightwidth.tangent_kernel import empirical_tk_h, empirical_tk_o

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

X = oracles.sphere(np.random.default_rng(0), 4, 3)
Z = np.vstack([oracles.sphere(np.random.default_rng(1), 2, 3), X[:1]])
RHO = np.clip(X @ Z.T, -1, 1)


def product_moment(f, power):
    """Return ``E (f(u) f(v))^power`` at every correlation."""
    raised = dual_oracles.Function(lambda x: f(x) ** power, f.cuts)
    return np.vectorize(lambda rho: dual_oracles.pair(raised, raised, 1.0, 1.0, rho))(RHO)


def weights(seed, q, d):
    """Return rows of W' as the core draws them, as an array of JAX in float64."""
    return draw_W_half(jax.random.key(seed), q, d, np.float64)


def empirical(name, part, W_half, X=X, Z=Z):
    if part == "hidden":
        return empirical_tk_h(X, Z, W_half=W_half, activation=known(name))
    return empirical_tk_o(X, Z, W_half=W_half, activation=known(name), B=1.0)


def factor(part):
    return RHO if part == "hidden" else np.ones_like(RHO)


def bound_of(name, part):
    """Return what one product of two factors, each in an interval, is farther from its mean than: never, or hardly.

    Only relu's values are unbounded: of 2 n of them, one has a square above 60 with probability 2 n 1e-14.
    """
    if part == "output":
        return 60.0 if name == "relu" else 2.0
    return 4 / np.pi if name == "erf" else 1.0  # sigma' lies in [0, C]


CASES = [(name, part) for name in ("relu", "tanh", "erf") for part in ("hidden", "output")]


@pytest.mark.parametrize(("name", "part"), CASES)
def test_the_kernel_at_random_weights_averages_to_the_expected_one(name, part):
    seeds, q = range(5), 4000
    n = len(seeds) * q
    draws = [weights(seed, q, 3) for seed in seeds]
    mean = np.mean([empirical(name, part, W_half) for W_half in draws], axis=0)
    kernel = angular_kernels.tangent(known(name), B=1.0, part=part)
    expected = kernels.gram(kernel, X, Z)
    f = dual_oracles.derivative(name) if part == "hidden" else dual_oracles.FAMILIES[name].sigma
    variance = product_moment(f, 2) - product_moment(f, 1) ** 2
    deviation = np.vectorize(lambda v: bernstein(n, v, bound_of(name, part), n_checks=RHO.size))(variance)
    threshold = np.abs(factor(part)) * deviation + 1e-9
    assert (np.abs(mean - expected) < threshold).all()
    other = kernels.gram(tangent_without(name, part), X, Z)
    for wrong in (2 * expected, expected / np.sqrt(q), other, expected * RHO):
        assert (np.abs(mean - wrong) > threshold).any()


def tangent_without(name, part):
    return angular_kernels.tangent(known(name), B=1.0, part="output" if part == "hidden" else "hidden")


@pytest.mark.parametrize("name", ["tanh", "erf", "relu"])
def test_the_variance_falls_with_the_number_of_pairs(name):
    q, copies = 4, 128
    # points in orthogonal subspaces see independent weights: one matrix holds many draws, on its diagonal of blocks
    apart = [np.kron(np.eye(copies), points) for points in (X, Z)]
    matrices = [empirical(name, "hidden", weights(seed, q, 3 * copies), *apart) for seed in range(12)]
    blocks = np.reshape(matrices, (12, copies, len(X), copies, len(Z)))
    draws = np.einsum("sixiz->sixz", blocks).reshape(-1, len(X), len(Z))
    n = len(draws)
    f = dual_oracles.derivative(name)
    first, second, third, fourth = (product_moment(f, k) for k in (1, 2, 3, 4))
    variance = second - first**2
    central = fourth - 4 * third * first + 6 * second * first**2 - 3 * first**4
    # q (mean of q products - expectation)^2: its expectation is the variance, whatever q
    squares = q * (draws - RHO * first) ** 2
    spread = 3 * variance**2 * (1 - 1 / q) + central / q - variance**2
    bound = q * bound_of(name, "hidden") ** 2
    threshold = np.vectorize(lambda v: bernstein(n, max(v, 0), bound, n_checks=RHO.size))(spread) * RHO**2
    assert (np.abs(squares.mean(axis=0) - RHO**2 * variance) < threshold).all()
    for wrong in (variance / q, variance * q, variance / 2, second):
        assert (np.abs(squares.mean(axis=0) - RHO**2 * wrong) > threshold).any()


def rank(K):
    """Return how many eigenvalues are above the rounding."""
    values = np.linalg.eigvalsh((K + K.T) / 2)
    return int(np.sum(values > 1e-13 * len(K) * values[-1]))


# relu's gates need some room between q d and m: two neurons that tell fewer than d points apart span less than 2 d
@pytest.mark.parametrize(
    ("name", "q"), [(name, q) for name in ("erf", "tanh") for q in (2, 7, 12, 20)] + [("relu", q) for q in (2, 7, 20)]
)
def test_the_rank_is_the_number_of_points_or_of_weights(name, q):
    m, d = 60, 5
    points = oracles.sphere(np.random.default_rng(2), m, d)
    W_half = weights(3, q, d)
    alive = m if name != "relu" else int(np.sum((points @ np.asarray(W_half).T > 0).any(axis=1)))
    K = empirical_tk_h(points, points, W_half=W_half, activation=known(name))
    assert rank(K) == min(alive, q * d)
    K = empirical_tk_o(points, points, W_half=W_half, activation=known(name), B=1.0)
    assert rank(K) == min(m, q)  # one weight a pair, not d


def test_relu_leaves_dead_points_out():
    m, d, q = 1000, 500, 2
    points = oracles.sphere(np.random.default_rng(4), m, d)
    W_half = weights(5, q, d)
    alive = int(np.sum((points @ np.asarray(W_half).T > 0).any(axis=1)))
    K = empirical_tk_h(points, points, W_half=W_half, activation=known("relu"))
    # of points that only one gate lets through, no more than d are independent
    open_ = points @ np.asarray(W_half).T > 0
    only = [int(np.sum(open_[:, i] & ~open_[:, 1 - i])) for i in (0, 1)]
    assert max(only) < d
    assert rank(K) == min(alive, q * d)
    assert 690 < alive < 810  # 1000 (1 - 2^-q), within 4.4 standard deviations


@pytest.mark.parametrize("name", ["tanh", "erf", "relu"])
def test_directions_of_the_hidden_weights_are_functions_of_the_kernel_space(name):
    m, d, q, B, eps = 60, 5, 8, 3.0, 1e-6
    rng = np.random.default_rng(6)
    points = oracles.sphere(rng, m, d)  # more than the q d = 40 dimensions of the space: they determine its functions
    drawn = weights(8, q, d)
    W_half = np.asarray(drawn)
    W, u = oracles.xavier(W_half, B)
    K = empirical_tk_h(points, points, W_half=drawn, activation=known(name))
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    assert rank(K) == q * d
    values, vectors = values[-q * d :], vectors[:, -q * d :]

    def slope(U):
        moved = [oracles.outputs(W + side * eps * U, u, points, name) for side in (1, -1)]
        return (moved[0] - moved[1]) / (2 * eps)

    def norm(h):
        inside = vectors.T @ h
        np.testing.assert_allclose(vectors @ inside, h, rtol=0, atol=1e-7 * np.abs(h).max())  # h is in the space
        return float(np.sqrt(np.sum(inside**2 / values)))

    bound = np.sqrt(2 * q) * B
    for _ in range(5):
        U = rng.standard_normal(W.shape)
        assert 0.1 * bound * np.linalg.norm(U) < norm(slope(U)) <= bound * np.linalg.norm(U) * (1 + 1e-6)
    # opposite directions of the two halves, in the span of the points: the shortest that do this
    V = (oracles.psi(W_half, points, name).T @ rng.standard_normal(m)).reshape(q, d)
    shortest = np.vstack([V, -V])
    assert norm(slope(shortest)) == pytest.approx(bound * np.linalg.norm(shortest), rel=1e-5)
    assert norm(slope(np.vstack([V, V]))) < 1e-5 * bound * np.linalg.norm(V)  # equal ones move nothing
