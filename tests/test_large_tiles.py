"""Many points are cut into larger tiles, in which every entry is what it is in small ones, up to rounding."""

import jax
import numpy as np
import pytest

import oracles
from dual_families import known
from tightwidth import angular_kernels, kernel_tiles, kernels
from tightwidth.feature_sums import KernelSum
from tightwidth.ntk_features import ntk
from tightwidth.random_embedding import draw_embedding

pytestmark = pytest.mark.usefixtures("many")

N = 1300  # two large tiles, of which the second is padded


@pytest.fixture
def many(monkeypatch):
    """Let so few points count as many."""
    monkeypatch.setattr(kernel_tiles, "MANY_POINTS", N)


def points(dtype):
    X = oracles.sphere(np.random.default_rng(0), N, 6).astype(dtype)
    X[700] = X[3]
    X[1200] = -X[1100]
    return X


def relu_hidden(X):
    """The hidden part of the tangent kernel of relu: ``<x, z> (pi - angle)/(2 pi)``."""
    norms = np.linalg.norm(X, axis=1)
    rho = np.clip((X @ X.T) / np.outer(norms, norms), -1, 1)
    return np.outer(norms, norms) * rho * (np.pi - np.arccos(rho)) / (2 * np.pi)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 4e-7), (np.float64, 2e-8)])
def test_large_tiles_hold_the_kernel_and_the_same_bits_in_any_blocks(dtype, tolerance):
    X = points(dtype)
    kernel = angular_kernels.tangent(known("relu"), part="hidden")
    assert kernel.tiling(X, None).sizes == (1024, 1024)
    assert kernel.tiling(X[:9], X).sizes == (64, 1024)
    K = kernels.gram(kernel, X)
    np.testing.assert_array_equal(K, K.T)
    # the oracle's own arccosine loses half the digits where points are near: in float64 its error is 2e-8
    np.testing.assert_allclose(K, relu_hidden(X.astype(np.float64)), atol=tolerance)
    for block_rows in (700, None):
        blocks = list(kernels.gram_blocks(kernel, X, block_rows=block_rows))
        assert len(blocks[0][1]) == (block_rows or 1024)
        np.testing.assert_array_equal(np.vstack([block for _, block in blocks]), K)
    V = np.random.default_rng(1).standard_normal(N)
    np.testing.assert_allclose(kernels.gram_product(kernel, V, X), K.astype(np.float64) @ V, atol=3e3 * tolerance)


@pytest.mark.slow
def test_kernels_that_keep_much_of_a_point_and_sums_with_them_keep_small_tiles():
    X = points(np.float64)
    angular = angular_kernels.tangent(known("relu"), part="hidden")
    embedding = draw_embedding(ntk("relu"), key=jax.random.key(0), q=5, d=6)
    assert embedding.kernel.tiling(X, None).sizes == (512, 512)
    both = KernelSum((angular, embedding.kernel))
    assert both.tiling(X, None).sizes == (512, 512)
    apart = kernels.gram(angular, X) + kernels.gram(embedding.kernel, X)
    np.testing.assert_allclose(kernels.gram(both, X), apart, atol=1e-14)


@pytest.mark.slow
def test_pairs_that_are_integrated_one_by_one_keep_small_tiles():
    X = points(np.float64)
    kernel = angular_kernels.tangent(known("tanh"))
    assert kernel.tiling(X, None).sizes == (1024, 1024)  # points of one norm: a table
    assert kernel.tiling(X * np.linspace(1, 2, N)[:, None], None).sizes == (512, 512)
