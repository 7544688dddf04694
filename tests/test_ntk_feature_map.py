"""NTKFeatures: the q-embedding and its sketch, column by column, on average, and in scikit-learn's company."""

import math
import pickle
import re
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import certificate_oracles
import estimator_oracles as oracle
import oracles
import tightwidth as tw
from tightwidth import memory
from tightwidth.activations import monomial
from tightwidth.errors import DataError, HypothesisError, InputError, MemoryEstimateError
from tightwidth.estimators import DataWarning, DepthTwoClassifier, NTKFeatures
from tightwidth.estimators import ntk_feature_map as module

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)) * np.array([1, 2, 3, 4, 5, 100]) + 7
UNIT: Any = {"standardize": False, "on_sphere": "require"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_components", [None, "auto", 5])
def test_the_contract_of_scikit_learn(n_components):
    failed, n_checks = [], 0
    pair: Any
    for pair in estimator_checks_generator(NTKFeatures(n_components=n_components, random_state=0)):
        estimator, check = pair
        n_checks += 1
        try:
            check(estimator)
        except Exception as error:
            if type(error).__name__ != "SkipTest":
                failed.append((getattr(check, "func", check).__name__, str(error)[:200]))
    assert failed == []
    assert n_checks > 30


class TestColumns:
    @pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("how", ["bias", "project"])
    def test_all_columns_are_those_of_the_formula(self, activation, dtype, how):
        rows = X.astype(dtype)
        model: Any = NTKFeatures(5, n_components=None, activation=activation, on_sphere=how, random_state=1).fit(rows)
        points = oracle.on_sphere(rows.astype(np.float64), rows.astype(np.float64), how=how)
        found = model.transform(rows)
        assert found.dtype == dtype
        expected = certificate_oracles.features(points, model.W_half_, activation)
        np.testing.assert_allclose(found, expected, atol=2e-5 if dtype == np.float32 else 1e-12)

    @pytest.mark.slow
    @pytest.mark.parametrize(("q", "n"), [(9, 9), (9, 4), (8, 4), (20, 1), (31, 12)])
    @pytest.mark.parametrize("d", [1, 5, 8, 13])
    def test_a_sketch_adds_columns_up_with_signs(self, q, n, d):
        rng = np.random.default_rng(d)
        rows = oracles.sphere(rng, 7, d)
        model: Any = NTKFeatures(q, n_components=n, activation="tanh", random_state=3, **UNIT).fit(rows)
        assert set(np.unique(model.signs_)) <= {-1, 1}
        Psi = certificate_oracles.features(rows, model.W_half_, "tanh")
        np.testing.assert_allclose(
            model.transform(rows), Psi @ (model.signs_.reshape(-1, 1) * oracle.hashed(q, d, n)), atol=1e-12
        )
        single = model.transform(rows.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, model.transform(rows), atol=1e-5)

    def test_no_more_pairs_than_needed_give_a_column_one_part(self):
        for q, d, n in [(9, 5, 4), (16, 20, 16), (24, 8, 6)]:
            S = oracle.hashed(q, d, n).reshape(q, d, n)
            assert S.sum(axis=2).max() == S.sum(axis=2).min() == 1
            for j in range(d):
                assert S[:, j].sum(axis=0).max() <= math.ceil(q / n)

    def test_a_linear_model_on_them_is_the_tangent_network(self):
        model: Any = NTKFeatures(6, n_components=None, activation="gelu", random_state=0).fit(X)
        points = model.inputs_.transform(X)
        V = RNG.standard_normal((6, 7))
        with jax.enable_x64(True):
            net = tw.network.Tangent(jnp.asarray(model.W_half_), jnp.asarray(V), tw.activations.get("gelu"))
            outputs = tw.network.predict(net, points)
        np.testing.assert_allclose(model.transform(X) @ (math.sqrt(6) * V.ravel()), outputs, atol=1e-12)

    @pytest.mark.slow
    def test_they_belong_to_the_networks_of_the_classifier(self):
        y = X[:, 0] > 7
        network: Any = DepthTwoClassifier(6, n_steps=20, random_state=5).fit(X, y)
        model: Any = NTKFeatures(6, n_components=None, random_state=5).fit(X)
        np.testing.assert_array_equal(model.W_half_, network.W_half_)
        (V,) = network.trained_
        np.testing.assert_allclose(
            model.transform(X) @ (math.sqrt(6) * V[0].ravel()), network.decision_function(X), atol=1e-10
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("n_components", [None, 6])
    def test_one_seed_is_one_embedding_in_both_precisions_and_at_every_width(self, n_components):
        wide: Any = NTKFeatures(9, n_components=n_components, random_state=2).fit(X)
        single: Any = NTKFeatures(9, n_components=n_components, random_state=2).fit(X.astype(np.float32))
        narrow: Any = NTKFeatures(7, n_components=n_components, random_state=2).fit(X)
        other: Any = NTKFeatures(9, n_components=n_components, random_state=4).fit(X)
        np.testing.assert_array_equal(wide.W_half_, single.W_half_.astype(np.float64))
        np.testing.assert_array_equal(wide.W_half_[:7], narrow.W_half_)
        assert np.abs(wide.W_half_ - other.W_half_).max() > 0.1
        if n_components:
            np.testing.assert_array_equal(wide.signs_[:7], narrow.signs_)
            assert (wide.signs_ != other.signs_).any()
        np.testing.assert_array_equal(wide.transform(X), NTKFeatures(
            9, n_components=n_components, random_state=2).fit_transform(X))  # fmt: skip


class TestBlocks:
    @pytest.mark.parametrize("n_components", [None, 8, 300])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_neither_the_rows_beside_it_nor_the_block_change_a_row(self, n_components, dtype):
        rows = np.random.default_rng(0).standard_normal((1100, 9)).astype(dtype)
        model: Any = NTKFeatures(n_components=n_components, random_state=0).fit(rows)
        whole = model.transform(rows)
        for part in (slice(0, 1), slice(3, 17), slice(511, 513), slice(700, 1100), slice(1099, None)):
            np.testing.assert_array_equal(model.transform(rows[part]), whole[part])

    @pytest.mark.parametrize(("n_components", "compiled"), [(None, module._columns), (8, module._sketched)])
    def test_another_number_of_rows_compiles_nothing(self, n_components, compiled):
        model: Any = NTKFeatures(11, n_components=n_components, random_state=0).fit(X)
        model.transform(X)
        before = compiled._cache_size()
        for m in (1, 2, 39, 40):
            assert model.transform(X[:m]).shape[0] == m
        model.transform(np.vstack([X] * 40))
        assert compiled._cache_size() == before

    def test_memory_is_estimated_before_it_is_taken(self, monkeypatch):
        model: Any = NTKFeatures(50, n_components=None, random_state=0).fit(X)
        monkeypatch.setattr(memory, "machine_memory", lambda: 1e5)
        text = (
            r"350 float64 features of each of 40 rows needs about .* and this machine has 100 kB; transform fewer rows"
        )
        with pytest.raises(MemoryEstimateError, match=text):
            model.transform(X)
        with pytest.raises(MemoryEstimateError, match="W' of 5000 pairs in 7 dimensions needs about 315 kB"):
            NTKFeatures(5000).fit(X)

    def test_blocks_are_bounded(self):
        assert [module._rows(widest) for widest in (1, 1024, 5000, 10**9)] == [512, 512, 64, 8]


class TestCompany:
    @pytest.mark.slow
    def test_names_and_frames(self):
        frame = pd.DataFrame(X, columns=pd.Index(list("abcdef")))
        model: Any = NTKFeatures(n_components=4, random_state=0).fit(frame)
        assert model.feature_names_in_.tolist() == list("abcdef")
        assert model.n_features_in_ == 6
        names = [f"ntkfeatures{k}" for k in range(4)]
        assert model.get_feature_names_out().tolist() == names
        out = model.set_output(transform="pandas").transform(frame)
        assert out.columns.tolist() == names
        as_array = NTKFeatures(n_components=4, random_state=0).fit_transform(
            X
        )  # whose rows are summed in another order
        np.testing.assert_allclose(out.to_numpy(), as_array, atol=1e-12)
        with pytest.raises(ValueError, match="feature names should match"):
            model.transform(frame[list("abcdfe")])

    def test_beside_other_columns(self):
        frame = pd.DataFrame(X, columns=pd.Index(list("abcdef")))
        columns = make_column_transformer(
            (NTKFeatures(n_components=5, random_state=0), ["a", "b", "c"]), ("passthrough", ["d"])
        )
        found = columns.fit_transform(frame)
        assert found.shape == (40, 6)
        alone = NTKFeatures(n_components=5, random_state=0).fit_transform(X[:, :3])
        np.testing.assert_allclose(found[:, :5], alone, atol=1e-12)

    @pytest.mark.parametrize("n_components", [None, 7])
    def test_copies(self, n_components):
        model: Any = NTKFeatures(9, n_components=n_components, random_state=0).fit(X)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.transform(X), model.transform(X))
        unfitted: Any = clone(model)
        assert unfitted.get_params() == model.get_params()
        assert not hasattr(unfitted, "W_half_")

    @pytest.mark.parametrize("load", [load_breast_cancer, pytest.param(load_digits, marks=pytest.mark.slow)])
    def test_a_linear_classifier_on_them_does_better_than_on_the_columns_or_on_noise(self, load):
        data: Any
        data, y = load(return_X_y=True)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)

        def score(features, rows=data):
            return cross_val_score(make_pipeline(features, SGDClassifier(random_state=0)), rows, y, cv=folds).mean()

        assert score(NTKFeatures(random_state=0)) > 0.94
        noise = np.random.default_rng(0).standard_normal((len(data), 30))
        assert score(NTKFeatures(random_state=0), noise) < 0.7
        if load is load_digits:  # the identity has the kernel <x, z>: no more than a linear machine on the columns
            linear = score(NTKFeatures(n_components=1000, activation="identity", random_state=0))
            assert score(NTKFeatures(n_components=1000, random_state=0)) > linear + 0.01

    @pytest.mark.slow
    def test_ridge_on_many_of_them_is_ridge_on_the_kernel(self):
        y: Any
        data, y = load_diabetes(return_X_y=True)
        y = (y - y.mean()) / y.std()
        settings: Any = {"n_components": 2048, "random_state": 0}
        model = make_pipeline(NTKFeatures(**settings), Ridge(alpha=0.3, fit_intercept=False)).fit(data[::2], y[::2])
        exact = tw.NTKRegressor(ridge=0.3).fit(data[::2], y[::2])
        apart = np.mean((model.predict(data[1::2]) - exact.predict(data[1::2])) ** 2)
        assert apart < 0.05 * np.mean((exact.predict(data[1::2])) ** 2)
        assert model.score(data[1::2], y[1::2]) > 0.4

    @pytest.mark.slow
    def test_a_search_finds_the_better_width(self):
        data, y = (part[:600] for part in load_digits(return_X_y=True))
        pipeline = make_pipeline(NTKFeatures(random_state=0), SGDClassifier(random_state=0))
        search = GridSearchCV(pipeline, {"ntkfeatures__n_components": [5, 200]}, cv=3).fit(data, y)
        assert search.best_params_ == {"ntkfeatures__n_components": 200}

    def test_it_is_found_at_the_top(self):
        assert tw.NTKFeatures is NTKFeatures
        code = "import sys, tightwidth; assert 'NTKFeatures' in dir(tightwidth); assert 'sklearn' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestRefusals:
    @pytest.mark.parametrize(
        ("parameters", "kind", "text"),
        [
            ({"n_pairs": 0}, InputError, "n_pairs=0 must be 'auto', or a whole number of at least 1"),
            ({"n_pairs": 2.0}, InputError, "n_pairs=2.0 must be 'auto', or a whole number of at least 1"),
            ({"n_pairs": None}, InputError, "n_pairs=None must be 'auto', or a whole number of at least 1"),
            ({"n_pairs": True}, InputError, "n_pairs=True must be 'auto'"),
            ({"n_components": -1}, InputError, "n_components=-1 must be None, for all columns, 'auto', or a whole"),
            ({"n_components": "all"}, InputError, "n_components='all' must be None, for all columns, 'auto', or a"),
            (
                {"n_pairs": 4, "n_components": 5},
                InputError,
                "n_pairs=4 is less than n_components=5, but each column of a sketch needs a pair of its own; give "
                "n_pairs >= 5 or leave it at 'auto', or n_components=None for all 28 columns",
            ),
            ({"epsilon": 0}, InputError, "epsilon=0 must be a positive number; it is the error that 'auto' aims at"),
            ({"epsilon": "small"}, InputError, "epsilon='small' must be a positive number"),
            ({"epsilon": True}, InputError, "epsilon=True must be a positive number"),
            ({"epsilon": 1e-6}, InputError, "pairs or columns; raise it, or give n_pairs"),
            ({"activation": "step"}, HypothesisError, "jump"),
            ({"activation": "rleu"}, InputError, "rleu"),
            ({"on_sphere": "near"}, InputError, "on_sphere='near' is unknown"),
        ],
    )
    def test_parameters(self, parameters, kind, text):
        with pytest.raises(kind, match=re.escape(text)):
            NTKFeatures(**parameters).fit(X)

    def test_an_activation_with_other_constants_than_it_claims(self):
        false = tw.Activation("false", jnp.sin, jnp.cos, C=0.5, H=1.0)
        with pytest.raises(HypothesisError, match="does not have the constants it claims"):
            NTKFeatures(activation=false).fit(X)
        flat = tw.Activation("flat", jnp.square, lambda x: jnp.sum(2 * x), C=math.inf, H=2.0)
        with pytest.raises(InputError, match="write it elementwise"):
            NTKFeatures(activation=flat).fit(X)

    def test_rows(self):
        model: Any = NTKFeatures(3, on_sphere="project", standardize=False).fit(X)
        with pytest.raises(DataError, match="rows are zero"):
            model.transform(np.zeros((1, 6)))
        with pytest.raises(ValueError, match="expecting 6 features"):
            model.transform(X[:, :5])
        with pytest.raises(ValueError, match="NaN"):
            NTKFeatures().fit(np.full((3, 2), np.nan))
        with pytest.raises(NotFittedError):
            NTKFeatures().transform(X)

    def test_points_almost_in_one_direction_are_pointed_out(self):
        with pytest.warns(DataWarning, match="almost in one direction"):
            NTKFeatures(standardize=False).fit(np.ones((30, 5)) + 1e-3 * RNG.standard_normal((30, 5)))

    def test_an_unbounded_slope_is_welcome(self):
        cubic = monomial(3)
        model: Any = NTKFeatures(8, n_components=None, activation=cubic, random_state=0).fit(X)
        points = model.inputs_.transform(X)
        gates = np.asarray(jax.vmap(jax.vmap(jax.grad(cubic.sigma)))(points @ model.W_half_.T))
        expected = gates[:, :, None] * points[:, None, :] / math.sqrt(8)
        np.testing.assert_allclose(model.transform(X).reshape(40, 8, 7), expected, atol=1e-4)
