"""Sources of minibatches: what a step sees depends on the key and the step alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from thresholds import chi_square
from tightwidth import sphere
from tightwidth.errors import DataError
from tightwidth.sampling import Buffer, FiniteSample, Synthetic, buffers

KEY = jax.random.key(0)
M, D = 20, 3
X = oracles.sphere(np.random.default_rng(0), M, D).astype(np.float32)
Y = np.arange(M, dtype=np.float32)  # so that a label tells its row


def sample(cached=None):
    return FiniteSample(jnp.asarray(X), jnp.asarray(Y), cached)


def steps(start, stop):
    return jnp.arange(start, stop, dtype=jnp.int32)


def test_rows_are_drawn_uniformly_with_replacement():
    n_steps, batch_size = 5000, 4
    rows = np.asarray(sample().draw(KEY, steps(0, n_steps), batch_size))
    assert rows.shape == (n_steps, batch_size)
    statistic, threshold = chi_square(np.bincount(rows.ravel(), minlength=M))
    assert statistic < threshold
    pairs = rows[:, 0] * M + rows[:, 1]
    statistic, threshold = chi_square(np.bincount(pairs // 10, minlength=M * M // 10))
    assert statistic < threshold  # so are pairs: within a batch draws are independent
    statistic, threshold = chi_square(np.bincount((rows[1:, 0] * M + rows[:-1, 0]) // 10, minlength=M * M // 10))
    assert statistic < threshold  # and from step to step
    # with replacement: the rows of a batch are all different with probability (1 - 1/20)(1 - 2/20)(1 - 3/20)
    different = np.mean([len(set(batch)) == batch_size for batch in rows.tolist()])
    counts = np.array([different, 1 - different]) * n_steps
    share = 0.95 * 0.9 * 0.85
    statistic, threshold = chi_square(counts, expected=np.array([share, 1 - share]) * n_steps)
    assert statistic < threshold


def test_the_checks_of_uniformity_reject_their_neighbours():
    rng = np.random.default_rng(0)
    shuffled = np.concatenate([rng.permutation(M) for _ in range(1000)]).reshape(-1, 4)  # epochs, not draws
    different = np.mean([len(set(batch)) == 4 for batch in shuffled.tolist()])
    share = 0.95 * 0.9 * 0.85
    statistic, threshold = chi_square(
        np.array([different, 1 - different]) * 5000, expected=np.array([share, 1 - share]) * 5000
    )
    assert statistic > threshold
    short = rng.integers(0, M - 1, 20_000)  # the last row is never drawn
    statistic, threshold = chi_square(np.bincount(short, minlength=M))
    assert statistic > threshold


@pytest.mark.parametrize("source", [sample(), Synthetic(sphere.uniform(D), lambda _, points: points[:, 0])])
def test_what_a_step_draws_does_not_depend_on_its_block(source):
    def drawn(start, stop):
        draws = source.draw(KEY, steps(start, stop), 4)
        return np.asarray(jax.random.key_data(draws) if jnp.issubdtype(draws.dtype, jax.dtypes.prng_key) else draws)

    first = drawn(0, 50)
    np.testing.assert_array_equal(drawn(7, 57)[:43], first[7:])
    np.testing.assert_array_equal(drawn(49, 99)[0], first[49])
    assert len(np.unique(first, axis=0)) > 45


def test_both_precisions_draw_the_same_rows():
    with jax.enable_x64(True):
        double = FiniteSample(jnp.asarray(X, jnp.float64), jnp.asarray(Y, jnp.float64)).draw(KEY, steps(0, 50), 4)
    np.testing.assert_array_equal(double, sample().draw(KEY, steps(0, 50), 4))


def test_a_batch_of_a_sample_is_its_rows():
    cached = jnp.asarray(np.random.default_rng(1).standard_normal((M, 7)), jnp.float32)
    rows = jnp.array([3, 0, 3], jnp.int32)
    points, y, kept = sample(cached).batch(rows, 3)
    np.testing.assert_array_equal(points, X[[3, 0, 3]])
    np.testing.assert_array_equal(y, [3, 0, 3])
    assert kept is not None
    np.testing.assert_array_equal(kept, cached[rows])
    assert sample().batch(rows, 3)[2] is None


@pytest.mark.slow
def test_synthetic_points_are_fresh_and_labelled_with_their_own_key():
    source = Synthetic(sphere.uniform(D), lambda key, points: points[:, 0] + jax.random.normal(key, points.shape[:1]))
    draws = source.draw(KEY, steps(0, 2), 5)
    (points, y, none), (other, *_) = (source.batch(draw, 5) for draw in draws)
    assert none is None
    assert points.shape == (5, D)
    assert not np.isin(points, other).any()
    noise = np.asarray(y) - np.asarray(points[:, 0])
    assert len(np.unique(noise)) == 5
    again, y_again, _ = source.batch(draws[0], 5)
    np.testing.assert_array_equal(again, points)
    np.testing.assert_array_equal(y_again, y)


def test_a_buffer_holds_its_steps():
    buffer = Buffer(jnp.arange(24.0).reshape(4, 3, 2), jnp.arange(12.0).reshape(4, 3), jnp.int32(100))
    places = buffer.draw(KEY, steps(100, 104), 3)
    np.testing.assert_array_equal(places, [0, 1, 2, 3])
    points, y, none = buffer.batch(places[2], 3)
    np.testing.assert_array_equal(points, buffer.X[2])
    np.testing.assert_array_equal(y, [6, 7, 8])
    assert none is None


def pieces(sizes):
    """Return rows 0, 1, 2, ... in pieces of these sizes; each label is its row's number."""
    rows = np.arange(sum(sizes), dtype=np.float64)
    return [(np.stack([part, -part], axis=1), part) for part in np.split(rows, np.cumsum(sizes)[:-1])]


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    batch_size=st.integers(1, 7),
    n_steps=st.integers(1, 5),
    first=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_a_stream_is_cut_in_its_order_whatever_its_pieces(sizes, batch_size, n_steps, first):
    stream = buffers(iter(pieces(sizes)), batch_size=batch_size, n_steps=n_steps, first=first)
    cut = [jax.tree.map(np.asarray, buffer) for buffer in stream]
    n_batches = sum(sizes) // batch_size
    lengths = [len(buffer.y) for buffer in cut]
    assert lengths == [n_steps] * (n_batches // n_steps) + [n_batches % n_steps] * (n_batches % n_steps > 0)
    assert [int(buffer.first) for buffer in cut] == [first + sum(lengths[:k]) for k in range(len(cut))]
    for buffer in cut:
        assert buffer.X.shape == (*buffer.y.shape, 2)
        assert buffer.y.shape[1] == batch_size
        np.testing.assert_array_equal(buffer.X[..., 0], buffer.y)
        np.testing.assert_array_equal(buffer.X[..., 1], -buffer.y)
    seen = np.concatenate([np.ravel(buffer.y) for buffer in cut]) if cut else np.zeros(0)
    np.testing.assert_array_equal(seen, np.arange(n_batches * batch_size))


def test_buffers_come_as_soon_as_they_are_full():
    asked = []

    def stream():
        for number, piece in enumerate(pieces([4] * 10)):
            asked.append(number)
            yield piece

    cut = buffers(stream(), batch_size=2, n_steps=3)
    assert asked == []
    next(cut)
    assert asked == [0, 1]
    next(cut)
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_buffers_have_the_precision_that_is_asked_for(dtype):
    (buffer,) = buffers(pieces([6]), batch_size=2, n_steps=3, dtype=dtype)
    assert buffer.X.dtype == buffer.y.dtype == dtype


def test_a_piece_that_does_not_fit_is_refused_by_number():
    good = (np.zeros((4, 2)), np.zeros(4))
    cases = {
        r"piece 2 of the stream has X of shape \(4, 2\) and 3 labels; .* 2 features in every piece": (
            np.zeros((4, 2)),
            np.zeros(3),
        ),
        r"piece 2 of the stream has X of shape \(4, 3\) and 4 labels": (np.zeros((4, 3)), np.zeros(4)),
        r"piece 2 of the stream has X of shape \(4,\) and 4 labels": (np.zeros(4), np.zeros(4)),
    }
    for text, bad in cases.items():
        with pytest.raises(DataError, match=text):
            list(buffers([good, bad], batch_size=8, n_steps=1))
    with pytest.raises(DataError, match=r"piece 1 of the stream .* the same number of features in every piece"):
        list(buffers([(np.zeros((4, 2)), np.zeros(3))], batch_size=8, n_steps=1))
