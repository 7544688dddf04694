"""Random feature schemes: equation (3) by draws with known thresholds, bounds, draws, and their kernels."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

import dual_oracles
import oracles
from feature_cases import (
    CASES,
    GAMMA,
    KEY,
    MANY,
    B,
    Q,
    X,
    Z,
    double,
    of_pairs,
)
from thresholds import bernstein, hoeffding
from tightwidth import activations, kernels
from tightwidth.angular_kernels import tangent
from tightwidth.elementwise import Activation
from tightwidth.errors import HypothesisError, InputError
from tightwidth.feature_sums import KernelSum, SchemeSum
from tightwidth.network import draw_W_half
from tightwidth.ntk_features import known_bound
from tightwidth.random_features import (
    FactorizedScheme,
    RandomEmbedding,
    draw_embedding,
    fourier,
    ntk,
    ntk_both,
    ntk_output,
    sum_of,
)

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

ALL = pytest.mark.parametrize("name", CASES)

# Equation (3)


def mean_of_products(name, points, others):
    scheme, psi, _ = CASES[name]  # that psi is the scheme's, another test says
    omegas = double(scheme.draw(KEY, MANY, 3))
    left, right = psi(omegas, points), psi(omegas, others)
    return np.tensordot(left, right, axes=([1, 2], [1, 2])) / MANY


@ALL
def test_the_kernel_of_a_scheme_is_the_mean_of_its_inner_products(name):
    scheme, _, kernel = CASES[name]
    expected = kernel(X, Z)
    np.testing.assert_allclose(kernels.gram(scheme.kernel, X, Z), expected, rtol=1e-9, atol=1e-9)
    mean = mean_of_products(name, X, Z)
    if name == "output relu":  # E relu(u)^2 relu(v)^2 <= 3/2; of all 8 q squares one exceeds 60 with probability 1e-8
        threshold = bernstein(MANY, 1.5, 60.0, n_checks=expected.size) / B**2
    else:
        threshold = hoeffding(MANY, 2 * scheme.C**2, n_checks=expected.size)
    assert np.abs(mean - expected).max() < threshold
    wrong = [2 * expected, expected / 2, expected / np.sqrt(MANY), np.sqrt(np.abs(expected))]
    if name.startswith("ntk"):
        activation = scheme.activation.name
        wrong += [of_pairs(lambda x, z: float(x @ z) * dual_oracles.output_of_pair(activation, x, z))(X, Z)]  # sigma
        wrong += [expected / (X @ Z.T)]  # no factor <x, z>
    if name in ("fourier", "phases"):
        wrong += [rbf_kernel(X, Z, gamma=GAMMA / 2), rbf_kernel(X, Z, gamma=GAMMA**2)]
    for other in wrong:
        assert np.abs(mean - other).max() > threshold


@pytest.mark.parametrize("name", ["ntk relu", "both tanh"])
def test_the_kernel_holds_off_the_sphere(name):
    scheme, _, kernel = CASES[name]
    points = X * np.array([0.3, 1.0, 1.7, 2.5])[:, None]
    expected = kernel(points, points)
    np.testing.assert_allclose(kernels.gram(scheme.kernel, points), expected, rtol=1e-9, atol=1e-9)
    mean = mean_of_products(name, points, points)
    assert np.abs(mean - expected).max() < hoeffding(MANY, 2 * 2.5**2 * scheme.C**2, n_checks=16)


@ALL
def test_features_are_bounded_by_C(name):
    scheme, psi, _ = CASES[name]
    omegas = double(scheme.draw(KEY, MANY, 3))
    largest = np.linalg.norm(psi(omegas, X), axis=2).max()
    if name == "output relu":
        assert math.isinf(scheme.C)
        return
    assert largest <= scheme.C * (1 + 1e-12)
    assert largest > 0.8 * scheme.C or name in ("sum", "both tanh")
    np.testing.assert_allclose(scheme.dimension(3), psi(omegas, X).shape[2])


def test_what_is_said_of_the_schemes():
    assert [CASES[name][0].is_factorized for name in CASES] == [True, True] + 7 * [False]
    assert isinstance(ntk("tanh"), FactorizedScheme)
    bounds = [scheme.C for scheme in (ntk("erf"), ntk_both("tanh", B=2.0), sum_of(*map(ntk, ("erf", "tanh", "relu"))))]
    assert bounds == pytest.approx([2 / math.sqrt(math.pi), math.sqrt(1 + 1 / 4), math.sqrt(4 / math.pi + 2)])
    assert isinstance(ntk_both("tanh", B=2.0), SchemeSum)
    assert ntk_both("tanh", B=math.inf) == ntk("tanh")
    assert bool(eqx.tree_equal(ntk_both("tanh", B=2.0).kernel, tangent("tanh", B=2.0)))


def test_outputs_are_bounded_where_sigma_is():
    x = np.concatenate([np.linspace(-20, 20, 40_001), [-1e4, 1e4]])
    others = [activations.affine_erf(1.3, 0.7, -0.2), activations.monomial(0), activations.hermite(0)]
    bounded = []
    for activation in [*activations.REGISTRY.values(), activations.rectified_monomial(0), *others]:
        with jax.enable_x64(True):
            size = float(np.abs(np.asarray(jax.jit(activation.sigma)(jnp.asarray(x)))).max())
        bound = known_bound(activation)
        if math.isinf(bound):
            assert size > 1e3, activation.name
        else:
            assert bound == pytest.approx(size, rel=1e-6), activation.name
            assert size <= bound
            bounded.append(activation.name)
    assert len(bounded) == 14
    mine = Activation("tanh", jnp.tanh, lambda x: 1 - jnp.tanh(x) ** 2, C=1, H=1)
    assert math.isinf(ntk_output(mine, B=2.0).C)  # the name alone says nothing
    assert ntk_output(mine, B=2.0, sup_sigma=1.0).C == 0.5


# Draws


@ALL
def test_the_first_omegas_are_the_same_whatever_their_number_and_the_precision(name):
    scheme = CASES[name][0]
    many, few = scheme.draw(KEY, MANY, 3), scheme.draw(KEY, Q, 3)
    with jax.enable_x64(True):
        wide = scheme.draw(KEY, Q, 3)
    with jax.enable_x64(False):
        one = scheme.draw_one(jax.random.fold_in(KEY, 2), 3)
    for a, b, c, third in zip(*map(jax.tree.leaves, (many, few, wide, one)), strict=True):
        assert (type(a), a.dtype.itemsize, len(a)) == (np.ndarray, 4, MANY)
        assert c.dtype == b.dtype
        np.testing.assert_array_equal(a[:Q], b)
        np.testing.assert_array_equal(b, c)
        if name != "sum":  # whose parts have keys of their own
            np.testing.assert_allclose(b[2], third, rtol=1e-6)
    other = jax.tree.leaves(scheme.draw(jax.random.key(6), Q, 3))
    assert not np.array_equal(other[0], jax.tree.leaves(few)[0])
    embedding = RandomEmbedding(scheme, many, 3)
    assert bool(eqx.tree_equal(embedding.narrowed(Q), draw_embedding(scheme, key=KEY, q=Q, d=3)))


def test_the_ntk_scheme_draws_the_rows_of_the_network():
    np.testing.assert_array_equal(ntk("relu").draw(KEY, Q, 3), draw_W_half(KEY, Q, 3))


def test_parts_of_a_sum_draw_independently_unless_they_share():
    apart = sum_of(ntk("relu"), ntk("relu")).draw(KEY, MANY, 3)
    assert np.abs(np.mean(apart[0] * apart[1], axis=0)).max() < 6 / math.sqrt(MANY)  # by Chernoff, 3 means: 2e-7
    assert sum_of(ntk("relu"), ntk("relu"), shared=True).draw(KEY, Q, 3).shape == (Q, 3)


# The Gaussian kernel


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gamma", [0.5, 300.0])
def test_the_gaussian_kernel_is_exact_also_between_near_points(dtype, gamma):
    kernel = fourier(gamma=gamma).kernel
    near = X + 1e-3 * np.random.default_rng(0).standard_normal(X.shape) / math.sqrt(gamma)
    for offset in (0.0, 100.0):
        left, right = (np.vstack([X, near]) + offset).astype(dtype), (near + offset).astype(dtype)
        differences = left[:, None, :].astype(np.float64) - right[None, :, :].astype(np.float64)
        expected = np.exp(-gamma * np.sum(differences**2, axis=2))
        np.testing.assert_allclose(kernels.gram(kernel, left, right), expected, atol={4: 2e-7, 8: 2e-13}[left.itemsize])
    K = kernels.gram(kernel, left)
    np.testing.assert_array_equal(np.diag(K), 1)
    np.testing.assert_array_equal(K, K.T)
    assert K.dtype == dtype


def test_the_kernel_of_a_sum_is_the_sum_in_every_form():
    kernel = KernelSum((ntk("relu").kernel, fourier(gamma=GAMMA).kernel))
    points = oracles.sphere(np.random.default_rng(3), 520, 3)
    parts = [kernels.gram(part, points) for part in kernel.kernels]
    K = kernels.gram(kernel, points)
    np.testing.assert_array_equal(K, parts[0] + parts[1])
    np.testing.assert_array_equal(kernels.diagonal(kernel, points), np.diag(K))
    np.testing.assert_array_equal(np.vstack([block for _, block in kernels.gram_blocks(kernel, points)]), K)
    with jax.enable_x64(True):
        one = float(kernel.of_points(jnp.asarray(points[0]), jnp.asarray(points[1])))
    assert one == pytest.approx(K[0, 1], rel=1e-12)


# What is refused


REFUSED = [
    (lambda: ntk("relu").draw(KEY, 3, -1), InputError, "d=-1 must be a whole number"),
    (lambda: fourier(gamma=0.0), InputError, r"gamma=0 must be positive and finite, in exp\(-gamma"),
    (lambda: fourier(gamma=math.nan), InputError, "gamma=nan must be positive"),
    (lambda: ntk_output("tanh", B=0.0), InputError, "B=0 must be positive and finite: sigma/B is the gradient"),
    (lambda: ntk_output("tanh", B=math.inf), InputError, "B=inf must be positive and finite.* for B=inf use ntk"),
    (lambda: ntk_both("tanh", B=-1.0), InputError, "B=-1 must be positive"),
    (lambda: ntk_both("tanh", B=-math.inf), InputError, "B=-inf must be positive"),
    (lambda: ntk_output("tanh", B=1.0, sup_sigma=0.0), InputError, "sup_sigma=0 must be positive: it bounds"),
    (
        lambda: ntk_output("relu", B=1.0, sup_sigma=100.0),
        HypothesisError,
        r"sup_sigma=100 is no bound: \|sigma\(10000\)\| = 10000 for activation 'relu'; give a larger one",
    ),
    (lambda: ntk("step"), HypothesisError, "activation 'step' jumps"),
    (lambda: ntk("rulu"), InputError, "unknown activation 'rulu'"),
    (lambda: sum_of(), InputError, "a sum of no random feature schemes has no features; give at least one"),
    (
        lambda: sum_of(ntk("relu"), fourier(gamma=1.0), shared=True).draw(KEY, Q, 3),
        InputError,
        "NtkFeatures and FourierFeatures draw different omegas from one key, and cannot share one; give shared=False",
    ),
]


@pytest.mark.parametrize(("attempt", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()
