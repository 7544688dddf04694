"""The plan: the width with the least certified work, and T, b and eta with it, or why there is none."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.optimize import minimize

import certificate_oracles as oracle
from tightwidth import activations, losses, network, planning, run_settings, sphere, width_search
from tightwidth.planning import Plan
from tightwidth.precision import stepwise
from tightwidth.run_settings import Settings
from tightwidth.width_search import Trial

M, D = 64, 8


def sample(m=M, d=D, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return oracle.sphere(rng, m, d).astype(dtype), rng.choice([-1.0, 1.0], m).astype(dtype)


def settings(**changes):
    given = {"activation": "relu", "loss": "hinge", "epsilon": 0.05, "output_scale": math.inf, "seed": 0, **changes}
    given["activation"], given["loss"] = activations.get(given["activation"]), losses.get(given["loss"])
    return Settings(**given)


def planned(X, y, **changes) -> tuple[Plan, list[Trial]]:
    """Return the plan, and the widths that were reported on the way."""
    steps = stepwise(planning.plan_memorization(X, y, settings(**changes), R=sphere.R_of_sample(X)), X)
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


@pytest.fixture(scope="module")
def random_points():
    """The plan for random points, m=1024 in d=32 dimensions."""
    return planned(*sample(1024, 32))


class TestSearch:
    @pytest.mark.slow
    def test_the_width_is_near_twice_the_number_of_points(self, random_points):
        plan, _ = random_points
        assert 1.2 * 1024 <= plan.n_pairs * 32 <= 2.6 * 1024
        assert plan.not_certified is None
        assert plan.search_ended.startswith(f"the certified work q T is least at {plan.n_pairs} pairs")

    @pytest.mark.slow
    def test_the_chosen_width_has_the_least_certified_work_of_those_tried(self, random_points):
        plan, seen = random_points
        assert {trial.n_pairs for trial in seen} == {trial.n_pairs for trial in plan.trials}
        widths = [trial.n_pairs for trial in plan.trials]
        assert widths == sorted(set(widths))
        chosen = next(trial for trial in plan.trials if trial.n_pairs == plan.n_pairs)
        assert chosen.work == plan.n_pairs * plan.n_steps == min(trial.work for trial in plan.trials)
        place = widths.index(plan.n_pairs)  # with a wider and a narrower one beside it, on a grid of ratio about 1.25
        assert 0 < place < len(widths) - 1
        for wider, narrower in zip(widths[1:], widths, strict=False):
            assert 1.15 < wider / narrower < 1.4

    def test_a_linear_activation_stops_with_its_rank(self):
        plan, seen = planned(*sample(), activation="identity")
        assert [trial.n_pairs for trial in seen] == [1]
        assert plan.search_ended == (
            "sigma' is constant: the predictor is linear, its kernel has rank at most d=8 at every width"
        )
        assert plan.not_certified == (
            "not certified at this epsilon: no vector found in the embedding has a loss below epsilon=0.05"
        )

    @pytest.mark.slow
    def test_a_sample_that_no_width_can_certify(self, monkeypatch):
        X, y = sample()
        X[1], y[1] = X[0], -y[0]  # whatever v is, the two losses add up to 2
        plan, _ = planned(X, y, epsilon=0.01)
        assert plan.search_ended == (
            "no width up to 25 pairs was certified for epsilon=0.01, and wider ones come no nearer"
        )
        assert plan.certified_steps is None
        assert max(trial.n_pairs for trial in plan.trials) > 2 * M / D
        monkeypatch.setattr(width_search, "fits", lambda _: False)
        assert planned(X, y, epsilon=0.01)[0].search_ended == "networks wider than 16 pairs do not fit in memory"
        monkeypatch.setattr(width_search, "WIDEST", 2.0)
        assert planned(X, y, epsilon=0.01)[0].search_ended == (
            "the widest network of the search was reached at 16 pairs"
        )

    @pytest.mark.slow
    def test_a_small_sample_is_not_given_up_while_its_points_are_dead(self):
        X, y = np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([1.0, -1.0])
        for seed in range(2):
            assert planned(X, y, seed=seed, loss="perceptron")[0].certified_steps is not None

    def test_a_loss_without_certificate_takes_twice_the_number_of_points(self):
        plan, seen = planned(*sample(), loss="squared")
        assert (plan.n_pairs, seen) == (16, [])
        assert plan.search_ended == "the squared loss admits no certificate: q d = 2 m"
        assert plan.not_certified == "the squared loss is not Lipschitz"
        assert 0 < plan.learning_rate <= 1 / plan.certificate.spread.top


class TestClimb:
    """A given width is led to along the rungs of the search, and its certificate is that of the search."""

    @pytest.mark.parametrize(
        ("labels", "side"),
        [
            pytest.param("of a halfspace", -1, id="below the foot"),
            pytest.param("random", 1, id="above it", marks=pytest.mark.slow),
        ],
    )
    def test_it_ends_where_the_search_did(self, labels, side):
        X, y = sample(192, 12)
        y = y if labels == "random" else np.sign(X[:, 0])
        found, _ = planned(X, y)
        foot = width_search.first_width(192, 12)
        assert found.certified_steps is not None
        assert side * (found.n_pairs - foot) > 0
        again, seen = planned(X, y, n_pairs=found.n_pairs)
        assert (again.n_steps, again.learning_rate) == (found.n_steps, found.learning_rate)
        np.testing.assert_array_equal(again.certificate.comparators.loss, found.certificate.comparators.loss)
        np.testing.assert_array_equal(
            again.certificate.comparators.norm_squared, found.certificate.comparators.norm_squared
        )
        assert [seen[0].n_pairs, seen[-1].n_pairs] == [foot, found.n_pairs]

    @pytest.mark.slow
    def test_between_two_rungs_it_is_one_step_from_the_nearer_one(self):
        X, y = sample()
        _, seen = planned(X, y, n_pairs=14)
        assert [trial.n_pairs for trial in seen] == [16, 14]
        _, seen = planned(X, y, n_pairs=90)  # the foot has a certificate: from there it is one step
        assert [trial.n_pairs for trial in seen] == [16, 90]
        _, seen = planned(X, y, n_pairs=1)  # down to the first rung without one
        assert [trial.is_certified for trial in seen] == [True] * (len(seen) - 2) + [False, False]

    @pytest.mark.slow
    def test_where_no_vector_is_handed_on_there_is_no_ladder(self, monkeypatch):
        X, y = sample()
        assert planned(X, y, n_pairs=9, loss="absolute")[1] == []
        assert [trial.n_pairs for trial in planned(X, y, n_pairs=3, activation="identity")[1]] == [3]
        monkeypatch.setattr(width_search, "MOST_POINTS_CLIMBED", M - 1)
        assert planned(X, y, n_pairs=9)[1] == []


class TestNumbers:
    @pytest.mark.parametrize(
        ("m", "d", "R"), [(64, 8, 1.2), (1024, 32, 1.18), (10, 400, 1.0), (50, 3, 1.7), (9, 2, 1.4)]
    )
    def test_automatic_batch_size(self, m, d, R):
        powers = [2**k for k in range(12) if 2**k >= d / R**2]
        assert planning.automatic_batch_size(m, d, R) == min(powers[0], m)

    @pytest.mark.parametrize("loss", ["hinge", "perceptron"])
    def test_steps_and_rate_are_those_of_the_certificate(self, loss):
        plan, _ = planned(*sample(), loss=loss, n_pairs=16)
        sized = plan.certificate.size(0.05)
        assert sized is not None
        assert (plan.n_steps, plan.learning_rate) == (sized.n_steps, sized.learning_rate)
        assert plan.certified_steps == plan.n_steps
        assert plan.certificate.fraction(plan.n_steps, plan.learning_rate) >= 0.95 - 1e-9

    def test_given_numbers_are_respected(self):
        plan, seen = planned(*sample(), n_pairs=16, n_steps=1000, learning_rate=0.3, batch_size=3)
        assert [trial.n_pairs for trial in seen] == [16]  # q d = 2 m: the foot of the ladder
        assert (plan.n_pairs, plan.n_steps, plan.learning_rate, plan.batch_size) == (16, 1000, 0.3, 3)
        assert plan.search_ended == "the width was given"
        assert [trial.n_pairs for trial in plan.trials] == [16]
        assert plan.not_certified == (
            f"not certified at this epsilon: that takes {plan.certified_steps} steps, and 1000 were asked for"
        )
        assert planned(*sample(), n_pairs=16, n_steps=10**7)[0].not_certified is None
        free = planned(*sample(), n_pairs=16, n_steps=1000)[0]
        assert free.learning_rate == free.certificate.best_rate(1000)

    def test_beyond_the_budget_the_steps_are_those_of_the_perceptron(self, monkeypatch):
        X, y = sample()
        within = planned(X, y, n_pairs=16)[0]
        monkeypatch.setattr(planning, "STEP_BUDGET", within.n_steps // 2)
        beyond = planned(X, y, n_pairs=16)[0]
        assert beyond.n_steps == math.ceil(0.05 * within.n_steps)
        assert beyond.certified_steps == within.n_steps
        assert beyond.not_certified == (
            f"not certified at this epsilon: that takes {within.n_steps} steps, and the budget is {within.n_steps // 2}"
        )
        monkeypatch.setattr(planning, "STEP_BUDGET", 50)
        assert planned(X, y, n_pairs=16)[0].n_steps == 50
        assert planned(X, y, n_pairs=16, loss="perceptron")[0].n_steps == 50


class TestCertificate:
    """What a plan certifies with exists: at the weights of its seed, and by no vector that is better than possible."""

    @pytest.mark.parametrize("loss", ["hinge", "logistic"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_of_the_weights_that_the_seed_draws(self, loss, dtype):
        X, y = sample(dtype=dtype)
        plan, _ = planned(X, y, n_pairs=16, seed=5, loss=loss)
        W = np.asarray(network.draw_W_half(run_settings.weights_key(5), 16, D))
        Psi = oracle.features(X, W, "relu")
        mean, largest, top = oracle.spread(Psi @ Psi.T)
        spread = plan.certificate.spread
        assert spread.mean_diagonal == pytest.approx(mean, rel=1e-6)
        assert spread.max_diagonal == pytest.approx(largest, rel=1e-6)
        assert top * (1 - 1e-6) <= spread.top <= top * 1.2
        found = plan.certificate.comparators
        for C in (0.05, 1.0, 20.0):

            def objective(v, C=C):
                h = Psi @ v
                slope = oracle.SLOPE[loss](h, y.astype(np.float64))
                return v @ v / 2 + C * oracle.LOSS[loss](h, y).sum(), v + C * slope @ Psi

            if loss == "hinge":
                least = oracle.soft_margin(Psi, y.astype(np.float64), C)[1]
            else:
                least = minimize(objective, np.zeros(Psi.shape[1]), jac=True, options={"gtol": 1e-8}).fun
            value = found.norm_squared / 2 + C * M * found.loss
            assert value.min() >= least * (1 - 1e-6)
            if C == 1.0:
                assert value.min() <= 1.3 * least  # and one of them comes near
        if loss == "hinge":
            hard = 2 * oracle.soft_margin(Psi, y.astype(np.float64), np.inf)[1]
            assert found.separating_norm_squared is not None
            assert hard * (1 - 1e-6) <= found.separating_norm_squared <= 1.1 * hard

    def test_another_seed_is_another_certificate(self):
        one, other = (planned(*sample(), n_pairs=16, seed=seed)[0].certificate.spread for seed in (0, 1))
        assert dataclasses.astuple(one) != dataclasses.astuple(other)
