"""Models in files: the same to the bit when they come back, and what is refused."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load as safetensors_of
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import tightwidth as tw
from tightwidth import activations, losses
from tightwidth.data import tensor_files
from tightwidth.data.tensor_files import read_tensors, write_tensors
from tightwidth.errors import DataError, InputError
from tightwidth.models import about, load, save
from tightwidth.network import init, init_plain, predict
from tightwidth.shared_outputs import init_outputs, predict_outputs

SMALL: Any = {"n_pairs": 5, "n_steps": 30, "random_state": 3}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)) * [1.0, 20.0, 0.01, 1.0] + 3
X[:, 3] = 7.0  # constant
NUMBERS = np.digitize(X[:, 1], [-5.0, 12.0])
TEXT = np.array(["a", "bb", "ccc"])[NUMBERS]
VALUES = np.stack([X[:, 0] ** 2, 5 * X[:, 1], np.full(60, 2.0)], axis=1)
LABELS = {
    "text": TEXT,
    "objects": TEXT.astype(object),
    "int64": NUMBERS,
    "int8": NUMBERS.astype(np.int8),
    "bool": NUMBERS > 0,
    "float": NUMBERS.astype(float),
}


def same(first: Any, second: Any) -> bool:
    """Return whether two values are the same: their classes, dtypes and bits, all the way down."""
    if type(first) is not type(second):
        return False
    if isinstance(first, (np.ndarray, np.generic, jax.Array)):
        return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(map(same, first.values(), second.values()))
    if isinstance(first, np.random.RandomState):
        return same(first.get_state(legacy=False), second.get_state(legacy=False))
    if isinstance(first, (tw.Activation, tw.Loss)):
        return first is second
    return same(vars(first), vars(second)) if hasattr(first, "__dict__") else first == second or first != first


def again(model: Any, folder: Path, **given: Any) -> Any:
    """Return the model after a file, which holds a header of JSON and arrays of numbers, and nothing else."""
    path = folder / "model.safetensors"
    save(model, path)
    assert all(array.dtype.kind in "biuf" for array in safetensors_of(path.read_bytes()).values())
    return load(path, **given)


def own(name: str = "mine", factor: float = 1.0) -> tw.Activation:
    return tw.Activation(name, lambda x: factor * jnp.sin(x), lambda x: factor * jnp.cos(x), C=factor, H=factor)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
@pytest.mark.parametrize("B", [math.inf, 1e6])
def test_a_classifier_comes_back_to_the_bit(tmp_path: Path, dtype: Any, labels: Any, B: float) -> None:
    rows = X.astype(dtype)
    model = tw.DepthTwoClassifier(output_scale=B, **SMALL).fit(rows, labels)
    found = again(model, tmp_path)
    assert same(found, model)
    assert np.array_equal(found.decision_function(rows), model.decision_function(rows))
    assert same(found.predict(rows), model.predict(rows))
    assert found.get_params() == model.get_params()
    anew: Any = clone(found)
    assert np.array_equal(anew.fit(rows, labels).predict(rows), model.predict(rows))


@pytest.mark.parametrize("values", [VALUES, VALUES[:, 0], VALUES[:, 2]], ids=["several", "one", "constant"])
@pytest.mark.parametrize("on_sphere", ["bias", "project"])
def test_a_regressor_comes_back_to_the_bit(tmp_path: Path, values: Any, on_sphere: str) -> None:
    model = tw.DepthTwoRegressor(on_sphere=on_sphere, early_stopping=True, **SMALL).fit(X, values)
    found = again(model, tmp_path)
    assert same(found, model)
    assert same(found.predict(X), model.predict(X))


@pytest.mark.slow
def test_kernel_machines_come_back_to_the_bit(tmp_path: Path) -> None:
    weights = np.linspace(0, 1, 60)
    machine: Any
    ridge: Any
    for machine in (tw.NTKClassifier(depth=3, bias_variance=0.1), tw.NTKClassifier("tanh", class_weight={"a": 2.0})):
        machine.fit(X, TEXT)
        found = again(machine, tmp_path)
        assert same(found, machine)
        assert same(found.predict(X), machine.predict(X))
        assert same(found.decision_function(X), machine.decision_function(X))
    for values in (VALUES, VALUES[:, 0]):
        ridge = tw.NTKRegressor(output_scale=2.0).fit(X, values, weights)
        found = again(ridge, tmp_path)
        assert same(found, ridge)
        assert same(found.predict(X), ridge.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize("B", [math.inf, 1e3])
@pytest.mark.parametrize("kind", [tw.DepthTwoClassifier, tw.DepthTwoRegressor])
def test_partial_fit_and_warm_starts_go_on_as_if_there_had_been_no_file(tmp_path: Path, B: float, kind: Any) -> None:
    y = NUMBERS if kind is tw.DepthTwoClassifier else VALUES
    first = {"classes": [0, 1, 2]} if kind is tw.DepthTwoClassifier else {}
    model = kind(output_scale=B, random_state=np.random.RandomState(5), warm_start=True, n_pairs=5, n_steps=30)
    model.partial_fit(X[:25], y[:25], **first)
    found = again(model, tmp_path)
    assert same(found, model)
    for each in (model, found):
        each.partial_fit(X[25:], y[25:])
    assert same(found, model)
    found = again(model, tmp_path)
    for each in (model, found):
        each.fit(X, y)
    assert same(found, model)


def test_names_of_columns_and_text_weights_come_back(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["é", "b b", "c", "d"])
    model = tw.DepthTwoClassifier(class_weight={"a": 1, "bb": 2.5, "ccc": np.float32(1)}, **SMALL).fit(table, TEXT)
    found = again(model, tmp_path)
    assert same(found, model)
    assert found.feature_names_in_.dtype == object
    with pytest.raises(ValueError, match="feature names"):
        found.predict(table[["b b", "c", "d", "é"]])


@pytest.mark.slow
def test_a_certificate_comes_back(tmp_path: Path) -> None:
    model: Any = tw.DepthTwoClassifier(certify=True, loss="perceptron", **SMALL).fit(X, NUMBERS)
    assert same(again(model, tmp_path), model)
    said = about(tmp_path / "model.safetensors")
    assert said["class"] == "DepthTwoClassifier"
    assert said["classes_"] == [0, 1, 2]
    assert said["on_sphere"] == "bias"
    assert said["certificate_"]["memorized"] == list(model.certificate_.memorized)
    assert said["versions"]["tightwidth"] == tw.__version__
    assert {"jax", "numpy", "scikit-learn"} <= said["versions"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_networks_come_back_to_the_bit(tmp_path: Path, dtype: Any) -> None:
    points = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype)
    settings: Any = {"d": 4, "q": 3, "activation": activations.affine_erf(1.0, 2.0), "dtype": dtype}
    key = jax.random.key(1)
    for network in (
        init(key, B=math.inf, **settings),
        init(key, B=1e12, **settings),
        init_plain(key, B=10.0, **settings),
    ):
        found = again(network, tmp_path)
        assert same(found, network)
        assert np.array_equal(predict(found, points), predict(network, points))
    networks = init_outputs(key, B=7.0, K=2, **settings)
    found = again(networks, tmp_path)
    assert same(found, networks)
    assert np.array_equal(predict_outputs(found, points), predict_outputs(networks, points))


@pytest.mark.slow
def test_a_result_of_memorize_comes_back_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    points, y = rng.standard_normal((40, 5)), np.sign(rng.standard_normal(40))
    result = tw.memorize(points, y, output_scale=1e3, n_pairs=8, n_steps=50)
    found = again(result, tmp_path)
    assert same(found, result)
    assert np.array_equal(found.predict(points), result.predict(points))


@pytest.mark.slow
def test_functions_of_the_package_come_back_as_the_same_objects(tmp_path: Path) -> None:
    made = [activations.leaky_relu(0.2), activations.affine_erf(0.3, 1 / 3), activations.get("relu")]
    made += [activations.hermite(1), activations.monomial(1), activations.rectified_monomial(1)]
    for sigma in made:
        network = init(jax.random.key(0), d=2, q=1, B=1.0, activation=sigma)
        assert again(network, tmp_path).activation is sigma
    model = tw.DepthTwoRegressor(activation=made[0], loss=losses.get("absolute"), **SMALL).fit(X, VALUES)
    found = again(model, tmp_path)
    assert found.activation is made[0]
    assert found.loss is losses.get("absolute")


def test_an_own_function_has_to_be_given_again(tmp_path: Path) -> None:
    sigma = own()
    loss = tw.Loss("my_loss", losses.get("hinge").value, losses.get("hinge").derivative, L=1)
    model = tw.DepthTwoClassifier(activation=sigma, loss=loss, **SMALL).fit(X, TEXT)
    path = tmp_path / "model.safetensors"
    assert same(again(model, tmp_path, activation=sigma, loss=loss), model)
    with pytest.raises(InputError, match=r"saved with an own activation, 'mine', .* load\(path, activation=\.\.\.\)"):
        load(path, loss=loss)
    with pytest.raises(InputError, match="own loss, 'my_loss', which no file can hold; give it"):
        load(path, activation=sigma)
    with pytest.raises(InputError, match=r"activation='yours' was given; give it: .* with the one of that name"):
        load(path, activation=own("yours"), loss=loss)
    with pytest.raises(InputError, match=r"'mine' that was given has other values; give it: .* as it was then"):
        load(path, activation=own(factor=1.001), loss=loss)
    imposter = tw.Activation("relu", jnp.sin, jnp.cos, C=1, H=1, family=("erf", 1, 1))
    save(init(jax.random.key(0), d=2, q=1, B=1.0, activation=imposter), path)
    with pytest.raises(InputError, match="own activation, 'relu'"):
        load(path)


def test_what_is_no_fitted_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(NotFittedError, match="this DepthTwoClassifier is not fitted, so there is nothing to save"):
        save(tw.DepthTwoClassifier(), path)
    with pytest.raises(InputError, match=r"a Pipeline cannot be saved; give a fitted DepthTwoClassifier, .* the step"):
        save(make_pipeline(tw.DepthTwoClassifier()), path)
    with pytest.raises(InputError, match="a NTKKernel cannot be saved"):
        save(tw.NTKKernel(), path)

    class DepthTwoClassifier(tw.DepthTwoClassifier):
        pass

    with pytest.raises(InputError, match="a DepthTwoClassifier cannot be saved"):
        save(DepthTwoClassifier(), path)
    assert not path.exists()


def test_what_no_file_can_hold_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model: Any = tw.NTKRegressor().fit(X, VALUES)
    model.remark_ = {"seen": [1, {2}]}
    with pytest.raises(InputError, match=r"remark_\.0\.1\.1 is a builtins\.set, which a model file cannot hold; give"):
        save(model, path)
    model.remark_ = np.array([1j])
    with pytest.raises(InputError, match="remark_ is an array of complex128"):
        save(model, path)
    model.remark_ = jax.random.key(0)
    with pytest.raises(InputError, match="remark_ is an array of key"):
        save(model, path)


def test_any_attribute_comes_back(tmp_path: Path) -> None:
    model: Any = tw.NTKRegressor().fit(X, VALUES)
    model.remark_ = [
        (1, -math.inf, math.nan, None, True, "é", np.float32(2), np.int64(3), np.bool_(True)),
        {"a": np.asfortranarray(RNG.standard_normal((3, 2))), 2: np.zeros((0, 3)), (1, 2): np.dtype(np.float32)},
        np.array([["a"], ["bc"]]),
        np.arange(3, dtype=">i4"),
        2**80,
    ]
    model.twice_ = model.remark_[1]["a"]
    found = again(model, tmp_path)
    assert found.remark_[3].dtype.isnative
    found.remark_[3] = model.remark_[3]
    assert same(found, model)
    assert found.twice_ is found.remark_[1]["a"]
    assert found.twice_.flags.f_contiguous
    assert found.twice_.flags.writeable


def altered(path: Path, change: Any) -> None:
    """Write a model file with other content, as a newer version or someone else might."""
    tensors, content = read_tensors(path, kind="model")
    write_tensors(path, tensors, json.loads(change(json.dumps(content))), kind="model")


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        (
            '"class": "Inputs"',
            '"class": "os.system"',
            "holds a os.system, which this version .* does not know; install",
        ),
        ('"class": "NTKKernel"', '"class": "NTKKernel2"', "holds a NTKKernel2, which this version"),
        ('"type": "numpy"', '"type": "pickle"', "holds something of type 'pickle', which this version"),
        (
            '"on_sphere": "bias", "constant"',
            '"somewhere": "bias", "constant"',
            r"cannot make anew \(TypeError: .*on_sphere",
        ),
        ('"tensor": "points_"', '"tensor": "elsewhere"', r"of tightwidth \S+ that version \S+ cannot make anew"),
        ('"name": "tanh"', '"name": "tanh_2"', "needs the activation 'tanh_2', which this version"),
    ],
)
def test_a_file_with_unknown_content_is_refused(tmp_path: Path, was: str, becomes: str, message: str) -> None:
    path = tmp_path / "model.safetensors"
    save(tw.NTKRegressor(activations.get("tanh")).fit(X, VALUES), path)
    altered(path, lambda text: _replaced(text, was, becomes))
    with pytest.raises(DataError, match=message):
        load(path)


def _replaced(text: str, was: str, becomes: str) -> str:
    assert was in text
    return text.replace(was, becomes)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        load(path)
    save(tw.NTKRegressor().fit(X, VALUES), path)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match="is damaged"):
        load(path)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DataError, match="is damaged"):
        about(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match="is not a file of tightwidth"):
        load(path)
    write_tensors(path, {}, {}, kind="checkpoint")
    with pytest.raises(DataError, match="is a checkpoint and a model is needed"):
        load(path)
    write_tensors(path, {}, {}, kind="model")
    with pytest.raises(DataError, match=r"of tightwidth \? that version .* cannot make anew \(KeyError"):
        load(path)
    monkeypatch.setattr(tensor_files, "FORMAT", 2)
    save(tw.NTKRegressor().fit(X, VALUES), path)
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"in format 2, and this is .*; install a newer tightwidth"):
        load(path)
