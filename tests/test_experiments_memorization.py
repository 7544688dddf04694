"""Cells of memorization, of the smallest width, of finite B and of other methods, against what shares no code."""

import math
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

import tightwidth as tw
from tightwidth import experiments
from tightwidth.experiments.baselines import METHODS, BaselineConfig, count_parameters
from tightwidth.experiments.finite_scale import ScaleConfig
from tightwidth.experiments.linear_optimisation import separated_share
from tightwidth.experiments.memorization import MemorizationConfig, label_norm_squared
from tightwidth.experiments.samples import random_labels_on, sphere_points
from tightwidth.experiments.smallest_width import WidthConfig
from tightwidth.run_settings import weights_key


def run(name: str, configs: list[Any]) -> list[dict[str, Any]]:
    found = dict(experiments.get(name).run(configs))
    return [found[place] for place in range(len(configs))]


class TestMemorization:
    @pytest.mark.slow
    def test_a_cell_is_what_memorize_does(self):
        config = MemorizationConfig(n_samples=60, n_features=6, n_pairs=20, batch_size=8, n_epochs=40, seed=3)
        (values,) = run("memorization", [config])
        X, y = random_labels_on("sphere", 60, 6, 3)
        result = tw.memorize(X, y, n_pairs=20, n_steps=300, batch_size=8, learning_rate=1.0, loss="perceptron", seed=3)
        assert values["fraction"] == result.fraction_memorized_last
        assert values["fraction_mean"] == pytest.approx(result.fraction_memorized_mean, abs=1e-5)
        assert (values["ended"], values["n_steps"]) == (result.stopped, result.n_steps)
        assert values["n_parameters"] == result.n_parameters

    @pytest.mark.slow
    def test_company_changes_nothing(self):
        configs = [
            MemorizationConfig(n_samples=60, n_features=d, n_pairs=q, batch_size=8, n_epochs=20, seed=seed)
            for d, q, seed in [(6, 20, 0), (5, 17, 1), (6, 24, 2), (5, 18, 0), (6, 20, 1)]
        ]
        assert len({experiments.get("memorization").group(config) for config in configs}) == 1
        together, reversed_ = run("memorization", configs), run("memorization", configs[::-1])[::-1]
        for config, one, other in zip(configs, together, reversed_, strict=True):
            (alone,) = run("memorization", [config])
            for key in ("fraction", "n_steps", "ended", "steps_to_0.2", "look_steps"):
                assert one[key] == other[key] == alone[key], key
            assert one["fraction_mean"] == pytest.approx(alone["fraction_mean"], abs=1e-6)

    def test_ratios_name_sizes(self):
        config = MemorizationConfig(n_samples=100, samples_per_feature=8, density=2)
        assert config.shape == (100, 12, 17)
        assert MemorizationConfig(n_samples=100, n_features=10).shape == (100, 10, 20)
        assert MemorizationConfig(n_samples=100, inputs="digits").shape == (100, 64, 3)

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            (
                {"n_features": 5, "samples_per_feature": 10.0},
                "n_features = 5 and samples_per_feature = 10 differ; give one",
            ),
            ({"n_pairs": 5, "density": 1.0}, "n_pairs = 5 and density = 1 differ; give one"),
            ({"inputs": "digits", "n_features": 5}, "digits has its own 64 features; leave n_features out"),
            ({"inputs": "wine", "n_samples": 500}, "n_samples=500 exceeds the 178 rows of wine; give at most 178"),
            ({"inputs": "mnist"}, "inputs 'mnist' are unknown; known: sphere, digits, breast_cancer, wine"),
            ({"activation": "square"}, "square"),
            ({"loss": "zero_one"}, "zero_one"),
            ({"n_epochs": math.inf}, "n_epochs\n.*less than or equal to 16777216"),
            ({"density": math.inf}, "density\n.*less than or equal to 16777216"),
            ({"samples_per_feature": 1e-320}, "samples_per_feature\n.*greater than or equal to 0.0000000596"),
            ({"learning_rate": math.inf}, "learning_rate\n.*finite number"),
            ({"n_features": 1, "density": 1e6}, "q = 100,000,000 exceeds 16,777,216; take smaller sizes"),
            ({"n_samples": 2**22, "n_epochs": 1e6}, "T = 65,536,000,000 exceeds 2,147,483,647; .* or fewer epochs"),
            ({"points": 3}, "Extra inputs are not permitted"),
        ],
    )
    def test_what_is_refused(self, fields, text):
        with pytest.raises(ValidationError, match=text):
            MemorizationConfig(**{"n_samples": 100} | fields)

    def test_the_rate_is_that_of_the_theorem(self):
        relu, tanh = map(tw.activations.get, ("relu", "tanh"))
        config = MemorizationConfig(n_samples=100, n_features=10, loss="hinge", batch_size=4, epsilon=0.1)
        assert config.rate(relu) == pytest.approx(0.1 / (1 / 4 + 3 / 4 / 10))
        assert config.rate(tanh) == pytest.approx(0.1 / (1 / 4 + 3 / 4 / 10) / tanh.C**2)
        assert MemorizationConfig().rate(relu) == 1.0
        assert MemorizationConfig(learning_rate=3.0).rate(relu) == 3.0

    def test_the_norm_of_labels(self):
        config = MemorizationConfig(n_samples=30, n_features=5, n_pairs=40, seed=2)
        X, y = random_labels_on("sphere", 30, 5, 2)
        W = np.asarray(tw.network.draw_W_half(weights_key(2), 40, 5))
        Psi = np.stack([(w @ x > 0) * x for x in X for w in W]).reshape(30, 200) / math.sqrt(40)
        # the shortest v with <v, Psi(x_i)> = y_i
        shortest = np.linalg.lstsq(Psi, y, rcond=None)[0]
        assert label_norm_squared(config) == pytest.approx(float(shortest @ shortest), rel=1e-4)
        assert label_norm_squared(MemorizationConfig(n_samples=30, n_features=5, n_pairs=2, seed=2)) is None


def test_samples_are_on_the_sphere_and_nested():
    X = sphere_points(50, 7, seed=1)
    assert np.allclose(np.linalg.norm(X, axis=1), 1, atol=1e-6)
    assert (X[:20] == sphere_points(20, 7, seed=1)).all()
    assert abs(sphere_points(4000, 7, seed=2).mean(axis=0)).max() < 5 / math.sqrt(4000 * 7)


@pytest.mark.slow
def test_the_smallest_width_memorizes_and_the_next_tried_below_does_not():
    (values,) = run(
        "smallest_width", [WidthConfig(n_samples=64, n_features=8, n_epochs=200, batch_size=16, tolerance=0)]
    )
    tried = dict(zip(values["tried"], values["fractions"], strict=True))
    q = values["n_pairs"]
    assert tried[q] == 1.0
    assert tried[q - 1] < 1.0
    assert values["n_parameters"] == 2 * q * 9


@pytest.mark.slow
def test_finite_scale_is_what_memorize_does():
    config = ScaleConfig(n_samples=40, n_features=5, n_pairs=12, output_scale=2.0, batch_size=8, n_epochs=30, seed=4)
    (values,) = run("finite_scale", [config])
    X, y = random_labels_on("sphere", 40, 5, 4)
    result = tw.memorize(
        X, y, n_pairs=12, output_scale=2.0, n_steps=150, batch_size=8, learning_rate=4.0, loss="hinge", seed=4
    )
    assert values["fraction"] == result.fraction_memorized_last
    assert result.laziness is not None
    assert values["share_flipped"] == pytest.approx(result.laziness.share_flipped, abs=0.01)
    plain = config.model_copy(update={"form": "plain"})
    assert run("finite_scale", [plain])[0]["fraction"] == pytest.approx(values["fraction"], abs=0.05)
    assert run("finite_scale", [plain])[0]["share_flipped"] is None


class TestBaselines:
    SIZE: ClassVar[dict[str, int]] = {"n_samples": 48, "n_features": 5, "n_pairs": 8, "batch_size": 8, "n_epochs": 10}

    @pytest.mark.slow
    @pytest.mark.parametrize("method", METHODS)
    def test_company_changes_nothing(self, method):
        configs = [
            BaselineConfig(method=method, learning_rate=rate, seed=s, **self.SIZE)
            for rate in (0.1, 0.5)
            for s in (0, 1)
        ]
        together = run("baselines", configs)
        (alone,) = run("baselines", configs[2:3])
        assert alone["fraction"] == together[2]["fraction"]
        assert all(0.3 <= values["fraction"] <= 1 for values in together)

    def test_parameters_are_counted(self):
        counts = {method: count_parameters(BaselineConfig(method=method, **self.SIZE)) for method in METHODS}
        both_layers, gates = 16 * 6, 2 * 16 * 5
        assert counts == {
            "zero_outputs": both_layers,
            "xavier": both_layers,
            "linear_optimisation": both_layers,
            "decoupled_gating": gates,
            "quadratic": both_layers,
            "frozen_features": both_layers,
            "linear": 5,
        }

    @pytest.mark.slow
    def test_a_run_that_diverges_has_no_share(self):
        config = BaselineConfig(method="quadratic", learning_rate=1e6, seed=0, **self.SIZE)
        assert run("baselines", [config])[0]["fraction"] is None


class TestLinearOptimisation:
    def test_separable_points_are_separated(self):
        rng = np.random.default_rng(0)
        X, W = rng.standard_normal((60, 6)), rng.standard_normal((20, 6))
        gates = (X @ W.T > 0).astype(float)  # 120 columns for 60 points
        assert separated_share(X, np.where(rng.random(60) < 0.5, -1.0, 1.0), gates) == 1.0

    def test_others_are_not(self):
        X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        assert separated_share(X, np.array([1.0, -1.0, 1.0]), np.ones((3, 1))) < 1
