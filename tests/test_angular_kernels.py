"""Tangent kernels of any depth against decimal arithmetic, nested quadrature and the signs of their eigenvalues."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import decimal_oracles
import dual_oracles
import oracles
from dual_families import known
from tightwidth import angular_kernels, kernels
from tightwidth.errors import HypothesisError, InputError

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

HOMOGENEOUS = tuple(decimal_oracles.SLOPES)
DISTANCES = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
B = 2.0
PARTS = ("both", "hidden", "output")


def parts_of(hidden, output, scale=1.0):
    return {"both": hidden + output / scale**2, "hidden": hidden, "output": output / scale**2}


def tangents(name, scale=B):
    return {part: angular_kernels.tangent(known(name), B=scale, part=part) for part in PARTS}


def deep_table(name, depth, X, Z, weight_variance=1.0, bias_variance=0.0):
    """Return the hidden and the output part between all points, exactly those of their dtype."""
    table = [[decimal_oracles.deep(name, depth, x, z, weight_variance, bias_variance) for z in Z] for x in X]
    return np.moveaxis(np.array(table), -1, 0)


def near_and_antipodal(d, dtype):
    X, Z = decimal_oracles.near_pairs(np.random.default_rng(d), d, DISTANCES)
    return X.astype(dtype), np.vstack([Z[::2], -Z[1::2]]).astype(dtype)


def bare_product(X, Z):
    """Return relu's tk^h from the arccosine of the inner product, as it is often written."""
    rho = np.clip(X @ Z.T, -1, 1)
    return rho * (np.pi - np.arccos(rho)) / (2 * np.pi)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("d", [3, 50])
@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_next_to_equal_and_opposite_points_no_digit_is_lost(name, d, dtype, tolerance):
    X, Z = near_and_antipodal(d, dtype)
    hidden, output = deep_table(name, 2, X, Z)
    expected = parts_of(hidden, output, B)
    for part, kernel in tangents(name).items():
        seen = kernels.gram(kernel, X, Z)
        assert seen.dtype == dtype
        np.testing.assert_allclose(seen, expected[part], rtol=0, atol=tolerance)
        assert np.abs(seen - 2 * expected[part]).max() > 1e-2
    if name == "relu":
        assert np.abs(bare_product(X, Z) - expected["hidden"]).max() > 10 * tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize(
    ("depth", "weight_variance", "bias_variance"), [(3, 1, 0), (4, 2, 0), (5, 1, 0.1), (6, 2, 0.1)]
)
def test_deep_relu_networks(depth, weight_variance, bias_variance, dtype, tolerance):
    variances: dict[str, Any] = {"weight_variance": weight_variance, "bias_variance": bias_variance}
    X, Z = near_and_antipodal(3, dtype)
    expected = parts_of(*deep_table("relu", depth, X, Z, weight_variance, bias_variance))
    scale = max(1, np.abs(expected["both"]).max())
    for part in ("both", "hidden"):
        kernel = angular_kernels.deep_tangent(known("relu"), depth, **variances, part=part)
        seen = kernels.gram(kernel, X, Z)
        assert seen.dtype == dtype
        np.testing.assert_allclose(seen, expected[part], rtol=0, atol=tolerance * scale)
    process = kernels.gram(angular_kernels.nngp(known("relu"), depth, **variances), X, Z)
    np.testing.assert_allclose(process, expected["output"], rtol=0, atol=tolerance * scale)
    # a layer too few, a bias left out, the variance of one layer only
    other = [deep_table("relu", depth - 1, X, Z, weight_variance, bias_variance).sum(axis=0), 2 * expected["both"]]
    if bias_variance:
        other.append(deep_table("relu", depth, X, Z, weight_variance, 0).sum(axis=0))
    if weight_variance != 1:
        other.append(deep_table("relu", depth, X, Z, 1, bias_variance).sum(axis=0))
    for wrong in other:
        assert np.abs(wrong - expected["both"]).max() > 10 * tolerance * scale


@pytest.mark.parametrize("name", ["leaky_relu", "abs"])
@pytest.mark.parametrize("depth", [2, 5])
def test_other_deep_homogeneous_networks_at_any_norm(name, depth):
    rng = np.random.default_rng(depth)
    X, Z = (rng.standard_normal((n, 4)) * rng.exponential(size=(n, 1)) for n in (5, 4))
    hidden, output = deep_table(name, depth, X, Z, 1.5, 0.2)
    variances: dict[str, Any] = {"weight_variance": 1.5, "bias_variance": 0.2}
    scale = np.abs(hidden + output).max()
    both, process = (
        make(known(name), depth, **variances) for make in (angular_kernels.deep_tangent, angular_kernels.nngp)
    )
    np.testing.assert_allclose(kernels.gram(both, X, Z), hidden + output, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(kernels.gram(process, X, Z), output, rtol=0, atol=1e-12 * scale)


def test_depth_two_is_the_kernel_of_the_paper():
    X = oracles.sphere(np.random.default_rng(0), 8, 4)
    for name in ("relu", "tanh"):
        for part in PARTS:
            deep = angular_kernels.deep_tangent(known(name), 2, part=part)
            np.testing.assert_allclose(
                kernels.gram(deep, X), kernels.gram(tangents(name, 1.0)[part], X), rtol=0, atol=1e-12
            )


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_deep_networks_that_are_not_homogeneous(name):
    rng = np.random.default_rng(1)
    X = oracles.sphere(rng, 3, 5) * np.array([[1.0], [0.3], [2.0]])
    Z = np.vstack([oracles.sphere(rng, 1, 5), -X[:1], X[:1] + 1e-4])
    variances: dict[str, Any] = {"weight_variance": 1.5, "bias_variance": 0.1}
    table = [[dual_oracles.deep_pair(name, 3, x, z, 1.5, 0.1) for z in Z] for x in X]
    expected = parts_of(*np.moveaxis(np.array(table), -1, 0))
    for part in PARTS:
        kernel = angular_kernels.deep_tangent(known(name), 3, **variances, part=part)
        np.testing.assert_allclose(kernels.gram(kernel, X, Z), expected[part], rtol=0, atol=1e-11)
    process = kernels.gram(angular_kernels.nngp(known(name), 3, **variances), X, Z)
    np.testing.assert_allclose(process, expected["output"], rtol=0, atol=1e-11)
    assert np.abs(process - expected["both"]).max() > 0.1
    # a unit vector's correlations alone would not do
    unit = process[1] - [dual_oracles.deep_pair(name, 3, X[1] / 0.3, z, 1.5, 0.1)[1] for z in Z]
    assert np.abs(unit).max() > 1e-3


# Points off the sphere

NORMS = np.array([0.0, 0.3, 1.0, 2.7])


def of_norms(seed, norms, d=4):
    return oracles.sphere(np.random.default_rng(seed), len(norms), d) * np.asarray(norms)[:, None]


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_homogeneous_kernels_scale(name):
    X, Z = of_norms(2, NORMS), of_norms(3, [2.7, 1.0, 0.0])
    hidden, output = np.zeros((2, 4, 3))
    hidden[1:, :2], output[1:, :2] = deep_table(name, 2, X[1:], Z[:2])
    for part, expected in parts_of(hidden, output, B).items():
        seen = kernels.gram(tangents(name)[part], X, Z)
        np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        assert (seen[0] == 0).all()
        assert (seen[:, 2] == 0).all()
    larger = kernels.gram(tangents(name)["both"], 1e3 * X, Z)
    np.testing.assert_allclose(larger, 1e3 * kernels.gram(tangents(name)["both"], X, Z), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize(
    "name", ["tanh", "erf", "gelu", "hard_tanh", "elu", "softplus", "sin", "cos", "gaussian", "bent", "monomial_3"]
)
def test_other_kernels_at_any_norm(name):
    X, Z = of_norms(4, NORMS), np.vstack([of_norms(5, [2.7, 1.0]), of_norms(4, NORMS)[2:3] * -0.5])
    hidden, output = np.moveaxis(np.array([[dual_oracles.tangent_pair(name, x, z) for z in Z] for x in X]), -1, 0)
    for part, expected in parts_of(hidden, output, B).items():
        seen = kernels.gram(tangents(name)[part], X, Z)
        scale = max(1, np.abs(expected).max())
        np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-11 * scale)
        single = kernels.gram(tangents(name)[part], X.astype(np.float32), Z.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, rtol=0, atol=2e-5 * scale)
    assert (kernels.gram(tangents(name)["hidden"], X, Z)[0] == 0).all()  # tk^h(0, .) = 0
    # sigma(0) E sigma(v) / B^2
    sigma = dual_oracles.FAMILIES[name].sigma
    for seen, z in zip(kernels.gram(tangents(name)["output"], X, Z)[0], Z, strict=True):
        norm = float(np.linalg.norm(z))
        at_zero = float(sigma(np.zeros(1))[0]) * dual_oracles.mean(
            lambda s, norm=norm: sigma(norm * s), [cut / norm for cut in sigma.cuts]
        )
        assert seen == pytest.approx(at_zero / B**2, abs=1e-11)
    # unit vectors only would not do
    on_sphere = kernels.gram(tangents(name)["output"], X[1:] / NORMS[1:, None], Z)
    assert np.abs(on_sphere - output[1:] / B**2).max() > 1e-3


SMALL_AND_LARGE = np.array([1e-6, 1e-4, 0.1, 5.0, 15.0, 100.0, 300.0])


@pytest.mark.parametrize("name", ["tanh", "softplus", "elu", "selu", "gelu", "silu", "hard_tanh", "erf", "gaussian"])
def test_small_and_large_norms(name):
    direction = np.array([[0.6, -0.8]])
    values, slopes = np.transpose([dual_oracles.moments_of_norm(name, norm) for norm in SMALL_AND_LARGE])
    expected = {"output": values, "hidden": SMALL_AND_LARGE**2 * slopes}
    for part, diagonal in expected.items():
        kernel = tangents(name, 1.0)[part]
        seen = np.diag(kernels.gram(kernel, SMALL_AND_LARGE[:, None] * direction))  # of any norms
        np.testing.assert_allclose(seen, diagonal, rtol=1e-10)
        if name in {"tanh", "elu"}:  # of a common norm
            for norm, one in zip(SMALL_AND_LARGE[[0, 3, 4]], diagonal[[0, 3, 4]], strict=True):
                seen = kernels.gram(kernel, norm * np.array([[0.6, -0.8], [0.8, 0.6]]))
                np.testing.assert_allclose(np.diag(seen), one, rtol=1e-10)


def test_points_near_each_other_and_off_the_sphere():
    X, Z = (1.7 * points for points in near_and_antipodal(3, np.float64))
    for name in ("erf", "tanh", "hard_tanh"):
        expected = [[dual_oracles.tangent_pair(name, x, z) for z in Z[:3]] for x in X[:3]]
        hidden, output = np.moveaxis(np.array(expected), -1, 0)
        if name != "hard_tanh":  # the quadrature knows the cosine in float64 only, and sigma' jumps there
            np.testing.assert_allclose(kernels.gram(tangents(name)["hidden"], X[:3], Z[:3]), hidden, rtol=0, atol=1e-11)
        np.testing.assert_allclose(
            kernels.gram(tangents(name)["output"], X[:3], Z[:3]), output / B**2, rtol=0, atol=1e-11
        )


@pytest.mark.parametrize("name", ["relu", "erf", "tanh", "gaussian"])
def test_the_parts_add_up(name):
    X = of_norms(6, NORMS)
    both, hidden, output = (kernels.gram(kernel, X) for kernel in tangents(name, 3.0).values())
    np.testing.assert_allclose(both, hidden + output, rtol=1e-14, atol=1e-15)
    unscaled = kernels.gram(tangents(name, 1.0)["output"], X)
    np.testing.assert_allclose(output, unscaled / 9, rtol=1e-14)
    infinite = tangents(name, math.inf)
    np.testing.assert_array_equal(kernels.gram(infinite["both"], X), kernels.gram(infinite["hidden"], X))
    np.testing.assert_array_equal(kernels.gram(infinite["output"], X), 0)
    default = angular_kernels.tangent(known(name))
    np.testing.assert_array_equal(kernels.gram(default, X), kernels.gram(infinite["hidden"], X))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_one_pair_of_points(name):
    x, z = oracles.sphere(np.random.default_rng(7), 2, 5)
    kernel = tangents(name)["both"]
    hidden, output = dual_oracles.tangent_pair(name, x, z)
    with jax.enable_x64(True):
        points = jnp.asarray(x), jnp.asarray(z)
        assert float(kernel.of_points(*points)) == pytest.approx(hidden + output / B**2, abs=1e-12)
        if name == "relu":
            assert float(jax.jit(kernel.of_points)(*points)) == pytest.approx(hidden + output / B**2, abs=1e-12)
        else:
            with pytest.raises(InputError, match="'tanh' is integrated by quadrature and cannot be traced"):
                jax.jit(kernel.of_points)(*points)


@pytest.mark.parametrize("name", ["relu", "tanh", "erf", "hard_tanh"])
def test_the_diagonal(name):
    X = of_norms(8, NORMS)
    hidden, output = np.transpose([dual_oracles.tangent_pair(name, x, x) for x in X])
    for part, expected in parts_of(hidden, output, B).items():
        seen = kernels.diagonal(tangents(name)[part], X)
        assert seen.shape == (4,)
        np.testing.assert_allclose(seen, expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(np.diag(kernels.gram(tangents(name)[part], X)), seen, rtol=1e-11, atol=1e-12)


# Positive semi-definite in floating point

LISTED = {
    "tk^h": lambda name: angular_kernels.tangent(known(name)),
    "tk^o": lambda name: angular_kernels.tangent(known(name), B=B, part="output"),
    "tk": lambda name: angular_kernels.tangent(known(name), B=B),
    "deep": lambda name: angular_kernels.deep_tangent(known(name), 4, weight_variance=1.5, bias_variance=0.1),
    "nngp": lambda name: angular_kernels.nngp(known(name), 4, weight_variance=1.5, bias_variance=0.1),
}
WIDTHS = (2, 5, 40)
SHALLOW_KINDS = ("tk^h", "tk^o")
SHALLOW = ("relu", "leaky_relu", "abs", "tanh", "erf", "gelu", "sin", "cos", "hard_tanh", "softplus", "elu", "gaussian")
DTYPES = (np.float32, np.float64)
CASES = [
    (kind, name, WIDTHS[i % 3], DTYPES[(i + j) % 2])
    for i, name in enumerate(SHALLOW)
    for j, kind in enumerate(SHALLOW_KINDS)
]
CASES += [("tk^h", "relu", d, dtype) for d in (5, 40) for dtype in DTYPES]
CASES += [("tk", "relu", 2, np.float64), ("tk", "erf", 5, np.float32), ("tk", "tanh", 40, np.float32)]
CASES += [("deep", name, d, dtype) for name in ("relu", "erf") for d, dtype in ((5, np.float32), (40, np.float64))]
CASES += [("nngp", name, d, dtype) for name in ("relu", "erf") for d, dtype in ((40, np.float32), (2, np.float64))]


@pytest.mark.parametrize(("kind", "name", "d", "dtype"), CASES)
def test_gram_matrices_are_symmetric_and_positive(kind, name, d, dtype):
    X = decimal_oracles.difficult_points(np.random.default_rng(d), 60, d, dtype)
    K = kernels.gram(LISTED[kind](name), X)
    assert K.dtype == dtype
    np.testing.assert_array_equal(K, K.T)
    assert is_positive(K)


def is_positive(K):
    """Return whether no eigenvalue is below -eps times the trace.

    Entries right to half a unit in the last place move none by more than half of that.
    """
    rounding = float(np.finfo(K.dtype).eps * np.trace(K.astype(np.float64)))
    if K.dtype == np.float32:
        return np.linalg.eigvalsh(K.astype(np.float64))[0] >= -rounding
    return decimal_oracles.is_positive(K, rounding)  # eigvalsh itself errs by that much


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bare_product_is_not_positive(dtype):
    X = decimal_oracles.difficult_points(np.random.default_rng(5), 60, 5, dtype)
    K = bare_product(X, X)
    assert not is_positive((K + K.T) / 2)


# Refusals


@pytest.mark.parametrize("part", ["both", "hidden"])
@pytest.mark.parametrize("name", ["step", "sign"])
def test_sigma_that_jumps_has_an_output_part_alone(name, part):
    with pytest.raises(HypothesisError, match=f"{name}.*does not exist"):
        angular_kernels.tangent(known(name), B=B, part=part)
    with pytest.raises(HypothesisError, match=f"{name}.*does not exist"):
        angular_kernels.deep_tangent(known(name), 3, part=part)


@pytest.mark.parametrize("name", ["step", "sign"])
def test_the_output_part_of_sigma_that_jumps(name):
    X, Z = of_norms(9, [1.0, 2.0]), of_norms(10, [1.0, 0.3, 1.0])
    expected = [[dual_oracles.output_of_pair(name, x, z) for z in Z] for x in X]
    for kernel, scale in (
        (angular_kernels.tangent(known(name), B=B, part="output"), B**2),
        (angular_kernels.nngp(known(name), 2), 1),
    ):
        np.testing.assert_allclose(scale * kernels.gram(kernel, X, Z), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: angular_kernels.tangent(known("relu"), B=0.0), "output_scale"),
        (lambda: angular_kernels.tangent(known("relu"), B=-1.0), "output_scale"),
        (lambda: angular_kernels.tangent(known("relu"), B=math.nan), "output_scale"),
        (lambda: angular_kernels.deep_tangent(known("relu"), 0), "depth"),
        (lambda: angular_kernels.deep_tangent(known("relu"), 3, weight_variance=-1.0), "weight_variance"),
        (lambda: angular_kernels.deep_tangent(known("relu"), 3, bias_variance=-0.1), "bias_variance"),
        (lambda: angular_kernels.deep_tangent(known("relu"), 3, weight_variance=math.inf), "weight_variance"),
        (lambda: angular_kernels.nngp(known("relu"), 0), "depth"),
        (lambda: angular_kernels.nngp(known("relu"), 2, bias_variance=math.nan), "bias_variance"),
    ],
)
def test_numbers_that_are_no_kernels_are_refused(make, text):
    with pytest.raises(InputError, match=text):
        make()
