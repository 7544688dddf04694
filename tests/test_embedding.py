"""The random embedding as an operator against the matrix itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from tightwidth import activations, embedding
from tightwidth.embedding import embed
from tightwidth.network import draw_W_half

M, D, Q = 30, 5, 8
KEY = jax.random.key(0)
POINTS = oracles.sphere(np.random.default_rng(0), M, D)
RNG = np.random.default_rng(1)
ALPHA, V = RNG.standard_normal(M), RNG.standard_normal((Q, D))
NAMES = ["relu", "gelu"]
DTYPES = [np.float32, np.float64]


def embedded(name="relu", dtype=np.float64, n_pairs=None):
    W_half = draw_W_half(KEY, Q, D, dtype)
    return embed(POINTS.astype(dtype), W_half, activations.get(name), n_pairs=n_pairs)


def dense(emb, q=Q):
    """Return Psi, [m, q d], of the points and weights that the embedding holds."""
    return oracles.psi(np.asarray(emb.W_half)[:q], np.asarray(emb.X), emb.activation.name)


@pytest.fixture(params=["kept", "computed anew", "in blocks", "computed anew in blocks"])
def memory(request, monkeypatch):
    """Keep the gates or not, in one block of rows or in several."""
    if "anew" in request.param:
        monkeypatch.setattr(embedding, "GATES_SHARE", 0.0)
    if "blocks" in request.param:
        monkeypatch.setattr(embedding, "BLOCK_ELEMENTS", 7 * Q)
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_products_are_those_with_the_matrix(name, dtype, memory):
    emb = embedded(name, dtype)
    assert (emb.gates is None) == ("anew" in memory)
    assert (emb.q, emb.Q) == (Q, Q)
    Psi = dense(emb)
    atol = 1e-13 if dtype is np.float64 else 1e-6  # float32 gates are rounded, sums are not
    np.testing.assert_allclose(emb.adjoint(ALPHA), np.sqrt(Q) * (Psi.T @ ALPHA).reshape(Q, D), atol=atol)
    np.testing.assert_allclose(emb.outputs(V), np.sqrt(Q) * Psi @ V.ravel(), atol=atol)
    np.testing.assert_allclose(emb.diagonal(), np.sum(Psi**2, axis=1), atol=atol)
    np.testing.assert_allclose(emb.kernel_product(ALPHA), Psi @ (Psi.T @ ALPHA), rtol=0, atol=10 * atol)
    squared_norm, outputs = emb.primal(V)
    v = V.ravel() / np.sqrt(Q)
    assert squared_norm == pytest.approx(v @ v, rel=1e-14)
    np.testing.assert_allclose(outputs, Psi @ v, atol=atol)
    for result in (emb.adjoint(ALPHA), emb.outputs(V), emb.diagonal(), outputs):
        assert result.dtype == np.float64


def test_the_comparison_sees_a_factor_of_q_and_sigma_for_its_derivative():
    emb = embedded("relu")
    Psi, product = dense(emb), emb.kernel_product(ALPHA)
    values = oracles.SIGMA["relu"](POINTS @ np.asarray(emb.W_half).T, np)
    of_values = np.einsum("iq,id->iqd", values, POINTS).reshape(M, -1) / np.sqrt(Q)
    for wrong in (Q * Psi, Psi * np.sqrt(2), of_values):
        assert np.abs(product - wrong @ (wrong.T @ ALPHA)).max() > 1e-2


@pytest.mark.parametrize("dtype", DTYPES)
def test_narrowing_needs_no_context_of_its_own(dtype):
    wide = embedded(dtype=dtype)
    assert wide.gates is not None
    gates = wide.narrowed(3).gates
    assert gates is not None
    assert gates.dtype == dtype
    np.testing.assert_array_equal(np.asarray(gates)[:, :3], np.asarray(wide.gates)[:, :3])


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", [3, Q])
def test_a_narrowed_embedding_is_that_of_its_first_pairs(q, dtype):
    with jax.enable_x64(dtype is np.float64):
        narrowed = embedded(dtype=dtype).narrowed(q)
    for emb in (narrowed, embedded(dtype=dtype, n_pairs=q)):
        assert (emb.q, emb.Q) == (q, Q)
        with jax.enable_x64(dtype is np.float64):
            fresh = embed(emb.X, emb.W_half[:q], emb.activation)
        tolerance = 1e-13 if dtype is np.float64 else 1e-5
        np.testing.assert_allclose(emb.kernel_product(ALPHA), fresh.kernel_product(ALPHA), atol=tolerance)
        np.testing.assert_allclose(emb.diagonal(), fresh.diagonal(), rtol=1e-13)
        np.testing.assert_allclose(emb.adjoint(ALPHA)[:q], fresh.adjoint(ALPHA), atol=1e-13)
        np.testing.assert_array_equal(emb.adjoint(ALPHA)[q:], 0)
        np.testing.assert_allclose(emb.outputs(V), fresh.outputs(V[:q]), atol=1e-13)
        truth = np.linalg.norm(dense(emb, q), 2) ** 2
        assert emb.largest_eigenvalue(R=D**0.5, seed=0) == pytest.approx(truth, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gates_of_other_points_are_those_of_the_first_pairs(dtype):
    others = oracles.sphere(np.random.default_rng(2), 4, D).astype(dtype)
    emb = embedded("gelu", dtype, n_pairs=5)
    with jax.enable_x64(dtype is np.float64):
        seen = np.asarray(emb.gates_at(jnp.asarray(others)))
        one = np.asarray(emb.gates_at(jnp.asarray(others[0])))
    expected = oracles.gates(np.asarray(emb.W_half), others, "gelu")
    np.testing.assert_allclose(seen[:, :5], expected[:, :5], atol=1e-6 if dtype is np.float32 else 1e-14)
    np.testing.assert_array_equal(seen[:, 5:], 0)
    np.testing.assert_allclose(one, seen[0], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_largest_eigenvalue_is_exact_for_few_points_and_never_underestimated(name, dtype, monkeypatch):
    emb = embedded(name, dtype)
    truth = np.linalg.norm(dense(emb), 2) ** 2
    R = oracles.exact_R(POINTS)
    assert emb.largest_eigenvalue(R=R, seed=0) == pytest.approx(truth, rel=1e-9 if dtype is np.float64 else 1e-6)
    monkeypatch.setattr(embedding, "EXACT_POINTS", 0)
    for seed in range(5):  # each fails with probability 1e-9
        assert truth * (1 - 1e-9) <= emb.largest_eigenvalue(R=R, seed=seed) < 1.01 * truth
    assert emb.largest_eigenvalue(R=1e-3, seed=0) == pytest.approx(emb.activation.C**2 * M * 1e-6 / D)


def test_the_largest_eigenvalue_of_many_points_is_bounded_from_above():
    m, q = 1100, 40  # more than are done exactly
    X = oracles.sphere(np.random.default_rng(3), m, D).astype(np.float32)
    emb = embed(X, draw_W_half(KEY, q, D), activations.get("relu"))
    truth = np.linalg.norm(dense(emb, q), 2) ** 2
    bound = emb.largest_eigenvalue(R=oracles.exact_R(X), seed=0)
    always = m * oracles.exact_R(X) ** 2 / D
    assert truth <= bound <= min(always, 1.12 * truth)
    assert always > 1.5 * truth  # the bound that holds always would be worse here
    assert bound == emb.largest_eigenvalue(R=oracles.exact_R(X), seed=0)
