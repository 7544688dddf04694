"""The paper's errata (docs/deviations.md): the printed statement fails where ours holds.

NumPy and SciPy alone, in float64; nothing here calls the package.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import cho_factor, cho_solve
from scipy.special import beta, betaln


def sphere(rng, m, d):
    """Return m uniform points on the sphere."""
    X = rng.standard_normal((m, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def relu_tk_h(rho):
    """Return rho (pi - arccos rho) / (2 pi)."""
    rho = np.clip(rho, -1, 1)
    return rho * (np.pi - np.arccos(rho)) / (2 * np.pi)


def sphere_mean(f, d):
    """Return the mean of f(<u, x>) over x uniform on the sphere, for one unit vector u, by quadrature."""
    log_normaliser = betaln((d - 1) / 2, 1 / 2)
    return quad(lambda t: f(t) * np.exp((d - 3) / 2 * np.log1p(-t * t) - log_normaliser), -1, 1, epsabs=0)[0]


# Erratum 1: the minimal norm of a weight change


def relu_jacobian(W_half, B, X):
    """Return the gradients of the network in all weights, [m, 2q (d + 1)], at the paper's initialization."""
    W = np.vstack([W_half, W_half])
    u = np.repeat([B, -B], len(W_half))
    Z = X @ W.T
    hidden = (Z > 0)[:, :, None] * u[:, None] * X[:, None, :]
    return np.hstack([hidden.reshape(len(X), -1), np.maximum(Z, 0)])


@pytest.mark.parametrize("hidden_only", [False, True])
def test_erratum_1_the_minimal_norm_divides_by_the_output_scale(hidden_only):
    q, d, B = 40, 5, 3.0
    rng = np.random.default_rng(1)
    W_half = rng.standard_normal((q, d))
    centres, alpha = sphere(rng, 12, d), rng.standard_normal(12)
    X = np.vstack([centres, sphere(rng, 1500, d)])  # enough to fix a function on the whole sphere
    n_weights = 2 * q * d if hidden_only else 2 * q * (d + 1)
    gradients = relu_jacobian(W_half, B, X)[:, :n_weights]
    kernel = gradients @ gradients[:12].T / (2 * q * B**2)  # tk_W, as section 2.5 defines it
    h = kernel @ alpha
    kernel_norm = np.sqrt(alpha @ kernel[:12] @ alpha)
    minimal = np.linalg.norm(np.linalg.lstsq(gradients, h)[0])
    assert minimal == pytest.approx(kernel_norm / (np.sqrt(2 * q) * B), rel=1e-8)
    assert minimal < 1e-2 * np.sqrt(q) * B * kernel_norm  # the printed value
    assert minimal != pytest.approx(kernel_norm / (np.sqrt(q) * B), rel=0.2)  # nor without the 2


# Erratum 2: the constant polynomial


@pytest.mark.parametrize(("d", "norm"), [(10, 7.73), (30, 13.62), (300, 43.38)])
def test_erratum_2_the_constant_has_a_norm_of_about_sqrt_2_pi_d(d, norm):
    # By Funk and Hecke constants are eigenfunctions of every kernel in <x, z>, and ||1||^2 = 1 / eigenvalue.
    eigenvalue = sphere_mean(relu_tk_h, d)
    assert eigenvalue**-0.5 == pytest.approx(norm, abs=0.005)
    assert eigenvalue**-1 == pytest.approx(2 * np.pi * (d - 1) * beta((d - 1) / 2, 1 / 2) / beta(d / 2, 1 / 2))
    assert 1 - 1 / d < eigenvalue**-0.5 / np.sqrt(2 * np.pi * d) < 1


def test_erratum_2_the_power_series_has_no_constant_term_but_all_even_ones():
    assert relu_tk_h(0.0) == 0
    radius, n_points = 0.5, 64  # Cauchy's integral on a circle inside the disc of convergence
    z = radius * np.exp(2j * np.pi * np.arange(n_points) / n_points)
    values = z * (np.pi / 2 + np.arcsin(z)) / (2 * np.pi)
    coefficients = (np.fft.fft(values) / n_points).real / radius ** np.arange(n_points)
    expected = [0, 1 / 4, 1 / (2 * np.pi), 0, 1 / (12 * np.pi), 0, 3 / (80 * np.pi)]
    np.testing.assert_allclose(coefficients[:7], expected, atol=1e-14)
    assert np.all(coefficients[2:17:2] > 1e-4)


def test_erratum_2_an_even_quadratic_keeps_its_norm_as_the_dimension_grows():
    # p(x) = x_1 x_2 is a spherical harmonic of degree 2, so that ||p||^2 = E p^2 / (eigenvalue of degree 2)
    for d in (10, 30, 300):
        eigenvalue = sphere_mean(lambda t, d=d: relu_tk_h(t) * (d * t * t - 1) / (d - 1), d)
        norm = np.sqrt(1 / (d * (d + 2)) / eigenvalue)
        assert norm <= np.sqrt(np.pi)  # coefficients bound: (c^2 / 2) / a_2 with a_2 = 1/(2 pi) and c = 1
        assert norm > 0.8 * np.sqrt(np.pi)


# Erratum 3: the interpolant of random labels


def test_erratum_3_the_interpolant_of_random_labels_has_norm_of_order_sqrt_m():
    d, n_labellings = 30, 400
    for m, square in ((250, 4.4), (500, 5.7), (1000, 7.4)):
        rng = np.random.default_rng(m)
        X = sphere(rng, m, d)
        K = relu_tk_h(X @ X.T)
        inverse = cho_solve(cho_factor(K), np.eye(m))
        Y = rng.choice([-1.0, 1.0], (n_labellings, m))
        mean = np.einsum("ni,ij,nj->", Y, inverse, Y, optimize=True) / (n_labellings * m)
        assert mean == pytest.approx(square, abs=0.2)
        # A quadratic form in random signs has variance 2 sum_{i != j} inverse_ij^2, and its p-th moment is at
        # most (p - 1)^p deviations^p: it is off by 40 deviations with probability (14/40)^15 < 1e-6 or less.
        off_diagonal = inverse - np.diag(np.diag(inverse))
        deviation = np.sqrt(2 / n_labellings) * np.linalg.norm(off_diagonal) / m
        assert abs(mean - np.trace(inverse) / m) < 40 * deviation
        # Norms of order m would make ||h*||^2 / m grow fourfold from m = 250 to 1000; it stays below this:
        assert mean < 1 / np.linalg.eigvalsh(K)[0] < 14


# Erratum 4: Theorem 4 needs bounded features


def test_erratum_4_without_a_bound_on_the_features_theorem_4_fails():
    # The scheme that is psi / sqrt(p) with probability p and 0 otherwise is factorized, and its kernel is the
    # same, but its norm is C / sqrt(p).  Take f = tk^h(z, .), so that ||f||^2 = 1/2, and R = 1.
    d = 8
    mean_square = sphere_mean(lambda t: relu_tk_h(t) ** 2, d)
    second_moment = sphere_mean(lambda t: t * relu_tk_h(t), d)  # of <f_check, psi> = [..] [..] <z, x>, at p = 1

    def squared_error_times_q(p):
        return second_moment / p - mean_square

    def squared_bound_times_q(C):
        return C**2 * 0.5 / d

    assert squared_error_times_q(1) < squared_bound_times_q(C=1)
    assert squared_error_times_q(0.1) > 4 * squared_bound_times_q(C=1)  # "factorized" alone does not suffice
    assert squared_error_times_q(0.1) < squared_bound_times_q(C=0.1**-0.5)  # the bound of the features does


def test_erratum_4_the_thinned_scheme_has_the_error_that_its_variance_says():
    d, q, p, n = 8, 40, 0.1, 20_000
    rng = np.random.default_rng(4)
    z, x = sphere(rng, 2, d)
    gates = rng.standard_normal((n, q, 2)) @ np.linalg.cholesky(np.array([[1, z @ x], [z @ x, 1]])).T > 0
    values = (rng.random((n, q)) < p) / p * gates.all(axis=2) * (z @ x)
    errors = values.mean(axis=1) - relu_tk_h(z @ x)
    expected = ((z @ x) * relu_tk_h(z @ x) / p - relu_tk_h(z @ x) ** 2) / q
    # 6 standard errors of a mean of squares of sums of 40 terms whose fourth moment is below 4 expected^2
    assert np.mean(errors**2) == pytest.approx(expected, rel=6 * np.sqrt(3 / n))
    assert np.mean(errors**2) > 4 * p * expected


# Erratum 5: equation (1)


def test_erratum_5_the_kernel_is_the_mean_product_of_two_derivatives_under_standard_gaussians():
    rng = np.random.default_rng(5)
    n, d = 200_000, 6
    x, z = sphere(rng, 2, d)
    W = rng.standard_normal((n, d))
    product = np.mean((W @ x > 0) & (W @ z > 0))
    # Hoeffding: a mean of n values in [0, 1] is off by more than this with probability at most 1e-6
    margin = np.sqrt(np.log(2 / 1e-6) / (2 * n))
    assert abs((x @ z) * product - relu_tk_h(x @ z)) < margin * abs(x @ z)
    assert abs(1 / 4 - product) > 2 * margin  # the derivatives are not independent
    # N(I, 0) would be the point mass at the mean: no randomness, and a kernel of rank d
    G = sphere(rng, 40, d)
    one_neuron = (G @ G.T) * np.outer(G @ np.ones(d) > 0, G @ np.ones(d) > 0)
    assert np.linalg.matrix_rank(one_neuron) <= d
    assert np.linalg.matrix_rank(relu_tk_h(G @ G.T)) == 40
