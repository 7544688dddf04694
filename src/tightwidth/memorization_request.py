"""Check what `memorize` was given, once, before anything is computed."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from tightwidth import activations, losses, sphere
from tightwidth.activation_checks import check_activation, feature_parity, network_parity
from tightwidth.activations import Activation, check_decent
from tightwidth.contradictions import check_table, contradicted
from tightwidth.errors import DataError, InputError
from tightwidth.losses import Loss, check_loss
from tightwidth.memory import check_fits
from tightwidth.plan_table import PlanTable
from tightwidth.planning import Plan
from tightwidth.precision import float_array
from tightwidth.run_settings import Settings, batch_bytes, bytes_needed
from tightwidth.width_search import first_width

LARGEST_INT = 2**31 - 2  # steps and indices are 32-bit
LARGEST_SEED = 2**32 - 1
LEAST_RATE = {np.dtype(np.float32): 1e-20, np.dtype(np.float64): 1e-200}  # a step is eta/(q b) times gates and inputs
LARGEST_B = {np.dtype(np.float32): 1e37, np.dtype(np.float64): 1e300}  # 1/B must be a normal number

Auto = Literal["auto"]


def check_points(X: Any, y: Any) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Return the points projected to the sphere and the labels, both in the dtype of X.

    Raises
    ------
    DataError
        If X is no table of at least 2 finite rows, a row is zero, or y is not +1 and -1, both present, one a row.
    """
    points = check_table(X)
    if len(points) < 2:
        message = f"X has {len(points)} row{'s' * (len(points) != 1)}; memorizing needs at least 2 points"
        raise DataError(message)
    try:
        labels = float_array(y, points.dtype)
    except (TypeError, ValueError) as error:
        message = f"y must hold the labels +1 and -1 ({error}); tightwidth.data.binary_labels makes them"
        raise DataError(message) from None
    if labels.shape != (len(points),):
        message = f"y has shape {labels.shape} but X has {len(points)} rows; give one label a row"
        raise DataError(message)
    values = np.unique(labels)
    if not np.isin(values, [-1, 1]).all():
        message = (
            f"y holds {len(values)} values ({', '.join(f'{v:g}' for v in values[:5])}{', ...' * (len(values) > 5)}); "
            f"memorizing needs labels +1 and -1: use tightwidth.data.binary_labels(y, positive=VALUE)"
        )
        raise DataError(message)
    if len(values) < 2:
        message = (
            f"all {len(labels)} labels are {values[0]:+g}; there is nothing to memorize: give labels of both signs"
        )
        raise DataError(message)
    return sphere.project(points), labels


def check_contradictions(X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], settings: Settings) -> None:
    """Raise if points that the network cannot tell apart have labels that want it to.

    Raises
    ------
    DataError
        With the number of points concerned.
    """
    lost = contradicted(X, y)
    if lost.any():
        message = (
            f"{int(lost.sum())} of {len(X)} points coincide on the sphere with a point of the other label "
            f"(the first is row {int(np.argmax(lost)) + 1}) and cannot be memorized; remove or relabel them"
        )
        raise DataError(message)
    parity = (feature_parity if math.isinf(settings.output_scale) else network_parity)(settings.activation)
    if parity is None:
        return
    lost = contradicted(X, y, parity)
    if lost.any():
        labels = "opposite" if parity == "even" else "equal"
        message = (
            f"{int(lost.sum())} of {len(X)} points have an antipode with the {labels} label (the first is row "
            f"{int(np.argmax(lost)) + 1}), and the network of {settings.activation.name} is an {parity} function: "
            f"they cannot be memorized; take another activation, for example relu, or append a constant coordinate "
            f"(on_sphere='bias')"
        )
        raise DataError(message)


def _whole(name: str, value: Any, least: int, most: int, advice: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        message = f"{name}={value!r} must be a whole number from {least} to {most}; {advice}"
        raise InputError(message)
    return int(value)


def _real(
    name: str, value: Any, condition: str, advice: str, *, low: float, high: float, high_ok: bool = False
) -> float:
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not (low < value < high or (high_ok and value == high)):
        message = f"{name}={value!r} must be {condition}; {advice}"
        raise InputError(message)
    return float(value)


def check_settings(
    *,
    n_pairs: int | Auto,
    output_scale: float,
    activation: str | Activation,
    loss: str | Loss,
    batch_size: int | Auto,
    n_steps: int | Auto,
    learning_rate: float | Auto,
    epsilon: float,
    seed: int,
    plan: Plan | PlanTable | Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings, with "auto" as None and what a plan fixes filled in.

    Raises
    ------
    InputError
        If a number is out of its range, or a name is unknown.
    HypothesisError
        If the activation is not decent, or an activation or loss does not have the constants it claims.
    """
    sigma, ell = activations.get(activation), losses.get(loss)
    check_decent(sigma)
    if sigma is not activations.REGISTRY.get(sigma.name):
        check_activation(sigma)
    if ell is not losses.REGISTRY.get(ell.name):
        check_loss(ell)
    planned = _planned(plan)
    if isinstance(plan, PlanTable):
        _check_same(plan, activation=sigma.name, loss=ell.name, epsilon=epsilon, seed=seed)
    given = {"n_pairs": n_pairs, "n_steps": n_steps, "batch_size": batch_size, "learning_rate": learning_rate}
    chosen = {name: planned.get(name) if value == "auto" else value for name, value in given.items()}
    for name in ("n_pairs", "n_steps", "batch_size"):
        if chosen[name] is not None:
            chosen[name] = _whole(name, chosen[name], 1, LARGEST_INT, "or leave it at 'auto'")
    if chosen["learning_rate"] is not None:
        chosen["learning_rate"] = _real(
            "learning_rate",
            chosen["learning_rate"],
            "a positive number",
            "or leave it at 'auto'",
            low=0,
            high=math.inf,
        )
    return Settings(
        activation=sigma,
        loss=ell,
        epsilon=_real(
            "epsilon",
            epsilon,
            "strictly between 0 and 1",
            "it is the share that may stay unmemorized, or the excess loss, for example 0.05",
            low=0,
            high=1,
        ),
        output_scale=_real(
            "output_scale",
            output_scale,
            "positive",
            "B = inf is the linear limit, finite B the network itself",
            low=0,
            high=math.inf,
            high_ok=True,
        ),
        seed=_whole("seed", seed, 0, LARGEST_SEED, "it names the random numbers of the run"),
        **chosen,
    )


def _check_same(plan: PlanTable, **given: Any) -> None:
    """Raise if a plan was made for another activation, loss, epsilon or seed than those of the run.

    Raises
    ------
    InputError
        With the argument to give.
    """
    if plan.goal == "learn":
        given.pop("epsilon")  # of another meaning
    for name, value in given.items():
        planned = getattr(plan, name)
        if planned != value:
            message = f"the plan is for {name}={planned!r}, and {name}={value!r} is to be run; give {name}={planned!r}"
            raise InputError(message)


def _planned(plan: Plan | PlanTable | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a plan fixes: an object of this library, or the JSON of an earlier run."""
    if plan is None:
        return {}
    if isinstance(plan, PlanTable):
        if not plan.settings:
            message = "the plan has no row with steps to run; plan again with another epsilon or loss"
            raise InputError(message)
        return plan.settings
    if isinstance(plan, Plan):
        return {name: getattr(plan, name) for name in ("n_pairs", "n_steps", "batch_size", "learning_rate")}
    names = {
        "n_pairs": "n_pairs",
        "n_steps_planned": "n_steps",
        "batch_size": "batch_size",
        "learning_rate": "learning_rate",
    }
    if not isinstance(plan, Mapping) or not any(name in plan for name in (*names, "n_steps")):
        message = f"the plan holds none of {', '.join(names)}; give a plan, or the JSON object that memorize wrote"
        raise InputError(message)
    return {
        "n_steps": plan.get("n_steps"),
        **{short: plan[name] for name, short in names.items() if name in plan},
    }


def check_run(*, target_fraction: float, stop: str) -> float:
    """Return the target fraction; check how the run is to end.

    Raises
    ------
    InputError
        If the fraction is not in (0, 1] or the rule is unknown.
    """
    if stop not in ("exact", "target"):
        message = f"stop={stop!r} is unknown; known: exact (when no point has a gradient), target (at target_fraction)"
        raise InputError(message)
    return _real(
        "target_fraction",
        target_fraction,
        "in (0, 1]",
        "it is the share that the last iterate is to memorize",
        low=0,
        high=1,
        high_ok=True,
    )


def check_size(settings: Settings, *, m: int, d: int, dtype: np.dtype) -> None:
    """Raise if B is beyond the precision, or the run beyond the memory of the machine.

    Raises
    ------
    InputError
        If 1/B is no normal number of the dtype.
    MemoryEstimateError
        If the sample and the network do not fit; the message says what would be needed.
    """
    if math.isfinite(settings.output_scale) and settings.output_scale > LARGEST_B[dtype]:
        message = (
            f"output_scale={settings.output_scale:g} exceeds {LARGEST_B[dtype]:g}, the largest in {dtype}; "
            f"take output_scale=inf, the limit, which it equals to every digit"
        )
        raise InputError(message)
    if settings.learning_rate is not None and settings.learning_rate > float(np.finfo(dtype).max):
        message = (
            f"learning_rate={settings.learning_rate:g} is beyond {dtype}; give a smaller one, or leave it at 'auto'"
        )
        raise InputError(message)
    if settings.learning_rate is not None and settings.learning_rate < LEAST_RATE[dtype]:
        message = (
            f"learning_rate={settings.learning_rate:g} is so small that its steps vanish in {dtype}; give at least "
            f"{LEAST_RATE[dtype]:g}, or leave it at 'auto'"
        )
        raise InputError(message)
    q = settings.n_pairs or first_width(m, d)
    check_fits(
        bytes_needed(m, d, q, dtype.itemsize) + batch_bytes(settings.batch_size or 0, d, q, dtype.itemsize),
        f"memorizing {m} points in {d} dimensions with {q} pairs in {dtype}",
        "take fewer points, fewer pairs, a smaller batch or float32",
    )
