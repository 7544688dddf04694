"""Graphs of ONNX, run by onnxruntime: what they predict is what we predict, to 1e-5 of its size."""

import builtins
import json
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.exceptions import NotFittedError

import tightwidth as tw
from tightwidth import activations
from tightwidth.errors import InputError
from tightwidth.models import export_onnx, onnx_export
from tightwidth.network import Plain, init_plain, predict
from tightwidth.shared_outputs import Outputs, predict_outputs

TOLERANCE = 1e-5
SMALL: Any = {"n_pairs": 5, "n_steps": 30, "random_state": 3}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)) * [1.0, 20.0, 0.01, 1.0] + 3
X[:, 3] = 7.0  # constant
NEW = np.concatenate([X[:20], X[:20] + RNG.standard_normal((20, 4)), [[0.0] * 4, [1e3] * 4, X.mean(axis=0)]])
NUMBERS = np.digitize(X[:, 1], [-5.0, 12.0])
TEXT = np.array(["a", "béb", "ccc"])[NUMBERS]
VALUES = np.stack([X[:, 0] ** 2, 500 * X[:, 1] + 1e4, np.full(60, 2.0)], axis=1)
SCALES = [math.inf, 1.0, 1e6, 1e12]
FAMILIES = [
    activations.leaky_relu(0.3),
    activations.affine_erf(0.5, 2.0, 1.0),
    *(activations.get(f"{family}_{n}") for family in activations.FAMILIES for n in (0, 1, 2, 5)),
]


def ran(path: Path, rows: Any) -> dict[str, np.ndarray]:
    """Return the outputs of a graph by name."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found: Any = session.run(names, {"X": rows})
    return dict(zip(names, found, strict=True))


def off(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, in units of the largest number."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def check_classifier(model: Any, rows: np.ndarray, path: Path) -> None:
    """Compare every output of the graph with the model's, also in batches of one row and of none."""
    export_onnx(model, path)
    found, decisions = ran(path, rows), model.decision_function(rows)
    assert off(found["decision_values"], decisions) < TOLERANCE
    margins = np.abs(decisions) if decisions.ndim == 1 else np.diff(np.sort(decisions, axis=1)[:, -2:], axis=1)[:, 0]
    clear = margins > TOLERANCE * np.abs(decisions).max()
    assert clear.mean() > 0.9
    assert (found["label"] == model.predict(rows))[clear].all()
    if model.loss == "logistic":
        assert off(found["probabilities"], model.predict_proba(rows)) < TOLERANCE
    else:
        assert "probabilities" not in found
    for batch in (rows[:1], rows[:0]):
        assert {name: value.shape[1:] for name, value in ran(path, batch).items()} == {
            name: value.shape[1:] for name, value in found.items()
        }
        assert len(ran(path, batch)["label"]) == len(batch)
    assert off(ran(path, rows[:1])["decision_values"], found["decision_values"][:1]) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("B", SCALES)
@pytest.mark.parametrize("labels", [TEXT, NUMBERS.astype(np.int8), NUMBERS > 0], ids=["text", "three", "two"])
def test_classifiers_agree(tmp_path: Path, dtype: Any, B: float, labels: Any) -> None:
    loss = "logistic" if labels is not TEXT else "hinge"
    model = tw.DepthTwoClassifier(output_scale=B, loss=loss, **SMALL).fit(X.astype(dtype), labels)
    check_classifier(model, NEW.astype(dtype), tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("on_sphere", ["bias", "project"])
def test_the_way_to_the_sphere_agrees(tmp_path: Path, dtype: Any, standardize: bool, on_sphere: str) -> None:
    model = tw.DepthTwoClassifier(standardize=standardize, on_sphere=on_sphere, **SMALL).fit(X.astype(dtype), TEXT)
    rows = NEW if on_sphere == "bias" else NEW[:-3]
    scale = 1.0 if standardize or on_sphere == "bias" else 1e-25 if dtype == np.float32 else 1e-200
    check_classifier(model, (rows * scale).astype(dtype), tmp_path / "m.onnx")


def test_rows_that_predict_refuses_get_nan(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    projecting = tw.DepthTwoClassifier(on_sphere="project", standardize=False, **SMALL).fit(X, TEXT)
    with pytest.raises(ValueError, match="rows are zero"):
        projecting.predict(np.zeros((1, 4)))
    export_onnx(projecting, path)
    assert np.isnan(ran(path, np.zeros((1, 4)))["decision_values"]).all()
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    requiring = tw.DepthTwoClassifier(on_sphere="require", standardize=False, **SMALL).fit(unit, TEXT)
    export_onnx(requiring, path)
    found = ran(path, np.concatenate([unit, 1.01 * unit]))["decision_values"]
    assert np.isnan(found[60:]).all()
    assert off(found[:60], requiring.decision_function(unit)) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("B", [math.inf, 1e6])
@pytest.mark.parametrize("values", [VALUES, VALUES[:, 1], VALUES[:, 2]], ids=["several", "one", "constant"])
def test_regressors_agree_in_the_units_of_the_target(tmp_path: Path, dtype: Any, B: float, values: Any) -> None:
    model = tw.DepthTwoRegressor(output_scale=B, **SMALL).fit(X.astype(dtype), values)
    rows, path = NEW.astype(dtype), tmp_path / "m.onnx"
    export_onnx(model, path)
    expected = model.predict(rows)
    found = ran(path, rows)["values"]
    for column, wanted in zip(found.reshape(len(NEW), -1).T, expected.reshape(len(NEW), -1).T, strict=True):
        assert off(column, wanted) < TOLERANCE
    assert off(found, expected) < TOLERANCE
    assert ran(path, rows[:0])["values"].shape == (0, *values.shape[1:])


def networks_under(sigma: tw.Activation, B: float, dtype: Any) -> tuple[Outputs, np.ndarray]:
    """Return two trained networks, and points: random ones, and some next to where pre-activations are 0 or 1."""
    rng = np.random.default_rng(7)
    K, q, d = 2, 12, 5
    W = rng.standard_normal((q, d)).astype(dtype)
    points = rng.standard_normal((40, d))
    for i in range(q):  # rows of norm 1, at right angles to a weight up to rounding
        points[i] -= (points[i] @ W[i]) / (W[i] @ W[i]) * W[i]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[q : 2 * q] = 0
    points[q : 2 * q, 0] = 1
    W[0, 0], W[1, 0] = 1, -1  # a kink of hard_tanh, exactly
    with jax.enable_x64(True):
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((K, 2, q, d), (K, q), (K, q))]
        trained = [arrays[0].sum(axis=1)] if math.isinf(B) else arrays
        inverse_B = None if math.isinf(B) else jnp.asarray(1 / B, dtype)
        return Outputs(jnp.asarray(W), tuple(map(jnp.asarray, trained)), inverse_B, sigma), points.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("B", [*SCALES, 30.0])
@pytest.mark.parametrize("sigma", [*activations.REGISTRY.values(), *FAMILIES], ids=lambda sigma: sigma.name)
def test_every_activation_agrees_in_every_form(tmp_path: Path, dtype: Any, B: float, sigma: tw.Activation) -> None:
    networks, points = networks_under(sigma, B, dtype)
    export_onnx(networks, tmp_path / "m.onnx")
    expected = predict_outputs(networks, points)
    found = ran(tmp_path / "m.onnx", points)["values"]
    if math.isfinite(B) and not sigma.is_continuous:  # outputs of size B at a jump, where rounding decides
        expected, found = expected[24:], found[24:]
    size = max(float(np.abs(expected).max()), 1e-300)
    assert float(np.abs(found - expected).max()) <= TOLERANCE * size


def test_the_check_has_teeth(tmp_path: Path) -> None:
    """The plain form at B = 1e12 is noticed."""
    networks, points = networks_under(activations.get("hard_tanh"), 1e12, np.float64)
    expected = predict_outputs(networks, points)
    with jax.enable_x64(True):
        W_half, PN = np.asarray(networks.W_half), np.asarray(networks.trained[0])[0]
        plain = Plain(
            jnp.asarray(np.concatenate([W_half + PN[0] / 1e12, W_half - PN[1] / 1e12])),
            jnp.asarray(np.repeat([1e12, -1e12], len(W_half))),
            jnp.asarray(1e12),
            networks.activation,
        )
    export_onnx(plain, tmp_path / "m.onnx")
    found = ran(tmp_path / "m.onnx", points)["values"]
    assert np.abs(found - expected[:, 0]).max() > TOLERANCE * np.abs(expected).max()


@pytest.mark.slow
def test_networks_and_results_agree(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    key = jax.random.key(1)
    points = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    plain = init_plain(key, d=4, q=3, B=5.0, activation=activations.get("tanh"))
    plain = Plain(plain.W + 0.1 * jax.random.normal(key, plain.W.shape), plain.u, plain.B, plain.activation)
    export_onnx(plain, path)
    assert off(ran(path, points)["values"], predict(plain, points)) < TOLERANCE
    networks, points = networks_under(activations.get("selu"), 1e3, np.float64)
    for k in range(2):
        export_onnx(networks.alone(k), path)
        assert off(ran(path, points)["values"], predict(networks.alone(k), points)) < TOLERANCE
    rng = np.random.default_rng(2)
    rows, y = rng.standard_normal((40, 5)), np.sign(rng.standard_normal(40))
    result = tw.memorize(rows, y, n_pairs=8, n_steps=50)
    export_onnx(result, path)
    found = ran(path, rows)
    assert np.array_equal(found["label"], result.predict(rows))
    assert off(found["decision_values"], result.decision_function(rows)) < TOLERANCE


@pytest.mark.slow
def test_a_graph_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    model = tw.DepthTwoClassifier(activation="gelu", **SMALL).fit(X, TEXT)
    export_onnx(model, path)
    made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    said = {entry.key: entry.value for entry in made.metadata_props}
    assert said["class"] == "DepthTwoClassifier"
    assert said["activation"] == "gelu"
    assert said["on_sphere"] == "bias"
    assert json.loads(said["classes"]) == ["a", "béb", "ccc"]
    assert json.loads(said["versions"])["tightwidth"] == tw.__version__
    assert (made.ir_version, made.opset_import[0].version) == (7, 13)
    assert [output.name for output in made.graph.output] == ["label", "decision_values"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_exported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(InputError, match="a NTKClassifier has no weights to export; give a fitted DepthTwoClassifier"):
        export_onnx(tw.NTKClassifier().fit(X, TEXT), path)
    with pytest.raises(NotFittedError, match="this DepthTwoRegressor is not fitted"):
        export_onnx(tw.DepthTwoRegressor(), path)
    own = tw.Activation("mine", jnp.sin, jnp.cos, C=1, H=1)
    model = tw.DepthTwoClassifier(activation=own, **SMALL).fit(X, TEXT)
    with pytest.raises(
        InputError, match=r"'mine' has no formula in ONNX; it can be exported with one of relu, .*plain"
    ):
        export_onnx(model, path)
    model = tw.DepthTwoClassifier(**SMALL).fit(X, TEXT)
    model.classes_ = np.array([1j, 2j, 3j])
    with pytest.raises(InputError, match=r"labels \[1j, 2j, 3j\] have no type in ONNX; fit with text"):
        export_onnx(model, path)
    model.classes_ = np.array([1, 2, 2**63], dtype=np.uint64)
    with pytest.raises(InputError, match=r"labels \[1, 2, 9223372036854775808\] have no type in ONNX"):
        export_onnx(model, path)
    model = tw.DepthTwoClassifier(**SMALL).fit(X, TEXT)
    monkeypatch.setattr(onnx_export, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"takes 0\.0 GB and an ONNX file holds 2; fit with a smaller n_pairs"):
        export_onnx(model, path)
    real = builtins.__import__

    def without_onnx(name: str, *arguments: Any, **settings: Any) -> Any:
        if name == "onnx":
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(InputError, match=r"needs onnx, which is not installed; run: pip install 'tightwidth\[onnx\]'"):
        export_onnx(model, path)
    assert not path.exists()
