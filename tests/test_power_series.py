"""Power series of dual activations against Hermite coefficients by quadrature, and against known series."""

import itertools
import math

import numpy as np
import pytest
from numpy.polynomial.polynomial import polyval

import dual_oracles
from dual_families import CONTINUOUS, NAMES, known
from tightwidth import duals

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

N_TERMS = 40
RHO = np.array([-1, -0.96875, -0.5, 0, 0.1875, 0.8125, 1])


def oracle(name, prime):
    f = dual_oracles.derivative(name) if prime else dual_oracles.FAMILIES[name].sigma
    return f, (dual_oracles.dual_prime if prime else dual_oracles.dual)


@pytest.mark.parametrize(("name", "prime"), [(name, False) for name in NAMES] + [(name, True) for name in CONTINUOUS])
def test_the_coefficients_are_squares_of_hermite_coefficients(name, prime):
    f, dual = oracle(name, prime)
    at_one = dual(name, 1.0)
    tolerance = 1e-12 * max(1.0, at_one)
    series = (duals.dual_prime if prime else duals.dual)(known(name)).power_series(N_TERMS)
    hermite = dual_oracles.hermite_coefficients(f, N_TERMS)
    c = series.coefficients
    assert c.shape == (N_TERMS,)
    assert c.dtype == np.float64
    assert (c >= 0).all()
    np.testing.assert_allclose(c, hermite**2, rtol=0, atol=tolerance)
    if hermite.any():
        for wrong in (2 * c, np.sqrt(c) if not set(np.round(c, 9)) <= {0, 1} else 2 * c, np.roll(c, 1)):
            assert (np.abs(wrong - hermite**2) > 1e-6).any()
    # nothing is lost: the rest is the tail, and the tail bounds the error
    assert series.tail >= 0
    assert c.sum() + series.tail == pytest.approx(at_one, abs=tolerance)
    error = np.abs([dual(name, float(rho)) for rho in RHO] - polyval(RHO, c))
    assert (error <= series.tail + tolerance).all()


@pytest.mark.parametrize("name", ["relu", "tanh", "erf"])
def test_fewer_terms_are_the_first_of_more(name):
    long, short = (duals.dual(known(name)).power_series(n) for n in (30, 3))
    np.testing.assert_allclose(short.coefficients, long.coefficients[:3], atol=1e-14)
    assert short.tail == pytest.approx(long.tail + long.coefficients[3:].sum(), abs=1e-14)


def test_the_series_of_relus_hidden_kernel():
    c = duals.dual_prime(known("relu")).power_series(6).coefficients  # tk^h = rho dual(sigma'): a_n = c_{n-1}
    pi = math.pi
    np.testing.assert_allclose(c, [1 / 4, 1 / (2 * pi), 0, 1 / (12 * pi), 0, 3 / (80 * pi)], atol=1e-15)


def test_many_terms_of_series_that_are_known():
    n = 201
    arcsine = np.zeros(n)  # arcsin x = sum_k (2k)! / (4^k k!^2 (2k+1)) x^(2k+1)
    ratio = 1.0
    for k in range(n // 2):
        arcsine[2 * k + 1] = ratio / (2 * k + 1)
        ratio *= (2 * k + 1) / (2 * k + 2)
    exponential = 1 / np.array([math.factorial(k) for k in range(n)], dtype=object)
    constant = np.eye(1, n)[0]
    expected = {
        ("relu", True): constant / 4 + arcsine / (2 * math.pi),
        ("abs", True): 2 * arcsine / math.pi,
        ("sign", False): 2 * arcsine / math.pi,
        ("step", False): constant / 4 + arcsine / (2 * math.pi),
        ("erf", False): 2 / math.pi * arcsine * (2 / 3) ** np.arange(n),
        ("exp", False): (math.e * exponential).astype(float),
        ("sin", False): (exponential / math.e).astype(float) * (np.arange(n) % 2),
        ("cos", False): (exponential / math.e).astype(float) * (np.arange(n) % 2 == 0),
        ("hermite_5", False): np.eye(1, n, 5)[0],
    }
    for (name, prime), coefficients in expected.items():
        series = (duals.dual_prime if prime else duals.dual)(known(name)).power_series(n)
        np.testing.assert_allclose(series.coefficients, coefficients, rtol=0, atol=1e-13)
        at_one = oracle(name, prime)[1](name, 1.0)
        assert series.tail == pytest.approx(max(at_one - coefficients.sum(), 0), abs=1e-12)


@pytest.mark.parametrize("name", ["relu", "hard_tanh", "tanh", "bent"])
def test_the_tail_falls_with_the_number_of_terms(name):
    tails = [duals.dual(known(name)).power_series(n).tail for n in (1, 5, 20, 80)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(tails))
    assert tails[-1] < 0.02 * tails[0]
