"""The two kernel machines against scikit-learn's on kernel matrices computed slowly; what they say of the data."""

import math
import pickle
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

import estimator_oracles as slow
from tightwidth import memory
from tightwidth.activations import Activation
from tightwidth.errors import ConditioningError, DataError, HypothesisError, InputError, MemoryEstimateError
from tightwidth.estimators import DataWarning, NTKClassifier, NTKRegressor, kernel_machines

pytestmark = pytest.mark.slow  # tests/test_kernel_side.py holds the short of it

MACHINES = (NTKClassifier, NTKRegressor)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_contract_of_scikit_learn_holds(machine):
    done = check_estimator(machine(), on_skip=None)
    assert len(done) > 40
    failed = [
        (check["check_name"], check["exception"]) for check in done if check["status"] not in ("passed", "skipped")
    ]
    assert failed == []
    absent = [str(check["exception"]) for check in done if check["status"] == "skipped"]
    assert all("not installed" in text or "not set" in text for text in absent)
    assert any(check["check_name"] == "check_sample_weight_equivalence_on_dense_data" for check in done)


def sample(m=60, d=4, seed=0):
    """Return points that are not centred with columns of several scales, values, and labels of three classes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, d)) * np.array([1.0, 5.0, 0.2, 2.0]) + np.array([0.5, -1.0, 0.0, 1.0])
    y = np.sin(X[:, 0]) + 0.2 * X[:, 1] + 0.1 * rng.standard_normal(m)
    return X, y, np.array(["low", "middle", "top"])[np.digitize(y, [-0.5, 0.7])]


WAYS = ((True, "bias"), (False, "bias"), (True, "project"), (False, "project"))


@pytest.mark.parametrize(("standardize", "on_sphere"), WAYS)
def test_the_classifier_is_a_support_vector_machine_on_the_kernel(standardize, on_sphere):
    X, _, labels = sample()
    rows = X[:40]
    own = NTKClassifier(C=2.0, standardize=standardize, on_sphere=on_sphere).fit(rows, labels[:40])
    points = {
        way: [slow.on_sphere(rows, part, standardize=way[0], how=way[1]) for part in (rows, X[40:])] for way in WAYS
    }
    for way, (train, test) in points.items():
        machine = SVC(C=2.0, kernel="precomputed", tol=1e-8).fit(slow.relu_gram(train, train), labels[:40])
        cross = slow.relu_gram(test, train)
        apart = np.abs(own.decision_function(X[40:]) - machine.decision_function(cross)).max()
        if way == (standardize, on_sphere):
            assert apart < 1e-6
            np.testing.assert_array_equal(own.predict(X[40:]), machine.predict(cross))
            np.testing.assert_array_equal(own.support_, machine.support_)
            np.testing.assert_allclose(own.support_points_, train[machine.support_], rtol=1e-12, atol=1e-15)
        else:
            assert apart > 1e-3
    np.testing.assert_array_equal(own.classes_, ["low", "middle", "top"])


@pytest.mark.parametrize(("standardize", "on_sphere"), WAYS)
def test_the_regressor_is_kernel_ridge_on_the_kernel(standardize, on_sphere):
    X, y, _ = sample()
    Y = np.stack([y, X[:, 3]], axis=1)
    train, test = (slow.on_sphere(X[:40], part, standardize=standardize, how=on_sphere) for part in (X[:40], X[40:]))
    K, cross = slow.relu_gram(train, train), slow.relu_gram(test, train)
    for values in (y, Y):
        own = NTKRegressor(ridge=0.3, standardize=standardize, on_sphere=on_sphere).fit(X[:40], values[:40])
        alpha = np.linalg.solve(K + 0.3 * np.eye(40), values[:40])
        np.testing.assert_allclose(own.dual_coef_, alpha, rtol=1e-6, atol=1e-8 * np.abs(alpha).max())
        np.testing.assert_allclose(own.predict(X[40:]), cross @ alpha, rtol=1e-6, atol=1e-8 * np.abs(alpha).max())
        peer: Any = KernelRidge(kernel="precomputed").set_params(alpha=0.3).fit(K, values[:40])
        np.testing.assert_allclose(own.predict(X[40:]), peer.predict(cross), rtol=1e-6, atol=1e-7 * np.abs(alpha).max())
        averaged = np.linalg.solve(K + 0.3 * 40 * np.eye(40), values[:40])
        assert np.abs(own.predict(X[40:]) - cross @ averaged).max() > 0.05 * np.abs(values).max()
        assert own.solution_.method == "cholesky"
        assert own.solution_.relative_residual < 1e-12


def test_weights_are_copies_also_for_means_and_scales():
    X, y, labels = sample()
    weights = np.random.default_rng(1).integers(0, 4, 40)
    copies = np.repeat(np.arange(40), weights)
    train, test = (slow.on_sphere(X[:40], part, weights=weights) for part in (X[copies], X[40:]))
    K, cross = slow.relu_gram(train, train), slow.relu_gram(test, train)
    regressor = NTKRegressor(ridge=0.3).fit(X[:40], y[:40], weights)
    np.testing.assert_allclose(
        regressor.predict(X[40:]), cross @ np.linalg.solve(K + 0.3 * np.eye(len(K)), y[copies]), rtol=1e-6, atol=1e-8
    )
    assert len(regressor.points_) == np.sum(weights > 0)
    classifier = NTKClassifier(C=2.0).fit(X[:40], labels[:40], weights)
    machine = SVC(C=2.0, kernel="precomputed", tol=1e-10).fit(K, labels[copies])
    np.testing.assert_allclose(
        classifier.decision_function(X[40:]), machine.decision_function(cross), rtol=0, atol=1e-6
    )
    for machine in (NTKRegressor(ridge=0.3), NTKClassifier(C=2.0)):
        target = y if isinstance(machine, NTKRegressor) else labels
        plain = machine.fit(X[:40], target[:40]).predict(X[40:])
        np.testing.assert_array_equal(machine.fit(X[:40], target[:40], 1).predict(X[40:]), plain)
    # the sum of squares is weighted and not their mean
    assert (
        np.abs(NTKRegressor(ridge=0.3).fit(X, y, 5.0).predict(X) - NTKRegressor(ridge=0.3).fit(X, y).predict(X)).max()
        > 0.05
    )
    np.testing.assert_allclose(
        NTKRegressor(ridge=1.5).fit(X, y, 5.0).predict(X), NTKRegressor(ridge=0.3).fit(X, y).predict(X), rtol=1e-9
    )


def test_classes_are_weighted():
    X, _, labels = sample()
    train, test = (slow.on_sphere(X[:40], part) for part in (X[:40], X[40:]))
    for class_weight in ("balanced", {"low": 3.0}):
        own = NTKClassifier(C=0.5, class_weight=class_weight).fit(X[:40], labels[:40])
        machine = SVC(C=0.5, kernel="precomputed", class_weight=class_weight, tol=1e-10)
        machine.fit(slow.relu_gram(train, train), labels[:40])
        np.testing.assert_allclose(
            own.decision_function(X[40:]), machine.decision_function(slow.relu_gram(test, train)), atol=1e-6
        )
        assert (
            np.abs(own.decision_function(X) - NTKClassifier(C=0.5).fit(X[:40], labels[:40]).decision_function(X)).max()
            > 0.01
        )


KERNELS: tuple[tuple[dict[str, Any], Any], ...] = (
    ({"output_scale": 2.0}, lambda x, z: sum(slow.tangent(x, z, B=2.0))),
    ({"activation": "erf"}, lambda x, z: slow.tangent(x, z, activation="erf")[0]),
    (
        {"depth": 3, "weight_variance": 2.0, "bias_variance": 0.1},
        lambda x, z: slow.deep(x, z, activation="relu", depth=3, w2=2.0, c2=0.1)[0],
    ),
)


@pytest.mark.parametrize(("settings", "of_points"), KERNELS, ids=["scale", "activation", "recursion"])
def test_the_kernel_is_that_of_its_parameters(settings, of_points):
    X, y, _ = sample()
    train, test = (slow.on_sphere(X[:40], part) for part in (X[:40], X[40:]))
    alpha = np.linalg.solve(slow.matrix(of_points, train, train) + 0.1 * np.eye(40), y[:40])
    own = NTKRegressor(**settings).fit(X[:40], y[:40])
    np.testing.assert_allclose(own.predict(X[40:]), slow.matrix(of_points, test, train) @ alpha, rtol=1e-6, atol=1e-8)
    assert np.abs(own.predict(X[40:]) - NTKRegressor().fit(X[:40], y[:40]).predict(X[40:])).max() > 1e-3


@pytest.mark.parametrize("machine", MACHINES)
def test_float32_stays_float32(machine):
    X, y, labels = sample()
    target = y if machine is NTKRegressor else labels
    found: list[Any] = [machine().fit(X.astype(dtype), target) for dtype in (np.float32, np.float64)]
    single, double = found
    kept = [found.points_ if machine is NTKRegressor else found.support_points_ for found in (single, double)]
    assert [part.dtype for part in kept] == [np.float32, np.float64]
    if machine is NTKRegressor:
        assert single.predict(X).dtype == np.float64
        np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-4)
        assert (single.predict(X) != double.predict(X)).any()
    else:
        np.testing.assert_allclose(single.decision_function(X), double.decision_function(X), atol=1e-3)


def test_numbers_of_the_training_data_are_kept():
    X, y, labels = sample()
    for machine, target in ((NTKRegressor(), y), (NTKClassifier(), labels)):
        machine.fit(X[:40], target[:40])
        at_once = machine.predict(X[40:])
        np.testing.assert_array_equal(machine.predict(X[40:][::-1])[::-1], at_once)
        one_by_one = np.concatenate([machine.predict(row[None]) for row in X[40:]])
        if isinstance(machine, NTKRegressor):
            np.testing.assert_allclose(one_by_one, at_once, rtol=1e-12)
        else:
            np.testing.assert_array_equal(one_by_one, at_once)


@pytest.mark.parametrize("weighted", [False, True])
def test_large_samples_are_solved_without_a_matrix(monkeypatch, weighted):
    X, y, _ = sample()
    Y = np.stack([y, X[:, 3]], axis=1)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    stored = NTKRegressor(ridge=0.3).fit(X, Y, weights)
    monkeypatch.setattr(kernel_machines, "LARGEST_SAMPLE", 10)
    for target, expected in ((Y, stored.dual_coef_), (y, stored.dual_coef_[:, 0])):
        found = NTKRegressor(ridge=0.3).fit(X, target, weights)
        assert found.solution_.method == "conjugate gradients"
        np.testing.assert_allclose(found.dual_coef_, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())


def test_they_go_into_pipelines_and_searches_and_are_copied():
    X, y, labels = sample()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), NTKClassifier(standardize=False)),
        {"ntkclassifier__C": [0.1, 10.0], "ntkclassifier__output_scale": [1.0, math.inf]},
        cv=3,
    )
    search.fit(X, labels)
    assert set(search.best_params_) == {"ntkclassifier__C", "ntkclassifier__output_scale"}
    regression = GridSearchCV(NTKRegressor(), {"ridge": [1e-3, 10.0]}, cv=3).fit(X, y)
    assert regression.best_params_ == {"ridge": 1e-3}
    for machine, target in ((NTKRegressor("erf", ridge=0.2), y), (NTKClassifier("erf", C=3.0), labels)):
        copy: Any = clone(machine)
        assert copy.get_params() == machine.get_params()
        machine.fit(X, target)
        assert copy.get_params() == machine.get_params()
        names = {name for name in vars(machine) if name not in machine.get_params()}
        assert all(name.endswith("_") for name in names)
        again = pickle.loads(pickle.dumps(machine))
        np.testing.assert_array_equal(again.predict(X), machine.predict(X))


def test_an_activation_of_ones_own_fits_but_cannot_be_pickled():
    X, y, _ = sample()
    own = Activation("my erf", lambda x: jnp.tanh(x), lambda x: 1 - jnp.tanh(x) ** 2, C=1, H=0.77)
    found = NTKRegressor(own).fit(X, y)
    np.testing.assert_allclose(found.predict(X), NTKRegressor("tanh").fit(X, y).predict(X), rtol=1e-9)
    with pytest.raises((pickle.PicklingError, AttributeError), match="<lambda>"):
        pickle.dumps(found)


def test_wine_is_told_apart():
    X, y = load_wine(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    own = cross_val_score(NTKClassifier(), X, y, cv=folds).mean()
    peer = cross_val_score(make_pipeline(StandardScaler(), SVC().set_params(gamma=0.01)), X, y, cv=folds).mean()
    assert own > 0.95
    assert own > peer - 0.025  # four of 178


# What is refused


def test_parameters_out_of_range_are_refused_by_fit():
    X, y, labels = sample()
    value: Any
    for value in (0, -1.0, math.inf, math.nan):
        with pytest.raises(InputError, match=r"C=.* must be a positive number; give C > 0"):
            NTKClassifier(C=value).fit(X, labels)
        with pytest.raises(InputError, match=r"tol=.* must be a positive number; give tol > 0"):
            NTKClassifier(tol=value).fit(X, labels)
        with pytest.raises(InputError, match=r"ridge=.* must be a positive number; give ridge > 0"):
            NTKRegressor(ridge=value).fit(X, y)
    with pytest.raises(InputError, match="on_sphere='onto' is unknown; known: project, bias, require"):
        NTKRegressor(on_sphere="onto").fit(X, y)
    with pytest.raises(
        InputError, match=r"on_sphere='require' asks for unit rows, which standardised columns have not"
    ):
        NTKRegressor(on_sphere="require").fit(X, y)
    with pytest.raises(InputError, match="unknown activation 'rely'"):
        NTKRegressor("rely").fit(X, y)
    with pytest.raises(InputError, match=r"output_scale=2 belongs to depth 2"):
        NTKClassifier(output_scale=2.0, depth=3).fit(X, labels)
    with pytest.raises(HypothesisError, match="'step' jumps"):
        NTKClassifier("step").fit(X, labels)


def test_rows_that_cannot_be_on_the_sphere_are_refused_or_made_legal():
    X, y, _ = sample()
    zero = np.vstack([X, 0 * X[:1]])
    values = np.append(y, 0.0)
    with pytest.raises(DataError, match=r"1 of 61 rows are zero .* append a constant coordinate with on_sphere='bias'"):
        NTKRegressor(standardize=False, on_sphere="project").fit(zero, values)
    assert np.isfinite(NTKRegressor(standardize=False).fit(zero, values).predict(zero)).all()
    assert np.isfinite(NTKRegressor().fit(0 * X[:5], y[:5]).predict(X)).all()
    with pytest.raises(
        DataError, match=r"60 of 60 rows are not on the unit sphere .*unit rows are needed: project them"
    ):
        NTKRegressor(standardize=False, on_sphere="require").fit(X, y)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    unit[::2] *= -1
    found = NTKRegressor(standardize=False, on_sphere="require").fit(unit, y)
    np.testing.assert_allclose(found.points_, unit)
    with pytest.raises(DataError, match=r"1 of 1 rows are not on the unit sphere \(row 1 has norm 2\)"):
        found.predict(2 * unit[:1])


def test_tables_and_weights_that_cannot_be_used_are_refused(monkeypatch):
    X, y, labels = sample()
    for machine, target in ((NTKClassifier(), labels), (NTKRegressor(), y)):
        with pytest.raises(TypeError, match="Sparse data was passed"):
            machine.fit(sparse.csr_array(X), target)
        with pytest.raises(DataError, match=r"sample_weight has shape \(5,\) for 60 rows"):
            machine.fit(X, target, np.ones(5))
        with pytest.raises(DataError, match=r"the sample_weight of all 60 rows is zero; .* give some above 0"):
            machine.fit(X, target, np.zeros(60))
        with pytest.raises(DataError, match="sample_weight runs from -1 to 1"):
            machine.fit(X, target, np.where(np.arange(60) == 3, -1, 1))
        with pytest.raises(ValueError, match=r"X has 3 features, but NTK.* is expecting 4 features"):
            machine.fit(X, target).predict(X[:, :3])
    with pytest.raises(ValueError, match="class"):
        NTKClassifier().fit(X, np.ones(60))
    twice = np.vstack([X, X])
    with pytest.raises(ConditioningError, match=r"ridge=1e-17 is numerically singular .* or give ridge="):
        NTKRegressor(ridge=1e-17).fit(twice, np.append(y, y))
    monkeypatch.setattr(memory, "machine_memory", lambda: 3e4)
    with pytest.raises(
        MemoryEstimateError, match=r"the kernel matrix of 60 points needs about 28\.8 kB and this machine"
    ):
        NTKClassifier().fit(X, labels)
    with pytest.raises(
        MemoryEstimateError, match=r"the kernel matrix of 60 points needs about 43\.2 kB and this machine"
    ):
        NTKClassifier().fit(X.astype(np.float32), labels)


# What is said of the data


def said_of(machine, X, y):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        machine.fit(X, y)
    assert all(issubclass(warning.category, DataWarning) for warning in seen)
    return [str(warning.message) for warning in seen]


@pytest.mark.parametrize("machine", MACHINES)
def test_points_almost_in_one_direction_are_pointed_out(machine):
    X, y = load_iris(return_X_y=True)
    far = X - X.mean(axis=0) + 30
    with pytest.warns(DataWarning, match=r"the 150 points lie almost in one direction: R\^2 = 5, of at most d = 5, .*"
                      r"centre and scale the columns with standardize=True"):  # fmt: skip
        machine(standardize=False).fit(far, y)
    unit = far / np.linalg.norm(far, axis=1, keepdims=True)
    with pytest.warns(
        DataWarning, match=r"almost in one direction: R\^2 = 4, .*centre the rows before they are divided"
    ):
        machine(standardize=False, on_sphere="require").fit(unit, y)
    for columns, advice in (
        (X[:, :1], "one column has no direction but its sign: append a constant coordinate with on_sphere='bias'"),
        (
            np.hstack([X[:, :1], X[:, :1]]),
            "remove columns that repeat one another, or outliers that set the scale of all",
        ),
    ):
        said = said_of(machine(on_sphere="project"), columns, y)
        assert sum(advice in text for text in said) == 1
        assert len(said) == (1 if machine is NTKRegressor else 2)  # and only two points are left, with all labels
    assert said_of(machine(), far, y) == []
    assert said_of(machine(standardize=False), X - X.mean(axis=0), y) == []
    assert said_of(machine(standardize=False), far[::8], y[::8]) == []  # 19 points say little


@pytest.mark.parametrize("machine", MACHINES)
def test_columns_of_very_different_scales_are_pointed_out(machine):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    X[:, 2] = 1.0
    wide = X * np.array([1, 1, 1, 1, 300])
    (text,) = [text for text in said_of(machine(standardize=False), wide, y) if "deviation" in text]
    assert text.startswith("column 5 has standard deviation ")
    assert (
        "the kernel sees little but the largest columns; give standardize=True, or bring the columns to one scale"
        in text
    )
    assert said_of(machine(), wide, y) == []
    assert said_of(machine(standardize=False), X * np.array([1, 1, 1, 1, 30]), y) == []
    assert said_of(machine(standardize=False), X[:, :3], y) == []


def test_points_with_several_labels_are_pointed_out():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = rng.integers(0, 3, 40)
    again = np.vstack([X, X[:8], X[:4]])
    labels = np.concatenate([y, y[:4], y[4:8] + 1, y[:4] + 1])  # 4 rows lose by 2 to 1, 4 by 1 to 1
    text = r"8 of the 52 points coincide with another point .* no classifier is right on more than 84\.6% of the sample"
    with pytest.warns(DataWarning, match=text):
        NTKClassifier().fit(again, labels)
    scaled = np.vstack([X, 2 * X[:8]])
    with pytest.warns(DataWarning, match="8 of the 48 points coincide .* check the labels, or add a feature"):
        NTKClassifier(standardize=False, on_sphere="project").fit(scaled, np.concatenate([y, y[:8] + 1]))
    assert said_of(NTKClassifier(standardize=False), scaled, np.concatenate([y, y[:8] + 1])) == []
    assert said_of(NTKClassifier(), again, np.concatenate([y, y[:8], y[:4]])) == []
    assert said_of(NTKClassifier(), np.vstack([X, X[:2]]), np.concatenate([y, y[:2] + 1])) == []  # 2 of 42
    assert said_of(NTKRegressor(), again, labels) == []
