"""Verdicts on learning and on the errata: they hold, and fail where a statement is broken; quick levels hold."""

import math

import numpy as np
import pytest

from kernel_records import broken, changed, numbers, record, run
from tightwidth.paper_map import SUMMARIES, homes
from tightwidth.plots.label_norms import LIMIT
from tightwidth.report.comparison import compare, exact, exponent, farthest, simultaneous_mean
from tightwidth.report.statements import (
    all_statements,
    approximation,
    bounded_distributions,
    constant_polynomial,
    initialization,
    label_norms,
    learning,
    polynomials,
    weight_changes,
)
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems import thm10_embedding as thm10

MODULES = (
    bounded_distributions,
    initialization,
    weight_changes,
    approximation,
    learning,
    polynomials,
    constant_polynomial,
    label_norms,
)


class TestComparison:
    def test_exact_values_are_an_interval_from_the_least_to_the_largest(self):
        found = exact([3.0, 1.0, 2.0], "three")
        assert (found.value, found.low, found.high, found.how) == (2.0, 1.0, 3.0, "three")
        assert not compare("Theorem 4", "all", "below", 2.5, found).holds

    def test_many_intervals_at_once_are_wider(self):
        values = np.arange(10.0)
        one, ten = (simultaneous_mean(values, n) for n in (1, 10))
        assert one.value == ten.value == 4.5
        assert ten.high - ten.low > one.high - one.low
        assert ten.how == "mean of 10, 99.99% for all 10 at once by Student's t"
        with pytest.raises(ValueError, match="1 values have no interval; give at least 2"):
            simultaneous_mean(values[:1], 1)

    def test_the_farthest_is_so_in_widths_of_its_interval(self):
        near, far = exact([0.0, 10.0], "wide"), exact([0.9, 1.1], "narrow")
        assert farthest({"wide": (near, 3.0), "narrow": (far, 0.5)})[0] == "narrow"

    def test_an_exponent_is_the_mean_of_the_slopes_of_seeds(self):
        """A factor that all cells of a seed share does not widen the interval."""
        rows = [
            record(cell, {"y": (1 + numbers(cell)["seed"]) * numbers(cell)["n_steps"] ** -0.5})
            for cell in learning.cells("quick")
        ]
        found = exponent(rows, "n_steps", "y")
        assert found.low == pytest.approx(-0.5) == found.high
        with pytest.raises(ValueError, match="1 values have no interval; give at least 2"):
            exponent([r for r in rows if r.seed == 0], "n_steps", "y")


def learnt():
    """Return records of quick cells with the bounds of the theorem and an excess loss that falls like its parts do."""
    given = thm5.Hypotheses(10.0, 16, math.sqrt(2), 1.0, best_loss=0.0)
    records = []
    for cell in learning.cells("quick"):
        config = numbers(cell)
        size = {"n_steps": config["n_steps"], "batch_size": config["batch_size"]}
        bound = thm5.bound(given, q=config["n_pairs"], **size)
        noise = np.random.default_rng([config["seed"], config["n_pairs"], *size.values()]).uniform(0.95, 1.05)
        values = {
            "excess": noise * bound.distance / 4,
            "bound": bound.total,
            **bound.terms,
            "norm": 10.0,
            "R_squared": 2.0,
            "gradient_bound": math.sqrt(thm10.gradient_bound(given, batch_size=config["batch_size"])),
        }
        records.append(record(cell, values))
    return records


class TestLearning:
    BOUND, VACUOUS, STEPS, GRADIENTS = range(4)

    def test_the_bound(self):
        right = learning.verdicts(learnt())
        d_twice = changed(learnt(), bound=lambda r: r["bound"] / 16)
        assert broken(right, learning.verdicts(d_twice)) == [self.BOUND]
        as_zero = changed(learnt(), excess=lambda r: r["excess"] / r["excess"])  # nothing is learnt
        assert self.BOUND in broken(right, learning.verdicts(as_zero))

    def test_a_vacuous_bound_is_no_success(self):
        right, records = learning.verdicts(learnt()), learnt()
        vacuous = changed(records, bound=lambda r: 1.01 if r["n_pairs"] == 32 else r["bound"])
        assert broken(right, learning.verdicts(vacuous)) == [self.VACUOUS]

    def test_the_exponents(self):
        right = learning.verdicts(learnt())
        no_root = changed(learnt(), excess=lambda r: r["excess"] * math.sqrt(1024 / r["n_steps"]))
        assert self.STEPS in broken(right, learning.verdicts(no_root))
        resting = changed(learnt(), excess=lambda r: r["excess"] * math.sqrt(r["n_steps"] / 1024))
        assert self.STEPS in broken(right, learning.verdicts(resting))
        # without R^2/d, batches would help for ever: G_b = 1/sqrt(b)
        for_ever = changed(learnt(), gradient_bound=lambda r: 1 / math.sqrt(r["batch_size"]))
        assert broken(right, learning.verdicts(for_ever)) == [self.GRADIENTS]
        not_at_all = changed(learnt(), excess=lambda r: r["excess"] / r["gradient_bound"])
        assert broken(right, learning.verdicts(not_at_all)) == [self.GRADIENTS]


def monomials():
    """Return records such as runs have: even degrees learnt, degree 3 not."""
    rng = np.random.default_rng(0)
    return [
        record(
            cell,
            {
                "excess": (0.99 if numbers(cell)["degree"] == 3 else 0.05) * rng.uniform(0.98, 1.02),
                "last_loss": 1.00001 if numbers(cell)["degree"] == 3 else 0.0,
                "bound": 0.6,
            },
        )
        for cell in polynomials.cells("quick")
    ]


class TestPolynomials:
    EVEN, VACUOUS, ODD = [0, 1, 2], 3, 4

    def test_every_verdict_can_fail(self):
        right, records = polynomials.verdicts(monomials()), monomials()
        not_learnt = changed(records, excess=lambda _: 0.99)
        assert broken(right, polynomials.verdicts(not_learnt)) == self.EVEN
        vacuous = changed(records, bound=lambda r: 1.2 if r["degree"] == 4 else 0.6)
        assert broken(right, polynomials.verdicts(vacuous)) == [self.VACUOUS]
        # if the kernel had an odd term, a run of degree 3 would end like one of degree 2
        odd = changed(records, last_loss=lambda _: 0.3)
        assert broken(right, polynomials.verdicts(odd)) == [self.ODD]

    def test_each_degree_by_itself(self):
        right, records = polynomials.verdicts(monomials()), monomials()
        for place, degree in enumerate(polynomials.LEARNT):
            worse = changed(records, excess=lambda r, n=degree: 0.7 if r["degree"] == n else r["excess"])
            assert broken(right, polynomials.verdicts(worse)) == [place]


class TestTheConstant:
    MEAN, EXPONENT, FLAT = range(3)

    @pytest.mark.slow
    def test_every_verdict_can_fail(self):
        records = run(constant_polynomial.cells("quick"))
        right = constant_polynomial.verdicts(records)
        with_a_0 = changed(
            records,
            mean_kernel=lambda r: r["mean_kernel"] + 0.1,
            sampled_norm=lambda r: (r["mean_kernel"] + 0.1) ** -0.5,
        )
        assert broken(right, constant_polynomial.verdicts(with_a_0)) == [self.MEAN, self.EXPONENT]
        no_root = changed(records, exact_norm=lambda r: math.sqrt(math.pi * r["n_features"]))
        assert broken(right, constant_polynomial.verdicts(no_root)) == [self.MEAN]
        asymptotic = changed(records, exact_norm=lambda r: math.sqrt(2 * math.pi * r["n_features"]))
        assert broken(right, constant_polynomial.verdicts(asymptotic)) == [self.MEAN]  # 3% are seen at d = 8
        growing = changed(records, product_norm=lambda r: r["product_norm"] * math.sqrt(r["n_features"] / 8))
        assert broken(right, constant_polynomial.verdicts(growing)) == [self.FLAT]


class TestLabels:
    def test_every_verdict_can_fail(self):
        records = run([cell for cell in label_norms.cells("quick") if numbers(cell)["n_samples"] <= 256])
        right = label_norms.verdicts(records)
        printed = changed(
            records, norm=lambda r: r["n_samples"], norm_squared_per_point=lambda r: float(r["n_samples"])
        )
        assert broken(right, label_norms.verdicts(printed)) == [0, 1]
        fourfold = changed(records, norm_squared_per_point=lambda r: 4 * r["norm_squared_per_point"])
        assert broken(right, label_norms.verdicts(fourfold)) == [0]

    def test_the_limit_is_the_sum_of_the_series_beyond_degree_4(self):
        squares = [math.comb(2 * k, k) / 4**k / (2 * k + 1) / (2 * math.pi) for k in range(2, 500)]
        tail = 2 * 500**-0.5 / (4 * math.pi**1.5)  # the terms fall like k^(-3/2) / (4 pi^(3/2))
        assert pytest.approx(1 / (sum(squares) + tail), rel=1e-4) == LIMIT


def test_labels_are_the_papers_and_where_knows_them():
    known = {home.label for home in homes()}
    own = [statement for module in MODULES for statement in module.STATEMENTS]
    everywhere = [statement.label for statement in all_statements()]
    for statement in own:
        assert statement.label in SUMMARIES
        assert statement.label in known
        assert statement.label in everywhere


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_the_quick_level_holds_and_is_drawn(module, tmp_path):
    records = run(module.STATEMENTS[0].cells("quick"))
    for statement in module.STATEMENTS:
        found = statement.verdicts(records)
        assert found
        assert all(verdict.holds for verdict in found), [verdict for verdict in found if not verdict.holds]
        assert {verdict.statement for verdict in found} == {statement.label}
        for table in statement.tables(records):
            assert table.rows
            assert all(len(row) == len(table.columns) for row in table.rows)
        for stem, (draw, caption) in statement.figures.items():
            assert caption.endswith(".")
            draw(records).savefig(tmp_path / f"{stem}.png")
            assert (tmp_path / f"{stem}.png").stat().st_size > 10_000
