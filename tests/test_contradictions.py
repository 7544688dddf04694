"""Points that no network can tell apart: against a comparison of all pairs."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import certificate_oracles as oracle
from tightwidth import sphere
from tightwidth.contradictions import contradicted

SIGN = {None: 0, "even": 1, "odd": -1}


def by_all_pairs(X, y, parity=None):
    """Return which points coincide with one of the other label, or whose antipode wants the same contradiction."""
    X = X.astype(np.float64)
    tolerance = 1e-6
    lost = []
    for x, label in zip(X, y, strict=True):
        same = np.linalg.norm(X - x, axis=1) <= tolerance
        antipode = np.linalg.norm(X + x, axis=1) <= tolerance
        wrong = (same & (y != label)).any()
        if parity is not None:
            wrong |= (antipode & (SIGN[parity] * y != label)).any()
        lost.append(bool(wrong))
    return np.array(lost)


# few values and few coordinates, so that coincidences are frequent; -0.0 among them
entries = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0])
tables = st.tuples(
    arrays.arrays(np.float64, st.tuples(st.integers(2, 14), st.just(2)), elements=entries).filter(
        lambda X: bool((X != 0).any(axis=1).all())
    ),
    st.integers(0, 2**14 - 1),
)


@pytest.mark.parametrize("parity", [None, "even", "odd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(tables)
@settings(max_examples=60, deadline=None)
def test_every_pair_is_found(dtype, parity, table):
    raw, bits = table
    X = sphere.project(raw.astype(dtype))
    y = np.array([1.0 if bits >> i & 1 else -1.0 for i in range(len(X))], dtype)
    np.testing.assert_array_equal(contradicted(X, y, parity), by_all_pairs(X, y, parity))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 3, 40])
def test_scaled_copies_are_the_same_point_after_projection(d, dtype):
    rng = np.random.default_rng(d)
    raw = rng.standard_normal((300, d)).astype(dtype)
    scales = rng.uniform(0.01, 100, 300).astype(dtype)
    X = sphere.project(np.concatenate([raw, scales[:, None] * raw]).astype(dtype))
    y = np.concatenate([np.ones(300), -np.ones(300)]).astype(dtype)
    assert contradicted(X, y).all()
    if d > 1:  # the points themselves differ
        assert not contradicted(X, np.ones(600, dtype)).any()
        assert not contradicted(X[:300], np.where(rng.random(300) < 0.5, -1, 1).astype(dtype)).any()


def test_points_that_are_merely_near_are_told_apart():
    for dtype, apart in ((np.float32, 1e-4), (np.float64, 1e-9)):
        X = np.array([[1, 0], [1, apart]], dtype)
        assert not contradicted(X, np.array([1.0, -1.0], dtype)).any()
    for dtype, apart in ((np.float32, 1e-7), (np.float64, 1e-14)):
        X = np.array([[1, 0], [1, apart]], dtype)
        assert contradicted(X, np.array([1.0, -1.0], dtype)).all()


def test_zero_has_no_sign():
    X = np.array([[0.0, 1.0], [-0.0, 1.0]])
    assert contradicted(X, np.array([1.0, -1.0])).all()
    assert not contradicted(X, np.array([1.0, 1.0])).any()


@pytest.mark.parametrize(
    ("parity", "labels", "lost"),
    [
        (None, (1, -1), False),
        (None, (1, 1), False),
        ("even", (1, -1), True),
        ("even", (1, 1), False),
        ("odd", (1, 1), True),
        ("odd", (1, -1), False),
    ],
)
def test_antipodes(parity, labels, lost):
    X = np.array([[0.6, 0.8], [-0.6, -0.8], [1.0, 0.0]])
    y = np.array([*labels, 1.0])
    np.testing.assert_array_equal(contradicted(X, y, parity), [lost, lost, False])


def test_only_the_points_concerned_are_named():
    rng = np.random.default_rng(0)
    X = oracle.sphere(rng, 500, 8)
    y = rng.choice([-1.0, 1.0], 500)
    X[100], y[100] = X[7], -y[7]
    X[200], y[200] = -X[9], y[9]
    np.testing.assert_array_equal(np.flatnonzero(contradicted(X, y)), [7, 100])
    np.testing.assert_array_equal(np.flatnonzero(contradicted(X, y, "odd")), [7, 9, 100, 200])


@pytest.mark.parametrize("parity", [None, "odd"])
def test_many_copies_are_fast(parity):
    rng = np.random.default_rng(1)
    X = np.repeat(oracle.sphere(rng, 20, 10), 2000, axis=0)
    y = np.repeat(rng.choice([-1.0, 1.0], 20), 2000)
    started = time.perf_counter()
    assert not contradicted(X, y, parity).any()
    y[0] *= -1  # one copy of the first point disagrees with the 1999 others
    np.testing.assert_array_equal(np.flatnonzero(contradicted(X, y, parity)), np.arange(2000))
    assert time.perf_counter() - started < 10  # all pairs of 40,000 points would take minutes
