"""Verdicts on memorization: they hold of what the statements say, and fail where a statement is broken."""

import math

import numpy as np
import pytest

from kernel_records import broken, changed, numbers, record
from tightwidth.paper_map import SUMMARIES
from tightwidth.report.statement import Level
from tightwidth.report.statements import (
    baselines,
    finite_scale,
    memorization_plane,
    memorization_steps,
    smallest_width,
)

MODULES = (memorization_plane, memorization_steps, smallest_width, finite_scale, baselines)


class TestThePlane:
    WIDE, NARROW, ACTIVATIONS, REAL = range(4)

    def records(self, memorizes=lambda density: min(1.0, 0.4 + 0.6 * density)):
        found = []
        for cell in memorization_plane.cells("quick"):
            config = numbers(cell)
            density = config["n_pairs"] * config["n_features"] / config["n_samples"]
            values = {"fraction": memorizes(density), "fraction_mean": 0.9, "ended": "steps", "n_steps": 100}
            found.append(record(cell, values))
        return found

    def test_what_needs_more_width_fails(self):
        right = memorization_plane.verdicts(self.records())
        narrow = self.records(lambda density: min(1.0, 0.4 + 0.6 * density / 5))
        assert set(broken(right, memorization_plane.verdicts(narrow))) == {self.WIDE, self.ACTIVATIONS, self.REAL}

    def test_memorizing_below_covers_count_is_not_believed(self):
        right = memorization_plane.verdicts(self.records())
        assert broken(right, memorization_plane.verdicts(self.records(lambda _: 1.0))) == [self.NARROW]

    def test_one_bad_cell_is_enough(self):
        records = self.records()
        right = memorization_plane.verdicts(records)
        worst = changed(records, fraction=lambda r: 0.9 if r["activation"] == "sin" else r["fraction"])
        assert broken(right, memorization_plane.verdicts(worst)) == [self.ACTIVATIONS]

    def test_the_parts_are_told_apart(self):
        records = self.records()
        parts = [
            part(records)
            for part in (memorization_plane.plane, memorization_plane.activations, memorization_plane.real)
        ]
        assert sum(map(len, parts)) == len(records)


class TestSteps:
    HINGE, PERCEPTRON = range(2)

    def records(self, factor=lambda _r, _share: 0.2):
        found = []
        for cell in memorization_steps.cells("quick"):
            config = numbers(cell)
            plain = record(cell, {"label_norm_squared": 8.0 * config["n_samples"]})
            steps = {
                f"steps_to_{share:g}": factor(plain, share)
                and factor(plain, share) * memorization_steps.bound(plain, share)
                for share in (0.4, 0.2, 0.1)
            }
            found.append(record(cell, plain.values | steps))
        return found

    def test_the_bound_is_that_of_the_theorem(self):
        (hinge,) = [r for r in self.records() if r["loss"] == "hinge" and r["epsilon"] == 0.1 and r.seed == 0]
        G_squared = 1 / 64 + (1 - 1 / 64) / 16
        assert memorization_steps.bound(hinge, 0.1) == pytest.approx(8 * 384 * G_squared / 0.01)

    @pytest.mark.parametrize(("loss", "place"), [("hinge", HINGE), ("perceptron", PERCEPTRON)])
    def test_more_steps_than_the_bound_fail(self, loss, place):
        right = memorization_steps.verdicts(self.records())
        # m steps more for each point, as if h* had norm m and not sqrt(m)
        slower = self.records(lambda r, _share: 0.2 * (r["n_samples"] if r["loss"] == loss else 1))
        assert broken(right, memorization_steps.verdicts(slower)) == [place]

    @pytest.mark.parametrize(("loss", "place"), [("hinge", HINGE), ("perceptron", PERCEPTRON)])
    def test_an_epsilon_that_is_not_reached_fails(self, loss, place):
        right = memorization_steps.verdicts(self.records())
        never = self.records(lambda r, share: None if (r["loss"], share, r.seed) == (loss, 0.1, 1) else 0.2)
        assert broken(right, memorization_steps.verdicts(never)) == [place]


class TestSmallestWidth:
    def records(self, exponent=1.0, noise=0.03, level: Level = "quick"):
        rng = np.random.default_rng(0)
        found = []
        for cell in smallest_width.cells(level):
            m, d = numbers(cell)["n_samples"], numbers(cell)["n_features"]
            q = max(1, round(0.05 * m**exponent * math.exp(noise * rng.standard_normal())))
            found.append(record(cell, {"n_pairs": q, "n_parameters": 2 * q * (d + 1)}))
        return found

    @pytest.mark.parametrize("wrong", [0.8, 1.2, 2.0])
    def test_another_exponent_fails(self, wrong):
        right = smallest_width.verdicts(self.records())
        assert broken(right, smallest_width.verdicts(self.records(wrong))) == [0]

    def test_in_few_dimensions_more_than_one_logarithm_fails(self):
        right = smallest_width.verdicts(self.records(level="full"))
        assert [verdict.holds for verdict in right] == [True, True]
        assert 1.1 < right[0].predicted < 1.2
        assert broken(right, smallest_width.verdicts(self.records(1.25, level="full"))) == [0, 1]

    def test_a_scatter_that_says_nothing_fails(self):
        right = smallest_width.verdicts(self.records())
        assert broken(right, smallest_width.verdicts(self.records(noise=0.6))) == [0]

    def test_a_width_that_was_not_found_fails(self):
        records = self.records()
        right = smallest_width.verdicts(records)
        for is_lost in (lambda r: r.seed % 100 == 1, lambda r: r["n_samples"] > 1000, lambda _: True):
            lost = changed(records, n_parameters=lambda r, is_lost=is_lost: None if is_lost(r) else r["n_parameters"])
            found = smallest_width.verdicts(lost)
            assert broken(right, found) == [0]
            assert found[0].how.startswith("no width was found for")
            assert smallest_width.draw(lost).axes


class TestFiniteScale:
    SAME, FLIPPED, PLAIN, FREE = range(4)

    def records(self, share=None):
        rng = np.random.default_rng(1)

        def right(form, B):
            if form == "plain" and B > 1e6:
                return 0.5 + 0.02 * rng.standard_normal()
            return 0.94 + (0.05 if B <= 1 else 0.0)

        found = []
        for cell in finite_scale.cells("quick"):
            config = numbers(cell)
            B = config["output_scale"]
            flipped = None if config["form"] == "plain" or math.isinf(B) else min(0.2, 0.1 / B)
            values = {
                "fraction": (share or right)(config["form"], B),
                "share_flipped": flipped,
                "mean_displacement": None,
                "kernel_drift": None,
            }
            written = record(cell, values)
            shown = {"output_scale": "inf" if math.isinf(B) else B}  # as a store gives it back
            found.append(written.model_copy(update={"config": written.config | shown}))
        return found

    def test_a_plain_form_that_is_as_good_as_the_other_fails(self):
        right = finite_scale.verdicts(self.records())
        same = self.records(lambda _form, B: 0.94 + (0.05 if B <= 1 else 0.0))
        assert broken(right, finite_scale.verdicts(same)) == [self.PLAIN]

    def test_a_displacement_form_that_rounds_like_the_plain_one_fails(self):
        right = finite_scale.verdicts(self.records())
        rounds = self.records(lambda _form, B: 0.5 if 1e6 < B < math.inf else 0.94 + (0.05 if B <= 1 else 0.0))
        assert broken(right, finite_scale.verdicts(rounds)) == [self.SAME]

    def test_gates_that_flip_fail(self):
        records = self.records()
        right = finite_scale.verdicts(records)
        flips = changed(records, share_flipped=lambda r: None if r["share_flipped"] is None else 0.1)
        assert broken(right, finite_scale.verdicts(flips)) == [self.FLIPPED]

    def test_no_gain_from_leaving_the_linear_regime_fails(self):
        records = self.records()
        right = finite_scale.verdicts(records)
        lazy = changed(records, fraction=lambda r: 0.94 if r["form"] == "displacement" else r["fraction"])
        assert broken(right, finite_scale.verdicts(lazy)) == [self.FREE]


class TestBaselines:
    GOOD, POOR = (
        ("xavier", "zero_outputs", "linear_optimisation", "decoupled_gating"),
        ("frozen_features", "quadratic", "linear"),
    )

    def records(self, **shares):
        found = []
        for cell in baselines.cells("quick"):
            config = numbers(cell)
            method, best = config["method"], min(baselines.RATES[config["method"]])
            share = shares.get(method, 1.0 if method in self.GOOD else 0.7)
            share = share if config["learning_rate"] == best else None if config["seed"] else 0.3
            found.append(record(cell, {"fraction": share, "parameters_per_sample": 1.0, "n_parameters": 1}))
        return found

    @pytest.mark.parametrize("place", range(7))
    def test_every_verdict_can_fail(self, place):
        right = baselines.verdicts(self.records())
        method = (*self.GOOD, *self.POOR)[place]
        wrong = self.records(**{method: 0.9 if method in self.GOOD else 0.95})
        assert broken(right, baselines.verdicts(wrong)) == [place]

    def test_the_best_rate_is_chosen_by_the_mean_over_seeds_and_divergence_counts_as_nothing(self):
        best = baselines.at_best_rate(self.records())
        assert {some[0]["learning_rate"] for (method, _), some in best.items() if method == "xavier"} == {0.1}


@pytest.mark.parametrize("module", MODULES)
def test_pages_can_be_made_of_them(module):
    for statement in module.STATEMENTS:
        assert statement.label in SUMMARIES or statement.label == "Section 3.4"
        for level in ("quick", "full"):
            cells = statement.cells(level)
            assert len({(name, config.model_dump_json()) for name, config in cells}) == len(cells)


@pytest.mark.parametrize(
    ("module", "records"),
    [
        (memorization_plane, TestThePlane().records()),
        (memorization_steps, TestSteps().records()),
        (smallest_width, TestSmallestWidth().records()),
        (finite_scale, TestFiniteScale().records()),
        (baselines, TestBaselines().records()),
    ],
)
def test_figures_and_tables_show_every_cell(module, records):
    for statement in module.STATEMENTS:
        for table in statement.tables(records):
            assert table.rows
            assert all(len(row) == len(table.columns) for row in table.rows)
        for draw, caption in statement.figures.values():
            assert caption
            figure = draw(records)
            assert any(len(axes.lines) + len(axes.collections) > 1 for axes in figure.axes)
