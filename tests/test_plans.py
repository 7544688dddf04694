"""Plans: the rows are the theorems' and the certificates', and a plan runs as it is."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import certificate_oracles as oracle
import tightwidth as tw
from tightwidth import activations, calibration, memorizing_plans, plan_table, worst_case
from tightwidth.errors import HypothesisError, InputError
from tightwidth.reference_fit import LARGEST_FIT, ridge_fit
from tightwidth.sampling import random_points
from tightwidth.theorem_inputs import network_hypotheses
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm7_memorization as thm7

M, D = 96, 8


@pytest.fixture(scope="module")
def memorizing():
    return tw.plan(n_samples=M, n_features=D, loss="perceptron", epsilon=0.1, seed=3)


class TestMemorizing:
    @pytest.mark.slow
    def test_the_certified_row_is_that_of_the_run(self, memorizing):
        X, y = random_points(M, D, seed=3)
        row = memorizing.row("certified")
        assert memorizing.chosen == row
        result: Any = tw.memorize(X, y, loss="perceptron", epsilon=0.1, seed=3, plan=memorizing)
        ran = (result.n_pairs, result.n_steps_planned, result.batch_size, result.learning_rate)
        assert ran == (row.n_pairs, row.n_steps, row.batch_size, row.learning_rate)
        assert sum(row.terms.values()) == pytest.approx(0.1, rel=0.01)
        assert result.certified_fraction >= 0.9
        assert sum(row.terms.values()) == pytest.approx(1 - result.certified_fraction, rel=1e-6)
        assert row.output_scale == pytest.approx(result.sufficient_output_scale, rel=1e-6)

    @pytest.mark.slow
    def test_at_its_B_the_certificate_holds_at_finite_B(self, memorizing):
        X, y = random_points(M, D, seed=3)
        B = 1.01 * memorizing.row("certified").output_scale
        for scale, holds in ((B, True), (B / 100, False)):
            result = tw.memorize(
                X, y, loss="perceptron", epsilon=0.1, seed=3, plan=memorizing, output_scale=scale, target_fraction=0.5
            )
            assert (result.certified_fraction is not None) == holds

    @pytest.mark.slow
    def test_the_theorem_row_is_theorem_7(self, memorizing):
        X, y = random_points(M, D, seed=3)
        row, R = memorizing.row("theorem"), memorizing.R
        assert pytest.approx(math.sqrt(D * np.linalg.eigvalsh(X.astype(float).T @ X / M)[-1]), rel=1e-5) == R
        assert memorizing.lambda_min <= np.linalg.eigvalsh(oracle.relu_kernel(X))[0] * (1 + 1e-3)
        given = thm7.Hypotheses(M, D, R, 1.0, memorizing.lambda_min, 1.0)
        assert row.n_pairs == thm7.sufficient_pairs(given)
        assert sum(row.terms.values()) == pytest.approx(0.1, rel=1e-3)
        assert row.terms["linearisation"] == pytest.approx(0.01)  # what its B costs by Theorem 5
        network = network_hypotheses(
            activations.get("relu"),
            norm=math.sqrt(2 * np.linalg.solve(oracle.relu_kernel(X), y) @ y),
            d=D,
            R=R,
            L=1.0,
            best_loss=0.0,
        )
        size = {"q": row.n_pairs, "n_steps": row.n_steps, "batch_size": row.batch_size}
        cost = thm5.linearisation(network, learning_rate=row.learning_rate, B=row.output_scale, **size)
        assert cost.total == pytest.approx(0.01, rel=1e-2)
        assert row.n_pairs > 10 * memorizing.row("certified").n_pairs
        (change,) = [c for c in memorizing.changes if c.what == "epsilon 0.05"]
        assert (change.n_pairs, change.n_steps) == (row.n_pairs, pytest.approx(2 * row.n_steps, abs=1))

    @pytest.mark.slow
    def test_landmarks_and_costs(self, memorizing):
        assert memorizing.row("rank").n_pairs == math.ceil(M / D)
        assert memorizing.row("Cover").n_pairs == math.ceil(M / 2 / D)
        for row in memorizing.rows:
            assert row.n_parameters == 2 * row.n_pairs * (D + 1)
            assert row.fits
            if row.n_steps is not None:
                assert row.flops == 4 * row.batch_size * row.n_pairs * D * row.n_steps + 2 * M * row.n_pairs * D
                assert 0 < row.seconds < 3600
                assert row.learning_rate_network == pytest.approx(
                    row.learning_rate / (2 * row.n_pairs * row.output_scale**2)
                )
        widths = [q for q, _ in memorizing.frontier]
        assert widths == sorted(widths)
        assert memorizing.row("certified").n_pairs in widths

    @pytest.mark.slow
    def test_the_logistic_row_reaches_epsilon_with_its_own_comparator(self):
        """The share lost of the best multiple c of the interpolant, at the T and eta of the row, is what is left."""
        table: Any = tw.plan(n_samples=M, n_features=D, loss="logistic", epsilon=0.2, n_pairs=24, calibrated=False)
        X, y = random_points(M, D, seed=0)
        row, R = table.row("theorem"), table.R
        N = 2 * np.linalg.solve(oracle.relu_kernel(X), y) @ y
        G_squared = 1 / row.batch_size + (1 - 1 / row.batch_size) * R**2 / D
        cs, eta, T = np.linspace(0.01, 20, 4000), row.learning_rate, row.n_steps
        shares = (np.log1p(np.exp(-cs)) + cs**2 * N / (2 * eta * T) + eta * G_squared / 2) / math.log(2)
        assert shares.min() == pytest.approx(0.18, rel=1e-3)
        assert sum(row.terms.values()) == pytest.approx(0.2, rel=1e-3)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [4, 0])
    def test_a_run_of_a_loss_without_margins_keeps_the_certificate(self, seed):
        X, y = random_points(120, 8, seed=seed)
        table: Any = tw.plan(X, y, loss="absolute", seed=seed, calibrated=False)
        ran: Any = tw.memorize(X, y, loss="absolute", seed=seed, plan=table, target_fraction=0.5)
        assert ran.certified_fraction >= 0.95
        assert ran.certified_reason is None

    @pytest.mark.slow
    def test_a_plan_for_another_run_is_refused(self, memorizing):
        X, y = random_points(M, D, seed=3)
        right: Any = {"loss": "perceptron", "epsilon": 0.1, "seed": 3}
        for name, value in (("loss", "hinge"), ("epsilon", 0.05), ("seed", 0), ("activation", "tanh")):
            with pytest.raises(InputError, match=f"the plan is for {name}=.*; give {name}="):
                tw.memorize(X, y, plan=memorizing, **{**right, name: value})

    @pytest.mark.slow
    def test_a_width_may_be_given(self):
        table: Any = tw.plan(n_samples=M, n_features=D, n_pairs=40, calibrated=False)
        assert table.row("certified").n_pairs == 40
        assert table.row("certified").seconds is None

    @pytest.mark.slow
    def test_what_cannot_be_certified_leaves_the_theorem(self):
        table: Any = tw.plan(n_samples=M, n_features=D, n_pairs=1, calibrated=False)
        assert table.row("certified").n_steps is None
        assert table.row("theorem").n_steps is not None
        assert table.chosen is None  # the width was given: the theorem's is not run in its place
        with pytest.raises(InputError, match="the plan has no row with steps to run"):
            tw.memorize(*random_points(M, D, seed=0), plan=table)

    def test_of_more_points_than_are_drawn(self, monkeypatch):
        monkeypatch.setattr(worst_case, "SUBSAMPLES", (64, 128, 256))
        monkeypatch.setattr(memorizing_plans, "POINTS_FOR_MANY", 1024)
        table: Any = tw.plan(n_samples=10**6, n_features=20, calibrated=False)
        row = table.row("theorem")
        assert table.lambda_min_error > 0
        assert "extrapolated from subsamples" in row.rests_on
        assert 1 + math.sqrt(20 / 10**6) < table.R < 1.05
        given = thm7.Hypotheses(10**6, 20, table.R, 1.0, table.lambda_min, 1.0)
        assert row.n_pairs == thm7.sufficient_pairs(given)
        assert table.row("certified").rests_on.startswith("the weights of a seed are certified for up to 65,536 random")
        assert table.row("rank").n_pairs == 50_000

    def test_the_time_is_that_of_kept_gates_where_they_fit(self, monkeypatch):
        seconds = calibration.SecondsAStep(kept=(1.0, 0.0), anew=(5.0, 1.0))
        size: Any = {"m": 100, "d": 4, "q": 7, "n_steps": 10, "batch_size": 2, "seconds_a_step": seconds}
        assert plan_table.row_of("theorem", "", **size).seconds == 10
        assert plan_table.row_of("theorem", "", **{**size, "m": 0}).seconds == 120  # a stream keeps none
        monkeypatch.setattr(plan_table, "fits", lambda _, share=1.0: share == 1.0)
        assert plan_table.row_of("theorem", "", **size).seconds == 120


class TestLearning:
    def test_more_than_can_be_counted_empties_the_row_and_not_the_plan(self):
        table: Any = tw.plan(goal="learn", n_features=5, norm=1e12, calibrated=False)
        assert table.row("theorem").n_steps is None
        assert "epsilon=0.045 at norm 1e+12 asks for more than 1e+18 pairs" in table.row("theorem").rests_on
        assert table.chosen is None

    def test_from_numbers_it_is_theorem_5(self):
        table: Any = tw.plan(
            goal="learn",
            n_features=20,
            norm=3.0,
            R=1.4,
            epsilon=0.2,
            activation="tanh",
            loss="logistic",
            batch_size=4,
            calibrated=False,
        )
        given = network_hypotheses(activations.get("tanh"), norm=3.0, d=20, R=1.4, L=1.0, best_loss=math.log(2))
        assert given.second_moment == pytest.approx(0.394294, abs=1e-6)
        assert pytest.approx(4 / 3**1.5, rel=1e-6) == given.H
        assert (given.C, given.jumps, given.value_at_0) == (1, 0, 0)
        sized, row = thm5.sizing(given, epsilon=0.2, batch_size=4), table.row("theorem")
        assert (row.n_pairs, row.n_steps, row.output_scale) == (sized.q, sized.n_steps, sized.B)
        assert row.terms == sized.bound.terms
        assert table.row("limit").n_pairs < row.n_pairs
        assert table.row("lower bound").n_parameters >= 9
        assert table.chosen == row
        changed = {change.what.split()[0]: change for change in table.changes}
        again = thm5.sizing(replace(given, norm=6.0), epsilon=0.2, batch_size=4)
        assert (changed["norm"].n_pairs, changed["norm"].n_steps) == (again.q, again.n_steps)
        steps = [T for _, T in table.frontier]
        assert steps == sorted(steps, reverse=True)

    @pytest.mark.slow
    def test_from_data_the_norm_is_that_of_a_fit(self):
        rng = np.random.default_rng(0)
        X = oracle.sphere(rng, 200, 6)
        y = np.sign(X[:, 0] + 0.3 * rng.standard_normal(200))
        table: Any = tw.plan(X, y, goal="learn", epsilon=0.4, calibrated=False)
        K = oracle.relu_kernel(X)
        candidates = []
        held, kept = np.split(np.random.default_rng(0).permutation(200), [40])
        for ridge in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
            part = np.linalg.solve(K[np.ix_(kept, kept)] + 0.5 * ridge * np.eye(160), y[kept])
            alpha = np.linalg.solve(K + 0.5 * ridge * np.eye(200), y)
            unseen = np.maximum(0, 1 - y[held] * (K[np.ix_(held, kept)] @ part)).mean()
            candidates.append((unseen, math.sqrt(alpha @ K @ alpha), np.maximum(0, 1 - y * (K @ alpha)).mean()))
        _, norm, loss = min(candidates)
        assert (table.norm, table.residual_loss) == (pytest.approx(norm, rel=1e-6), pytest.approx(loss, rel=1e-6))
        assert table.norm_error is None
        given: Any = tw.plan(X, y, goal="learn", norm=0.8 * norm, epsilon=0.1, calibrated=False, n_pairs=12)
        assert given.norm == 0.8 * norm
        shorter = []
        for ridge in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
            alpha = np.linalg.solve(K + 0.5 * ridge * np.eye(200), y)
            scale = min(1, 0.8 * norm / math.sqrt(alpha @ K @ alpha))
            shorter.append(np.maximum(0, 1 - y * (scale * K @ alpha)).mean())
        assert given.residual_loss == pytest.approx(min(shorter), rel=1e-6)
        assert given.row("certified").n_pairs == 12
        assert given.search_ended == "the width was given"

    @pytest.mark.slow
    def test_the_certified_row_bounds_the_loss_of_runs(self):
        """The mean loss of the iterates, less what is promised, is negative by 5 standard errors over 12 plans."""
        rng = np.random.default_rng(5)
        X = oracle.sphere(rng, 150, 5)
        y = np.sign(X[:, 0] + 0.5 * rng.standard_normal(150))
        kept, promised = [], []
        for seed in range(12):
            table: Any = tw.plan(X, y, goal="learn", epsilon=0.15, loss="logistic", seed=seed, calibrated=False)
            row = table.row("certified")
            assert table.chosen == row
            assert 0.14 < sum(row.terms.values()) <= 0.15  # whole steps
            ran: Any = tw.memorize(X, y, loss="logistic", seed=seed, plan=table)
            assert ran.n_steps == row.n_steps
            kept.append(ran.mean_online_loss)
            promised.append(table.residual_loss + sum(row.terms.values()))
        room = np.subtract(promised, kept)
        assert room.mean() > 5 * room.std(ddof=1) / math.sqrt(12)
        assert np.max(promised) < math.log(2)  # the loss of the prediction 0: the promise says something
        assert room.mean() < 0.5 * math.log(2)  # and half of it would be too much

    def test_nothing_is_promised_that_the_prediction_0_does(self):
        rng = np.random.default_rng(0)
        X = oracle.sphere(rng, 60, 8)
        table: Any = tw.plan(X, rng.choice([-1.0, 1.0], 60), goal="learn", norm=0.5, epsilon=0.3, calibrated=False)
        assert table.row("certified").rests_on.startswith("nothing is left to learn: the prediction 0 has loss 1, and")
        assert table.chosen == table.row("theorem")

    @pytest.mark.slow
    def test_many_points_are_subsampled_and_the_range_is_told(self, monkeypatch):
        monkeypatch.setattr("tightwidth.reference_fit.LARGEST_FIT", 80)
        assert LARGEST_FIT > 80
        rng = np.random.default_rng(1)
        X = oracle.sphere(rng, 400, 6)
        y = np.sign(X[:, 0])
        fit = ridge_fit(X, y, activations.get("relu"), tw.losses.get("hinge"), seed=0)
        assert fit.norm_error is not None
        assert 0 < fit.norm_error < fit.norm
        assert 0 < fit.loss < 1  # counted on all the points


def test_a_plan_beyond_the_memory_is_shown_and_marked(monkeypatch):
    monkeypatch.setattr(plan_table, "fits", lambda n_bytes, *_: n_bytes < 2e8)
    table: Any = tw.plan(goal="learn", n_features=1000, norm=300.0, epsilon=0.1, calibrated=False)
    assert not table.row("theorem").fits
    assert table.row("theorem").memory_bytes > 2e8
    assert table.row("theorem").n_steps > 0


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"goal": "learn", "norm": 3.0}, InputError, "n_features is missing: to learn without data, give n_features"),
        ({"goal": "learn", "n_features": 5}, InputError, "norm is missing"),
        (
            {"n_features": 5},
            InputError,
            "n_samples is missing: to memorize without data, give n_features",
        ),
        ({"n_features": 5, "n_samples": 9, "norm": 2.0}, InputError, "norm=2.0 is measured from random points here"),
        (
            {"n_features": 0, "norm": 1.0, "goal": "learn"},
            InputError,
            "n_features=0 must be a whole number of",
        ),
        ({"n_features": 5, "norm": -1.0, "goal": "learn"}, HypothesisError, "norm=-1 must be positive and finite"),
        ({"n_features": 5, "norm": 1.0, "R": 3.0, "goal": "learn"}, HypothesisError, r"R=3 must lie in \[1, sqrt\(d\)"),
        ({"n_features": 5, "n_samples": 9, "epsilon": 1.5}, InputError, "epsilon=1.5 must be strictly between 0 and 1"),
        ({"n_features": 5, "n_samples": 9, "loss": "squared"}, HypothesisError, "loss 'squared' is not Lipschitz"),
        ({"n_features": 5, "n_samples": 9, "activation": "square"}, HypothesisError, "'square' is not decent"),
        ({"goal": "learn", "n_features": 5, "norm": 1.0, "n_pairs": 3}, InputError, "n_pairs=3 is certified on data"),
        (
            {"goal": "learn", "n_features": 5, "norm": 1.0, "loss": "perceptron"},
            InputError,
            "loss='perceptron' is 0 at the prediction 0 already",
        ),
        ({"goal": "learn", "n_features": 5, "norm": 1.0, "n_samples": 9}, InputError, "n_samples=9 has no use in"),
        ({"goal": "learn", "n_features": 5, "norm": 1e200}, HypothesisError, r"norm=1e\+200 is beyond 1e\+100"),
        ({"goal": "learn", "n_features": 5, "norm": 1.0, "R": 0.0}, HypothesisError, r"R=0 must lie in \[1, sqrt"),
        ({"n_features": 5, "n_samples": 10**5, "n_pairs": 7}, InputError, "n_pairs=7 is certified for up to 65,536"),
        ({"X": np.eye(3)}, InputError, "X is given without y; give both, or numbers"),
        ({"X": np.eye(3), "y": np.array([1, 2, 3.0])}, tw.DataError, "memorizing needs labels"),
        ({"X": np.eye(3), "y": np.array([1, -1, 1.0]), "R": 1.0}, InputError, "R=1.0 is measured from the data here"),
    ],
)
def test_what_a_plan_refuses(given, error, text):
    with pytest.raises(error, match=text):
        tw.plan(**given, calibrated=False)
