"""Float64 in, float64 throughout, without a trace in JAX's settings; memory is estimated before it is taken."""

import importlib
import os
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tightwidth as tw
from tightwidth import memory
from tightwidth.errors import DataError, HypothesisError, InputError, MemoryEstimateError
from tightwidth.memory import check_fits, fits, machine_memory, readable_bytes
from tightwidth.precision import float_array, follows_dtype, in_precision_of, stepwise

SETTINGS = ("jax_enable_x64", "jax_default_matmul_precision", "jax_debug_nans", "jax_disable_jit")
DOUBLE, SINGLE = np.ones(3), np.ones(3, np.float32)


def is_double():
    """Return whether JAX computes in float64 here."""
    return jnp.asarray(0.5).dtype == np.float64


@pytest.fixture(autouse=True)
def _global_settings_stay():
    assert not jax.config.read("jax_enable_x64")
    yield
    assert not jax.config.read("jax_enable_x64")
    assert not is_double()


@pytest.mark.parametrize("tree", [DOUBLE, {"a": (SINGLE, [DOUBLE])}, np.float64, np.dtype("float64"), jnp.float64])
def test_double_precision_is_on_where_a_leaf_is_double(tree):
    with in_precision_of(SINGLE, tree):
        assert is_double()


@pytest.mark.parametrize("tree", [SINGLE, {"a": (SINGLE, [1.0, None])}, np.float32, jnp.float32, "text", 3.0, 7])
def test_double_precision_stays_off_otherwise(tree):
    with in_precision_of(tree):
        assert not is_double()


def test_a_function_follows_its_arguments_and_leaves_no_trace():
    @follows_dtype
    def doubled(x, *, scale=None):
        """Double it."""
        y = 2 * jnp.asarray(x)
        return y if scale is None else y * scale

    assert doubled(SINGLE).dtype == np.float32
    assert doubled(DOUBLE).dtype == np.float64
    assert doubled(SINGLE, scale=jnp.asarray(2.0)).dtype == np.float32
    assert doubled(SINGLE, scale=DOUBLE).dtype == np.float64
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Double it.")


def test_a_function_that_fails_leaves_no_trace():
    @follows_dtype
    def failing(x):
        assert is_double() == (x.dtype == np.float64)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        failing(DOUBLE)
    assert not is_double()


def test_the_steps_of_a_generator_do_not_leak():
    def events():
        for k in range(3):
            yield k, is_double()
        return is_double()

    steps = stepwise(events(), DOUBLE)
    for k in range(3):
        assert next(steps) == (k, True)
        assert not is_double()  # between the steps the caller computes as before
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value is True
    assert list(stepwise(events(), SINGLE)) == [(0, False), (1, False), (2, False)]


def test_steps_of_two_generators_may_alternate():
    def events():
        while True:
            yield is_double()

    double, single = stepwise(events(), DOUBLE), stepwise(events(), SINGLE)
    assert [(next(double), next(single)) for _ in range(3)] == [(True, False)] * 3


def test_a_generator_that_fails_leaves_no_trace():
    def events():
        yield 1
        raise ArithmeticError

    steps = stepwise(events(), DOUBLE)
    assert next(steps) == 1
    with pytest.raises(ArithmeticError):
        next(steps)
    assert not is_double()


def test_arrays_keep_their_precision_and_other_numbers_become_double():
    for values, dtype in (
        (SINGLE, np.float32),
        (DOUBLE, np.float64),
        ([1, 2], np.float64),
        (np.arange(3, dtype=np.uint8), np.float64),
        (np.ones(2, np.float16), np.float64),
        (np.array([True, False]), np.float64),
        (jnp.ones(2), np.float32),
    ):
        array = float_array(values)
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, np.asarray(values))
    assert float_array(DOUBLE, np.float32).dtype == np.float32
    assert float_array(np.ones((4, 3)).T).flags.c_contiguous


@pytest.mark.parametrize("values", [["a", "b"], [1j], [None], np.array(["2020-01-01"], "datetime64[D]")])
def test_what_is_no_real_number_is_refused(values):
    with pytest.raises(TypeError, match=r"numbers of dtype .* cannot be used as real numbers"):
        float_array(values)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_core_returns_what_it_is_given(dtype):
    relu, key = tw.activations.get("relu"), jax.random.key(0)
    X = np.eye(3, dtype=dtype)
    for B in (2.0, float("inf")):
        net = tw.network.init(key, d=3, q=2, B=B, activation=relu, dtype=dtype)
        assert {np.dtype(leaf.dtype) for leaf in jax.tree.leaves(net)} == {np.dtype(dtype)}
        assert tw.network.predict(net, X).dtype == dtype
    W_half = tw.network.draw_W_half(key, 2, 3, dtype)
    assert tw.network.preactivations(W_half, X).dtype == dtype
    assert tw.tangent_kernel.empirical_tk(X, X, W_half=W_half, activation=relu).dtype == dtype
    assert tw.embedding.embed(X, W_half, relu).kernel_product(np.ones(3)).dtype == dtype
    assert tw.sphere.project(2 * X).dtype == dtype
    assert isinstance(tw.losses.mean_loss(tw.losses.get("hinge"), X[0], X[0]), float)


def test_importing_every_module_changes_no_setting():
    before = [getattr(jax.config, name) for name in SETTINGS]
    modules = [info.name for info in pkgutil.walk_packages(tw.__path__, "tightwidth.") if "__main__" not in info.name]
    assert len(modules) > 30
    for name in modules:
        importlib.import_module(name)
    assert [getattr(jax.config, name) for name in SETTINGS] == before


@pytest.mark.slow
def test_memorizing_twice_changes_neither_settings_nor_results():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 6)), rng.choice([-1.0, 1.0], 40)
    given = {"n_pairs": 20, "batch_size": 8, "n_steps": 300, "learning_rate": 1.0, "seed": 0}
    first, second = (tw.memorize(X, y, **given) for _ in range(2))
    assert not jax.config.read("jax_enable_x64")
    assert first.fraction_memorized == second.fraction_memorized
    for one, other in zip(jax.tree.leaves(first.network), jax.tree.leaves(second.network), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, other)


def test_bytes_are_written_in_the_largest_unit():
    written = [readable_bytes(n) for n in (0, 999, 1000, 1_500_000, 2.34e9, 7e12, 5e15)]
    assert written == ["0 B", "999 B", "1 kB", "1.5 MB", "2.34 GB", "7 TB", "5e+03 TB"]


def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 1e9)
    assert fits(0.8e9)
    assert not fits(0.81e9)
    assert fits(0.25e9, share=0.25)
    assert not fits(0.26e9, share=0.25)
    check_fits(0.8e9, "the kernel matrix", "give fewer points")
    text = "the kernel matrix needs about 900 MB and this machine has 1 GB; give fewer points"
    with pytest.raises(MemoryEstimateError, match=text):
        check_fits(0.9e9, "the kernel matrix", "give fewer points")


def test_the_machines_memory_is_known_or_unlimited(monkeypatch):
    assert machine_memory() > 1e8

    def unknown(_name):
        raise ValueError

    monkeypatch.setattr(os, "sysconf", unknown)
    assert machine_memory() == float("inf")
    assert fits(1e30)


def test_errors_are_of_one_family():
    for kind in (DataError, HypothesisError, MemoryEstimateError):
        assert issubclass(kind, InputError)
    assert issubclass(InputError, ValueError)
