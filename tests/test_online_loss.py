"""The interval from the minibatch losses: its inequality to the last digit, its coverage in simulated runs of SGD.

The simulation is NumPy on a finite set that is D itself, so that the expected loss of every iterate is known exactly.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from tightwidth import online_loss
from tightwidth.errors import InputError
from tightwidth.online_loss import Interval, OnlineLoss, largest_loss, radius

RISK = 1e-6  # that a test fails by chance, given what it claims
N_RUNS = 1000
N_CHECKS = 10  # of simulated runs in this file, at most, that share the risk


@dataclass(frozen=True)
class Runs:
    """What many runs saw, X, and the expected loss of their iterates, mu; one column a run."""

    X: np.ndarray
    mu: np.ndarray
    upper: float


@cache
def sgd(eta, b, T, seed) -> tuple[Runs, Runs]:
    """Return the mistakes and the hinge losses of runs of SGD on one random embedding of 24 points of the circle."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 24)
    points, W = np.stack([np.cos(angle), np.sin(angle)], axis=1), rng.standard_normal((8, 2))
    y = np.where(np.cos(3 * angle) > 0, 1.0, -1.0)
    y[:2] *= -1  # two labels are wrong, and mistakes never end
    Psi = (np.where(points @ W.T > 0, 1.0, 0.0)[:, :, None] * points[:, None, :] / math.sqrt(8)).reshape(24, 16)
    K, h, seen = Psi @ Psi.T, np.zeros((N_RUNS, 24)), []
    for _ in range(T):
        rows = rng.integers(0, 24, (N_RUNS, b))
        wrong, hinge = np.where(y * h <= 0, 1.0, 0.0), np.where(y * h < 1, 1 - y * h, 0.0)
        seen.append([values for loss in (wrong, hinge) for values in (_mean_at(loss, rows), loss.mean(axis=1))])
        slopes = np.where(np.take_along_axis(y * h, rows, 1) < 1, -y[rows], 0.0) / b
        h = h - eta * np.einsum("rb,rbm->rm", slopes, K[rows])
    X, mu, X_hinge, mu_hinge = np.array(seen).swapaxes(0, 1)
    return Runs(X, mu, 1.0), Runs(X_hinge, mu_hinge, largest_loss(T, eta, 1.0, 1.0, 1.0))


def _mean_at(loss, rows):
    return np.take_along_axis(loss, rows, 1).mean(axis=1)


@cache
def adversary(T, seed) -> Runs:
    """Return losses of 0 or 1 whose expectation depends on how far the past has led the estimate astray."""
    rng = np.random.default_rng(seed)
    X, mu, astray = np.empty((T, N_RUNS)), np.empty((T, N_RUNS)), np.zeros(N_RUNS)
    for t in range(T):
        mu[t] = np.where(astray > 0, 0.5, 0.02)
        X[t] = rng.random(N_RUNS) < mu[t]
        astray += X[t] - mu[t]
    return Runs(X, mu, 1.0)


def ours(run, confidence):
    return run.interval(confidence)


def too_narrow(factor):
    def interval(run, confidence):
        low, high = run.interval(confidence)
        reach = max(high - run.mean, run.mean - low) / factor  # the larger one has not been clipped
        return run.mean - reach, run.mean + reach

    return interval


def less_variance(factor):
    return lambda run, confidence: replace(run, V=run.V / factor).interval(confidence)


def n_misses(runs, *, times, interval=ours, confidence=0.95):
    """Return the number of runs in which the interval at one of the times misses the mean of mu up to it."""
    means, misses = np.cumsum(runs.mu, axis=0), 0
    for r in range(N_RUNS):
        run, missed = OnlineLoss(runs.upper), False
        for start, stop in zip((0, *times[:-1]), times, strict=True):
            run = run.add(runs.X[start:stop, r])
            low, high = interval(run, confidence)
            missed |= not low <= means[stop - 1, r] / stop <= high
        misses += missed
    return misses


def most_misses(confidence=0.95):
    """Return what the misses of an interval that keeps its promise exceed with probability below RISK."""
    return int(stats.binom.isf(RISK / N_CHECKS, N_RUNS, 1 - confidence))


class TestCoverage:
    @pytest.mark.slow
    @pytest.mark.parametrize(("eta", "b", "T"), [(1.0, 1, 300), (0.02, 16, 150)])
    def test_sgd_on_an_embedding(self, eta, b, T):
        mistakes, hinge = sgd(eta, b, T, seed=1)
        for runs in (mistakes, hinge):
            assert n_misses(runs, times=(T,)) <= most_misses()
        assert n_misses(mistakes, times=(T,), confidence=0.5) <= most_misses(0.5)

    @pytest.mark.slow
    def test_all_times_at_once_and_an_adversary(self):
        times = (4, 16, 64, 256)
        for runs in (sgd(1.0, 1, 300, seed=1)[0], adversary(256, seed=2)):
            assert n_misses(runs, times=times) <= most_misses()

    @pytest.mark.parametrize("interval", [too_narrow(5), less_variance(25)])
    def test_wrong_intervals_miss_too_often(self, interval):
        mistakes = sgd(1.0, 1, 300, seed=1)[0]
        assert n_misses(mistakes, times=(300,), interval=interval) > most_misses()

    def test_losses_too_rare_to_be_seen(self):
        # Where no run sees a loss, the interval is [0, high] with T high = radius(V): at T mu = 1.6 an interval a
        # quarter as long misses in all such runs, and e^-1.6 = 20% of the runs are such.
        T, rng = 200, np.random.default_rng(3)
        mu = np.full((T, N_RUNS), 1.6 / T)
        runs = Runs(np.where(rng.random(mu.shape) < mu, 1.0, 0.0), mu, 1.0)
        assert stats.binom.cdf(most_misses(), N_RUNS, math.exp(-1.6) * 0.99) < RISK
        assert n_misses(runs, times=(T,)) <= most_misses()
        assert n_misses(runs, times=(T,), interval=too_narrow(4)) > most_misses()

    def test_the_loss_at_the_last_iterate_is_another_matter(self):
        mistakes = sgd(1.0, 1, 300, seed=1)[0]
        last = Runs(mistakes.X, np.tile(mistakes.mu[-1], (300, 1)), 1.0)
        assert n_misses(last, times=(300,)) > most_misses()


class TestInequality:
    """E exp(lambda (X - mu) - psi(lambda) (X - c)^2) <= 1, for either sign, and psi cannot be smaller."""

    def test_for_every_lambda_and_every_law_on_two_points(self):
        grid = np.linspace(0, 1, 21)
        low, high, p, c = np.meshgrid(grid, grid, grid, grid, sparse=True)
        mu = (1 - p) * low + p * high
        for lam, psi in zip(online_loss.LAMBDAS, online_loss.PSI, strict=True):
            for sign in (1, -1):
                mean = (1 - p) * np.exp(sign * lam * (low - mu) - psi * (low - c) ** 2)
                mean = mean + p * np.exp(sign * lam * (high - mu) - psi * (high - c) ** 2)
                assert mean.max() <= 1 + 1e-15

    @pytest.mark.parametrize("factor", [0.5, 0.99])
    def test_a_smaller_psi_fails(self, factor):
        lam, psi = online_loss.LAMBDAS[:20], factor * online_loss.PSI[:20]
        assert (np.exp(-lam - psi) > 1 - lam).all()  # Y = -1, all but surely: c = 1, X = 0

    def test_the_weights_add_up_to_1(self):
        assert online_loss.WEIGHTS.sum() == pytest.approx(1, abs=1e-15)
        assert online_loss.WEIGHTS.min() > 0
        assert 0 < online_loss.LAMBDAS.min() < online_loss.LAMBDAS.max() < 1

    @pytest.mark.parametrize("V", [0.0, 0.41, 3.0, 50.0, 1e4, 2e9])
    @pytest.mark.parametrize("risk", [1e-9, 0.025, 0.5, 0.999])
    def test_the_radius_solves_the_equation(self, V, risk):
        def excess(s):
            parts = []
            for k in range(31):
                lam = 0.9 / math.sqrt(2) ** k
                weight = 0.25 if k == 0 else 0.025
                parts.append(math.log(weight) + lam * s + (math.log(1 - lam) + lam) * V)
            return max(parts) + math.log(sum(math.exp(part - max(parts)) for part in parts)) + math.log(risk)

        assert radius(V, risk) == pytest.approx(brentq(excess, 0, 1e9, xtol=1e-13), rel=1e-8)


class TestWidth:
    def test_shrinks_like_the_root_of_the_number_of_steps(self):
        def width(T):
            low, high = OnlineLoss(1.0, T, 0.3 * T, 0.21 * T).interval()
            return high - low

        for T in (10**4, 10**6, 10**8):
            assert width(T) / width(4 * T) == pytest.approx(2, rel=0.02)

    def test_twice_the_normal_interval_from_300_on(self):
        for V in np.geomspace(300, 2**31, 200).tolist():
            assert radius(V, 0.025) < 2 * stats.norm.isf(0.025) * math.sqrt(V)

    def test_small_errors_and_large_batches_need_fewer_steps_than_by_hoeffding(self):
        T, rng, widths = 10_000, np.random.default_rng(4), []
        for b in (1, 32):
            run = OnlineLoss().add(rng.binomial(b, 0.01, T) / b)
            low, high = run.interval()
            widths.append(high - low)
        hoeffding = 2 * math.sqrt(math.log(2 / 0.05) / (2 * T))
        assert widths[0] < hoeffding / 3
        assert widths[1] < hoeffding / 10

    def test_scales_with_upper(self):
        X = np.random.default_rng(5).uniform(0, 1, 500)
        low, high = OnlineLoss().add(X).interval()
        assert OnlineLoss(7.0).add(7 * X).interval() == pytest.approx((7 * low, 7 * high), rel=1e-12)

    def test_within_the_range_of_the_losses(self):
        assert OnlineLoss(3.0).interval() == Interval(0.0, 3.0)
        assert math.isnan(OnlineLoss().mean)
        assert OnlineLoss().add([0.0] * 5).interval() == Interval(0.0, 1.0)
        low, high = OnlineLoss().add([1.0] * 50).interval()
        assert high == 1.0
        assert 0.8 < low < 1 - 3.6 / 50


class TestAdd:
    def test_cuts_do_not_matter(self):
        X = np.random.default_rng(6).uniform(0, 2, 1000)
        whole, one_by_one = OnlineLoss(2.0).add(X), OnlineLoss(2.0)
        for value in X:
            one_by_one = one_by_one.add([value])
        uneven = OnlineLoss(2.0).add(X[:1]).add(X[1:700]).add([]).add(X[700:])
        for run in (one_by_one, uneven):
            assert run.n == 1000
            assert (run.total, run.V) == pytest.approx((whole.total, whole.V), rel=1e-13)
            assert run.interval() == pytest.approx(whole.interval(), rel=1e-12)

    def test_predictions_are_made_before_what_they_predict(self):
        run = OnlineLoss(2.0).add([2.0, 0.0, 1.0])
        expected = (2 - 1) ** 2 + (0 - 3 / 2) ** 2 + (1 - 3 / 3) ** 2
        assert (run.V, run.mean) == pytest.approx((expected, 1.0))

    def test_what_is_held_is_not_changed(self):
        run = OnlineLoss()
        run.add([0.5])
        assert run == OnlineLoss()

    def test_rounding_of_float32_is_forgiven(self):
        X = np.array([1.0000001, -1e-7, 0.5], np.float32)
        assert OnlineLoss().add(X) == OnlineLoss().add([1.0, 0.0, 0.5])


class TestLargestLoss:
    def test_attained_when_the_label_turns_around(self):
        T, eta, C = 6, 0.01, 2.0
        v = 0.0
        for _ in range(T - 1):
            v += eta * C  # one feature of length C and the label 1: the hinge keeps its slope as long as v C < 1
        assert 1 + v * C == pytest.approx(largest_loss(T, eta, 1.0, C, 1.0), rel=1e-12)

    def test_no_loss_of_a_run_exceeds_it(self):
        for runs in (sgd(1.0, 1, 300, seed=1)[1], sgd(0.02, 16, 150, seed=1)[1]):
            assert runs.X.max() <= runs.upper

    def test_L_enters_twice(self):
        assert largest_loss(11, 0.1, 3.0, 1.0, 0.5) == pytest.approx(0.5 + 0.1 * 9 * 10)

    def test_refusals(self):
        with pytest.raises(InputError, match=r"learning_rate=-1 bounds no loss; needed .* give learning_rate as run"):
            largest_loss(10, -1.0, 1.0, 1.0, 1.0)
        with pytest.raises(InputError, match="L=inf bounds no loss"):
            largest_loss(10, 1.0, math.inf, 1.0, 1.0)
        with pytest.raises(InputError, match="n_steps=0 must be at least 1; give the T of the run"):
            largest_loss(0, 1.0, 1.0, 1.0, 1.0)


class TestRefusals:
    @pytest.mark.parametrize("upper", [0.0, -1.0, math.inf, math.nan])
    def test_upper(self, upper):
        with pytest.raises(InputError, match=r"is no bound on a loss; needed is a positive number .* give 1 for"):
            OnlineLoss(upper)

    @pytest.mark.parametrize("value", [1.5, -0.1, math.nan, math.inf])
    def test_values(self, value):
        run = OnlineLoss().add([0.0, 1.0])
        with pytest.raises(InputError, match=rf"the loss of step 4 is {value:g}; needed are losses from 0 to upper=1:"):
            run.add([0.5, value, -7.0])

    @pytest.mark.parametrize("values", [0.5, [[0.5, 0.5]]])
    def test_shapes(self, values):
        with pytest.raises(InputError, match=r"values have the shape .* give the losses in one row, \[k\]"):
            OnlineLoss().add(values)

    @pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 95.0, math.nan])
    def test_confidence(self, confidence):
        with pytest.raises(InputError, match=r"must be a probability strictly between 0 and 1; give 0\.95, say"):
            OnlineLoss().add([0.5]).interval(confidence)
