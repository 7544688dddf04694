"""Coordinate ascent towards large margins: against a dense solution of the same quadratic program."""

import dataclasses

import jax
import numpy as np
import pytest

import certificate_oracles as oracle
from tightwidth import activations, embedding, margin, network
from tightwidth.margin_by_matrix import DualProblem

M, D, Q = 24, 8, 16


class Problem:
    """Hold a sample in the embedding of the package, and the same features as a dense matrix."""

    def __init__(self, dtype=np.float64, dead=0):
        rng = np.random.default_rng(11)
        X = oracle.sphere(rng, M, D)
        self.y = rng.choice([-1.0, 1.0], M).astype(dtype)
        W = np.array(network.draw_W_half(jax.random.key(1), Q, D, np.float64))
        if dead:  # all weights on one side, and some points on the other
            W[:, 0] = np.abs(W[:, 0]) + 9
            X[:, 0] = np.abs(X[:, 0]) + 0.3
            X[:dead] *= 0.1
            X[:dead, 0] = -1
            X /= np.linalg.norm(X, axis=1, keepdims=True)
        self.Psi = oracle.features(X.astype(dtype), W, "relu")
        with jax.enable_x64(dtype == np.float64):
            half = jax.numpy.asarray(W, dtype)
        self.embedding = embedding.embed(X.astype(dtype), half, activations.get("relu"))
        self.diagonal = self.embedding.diagonal()

    def ascend(self, ascent=None, *, n_epochs, C, seed=0):
        ascent = margin.start(self.embedding, self.y) if ascent is None else ascent
        return margin.ascend(ascent, self.embedding, self.y, self.diagonal, n_epochs=n_epochs, C=C, seed=seed)

    def dual(self, ascent):
        """Return sum(alpha) - ||v||^2 / 2."""
        alpha = np.asarray(ascent.alpha, np.float64)
        v = (alpha * self.y) @ self.Psi
        return alpha.sum() - v @ v / 2

    def primal(self, ascent, C):
        """Return ||v||^2 / 2 + C sum_i (1 - y_i <v, Psi_i>)_+ of the vector that the ascent holds."""
        v = np.asarray(ascent.U, np.float64).reshape(-1) / np.sqrt(Q)
        return v @ v / 2 + C * oracle.LOSS["hinge"](self.Psi @ v, self.y).sum()


@pytest.mark.slow
@pytest.mark.parametrize("C", [0.5, 2.0])
def test_the_box_is_solved_from_both_sides(C):
    problem = Problem()
    _, optimum = oracle.soft_margin(problem.Psi, problem.y, C)
    ascent = problem.ascend(n_epochs=3000, C=C)
    assert problem.dual(ascent) == pytest.approx(optimum, rel=1e-7)
    assert problem.primal(ascent, C) == pytest.approx(optimum, rel=1e-6)
    assert np.asarray(ascent.alpha).max() <= C
    assert oracle.soft_margin(problem.Psi, problem.y, 2 * C)[1] > optimum * (1 + 1e-3)  # another box would be seen


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-7), (np.float32, 1e-3)])
def test_the_hard_margin(dtype, tolerance):
    problem = Problem(dtype)
    alpha, optimum = oracle.soft_margin(problem.Psi, problem.y, np.inf)
    ascent = problem.ascend(n_epochs=3000, C=margin.NO_LIMIT)
    assert ascent.alpha.dtype == ascent.U.dtype == dtype
    norm_squared, outputs = problem.embedding.primal(np.asarray(ascent.U))
    least = (problem.y * outputs).min()
    assert norm_squared / least**2 == pytest.approx(2 * optimum, rel=tolerance)
    assert norm_squared / least**2 >= 2 * optimum * (1 - 1e-9)  # no vector with these margins is shorter
    np.testing.assert_allclose(ascent.alpha, alpha, atol=1e3 * tolerance)


def test_the_vector_is_that_of_the_dual_variables():
    for problem in (Problem(), Problem(dead=3)):
        ascent = problem.ascend(n_epochs=5, C=2.0)
        alpha = np.asarray(ascent.alpha)
        assert (alpha >= 0).all()
        assert (alpha <= 2.0).all()
        assert ((alpha > 0) & (alpha < 2)).any()
        v = (alpha * problem.y) @ problem.Psi
        np.testing.assert_allclose(np.asarray(ascent.U).reshape(-1) / np.sqrt(Q), v, atol=1e-12)
        assert ascent.epochs == 5


def test_no_epoch_lowers_the_dual():
    problem = Problem()
    ascent, before = None, 0.0
    for _ in range(12):
        ascent = problem.ascend(ascent, n_epochs=1, C=4.0)
        now = problem.dual(ascent)
        assert now > before - 1e-12
        before = now
    assert ascent is not None
    assert ascent.epochs == 12


def test_a_coordinate_is_maximised_exactly():
    # In one epoch from 0 the first point visited becomes clip(1 / K_ii, 0, C), whichever it is.
    problem = Problem()
    single = problem.ascend(n_epochs=1, C=1e-3)  # so small a box is full after one visit of every point
    np.testing.assert_array_equal(single.alpha, np.full(M, 1e-3))
    K = np.diag(problem.Psi @ problem.Psi.T)
    alpha = np.asarray(problem.ascend(n_epochs=1, C=margin.NO_LIMIT).alpha)
    assert np.isclose(alpha, 1 / K, rtol=1e-12).any()
    assert not np.isclose(alpha, 2 / K, rtol=1e-3).all()


@pytest.mark.slow
@pytest.mark.parametrize("block", [5, 24, 64])
@pytest.mark.parametrize("keeps", [True, False])
def test_points_of_a_block_are_visited_one_after_the_other(block, keeps, monkeypatch):
    # NumPy visits in the same order, one point at a time, from the dense features.  24 points fill no blocks of 5.
    monkeypatch.setattr(margin, "BLOCK", block)
    problem = Problem(dead=2)
    if not keeps:
        problem.embedding = dataclasses.replace(problem.embedding, gates=None)
    alpha, C, seed = np.zeros(M), 1.5, 3
    with jax.enable_x64(True):
        jax.clear_caches()  # the block is no argument of the compiled function
        found = problem.ascend(n_epochs=4, C=C, seed=seed)
    K = problem.Psi @ problem.Psi.T
    for epoch in range(4):
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 0), epoch)
        for i in np.asarray(jax.random.permutation(key, M)):
            if K[i, i] > 0:
                alpha[i] = np.clip(alpha[i] + (1 - problem.y[i] * (K[i] @ (alpha * problem.y))) / K[i, i], 0, C)
    assert ((alpha > 0) & (alpha < C)).any()
    np.testing.assert_allclose(found.alpha, alpha, atol=1e-11)
    np.testing.assert_allclose(
        np.asarray(found.U).reshape(-1) / np.sqrt(Q), (alpha * problem.y) @ problem.Psi, atol=1e-11
    )


def test_dead_points_stay_out():
    problem = Problem(dead=3)
    np.testing.assert_array_equal(problem.diagonal[:3], 0)
    assert (problem.diagonal[3:] > 0).all()
    ascent = problem.ascend(n_epochs=3000, C=4.0)
    alpha = np.asarray(ascent.alpha)
    np.testing.assert_array_equal(alpha[:3], 0)
    assert np.isfinite(np.asarray(ascent.U)).all()
    _, optimum = oracle.soft_margin(problem.Psi[3:], problem.y[3:], 4.0)
    assert problem.dual(ascent) == pytest.approx(optimum, rel=1e-6)


def test_a_start_from_given_variables():
    problem = Problem()
    alpha = np.random.default_rng(2).uniform(0, 3, M)
    ascent = margin.start(problem.embedding, problem.y, alpha)
    np.testing.assert_allclose(
        np.asarray(ascent.U).reshape(-1) / np.sqrt(Q), (alpha * problem.y) @ problem.Psi, atol=1e-12
    )
    np.testing.assert_array_equal(ascent.alpha, alpha)
    assert problem.dual(problem.ascend(ascent, n_epochs=1, C=4.0)) > problem.dual(ascent)


def test_the_order_of_the_visits_follows_the_seed():
    problem = Problem()
    first, again, other = (problem.ascend(n_epochs=2, C=4.0, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.U, again.U)
    assert (np.asarray(first.U) != np.asarray(other.U)).any()


@pytest.mark.parametrize(("dead", "C"), [(0, 2.0), (0, margin.NO_LIMIT), (3, 4.0)])
def test_the_ascent_on_the_matrix_is_the_same(dead, C):
    problem = Problem(dead=dead)
    by_matrix = DualProblem(problem.embedding.matrix(), problem.y)
    ascent, on_matrix = problem.ascend(n_epochs=4, C=C), by_matrix.ascend(by_matrix.start(), n_epochs=4, C=C, seed=0)
    ascent, on_matrix = (
        problem.ascend(ascent, n_epochs=3, C=C, seed=0),
        by_matrix.ascend(on_matrix, n_epochs=3, C=C, seed=0),
    )
    np.testing.assert_allclose(on_matrix.alpha, ascent.alpha, rtol=1e-8, atol=1e-10)
    norm_squared, outputs = by_matrix.vector(on_matrix)
    expected_norm_squared, expected_outputs = problem.embedding.primal(np.asarray(ascent.U))
    assert norm_squared == pytest.approx(expected_norm_squared, rel=1e-8)
    np.testing.assert_allclose(outputs, expected_outputs, atol=1e-8)
    assert (on_matrix.epochs, by_matrix.start(on_matrix.alpha).epochs) == (7, 0)
    other = by_matrix.ascend(by_matrix.start(), n_epochs=7, C=C, seed=1)
    assert not np.allclose(other.alpha, on_matrix.alpha, rtol=1e-8, atol=1e-10)  # the order is part of it


def test_the_matrix_is_that_of_the_features():
    problem = Problem()
    np.testing.assert_allclose(problem.embedding.matrix(), problem.Psi @ problem.Psi.T, atol=1e-14)
    np.testing.assert_allclose(np.diagonal(problem.embedding.matrix()), problem.diagonal, rtol=1e-14)
