"""Verdicts on kernels and their features: they hold of what NumPy measures, and fail of the same with a mistake."""

import functools
import math

import numpy as np
import pytest

from kernel_records import broken, changed, record, relu_tk_h, relu_tk_o, run, sphere
from tightwidth.experiments.approximation import ApproximationConfig, R_of, points
from tightwidth.experiments.initialization import COSINES, InitializationConfig
from tightwidth.experiments.weight_changes import ChangeConfig
from tightwidth.report.statements import approximation, bounded_distributions, initialization, weight_changes

N_CELLS = 30


def start(config, *, prime=lambda z: (z > 0).astype(float), sigma=lambda z: np.maximum(z, 0), power=1.0):
    """Measure a start in NumPy; ``power`` is that of 1/q in the mean over neurons."""
    rho, q, B = np.array(COSINES), config.n_pairs, config.output_scale
    rng = np.random.default_rng([config.seed, q])
    u = rng.standard_normal(q)
    v = rho[:, None] * u + np.sqrt(1 - rho**2)[:, None] * rng.standard_normal(q)
    return {
        "largest_output": 0.0,
        "cosines": list(COSINES),
        "sampled_hidden": (rho * (prime(u) * prime(v)).sum(axis=1) / q**power).tolist(),
        "sampled_output": ((sigma(u) * sigma(v)).sum(axis=1) / q**power / B**2).tolist(),
        "formula_hidden": relu_tk_h(rho).tolist(),
        "formula_output": (relu_tk_o(rho) / B**2).tolist(),
    }


@functools.cache
def starts(**mistake):
    configs = [InitializationConfig(n_pairs=q, seed=seed) for q in (16, 64, 256) for seed in range(N_CELLS)]
    return [record(("initialization", config), start(config, **mistake)) for config in configs]


class TestTheStart:
    HIDDEN, OUTPUT, VARIANCE = range(3)

    def test_outputs(self):
        right = initialization.verdicts_on_outputs(starts())
        uncancelled = changed(starts(), largest_output=lambda r: 1e-7 * r.seed)  # a rounding error of a sum is enough
        assert broken(right, initialization.verdicts_on_outputs(uncancelled)) == [0]

    @pytest.mark.parametrize(
        ("mistake", "fails"),
        [
            ({"prime": lambda z: np.maximum(z, 0)}, {HIDDEN, VARIANCE}),  # sigma for sigma'
            ({"sigma": lambda z: (z > 0).astype(float)}, {OUTPUT}),  # sigma' for sigma
            ({"power": 0.5}, {HIDDEN, OUTPUT, VARIANCE}),  # 1/sqrt(q) for 1/q
            ({"prime": lambda z: np.sign(z)}, {HIDDEN, VARIANCE}),  # the derivative of |z|
        ],
    )
    def test_kernels(self, mistake, fails):
        right = initialization.verdicts_on_kernels(starts())
        assert set(broken(right, initialization.verdicts_on_kernels(starts(**mistake)))) == fails

    def test_a_factor_in_either_formula_is_seen(self):
        right = initialization.verdicts_on_kernels(starts())
        doubled = changed(starts(), formula_output=lambda r: [2 * value for value in r["formula_output"]])
        assert broken(right, initialization.verdicts_on_kernels(doubled)) == [self.OUTPUT]
        halved = changed(starts(), formula_hidden=lambda r: [value / 2 for value in r["formula_hidden"]])
        assert self.HIDDEN in broken(right, initialization.verdicts_on_kernels(halved))

    def test_fewer_independent_neurons_than_q_are_seen_in_the_variance_alone(self):
        """Every neuron four times: the mean is right, and its variance that of q/4 neurons."""
        repeated = []
        for r in starts():
            fourth = start(InitializationConfig(**r.config | {"n_pairs": r["n_pairs"] // 4}))
            repeated.append(r.model_copy(update={"values": r.values | {"sampled_hidden": fourth["sampled_hidden"]}}))
        found = initialization.verdicts_on_kernels(repeated)
        assert broken(initialization.verdicts_on_kernels(starts()), found) == [self.VARIANCE]


def change(config, *, factor=1.0, far=1.0):
    """Measure the shortest change in NumPy; ``factor`` multiplies the U found, ``far`` the lengths of the steps."""
    q, d, B = config.n_pairs, config.n_features, config.output_scale
    rng = np.random.default_rng([config.seed, q])
    X, W = sphere(rng, 4 * q * (d + 1), d), np.vstack([rng.standard_normal((q, d))] * 2)
    u, Z = np.repeat([B, -B], q), X @ W.T
    G = np.hstack([((Z > 0)[:, :, None] * u[:, None] * X[:, None, :]).reshape(len(X), -1), np.maximum(Z, 0)])
    alpha = rng.standard_normal(12)
    K = G @ G[:12].T / (2 * q * B**2)
    h = K @ alpha
    U = factor * np.linalg.lstsq(G, h)[0]
    lengths = [1.0, 1e-4]
    errors = []
    for t in far * np.array(lengths):
        moved = np.maximum(X @ (W + t * U[: 2 * q * d].reshape(-1, d)).T, 0) @ (u + t * U[2 * q * d :])
        errors.append(np.abs(moved / t - h).mean() / np.abs(h).mean())
    norm = math.sqrt(alpha @ K[:12] @ alpha)
    return {
        "kernel_norm": norm,
        "least_change": float(np.linalg.norm(U)),
        "formula": norm / (math.sqrt(2 * q) * B),
        "printed": math.sqrt(q) * B * norm,
        "residual": float(np.linalg.norm(G @ U - h) / np.linalg.norm(h)),
        "lengths": lengths,
        "moved_errors": errors,
    }


@functools.cache
def changes(**mistake):
    configs = [ChangeConfig(n_pairs=q, output_scale=B, seed=s) for q in (4, 8) for B in (1.0, 3.0) for s in (0, 1)]
    return [record(("weight_changes", config), change(config, **mistake)) for config in configs]


class TestWeightChanges:
    def test_equation_2(self):
        right = weight_changes.verdicts_on_equation(changes())
        assert broken(right, weight_changes.verdicts_on_equation(changes(factor=1 / math.sqrt(2)))) == [0, 1]
        assert broken(right, weight_changes.verdicts_on_equation(changes(far=1e4))) == [1]  # a step that is not small

    def test_erratum_1(self):
        right = weight_changes.verdicts_on_norm(changes())
        printed = changed(changes(), least_change=lambda r: r["printed"])
        assert broken(right, weight_changes.verdicts_on_norm(printed)) == [0, 1]
        without_2 = changed(changes(), least_change=lambda r: math.sqrt(2) * r["formula"])
        assert broken(right, weight_changes.verdicts_on_norm(without_2)) == [0]
        constant_in_B = changed(changes(), least_change=lambda r: r["kernel_norm"] / math.sqrt(2 * r["n_pairs"]))
        assert 0 in broken(right, weight_changes.verdicts_on_norm(constant_in_B))


def approximate(config, feature):
    """Measure the error of features in NumPy, with 64 points and 512 rows of W'."""
    q, d = config.n_pairs, config.n_features
    X = points(config.distribution, 64 + 6, d, config.seed)
    rng = np.random.default_rng([config.seed, q, d, 1])
    alpha = np.array(sorted(rng.standard_normal(6), key=abs, reverse=True))
    alpha /= math.sqrt(alpha @ relu_tk_h(X[:6] @ X[:6].T) @ alpha)
    at = np.vstack([X[:1], X[6:]])
    f = relu_tk_h(at @ X[:6].T) @ alpha
    W = rng.standard_normal((512, d))
    terms = ((feature(at @ W.T)[:, None] * feature(X[:6] @ W.T)) * (at @ X[:6].T)[:, :, None]).transpose(
        0, 2, 1
    ) @ alpha
    squared = ((terms.reshape(len(at), 512 // q, q).mean(axis=2) - f[:, None]) ** 2).mean(axis=1)
    R_squared = R_of(config.distribution, d) ** 2
    return {
        "squared_error": float(squared[1:].mean()),
        "squared_error_at_centre": float(squared[0]),
        "R_squared": R_squared,
        "theorem_4": R_squared / (q * d),
        "corollary_3": 1 / q,
        "n_draws": 512 // q,
    }


def approximations(feature=lambda z: (z > 0).astype(float)):
    configs = [
        ApproximationConfig(n_pairs=q, n_features=d, distribution=distribution, seed=seed)
        for distribution in ("sphere", "line")
        for q, d in ((8, 32), (32, 32), (128, 32), (32, 8), (32, 128))
        for seed in range(20)
    ]
    return [record(("approximation", config), approximate(config, feature)) for config in configs]


@pytest.fixture(scope="module")
def measured():
    return approximations()


class TestApproximation:
    SPHERE, LINE = 0, 1

    def test_sigma_for_its_derivative_approximates_another_function(self, measured):
        wrong = approximations(lambda z: np.maximum(z, 0))
        in_mean = broken(approximation.verdicts_in_the_mean(measured), approximation.verdicts_in_the_mean(wrong))
        assert in_mean == [0, 1, 2]  # above both bounds, and not falling with q
        at_point = broken(approximation.verdicts_at_a_point(measured), approximation.verdicts_at_a_point(wrong))
        assert {0, 1, 2} <= set(at_point)

    def test_the_exponents(self, measured):
        mean, point = approximation.verdicts_in_the_mean, approximation.verdicts_at_a_point
        slow = changed(measured, squared_error=lambda r: r["squared_error"] * math.sqrt(r["n_pairs"] / 32))
        assert broken(mean(measured), mean(slow)) == [2]
        assert broken(point(measured), point(slow)) == [2]
        saved_twice = changed(measured, squared_error=lambda r: r["squared_error"] * 8 / r["n_features"])
        assert broken(mean(measured), mean(saved_twice)) == [3]
        assert broken(point(measured), point(saved_twice)) == [3]  # and near a line nothing may be saved

    def test_the_bounds(self, measured):
        mean, point = approximation.verdicts_in_the_mean, approximation.verdicts_at_a_point
        no_R = changed(measured, theorem_4=lambda r: r["theorem_4"] / r["R_squared"])
        assert broken(mean(measured), mean(no_R)) == [self.LINE]
        d_twice = changed(measured, theorem_4=lambda r: r["theorem_4"] / r["n_features"])
        assert broken(mean(measured), mean(d_twice)) == [self.SPHERE, self.LINE]
        with_d = changed(measured, corollary_3=lambda r: r["corollary_3"] / r["n_features"])
        assert broken(point(measured), point(with_d)) == [self.SPHERE, self.LINE]
        squared_q = changed(measured, theorem_4=lambda r: r["theorem_4"] / r["n_pairs"])
        assert broken(mean(measured), mean(squared_q)) == [self.SPHERE, self.LINE]


@pytest.fixture(scope="module")
def samples():
    return run(bounded_distributions.cells("quick"))


class TestBoundedDistributions:
    BOUND = 3

    def test_what_is_expected_at_finite_size_and_not_in_the_limit(self, samples):
        right = bounded_distributions.verdicts(samples)
        limit = changed(samples, finite_size=lambda r: r["marchenko_pastur"])
        assert broken(right, bounded_distributions.verdicts(limit)) == [0, 1, 2]
        not_squared = changed(samples, R_squared=lambda r: math.sqrt(r["R_squared"]))
        assert broken(right, bounded_distributions.verdicts(not_squared)) == [0, 1, 2]

    def test_the_bound(self, samples):
        right = bounded_distributions.verdicts(samples)
        not_squared = changed(samples, bound=lambda r: math.sqrt(r["bound"]))
        assert broken(right, bounded_distributions.verdicts(not_squared)) == [self.BOUND]
        uniform = changed(samples, bound=lambda _: 1.0)  # R of the distribution for that of the sample
        assert broken(right, bounded_distributions.verdicts(uniform)) == [self.BOUND]
