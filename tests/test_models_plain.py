"""Plain weights: what NumPy computes from them alone is what the model says."""

import json
import math
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.exceptions import NotFittedError

import tightwidth as tw
from tightwidth import activations
from tightwidth.errors import InputError
from tightwidth.models import export_plain
from tightwidth.network import init, init_plain
from tightwidth.shared_outputs import init_outputs

GUIDE = Path(__file__).parents[1] / "docs" / "models.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
SMALL: Any = {"n_pairs": 5, "n_steps": 30, "random_state": 3}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)) * [1.0, 20.0, 0.01, 1.0] + 3
X[:, 3] = 7.0  # constant
NUMBERS = np.digitize(X[:, 1], [-5.0, 12.0])
TEXT = np.array(["a", "béb", "ccc"])[NUMBERS]
VALUES = np.stack([X[:, 0] ** 2, 500 * X[:, 1] + 1e4, np.full(60, 2.0)], axis=1)


def recipe() -> Any:
    """Return the function of the guide, without what follows it."""
    block = next(block for block in BLOCKS if "def predict" in block)
    names: dict[str, Any] = {}
    exec(compile(block.split("\n\n\nassert")[0], str(GUIDE), "exec"), names)
    return names["predict"]


def test_blocks_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(BLOCKS), str(GUIDE), "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out
    assert re.fullmatch(
        r"\[0, 1, 2\]\nW \(3, 50, 14\), u \(3, 50\), B = 1e\+0\d\noff by \de-(0[89]|1\d) of .*\n", printed
    )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("B", [math.inf, 1.0, 1e6])
@pytest.mark.parametrize("labels", [TEXT, NUMBERS > 0], ids=["three", "two"])
def test_the_recipe_classifies_as_the_model_does(tmp_path: Path, dtype: Any, B: float, labels: Any) -> None:
    rows = X.astype(dtype)
    model = tw.DepthTwoClassifier(output_scale=B, **SMALL).fit(rows, labels)
    weights = export_plain(model, tmp_path / "m.npz", X=rows)
    assert weights.deviation < (1e-5 if dtype == np.float32 else 2e-8) * weights.size
    assert weights.size == pytest.approx(np.abs(model.decision_function(rows)).max())
    assert np.array_equal(recipe()(tmp_path / "m.npz", rows), model.predict(rows))


@pytest.mark.slow
@pytest.mark.parametrize("on_sphere", ["bias", "project"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("values", [VALUES, VALUES[:, 1]], ids=["several", "one"])
def test_the_recipe_returns_values_in_their_units(
    tmp_path: Path, on_sphere: str, standardize: bool, values: Any
) -> None:
    settings: Any = {"on_sphere": on_sphere, "standardize": standardize, **SMALL}
    model = tw.DepthTwoRegressor(output_scale=1e5, activation="tanh", **settings).fit(X, values)
    weights = export_plain(model, tmp_path / "m.npz")
    expected = model.predict(X).reshape(60, -1)
    assert np.abs(recipe()(tmp_path / "m.npz", X) - expected).max() < 1e-8 * np.abs(expected).max()
    assert weights.deviation < 1e-8 * weights.size
    assert weights.description["output_scale"] == weights.output_scale == pytest.approx(1e5)


def test_both_files_hold_the_same(tmp_path: Path) -> None:
    model = tw.DepthTwoClassifier(**SMALL).fit(X, TEXT)
    weights = export_plain(model, tmp_path / "m.npz", X=X)
    export_plain(model, tmp_path / "m.safetensors", X=X)
    tensors = load_file(tmp_path / "m.safetensors")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        said = json.loads(str(file["description"]))
        assert set(file) == {*tensors, "description"}
        assert all(np.array_equal(file[name], array) for name, array in tensors.items())
    assert said == weights.description
    assert said["classes"] == ["a", "béb", "ccc"]
    assert said["versions"]["tightwidth"] == tw.__version__
    assert tensors["W"].shape == (3, 10, 5)
    assert tensors["scale"][3] == math.inf
    assert {path.name for path in tmp_path.iterdir()} == {"m.npz", "m.safetensors"}


def test_the_chosen_scale_is_the_largest_that_is_resolved() -> None:
    model = tw.DepthTwoClassifier(**SMALL).fit(X, TEXT)
    chosen = export_plain(model, X=X)
    larger = export_plain(model, X=X, output_scale=10 * chosen.output_scale)
    smaller = export_plain(model, X=X, output_scale=10.0)
    assert chosen.deviation <= 1e-8 * chosen.size < larger.deviation
    assert smaller.deviation > 1e-4 * chosen.size  # gates flip


def test_another_scale_comes_closer_where_float64_cannot_hold_the_displacements() -> None:
    model = tw.DepthTwoClassifier(output_scale=1e12, **SMALL).fit(X, TEXT)
    own, other = export_plain(model, X=X), export_plain(model, X=X, output_scale=1e7)
    assert own.output_scale == pytest.approx(1e12)
    assert 1e-6 * own.size < own.deviation < 1e-2 * own.size
    assert other.deviation < 1e-6 * other.size


@pytest.mark.slow
def test_networks_are_exported_too() -> None:
    key = jax.random.key(0)
    settings: Any = {"d": 3, "q": 2, "activation": tw.Activation("mine", jnp.sin, jnp.cos, C=1, H=1)}
    for network, B in (
        (init(key, B=4.0, **settings), 4.0),
        (init_plain(key, B=4.0, **settings), 4.0),
        (init(key, B=math.inf, **settings), None),
    ):
        weights = export_plain(network)
        assert weights.W.shape == (1, 4, 3)
        assert weights.deviation < 1e-6
        assert B is None or weights.output_scale == B
    assert export_plain(init_outputs(key, K=2, B=1.0, **settings)).u.shape == (2, 4)
    with pytest.raises(InputError, match=r"output_scale=5 but the plain weights have B=4; leave output_scale out"):
        export_plain(init_plain(key, B=4.0, **settings), output_scale=5.0)


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    model = tw.DepthTwoClassifier(**SMALL).fit(X, TEXT)
    with pytest.raises(InputError, match=r"has the suffix '.txt'; give a path that ends in \.npz or \.safetensors"):
        export_plain(model, tmp_path / "m.txt")
    for B in (math.inf, 0.0, math.nan):
        with pytest.raises(InputError, match=r"output_scale=\S+: plain weights need a finite B > 0; leave it out"):
            export_plain(model, output_scale=B)
    with pytest.raises(InputError, match=r"X has shape \(60, 3\) and dtype float64; numbers of shape \[n, 4\]"):
        export_plain(model, X=X[:, :3])
    with pytest.raises(InputError, match="X holds values that are not finite"):
        export_plain(model, X=np.full((2, 4), np.nan))
    with pytest.raises(InputError, match="a NTKRegressor has no weights to export"):
        export_plain(tw.NTKRegressor().fit(X, VALUES))
    with pytest.raises(NotFittedError, match="this DepthTwoClassifier is not fitted"):
        export_plain(tw.DepthTwoClassifier())
    with pytest.raises(InputError, match="cannot be written"):
        export_plain(model, tmp_path / "nowhere" / "m.npz")


def test_the_description_names_the_activation() -> None:
    weights = export_plain(init(jax.random.key(0), d=3, q=2, B=1.0, activation=activations.hermite(2)))
    assert weights.description["activation"] == "hermite_2"
