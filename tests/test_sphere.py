"""Points on the sphere: their laws, their R, and how they get there."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from thresholds import hoeffding
from tightwidth import sphere
from tightwidth.errors import DataError, InputError
from tightwidth.sphere import (
    R_of_sample,
    check_on_sphere,
    discrete_cube,
    finite_set,
    project,
    to_sphere,
    uniform,
    with_bias,
)

N = 100_000
D = 5


def drawn(distribution, n=N, dtype: Any = np.float32, seed=0):
    with jax.enable_x64(dtype is np.float64):
        return np.asarray(distribution.sample(jax.random.key(seed), n, dtype))


def moments_fail(X, fourth):
    """Return whether second or fourth moments are not those of a law with ``E x x^T = I/d`` and this E x_1^4.

    Means of values in [0, 1] or [-1, 1]; 2 + d + 2 of them are checked.
    """
    d, X = X.shape[1], X.astype(np.float64)
    u = np.ones(d) / np.sqrt(d)
    threshold = hoeffding(len(X), n_checks=d + 4)
    fails = np.abs((X**2).mean(axis=0) - 1 / d) > threshold
    along = abs(np.mean((X @ u) ** 2) - 1 / d) > threshold
    first = np.abs(X.mean(axis=0)).max() > 2 * threshold
    return bool(fails.any() or along or first or abs(np.mean(X[:, 0] ** 4) - fourth) > threshold)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, D])
def test_uniform_points_have_norm_one_and_the_moments_of_the_sphere(d, dtype):
    X = drawn(uniform(d), dtype=dtype)
    assert X.shape == (N, d)
    assert X.dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(X.astype(np.float64), axis=1), 1, atol=4 * np.finfo(dtype).eps)
    assert not moments_fail(X, fourth=3 / (d * (d + 2)))


def test_the_moments_tell_the_sphere_from_its_neighbours():
    rng = np.random.default_rng(0)
    box = rng.uniform(-1, 1, (N, D))  # projected without being Gaussian: denser at the corners
    cube = drawn(discrete_cube(D))
    Gaussian = rng.standard_normal((N, D)) / np.sqrt(D)
    for X in (box / np.linalg.norm(box, axis=1, keepdims=True), cube, Gaussian, np.abs(drawn(uniform(D)))):
        assert moments_fail(X, fourth=3 / (D * (D + 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_cube_has_all_its_corners_equally_often(dtype):
    X = drawn(discrete_cube(3), dtype=dtype)
    np.testing.assert_allclose(np.abs(X.astype(np.float64)), 3**-0.5, rtol=2 * np.finfo(dtype).eps)
    counts = np.bincount((X > 0) @ np.array([1, 2, 4]), minlength=8)
    assert np.abs(counts / N - 1 / 8).max() < hoeffding(N, n_checks=8)


@pytest.mark.slow
@pytest.mark.parametrize("law", [uniform, discrete_cube, lambda d: finite_set(np.eye(d))])
def test_both_precisions_draw_the_same_points(law):
    single, double = (drawn(law(D), dtype=dtype) for dtype in (np.float32, np.float64))
    np.testing.assert_allclose(single, double, atol=2e-7)


@pytest.mark.parametrize("law", [uniform, discrete_cube])
def test_the_laws_know_their_dimension_and_their_R(law):
    assert (law(7).d, law(7).R) == (7, 1.0)
    # entries of the second moment are within Hoeffding's distance of their means, so R^2/d is within d times that
    assert abs(R_of_sample(drawn(law(7), N)) ** 2 / 7 - 1 / 7) < 7 * hoeffding(N, 2, n_checks=49)
    with pytest.raises(InputError, match="dim=0: points on a sphere need at least 1 coordinate; give dim >= 1"):
        law(0)


def test_a_finite_set_is_drawn_from_uniformly_and_knows_its_R():
    points = oracles.sphere(np.random.default_rng(0), 6, 4)
    law = finite_set(points, "six points")
    assert (law.name, law.d) == ("six points", 4)
    assert abs(law.R - oracles.exact_R(points)) < 1e-12
    X = drawn(law, 60_000, np.float64)
    which = np.argmin(np.linalg.norm(X[:, None] - points, axis=2), axis=1)
    np.testing.assert_array_equal(X, points[which])
    assert np.abs(np.bincount(which, minlength=6) / 60_000 - 1 / 6).max() < hoeffding(60_000, n_checks=6)
    with pytest.raises(DataError, match=r"1 of 6 rows are not on the unit sphere \(row 6 has norm 2\)"):
        finite_set(np.vstack([points[:5], 2 * points[5:]]))


SAMPLES = {
    "uniform": lambda rng: oracles.sphere(rng, 300, 60),
    "fewer points than dimensions": lambda rng: oracles.sphere(rng, 40, 60),
    "one point": lambda rng: oracles.sphere(rng, 1, 60),
    "one direction": lambda rng: oracles.sphere(rng, 1, 60) * rng.choice([-1, 1], (50, 1)),
    "a low-dimensional part": lambda rng: np.pad(oracles.sphere(rng, 200, 5), ((0, 0), (0, 55))),
    "clustered": lambda rng: project(oracles.sphere(rng, 300, 60) + 3 * np.eye(60)[:1]),
    "an orthonormal basis": lambda rng: np.linalg.qr(rng.standard_normal((60, 60)))[0],
    "one dimension": lambda rng: rng.choice([-1.0, 1.0], (50, 1)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", SAMPLES)
def test_R_of_a_sample_is_exact(kind, dtype, monkeypatch):
    X = SAMPLES[kind](np.random.default_rng(1)).astype(dtype)
    expected = oracles.exact_R(X)
    exact = pytest.approx(expected, rel=1e-12 if dtype is np.float64 else 1e-6)
    assert R_of_sample(X) == exact
    assert 1 <= R_of_sample(X) <= np.sqrt(X.shape[1])
    monkeypatch.setattr(sphere, "BLOCK_ROWS", 7)
    assert R_of_sample(X) == exact


@pytest.mark.parametrize("kind", SAMPLES)
def test_R_in_high_dimension_is_never_underestimated(kind, monkeypatch):
    monkeypatch.setattr(sphere, "EXACT_DIMENSION", 0)
    X = SAMPLES[kind](np.random.default_rng(1))
    d = X.shape[1]
    truth = oracles.exact_R(X)
    for seed in range(10):  # each fails with probability 1e-9
        assert truth * (1 - 1e-12) <= R_of_sample(X, seed=seed) <= np.sqrt(d) * (1 + 1e-12)
    if kind in {"uniform", "clustered"}:
        assert R_of_sample(X) < 1.01 * truth  # 60 steps span the whole space
        monkeypatch.setattr(sphere, "BOUND_STEPS", 30)
        assert truth < R_of_sample(X) < 1.2 * truth


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_projected_rows_keep_their_direction_at_any_size(dtype):
    X = np.array([[3, 4], [-1, 0], [1, -1]], dtype)
    info = np.finfo(dtype)
    for factor in (1, float(info.max) / 8, float(info.tiny), 1e30, 1e-30):
        result = project((X * np.asarray(factor, dtype)).astype(dtype))
        assert result.dtype == dtype
        np.testing.assert_allclose(result, [[0.6, 0.8], [-1, 0], [0.5**0.5, -(0.5**0.5)]], rtol=4 * info.eps)
    smallest = np.full((1, 2), info.smallest_subnormal)
    np.testing.assert_allclose(project(smallest), np.full((1, 2), 0.5**0.5), rtol=4 * info.eps)


def test_a_zero_row_has_no_direction():
    X = np.array([[1.0, 0], [0, 0], [0, 0]])
    with pytest.raises(DataError, match=r"2 of 3 rows are zero \(the first is row 2\) and have no direction.*'bias'"):
        project(X)
    np.testing.assert_allclose(with_bias(X)[1:], [[0, 0, 1], [0, 0, 1]])


@pytest.mark.parametrize("factor", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bias_is_a_constant_coordinate_before_projection(dtype, factor):
    X = np.random.default_rng(2).standard_normal((20, 3)) * 5
    constant = np.sqrt(np.mean(np.sum(X**2, axis=1)))
    factor = factor if dtype is np.float64 else np.sign(factor) * factor ** (0.19)  # 1e38 is near the end of float32
    expected = np.hstack([X, np.full((20, 1), constant)])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    result = with_bias((X * factor / np.abs(X).max()).astype(dtype))
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, rtol=1e-5 if dtype is np.float32 else 1e-12)


def test_a_given_bias_is_used_and_zero_data_get_one():
    X = np.array([[3.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(with_bias(X, 4.0), [[0.6, 0, 0.8], [0, 0, 1]])
    np.testing.assert_allclose(with_bias(np.zeros((2, 2))), [[0, 0, 1], [0, 0, 1]])


def test_rows_are_required_to_be_on_the_sphere_up_to_rounding():
    X = oracles.sphere(np.random.default_rng(0), 10, 3)
    check_on_sphere(X)
    check_on_sphere(X.astype(np.float32))
    check_on_sphere(np.asarray(X * (1 + 1e-5), np.float32))
    for off in (X * (1 + 1e-5), X.astype(np.float32) * np.float32(1.001)):
        with pytest.raises(DataError, match=r"10 of 10 rows are not on the unit sphere \(row 1 has norm 1.00.*project"):
            check_on_sphere(off)


def test_the_three_ways_to_the_sphere():
    X = np.array([[3.0, 4.0], [0.0, 2.0]])
    np.testing.assert_array_equal(to_sphere(X), project(X))
    np.testing.assert_array_equal(to_sphere(X, "bias"), with_bias(X))
    np.testing.assert_array_equal(to_sphere(project(X), "require"), project(X))
    with pytest.raises(DataError, match="2 of 2 rows are not on the unit sphere"):
        to_sphere(X, "require")
    with pytest.raises(InputError, match="on_sphere='centre' is unknown; known: project, bias, require"):
        to_sphere(X, "centre")


def test_points_can_be_drawn_inside_compiled_code():
    draw = jax.jit(lambda key: uniform(3).sample(key, 4, jnp.float32))
    np.testing.assert_allclose(draw(jax.random.key(1)), uniform(3).sample(jax.random.key(1), 4, jnp.float32), rtol=1e-6)
