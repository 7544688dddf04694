"""The loop of a run is compiled for a guess of its width, which changes no number."""

from dataclasses import replace

import numpy as np
import pytest

import tightwidth as tw
from tightwidth import prepared_loop
from tightwidth.neuron_shards import OneDevice
from tightwidth.prepared_loop import Compilation, Sample
from tightwidth.run_settings import Settings
from tightwidth.width_search import Trial

M, D = 40, 5


@pytest.fixture
def compilation():
    X, y = tw.sampling.random_points(M, D, seed=1)
    settings = Settings(tw.activations.get("relu"), tw.losses.get("hinge"), 0.05, float("inf"), 3)
    return Compilation(Sample(X, y, settings, OneDevice()), 4)


def trial(q, n_steps):
    X, y = tw.sampling.random_points(M, D, seed=1)
    plan = tw.memorize(X, y, n_pairs=8, n_steps=1, seed=3).plan
    return Trial(q, n_steps, plan.certificate, None)


@pytest.mark.slow
def test_a_width_is_guessed_when_the_work_grows_for_the_first_time(compilation):
    given = trial(16, 100)
    for q, n_steps in ((16, 100), (12, 90)):
        assert compilation.hear(replace(given, n_pairs=q, n_steps=n_steps)).n_pairs == q
        assert not compilation.begun
    for q in (10, 20, 24):
        compilation.hear(replace(given, n_pairs=q, n_steps=5000))
    assert list(compilation.begun) == [12]
    assert compilation.seconds(12) > 0


@pytest.mark.slow
def test_nothing_is_guessed_where_nothing_is_certified(compilation):
    given = trial(16, None)
    for q in (16, 20, 24):
        compilation.hear(replace(given, n_pairs=q, n_steps=None))
    assert not compilation.begun


def test_no_guess_is_made_for_large_samples(compilation, monkeypatch):
    monkeypatch.setattr(prepared_loop, "GUESSED", 100)
    given = trial(16, 100)
    for n_steps in (100, 5000):
        compilation.hear(replace(given, n_steps=n_steps))
    assert not compilation.begun


@pytest.mark.slow
def test_a_width_that_was_not_guessed_is_compiled_too(compilation):
    compilation.begin(8)
    compilation.begin(12)
    compilation.begin(8)
    assert list(compilation.begun) == [8, 12]
    assert min(compilation.seconds(8), compilation.seconds(12)) > 0


@pytest.mark.slow
def test_a_guess_changes_no_number(monkeypatch):
    X, y = tw.sampling.random_points(M, D, seed=1)
    guessed = tw.memorize(X, y, seed=3)
    monkeypatch.setattr(prepared_loop, "GUESSED", 0)
    not_guessed = tw.memorize(X, y, seed=3)
    assert guessed.curve == not_guessed.curve
    np.testing.assert_array_equal(guessed.predict(X), not_guessed.predict(X))


def test_an_error_of_the_thread_reaches_the_caller(compilation, monkeypatch):
    def fail(*_):
        message = "no such sample"
        raise ValueError(message)

    monkeypatch.setattr(Sample, "source", fail)
    compilation.begin(8)
    with pytest.raises(ValueError, match="no such sample"):
        compilation.seconds(8)
