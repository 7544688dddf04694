"""Eigenvalues and harmonic parts against quadrature on spheres, and exact norms against interpolation and bounds."""

import functools
import itertools
import math
import re
import warnings
from fractions import Fraction

import jax
import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.polynomial import polyval
from scipy.integrate import IntegrationWarning, quad
from scipy.special import beta, eval_chebyt, eval_gegenbauer, ndtr

from tightwidth.errors import HypothesisError, InputError
from tightwidth.funk_hecke import ZonalKernel, eigenvalues, zonal
from tightwidth.polynomials import Polynomial, PolynomialClass, norm_bound, tk_h_series
from tightwidth.spherical_harmonics import constant_norm, harmonic_norms, kernel_norm

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

# Kernels, from their formulas


def relu_tk_h(rho):
    return rho * (np.pi - np.arccos(rho)) / (2 * np.pi)


def relu_series(n_terms):
    """Return the series of ``rho (pi/2 + arcsin rho) / (2 pi)``."""
    a, ratio = np.zeros(n_terms + 2), 1.0
    a[1] = 1 / 4
    for k in range(n_terms // 2):
        a[2 * k + 2] = ratio / (2 * k + 1) / (2 * math.pi)
        ratio *= (2 * k + 1) / (2 * k + 2)
    return a[:n_terms]


def erf_tk_h(rho):
    return 4 / np.pi * rho / np.sqrt(9 - 4 * rho**2)


@functools.cache
def gelu_series():
    """Return the series of tk^h of gelu, whose terms fall like 2^-n, from Hermite coefficients."""
    x, w = hermegauss(120)
    w = w / w.sum()
    values = ndtr(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    below, here, squares = np.zeros_like(x), np.ones_like(x), []
    for n in range(70):
        squares.append(float(w @ (values * here)) ** 2)
        below, here = here, (x * here - math.sqrt(n) * below) / math.sqrt(n + 1)
    return np.array([0.0, *squares])


def gelu_tk_h(rho):
    return polyval(rho, gelu_series())


KERNELS = {"relu": relu_tk_h, "erf": erf_tk_h, "gelu": gelu_tk_h}


# Oracles


def legendre(k, d, t):
    """Return the polynomial P_k of dimension d, with P_k(1) = 1."""
    if d == 2:
        return eval_chebyt(k, t)
    return eval_gegenbauer(k, d / 2 - 1, t) / eval_gegenbauer(k, d / 2 - 1, 1.0)


def sphere_mean(f, d):
    """Return the mean of f(<u,x>) over the sphere, by adaptive quadrature in the angle."""

    def integral(g):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IntegrationWarning)  # that 1e-15 is not reached
            return quad(lambda a: g(math.cos(a)) * math.sin(a) ** (d - 2), 0, math.pi, epsabs=1e-15, limit=200)[0]

    return integral(f) / integral(np.ones_like)


def moment(n, k, d):
    """Return ``E t^n P_k(t)`` as a fraction, from the coefficients of P_k and the moments of t."""
    # up to a factor P_k(t) = sum_j (-1)^j Gamma(k - j + d/2 - 1) (2t)^(k-2j) / (j! (k-2j)!)
    lead = [
        Fraction((-1) ** j * math.prod(d - 2 + 2 * i for i in range(1, k - j)) * 2 ** (k - 2 * j), 2 ** (k - j))
        / (math.factorial(j) * math.factorial(k - 2 * j))
        for j in range(k // 2 + 1)
    ]
    total = Fraction(0)
    for j, c in enumerate(lead):
        power = n + k - 2 * j
        if power % 2 == 0:  # E t^(2s) = (1 3 ... (2s-1)) / (d (d+2) ... (d+2s-2))
            s = power // 2
            total += c * Fraction(math.prod(range(1, 2 * s, 2)), math.prod(range(d, d + 2 * s, 2)))
    return total / sum(lead)


def sphere_rule(d, n):
    """Return nodes [N, d] and weights of a rule on the sphere that is exact for polynomials of degree 2n - 1."""
    if d == 2:
        angles = 2 * np.pi * np.arange(2 * n) / (2 * n)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1), np.full(2 * n, 1 / (2 * n))
    below, weights = sphere_rule(d - 1, n)
    # t = <e, x> has the density (1 - t^2)^((d-3)/2): Gauss and Jacobi from the recurrence of its polynomials
    k = np.arange(1, n + 1)
    off = np.sqrt(k[:-1] * (k[:-1] + d - 3.0) / ((2 * k[:-1] + d - 4.0) * (2 * k[:-1] + d - 2.0)))
    t, vectors = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))
    share = vectors[0] ** 2
    points = np.hstack([np.repeat(t, len(below))[:, None], np.kron(np.sqrt(1 - t**2)[:, None], below)])
    return points, np.kron(share, weights)


def part_norms(p, d, degree):
    """Return ``(E p_k^2)^(1/2)``: by the addition theorem ``E p_k^2 = dim_k E p(x) p(z) P_k(<x,z>)``."""
    X, w = sphere_rule(d, degree + 1)
    values, T = p(X) * w, np.clip(X @ X.T, -1, 1)
    squares = []
    for k in range(degree + 1):
        dim = math.comb(d + k - 1, k) - (math.comb(d + k - 3, k - 2) if k > 1 else 0)
        squares.append(max(dim * float(values @ legendre(k, d, T) @ values), 0))
    return np.sqrt(squares)


def random_polynomial(seed, d, degrees, n=12):
    """Return a polynomial of n monomials with degrees among these."""
    rng = np.random.default_rng([seed, d])
    exponents = np.stack([rng.multinomial(rng.choice(degrees), np.full(d, 1 / d)) for _ in range(n)])
    return Polynomial.of_exponents(exponents, rng.standard_normal(n))


# Eigenvalues


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("d", [2, 3, 4, 11, 30])
def test_eigenvalues_are_means_against_gegenbauer_polynomials(name, d):
    f = KERNELS[name]
    expected = [sphere_mean(lambda t, k=k: f(t) * legendre(k, d, t), d) for k in range(6)]
    for kernel in (name, f, ZonalKernel(f)):
        np.testing.assert_allclose(eigenvalues(kernel, d, 5), expected, rtol=1e-11, atol=1e-14)
    wrong = [sphere_mean(lambda t, k=k: f(t) * eval_gegenbauer(k, d / 2, t), d) for k in range(6)]
    assert not np.allclose(wrong, expected, rtol=1e-3)
    assert not np.allclose(eigenvalues(name, d + 1, 5), expected, rtol=1e-3)  # another density


@pytest.mark.parametrize("d", [2, 3, 10, 57, 784, 100_000])
def test_eigenvalues_of_powers_are_exact(d):
    for n in (1, 4, 7, 20):
        expected = np.array([float(moment(n, k, d)) for k in range(8)])
        assert (expected > 0).tolist() == [k <= n and (n - k) % 2 == 0 for k in range(8)]
        with_series = eigenvalues(ZonalKernel(lambda t, n=n: t**n, np.eye(n + 1)[n]), d, 7)
        np.testing.assert_allclose(with_series, expected, rtol=1e-13)
        integrated = eigenvalues(lambda t, n=n: t**n, d, 7)  # noise drowns those far below rounding of f(1)
        np.testing.assert_allclose(integrated, expected, rtol=1e-10, atol=1e-17)


@pytest.mark.parametrize("d", [8, 40, 784])
def test_small_eigenvalues_of_relu_are_accurate(d):
    a = relu_series(2000)
    terms = range(0, 2000, 2) if d == 8 else range(0, 300, 2)
    for k in (0, 2, 4, 6, 8):
        # the terms are positive; those left out are below 1e-13 of the sum, at d = 8 by 1.2 10^-10 at most
        total = sum(a[n] * float(moment_of_power(n, k, d)) for n in terms if n >= k)
        assert eigenvalues("relu", d, 8)[k] == pytest.approx(total, rel=1e-9 if d == 8 else 1e-12)
    assert eigenvalues("relu", 784, 8)[8] < 1e-20
    np.testing.assert_allclose(
        eigenvalues(relu_tk_h, 784, 4)[[0, 1, 2, 4]], eigenvalues("relu", 784, 4)[[0, 1, 2, 4]], rtol=1e-9
    )


def moment_of_power(n, k, d):
    """Return ``E t^n P_k(t)`` by Rodrigues' formula, in logarithms that do not overflow."""
    j = (n - k) // 2
    log = math.lgamma(n + 1) - j * math.log(2) - math.lgamma(j + 1)  # n! / (n-k)!!
    return math.exp(log - sum(math.log(d + 2 * i) for i in range(k + j)))


def test_known_eigenvalues_of_relu():
    # on the circle lambda_k are Fourier coefficients; at d = 3 integrals of t arcsin(t) against Legendre polynomials
    circle = [1 / math.pi**2, 1 / 8, 5 / (9 * math.pi**2), 0, 17 / (225 * math.pi**2)]
    np.testing.assert_allclose(eigenvalues("relu", 2, 4), circle, rtol=1e-13)
    np.testing.assert_allclose(eigenvalues("relu", 3, 2), [1 / 16, 1 / 12, 7 / 256], rtol=1e-13)
    for d in (2, 3, 7, 50):
        assert eigenvalues("relu", d, 1)[1] == pytest.approx(1 / (4 * d), rel=1e-14)


def test_eigenvalues_that_vanish_are_exactly_0():
    for d in (2, 3, 30, 784):
        values = eigenvalues("relu", d, 9)
        assert (values > 0).tolist() == [True, True, True, False, True, False, True, False, True, False]
        assert not eigenvalues("erf", d, 6)[::2].any()
        assert eigenvalues("erf", d, 6)[1::2].all()
        assert (eigenvalues("identity", d, 4) > 0).tolist() == [False, True, False, False, False]
        assert (eigenvalues(relu_tk_h, d, 5) > 0).tolist() == [True, True, True, False, True, False]


def test_the_eigenvalues_add_up_to_the_value_at_1():
    # f(1) = sum_k dim_k lambda_k
    for d in (3, 6):
        dims = [math.comb(d + k - 1, k) - (math.comb(d + k - 3, k - 2) if k > 1 else 0) for k in range(41)]
        assert np.dot(dims, eigenvalues("gelu", d, 40)) == pytest.approx(gelu_tk_h(1.0), rel=1e-11)


# Harmonic parts


@pytest.mark.parametrize("d", [2, 3, 4, 5])
@pytest.mark.parametrize("degrees", [(2,), (4,), (0, 1, 2, 3, 4, 5)])
def test_the_parts_are_those_of_the_addition_theorem(d, degrees):
    p = random_polynomial(0, d, degrees)
    expected = part_norms(p, d, p.degree)
    seen = harmonic_norms(p)
    assert seen.shape == (p.degree + 1,)
    # the oracle takes roots of squares that are known to 1e-15
    np.testing.assert_allclose(seen, expected, rtol=1e-7, atol=1e-7)
    X, w = sphere_rule(d, p.degree + 1)
    assert np.sum(seen**2) == pytest.approx(w @ p(X) ** 2, rel=1e-13)
    if len(degrees) > 1:  # parts of different degrees meet: without that the sum of squares is another
        alone = [np.pad(harmonic_norms(part), (0, p.degree - part.degree)) ** 2 for part in p.parts().values()]
        assert not np.allclose(np.sum(alone, axis=0), expected**2, rtol=1e-2)


@pytest.mark.parametrize("d", [2, 3, 100, 784])
def test_known_parts(d):
    def p(*alphas, c=None):
        exponents = np.zeros((len(alphas), d), int)
        exponents[:, :2] = alphas
        return Polynomial.of_exponents(exponents, [1.0] * len(alphas) if c is None else c)

    # x_1^2 = 1/d + (x_1^2 - 1/d)
    variance = 3 / (d * (d + 2)) - 1 / d**2
    np.testing.assert_allclose(harmonic_norms(p((2, 0))), [1 / d, 0, math.sqrt(variance)], rtol=1e-14)
    np.testing.assert_allclose(harmonic_norms(p((1, 1))), [0, 0, 1 / math.sqrt(d * (d + 2))], rtol=1e-14)
    np.testing.assert_allclose(harmonic_norms(p((0, 0), c=[-3.0])), [3], rtol=0)
    # x_1^3 = 3 x_1/(d + 2) + harmonic, and E x_1^6 = 15 / (d (d + 2) (d + 4))
    rest = 15 / (d * (d + 2) * (d + 4)) - 9 / (d + 2) ** 2 / d
    np.testing.assert_allclose(
        harmonic_norms(p((3, 0))), [0, 3 / (d + 2) / math.sqrt(d), 0, math.sqrt(rest)], rtol=1e-12
    )


def test_parts_that_vanish_are_exactly_0():
    d = 40
    x = Polynomial.of_exponents(np.eye(d, dtype=int)[:2], [0.1, -0.7])
    cubic = x.times_squared_norm()  # |x|^2 x is x on the sphere
    quintic = cubic.times_squared_norm()
    for p in (cubic, quintic):
        np.testing.assert_allclose(harmonic_norms(p)[:2], [0, math.sqrt(0.5 / d)], rtol=1e-15)
        assert not harmonic_norms(p)[2:].any()
        assert kernel_norm(p, "relu") == pytest.approx(2 * math.sqrt(0.5), rel=1e-14)
    # they cancel: x - |x|^2 x is 0 there
    difference = Polynomial(
        np.vstack([np.pad(x.factors, ((0, 0), (0, 2)), constant_values=d), cubic.factors]),
        np.concatenate([x.coefficients, -cubic.coefficients]),
        d,
    )
    assert not harmonic_norms(difference).any()
    assert kernel_norm(difference, "relu") == 0
    assert kernel_norm(Polynomial(np.zeros((0, 0), int), [], 3), "relu") == 0


def test_parts_of_huge_and_tiny_polynomials():
    exponents = [[2, 0, 0], [0, 1, 1], [4, 0, 0]]
    c = np.array([1.0, -2.0, 0.5])
    plain = harmonic_norms(Polynomial.of_exponents(exponents, c))
    for power in (-900, 900):
        scaled = harmonic_norms(Polynomial.of_exponents(exponents, np.ldexp(c, power)))
        np.testing.assert_array_equal(scaled, np.ldexp(plain, power))


def test_many_monomials():
    p = PolynomialClass(60, 4, 1.0).sample(key=jax.random.key(0), n_monomials=1200)
    seen = harmonic_norms(p)
    # E p^2 from the moments E x^alpha = prod (alpha_i - 1)!! / (d (d + 2) ...), pair by pair
    d, E, c = 60, p.exponents, p.coefficients
    table, total = np.array([1, 0, 1, 0, 3, 0, 15, 0, 105]), 0.0
    for alpha, value in zip(E, c, strict=True):
        sums = E + alpha
        even = ~np.any(sums % 2, axis=1)
        tops = table[sums[even]].prod(axis=1)
        bottoms = np.array([math.prod(range(d, d + n, 2)) for n in sums[even].sum(axis=1)])
        total += value * np.sum(c[even] * tops / bottoms)
    assert np.sum(seen**2) == pytest.approx(total, rel=1e-11)


# Norms


@pytest.mark.parametrize(("name", "degrees"), [("relu", (0, 1, 2, 4)), ("gelu", (0, 1, 2, 4)), ("erf", (1, 3))])
def test_the_norm_is_that_of_interpolation_on_the_circle(name, degrees):
    # K is circulant on n equally spaced points: its eigenvalues n (lambda_k + lambda_{n-k} + ...) tend to n lambda_k,
    # and y^T K^-1 y to the norm from below
    p = random_polynomial(1, 2, degrees)
    n = 4001
    angles = 2 * np.pi * np.arange(n) / n
    spectrum = np.fft.fft(KERNELS[name](np.cos(angles))).real
    y = np.fft.fft(p(np.stack([np.cos(angles), np.sin(angles)], axis=1)))
    kept = np.abs(y) > 1e-9 * np.abs(y).max()  # beyond the degree of p there is rounding, over tiny eigenvalues
    interpolated = math.sqrt(np.sum(np.abs(y[kept]) ** 2 / spectrum[kept]) / n)
    norm = kernel_norm(p, name)
    assert norm == pytest.approx(interpolated, rel=1e-5)
    assert norm > interpolated * (1 - 1e-12)
    assert interpolated > 1.01 * norm / math.sqrt(2)  # no factor is lost in the means


def test_the_norm_is_that_of_interpolation_on_the_sphere():
    n = 1500  # a spiral of points: evenly spread
    z = 1 - (2 * np.arange(n) + 1) / n
    turn = np.pi * (1 + math.sqrt(5)) * np.arange(n)
    X = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], axis=1)
    K = relu_tk_h(np.clip(X @ X.T, -1, 1))
    factor = np.linalg.cholesky(K)
    for seed in range(4):
        p = random_polynomial(seed, 3, (0, 1, 2, 4))
        interpolated = np.linalg.norm(np.linalg.solve(factor, p(X)))
        norm = kernel_norm(p, "relu")
        assert interpolated <= norm * (1 + 1e-9)
        assert norm <= interpolated * 1.002


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_the_norm_does_not_change_under_rotations(name):
    d, rng = 6, np.random.default_rng(3)
    A = rng.standard_normal((d, d))
    A, Q = A + A.T, np.linalg.qr(rng.standard_normal((d, d)))[0]
    rows = list(itertools.combinations_with_replacement(range(d), 2))

    def form(S):
        return Polynomial(rows, [S[i, j] * (1 if i == j else 2) for i, j in rows], d)

    p, rotated = form(A), form(Q @ A @ Q.T)
    assert kernel_norm(p, name) == pytest.approx(kernel_norm(rotated, name), rel=1e-12)
    assert norm_bound(p, name) == pytest.approx(norm_bound(rotated, name), rel=1e-12)
    assert p.coefficient_norm != pytest.approx(rotated.coefficient_norm, rel=1e-3)


@pytest.mark.parametrize("name", ["relu", "erf", "gelu"])
def test_the_power_series_never_bounds_below_the_norm(name):
    a = tk_h_series(name, 12)
    for d, degrees in itertools.product((2, 3, 8, 25), ((2,), (4,), (2, 4), (0, 2), (1,), (3,), (1, 3))):
        for seed in range(3):
            p = random_polynomial(seed, d, degrees)
            norm = kernel_norm(p, name)
            bound, raised = norm_bound(p, a), norm_bound(p, a, raise_degrees=True)
            assert bound >= norm * (1 - 1e-12)
            assert raised >= norm * (1 - 1e-12)
            # erf has all odd degrees and no other, relu the even ones from 2 on and 1, gelu lacks 3, 5, ... too
            present = set(p.degrees.tolist())
            lacking = {"erf": any(n % 2 == 0 for n in present), "relu": 3 in present, "gelu": 3 in present}[name]
            assert (norm == math.inf) == lacking
            assert (bound == math.inf) == (lacking or 0 in present)
            assert (raised == math.inf) == lacking
            if d == 25 and degrees == (2,) and not lacking:
                assert bound < 1.1 * norm
                assert bound / math.sqrt(2) < norm


def test_the_bound_is_tight_in_high_dimension():
    p = random_polynomial(0, 784, (2, 4), n=60)
    norm, bound = kernel_norm(p, "relu"), norm_bound(p, "relu")
    assert norm <= bound <= 1.01 * norm
    P = PolynomialClass(50, 4, 1.0)
    for seed in range(3):
        p = P.sample(key=jax.random.key(seed), n_monomials=400)
        assert kernel_norm(p, "relu") <= P.norm_bound("relu", raise_degrees=True)


# Erratum 2


@pytest.mark.parametrize(("d", "norm"), [(10, 7.73), (30, 13.62)])
def test_erratum_2_the_constant_costs_the_root_of_2_pi_d(d, norm):
    square = 2 * math.pi * (d - 1) * beta((d - 1) / 2, 1 / 2) / beta(d / 2, 1 / 2)
    for kernel in ("relu", relu_tk_h):
        assert constant_norm(d, kernel) == pytest.approx(norm, abs=0.005)
        assert constant_norm(d, kernel) == pytest.approx(math.sqrt(square), rel=1e-12)
    one = Polynomial.of_exponents(np.zeros((1, d), int), [1.0])
    assert kernel_norm(one, "relu") == pytest.approx(constant_norm(d, "relu"), rel=1e-15)
    assert (
        constant_norm(d, "relu") < norm_bound(one, "relu", raise_degrees=True) < constant_norm(d, "relu") * (1 + 1 / d)
    )
    # what the printed statement would allow: a norm that does not grow with d
    assert constant_norm(4 * d, "relu") > 1.9 * constant_norm(d, "relu")
    assert norm_bound(one, "relu") == math.inf
    assert constant_norm(d, "erf") == math.inf


def test_erratum_2_even_quadratics_keep_their_norm_as_the_dimension_grows():
    norms = []
    for d in (10, 30, 100, 784):
        exponents = np.zeros((2, d), int)
        exponents[[0, 0, 1], [0, 1, 2]] = [1, 1, 2]
        norms.append([kernel_norm(Polynomial.of_exponents(alpha[None], [1.0]), "relu") for alpha in exponents])
    limits = [math.sqrt(math.pi), math.sqrt(2 * math.pi)]
    assert np.all(np.array(norms) <= limits)
    assert np.all(np.diff(norms, axis=0) > 0)
    np.testing.assert_allclose(norms[-1], limits, rtol=5e-3)


def test_erratum_2_odd_cubics_are_not_in_the_space_of_relu():
    p = Polynomial.of_exponents([[1, 1, 1], [2, 0, 0]], [1.0, 1.0])
    assert kernel_norm(p, "relu") == norm_bound(p, "relu") == math.inf
    assert kernel_norm(Polynomial.of_exponents([[3, 0, 0]], [1e-9]), "relu") == math.inf
    assert kernel_norm(p.parts()[3], "erf") < norm_bound(p.parts()[3], "erf") < math.inf


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: eigenvalues("relu", 1, 2),
            "d=1: the sphere in R^1 is two points and has no uniform density; give d >= 2",
        ),
        (lambda: constant_norm(1, "relu"), "d=1: the sphere in R^1 is two points"),
        (lambda: harmonic_norms(Polynomial([[0]], [1.0], 1)), "d=1: the sphere in R^1 is two points"),
        (lambda: kernel_norm(Polynomial([[0]], [1.0], 1), "relu"), "d=1: the sphere in R^1 is two points"),
        (lambda: eigenvalues("relu", 3, -1), "max_degree=-1: degrees are numbered from 0; give max_degree >= 0"),
        (lambda: eigenvalues("rellu", 3, 1), "unknown activation 'rellu' (did you mean relu?)"),
        (lambda: eigenvalues(lambda t: t / 0.0, 3, 1), "the kernel gives no finite number for each inner product in"),
        (lambda: eigenvalues(np.sum, 3, 1), "inner product in [-1, 1]; give a function of arrays"),
        (
            lambda: eigenvalues(lambda t: t**2 - 0.5, 3, 1),
            "the kernel has the eigenvalue -0.167 at degree 0 in dimension 3; a norm belongs to a positive",
        ),
        (
            lambda: eigenvalues(lambda t: np.where(t > 0.3, 1.0, 0.0), 3, 1),
            "does not settle with 2048 nodes; the kernel must be a smooth function of the inner product inside (-1, 1)",
        ),
        (lambda: ZonalKernel(np.sin, np.array([0.0, -1.0])), "the series is none of finite coefficients >= 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_has_no_eigenvalues_is_refused(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()


def test_activations_without_tk_h_are_refused():
    for call in (lambda: eigenvalues("sign", 3, 2), lambda: constant_norm(3, "step"), lambda: zonal("step")):
        with pytest.raises(HypothesisError, match="jumps"):
            call()


def test_a_zonal_kernel_is_taken_as_it_is():
    kernel = ZonalKernel(np.square, np.array([0, 0, 1.0]))
    assert zonal(kernel) is kernel
    assert zonal(np.square).function is np.square
