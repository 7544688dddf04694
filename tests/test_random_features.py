"""Functions on the features: exact integrals over omega, the laws of f_omega, and what factorization is worth."""

import math

import numpy as np
import pytest

import oracles
from feature_cases import (
    ALPHA,
    CASES,
    GAMMA,
    KEY,
    MANY,
    Phases,
    Q,
    X,
    Z,
    function,
)
from thresholds import bernstein, hoeffding
from tightwidth.errors import DataError, InputError
from tightwidth.kernel_spaces import KernelFunction
from tightwidth.random_features import (
    draw_embedding,
    f_check,
    f_omega,
    feature_function,
    fourier,
    ntk,
    ntk_both,
    v_star,
)

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

# Equations (4), (5) and (6), exactly: integrals over omega for points in the plane

PLANE = oracles.sphere(np.random.default_rng(7), 4, 2)
OTHERS = oracles.sphere(np.random.default_rng(8), 3, 2)


def arcs(points):
    """Return directions omega, and the shares of the circle on which all gates of relu are theirs."""
    angles = np.arctan2(points[:, 1], points[:, 0])
    ends = np.sort(np.concatenate([angles + np.pi / 2, angles - np.pi / 2]) % (2 * np.pi))
    lengths = np.diff([*ends, ends[0] + 2 * np.pi])
    middle = ends + lengths / 2
    return np.stack([np.cos(middle), np.sin(middle)], axis=1), lengths / (2 * np.pi)


def trapezoids(scale=1.0):
    """Return nodes and weights for N(0, scale^2 I); what is analytic next to the axes loses nothing."""
    s = np.arange(-10, 10.1, 0.2)
    u, v = np.meshgrid(s, s)
    weights = np.exp(-(u**2 + v**2) / 2).reshape(-1)
    return scale * np.stack([u.reshape(-1), v.reshape(-1)], axis=1), weights / weights.sum()


INTEGRALS = {
    "ntk relu": lambda: arcs(np.vstack([PLANE, OTHERS])),
    "both tanh": trapezoids,
    "fourier": lambda: trapezoids(math.sqrt(2 * GAMMA)),
}


@pytest.mark.parametrize("name", INTEGRALS)
def test_a_function_on_the_features_has_the_norm_and_the_values_of_the_function(name):
    scheme = CASES[name][0]
    omegas, weights = INTEGRALS[name]()
    f = function(scheme, PLANE)
    g = KernelFunction(scheme.kernel, OTHERS, np.ones(3))
    of_f, of_g = f_check(scheme, f), f_check(scheme, g)
    values = of_f(omegas)
    assert values.shape == (len(omegas), scheme.dimension(2))
    squared = weights @ np.sum(values**2, axis=1)
    assert squared == pytest.approx(f.norm() ** 2, rel=1e-11)
    assert of_f.norm() == pytest.approx(math.sqrt(squared), rel=1e-11)
    assert of_f.inner(of_g) == pytest.approx(weights @ np.sum(values * of_g(omegas), axis=1), rel=1e-9)
    at = of_f.integrand(omegas, OTHERS)
    np.testing.assert_allclose(at @ weights, f(OTHERS), atol=1e-11)
    assert np.abs(at @ np.full(len(weights), 1 / len(weights)) - f(OTHERS)).max() > 1e-4  # the law of omega counts
    for a, x in zip(ALPHA, PLANE, strict=True):  # f_check is linear in the Psi^x
        values = values - a * feature_function(scheme, x)(omegas)
    np.testing.assert_allclose(values, 0, atol=1e-12)
    inner = feature_function(scheme, PLANE[0]).inner(feature_function(scheme, OTHERS[0]))
    assert inner == pytest.approx(CASES[name][2](PLANE[:1], OTHERS[:1])[0, 0], abs=1e-9)


@pytest.mark.parametrize("name", INTEGRALS)
def test_f_omega_has_the_mean_f_and_a_variance_below_that_of_corollary_3(name):
    scheme = CASES[name][0]
    omegas, weights = INTEGRALS[name]()
    f = function(scheme, PLANE)
    exact, norm = f(OTHERS), f.norm()
    variance = f_check(scheme, f).integrand(omegas, OTHERS) ** 2 @ weights - exact**2  # q times that of f_omega
    assert (variance <= scheme.C**2 * norm**2).all()
    q, n = 4, MANY // 4
    terms = f_check(scheme, f).integrand(scheme.draw(KEY, q * n, 2), OTHERS)
    reach = scheme.C**2 * np.abs(ALPHA).sum()  # no term is larger, by Cauchy and Schwarz
    assert np.abs(terms).max() <= reach
    errors = terms.reshape(3, n, q).mean(axis=2) - exact[:, None]  # of n independent f_omega
    bias = bernstein(n, float(variance.max()) / q, 2 * reach, n_checks=3)
    assert np.abs(errors.mean(axis=1)).max() < bias
    assert max(np.abs(errors.mean(axis=1) + exact - wrong).max() for wrong in (exact / 2, 2 * exact)) > bias
    mean = np.mean(errors**2, axis=1)
    # a square has at most the second moment (2 reach)^2 times its mean
    threshold = [bernstein(n, 4 * reach**2 * v / q, 4 * reach**2, n_checks=3) for v in variance]
    assert (np.abs(mean - variance / q) < threshold).all()
    assert (np.abs(mean - variance) > threshold).any()  # not the variance of one feature


@pytest.mark.parametrize("name", ["ntk relu", "phases"])
def test_the_mean_square_of_f_check_is_that_of_the_norm(name):
    scheme = CASES[name][0]
    f, q = function(scheme), MANY
    mean = float(np.mean(np.sum(f_check(scheme, f)(scheme.draw(KEY, q, 3)) ** 2, axis=1)))
    threshold = hoeffding(q, (scheme.C * np.abs(ALPHA).sum()) ** 2)
    assert abs(mean - f.norm() ** 2) < threshold
    for wrong in (2 * f.norm() ** 2, f.norm() ** 2 / 2, f.norm() ** 2 / q):
        assert abs(mean - wrong) > threshold


@pytest.mark.parametrize("name", ["ntk relu", "both tanh", "sum"])
def test_f_omega_is_one_function_however_it_is_computed(name):
    scheme = CASES[name][0]
    embedding = draw_embedding(scheme, key=KEY, q=Q, d=3)
    f = function(scheme)
    sampled, v = f_omega(embedding, f), v_star(embedding, f)
    assert isinstance(sampled, KernelFunction)
    np.testing.assert_array_equal(sampled.alpha, f.alpha)
    values = sampled(Z)
    np.testing.assert_allclose(values, f_check(scheme, f).integrand(embedding.omegas, Z).mean(axis=1), atol=1e-14)
    np.testing.assert_allclose(values, embedding.outputs(v, Z), atol=1e-14)
    np.testing.assert_allclose(values, embedding.features(Z) @ embedding.features(X).T @ ALPHA, atol=1e-14)
    np.testing.assert_allclose(v, f_check(scheme, f)(embedding.omegas) / np.sqrt(Q), atol=1e-15)
    assert sampled.norm() == pytest.approx(np.linalg.norm(v), rel=1e-12)
    assert sampled.norm() != pytest.approx(f.norm(), rel=1e-3)  # but in the mean of the squares
    assert (sampled - f_omega(embedding, f)).norm() == 0  # functions of one space


# What factorization is worth (Theorem 4): f = k(x_1, .), for which the error is known exactly


def cosines(d):
    points = oracles.sphere(np.random.default_rng(d), 129, d)
    return points[1:], points[:1], points[1:] @ points[0]


def error_relu(rho):
    a = (np.pi - np.arccos(rho)) / (2 * np.pi)  # how often both gates are open
    return rho**2 * a * (1 - a)


def error_fourier(rho):
    squared = 2 - 2 * rho
    return (1 + np.exp(-4 * GAMMA * squared)) / 2 - np.exp(-2 * GAMMA * squared)


@pytest.mark.parametrize("d", [4, 64])
@pytest.mark.parametrize("name", ["ntk relu", "fourier"])
def test_d_dimensional_features_are_worth_d_only_if_factorized(name, d):
    scheme, exact = {"ntk relu": (CASES[name][0], error_relu), "fourier": (CASES[name][0], error_fourier)}[name]
    points, centre, rho = cosines(d)
    f = KernelFunction(scheme.kernel, centre, np.ones(1))
    q, n = 4, 4096
    terms = f_check(scheme, f).integrand(scheme.draw(KEY, q * n, d), points)
    errors = terms.reshape(len(points), n, q).mean(axis=2) - f(points)[:, None]
    squares = np.mean(errors**2, axis=0)  # ||f - f_omega||^2 over the points, of n independent f_omega
    expected = float(np.mean(exact(rho)))
    reach = float(np.mean(rho**2)) if name == "ntk relu" else 4.0  # no square is larger
    assert squares.max() <= reach
    threshold = bernstein(n, reach * expected / q, reach)
    assert abs(squares.mean() - expected / q) < threshold
    assert abs(squares.mean() - expected) > threshold
    theorem_4 = (oracles.exact_R(points) * scheme.C * f.norm()) ** 2 / (q * d)
    corollary_3 = (scheme.C * f.norm()) ** 2 / q
    assert squares.mean() + threshold < corollary_3
    if name == "ntk relu":
        assert squares.mean() + threshold < theorem_4
        assert 0.3 < d * expected / f.norm() ** 2 < 0.5  # flat in d
        assert d < 64 or squares.mean() - threshold > theorem_4 / d  # one d, no more
    else:
        assert 0.3 < expected / f.norm() ** 2 < 0.5  # d is not gained:
        assert d < 64 or squares.mean() - threshold > 3 * theorem_4


def test_both_layers_gain_d_up_to_the_output_part():
    d, q, n, B_64 = 64, 4, 4096, 8.0
    scheme = ntk_both("tanh", B=B_64)
    points, centre, _ = cosines(d)
    f = KernelFunction(scheme.kernel, centre, np.ones(1))
    terms = f_check(scheme, f).integrand(scheme.draw(KEY, q * n, d), points)
    squares = np.mean((terms.reshape(len(points), n, q).mean(axis=2) - f(points)[:, None]) ** 2, axis=0)
    R = oracles.exact_R(points)
    bound = (R**2 / d + B_64**-2) * f.norm() ** 2 / q  # C_1^2 R^2 / d + C_2^2
    reach = (R / math.sqrt(d) + 1 / B_64) ** 2 * scheme.C**2 * 4
    assert squares.max() <= reach
    assert squares.mean() + bernstein(n, reach * bound, reach) < bound
    assert bound < 0.1 * (scheme.C * f.norm()) ** 2 / q  # where C alone would promise so much less


# What is refused


def relu_embedding(q=Q):
    return draw_embedding(ntk("relu"), key=KEY, q=q, d=3)


REFUSED = [
    (
        lambda: f_check(ntk("relu"), function(ntk("tanh"))),
        InputError,
        r"f is a function of AngularKernel\(.*'tanh'.*, but the scheme is for Angular.*; give f over scheme.kernel",
    ),
    (lambda: f_omega(relu_embedding(), function(fourier(gamma=1.0))), InputError, "f is a function of Gaussian"),
    (lambda: v_star(relu_embedding(), function(fourier(gamma=1.0))), InputError, "f is a function of Gaussian"),
    (lambda: f_omega(relu_embedding(), function(ntk("relu"), PLANE)), DataError, "X has 2 columns but the embedding"),
    (lambda: v_star(relu_embedding(), function(ntk("relu"), PLANE)), DataError, "X has 2 columns but the embedding"),
    (lambda: f_check(ntk("relu"), function(ntk("relu")))(np.ones((5, 2))), InputError, "psi of NtkFeatures cannot"),
    (
        lambda: f_check(ntk("relu"), function(ntk("relu"))).integrand(np.ones((5, 3)), PLANE),
        DataError,
        "X has 2 columns",
    ),
    (
        lambda: feature_function(Phases(1.0), X[0]).inner(feature_function(fourier(gamma=1.0), X[0])),
        InputError,
        "functions on the features of two schemes were given; one scheme is needed",
    ),
    (lambda: feature_function(ntk("relu"), 1.0), DataError, r"X has shape \(1,\)"),
]


@pytest.mark.parametrize(("attempt", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()
