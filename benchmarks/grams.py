"""Kernel matrices as contestants, each a NumPy array in the end; points are unit vectors.

A unit of work is a matrix of ``of`` x ``of`` entries; a contestant that is too slow for so many computes a smaller one,
and its time counts by entries.
"""

import numpy as np
from contests import Facts, Work


def points(n: int, d: int, dtype: str) -> np.ndarray:
    """Return n points on the sphere."""
    X = np.random.default_rng(0).standard_normal((n, d)).astype(dtype)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def ours(*, n: int, d: int, dtype: str) -> Work:
    """Prepare the relu NTK of this package."""
    import tightwidth as tw

    X, kernel = points(n, d, dtype), tw.tangent_kernel.expected_kernel("relu")

    def work(_: int) -> Facts:
        K = tw.kernels.gram(kernel, X)
        return {"dtype": str(K.dtype)}

    return work


def bare_product(*, n: int, d: int, dtype: str) -> Work:
    """Prepare the compiled product ``X X^T``."""
    import jax

    X = points(n, d, dtype)
    product = jax.jit(lambda X: X @ X.T)

    def work(_: int) -> Facts:
        with jax.enable_x64(dtype == "float64"):
            K = np.asarray(product(X))
        return {"dtype": str(K.dtype)}

    return work


def copy(*, n: int, d: int, dtype: str) -> Work:
    """Prepare the copy of a finished matrix into one that is there: the memory, read once and written once."""
    del d
    K, out = np.ones((n, n), dtype), np.zeros((n, n), dtype)

    def work(times: int) -> Facts:
        del times
        np.copyto(out, K)
        return {"dtype": dtype}

    return work


def rbf(*, n: int, d: int, dtype: str) -> Work:
    """Prepare scikit-learn's RBF kernel."""
    from sklearn.metrics.pairwise import rbf_kernel

    X = points(n, d, dtype)

    def work(_: int) -> Facts:
        return {"dtype": str(rbf_kernel(X).dtype)}

    return work


def neural_tangents(*, n: int, d: int, dtype: str) -> Work:
    """Prepare the relu NTK of neural-tangents, compiled; it computes the NNGP kernel on its way."""
    import jax
    from neural_tangents import stax  # pyright: ignore[reportMissingImports]

    jax.config.update("jax_enable_x64", dtype == "float64")
    X = points(n, d, dtype)
    _, _, kernel = stax.serial(stax.Dense(1, W_std=d**0.5), stax.Relu(), stax.Dense(1))
    compiled = jax.jit(lambda X: kernel(X, None, "ntk"))

    def work(_: int) -> Facts:
        return {"dtype": str(np.asarray(compiled(X)).dtype)}

    return work


def scikit_ntk(*, n: int, d: int, dtype: str, of: int) -> Work:
    """Prepare the relu NTK of scikit-ntk, with one hidden layer."""
    from skntk import NeuralTangentKernel  # pyright: ignore[reportMissingImports]

    X, kernel = points(n, d, dtype), NeuralTangentKernel(depth=1, bias=0.0)

    def work(_: int) -> Facts:
        K = kernel(X)
        return {"units": (n / of) ** 2, "dtype": str(K.dtype), "points": n}

    return work
