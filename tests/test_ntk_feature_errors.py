"""NTKFeatures: what its products are on average, how far they are from it, and what it says of that."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certificate_oracles
import estimator_oracles as oracle
import oracles
import tightwidth as tw
from thresholds import bernstein, hoeffding
from tightwidth.activations import monomial
from tightwidth.estimators import NTKFeatures
from tightwidth.estimators.sketch import draw_signs, sketch, squared_error

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)) * np.array([1, 2, 3, 4, 5, 100]) + 7
UNIT: Any = {"standardize": False, "on_sphere": "require"}


def variance(u, v, S):
    """Return the variance of ``<S^T D u, S^T D v>`` over the signs D, term by term: sums over pairs in one column."""
    total = 0.0
    for column in S.T:
        a, b = u[column > 0], v[column > 0]
        for c in range(len(a)):
            for e in range(len(a)):
                if c != e:
                    total += a[c] ** 2 * b[e] ** 2 + a[c] * b[c] * a[e] * b[e]
    return total


class TestOnAverage:
    def test_products_average_to_the_kernel(self):
        """Of relu in R^3, over 65,536 pairs: both gates are open with the probability that the kernel has."""
        rows, q = oracles.sphere(np.random.default_rng(1), 6, 3), 65_536
        Psi = NTKFeatures(q, n_components=None, random_state=0, **UNIT).fit_transform(rows)
        found, K = Psi @ Psi.T, oracle.relu_gram(rows, rows)
        allowed = np.abs(rows @ rows.T) * hoeffding(q, n_checks=21) + 1e-12
        assert (np.abs(found - K) <= allowed).all()
        for wrong in (2 * found, found / 2, found * q, found * math.sqrt(q), found / math.sqrt(q)):
            assert (np.abs(wrong - K) > allowed).any()

    @pytest.mark.slow
    def test_all_columns_err_as_much_as_the_variance_says(self):
        """With 32,768 embeddings of 8 pairs, cut out of one: ``q E (f_omega - f)^2 = rho^2 a (1 - a)`` for relu."""
        rng, d, q, N = np.random.default_rng(2), 6, 8, 32_768
        rows = oracles.sphere(rng, 9, d)
        Psi = NTKFeatures(q * N, n_components=None, random_state=1, **UNIT).fit_transform(rows).reshape(9, N, q, d)
        f_omega = N * np.einsum("Nid,mNid->mN", Psi[0], Psi[1:])
        rho = rows[1:] @ rows[0]
        a = oracle.relu_gram(rows[1:], rows[:1])[:, 0] / rho
        errors = np.mean((f_omega - (rho * a)[:, None]) ** 2, axis=0)
        expected = np.mean(rho**2 * a * (1 - a)) / q
        # a value is at most mean rho^2, its mean square at most that times its mean
        threshold = bernstein(N, expected * np.mean(rho**2), np.mean(rho**2))
        assert abs(errors.mean() - expected) <= threshold
        assert threshold < expected / 4
        estimate: Any = NTKFeatures(q, n_components=None, **UNIT).fit(rows[1:]).error_estimate_
        assert expected <= estimate**2 / 2  # Theorem 4, with ||f||^2 = k(z, z) = 1/2
        for wrong in (2 * expected, expected / 2, expected * q / d, expected / q, expected * 4 / 3):
            assert abs(errors.mean() - wrong) > threshold

    @pytest.mark.slow
    @pytest.mark.parametrize(("q", "n", "d"), [(6, 6, 5), (12, 5, 3), (8, 2, 10)])
    def test_a_sketch_is_unbiased_and_has_the_variance_of_the_formula(self, q, n, d):
        """Over 40,000 draws of the signs, for one W' and two points."""
        rng, N = np.random.default_rng(3), 40_000
        rows, W = oracles.sphere(rng, 2, d), rng.standard_normal((q, d))
        rows[1] = np.array([0.6, 0.8]) @ [rows[0], rows[1] - (rows[1] @ rows[0]) * rows[0]]
        rows[1] /= np.linalg.norm(rows[1])
        W[:2] = 3 * rows.sum(axis=0)  # two pairs at least are open at both
        u, v = certificate_oracles.features(rows, W, "relu")
        signs = np.asarray(draw_signs(jax.random.key(4), N * q, d)).reshape(N, q, d)
        with jax.enable_x64(True):
            gates = jnp.asarray((rows @ W.T > 0) * 1.0)
            phi = np.asarray(jax.vmap(lambda s: sketch(gates, jnp.asarray(rows), s, n))(jnp.asarray(signs)))
        products, S = np.sum(phi[:, 0] * phi[:, 1], axis=1), oracle.hashed(q, d, n)
        expected, bound = variance(u, v, S), float((np.abs(u) @ S) @ (np.abs(v) @ S)) + abs(u @ v)
        allowed = bernstein(N, expected, bound)
        assert abs(products.mean() - u @ v) <= allowed
        for wrong in (2 * (u @ v), u @ v / 2, u @ v * q, u @ v / math.sqrt(q), u @ v / n):
            assert abs(products.mean() - wrong) > allowed
        squares = (products - u @ v) ** 2
        allowed = bernstein(N, expected * bound**2, bound**2)
        assert abs(squares.mean() - expected) <= allowed
        if allowed < expected / 4:
            assert abs(squares.mean() - 2 * expected) > allowed
            assert abs(squares.mean() - expected / 2) > allowed
        assert expected <= squared_error(1.0, q, n) * (u @ u)

    def test_no_vector_has_a_larger_variance_than_the_bound_and_some_come_near(self):
        rng, nearest = np.random.default_rng(5), 0.0
        for q, n, d in [(6, 6, 9), (8, 4, 3), (10, 4, 4), (16, 1, 2)]:
            S = oracle.hashed(q, d, n)
            for _ in range(5):
                x, W = oracles.sphere(rng, 1, d), rng.standard_normal((q, d))
                u = certificate_oracles.features(x, W, "tanh")[0]
                for v in (u, rng.standard_normal(q * d), u * (S[:, 0] > 0)):
                    share = variance(u, v, S) / (v @ v) / squared_error(1.0, q, n)
                    assert share <= 1 + 1e-12
            everywhere = certificate_oracles.features(
                oracles.sphere(rng, 1, d), rng.standard_normal((q, d)), "identity"
            )[0]
            v = everywhere * (S[:, 0] > 0)
            nearest = max(nearest, variance(everywhere, v, S) / (v @ v) / squared_error(1.0, q, n))
        assert nearest > 0.8  # neither half the bound nor a smaller power of n would hold

    def test_a_draw_of_signs_is_balanced(self):
        signs = draw_signs(jax.random.key(0), 1000, 50).astype(np.float64)
        assert abs(signs.mean()) <= hoeffding(50_000, 2)
        assert np.abs(signs.mean(axis=0)).max() <= hoeffding(1000, 2, n_checks=50)
        assert np.abs(np.mean(signs[:, 1:] * signs[:, :-1])) <= hoeffding(49_000, 2)


class TestErrorEstimate:
    def test_the_formulas(self):
        rows = oracles.sphere(np.random.default_rng(0), 30, 7)
        for name, C in (("relu", 1.0), ("erf", 2 / math.sqrt(math.pi))):
            dense: Any = NTKFeatures(10, n_components=None, activation=name, **UNIT).fit(rows)
            R = oracles.exact_R(rows)
            assert abs(dense.R_ - R) < 1e-9
            assert dense.error_estimate_ == pytest.approx(R * C / math.sqrt(70))
            for n, of_sketch in ((10, 2 / 10), (5, 2 / 5), (4, 2 * 3 / 10)):
                model: Any = NTKFeatures(10, n_components=n, activation=name, **UNIT).fit(rows)
                assert model.error_estimate_ == pytest.approx(C * math.sqrt(R**2 / 70 + of_sketch))
        assert NTKFeatures(10, activation=monomial(3), **UNIT).fit(rows).error_estimate_ is None

    @pytest.mark.slow
    def test_it_shrinks_as_the_root_of_the_columns(self):
        def of(q, n=None) -> Any:
            return NTKFeatures(q, n_components=n, random_state=0).fit(X).error_estimate_

        assert of(32) == pytest.approx(of(8) / 2)
        assert of(32, 32) == pytest.approx(of(8, 8) / 2)
        assert of(8, 8) > of(16, 8) > of(8)

    @pytest.mark.slow
    @pytest.mark.parametrize(("q", "n"), [(6, 6), (4, 2), (5, 3)])
    def test_it_bounds_the_error_of_a_sketch_as_measured(self, q, n):
        """Over 160,000 draws of W' and the signs, for the function k(z, .) of relu, whose error is known exactly.

        Both gates of a pair are open with probability a, one is with 1/2, and different pairs are independent.
        """
        rng, d, N = np.random.default_rng(6), 3, 160_000
        z, *rows = oracles.sphere(rng, 6, d)
        rho = rows @ z
        a = oracle.relu_gram(np.array(rows), z[None])[:, 0] / rho
        S = oracle.hashed(q, d, n).reshape(q, d, n)
        expected = rho**2 * a * (1 - a) / q
        for k in range(len(rows)):
            u, v = rows[k], z
            for column in S.transpose(2, 0, 1):
                where = np.argwhere(column > 0)
                for i, c in where:
                    for j, e in where:
                        if (i, c) != (j, e):
                            squares = u[c] ** 2 * v[e] ** 2 * (a[k] if i == j else 1 / 4)
                            expected[k] += (squares + u[c] * v[c] * u[e] * v[e] * a[k] ** (1 if i == j else 2)) / q**2
        points = np.array([z, *rows])
        with jax.enable_x64(True):
            gates = jnp.asarray((points @ rng.standard_normal((N, d, q)) > 0) * 1.0)
            signs = jnp.asarray(draw_signs(jax.random.key(7), N * q, d).reshape(N, q, d))
            phi = np.asarray(jax.vmap(lambda g, s: sketch(g, jnp.asarray(points), s, n))(gates, signs))
        found = np.mean((np.einsum("Nk,Nmk->Nm", phi[:, 0], phi[:, 1:]) - rho * a) ** 2, axis=1)
        sizes = np.einsum("ij,ijk->k", np.tile(np.abs(z), (q, 1)), S) / math.sqrt(q)
        bound = max(sizes @ np.einsum("j,ijk->k", np.abs(u), S) / math.sqrt(q) for u in rows) + 1 / 2
        allowed = bernstein(N, expected.mean() * bound**2, bound**2)
        assert abs(found.mean() - expected.mean()) <= allowed
        assert allowed < expected.mean() / 3
        estimate: Any = NTKFeatures(q, n_components=n, **UNIT).fit(np.array(rows)).error_estimate_
        assert expected.mean() <= estimate**2 / 2  # ||f||^2 = k(z, z) = 1/2
        for wrong in (2, 1 / 2, q, 1 / q, math.sqrt(n), 1 / n):
            assert abs(found.mean() - wrong * expected.mean()) > allowed

    @pytest.mark.parametrize("epsilon", [0.1, 0.3, 2.0])
    @pytest.mark.parametrize("n_pairs", ["auto", 1000])
    @pytest.mark.parametrize("activation", ["relu", "erf"])
    def test_auto_is_the_least_that_does(self, epsilon, n_pairs, activation):
        C = tw.activations.get(activation).C
        settings: Any = {"activation": activation, "epsilon": epsilon, "random_state": 0}
        model: Any = NTKFeatures(n_pairs, **settings).fit(X)
        n, q = model.n_components_, model.n_pairs_
        assert model.error_estimate_ <= epsilon * C * (1 + 1e-9)
        assert q == (n if n_pairs == "auto" else 1000)
        if n > 1:
            less: Any = NTKFeatures(n_pairs, n_components=n - 1, **settings).fit(X)
            assert less.error_estimate_ > epsilon * C
        if n_pairs == "auto":
            dense: Any = NTKFeatures(n_components=None, **settings).fit(X)
            assert dense.error_estimate_ <= epsilon * C * (1 + 1e-9)
            if dense.n_pairs_ > 1:
                fewer: Any = NTKFeatures(dense.n_pairs_ - 1, n_components=None, **settings).fit(X)
                assert fewer.error_estimate_ > epsilon * C

    def test_too_few_pairs_are_all_used(self):
        model: Any = NTKFeatures(20, random_state=0).fit(X)
        assert (model.n_pairs_, model.n_components_) == (20, 20)
        assert NTKFeatures(n_components=33, random_state=0).fit(X).n_pairs_ == 33
