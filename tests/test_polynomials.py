"""Polynomials against products of powers and explicit tensors; the class P_c^M; bounds from the power series."""

import functools
import itertools
import math
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thresholds import bernstein, chi_square, hoeffding
from tightwidth import polynomials, sparse_polynomials
from tightwidth.errors import DataError, HypothesisError, InputError
from tightwidth.polynomials import Polynomial, PolynomialClass, norm_bound, tk_h_series

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it


def random_polynomial(rng, d, degrees, n):
    """Return exponents [n, d] with degrees among these, and coefficients; monomials may repeat."""
    exponents = np.stack([rng.multinomial(rng.choice(degrees), np.full(d, 1 / d)) for _ in range(n)])
    return exponents, rng.standard_normal(n)


def values_of(exponents, coefficients, X):
    """Return p(x_i), one monomial and one point after the other."""
    powers = [math.prod(x**a for x, a in zip(point, alpha, strict=True)) for point in X for alpha in exponents]
    return np.reshape(powers, (len(X), len(exponents))) @ coefficients


def symmetric_tensor(exponents, coefficients, n, d):
    """Return the symmetric A_n with ``p_n(x) = <A_n, x^(*n)>``."""
    A = np.zeros((d,) * n)
    for alpha, c in zip(exponents, coefficients, strict=True):
        if sum(alpha) == n:
            places = set(itertools.permutations(np.repeat(np.arange(d), alpha)))
            for place in places:
                A[place] += c / len(places)
    return A


def relu_series(n_terms):
    """Return the series of ``rho (pi/2 + arcsin rho) / (2 pi)``."""
    a, ratio = np.zeros(n_terms + 2), 1.0
    a[1] = 1 / 4
    for k in range(n_terms // 2):
        a[2 * k + 2] = ratio / (2 * k + 1) / (2 * math.pi)
        ratio *= (2 * k + 1) / (2 * k + 2)
    return a[:n_terms]


# The polynomial


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("d", "degrees"), [(1, (0, 1, 5)), (3, (0, 2, 3)), (20, (4,)), (4, (0,))])
def test_values_are_sums_of_products_of_powers(d, degrees, dtype):
    rng = np.random.default_rng(d)
    exponents, coefficients = random_polynomial(rng, d, degrees, 30)
    X = rng.standard_normal((17, d)).astype(dtype)
    p = Polynomial.of_exponents(exponents, coefficients)
    expected = values_of(exponents, coefficients, X.astype(np.float64))
    scale = values_of(exponents, np.abs(coefficients), np.abs(X.astype(np.float64))).max()
    seen = p(X)
    assert (seen.dtype, seen.shape) == (dtype, (17,))
    np.testing.assert_allclose(seen, expected, rtol=0, atol=40 * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_can_be_traced(dtype):
    rng = np.random.default_rng(8)
    p = Polynomial.of_exponents(*random_polynomial(rng, 3, (0, 2, 3), 30))
    X = rng.standard_normal((17, 3)).astype(dtype)
    with jax.enable_x64(dtype is np.float64):
        for value in (jax.jit(lambda X: p(X))(X), eqx.filter_jit(lambda p, X: p(X))(p, X), p(jnp.asarray(X))):
            assert isinstance(value, jax.Array)
            assert value.dtype == dtype
            np.testing.assert_allclose(value, p(X), rtol=0, atol=300 * np.finfo(dtype).eps)


def test_integers_count_as_float64_and_lists_are_tables():
    p = Polynomial.of_exponents([[2, 0], [1, 1]], [1, -3])
    assert p([[2, 1], [0, 5]]).dtype == np.float64
    np.testing.assert_array_equal(p([[2, 1], [0, 5]]), [-2, 0])
    assert p(jnp.asarray([[2, 1]])).dtype == jnp.float32
    assert p(np.zeros((0, 2))).shape == (0,)


def test_values_do_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    p = Polynomial.of_exponents(*random_polynomial(rng, 6, (2, 4), 50))
    X = rng.standard_normal((41, 6))
    whole = p(X)
    monkeypatch.setattr(sparse_polynomials, "BLOCK_MONOMIALS", 7)
    monkeypatch.setattr(sparse_polynomials, "BLOCK_ELEMENTS", 35)
    np.testing.assert_allclose(p(X), whole, rtol=1e-13, atol=1e-13)


def test_many_variables_take_no_room():
    p = PolynomialClass(784, 4, 1.0).sample(key=jax.random.key(0), n_monomials=300)
    assert p.factors.nbytes <= 300 * 4 * 4
    X = np.random.default_rng(0).standard_normal((5, 784))
    np.testing.assert_allclose(p(X), values_of(p.exponents, p.coefficients, X), rtol=1e-12, atol=1e-12)


def test_equal_monomials_are_added_and_zeros_dropped():
    rows = [[2, 0, 3], [0, 3, 2], [3, 3, 3], [1, 1, 1], [0, 3, 2], [1, 1, 1]]
    p = Polynomial(rows, [1.0, 2.0, 5.0, 4.0, 0.5, -4.0], 3)
    np.testing.assert_array_equal(p.factors, [[0, 2], [3, 3]])
    np.testing.assert_array_equal(p.coefficients, [3.5, 5.0])
    np.testing.assert_array_equal(p.exponents, [[1, 0, 1], [0, 0, 0]])
    assert p.degree == 2
    assert bool(eqx.tree_equal(p, Polynomial.of_exponents(p.exponents, p.coefficients)))


def test_the_polynomial_0_and_the_constants():
    zero = Polynomial(np.zeros((0, 2), int), [], 4)
    assert (zero.degree, zero.coefficient_norm, zero.is_even, zero.parts()) == (0, 0, True, {})
    np.testing.assert_array_equal(zero(np.ones((3, 4))), [0, 0, 0])
    np.testing.assert_array_equal(zero.tensor_norms(), [0])
    assert norm_bound(zero, [0.0]) == 0
    three = Polynomial.of_exponents([[0, 0]], [3.0])
    assert (three.degree, three.coefficient_norm) == (0, 3)
    np.testing.assert_array_equal(three(np.ones((2, 2))), [3, 3])


def test_the_parts_are_homogeneous_and_add_up():
    rng = np.random.default_rng(1)
    p = Polynomial.of_exponents(*random_polynomial(rng, 4, (0, 1, 3, 4), 40))
    X = rng.standard_normal((9, 4))
    parts = p.parts()
    assert list(parts) == [0, 1, 3, 4]
    np.testing.assert_allclose(sum(part(X) for part in parts.values()), p(X))
    for n, part in parts.items():
        np.testing.assert_allclose(part(3 * X), 3.0**n * part(X), rtol=1e-10)
    assert not p.is_even
    assert all(part.is_even == (n % 2 == 0) for n, part in parts.items())
    assert math.hypot(*(part.coefficient_norm for part in parts.values())) == pytest.approx(p.coefficient_norm)


def test_the_tensor_norms_are_those_of_symmetric_tensors():
    d, rng = 3, np.random.default_rng(2)
    exponents, coefficients = random_polynomial(rng, d, (0, 1, 2, 4, 5), 40)
    p = Polynomial.of_exponents(exponents, coefficients)
    x = rng.standard_normal(d)
    norms, total = p.tensor_norms(), 0.0
    for n in range(6):
        A = symmetric_tensor(exponents, coefficients, n, d)
        assert norms[n] == pytest.approx(np.linalg.norm(A), rel=1e-13, abs=1e-15)
        for _ in range(n):
            A = A @ x
        total += float(A)
    assert total == pytest.approx(p(x[None])[0])  # it is the tensor of p
    # the coefficients themselves are another vector, and 1/n! alone another weight
    assert norms[4] < 0.9 * p.parts()[4].coefficient_norm
    assert norms[4] > 1.1 * p.parts()[4].coefficient_norm / math.sqrt(math.factorial(4))


def test_times_the_squared_norm():
    rng = np.random.default_rng(3)
    p = Polynomial.of_exponents(*random_polynomial(rng, 4, (0, 1, 3), 20))
    X = rng.standard_normal((9, 4))
    raised = p.times_squared_norm()
    np.testing.assert_allclose(raised(X), np.sum(X**2, axis=1) * p(X))
    assert raised.degree == p.degree + 2


def test_huge_coefficients_have_norms():
    p = Polynomial.of_exponents([[2, 0], [1, 1]], [3e200, 4e200])
    assert p.coefficient_norm == pytest.approx(5e200)
    assert p.tensor_norms()[2] == pytest.approx(1e200 * math.sqrt(9 + 8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polynomial([[0]], [1.0], 0), "d=0: polynomials need at least one variable; give d >= 1"),
        (lambda: Polynomial.of_exponents(np.zeros((1, 0), int), [1.0]), "d=0: polynomials need at least one variable"),
        (lambda: Polynomial([[0, 4]], [1.0], 3), "factors lie in 0..4; needed are variables 0..2, or 3 for none"),
        (lambda: Polynomial([[-1, 1]], [1.0], 3), "factors lie in -1..1; needed are variables 0..2"),
        (lambda: Polynomial([0, 1], [1.0], 3), "factors of shape (2,) and dtype int64 are no table of integers"),
        (lambda: Polynomial.of_exponents([[1, -2]], [1.0]), "exponents go down to -2; needed are integers >= 0"),
        (
            lambda: Polynomial.of_exponents([[1, 0.5]], [1.0]),
            "exponents of shape (1, 2) and dtype float64 are no table",
        ),
        (lambda: Polynomial.of_exponents([[1, math.nan]], [1.0]), "are no table of integers >= 0; give [n, d] of them"),
        (lambda: Polynomial.of_exponents([[1, 2], [1]], [1.0, 2.0]), "exponents of shape (0,) and"),
        (lambda: Polynomial.of_exponents([["1", "2"]], [1.0]), "are no table of integers >= 0"),
        (
            lambda: Polynomial.of_exponents([[1, 2]], [1.0, 2.0]),
            "the coefficients are not 1 finite numbers, one for each",
        ),
        (lambda: Polynomial.of_exponents([[1, 2]], [math.inf]), "the coefficients are not 1 finite numbers"),
        (lambda: Polynomial.of_exponents([[1, 2]], ["one"]), "the coefficients are not 1 finite numbers"),
        (lambda: Polynomial.of_exponents([[1, 2]], [1j]), "monomial; give as many"),
    ],
)
def test_what_is_no_polynomial_is_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((5, 3)), "X has the shape (5, 3); the polynomial has 2 variables and needs rows of 2 numbers"),
        (np.ones(2), "X has the shape (2,)"),
        (jnp.ones((5, 3)), "X has the shape (5, 3)"),
        (np.array([[1, 2], [math.nan, 1]]), "row 2 of X has an entry that is not finite; remove or mend it"),
        ([["a", "b"]], "X is no table of numbers (numbers of dtype <U1 cannot be used as real numbers); give an array"),
        ([[1, 2], [3]], "X is no table of numbers"),
    ],
)
def test_points_that_are_no_table_are_refused(X, message):
    p = Polynomial.of_exponents([[2, 0], [1, 1]], [1.0, -3.0])
    with pytest.raises(DataError, match=re.escape(message)):
        p(X)


# The class


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(("d", "c"), [(1, 2), (2, 6), (3, 4), (5, 4), (30, 2)])
def test_the_class_has_every_even_monomial_once(d, c, constant):
    P = PolynomialClass(d, c, 3.0, constant=constant)
    degrees = range(0 if constant else 2, c + 1, 2)
    expected = {tuple(rows) for n in degrees for rows in itertools.combinations_with_replacement(range(d), n)}
    assert P.n_monomials == len(expected)
    p = P.sample(key=jax.random.key(1))
    assert {tuple(i for i in row if i < d) for row in p.factors.tolist()} == expected
    assert len(p.factors) == len(expected)
    assert P.contains(p)
    assert p.coefficient_norm == pytest.approx(3, rel=1e-14)


def test_the_number_of_monomials_is_exact_beyond_64_bits():
    assert PolynomialClass(784, 4, 1.0).n_monomials == 1 + 784 * 785 // 2 + 784 * 785 * 786 * 787 // 24
    assert PolynomialClass(784, 10, 1.0, constant=False).n_monomials > 2**64


def test_what_the_class_contains():
    P = PolynomialClass(2, 2, 1.0, constant=False)
    square, half = Polynomial.of_exponents([[2, 0]], [1.0]), Polynomial.of_exponents([[0, 0], [1, 1]], [0.5, 0.5])
    assert P.contains(square)
    assert not P.contains(half)
    assert PolynomialClass(2, 2, 1.0).contains(half)
    for exponents, c in (([[1, 0]], 1.0), ([[3, 1]], 1.0), ([[2, 0]], 1.001), ([[2, 0, 0]], 1.0)):
        assert not PolynomialClass(2, 2, 1.0).contains(Polynomial.of_exponents(exponents, [c]))
    assert PolynomialClass(2, 4, 1.0).contains(Polynomial.of_exponents([[3, 1]], [1.0]))
    assert P.contains(Polynomial(np.zeros((0, 0), int), [], 2))


@pytest.mark.parametrize(("n", "total"), [(2, 9), (7, 9)])  # few of them, or all but few
def test_monomials_are_drawn_uniformly(n, total):
    P = PolynomialClass(2, 4, 1.0)
    assert P.n_monomials == total  # 1, 3 and 5 of degrees 0, 2 and 4
    n_draws = 50 * total
    drawn = [P.sample(key=jax.random.key(seed), n_monomials=n) for seed in range(n_draws)]
    assert all(len(p.factors) == n for p in drawn)
    monomials = list(np.unique(P.sample(key=jax.random.key(0)).exponents, axis=0))
    counts = np.sum([[(p.exponents == alpha).all(axis=1).any() for alpha in monomials] for p in drawn], axis=0)
    # without replacement counts vary less than those that the threshold is for
    statistic, threshold = chi_square(counts.astype(float))
    assert statistic < threshold
    if n == 2:
        degree_first = np.array([1 / 3, *[1 / 9] * 3, *[1 / 15] * 5]) * n * n_draws
        assert np.sum((degree_first - counts.mean()) ** 2 / counts.mean()) > threshold


def test_monomials_of_a_class_beyond_64_bits_are_distinct_and_mostly_of_the_top_degree():
    P = PolynomialClass(784, 10, 2.0)
    p = P.sample(key=jax.random.key(2), n_monomials=1000)
    assert len(np.unique(p.factors, axis=0)) == 1000
    assert P.contains(p)
    # a share of degree 8 or less of 1.4e-4, and variables of mean (d - 1)/2
    assert np.mean(p.degrees == 10) > 1 - 2e-4 - bernstein(1000, 2e-4, 1)
    mean = p.factors[p.degrees == 10].mean()
    assert abs(mean - 391.5) < hoeffding(990, 784)  # a monomial's mean counts once
    default = PolynomialClass(784, 4, 2.0).sample(key=jax.random.key(2))
    assert len(default.factors) == polynomials.FEW_MONOMIALS


def test_coefficients_are_uniform_on_the_sphere():
    P, n = PolynomialClass(2, 2, 5.0), 1000
    C = np.array([P.sample(key=jax.random.key(seed)).coefficients for seed in range(n)]) / 5
    np.testing.assert_allclose(np.linalg.norm(C, axis=1), 1, rtol=1e-12)
    assert C.shape == (n, 4)
    # moments of a coordinate on the sphere in R^4: E x^2 = 1/4, E x^4 = 1/8, E x^8 = 105/1920
    assert np.abs(C.mean(axis=0)).max() < bernstein(n, 1 / 4, 1, n_checks=4)
    assert np.abs((C**2).mean(axis=0) - 1 / 4).max() < bernstein(n, 1 / 16, 3 / 4, n_checks=4)
    fourth = (C[:, 0] ** 4).mean()
    margin = bernstein(n, 105 / 1920 - 1 / 64, 7 / 8)
    assert abs(fourth - 1 / 8) < margin < abs(1 / 16 - 1 / 8)  # equal magnitudes would have 1/16


def test_one_key_gives_one_polynomial_in_both_precisions():
    P = PolynomialClass(100, 4, 1.0)
    first, other = (P.sample(key=jax.random.key(seed), n_monomials=50) for seed in (5, 6))
    with jax.enable_x64(True):
        second = P.sample(key=jax.random.key(5), n_monomials=50)
    assert bool(eqx.tree_equal(first, second))
    assert not bool(eqx.tree_equal(first, other))


def test_a_class_of_norm_0_holds_0():
    P = PolynomialClass(3, 2, 0.0)
    assert P.sample(key=jax.random.key(0)).coefficient_norm == 0
    assert P.norm_bound("relu") == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PolynomialClass(0, 2, 1.0), "d=0: polynomials need at least one variable; give d >= 1"),
        (
            lambda: PolynomialClass(3, 3, 1.0),
            "c=3: P_c^M holds polynomials of even degrees up to c; give an even c >= 0",
        ),
        (lambda: PolynomialClass(3, -2, 1.0), "c=-2: P_c^M holds polynomials of even degrees"),
        (lambda: PolynomialClass(3, 2, -1.0), "M=-1.0: it bounds a norm; give a finite M >= 0"),
        (lambda: PolynomialClass(3, 2, math.nan), "M=nan: it bounds a norm"),
        (lambda: PolynomialClass(3, 2, math.inf), "M=inf: it bounds a norm"),
        (
            lambda: PolynomialClass(3, 0, 1.0, constant=False),
            "c=0 without the constant leaves no monomial; give c >= 2",
        ),
        (
            lambda: PolynomialClass(3, 2, 1.0).sample(key=jax.random.key(0), n_monomials=8),
            "n_monomials=8, but the class has 7 monomials; give a number from 1 to 7",
        ),
        (
            lambda: PolynomialClass(3, 2, 1.0).sample(key=jax.random.key(0), n_monomials=0),
            "n_monomials=0, but the class",
        ),
    ],
)
def test_what_is_no_class_is_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


# The bounds


def test_the_series_of_tk_h():
    np.testing.assert_allclose(tk_h_series("relu", 12), relu_series(12), atol=1e-14)
    assert tk_h_series("relu", 1).tolist() == [0]
    erf = np.zeros(12)  # (4/pi) rho / sqrt(9 - 4 rho^2)
    erf[1::2] = [4 / (3 * math.pi) * math.comb(2 * k, k) * (1 / 9) ** k for k in range(6)]
    np.testing.assert_allclose(tk_h_series("erf", 12), erf, atol=1e-14)


def test_the_bound_weighs_each_degree_with_its_coefficient():
    a = [0.5, 0.25, 0.125, 0.0, 2.0]
    exponents, coefficients = [[0, 0], [1, 0], [1, 1], [2, 2], [4, 0]], [1.0, 2.0, 3.0, 4.0, 5.0]
    p = Polynomial.of_exponents(exponents, coefficients)
    square = 1 / 0.5 + 4 / 0.25 + 9 * (1 / 2) / 0.125 + 16 * (4 / 24) / 2 + 25 / 2
    assert norm_bound(p, a) == pytest.approx(math.sqrt(square))
    assert norm_bound(Polynomial.of_exponents([[2, 1]], [1.0]), a) == math.inf
    assert norm_bound(Polynomial.of_exponents([[2, 1]], [1.0]), a, raise_degrees=True) == math.inf
    assert norm_bound(Polynomial.of_exponents([[1, 1]], [1.0]), "relu") == pytest.approx(math.sqrt(math.pi))


def test_the_bound_is_the_norm_of_a_representing_vector():
    # phi(x) = (sqrt(a_n) x^(*n))_n embeds the kernel, and v = (A_n / sqrt(a_n))_n represents p there
    d, rng = 3, np.random.default_rng(4)
    a = relu_series(5)
    exponents, coefficients = random_polynomial(rng, d, (1, 2, 4), 30)
    p = Polynomial.of_exponents(exponents, coefficients)
    v = {n: symmetric_tensor(exponents, coefficients, n, d) / math.sqrt(a[n]) for n in (1, 2, 4)}
    assert norm_bound(p, a) == pytest.approx(math.sqrt(sum(np.sum(part**2) for part in v.values())))
    x, z = rng.standard_normal((2, d))
    powers = {n: [functools.reduce(np.multiply.outer, [y] * n) for y in (x, z)] for n in (1, 2, 4)}
    phi = {n: [math.sqrt(a[n]) * power for power in powers[n]] for n in powers}
    assert sum(np.sum(phi[n][0] * phi[n][1]) for n in phi) == pytest.approx(np.polynomial.polynomial.polyval(x @ z, a))
    assert sum(np.sum(v[n] * phi[n][0]) for n in phi) == pytest.approx(p(x[None])[0])


def test_a_constant_is_raised_to_degree_2_on_the_sphere():
    for d in (1, 2, 10):
        one = Polynomial.of_exponents(np.zeros((1, d), int), [1.0])
        assert norm_bound(one, "relu") == math.inf
        assert norm_bound(one, "relu", raise_degrees=True) == pytest.approx(math.sqrt(2 * math.pi * d))
        assert norm_bound(one, [0, 1, 0, 0, 0.5], raise_degrees=True) == pytest.approx(
            math.sqrt((2 * d + d**2) / 3 / 0.5)  # |x|^4: d entries 1, and the pairs i < j have 4 (2! 2!)/4! each
        )
    # it meets the part that is there already: 1 - x_1^2 = x_2^2 on the circle
    p = Polynomial.of_exponents([[0, 0], [2, 0]], [1.0, -1.0])
    assert norm_bound(p, "relu", raise_degrees=True) == pytest.approx(math.sqrt(2 * math.pi))
    # what the kernel has is not raised
    x = Polynomial.of_exponents([[1, 0], [1, 1]], [3.0, 2.0])
    assert norm_bound(x, "relu", raise_degrees=True) == pytest.approx(norm_bound(x, "relu"))


def test_the_bound_of_the_class_is_attained_by_powers_of_a_variable():
    for c in (2, 4, 6):
        P = PolynomialClass(7, c, 3.0, constant=False)
        a = relu_series(c + 1)
        assert P.norm_bound("relu") == pytest.approx(3 / math.sqrt(a[c]))
        power = Polynomial.of_exponents([[c, *[0] * 6]], [3.0])
        assert norm_bound(power, "relu") == pytest.approx(P.norm_bound(a))
        for seed in range(5):
            assert norm_bound(P.sample(key=jax.random.key(seed)), a) <= P.norm_bound(a)
    assert PolynomialClass(7, 4, 3.0).norm_bound("relu") == math.inf
    assert PolynomialClass(7, 4, 3.0, constant=False).norm_bound("erf") == math.inf
    assert PolynomialClass(7, 2, 3.0).norm_bound([0.5, 0, 0.125]) == pytest.approx(3 * math.sqrt(8))


@pytest.mark.parametrize("d", [1, 2, 9])
def test_the_bound_of_the_class_with_constants_raised_is_attained(d):
    P = PolynomialClass(d, 2, 3.0)
    a2 = 1 / (2 * math.pi)
    assert P.norm_bound("relu", raise_degrees=True) == pytest.approx(3 * math.sqrt((d + 1) / a2))
    worst = Polynomial.of_exponents(np.vstack([np.zeros((1, d), int), 2 * np.eye(d, dtype=int)]), [d, *[1.0] * d])
    scale = 3 / worst.coefficient_norm
    attained = scale * norm_bound(worst, "relu", raise_degrees=True)
    assert attained == pytest.approx(P.norm_bound("relu", raise_degrees=True))
    assert attained > 1.01 * 3 * math.sqrt(d / a2)  # the constant alone costs less than the worst
    for seed in range(5):
        p = P.sample(key=jax.random.key(seed))
        assert norm_bound(p, "relu", raise_degrees=True) <= attained
    assert PolynomialClass(d, 0, 3.0).norm_bound("relu", raise_degrees=True) == pytest.approx(3 * math.sqrt(d / a2))
    a6 = 3 / (80 * math.pi)
    top = max((d + 1) / a2, 1 / a6)
    assert PolynomialClass(d, 6, 1.0).norm_bound("relu", raise_degrees=True) == pytest.approx(math.sqrt(top))


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ([0.0, 1.0], "a has 2 coefficients; degree 2 needs a_0, ..., a_2: give 3 or more"),
        (
            [0.0, 1.0, -1.0],
            "the series is none of finite coefficients >= 0; give a_0, a_1, ... of k = sum_n a_n <x,z>^n",
        ),
        ([0.0, 1.0, math.nan], "the series is none of finite coefficients >= 0"),
        ([[0.0, 1.0, 2.0]], "the series is none of finite coefficients >= 0"),
        (["0"], "the series is none of finite coefficients >= 0"),
        ("rellu", "unknown activation 'rellu' (did you mean relu?)"),
    ],
)
def test_what_is_no_series_is_refused(a, message):
    p = Polynomial.of_exponents([[1, 1]], [1.0])
    for bound in (lambda: norm_bound(p, a), lambda: PolynomialClass(2, 2, 1.0).norm_bound(a)):
        with pytest.raises(InputError, match=re.escape(message)):
            bound()


def test_activations_without_tk_h_are_refused():
    with pytest.raises(HypothesisError, match="activation 'step' jumps"):
        norm_bound(Polynomial.of_exponents([[1, 1]], [1.0]), "step")
