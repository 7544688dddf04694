"""Random q-embeddings and q-kernels against NumPy transcriptions and the gradient of the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from feature_cases import ALPHA, CASES, EPS, KEY, B, Coordinates, Phases, Q, X, Z, double
from tightwidth import activations, feature_blocks, kernels, memory
from tightwidth.embedding import embed
from tightwidth.errors import DataError, InputError, MemoryEstimateError
from tightwidth.random_features import (
    RandomEmbedding,
    draw_embedding,
    ntk,
    ntk_both,
)
from tightwidth.tangent_kernel import empirical_tk_h

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

# The embedding and the q-kernel


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, np.float64) for name in CASES), *((name, np.float32) for name in ("ntk relu", "both tanh", "fourier"))],
)
def test_the_embedding_and_its_kernel_are_the_transcription(name, dtype):
    scheme, psi, _ = CASES[name]
    q, points, others = Q, X.astype(dtype), Z.astype(dtype)
    embedding = draw_embedding(scheme, key=KEY, q=q, d=3)
    Psi, Psi_Z = (psi(double(embedding.omegas), P.astype(np.float64)).reshape(len(P), -1) for P in (points, others))
    Psi, Psi_Z = Psi / np.sqrt(q), Psi_Z / np.sqrt(q)
    features = embedding.features(points)
    assert (features.dtype, features.shape) == (dtype, (4, q * scheme.dimension(3)))
    scale = np.abs(Psi @ Psi.T).max()
    np.testing.assert_allclose(features, Psi, atol=4 * EPS[dtype] * np.abs(Psi).max())
    K = kernels.gram(embedding.kernel, points)
    rounding = (Psi.shape[1] + 8) * EPS[dtype] * scale  # of a sum of products, and of its rounded factors
    np.testing.assert_allclose(K, features.astype(np.float64) @ features.T, atol=rounding)
    np.testing.assert_allclose(kernels.gram(embedding.kernel, points, others), Psi @ Psi_Z.T, atol=rounding)
    np.testing.assert_allclose(kernels.diagonal(embedding.kernel, points), np.sum(Psi**2, axis=1), atol=rounding)
    assert np.linalg.eigvalsh(K.astype(np.float64)).min() > -4 * rounding
    for wrong in (q * K, K / np.sqrt(q), 2 * K):
        assert np.abs(wrong - Psi @ Psi.T).max() > rounding
    V = np.random.default_rng(0).standard_normal((q, scheme.dimension(3)))
    np.testing.assert_allclose(embedding.outputs(V, points), Psi @ V.reshape(-1), atol=1e-13)
    np.testing.assert_allclose(embedding.adjoint(ALPHA, points).reshape(-1), Psi.T @ ALPHA, atol=1e-13)
    assert embedding.outputs(V, points).dtype == embedding.adjoint(ALPHA, points).dtype == np.float64


def test_products_with_vectors_and_single_pairs_of_points():
    scheme, psi, _ = CASES["sum"]
    embedding = draw_embedding(scheme, key=KEY, q=Q, d=3)
    V = np.random.default_rng(0).standard_normal((Q, 5))
    expected = np.einsum("mqp,qp->mq", psi(double(embedding.omegas), X), V)
    np.testing.assert_allclose(embedding.products(V, X), expected, atol=1e-13)
    with jax.enable_x64(True):
        one = jax.jit(lambda x, z: embedding.kernel.of_points(x, z))(jnp.asarray(X[0]), jnp.asarray(X[1]))
    assert float(one) == pytest.approx(kernels.gram(embedding.kernel, X)[0, 1], rel=1e-12)


def test_blocks_of_omegas_and_of_points_change_nothing_but_rounding(monkeypatch):
    scheme = CASES["sum"][0]
    embedding = draw_embedding(scheme, key=KEY, q=12, d=3)
    points = oracles.sphere(np.random.default_rng(3), 530, 3)
    alpha, V = np.linspace(-1, 1, 530), np.ones((12, scheme.dimension(3)))

    def everything():
        return (
            embedding.features(points),
            kernels.gram(embedding.kernel, points),
            kernels.diagonal(embedding.kernel, points),
            embedding.outputs(V, points),
            embedding.adjoint(alpha, points),
            embedding.products(V, points),
        )

    whole = everything()
    np.testing.assert_allclose(whole[0] @ whole[0].T, whole[1], atol=1e-12)
    np.testing.assert_array_equal(whole[1], whole[1].T)
    np.testing.assert_allclose(whole[3], whole[0] @ V.reshape(-1), atol=1e-12)
    np.testing.assert_allclose(whole[4].reshape(-1), whole[0].T @ alpha, atol=1e-11)
    monkeypatch.setattr(feature_blocks, "BLOCK_COLUMNS", 18)
    assert len(embedding.omega_blocks()) == 2
    for a, b in zip(whole, everything(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


def test_gates_are_the_same_in_both_precisions():
    embedding = draw_embedding(ntk("relu"), key=KEY, q=Q, d=3)
    omega = embedding.omegas[2] / np.linalg.norm(embedding.omegas[2])
    points = oracles.sphere(np.random.default_rng(3), 256, 3)
    points = (points - np.outer(points @ omega, omega)).astype(np.float32)  # next to the kink
    narrow, wide = embedding.features(points), embedding.features(points.astype(np.float64))
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))
    exact = points.astype(np.float64) @ embedding.omegas[2].astype(np.float64)
    assert ((points @ embedding.omegas[2] > 0) != (exact > 0)).sum() > 10  # float32 would err


def test_the_ntk_embedding_is_the_gradient_of_the_network():
    q = Q
    embedding = draw_embedding(ntk("tanh"), key=KEY, q=q, d=3)
    tanh = activations.get("tanh")
    W_half = embedding.omegas.astype(np.float64)
    np.testing.assert_allclose(embedding.features(X), oracles.psi(W_half, X, "tanh"), atol=1e-15)
    with jax.enable_x64(True):
        known = empirical_tk_h(X, Z, W_half=jnp.asarray(W_half), activation=tanh)
        np.testing.assert_allclose(kernels.gram(embedding.kernel, X, Z), known, atol=1e-15)
        operator = embed(X, jnp.asarray(W_half), tanh)
    np.testing.assert_allclose(np.sqrt(q) * embedding.adjoint(ALPHA, X), operator.adjoint(ALPHA), atol=1e-15)
    expected, *_ = oracles.tangent_kernels("tanh", W_half, B, X, Z)  # by automatic differentiation
    kernel = draw_embedding(ntk_both("tanh", B=B), key=KEY, q=q, d=3).kernel
    np.testing.assert_allclose(kernels.gram(kernel, X, Z), expected, atol=1e-14)


# What is refused


def relu_embedding(q=Q):
    return draw_embedding(ntk("relu"), key=KEY, q=q, d=3)


class Scalar(Coordinates):
    def psi(self, omega, x):
        return x[omega]


REFUSED = [
    (lambda: relu_embedding(0), InputError, "q=0 must be a whole number of at least 1"),
    (lambda: relu_embedding(True), InputError, "q=True must be a whole number"),
    (lambda: draw_embedding(ntk("relu"), key=KEY, q=5, d=0), InputError, "d=0 must be a whole number"),
    (
        lambda: relu_embedding().narrowed(12),
        InputError,
        "q=12, but only 11 omegas were drawn; draw more, from the same",
    ),
    (
        lambda: draw_embedding(Scalar(), key=KEY, q=Q, d=3),
        InputError,
        r"psi of Scalar returns shape \(\) for one omega and one point; return a vector",
    ),
    (
        lambda: RandomEmbedding(ntk("relu"), np.ones((5, 4), np.float32), 3),
        InputError,
        r"psi of NtkFeatures cannot take these omegas with a point in R\^3 \((.|\n)*\); give what its draw\(key",
    ),
    (
        lambda: RandomEmbedding(Phases(1.0), (np.ones((5, 3)), np.ones(4)), 3),
        InputError,
        r"omegas have the shapes \(5, 3\), \(4,\); needed are arrays with one and the same q >= 1 in front",
    ),
    (lambda: RandomEmbedding(ntk("relu"), np.ones((0, 3)), 3), InputError, r"omegas have the shapes \(0, 3\)"),
    (
        lambda: relu_embedding().features(np.ones((2, 4))),
        DataError,
        r"X has 4 columns but the embedding is of points in R\^3; give the same features",
    ),
    (lambda: kernels.gram(relu_embedding().kernel, np.ones((2, 4))), DataError, "X has 4 columns but the embedding"),
    (lambda: kernels.diagonal(relu_embedding().kernel, np.ones((2, 4))), DataError, "X has 4 columns"),
    (lambda: relu_embedding().outputs(np.ones((5, 2)), X), DataError, r"v has shape \(5, 2\), .* numbers \[11, 3\]"),
    (lambda: relu_embedding().products(np.full((Q, 3), np.nan), X), DataError, "V has shape .* or holds NaN; needed"),
    (lambda: relu_embedding().adjoint(np.ones((4, 1)), X), DataError, r"alpha has shape \(4, 1\); one coefficient"),
    (lambda: relu_embedding().adjoint(np.ones(3), X), DataError, r"alpha has shape \(3,\) but there are 4 points"),
]


@pytest.mark.parametrize(("attempt", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()


def test_columns_that_would_not_fit_in_memory_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 1e6)
    embedding = relu_embedding(1000)
    with pytest.raises(MemoryEstimateError, match=r"an embedding of 4 points in 1000 x 3 float64 columns needs about"):
        embedding.features(X)
    with pytest.raises(MemoryEstimateError, match=r"500 x 1000 products needs about 4 MB .*; take fewer points"):
        embedding.products(np.ones((1000, 3)), np.tile(X, (125, 1)))
