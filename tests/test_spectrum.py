"""Lanczos against dense linear algebra; its bound is never below the largest eigenvalue."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from tightwidth.spectrum import FAILURE_PROBABILITY, lanczos, lanczos_gap, largest_eigenvalue, largest_eigenvalue_bound

N = 200


def rotation(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def with_spectrum(values, seed):
    """Return a symmetric matrix with these eigenvalues."""
    Q = rotation(np.random.default_rng(seed), len(values))
    return (Q * values) @ Q.T


def spectra():
    """Return positive semi-definite spectra, [N] each, that are hard in different ways."""
    rng = np.random.default_rng(0)
    even = np.linspace(0, 1, N)
    return {
        "even": even,
        "clustered at the top": np.concatenate([np.linspace(0.99, 1, N // 2), np.linspace(0, 0.1, N // 2)]),
        "nearly all equal": 1 - 1e-3 * rng.random(N),
        "one above a continuum": np.concatenate([even[:-1], [1.02]]),
        "one far above": np.concatenate([even[:-1], [100.0]]),
        "rank 3": np.concatenate([np.zeros(N - 3), [1.0, 2.0, 3.0]]),
        "rank 60": np.concatenate([np.zeros(N - 60), rng.random(60)]),
        "squares of Gaussians": np.linalg.eigvalsh(np.cov(rng.standard_normal((N, 3 * N)))),
        "geometric": 0.9 ** np.arange(N),
        "constant": np.ones(N),
        "large": 1e100 * even,
        "small": 1e-100 * even,
    }


@pytest.mark.parametrize("kind", spectra())
@pytest.mark.parametrize("n_steps", [20, 40])
def test_the_bound_is_never_below_the_largest_eigenvalue(kind, n_steps):
    values = spectra()[kind]  # a diagonal operator: the start is uniform on the sphere, so its basis does not matter
    truth = values.max()
    for seed in range(12):  # each fails with probability 1e-9
        bound = largest_eigenvalue_bound(values.__mul__, N, seed=seed, n_steps=n_steps)
        assert bound >= truth
        if math.isfinite(bound):
            assert bound <= truth * (1 + 1e-5) / (1 - lanczos_gap(N, n_steps))
        if n_steps == 20 and kind in {"even", "clustered at the top"}:  # a plain Ritz value would have over-certified
            start = np.random.default_rng(seed).standard_normal(N)
            assert lanczos(values.__mul__, start, n_steps).ritz_values()[-1] < truth * (1 - 1e-5)


def test_the_bound_is_exact_once_the_whole_space_is_spanned():
    A = with_spectrum(np.linspace(0, 1, 30), 1)
    assert largest_eigenvalue_bound(A.__matmul__, 30, seed=0) == pytest.approx(1, rel=2e-6)
    assert largest_eigenvalue_bound(lambda v: 7 * v, 1, seed=0) == pytest.approx(7, rel=2e-6)


def test_the_bound_is_infinite_where_so_few_steps_prove_nothing():
    A = with_spectrum(np.linspace(0, 1, N), 1)
    assert largest_eigenvalue_bound(A.__matmul__, N, seed=0, n_steps=5) == math.inf
    assert largest_eigenvalue_bound(np.zeros_like, N, seed=0) == math.inf


def test_the_bound_is_the_same_for_the_same_seed():
    A = with_spectrum(np.linspace(0, 1, N), 1)
    first, second, other = (largest_eigenvalue_bound(A.__matmul__, N, seed=seed) for seed in (3, 3, 4))
    assert first == second != other


@pytest.mark.parametrize(("n", "n_steps"), [(200, 20), (4096, 40), (4096, 60), (100_000, 60)])
def test_the_gap_solves_the_inequality_of_kuczynski_and_wozniakowski(n, n_steps):
    def excess(e, factor):
        return np.log(1.648 * np.sqrt(n)) - np.sqrt(e) * (factor * n_steps - 1) - np.log(FAILURE_PROBABILITY)

    right, wrong = (float(np.asarray(brentq(excess, 0, 10, args=(factor,)))) for factor in (2, 1))
    assert lanczos_gap(n, n_steps) == pytest.approx(right, rel=1e-9)
    assert lanczos_gap(n, n_steps) < 0.5 * wrong
    assert lanczos_gap(n, n_steps, 1e-3) < lanczos_gap(n, n_steps)


def test_the_bound_exceeds_the_truth_by_a_tenth_or_a_twentieth_at_most():
    assert 1 / (1 - lanczos_gap(4096, 40)) == pytest.approx(1.115, abs=0.001)
    assert 1 / (1 - lanczos_gap(4096, 60)) == pytest.approx(1.05, abs=0.005)


@pytest.mark.parametrize("kind", ["even", "rank 60", "squares of Gaussians", "one far above"])
def test_the_basis_is_orthonormal_and_the_operator_tridiagonal_in_it(kind):
    A = with_spectrum(spectra()[kind], 2)
    start = np.random.default_rng(3).standard_normal(N)
    space = lanczos(A.__matmul__, start, 50)
    k = len(space.diagonal)
    np.testing.assert_allclose(space.basis @ space.basis.T, np.eye(k), atol=1e-12)
    T = np.diag(space.diagonal) + np.diag(space.off_diagonal, 1) + np.diag(space.off_diagonal, -1)
    np.testing.assert_allclose(space.basis @ A @ space.basis.T, T, atol=1e-10 * np.abs(T).max())
    np.testing.assert_allclose(space.ritz_values(), np.linalg.eigvalsh(T), atol=1e-12 * np.abs(T).max())
    np.testing.assert_allclose(space.basis[0] * space.start_norm, start)
    # its rows span start, A start, A^2 start, ...
    moments = [start]
    for _ in range(4):
        moments.append(A @ moments[-1] / np.linalg.norm(moments[-1]))
    projected = np.stack(moments) @ space.basis[:5].T @ space.basis[:5]
    np.testing.assert_allclose(projected, moments, atol=1e-10 * np.abs(moments).max())


@pytest.mark.parametrize("n_steps", [1, 7, 40, 80])
def test_the_solutions_are_those_of_galerkin(n_steps):
    n, shifts = 80, np.array([1e-3, 0.1, 10.0])
    A = with_spectrum(np.linspace(0, 3, n), 4)
    start = np.random.default_rng(5).standard_normal(n)
    space = lanczos(A.__matmul__, start, n_steps)
    V, _ = np.linalg.qr(np.stack([np.linalg.matrix_power(A, j) @ start for j in range(min(n_steps, 7))]).T)
    V = V if n_steps <= 7 else space.basis.T
    for shift, solution in zip(shifts, space.regularised_solutions(shifts), strict=True):
        expected = V @ np.linalg.solve(V.T @ A @ V + shift * np.eye(V.shape[1]), V.T @ start)
        np.testing.assert_allclose(solution, expected, rtol=1e-7, atol=1e-9)
        if n_steps == n:
            np.testing.assert_allclose((A + shift * np.eye(n)) @ solution, start, atol=1e-8)


def test_the_solutions_are_exact_for_an_operator_of_low_rank():
    A = with_spectrum(np.concatenate([np.zeros(N - 3), [1.0, 2.0, 3.0]]), 6)
    start = np.random.default_rng(7).standard_normal(N)
    space = lanczos(A.__matmul__, start, 40)
    assert len(space.diagonal) == 4  # three and the kernel's part of the start: then the space is invariant
    (solution,) = space.regularised_solutions(np.array([0.05]))
    np.testing.assert_allclose(solution, np.linalg.solve(A + 0.05 * np.eye(N), start), atol=1e-9)


def test_the_largest_eigenvalue_of_a_matrix():
    for seed in range(3):
        A = with_spectrum(np.random.default_rng(seed).standard_normal(50), seed)
        assert largest_eigenvalue(A) == pytest.approx(np.linalg.eigvalsh(A)[-1], rel=1e-12)
        assert largest_eigenvalue(A.astype(np.float32)) == pytest.approx(np.linalg.eigvalsh(A)[-1], rel=1e-6)
    assert largest_eigenvalue(np.array([[-2.0]])) == -2
