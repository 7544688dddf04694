"""Cholesky against NumPy's solve; the condition number against NumPy's; what cannot be trusted is refused."""

import re

import numpy as np
import pytest

import oracles
from tightwidth import memory
from tightwidth.errors import ConditioningError, DataError, InputError, MemoryEstimateError
from tightwidth.linear_solves import condition_limit, relative_residual, solve

M = 60
EPS = np.finfo(np.float64).eps
EPS_SINGLE = np.finfo(np.float32).eps


def gaussian(X, width=1.0):
    """Return the Gram matrix of the Gaussian kernel."""
    squares = ((X[:, None] - X[None]) ** 2).sum(-1)
    return np.exp(-squares / (2 * width**2))


def with_spectrum(values, seed):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return (Q * values) @ Q.T


def points(m=M, d=8, seed=0):
    return oracles.sphere(np.random.default_rng(seed), m, d)


def labels(m=M, seed=1):
    return np.random.default_rng(seed).choice([-1.0, 1.0], m)


def ridge_named_in(error):
    """Return the ridge that a message calls enough."""
    (ridge,) = re.findall(r"give ridge=(\S+) or more", str(error.value))
    return float(ridge)


def pair(delta):
    """Return the Gram matrix of two points of correlation 1 - delta, whose eigenvalues are 2 - delta and delta."""
    return np.array([[1, 1 - delta], [1 - delta, 1]])


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(M,), (M, 1), (M, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_solution_is_that_of_numpy(ridge, shape, dtype):
    K = gaussian(points()).astype(dtype)
    Y = np.random.default_rng(2).standard_normal(shape)
    A = K.astype(np.float64) + ridge * np.eye(M)
    found = solve(K, Y, ridge=ridge)
    assert found.alpha.shape == shape
    assert found.alpha.dtype == np.float64
    assert (found.method, found.n_iterations) == ("cholesky", 0)
    # float32 entries are exact numbers: there is no error of 1e-7 here
    tolerance = 20 * np.linalg.cond(A) * EPS
    np.testing.assert_allclose(found.alpha, np.linalg.solve(A, Y), rtol=0, atol=tolerance * np.abs(found.alpha).max())
    if ridge:
        wrong = np.linalg.solve(K.astype(np.float64) + ridge * M * np.eye(M), Y)
        assert np.abs(found.alpha - wrong).max() > 1e6 * tolerance * np.abs(found.alpha).max()


def test_numbers_of_other_types_count_as_float64():
    found = solve(np.array([[2, 1], [1, 2]]), np.array([3, 3]))
    np.testing.assert_allclose(found.alpha, [1, 1], rtol=1e-15)
    assert found.condition == pytest.approx(3)


def test_the_residual_is_the_true_one():
    K, Y = gaussian(points()), np.random.default_rng(3).standard_normal((M, 2)) * [1, 1e6]
    found = solve(K, Y, ridge=1e-3)
    A, alpha = K.astype(np.longdouble) + 1e-3 * np.eye(M), found.alpha.astype(np.longdouble)
    truth = max(np.linalg.norm((Y - A @ alpha).astype(np.float64), axis=0) / np.linalg.norm(Y, axis=0))
    rounding = M * EPS * np.linalg.norm(A.astype(np.float64), 2) * np.linalg.norm(found.alpha) / np.linalg.norm(Y)
    assert abs(found.relative_residual - truth) <= rounding
    residual = np.array([[0.0, 3e200], [0.0, 4e200]])
    assert relative_residual(residual, np.array([[1.0, 0.0], [0.0, 1e201]])) == pytest.approx(0.5)
    assert relative_residual(residual, np.zeros((2, 2))) == pytest.approx(5e200)


def test_the_solution_is_backward_stable_entry_by_entry():
    s = 10.0 ** np.random.default_rng(4).uniform(-7, 7, M)
    K = s[:, None] * gaussian(points()) * s
    y = labels() * s
    alpha = solve(K, y).alpha
    backward = np.abs(y - K @ alpha) / (np.abs(K) @ np.abs(alpha) + np.abs(y))
    assert backward.max() < 10 * EPS


@pytest.mark.parametrize(("least", "seed"), [(0.5, 0), (1e-3, 1), (1e-6, 2), (1e-11, 3)])
def test_the_condition_number_is_estimated_for_a_unit_diagonal(least, seed):
    C = with_spectrum(np.geomspace(least, 1, M), seed)
    C /= np.sqrt(np.outer(np.diag(C), np.diag(C)))
    s = 10.0 ** np.random.default_rng(seed).uniform(-3, 3, M)
    K = s[:, None] * C * s
    truth = np.linalg.cond(C, 1)
    estimate = solve(K, np.ones(M)).condition
    assert truth / 3 < estimate < truth * 1.001  # LAPACK's promise, and its rounding here
    assert estimate < np.linalg.cond(K, 1) / 10
    assert solve(K, np.ones(M), ridge=100 * np.abs(K).sum()).condition < 1.1


def test_the_largest_condition_number_leaves_a_digit():
    assert condition_limit(np.float64) == pytest.approx(4.5e14, rel=0.01)
    assert condition_limit(np.float32) == pytest.approx(8.4e5, rel=0.01)
    # two points whose Gram matrix is exact: alpha = (1, -1) / delta
    for exponent, precision in [(20, np.float32), (40, np.float64), (47, np.float64)]:
        K, delta = pair(2.0**-exponent), 2.0**-exponent
        eps = EPS_SINGLE if precision is np.float32 else EPS
        if 2 / delta > condition_limit(precision):
            continue
        alpha = solve(K, np.array([1.0, -1.0]), precision=precision).alpha
        np.testing.assert_allclose(alpha * delta, [1, -1], rtol=4 * eps / delta)
    for exponent, precision in [(50, np.float64), (22, np.float32)]:
        K = pair(2.0**-exponent)
        with pytest.raises(ConditioningError, match=r"m=2 points with ridge=0 is numerically singular in float"):
            solve(K, np.array([1.0, -1.0]), precision=precision)


def test_the_precision_is_that_of_the_entries_unless_it_is_given():
    K, y = pair(2.0**-22), np.array([1.0, -1.0])
    assert (K.astype(np.float32) == K).all()
    with pytest.raises(ConditioningError, match=r"singular in float32: condition 8.4e\+06, .* or points in float64$"):
        solve(K.astype(np.float32), y)
    with pytest.raises(ConditioningError, match="in float32"):
        solve(K, y, precision=np.float32)
    np.testing.assert_allclose(solve(K, y).alpha, 2.0**22 * y)
    np.testing.assert_allclose(solve(K.astype(np.float32), y, precision=np.float64).alpha, 2.0**22 * y)


def duplicated():
    X = points()
    X[41] = X[17]
    return gaussian(X)


SINGULAR = {
    "duplicated": (duplicated, r"remove one of rows 18 and 42, which coincide in the kernel, or give ridge="),
    "opposite": (lambda: np.array([[1.0, -1.0], [-1.0, 1.0]]), r"remove one of rows 1 and 2, which coincide"),
    "of low rank": (lambda: points() @ points().T, r"remove points that nearly coincide, or give ridge="),
    "a zero row": (lambda: np.diag([2.0, 0.0, 1.0]), r"remove row 2, where k\(x, x\) = 0, or give ridge="),
    "zero": (lambda: np.zeros((3, 3)), r"remove row 1, where k\(x, x\) = 0, or give ridge="),
    "no kernel": (lambda: with_spectrum(np.linspace(-1, 3, M), 0), r"eigenvalues below 0 .*: is it a kernel\?"),
}


@pytest.mark.parametrize("kind", SINGULAR)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_a_singular_matrix_is_refused_with_a_ridge_that_is_enough(kind, dtype, scale):
    make, advice = SINGULAR[kind]
    K = (make() * scale).astype(dtype)
    for sign in (1, -1):  # for duplicates: equal and opposite labels
        with pytest.raises(ConditioningError, match=advice) as error:
            solve(K, np.where(np.arange(len(K)) == 41, sign, 1))
        assert "\n" not in str(error.value)
    ridge = ridge_named_in(error)
    found = solve(K, labels(len(K)), ridge=ridge)
    assert found.condition <= condition_limit(dtype)
    assert found.relative_residual < 1e-3
    if kind in {"duplicated", "opposite", "of low rank"}:
        with pytest.raises(ConditioningError, match=rf"points with ridge={re.escape(f'{ridge / 3000:g}')} is numer"):
            solve(K, labels(len(K)), ridge=ridge / 3000)
        assert ridge < {np.float64: 1e-9, np.float32: 0.1}[dtype] * scale


def test_labels_of_a_duplicated_point_are_no_noise_with_a_ridge():
    K, y, ridge = duplicated(), labels(), 1e-2
    y[17], y[41] = 1, -1
    alpha = solve(K, y, ridge=ridge).alpha
    assert alpha[17] - alpha[41] == pytest.approx(2 / ridge)  # the ridge alone tells them apart


@pytest.mark.parametrize(
    ("K", "message"),
    [
        (np.ones((3, 2)), r"K has shape \(3, 2\); a square matrix is needed"),
        (np.ones(3), r"K has shape \(3,\)"),
        (np.ones((0, 0)), r"K has shape \(0, 0\)"),
        (np.diag([1.0, np.nan, 1.0]), "K holds NaN or infinite entries; check the points and the kernel"),
        (np.array([[1.0, 0.1, 0], [0.2, 1, 0], [0, 0, 1]]), r"K is not symmetric \(entries differ by 0.1\); give k"),
    ],
)
def test_what_is_no_symmetric_matrix_is_refused(K, message):
    with pytest.raises(DataError, match=message):
        solve(K, np.ones(len(K)))


def test_what_are_no_numbers_is_refused():
    with pytest.raises(TypeError, match="numbers of dtype complex128 cannot be used as real numbers"):
        solve(np.eye(2) * 1j, np.ones(2))


def test_entries_may_differ_by_rounding():
    K = gaussian(points()).astype(np.float32)
    noisy = K * (1 + EPS_SINGLE * np.random.default_rng(0).choice([-1, 1], K.shape)).astype(np.float32)
    assert not np.array_equal(noisy, noisy.T)
    assert solve(noisy, labels()).condition < 1e4


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(M - 1), r"y has shape \(59,\) but there are 60 points; give one value"),
        (np.ones((1, M)), r"y has shape \(1, 60\) but there are 60 points"),
        (np.ones((M, 0)), r"y has shape \(60, 0\)"),
        (np.ones((M, 1, 1)), r"y has shape \(60, 1, 1\)"),
        (np.array(["a"] * M), r"y holds something other than numbers .*; give one real number for each of 60"),
        (np.where(np.arange(M) == 4, np.nan, 1.0), r"y holds 1 NaN or infinite values, the first in row 5; remove"),
        (np.where(np.arange(2 * M).reshape(M, 2) > 115, np.inf, 1.0), r"y holds 4 NaN .* the first in row 59"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        solve(gaussian(points()), y)


@pytest.mark.parametrize("ridge", [-1e-3, np.nan, np.inf])
def test_the_ridge_is_finite_and_not_negative(ridge):
    with pytest.raises(InputError, match=rf"ridge={ridge} must be finite and not negative; give 0 to interpolate"):
        solve(gaussian(points()), labels(), ridge=ridge)


def test_the_precision_is_single_or_double():
    with pytest.raises(InputError, match="precision=float16 is unknown; give float32 or float64"):
        solve(gaussian(points()), labels(), precision=np.float16)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 1000.0)
    with pytest.raises(
        MemoryEstimateError, match=r"the factor of a 60 x 60 matrix needs about 28.8 kB .* conjugate_gr"
    ):
        solve(gaussian(points()), labels())
