"""The bounds on the share that is not memorized: against transcriptions, against brute force, against many runs."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

import certificate_oracles as oracle
from tightwidth import certificates, losses
from tightwidth.certificates import Certificate, Comparators, Spread, compare
from tightwidth.losses import Loss

CERTIFIABLE = ("hinge", "perceptron", "logistic", "absolute", "huber")
RISK = 1e-6


def certificate(loss, v_loss: ArrayLike = 0.01, v_square: ArrayLike = 20.0, spread=(0.5, 0.6, 0.05), batch_size=4):
    """Return a certificate with a single comparator, or with several if given lists."""
    found = Comparators(np.atleast_1d(np.asarray(v_square, float)), np.atleast_1d(np.asarray(v_loss, float)), None)
    return Certificate(found, Spread(*spread), losses.get(loss), batch_size)


def numbers_of(made):
    return {
        "v_loss": float(made.comparators.loss[0]),
        "v_square": float(made.comparators.norm_squared[0]),
        "G_square": made.G_squared,
    }


class TestGradientBound:
    @pytest.mark.parametrize("b", [1, 2])
    @pytest.mark.parametrize("loss", CERTIFIABLE)
    def test_no_weights_exceed_it(self, loss, b):
        rng = np.random.default_rng(b)
        X, y = oracle.sphere(rng, 9, 3), rng.choice([-1.0, 1.0], 9)
        Psi = oracle.features(X, rng.standard_normal((5, 3)), "relu")
        mean, largest, top = oracle.spread(Psi @ Psi.T)
        G_squared = certificate(loss, spread=(mean, largest, top), batch_size=b).G_squared
        diagonal = largest if loss == "perceptron" else mean
        assert G_squared == pytest.approx(diagonal / b + (1 - 1 / b) * top, rel=1e-12)
        for scale in (0.0, 0.3, 1.0, 3.0, 30.0):  # at 0 every slope of hinge and absolute is at its largest
            for _ in range(10):
                h = Psi @ (scale * rng.standard_normal(Psi.shape[1]))
                square = oracle.mean_square_of_a_minibatch(Psi, oracle.SLOPE[loss](h, y), b)
                share = np.mean(y * h <= 0) if loss == "perceptron" else 1.0
                assert square <= share * G_squared * (1 + 1e-12)

    def test_it_is_attained_so_that_a_half_of_it_fails(self):
        X = oracle.sphere(np.random.default_rng(3), 8, 3)
        K = X @ X.T  # of the identity
        y = np.where(np.linalg.eigh(K)[1][:, -1] > 0, 1.0, -1.0)
        for b in (1, 2):
            bound = certificate("hinge", spread=oracle.spread(K), batch_size=b).G_squared
            square = oracle.mean_square_of_a_minibatch(X, -y, b)
            assert bound / 2 < 0.8 * square
            assert square <= bound * (1 + 1e-12)

    def test_the_lipschitz_constant_enters_squared(self):
        steep = replace(losses.get("hinge"), L=3.0)
        assert certificates.gradient_bound(Spread(0.5, 0.6, 0.05), steep, 2) == pytest.approx(9 * (0.25 + 0.025))


class TestBounds:
    @pytest.mark.parametrize("loss", CERTIFIABLE)
    @pytest.mark.parametrize("n_steps", [1_000, 70_000])
    def test_at_the_rate_that_was_run(self, loss, n_steps):
        made = certificate(loss)
        for eta in (0.01, 0.1, 1.0, 9.0):
            expected = oracle.share_lost(loss, **numbers_of(made), eta=eta, n_steps=n_steps)
            assert made.fraction(n_steps, eta) == pytest.approx(min(max(1 - expected, 0), 1), abs=1e-12)

    @pytest.mark.parametrize("loss", CERTIFIABLE)
    def test_the_best_rate_is_the_best(self, loss):
        made = certificate(loss)
        for n_steps in (2_000, 70_000):
            least = oracle.least_share_lost(loss, **numbers_of(made), n_steps=n_steps)
            assert made.fraction(n_steps, made.best_rate(n_steps)) == pytest.approx(1 - least, abs=1e-9)

    @given(st.floats(0, 0.9), st.floats(1e-3, 1e4), st.integers(100, 10**7))
    @settings(max_examples=40, deadline=None)
    def test_the_closed_form_of_the_perceptron_is_the_minimum_over_x(self, v_loss, v_square, n_steps):
        made = certificate("perceptron", v_loss, v_square)
        least = oracle.least_share_lost("perceptron", **numbers_of(made), n_steps=n_steps)
        A = v_square * made.G_squared / (2 * n_steps)
        assert v_loss + A + math.sqrt(A * A + 2 * A * v_loss) == pytest.approx(least, rel=1e-6)
        assert made.fraction(n_steps, 123.0, path_scales=True) == pytest.approx(max(0, 1 - least), abs=1e-6)

    def test_the_closed_form_with_a_factor_missing_is_told_apart(self):
        made = certificate("perceptron", 0.1, 20.0)
        n_steps = round(20.0 * made.G_squared / 2 / 0.1)  # so that A = 0.1
        least = oracle.least_share_lost("perceptron", **numbers_of(made), n_steps=n_steps)
        assert least == pytest.approx(0.1 + 0.1 + math.sqrt(0.01 + 2 * 0.01), abs=1e-2)
        assert least != pytest.approx(0.1 + 0.1 + math.sqrt(0.01 + 0.01), abs=1e-2)

    def test_the_logistic_loss_of_a_vector_with_margins_1(self):
        y = np.array([1.0, -1.0])
        made = replace(certificate("logistic"), comparators=compare([(30.0, y)], y, losses.get("logistic")))
        n_steps, eta = 40_000, 0.2
        by_hand = [
            (math.log1p(math.exp(-c)) + c * c * 30 / (2 * eta * n_steps) + eta * made.G_squared / 2) / math.log(2)
            for c in certificates.SCALES
        ]
        assert made.fraction(n_steps, eta) == pytest.approx(1 - min(by_hand), abs=1e-12)

    def test_only_the_path_of_the_perceptron_scales(self):
        for loss in CERTIFIABLE:
            made = certificate(loss)
            same = made.fraction(9_000, 0.02) == made.fraction(9_000, 0.02, path_scales=True)
            assert same == (loss != "perceptron")

    def test_the_best_of_many_comparators_counts(self):
        made = certificate("hinge", [0.0, 0.02, 1.0], [40.0, 9.0, 0.0])
        alone = [certificate("hinge", a, b).fraction(5_000, 0.1) for a, b in ((0, 40), (0.02, 9), (1, 0))]
        assert made.fraction(5_000, 0.1) == max(alone)

    def test_a_penalty_counts_as_loss_of_the_comparator(self):
        for loss in CERTIFIABLE:
            with_penalty = certificate(loss).fraction(90_000, 0.1, penalty=0.03)
            assert with_penalty == pytest.approx(certificate(loss, v_loss=0.04).fraction(90_000, 0.1), abs=1e-12)

    @pytest.mark.parametrize("loss", CERTIFIABLE)
    @given(
        st.floats(0, 0.3), st.floats(1, 1e3), st.floats(0.1, 2), st.integers(100, 10**6), st.floats(1e-3, 1), st.data()
    )
    @settings(max_examples=15, deadline=None)
    def test_monotone(self, loss, v_loss, v_square, scale, n_steps, eta, data):
        def fraction(v_loss=v_loss, v_square=v_square, scale=scale, n_steps=n_steps):
            made = certificate(loss, v_loss, v_square, (0.5 * scale, 0.6 * scale, 0.05 * scale))
            return np.array([made.fraction(n_steps, eta), made.fraction(n_steps, made.best_rate(n_steps))])

        more = data.draw(st.floats(1.1, 5))
        worse = (
            fraction(v_loss=v_loss * more),
            fraction(v_square=v_square * more),
            fraction(scale=scale * more),
            fraction(n_steps=int(n_steps / more)),
        )
        for other in worse:
            assert (other <= fraction() + 1e-12).all()


class TestSizing:
    @pytest.mark.parametrize("loss", CERTIFIABLE)
    @pytest.mark.parametrize("epsilon", [0.05, 0.3])
    def test_inverse_of_the_bound(self, loss, epsilon):
        made = certificate(loss, [0.001, 0.02, 0.6], [90.0, 11.0, 0.0])
        sized = made.size(epsilon)
        assert sized is not None
        assert made.fraction(sized.n_steps, sized.learning_rate) >= 1 - epsilon - 1e-12
        for rate in sized.learning_rate * np.geomspace(0.1, 10, 401):  # one step fewer, at any rate
            assert made.fraction(sized.n_steps - 1, float(rate)) < 1 - epsilon
        assert (sized.norm_squared, sized.comparator_loss) in {(90.0, 0.001), (11.0, 0.02)}

    def test_the_perceptron_needs_epsilon_times_the_steps(self):
        hinge, perceptron = (certificate(loss, 0.0, spread=(0.5, 0.5, 0.1)) for loss in ("hinge", "perceptron"))
        sized, fewer = hinge.size(0.01), perceptron.size(0.01)
        assert sized is not None
        assert fewer is not None
        assert fewer.n_steps == pytest.approx(0.01 * sized.n_steps, abs=1)

    def test_no_comparator_is_good_enough(self):
        assert certificate("hinge", [0.06, 1.0], [5.0, 0.0]).size(0.05) is None
        assert certificate("logistic", 0.06, 5.0).size(0.05) is None  # 0.05 ln 2 is less
        assert certificate("absolute", 0.0, 0.0).size(0.05) is None  # the zero vector moves nothing

    def test_losses_without_a_certificate(self):
        squared = certificate("squared")
        assert squared.why_none() == "the squared loss is not Lipschitz"
        assert squared.size(0.05) is None
        lenient = Loss("lenient", losses.get("perceptron").value, losses.get("perceptron").derivative, L=1)
        own = Certificate(squared.comparators, squared.spread, lenient, 1)
        assert own.why_none() == "the lenient loss can vanish on a mistake"
        assert own.size(0.05) is None
        assert [certificate(loss).why_none() for loss in CERTIFIABLE] == [None] * 5


class TestCompare:
    @pytest.mark.parametrize("loss", CERTIFIABLE)
    def test_norms_and_losses_belong_together(self, loss):
        rng = np.random.default_rng(5)
        y = rng.choice([-1.0, 1.0], 20)
        h = y * rng.uniform(0.5, 2, 20)
        found = compare([(7.0, h)], y, losses.get(loss))
        counted = "hinge" if loss == "perceptron" else loss
        scales = np.sqrt(found.norm_squared / 7.0)
        expected = [oracle.LOSS[counted](scale * h, y).mean() for scale in scales]
        np.testing.assert_allclose(found.loss, expected, rtol=1e-12, atol=1e-15)
        assert scales[0] == 0
        assert found.separating_norm_squared == pytest.approx(7 / (y * h).min() ** 2)

    def test_what_does_not_separate_and_what_points_away(self):
        y = np.array([1.0, -1.0, 1.0, -1.0])
        mostly = compare([(7.0, y * np.array([1, 1, 1, -0.1]))], y, losses.get("hinge"))
        assert mostly.separating_norm_squared is None
        assert len(compare([(7.0, -y)], y, losses.get("hinge")).loss) == 1  # nothing but the zero vector is left
        both = certificates.best_of(mostly, compare([(5.0, y)], y, losses.get("hinge")))
        assert both.separating_norm_squared == pytest.approx(5.0)
        assert len(both.loss) == len(both.norm_squared) == len(mostly.loss) + len(certificates.SCALES) + 2


class TestValidity:
    """Many runs of SGD on one sample: their mean may exceed no bound, whatever the comparator."""

    N_RUNS = 3000

    @pytest.mark.parametrize("loss", CERTIFIABLE)
    def test_arbitrary_comparators(self, loss):
        rng = np.random.default_rng(7)
        X, y = oracle.sphere(rng, 12, 3), rng.choice([-1.0, 1.0], 12)
        Psi = oracle.features(X, rng.standard_normal((6, 3)), "relu")
        interpolant = np.linalg.lstsq(Psi, y)[0]
        vectors = [s * interpolant for s in (0.3, 1, 2)] + [s * Psi.T @ y for s in (0.3, 1)]
        vectors += list(rng.standard_normal((10, Psi.shape[1])))
        settings_of_a_run = ((1, 0.3, 60), (3, 1.0, 200))
        for b, eta, n_steps in settings_of_a_run:
            lost = oracle.mean_share_lost(Psi, y, loss, eta=eta, b=b, n_steps=n_steps, n_runs=self.N_RUNS, rng=rng)
            least = oracle.least_expectation(lost, RISK / len(settings_of_a_run))  # one mean for all the comparators
            for v in vectors:
                found = compare([(float(v @ v), Psi @ v)], y, losses.get(loss))
                bound = Certificate(found, Spread(*oracle.spread(Psi @ Psi.T)), losses.get(loss), b)
                assert 1 - bound.fraction(n_steps, eta) >= least

    def test_wrong_bounds_are_violated(self):
        # Orthonormal features: the perceptron errs once on each of the m points, m = ||v||^2 G^2 times in all.
        m, n_steps, rng = 16, 160, np.random.default_rng(8)
        lost = oracle.mean_share_lost(
            np.eye(m), np.ones(m), "perceptron", eta=1.0, b=1, n_steps=n_steps, n_runs=self.N_RUNS, rng=rng
        )

        def violated(v_square, factor):
            spread = tuple(factor * entry for entry in oracle.spread(np.eye(m)))
            made = certificate("perceptron", 0.0, v_square, spread, batch_size=1)
            bound = 1 - made.fraction(n_steps, 1.0, path_scales=True)
            return bound < oracle.least_expectation(lost, RISK)

        assert not violated(float(m), 1.0)
        assert violated(float(m), 0.5)
        assert violated(math.sqrt(m), 1.0)  # the norm for its square
