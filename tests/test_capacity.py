"""The search for the smallest width against a loop over all widths, and what it found against NumPy."""

import math

import jax
import numpy as np
import pytest

from tightwidth import activations, capacity, conversions, losses, network
from tightwidth.capacity import search, smallest_widths, smallest_widths_steps, tangent_width
from tightwidth.capacity_request import Budget, check_epochs, check_search_size, check_seeds, lane_bytes, widest
from tightwidth.capacity_result import Attempt, Capacity, smallest_of
from tightwidth.capacity_runs import Searching, Trainer
from tightwidth.errors import DataError, HypothesisError, InputError, MemoryEstimateError
from tightwidth.network import n_parameters
from tightwidth.padded_runs import Finished, Look, RunSpec, Shape, run_side_by_side
from tightwidth.precision import stepwise
from tightwidth.run_settings import weights_key
from tightwidth.sampling import random_points

M, D = 48, 8
RELU = activations.get("relu")
BUDGET = Budget(tangent=100, choice=25, finite=100, batch_size=16, finite_batch_size=16)


def finish(steps):
    """Return the events and the value of a generator."""
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


@pytest.fixture(scope="module")
def sample():
    """Return points in float64, where rounding does not decide which points a run updates on."""
    return random_points(M, D, seed=0, dtype=np.float64)


@pytest.fixture(scope="module")
def searched(sample):
    return finish(smallest_widths_steps(*sample, activation="relu", seeds=3, budget=BUDGET, seed=0))


@pytest.fixture(scope="module")
def found(searched):
    return searched[1]


def memorizes(net, X, y, B):
    """Return whether y h > 0 everywhere, by NumPy from the weights alone; at B = inf sum_i 1[<w_i, x> > 0] <V_i, x>."""
    if math.isinf(B):
        W, V = np.asarray(net.W_half), np.asarray(net.V)
        return bool((y * np.sum((X @ W.T > 0) * (X @ V.T), axis=1) > 0).all())
    plain = conversions.to_plain(net)
    W, u = np.asarray(plain.W), np.asarray(plain.u)
    return bool((y * (np.maximum(X @ W.T, 0) @ u) > 0).all())


class Oracle:
    """Stand in for the runs: q pairs are enough for a seed from a known number on."""

    NETWORK = network.init(weights_key(0), d=D, q=1, B=math.inf, activation=RELU)

    def __init__(self, needed):
        self.needed, self.runs = needed, []

    def run(self, _trainer, specs, _loss, what, _n_lanes, *, one_a_seed=True):
        yield Searching(what, 0, 1, ())
        assert one_a_seed
        self.runs += [(spec.seed, spec.q) for spec in specs]
        looks = [Look(1, float(spec.q >= self.needed[spec.seed]), 0.5, 0.0) for spec in specs]
        return [Finished("steps", 1, (look,), 0.5, self.NETWORK) for look in looks]


class TestBisection:
    @pytest.mark.parametrize("needed", [(1, 2, 3), (8, 9, 7), (30, 8, 1), (64, 63, 20), (13, 13, 13)])
    @pytest.mark.parametrize("m", [40, 64, 256])
    def test_against_trying_every_width(self, monkeypatch, needed, m):
        oracle = Oracle(dict(zip((5, 6, 7), needed, strict=True)))
        monkeypatch.setattr(Trainer, "run", lambda trainer, *args, **more: oracle.run(trainer, *args, **more))
        X, y = random_points(m, D, seed=0)
        events, smallest = finish(tangent_width(X, y, activation=RELU, seeds=(5, 6, 7)))
        slow = tuple(next(q for q in range(1, 1000) if q >= oracle.needed[seed]) for seed in (5, 6, 7))
        assert smallest.widths == slow == needed
        assert smallest.best.n_pairs == min(needed)
        assert smallest.networks == (Oracle.NETWORK,) * 3
        assert sum(len(event.attempts) for event in events) == len(smallest.attempts) == len(oracle.runs)
        assert len(oracle.runs) == len(set(oracle.runs)), "no width is tried twice"
        far = abs(math.log(max(needed) / math.ceil(m / D), 1.5)) + math.log2(max(*needed, m / D))
        assert len(oracle.runs) <= 3 * (far + 3)

    def test_where_it_gives_up(self, monkeypatch):
        oracle = Oracle({0: 10**9, 1: 4})
        monkeypatch.setattr(Trainer, "run", lambda trainer, *args, **more: oracle.run(trainer, *args, **more))
        X, y = random_points(M, D, seed=0)
        _, smallest = finish(tangent_width(X, y, activation=RELU, seeds=(0, 1)))
        assert smallest.widths == (None, 4)
        assert smallest.found == (4,)
        assert smallest.networks == (None, Oracle.NETWORK)
        tried = [q for seed, q in oracle.runs if seed == 0]
        assert 1.5 * max(tried) > 64 * M / D >= max(tried)

    def test_nothing_is_run_where_no_width_can(self, monkeypatch):
        oracle = Oracle({0: 1, 1: 1})
        monkeypatch.setattr(Trainer, "run", lambda trainer, *args, **more: oracle.run(trainer, *args, **more))
        X, y = random_points(M, D, seed=0)
        identity = activations.get("identity")
        events, smallest = finish(tangent_width(X, y, activation=identity, seeds=(0, 1)))
        assert (events, oracle.runs, smallest.widths, smallest.networks) == ([], [], (None, None), (None, None))
        events, found = finish(search(X, y, activation=identity, seeds=(0, 1)))
        assert (events, oracle.runs, found.choice, found.finite.widths) == ([], [], (), (None, None))
        y = np.where(X[:, 0] > 0, 1.0, -1.0)
        assert finish(tangent_width(X, y, activation=identity, seeds=(0, 1)))[1].widths == (1, 1)

    def test_the_tolerance_ends_it_before(self, monkeypatch):
        oracle = Oracle({0: 101})
        monkeypatch.setattr(Trainer, "run", lambda trainer, *args, **more: oracle.run(trainer, *args, **more))
        X, y = random_points(M, D, seed=0)
        _, smallest = finish(tangent_width(X, y, activation=RELU, seeds=(0,), tolerance=0.1))
        assert 101 <= smallest.widths[0] <= 112
        _, exact = finish(tangent_width(X, y, activation=RELU, seeds=(0,)))
        assert len(smallest.attempts) < len(exact.attempts)


class Lucky:
    """Stand in for the runs: long ones know what is needed, and so does one choosing run, if it is lucky."""

    def __init__(self, tangent, finite, is_lucky=True):
        self.tangent, self.finite, self.is_lucky, self.runs = tangent, finite, is_lucky, []

    def run(self, _trainer, specs, _loss, what, _n_lanes, *, one_a_seed=True):
        yield Searching(what, 0, 1, ())
        finished = []
        for spec in specs:
            needed = (self.tangent if math.isinf(spec.B) else self.finite)[spec.seed]
            enough = spec.q >= needed and (one_a_seed or (self.is_lucky and (spec.B, spec.learning_rate) == (0.1, 2.0)))
            form = "choice" if not one_a_seed else "tangent" if math.isinf(spec.B) else "finite"
            self.runs.append((form, spec.seed, spec.q))
            zeros = jax.device_put(np.zeros((spec.q, D), np.float32))
            own = network.Tangent(zeros, zeros, RELU)
            finished.append(Finished("steps", 1, (Look(1, 1.0 if enough else 0.5, 0.5, 0.0),), 0.5, own))
        return finished


class TestChoosingRuns:
    NARROW = 7  # 0.35 of the 20 pairs of the linear limit

    def searched(self, monkeypatch, lucky):
        monkeypatch.setattr(Trainer, "run", lambda trainer, *args, **more: lucky.run(trainer, *args, **more))
        events, found = finish(search(*random_points(M, D, seed=0), activation=RELU, seeds=(5, 6)))
        return [one for event in events for one in event.attempts], found

    @pytest.mark.parametrize("needed", [7, 6, 2, 1])
    def test_one_that_memorizes_everything_counts(self, monkeypatch, needed):
        lucky = Lucky({5: 20, 6: 20}, {5: needed, 6: 9})
        told, found = self.searched(monkeypatch, lucky)
        assert found.finite.widths == (needed, 9)
        assert [len(net.W_half) for net in found.finite.networks] == [needed, 9]
        assert ("finite", 5, self.NARROW) not in lucky.runs, "its width is not tried again"
        assert max(q for form, seed, q in lucky.runs if (form, seed) == ("finite", 5)) < self.NARROW
        assert found.finite.best.form == ("choice" if needed == self.NARROW else "finite")
        assert found.finite.best.n_pairs == needed
        counted = [run for run in found.finite.attempts if run.form == "choice"]
        assert [(run.output_scale, run.learning_rate, run.n_pairs) for run in counted] == [(0.1, 2.0, self.NARROW)]
        from_events = smallest_of("finite", found.seeds, tuple(told), ())
        assert (from_events.widths, from_events.best) == (found.finite.widths, found.finite.best)

    def test_one_that_does_not_counts_for_nothing(self, monkeypatch):
        lucky = Lucky({5: 20, 6: 20}, {5: 7, 6: 9}, is_lucky=False)
        _, found = self.searched(monkeypatch, lucky)
        assert found.finite.widths == (7, 9)
        assert ("finite", 5, self.NARROW) in lucky.runs
        assert {run.form for run in found.finite.attempts} == {"finite"}

    def test_it_counts_although_no_other_run_does(self, monkeypatch):
        lucky = Lucky({5: 20, 6: 20}, {5: 7, 6: 10**9})
        _, found = self.searched(monkeypatch, lucky)
        assert found.finite.widths == (7, None)
        assert found.finite.best.seed == 5
        assert found.parameters_per_sample == n_parameters(7, D) / M


class TestFound:
    @pytest.mark.slow
    def test_what_was_found_memorizes(self, sample, found):
        X, y = sample
        for smallest in (found.tangent, found.finite):
            assert len(smallest.found) == 3
            for q, net, seed in zip(smallest.widths, smallest.networks, found.seeds, strict=True):
                (run, *_) = [a for a in smallest.attempts if (a.seed, a.n_pairs) == (seed, q) and a.is_enough]
                assert len(net.W_half) == q
                assert memorizes(net, X, y, run.output_scale)
                wrong = y * np.where(np.arange(M) == 0, -1, 1)
                assert not memorizes(net, X, wrong, run.output_scale)

    @pytest.mark.slow
    def test_one_pair_less_was_not_enough(self, found):
        for smallest in (found.tangent, found.finite):
            for q, seed in zip(smallest.widths, found.seeds, strict=True):
                fewer = [a.fraction for a in smallest.attempts if (a.seed, a.n_pairs) == (seed, q - 1)]
                assert all(fraction < 1 for fraction in fewer)
                assert fewer or q == 1

    @pytest.mark.slow
    def test_the_linear_limit_against_a_run_at_every_width(self, sample, found):
        q, seed = found.tangent.widths[1], found.seeds[1]
        (X, y), enough = sample, []
        for width in range(1, q + 1):
            spec = RunSpec(X, y, width, math.inf, 1.0, BUDGET.n_steps("tangent", M), seed)
            running = stepwise(
                run_side_by_side(
                    [spec], Shape(M, D, 16, 3), activation=RELU, loss=losses.get("perceptron"), batch_size=16
                ),
                *sample,
            )
            enough.append(finish(running)[1][0].fraction == 1)
        assert q <= 16
        assert enough[-1]
        assert not enough[-2], "the slow loop finds the same edge"
        assert not enough[0]

    @pytest.mark.slow
    def test_fewer_pairs_at_a_finite_B_than_in_the_linear_limit(self, found):
        assert max(found.finite.found) < min(found.tangent.found)
        assert found.parameters_per_sample == n_parameters(min(found.finite.found), D) / M
        assert {a.output_scale for a in found.tangent.attempts} == {math.inf}
        chosen = {(a.output_scale, a.learning_rate) for a in found.finite.attempts}
        best = sorted((a.fraction for a in found.choice), reverse=True)[capacity.CANDIDATES - 1]
        for B, eta in chosen:
            assert any((a.output_scale, a.learning_rate) == (B, eta) and a.fraction >= best for a in found.choice)

    def test_the_events_tell_what_the_result_holds(self, searched):
        events, found = searched
        told = [one for event in events for one in event.attempts]
        finite = [one for one in found.finite.attempts if one.form == "finite"]
        assert sorted(told, key=repr) == sorted([*found.choice, *found.tangent.attempts, *finite], key=repr)
        assert all(0 <= event.done <= event.planned for event in events)
        for smallest in (found.tangent, found.finite):
            assert smallest_of(smallest.form, found.seeds, tuple(told), ()).widths == smallest.widths

    def test_runs_are_no_longer_than_the_budget(self, found):
        for runs in (found.tangent.attempts, found.choice, found.finite.attempts):
            assert max(a.n_steps for a in runs) == BUDGET.n_steps(runs[-1].form, M)

    def test_a_seed_that_has_a_width_lets_its_other_runs_be(self, found):
        left = [a for a in found.finite.attempts if a.fraction < 1 and a.n_steps < BUDGET.n_steps("finite", M)]
        assert left
        for a in left:
            assert any(b.is_enough and (b.seed, b.n_pairs) == (a.seed, a.n_pairs) for b in found.finite.attempts)


@pytest.mark.slow
def test_tanh_at_a_finite_B():
    X, y = random_points(16, 8, seed=1)
    budget = Budget(tangent=150, choice=5, finite=150, batch_size=16, finite_batch_size=16)
    found = smallest_widths(X, y, activation="tanh", seeds=1, budget=budget)
    (q,), (net,) = found.finite.widths, found.finite.networks
    assert net is not None
    plain = conversions.to_plain(net)
    assert len(plain.W) == 2 * (q or 0)
    assert (y * (np.tanh(X @ np.asarray(plain.W).T) @ np.asarray(plain.u)) > 0).all()


def test_no_width_is_found_in_a_budget_of_one_step(sample, monkeypatch):
    monkeypatch.setattr("tightwidth.capacity_request.WIDEST", 2)
    budget = Budget(tangent=1, batch_size=M)
    _, smallest = finish(stepwise(tangent_width(*sample, activation=RELU, seeds=(0, 1, 2), budget=budget), *sample))
    assert smallest.widths == (None,) * 3
    assert smallest.found == ()
    assert smallest.best is None
    assert {a.n_pairs for a in smallest.attempts} == {6, 9}
    empty = smallest_of("finite", (0, 1, 2), (), (None,) * 3)
    assert Capacity(M, D, (0, 1, 2), (), smallest, empty).parameters_per_sample is None


class TestRequest:
    def test_the_budget_in_proportion(self):
        usual = Budget()
        assert Budget.of_epochs(usual.finite) == usual
        assert Budget.of_epochs(3 * usual.finite) == Budget(3 * usual.tangent, 3 * usual.choice, 3 * usual.finite)
        assert min(vars(Budget.of_epochs(1)).values()) == 1
        assert check_epochs(500) == Budget.of_epochs(500)
        assert Budget(tangent=10, batch_size=64).n_steps("tangent", 100) == 16
        assert Budget(finite=10, finite_batch_size=25).n_steps("finite", 100) == 40

    def test_the_seeds(self):
        assert check_seeds(3, 7) == (7, 8, 9)

    @pytest.mark.parametrize("seeds", [0, -1, 1001, 2.0, True, "3"])
    def test_wrong_seeds(self, seeds):
        with pytest.raises(InputError, match=r"seeds=.* must be a whole number from 1 to 1000"):
            check_seeds(seeds, 0)

    def test_seeds_that_go_too_far(self, sample):
        with pytest.raises(InputError, match=r"seed=4294967294 and the 2 after it go beyond 4294967295"):
            smallest_widths(*sample, seed=2**32 - 2)

    @pytest.mark.parametrize("epochs", [0, 10**6 + 1, 1.5])
    def test_wrong_epochs(self, epochs):
        with pytest.raises(InputError, match=r"epochs=.* must be a whole number from 1 to 1000000; it is how long"):
            check_epochs(epochs)

    @pytest.mark.parametrize(
        ("budget", "text"),
        [
            (Budget(tangent=0), "budget.tangent=0 must be a whole number of epochs"),
            (Budget(choice=True), "budget.choice=True must be a whole number of epochs"),
            (Budget(finite=10**7), "budget.finite=10000000 must be a whole number of epochs"),
            (Budget(batch_size=-4), "budget.batch_size=-4 must be a whole number of points a step"),
        ],
    )
    def test_wrong_budgets(self, sample, budget, text):
        with pytest.raises(InputError, match=text):
            smallest_widths(*sample, budget=budget)

    def test_wrong_data(self, sample):
        X, y = sample
        with pytest.raises(DataError, match="give labels of both signs"):
            smallest_widths(X, np.ones(M))
        with pytest.raises(DataError, match="coincide on the sphere"):
            smallest_widths(np.concatenate([X, 2 * X[:1]]), np.append(y, -y[0]))
        with pytest.raises(HypothesisError, match="unbounded"):
            smallest_widths(X, y, activation="monomial_3")
        with pytest.raises(InputError, match="unknown activation 'rely'"):
            smallest_widths(X, y, activation="rely")

    def test_antipodes_that_one_of_the_forms_confuses(self, sample):
        X, y = sample
        with pytest.raises(DataError, match=r"have an antipode with the equal label .* the network of tanh is an odd"):
            smallest_widths(np.concatenate([X, -X[:1]]), np.append(y, y[0]), activation="tanh")

    def test_an_activation_with_which_no_width_can(self, sample):
        text = rf"with identity every network is a linear predictor, whatever its width, and none separates these {M} "
        with pytest.raises(DataError, match=text + rf"points in {D} dimensions: no width is to be found; take another"):
            smallest_widths(*sample, activation="identity")

    def test_memory_is_estimated_before(self, sample, monkeypatch):
        monkeypatch.setattr("tightwidth.memory.machine_memory", lambda: 1e8)
        text = rf"the search with 12 runs of {M} points in 8 dimensions side by side needs about .* fewer seeds"
        with pytest.raises(MemoryEstimateError, match=text):
            smallest_widths(*sample)

    def test_the_estimate_covers_the_arrays(self):
        m, d, q = 500, 40, 24
        arrays = 8 * (m * d + 2 * m * q + 4 * q * d)  # the sample, pre-activations in both precisions, and the weights
        assert arrays < lane_bytes(Shape(m, d, q, 1), 8, 64) < 10 * arrays
        check_search_size(m, d, 8, n_lanes=12, batch_size=64)

    def test_the_widest_is_what_fits(self, monkeypatch):
        assert widest(256, 8, 4, n_lanes=3, batch_size=64) == 64 * 32
        assert widest(8, 256, 4, n_lanes=3, batch_size=64) == 64
        most = 2 * 3 * lane_bytes(Shape(256, 8, 512, 3), 4, 64)
        monkeypatch.setattr("tightwidth.capacity_request.machine_memory", lambda: most)
        assert 512 <= widest(256, 8, 4, n_lanes=3, batch_size=64) < 2048


def test_an_attempt_is_enough_if_everything_is_memorized():
    attempt = Attempt("finite", 0, 5, 0.3, 1.0, 100, 1.0)
    assert attempt.is_enough
    assert not Attempt("finite", 0, 5, 0.3, 1.0, 100, 1 - 1e-6).is_enough


@pytest.mark.slow
def test_half_a_parameter_a_point():
    X, y = random_points(2048, 64, seed=0)
    found = smallest_widths(X, y)
    best = found.finite.best
    assert best is not None
    assert n_parameters(best.n_pairs, 64) / 2048 <= 0.5
    net = found.finite.networks[found.finite.widths.index(best.n_pairs)]
    assert memorizes(net, X.astype(np.float64), y, best.output_scale)
