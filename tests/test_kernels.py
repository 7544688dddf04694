"""Gram matrices: blocks and tiles change no bit, products need no storage, bad tables are refused."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from dual_families import known
from tightwidth import angular_kernels, kernel_tiles, kernels, threads
from tightwidth.errors import DataError, InputError

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

D = 5
SIZES = (1, 2, 130, 511, 513)  # a tile has 512 rows
KERNELS = {
    "relu": lambda: angular_kernels.tangent(known("relu"), B=2.0),
    "tanh": lambda: angular_kernels.tangent(known("tanh"), B=2.0),
    "deep relu": lambda: angular_kernels.deep_tangent(known("relu"), 3, weight_variance=2),
}


def points(n, seed=0, dtype: Any = np.float64):
    return (1.3 * oracles.sphere(np.random.default_rng(seed), n, D)).astype(dtype)


class Cubic(kernels.Kernel):
    """A user's own kernel: ``(offset + <x, z>)^3``."""

    offset: float

    def of_points(self, x, z):
        return (self.offset + x @ z) ** 3


def joined(blocks, n):
    """Return the blocks below one another, having checked that they cover the rows in order."""
    at, rows = 0, []
    for where, block in blocks:
        assert where.start == at
        assert len(block) == where.stop - where.start > 0
        at = where.stop
        rows.append(block)
    assert at == n
    return np.vstack(rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", KERNELS)
def test_blocks_are_the_rows_of_the_matrix_bit_for_bit(name, dtype):
    kernel = KERNELS[name]()
    for n in SIZES[:3] if name != "relu" else SIZES:
        X, Z = points(n, dtype=dtype), points(7, 1, dtype)
        whole, cross = kernels.gram(kernel, X), kernels.gram(kernel, Z, X)
        assert whole.shape == (n, n)
        assert cross.shape == (7, n)
        assert whole.dtype == cross.dtype == dtype
        np.testing.assert_array_equal(whole, whole.T)
        for block_rows in (1, 7, 64, 1000, None):
            if block_rows == 1 and n > 130:
                continue
            np.testing.assert_array_equal(joined(kernels.gram_blocks(kernel, X, block_rows=block_rows), n), whole)
            np.testing.assert_array_equal(joined(kernels.gram_blocks(kernel, Z, X, block_rows=block_rows), 7), cross)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 513])
def test_a_long_cross_matrix_comes_in_the_same_bits(n, dtype):
    X, Z = points(513, dtype=dtype), points(n, 1, dtype)
    kernel = KERNELS["relu"]()
    cross = kernels.gram(kernel, X, Z)
    for block_rows in (7, 512, None):
        np.testing.assert_array_equal(joined(kernels.gram_blocks(kernel, X, Z, block_rows=block_rows), 513), cross)


@pytest.mark.parametrize(("dtype", "eps"), [(np.float32, 1e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("name", KERNELS)
def test_a_table_with_itself_is_the_symmetric_matrix(name, dtype, eps):
    kernel, X = KERNELS[name](), points(40, dtype=dtype)
    symmetric, crossed = kernels.gram(kernel, X), kernels.gram(kernel, X, X.copy())
    np.testing.assert_allclose(crossed, symmetric, rtol=0, atol=eps * np.abs(symmetric).max())
    np.testing.assert_allclose(
        kernels.gram(kernel, X[:9], X[9:]), symmetric[:9, 9:], rtol=0, atol=eps * np.abs(symmetric).max()
    )
    np.testing.assert_allclose(kernels.diagonal(kernel, X), np.diag(symmetric), rtol=0, atol=eps * symmetric.max())


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("n", [1, 130, 513])
def test_products_need_no_matrix(name, n):
    kernel, rng = KERNELS[name](), np.random.default_rng(2)
    X, Z = points(n), points(9, 3)
    for left, right in ((X, None), (Z, X), (X, Z)):
        K = kernels.gram(kernel, left, right)
        for shape in ((K.shape[1],), (K.shape[1], 3)):
            V = rng.standard_normal(shape)
            seen = kernels.gram_product(kernel, V, left, right)
            assert seen.dtype == np.float64
            assert seen.shape == (K @ V).shape
            size = np.abs(K).max() * np.abs(V).sum(axis=0).max()
            np.testing.assert_allclose(seen, K @ V, rtol=0, atol=1e-12 * size)
            assert np.abs(seen - (K + np.eye(*K.shape)) @ V).max() > 1e-6 * size
    np.testing.assert_array_equal(kernels.gram_product(kernel, V, X, Z), seen)


def test_a_users_kernel_needs_one_formula():
    kernel, X, Z = Cubic(0.5), points(20), points(3, 1)
    for left, right in ((X, X), (X, Z)):
        np.testing.assert_allclose(
            kernels.gram(kernel, left, right), (0.5 + left @ right.T) ** 3, rtol=1e-12, atol=1e-13
        )
    K = kernels.gram(kernel, X)
    np.testing.assert_array_equal(K, K.T)
    np.testing.assert_allclose(K, (0.5 + X @ X.T) ** 3, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(kernels.diagonal(kernel, X), np.diag(K), rtol=1e-12)
    np.testing.assert_allclose(kernels.gram_product(kernel, np.ones(3), X, Z), kernels.gram(kernel, X, Z).sum(axis=1))


class Composed(kernels.Kernel):
    """A user's kernel that holds a function."""

    profile: Callable[..., Any]

    def of_points(self, x, z):
        return self.profile(x @ z)


def test_a_users_kernel_may_hold_a_function():
    X = points(20)
    np.testing.assert_allclose(kernels.gram(Composed(jnp.exp), X), np.exp(X @ X.T), rtol=1e-12)
    np.testing.assert_allclose(kernels.diagonal(Composed(jnp.cos), X), np.cos(np.sum(X * X, axis=1)), rtol=1e-12)


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_number_of_threads_changes_no_bit(name, monkeypatch):
    kernel, X = KERNELS[name](), points(2100, dtype=np.float32)
    seen = []
    for workers, ahead in ((1, 1), (7, 2)):
        monkeypatch.setattr(kernel_tiles, "WORKERS", workers)
        monkeypatch.setattr(kernel_tiles, "AHEAD", ahead)
        blocks = kernels.gram_blocks(kernel, X, block_rows=700)
        seen += [kernels.gram(kernel, X), np.vstack([block for _, block in blocks])]
    for other in seen[1:]:
        np.testing.assert_array_equal(seen[0], other)


def test_threads_follow_the_callers_settings_and_end_with_the_call():
    config: Any = jax.config

    def asked():
        return str(config.jax_default_matmul_precision), str(config.jax_default_device)

    device = jax.devices()[0]
    with jax.default_matmul_precision("highest"), jax.default_device(device):
        settings = threads.ThreadSettings()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked).result() == ("None", "None")
        assert pool.submit(settings.run, asked).result() == ("highest", str(device))

    steps = kernels.gram_steps(KERNELS["relu"](), points(4000, dtype=np.float32))
    for _ in range(5):
        next(steps)
    assert any(thread.name.startswith("tightwidth-tiles") for thread in threading.enumerate())
    steps.close()
    assert not any(thread.name.startswith("tightwidth-tiles") for thread in threading.enumerate())


def test_other_numbers_count_as_float64_and_arrays_of_jax_are_tables():
    kernel = KERNELS["relu"]()
    whole = kernels.gram(kernel, np.array([[1, 0], [3, 4]]))
    assert whole.dtype == np.float64
    np.testing.assert_allclose(whole, kernels.gram(kernel, np.array([[1.0, 0], [3, 4]])))
    np.testing.assert_allclose(whole, kernels.gram(kernel, [[1.0, 0.0], [3.0, 4.0]]))
    seen = kernels.gram(kernel, jnp.asarray([[1.0, 0.0], [3.0, 4.0]], jnp.float32))
    assert isinstance(seen, np.ndarray)
    np.testing.assert_allclose(seen, whole, rtol=1e-6)


CALLS = {
    "gram": lambda X, Z: kernels.gram(KERNELS["relu"](), X, Z),
    "blocks": lambda X, Z: list(kernels.gram_blocks(KERNELS["relu"](), X, Z)),
    "product": lambda X, Z: kernels.gram_product(KERNELS["relu"](), np.ones(2), X, Z),
}


@pytest.mark.parametrize("call", CALLS)
def test_tables_that_cannot_be_used_are_refused(call):
    good = points(2)
    for bad in (np.nan, np.inf):
        spoilt = good.copy()
        spoilt[1, 2] = bad
        for pair in ((spoilt, None), (good, spoilt), (spoilt, good)):
            with pytest.raises(DataError, match="NaN or infinite"):
                CALLS[call](*pair)
    with pytest.raises(DataError, match=r"columns|features"):
        CALLS[call](good, good[:, :3])
    for shape in ((D,), (2, D, 1)):
        with pytest.raises(DataError, match=r"table|shape|dimension"):
            CALLS[call](np.ones(shape), None)


def test_the_diagonal_refuses_the_same():
    with pytest.raises(DataError, match="NaN or infinite"):
        kernels.diagonal(KERNELS["relu"](), np.full((2, 2), np.nan))


def test_vectors_of_another_length_are_refused():
    for V in (np.ones(3), np.ones((3, 2)), np.ones((2, 2, 2))):
        with pytest.raises(InputError, match="V"):
            kernels.gram_product(KERNELS["relu"](), V, points(2))
    with pytest.raises(InputError, match=r"V .*finite real numbers"):
        kernels.gram_product(KERNELS["relu"](), np.array([1.0, np.nan]), points(2))


@pytest.mark.parametrize("block_rows", [0, -3])
def test_blocks_of_no_rows_are_refused(block_rows):
    with pytest.raises(InputError, match="block_rows"):
        list(kernels.gram_blocks(KERNELS["relu"](), points(2), block_rows=block_rows))
