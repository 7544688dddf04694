"""Conjugate gradients against dense solves: to the tolerance, with the true residual, or refused."""

import re

import numpy as np
import pytest

import oracles
from tightwidth import linear_solves
from tightwidth.conjugate_gradients import MOST_STEPS, Step, solve, steps
from tightwidth.errors import ConditioningError, DataError, InputError

M = 80


def gaussian(X, width=1.0):
    """Return the Gram matrix of the Gaussian kernel."""
    squares = ((X[:, None] - X[None]) ** 2).sum(-1)
    return np.exp(-squares / (2 * width**2))


def with_spectrum(values, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return (Q * values) @ Q.T


def points(m=M, d=8, seed=0):
    return oracles.sphere(np.random.default_rng(seed), m, d)


def labels(m=M, seed=1):
    return np.random.default_rng(seed).choice([-1.0, 1.0], m)


class Counted:
    """Multiply by a matrix, adding up in its precision, and remember how often and with what."""

    def __init__(self, K):
        self.K, self.shapes = K, []

    def __call__(self, V):
        assert V.dtype == np.float64
        self.shapes.append(V.shape)
        return self.K @ V.astype(self.K.dtype)


def number_in(error, pattern):
    """Return the number that a message names."""
    (number,) = re.findall(pattern, str(error.value))
    return float(number)


def ridge_named_in(error):
    """Return the ridge that a message calls enough."""
    return number_in(error, r"give ridge=(\S+) or more")


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(M,), (M, 1), (M, 3)])
def test_the_solution_is_that_of_numpy(ridge, shape):
    K, Y = gaussian(points()), np.random.default_rng(2).standard_normal(shape)
    A, product = K + ridge * np.eye(M), Counted(K)
    found = solve(product, Y, ridge=ridge)
    expected = np.linalg.solve(A, Y)
    assert found.alpha.shape == shape
    assert found.method == "conjugate gradients"
    assert found.relative_residual <= 1e-10
    tolerance = 1e-10 * np.linalg.cond(A)
    error = np.linalg.norm(found.alpha - expected, axis=0) / np.linalg.norm(expected, axis=0)
    assert np.max(error) <= tolerance
    assert set(product.shapes) == {shape}
    assert len(product.shapes) == found.n_iterations + 1
    dense = linear_solves.solve(K, Y, ridge=ridge)
    np.testing.assert_allclose(found.alpha, dense.alpha, rtol=0, atol=tolerance * np.linalg.norm(dense.alpha))
    if ridge:
        wrong = np.linalg.solve(K + 2 * ridge * np.eye(M), Y)
        assert np.min(np.linalg.norm(found.alpha - wrong, axis=0)) > 1e3 * tolerance * np.linalg.norm(wrong)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-4, 1e-12])
def test_the_residual_is_the_true_one_and_within_the_tolerance(tolerance):
    K, Y = gaussian(points()), np.random.default_rng(3).standard_normal((M, 2)) * [1, 1e6]
    found = solve(K.__matmul__, Y, tolerance=tolerance)
    truth = max(np.linalg.norm(Y - K @ found.alpha, axis=0) / np.linalg.norm(Y, axis=0))
    assert found.relative_residual == pytest.approx(truth, rel=1e-3)
    assert truth <= tolerance
    # its estimate by Cholesky's alpha, which solves the same system, would be at rounding level
    assert linear_solves.solve(K, Y).relative_residual < 1e-13


def test_the_residual_reported_is_not_that_of_the_recursion():
    product, y = Counted(gaussian(points(64)).astype(np.float32)), labels(64)  # of norm 8: scaling rounds nothing
    iteration = steps(product, y, precision=np.float32, tolerance=1e-5)
    seen, found = [], None
    while found is None:
        try:
            seen.append(next(iteration))
        except StopIteration as stop:
            found = stop.value
    truth = np.linalg.norm(y - product(found.alpha)) / np.linalg.norm(y)
    assert found.relative_residual == pytest.approx(truth, rel=1e-3)
    assert truth > 1.2 * seen[-1].relative_residual


def test_a_column_that_is_solved_exactly_stands_still():
    values = np.linspace(1, 3, M)
    Y = np.stack([np.eye(M)[3], np.ones(M)], axis=1)  # the first is an eigenvector: one step leaves nothing
    np.testing.assert_allclose(solve(np.diag(values).__matmul__, Y).alpha, Y / values[:, None], rtol=1e-9)


def test_each_iteration_is_yielded():
    K, y = gaussian(points()), labels()
    iteration = steps(K.__matmul__, y, ridge=0.1)
    seen, found = [], None
    while found is None:
        try:
            seen.append(next(iteration))
        except StopIteration as stop:
            found = stop.value
    assert isinstance(seen[0], Step)
    assert [step.iteration for step in seen] == list(range(1, found.n_iterations + 1))
    assert seen[-1].relative_residual <= 0.5e-10 < seen[-2].relative_residual
    np.testing.assert_array_equal(found.alpha, solve(K.__matmul__, y, ridge=0.1).alpha)
    alpha = np.zeros(M)  # the first step is that of steepest descent
    alpha += (y @ y) / (y @ (K @ y) + 0.1 * y @ y) * y
    truth = np.linalg.norm(y - K @ alpha - 0.1 * alpha) / np.linalg.norm(y)
    assert seen[0].relative_residual == pytest.approx(truth)


def test_as_many_steps_as_there_are_different_eigenvalues():
    K = with_spectrum(np.repeat([1.0, 3.0, 10.0], [30, 30, 20]))
    assert solve(K.__matmul__, labels()).n_iterations == 3
    assert solve(K.__matmul__, labels(), ridge=5).n_iterations == 3
    assert solve(np.eye(M).__matmul__, labels()).n_iterations == 1


@pytest.mark.parametrize("least", [1e-1, 1e-3, 1e-5])
def test_the_condition_number_is_estimated_from_below(least):
    values = np.concatenate([[least], np.linspace(0.1, 1, M - 1)])
    K, Y = with_spectrum(values), np.random.default_rng(3).standard_normal((M, 2))
    found = solve(K.__matmul__, Y)
    assert 0.9 / least < found.condition < (1 + 1e-6) / least
    # of the system, with its ridge
    assert solve(K.__matmul__, Y, ridge=9.0).condition == pytest.approx(10 / 9, rel=0.02)


def test_the_diagonal_preconditions():
    s = 10.0 ** np.random.default_rng(4).uniform(-1, 1, M)
    C = gaussian(points())
    K, y = s[:, None] * C * s, labels() * s
    plain, scaled = solve(K.__matmul__, y, most_steps=10_000), solve(K.__matmul__, y, diagonal=np.diag(K))
    assert scaled.n_iterations < plain.n_iterations / 3
    assert scaled.condition == pytest.approx(np.linalg.cond(C), rel=0.05)
    np.testing.assert_allclose(scaled.alpha * s, np.linalg.solve(C, y / s), rtol=1e-5)
    assert scaled.relative_residual == pytest.approx(np.linalg.norm(y - K @ scaled.alpha) / np.linalg.norm(y), rel=1e-3)


def test_columns_are_solved_each_on_its_own():
    K = gaussian(points())
    easy, hard = np.linalg.eigh(K)[1][:, -1], labels()
    Y = np.stack([easy, np.zeros(M), hard, 1e200 * hard, 1e-200 * hard], axis=1)
    found = solve(K.__matmul__, Y)
    assert (found.alpha[:, 1] == 0).all()
    alone = solve(K.__matmul__, hard)
    assert abs(found.n_iterations - alone.n_iterations) < 10
    np.testing.assert_allclose(found.alpha[:, 0], np.linalg.solve(K, easy), rtol=1e-8, atol=1e-8)
    for column, scale in ((2, 1), (3, 1e200), (4, 1e-200)):
        np.testing.assert_allclose(found.alpha[:, column], scale * alone.alpha, rtol=1e-6, atol=1e-9 * scale)


@pytest.mark.parametrize("Y", [np.zeros(M), np.zeros((M, 2))])
def test_zeros_are_solved_without_a_product(Y):
    product = Counted(gaussian(points()))
    found = solve(product, Y)
    assert not product.shapes
    assert found.alpha.shape == Y.shape
    assert not found.alpha.any()
    assert (found.relative_residual, found.condition, found.n_iterations) == (0, 1, 0)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("has_diagonal", [True, False])
def test_a_kernel_of_any_size(scale, has_diagonal):
    K, y = gaussian(points()), labels()
    found = solve((scale * K).__matmul__, y, diagonal=np.diag(scale * K) if has_diagonal else None)
    np.testing.assert_allclose(found.alpha * scale, solve(K.__matmul__, y).alpha, rtol=1e-6)


def duplicated():
    """Return a Gram matrix with the points 18 and 42 equal, and labels that agree there."""
    X, y = points(), labels()
    X[41], y[41] = X[17], y[17]
    return gaussian(X), y


def test_equal_points_with_equal_labels_are_no_matter():
    K, y = duplicated()
    found = solve(K.__matmul__, y)
    kept = np.arange(M) != 41
    distinct = np.linalg.solve(K[np.ix_(kept, kept)], y[kept])
    assert found.alpha[17] + found.alpha[41] == pytest.approx(distinct[17])
    assert y @ found.alpha == pytest.approx(y[kept] @ distinct)
    assert found.condition == pytest.approx(np.linalg.cond(K[np.ix_(kept, kept)]), rel=2)


SINGULAR = {
    "opposite labels": lambda: (duplicated()[0], np.where(np.arange(M) == 41, -duplicated()[1], duplicated()[1])),
    "low rank": lambda: (points() @ points().T, labels()),
    "zero": lambda: (np.zeros((M, M)), labels()),
    "of no kernel": lambda: (with_spectrum(np.linspace(-0.2, 3, M)), labels()),
}


@pytest.mark.parametrize("kind", SINGULAR)
@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_a_singular_system_is_refused_with_a_ridge_that_is_enough(kind, precision):
    K, y = SINGULAR[kind]()
    single = " or points in float64$" if precision is np.float32 else ""
    product = Counted(K.astype(precision).astype(np.float64))  # sums are float64, whatever the entries are
    with pytest.raises(
        ConditioningError,
        match=rf"m=80 points with ridge=0 is numerically singular in {precision.__name__}: .*; remove .*{single}",
    ) as error:
        solve(product, y, precision=precision)
    assert len(product.shapes) < MOST_STEPS / 2
    ridge = ridge_named_in(error)
    assert 0 < ridge < 2 * max(np.linalg.eigvalsh(K).max(), 1)
    found = solve(product, y, ridge=ridge, precision=precision)
    assert found.relative_residual <= 1e-10
    assert found.condition < linear_solves.condition_limit(precision)


@pytest.mark.parametrize(
    ("settings", "precision"),
    [
        ({"tolerance": 1e-14}, np.float64),
        ({"most_steps": 10**6}, np.float64),
        ({"most_steps": 10**6, "tolerance": 1e-3}, np.float32),
    ],
)
def test_the_ridge_is_enough_for_a_small_tolerance_and_for_the_precision(settings, precision):
    K, y = SINGULAR["opposite labels"]()
    with pytest.raises(ConditioningError, match="numerically singular") as error:
        solve(K.__matmul__, y, precision=precision, **settings)
    ridge = ridge_named_in(error)
    found = solve(K.__matmul__, y, precision=precision, ridge=ridge, **settings)
    assert found.condition < linear_solves.condition_limit(precision)
    assert ridge < 10 * np.linalg.eigvalsh(K).max()


@pytest.mark.parametrize("most_steps", [10, 30, 100])
def test_a_tolerance_that_is_not_reached_in_time_is_an_error_with_a_ridge_that_is_enough(most_steps):
    m = 200
    K, y = with_spectrum(np.geomspace(1e-8, 1, m)), labels(m)
    with pytest.raises(
        ConditioningError,
        match=rf"conjugate gradients on m=200 points with ridge=0 came to the relative residual \S+ in {most_steps} "
        rf"steps, 1e-10 is needed \(condition \S+ or more\); give ridge=\S+ or more, or most_steps={2 * most_steps}$",
    ) as error:
        solve(K.__matmul__, y, most_steps=most_steps)
    ridge = ridge_named_in(error)
    assert solve(K.__matmul__, y, most_steps=most_steps, ridge=ridge).n_iterations <= most_steps
    with pytest.raises(ConditioningError, match="steps, 1e-10 is needed"):
        solve(K.__matmul__, y, most_steps=most_steps, ridge=ridge / 50)


def test_a_tolerance_below_what_the_products_allow_is_an_error_with_one_that_is_above():
    K, y = gaussian(points(d=6)), labels()
    single = Counted(K.astype(np.float32))
    message = r"1e-10 is needed \(condition .*; rounding leaves no less: give tolerance=\S+, or points in"
    with pytest.raises(ConditioningError, match=message) as error:
        solve(single, y, precision=np.float32)
    tolerance = number_in(error, r"give tolerance=([^,]+)")
    assert solve(single, y, precision=np.float32, tolerance=tolerance).relative_residual <= tolerance


def test_rounding_in_float64_too_may_be_in_the_way():
    K, y = with_spectrum(np.append(np.full(M - 2, 1.0), [1e-9, 1e-8])), labels()
    with pytest.raises(
        ConditioningError, match=r"1e-10 is needed .*; rounding leaves no less: give tolerance=\S+, or ridge=\S+$"
    ) as error:
        solve(K.__matmul__, y)
    assert solve(K.__matmul__, y, ridge=number_in(error, r"or ridge=(\S+)$")).relative_residual <= 1e-10
    tolerance = number_in(error, r"give tolerance=([^,]+),")
    assert solve(K.__matmul__, y, tolerance=tolerance).relative_residual <= tolerance


def test_a_diagonal_with_a_zero_is_refused():
    with pytest.raises(
        ConditioningError, match=r"m=3 points .* singular: k\(x, x\) \+ ridge = 0 in row 2; remove that"
    ):
        solve(np.diag([1.0, 0, 1]).__matmul__, np.ones(3), diagonal=np.array([1.0, 0, 1]))
    found = solve(np.diag([1.0, 0, 1]).__matmul__, np.ones(3), diagonal=np.array([1.0, 0, 1]), ridge=0.5)
    np.testing.assert_allclose(found.alpha, [2 / 3, 2, 2 / 3])


@pytest.mark.parametrize(
    ("diagonal", "message"),
    [(np.ones(M - 1), r"the diagonal has shape \(79,\), or holds NaN; give"), (np.full(M, np.nan), "or holds NaN")],
)
def test_a_diagonal_that_does_not_fit_is_refused(diagonal, message):
    with pytest.raises(DataError, match=message):
        solve(np.eye(M).__matmul__, labels(), diagonal=diagonal)


@pytest.mark.parametrize("product", [lambda v: v[:-1], lambda v: v * np.nan])
def test_a_product_that_does_not_fit_is_refused(product):
    with pytest.raises(
        DataError, match=r"a product with K has shape .* finite values of shape \(80,\) are needed: check"
    ):
        solve(product, labels())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": 0.0}, r"tolerance=0.0 must lie between 2.2e-15 and 1; leave it out for 1e-10"),
        ({"tolerance": 1.0}, r"tolerance=1.0 must lie between"),
        ({"tolerance": 1e-15}, r"tolerance=1e-15 must lie between"),
        ({"most_steps": 0}, r"most_steps=0 must be at least 1; leave it out for 1000"),
        ({"ridge": -1.0}, r"ridge=-1.0 must be finite and not negative"),
        ({"precision": np.float16}, r"precision=float16 is unknown; give float32 or float64"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        solve(np.eye(M).__matmul__, labels(), **settings)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"y holds 1 NaN or infinite values, the first in row 3"):
        solve(np.eye(M).__matmul__, np.where(np.arange(M) == 2, np.inf, 1.0))
    with pytest.raises(DataError, match=r"y has shape \(80, 0\) but there are 80 points"):
        solve(np.eye(M).__matmul__, np.ones((M, 0)))
