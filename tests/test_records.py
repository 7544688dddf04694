"""Records: strict JSON with every field of the contract, and the way from a result to its record."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from test_memorization import T, replayed, run
from tightwidth import __version__
from tightwidth.cli.memorize_record import record_of
from tightwidth.records.memorization import CurveRecord, LazinessRecord, MemorizeRecord, TrialRecord

NUMBER = (int, float)
NONE = type(None)
CONTRACT = {
    "n_samples": int,
    "n_features": int,
    "n_pairs": int,
    "n_parameters": int,
    "parameters_per_sample": NUMBER,
    "activation": str,
    "loss": str,
    "output_scale": (*NUMBER, str),
    "epsilon": NUMBER,
    "batch_size": int,
    "n_steps_planned": int,
    "n_steps": int,
    "stopped": str,
    "learning_rate": NUMBER,
    "learning_rate_network": NUMBER,
    "seed": int,
    "dtype": str,
    "R": NUMBER,
    "norm_squared": (*NUMBER, NONE),
    "random_iterate_step": int,
    "fraction_memorized": (*NUMBER, NONE),
    "fraction_memorized_mean": NUMBER,
    "fraction_memorized_last": NUMBER,
    "certified_fraction": (*NUMBER, NONE),
    "certified_reason": (str, NONE),
    "mean_online_loss": (*NUMBER, NONE),
    "seconds": NUMBER,
    "seconds_compile": NUMBER,
    "device": str,
    "version": str,
}


def strict(text):
    """Return what JSON says, refusing the NaN and Infinity that Python's own parser lets pass."""

    def refuse(token):
        raise ValueError(token)

    return json.loads(text, parse_constant=refuse)


def example(**changes: Any) -> MemorizeRecord:
    """Return a record of round numbers."""
    names = ("step", "fraction", "mean_fraction", "loss", "certified")
    looks = (
        (0, 0.0, 0.0, 1.0, None),
        (100, 0.7, 0.4, 0.3, 0.1),
        (1000, 1.0, 0.9, 0.0, 0.8),
        (4000, 1.0, 0.97, 0.0, 0.95),
    )
    fields = {
        "data": "example",
        "n_samples": 64,
        "n_features": 8,
        "n_pairs": 16,
        "n_parameters": 288,
        "parameters_per_sample": 4.5,
        "activation": "relu",
        "loss": "hinge",
        "output_scale": math.inf,
        "epsilon": 0.05,
        "batch_size": 4,
        "n_steps_planned": 4000,
        "n_steps": 990,
        "stopped": "no_gradient",
        "learning_rate": 0.5,
        "learning_rate_network": 0.0,
        "seed": 0,
        "dtype": "float32",
        "R": 1.3,
        "norm_squared": 500.0,
        "random_iterate_step": 77,
        "fraction_memorized": 0.6,
        "fraction_memorized_mean": 0.97,
        "fraction_memorized_interval": (0.96, 0.98),
        "fraction_memorized_last": 1.0,
        "certified_fraction": 0.95,
        "certified_reason": None,
        "certified_steps": 4000,
        "mean_online_loss": 0.05,
        "n_gates_flipped": 0,
        "sufficient_output_scale": 1e7,
        "target_fraction": 1.0,
        "seconds": 2.0,
        "seconds_compile": 1.0,
        "device": "cpu",
        "version": __version__,
        "theorem": None,
        "theorem_reason": "left out",
        "widths_tried": (TrialRecord(n_pairs=16, n_steps=4000),),
        "search_ended": "the width was given",
        "laziness": None,
        "curve": tuple(CurveRecord.model_validate(dict(zip(names, look, strict=True))) for look in looks),
    }
    return MemorizeRecord(**{**fields, **changes})


class TestJson:
    def test_round_trip(self):
        record = example()
        assert MemorizeRecord.model_validate_json(record.to_json()) == record
        lazy = LazinessRecord.model_validate(dict.fromkeys(LazinessRecord.model_fields, 0) | {"kernel_drift": 1e-30})
        finite = example(
            output_scale=1e7, certified_fraction=None, certified_reason="why", norm_squared=None, laziness=lazy
        )
        assert MemorizeRecord.model_validate_json(finite.to_json()) == finite

    def test_infinity_is_a_word(self):
        fields = strict(example().to_json())
        assert fields["output_scale"] == "inf"
        assert fields["sufficient_output_scale"] == 1e7
        assert strict(example(output_scale=3.5, sufficient_output_scale=math.inf).to_json())["output_scale"] == 3.5
        assert strict(example(sufficient_output_scale=math.inf).to_json())["sufficient_output_scale"] == "inf"

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_what_is_undefined_is_null(self, value):
        record = example(mean_online_loss=value)
        fields = strict(record.to_json())
        assert fields["mean_online_loss"] is None
        assert strict(MemorizeRecord.model_validate(fields).to_json()) == fields  # and can be read again

    @pytest.mark.slow
    @pytest.mark.parametrize("which", ["example", "run"])
    def test_every_field_of_the_contract_is_there(self, which):
        record = example() if which == "example" else record_of(run("perceptron"), "points")
        fields = strict(record.to_json())
        for name, kind in CONTRACT.items():
            assert isinstance(fields[name], kind), name
            assert not isinstance(fields[name], bool), name
        assert fields["stopped"] in ("no_gradient", "target", "steps")

    def test_records_are_frozen_and_take_nothing_else(self):
        record: Any = example()
        with pytest.raises(ValidationError, match="frozen"):
            record.seed = 1
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            example(width=3)
        with pytest.raises(ValidationError, match="'no_gradient', 'target' or 'steps'"):
            example(stopped="never")

    def test_landmarks(self):
        assert example().landmarks == {"q d = m/2": 4.0, "q d = m": 8.0}


class TestOfAResult:
    def test_numbers_are_those_of_the_result(self):
        result = run("hinge")
        record = record_of(result, "points")
        for name in set(CONTRACT) - {"version", "parameters_per_sample"}:
            assert getattr(record, name) == getattr(result, name), name
        assert (record.data, record.version) == ("points", __version__)
        assert record.certified_steps == result.plan.certified_steps
        assert [trial.n_pairs for trial in record.widths_tried] == [result.n_pairs]
        assert record.theorem is not None
        assert record.theorem.n_parameters == 2 * record.theorem.n_pairs * (result.n_features + 1)

    @pytest.mark.slow
    def test_why_theorem_7_says_nothing(self):
        record = record_of(run(activation="identity"), "points")  # its kernel has the rank of the points
        assert record.theorem is None
        assert record.theorem_reason == "the expected kernel is singular on this sample"

    @pytest.mark.parametrize("loss", ["hinge", "perceptron"])
    def test_the_curve_goes_on_to_the_planned_steps(self, loss):
        result, replay = replayed(loss, 0)
        curve = record_of(result, "points").curve
        steps = [point.step for point in curve]
        assert steps == sorted(set(steps))
        assert (steps[0], steps[-1]) == (0, T)
        for point in curve:  # also where nothing moves any more, which was not run
            assert point.fraction == replay.fraction(point.step + 1)
            if point.step:
                assert point.mean_fraction == pytest.approx(1 - replay.mistakes[: point.step].mean(), abs=1e-9)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "settings",
        [{"loss": "hinge"}, {"loss": "perceptron"}, {"activation": "tanh", "output_scale": 1e9}],
        ids=["hinge", "perceptron", "finite"],
    )
    def test_the_certified_curve_ends_at_the_certified_fraction(self, settings):
        record = record_of(run(**settings), "points")
        certified = [point.certified for point in record.curve]
        assert certified[0] is None
        assert certified[-1] == pytest.approx(record.certified_fraction, abs=1e-12)

    def test_without_certificate_no_curve(self):
        record = record_of(dataclasses.replace(run("hinge"), certified_fraction=None), "points")
        assert all(point.certified is None for point in record.curve)

    def test_a_long_curve_is_thinned_out(self):
        result = run("hinge")
        point = result.curve[-1]
        long = tuple(dataclasses.replace(point, step=step) for step in range(5000))
        steps = [
            look.step for look in record_of(dataclasses.replace(result, curve=long, stopped="steps"), "points").curve
        ]
        assert len(steps) <= 200
        assert (steps[0], steps[-1]) == (0, 4999)
        assert steps == sorted(set(steps))
        np.testing.assert_array_less(np.diff(np.log(steps[20:])), 0.1)  # evenly, in the logarithm
