"""What `memorize` refuses, told with the names of its own arguments, and what it takes although it is extreme."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tightwidth as tw
from test_memorization import run

# Annotations are executed in this process, and would refuse a wrong type before the library does: run these elsewhere.
SCRIPT = """
import json, sys
import numpy as np, tightwidth as tw
from tightwidth import cli

rng = np.random.default_rng(3)
X, y = rng.standard_normal((32, 8)), rng.choice([-1.0, 1.0], 32)
seen = {}
for text in json.loads(sys.argv[1]):
    try:
        tw.memorize(X, y, **json.loads(text))
        seen[text] = "accepted"
    except Exception as error:
        seen[text] = f"{type(error).__name__}: {error}"
print(json.dumps(seen))
"""
WRONG_TYPES = {
    '{"n_pairs": true}': "InputError: n_pairs=True must be a whole number from 1 to 2147483646; or leave it at 'auto'",
    '{"n_pairs": 2.5}': "InputError: n_pairs=2.5 must be a whole number from 1 to 2147483646; or leave it at 'auto'",
    '{"n_steps": "many"}': "InputError: n_steps='many' must be a whole number from 1",
    '{"batch_size": []}': "InputError: batch_size=[] must be a whole number from 1",
    '{"learning_rate": true}': "InputError: learning_rate=True must be a positive number; or leave it at 'auto'",
    '{"learning_rate": "fast"}': "InputError: learning_rate='fast' must be a positive number; or leave it at 'auto'",
    '{"output_scale": "large"}': "InputError: output_scale='large' must be positive; B = inf is the linear limit",
    '{"epsilon": null}': "InputError: epsilon=None must be strictly between 0 and 1; it is the share that may stay",
    '{"target_fraction": "all"}': "InputError: target_fraction='all' must be in (0, 1]; it is the share that the last",
    '{"seed": 1.5}': "InputError: seed=1.5 must be a whole number from 0 to 4294967295; it names the random numbers",
    '{"stop": "soon"}': "InputError: stop='soon' is unknown; known: exact (when no point has a gradient), target (at",
    '{"activation": 3}': "InputError: unknown activation 3; known: relu, leaky_relu, abs",
    '{"activation": ["relu"]}': "InputError: unknown activation ['relu']; known: relu, leaky_relu, abs",
    '{"loss": null}': "InputError: unknown loss None; known: hinge, perceptron, logistic, absolute, huber, squared",
    '{"loss": {}}': "InputError: unknown loss {}; known: hinge, perceptron, logistic, absolute, huber, squared",
    '{"plan": 3}': "InputError: the plan holds none of n_pairs, n_steps_planned, batch_size, learning_rate; give",
    '{"plan": {"width": 3}}': "InputError: the plan holds none of n_pairs, n_steps_planned, batch_size, learning_rate",
    '{"plan": {"n_pairs": "many"}}': "InputError: n_pairs='many' must be a whole number from 1 to 2147483646",
}


@pytest.fixture(scope="module")
def said():
    """What is said of each of the wrong types, by a fresh interpreter."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(list(WRONG_TYPES))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("given", WRONG_TYPES)
def test_settings_of_a_wrong_type(given, said):
    assert said[given].startswith(WRONG_TYPES[given])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_pairs": 0}, "n_pairs=0 must be a whole number from 1 to 2147483646; or leave it at 'auto'"),
        ({"batch_size": -1}, "batch_size=-1 must be a whole number from 1"),
        ({"n_steps": 2**31}, "n_steps=2147483648 must be a whole number from 1 to 2147483646"),
        ({"learning_rate": 0.0}, r"learning_rate=0\.0 must be a positive number"),
        (
            {"learning_rate": 1e-250},
            r"learning_rate=1e-250 is so small that its steps vanish in float64; give at least",
        ),
        ({"epsilon": 1.0}, r"epsilon=1\.0 must be strictly between 0 and 1"),
        ({"target_fraction": 1.5}, r"target_fraction=1\.5 must be in \(0, 1\]"),
        ({"seed": -1}, "seed=-1 must be a whole number from 0 to 4294967295"),
        (
            {"output_scale": 1e301},
            r"output_scale=1e\+301 exceeds 1e\+300, the largest in float64; take output_scale=inf",
        ),
        ({"activation": "tahn"}, r"unknown activation 'tahn' \(did you mean tanh\?\)"),
    ],
)
def test_numbers_out_of_range(settings, text):
    rng = np.random.default_rng(3)
    with pytest.raises(tw.InputError, match=text):
        tw.memorize(rng.standard_normal((32, 8)), rng.choice([-1.0, 1.0], 32), **settings)


@pytest.mark.parametrize(
    ("X", "y", "text"),
    [
        ([[1, 2], [3]], [1, -1], r"X must be a table of numbers .*; convert it first"),
        (
            [[1, 2], [3, 4]],
            ["a", "b"],
            r"y must hold the labels \+1 and -1 \(.*\); tightwidth.data.binary_labels makes them",
        ),
        (
            np.array([[1, 2j], [3, 4]]),
            [1, -1],
            r"X must be a table of numbers \(.* cannot be used as real numbers\); convert it first",
        ),
        ([1, 2], [1, -1], r"X has shape \(2,\); needed is \[n_samples, n_features\] with at least one feature"),
        (np.ones((2, 0)), [1, -1], r"X has shape \(2, 0\); needed is .* with at least one feature"),
        ([[1, 2]], [1], r"X has 1 row; memorizing needs at least 2 points"),
        ([[1, 2], [3, 4]], [1], r"y has shape \(1,\) but X has 2 rows; give one label a row"),
        (
            [[1, 2], [np.inf, np.nan]],
            [1, -1],
            r"X holds 2 NaN or infinite values \(the first in row 2, column 1\); remove these rows or fill them in",
        ),
        ([[1, 2], [3, 4], [5, 5]], [0, 1, 2], r"y holds 3 values \(0, 1, 2\); memorizing needs labels \+1 and -1: use"),
        ([[1, 2], [3, 4]], [1, np.nan], r"y holds 2 values \(1, nan\); memorizing needs labels \+1 and -1"),
        ([[1, 2], [3, 4]], [-1, -1], r"all 2 labels are -1; there is nothing to memorize: give labels of both signs"),
        ([[1, 2], [0, 0]], [1, -1], r"1 of 2 rows are zero \(the first is row 2\)"),
        ([[1, 2], [2, 4]], [1, -1], r"2 of 2 points coincide on the sphere with a point of the other label"),
    ],
)
def test_points_and_labels(X, y, text):
    with pytest.raises(tw.DataError, match=text):
        tw.memorize(X, y)


def test_the_advice_about_labels_can_be_followed():
    target = np.arange(32) % 3
    with pytest.raises(tw.DataError, match=r"use tightwidth\.data\.binary_labels\(y, positive=VALUE\)"):
        tw.memorize(np.ones((32, 8)), target)
    from tightwidth import data

    assert set(data.binary_labels(target, positive=1)) == {-1.0, 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("extreme", [{"epsilon": 1e-300}, {"learning_rate": 1e-200}, {"learning_rate": 1e200}])
def test_extreme_numbers_are_no_error_either(extreme):
    result = run("perceptron", **extreme)
    assert 0 <= result.certified_fraction <= result.fraction_memorized_mean + 1e-9


def test_a_poor_rate_is_no_error_either():
    result = run("hinge", n_steps=10**6, learning_rate=1e-7, stop="target", target_fraction=0.5)
    assert result.certified_fraction < 0.95
    assert "not certified at this epsilon with the given steps and learning rate" in result.certified_reason
