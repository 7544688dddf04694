"""From the result of a run to its record."""

import math

import numpy as np

from tightwidth import __version__
from tightwidth.certificates import is_perceptron
from tightwidth.laziness import Laziness
from tightwidth.memorization_result import CurvePoint, MemorizeResult
from tightwidth.network import n_parameters
from tightwidth.records.memorization import CurveRecord, LazinessRecord, MemorizeRecord, TheoremRecord, TrialRecord
from tightwidth.worst_case import WorstCase

MOST_CURVE_POINTS = 200


def record_of(result: MemorizeResult, data: str) -> MemorizeRecord:
    """Return the record of a result on the data of that name."""
    same_names = set(MemorizeRecord.model_fields) - {
        *("data", "version", "parameters_per_sample", "certified_steps"),
        *("theorem", "theorem_reason", "widths_tried", "search_ended", "laziness", "curve", "search"),
    }
    demanded = result.worst_case
    return MemorizeRecord(
        **{name: getattr(result, name) for name in same_names},
        data=data,
        version=__version__,
        parameters_per_sample=result.parameters_per_sample,
        certified_steps=result.plan.certified_steps,
        theorem=_theorem(demanded, result.n_features) if isinstance(demanded, WorstCase) else None,
        theorem_reason=demanded if isinstance(demanded, str) else None,
        widths_tried=tuple(TrialRecord(n_pairs=t.n_pairs, n_steps=t.n_steps) for t in result.plan.trials),
        search_ended=result.plan.search_ended,
        laziness=None if result.laziness is None else _laziness(result.laziness),
        curve=tuple(_look(result, point) for point in [*_thinned(result.curve), *_standing_still(result)]),
    )


def _theorem(demanded: WorstCase, d: int) -> TheoremRecord:
    return TheoremRecord(
        n_pairs=demanded.n_pairs,
        n_parameters=n_parameters(demanded.n_pairs, d),
        n_steps=demanded.n_steps,
        lambda_min=demanded.lambda_min,
        label_norm_squared=demanded.label_norm_squared,
        lambda_min_error=demanded.lambda_min_error,
        label_norm_squared_error=demanded.label_norm_squared_error,
    )


def _laziness(measured: Laziness) -> LazinessRecord:
    numbers = {name: getattr(measured, name) for name in LazinessRecord.model_fields}
    bounded = math.isfinite(measured.displacement_bound)  # nothing bounds it where the loss is not Lipschitz
    return LazinessRecord(**{**numbers, "displacement_bound": measured.displacement_bound if bounded else None})


def _thinned(curve: tuple[CurvePoint, ...]) -> list[CurvePoint]:
    """Return at most 200 points, evenly spread in the logarithm of the steps, with the first and the last."""
    if len(curve) <= MOST_CURVE_POINTS:
        return list(curve)
    places = np.unique(np.geomspace(1, len(curve), MOST_CURVE_POINTS).astype(int) - 1)
    return [curve[i] for i in places]


def _standing_still(result: MemorizeResult) -> list[CurvePoint]:
    """Return points up to the planned T where nothing moves any more: they are known without running the steps."""
    last, T = result.curve[-1], result.n_steps_planned
    if result.stopped != "no_gradient" or last.step >= T:
        return []
    steps = np.unique(np.geomspace(last.step, T, 30).astype(int))[1:]
    total = last.step * last.mean_fraction
    return [
        CurvePoint(int(t), last.fraction, float((total + (t - last.step) * last.fraction) / t), last.loss)
        for t in steps
    ]


def _look(result: MemorizeResult, point: CurvePoint) -> CurveRecord:
    """Return a look with what is certified for a run of that many steps at the rate of this run."""
    certified = None
    if point.step > 0 and result.certified_fraction is not None:
        scales = math.isinf(result.output_scale) and is_perceptron(result.plan.certificate.loss)
        certified = result.plan.certificate.fraction(
            point.step, result.learning_rate, path_scales=scales, penalty=result.finite_scale_penalty
        )
    return CurveRecord(
        step=point.step,
        fraction=point.fraction,
        mean_fraction=point.mean_fraction,
        loss=point.loss,
        certified=certified,
    )
