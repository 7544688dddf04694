"""The generator on the host draws what JAX draws, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tightwidth import network, sampling, seeds, threefry

SEEDS = [0, 1, 12345, 2**32 - 1]


def data(key):
    return np.asarray(jax.random.key_data(key))


def words_of(key):
    words = threefry.words_of(key)
    assert words is not None
    return words


@pytest.fixture(params=SEEDS)
def key(request):
    return jax.random.fold_in(jax.random.key(request.param), 7)


def test_the_stream_of_a_seed_is_folded_into_its_key():
    for seed in SEEDS:
        for stream in (0, 3, 0x504F, 2**32 - 1):
            expected = jax.random.fold_in(jax.random.key(np.uint32(seed)), np.uint32(stream))
            np.testing.assert_array_equal(data(seeds.stream_key(seed, stream)), data(expected))
            np.testing.assert_array_equal(seeds.stream_words(seed, stream), data(expected))
    assert jax.random.key_impl(seeds.stream_key(1, 2)) == jax.random.key_impl(jax.random.key(1))


def test_keys_are_those_of_jax(key):
    words = words_of(key)
    folded = threefry.fold_in(words, np.array([0, 5, 2**31]))
    for i, row in zip((0, 5, 2**31), folded, strict=True):
        np.testing.assert_array_equal(row, data(jax.random.fold_in(key, np.uint32(i))))
    np.testing.assert_array_equal(threefry.split(words), data(jax.random.split(key)))
    np.testing.assert_array_equal(threefry.split(folded)[1], data(jax.random.split(jax.random.fold_in(key, 5))))


def test_bits_are_those_of_jax(key):
    words = words_of(key)
    np.testing.assert_array_equal(threefry.bits(words, 100), jax.random.bits(key, (100,)))
    rows = threefry.bits(threefry.fold_in(words, np.arange(3)), 8)
    np.testing.assert_array_equal(rows[2], jax.random.bits(jax.random.fold_in(key, 2), (8,)))


@pytest.mark.parametrize("m", [1, 2, 100, 1024, 1700])  # from 1626 on JAX sorts twice
def test_orders_are_the_permutations_of_jax(m):
    key = jax.random.key(3)
    orders = threefry.orders(threefry.fold_in(words_of(key), np.arange(2)), m)
    for e, order in enumerate(orders):
        np.testing.assert_array_equal(order, jax.random.permutation(jax.random.fold_in(key, e), jnp.arange(m)))


@pytest.mark.parametrize("n", [1, 2, 7, 65_536, 65_537, 164_327, 2**31 - 2])
def test_whole_numbers_are_those_of_jax(n):
    for seed in range(20):
        key = jax.random.key(seed)
        found = threefry.below(words_of(key), n)
        assert found == int(jax.random.randint(key, (), 0, n, jnp.int32))


def test_uniforms_are_those_behind_the_gaussians_of_jax(key):
    uniforms = threefry.uniforms(words_of(key), 1000)
    assert uniforms.dtype == np.float32
    np.testing.assert_array_equal(uniforms, jax.random.uniform(key, (1000,), minval=threefry.LEAST, maxval=1.0))


@pytest.mark.parametrize("n", [1, 100, threefry.BLOCK + 1])
def test_gaussians_are_those_of_jax(n):
    key = jax.random.key(5)
    drawn = threefry.gaussians(threefry.fold_in(words_of(key), np.arange(3)), n)
    assert (drawn.dtype, drawn.shape) == (np.float32, (3, n))
    expected = jax.jit(lambda key: jax.random.normal(key, (n,), jnp.float32))(jax.random.fold_in(key, 2))
    np.testing.assert_array_equal(drawn[2], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_and_weights_do_not_depend_on_where_they_are_drawn(monkeypatch, dtype):
    def drawn():
        W_half = network.draw_W_half(jax.random.key(1), 20, 7, dtype)
        return np.asarray(W_half), sampling.random_points(50, 7, seed=3, dtype=dtype)[0]

    here = drawn()
    monkeypatch.setattr(threefry, "FEW", 0)
    for one, other in zip(here, drawn(), strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_are_divided_by_norms_rounded_on_their_own(dtype):
    X, _ = sampling.random_points(50, 7, seed=3, dtype=dtype)
    with jax.enable_x64(dtype == np.float64):
        g = jnp.asarray(threefry.gaussians(seeds.stream_words(3, sampling.POINTS_STREAM), 350).reshape(50, 7), dtype)
        np.testing.assert_array_equal(X, g / jnp.linalg.norm(g, axis=1, keepdims=True))


def test_there_are_no_words_where_the_numbers_would_differ():
    assert threefry.words_of(jax.random.key(0, impl="rbg")) is None
    assert jax.jit(lambda key: threefry.words_of(key) is None)(jax.random.key(0))
    with jax.threefry_partitionable(False):
        assert threefry.words_of(jax.random.key(0)) is None


@pytest.mark.parametrize("m", [1, 512, 1000, 2**16 + 1, 2**31 - 1])
def test_numbers_drawn_in_a_program_are_those_of_jax(key, m):
    steps = jnp.asarray([0, 1, 77, 2**31 - 1], jnp.int32)
    expected = [jax.random.randint(jax.random.fold_in(key, t), (5,), 0, m, jnp.int32) for t in steps]
    for x64 in (False, True):
        with jax.enable_x64(x64):
            drawn = jax.jit(threefry.numbers_below, static_argnums=(2, 3))(key, steps, 5, m)
            traced = jax.jit(threefry.numbers_below, static_argnums=2)(key, steps, 5, jnp.int32(m))
        assert drawn.dtype == traced.dtype == jnp.int32
        np.testing.assert_array_equal(drawn, expected)
        np.testing.assert_array_equal(traced, expected)


@pytest.mark.slow
def test_rows_follow_the_generator_of_their_key():
    steps = jnp.arange(3, dtype=jnp.int32)
    for kind in ("rbg", "threefry2x32"):
        key = jax.random.key(5, impl=kind)
        expected = jax.vmap(lambda k: jax.random.randint(k, (4,), 0, 9, jnp.int32))(sampling.step_keys(key, steps))
        np.testing.assert_array_equal(sampling.drawn_rows(key, steps, 4, 9), expected)
    with jax.threefry_partitionable(False):
        key = jax.random.key(5)
        expected = jax.vmap(lambda k: jax.random.randint(k, (4,), 0, 9, jnp.int32))(sampling.step_keys(key, steps))
        np.testing.assert_array_equal(sampling.drawn_rows(key, steps, 4, 9), expected)
