"""How wide, how long, how large B, at which rate: three answers side by side, from data or from numbers.

`plan` does it in one call; `plan_steps` yields after every width tried, so that whoever calls it can show progress.
"""

import math
import numbers
from collections.abc import Generator
from typing import Any, Literal

import jax
import numpy as np

from tightwidth import sampling, sphere
from tightwidth.activations import Activation
from tightwidth.calibration import ROWS, WIDTHS, SecondsAStep, calibrate
from tightwidth.certified_rows import Learning, learning_row
from tightwidth.errors import InputError
from tightwidth.learning_plans import learning_plan
from tightwidth.long_jobs import finished
from tightwidth.losses import Loss, check_lipschitz, loss_at_0
from tightwidth.memorization_request import check_contradictions, check_points, check_settings, check_size
from tightwidth.memorizing_plans import LARGEST_DRAWN, POINTS_FOR_MANY, memorizing_plan, plan_for_many_points
from tightwidth.memory import fits
from tightwidth.plan_table import Goal, PlanRow, PlanTable
from tightwidth.planning import automatic_batch_size
from tightwidth.precision import stepwise
from tightwidth.reference_fit import Fit, ridge_fit
from tightwidth.run_settings import Settings
from tightwidth.theorems.hypotheses import require_R
from tightwidth.width_search import Trial

GOALS = ("memorize", "learn")
NEEDS_DATA = "weights are certified on data; give X and y for this row"


def plan(
    X: Any = None,
    y: Any = None,
    *,
    goal: Goal = "memorize",
    n_features: int | None = None,
    n_samples: int | None = None,
    norm: float | None = None,
    R: float | None = None,
    epsilon: float = 0.05,
    activation: str | Activation = "relu",
    loss: str | Loss = "hinge",
    batch_size: int | Literal["auto"] = "auto",
    n_pairs: int | Literal["auto"] = "auto",
    seed: int = 0,
    calibrated: bool = True,
) -> PlanTable:
    """Return a plan: q, T, B, eta and what they cost, by theorem, by certificate, and at the landmarks.

    Parameters
    ----------
    X, y
        Points, projected to the sphere, and labels +-1; or None, to plan from numbers.
    goal
        "memorize" 1 - epsilon of a sample (Theorem 7), or "learn" within epsilon of the best function of norm M
        (Theorem 5).
    n_features, n_samples
        d and m, where no X is given.  To memorize, m random points with random labels are then planned for: those that
        ``tightwidth memorize --points --dim`` draws from the same seed.
    norm
        M, to learn from numbers.  From data it is that of a ridge fit, if it is not given.
    R
        To learn from numbers; 1 by default, as for the uniform distribution.  From data it is measured.
    epsilon
        In (0, 1).
    activation, loss
        Names or objects; decent, and Lipschitz.
    batch_size
        b; "auto" is the critical batch size d/R^2 rounded up to a power of two.
    n_pairs
        Certify this width instead of searching for the one with the least certified work.
    seed
        Of the weights that are certified.
    calibrated
        Whether to time steps on this machine, for a second, and predict how long runs take.

    Returns
    -------
    PlanTable
        ``memorize(X, y, plan=table)`` runs its chosen row.

    Raises
    ------
    InputError
        If a number is missing, out of its range, or not for this goal.
    DataError
        If the data cannot be used.
    HypothesisError
        If a theorem does not allow what was given: an activation that is not decent, a loss that is not Lipschitz.

    References
    ----------
    Daniely (2020), Section 3.2.
    Daniely (2020), Section 3.3.

    Examples
    --------
    >>> import tightwidth as tw
    >>> table = tw.plan(goal="learn", n_features=32, norm=4.0, epsilon=0.5, calibrated=False)
    >>> row = table.row("theorem")
    >>> row.n_pairs, row.n_steps, row.dominant
    (10, 20, 'approximation')
    """
    steps = plan_steps(
        X,
        y,
        goal=goal,
        n_features=n_features,
        n_samples=n_samples,
        norm=norm,
        R=R,
        epsilon=epsilon,
        activation=activation,
        loss=loss,
        batch_size=batch_size,
        n_pairs=n_pairs,
        seed=seed,
        calibrated=calibrated,
    )
    return finished(steps)


def plan_steps(
    X: Any = None,
    y: Any = None,
    *,
    goal: Goal = "memorize",
    n_features: int | None = None,
    n_samples: int | None = None,
    norm: float | None = None,
    R: float | None = None,
    epsilon: float = 0.05,
    activation: str | Activation = "relu",
    loss: str | Loss = "hinge",
    batch_size: int | Literal["auto"] = "auto",
    n_pairs: int | Literal["auto"] = "auto",
    seed: int = 0,
    calibrated: bool = True,
) -> Generator[Trial, None, PlanTable]:
    """Do what `plan` does, yielding the widths tried; the table is the value of the generator."""
    if goal not in GOALS:
        message = f"goal={goal!r} is unknown; known: {', '.join(GOALS)}"
        raise InputError(message)
    settings = check_settings(
        n_pairs=n_pairs,
        output_scale=math.inf,
        activation=activation,
        loss=loss,
        batch_size=batch_size,
        n_steps="auto",
        learning_rate="auto",
        epsilon=epsilon,
        seed=seed,
    )
    check_lipschitz(settings.loss)
    if (X is None) != (y is None):
        message = f"{'y' if X is None else 'X'} is given without {'X' if X is None else 'y'}; give both, or numbers"
        raise InputError(message)
    if goal == "learn" and loss_at_0(settings.loss) == 0:
        message = (
            f"loss={settings.loss.name!r} is 0 at the prediction 0 already, so that there is nothing to learn from it; "
            f"give hinge or logistic"
        )
        raise InputError(message)
    _check_fitting(goal, X, n_features=n_features, n_samples=n_samples, norm=norm, R=R, settings=settings)
    if goal == "memorize":
        return (yield from _memorize(X, y, settings, n_samples, n_features, calibrated))
    return (yield from _learn(X, y, settings, d=n_features, norm=norm, R=R, calibrated=calibrated))


def _check_fitting(
    goal: Goal,
    X: Any,
    *,
    n_features: int | None,
    n_samples: int | None,
    norm: float | None,
    R: float | None,
    settings: Settings,
) -> None:
    """Raise if a number is given that the goal has no use for, or one is missing.

    Raises
    ------
    InputError
        With what to give.
    """
    given = {"n_features": n_features, "n_samples": n_samples, "norm": norm, "R": R}
    measured = ("n_features", "n_samples", "R") if goal == "learn" else tuple(given)
    needed = () if X is not None else ("n_features", "n_samples") if goal == "memorize" else ("n_features", "norm")
    unused = measured if X is not None else ("norm", "R") if goal == "memorize" else ()
    if goal == "learn" and X is None and n_samples is not None:
        message = f"n_samples={n_samples} has no use in learning from numbers, that is from fresh points; leave it out"
        raise InputError(message)
    for name in unused:
        if given[name] is not None:
            source = "the data" if X is not None else "random points"
            message = f"{name}={given[name]} is measured from {source} here; leave it out"
            raise InputError(message)
    for name in needed:
        if given[name] is None:
            message = f"{name} is missing: to {goal} without data, give {' and '.join(needed)}, or give X and y"
            raise InputError(message)
    for name in ("norm", "R"):
        value = given[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
            message = f"{name}={value!r} must be a number"
            raise InputError(message)
    for name in ("n_features", "n_samples"):
        value = given[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
            message = f"{name}={value!r} must be a whole number of at least 1"
            raise InputError(message)
    if goal == "learn" and X is None and settings.n_pairs is not None:
        message = f"n_pairs={settings.n_pairs} is certified on data; give X and y, or leave it out"
        raise InputError(message)


def _memorize(
    X: Any, y: Any, settings: Settings, m: int | None, d: int | None, calibrated: bool
) -> Generator[Trial, None, PlanTable]:
    if X is None:
        assert m is not None
        assert d is not None
        if m > LARGEST_DRAWN:
            if settings.n_pairs is not None:
                message = (
                    f"n_pairs={settings.n_pairs} is certified for up to {LARGEST_DRAWN:,} random points, and "
                    f"n_samples={m:,}; give fewer points, or leave n_pairs out"
                )
                raise InputError(message)
            check_size(settings, m=POINTS_FOR_MANY, d=d, dtype=np.dtype(np.float32))
            return plan_for_many_points(
                m,
                d,
                settings,
                batch_size=settings.batch_size,
                seconds_a_step=lambda b: _calibrated(settings, d, b, calibrated),
            )
        check_size(settings, m=m, d=d, dtype=np.dtype(np.float32))
        X, y = sampling.random_points(m, d, seed=settings.seed)
    points, labels = check_points(X, y)
    check_size(settings, m=points.shape[0], d=points.shape[1], dtype=points.dtype)
    check_contradictions(points, labels, settings)
    rows, columns = points.shape
    b = settings.batch_size or automatic_batch_size(rows, columns, sphere.R_of_sample(points, seed=settings.seed))
    seconds = _calibrated(settings, columns, b, calibrated)
    return (yield from stepwise(memorizing_plan(points, labels, settings, seconds_a_step=seconds), points))


def _learn(
    X: Any,
    y: Any,
    settings: Settings,
    *,
    d: int | None,
    norm: float | None,
    R: float | None,
    calibrated: bool,
) -> Generator[Trial, None, PlanTable]:
    if X is None:
        assert d is not None
        assert norm is not None
        R = 1.0 if R is None else float(R)
        require_R(R, d)
        b = settings.batch_size or automatic_batch_size(2**31, d, R)
        size = {"m": 0, "d": d, "seconds_a_step": _calibrated(settings, d, b, calibrated)}
        fit, certified = Fit(float(norm), None, math.inf), Learning(PlanRow("certified", NEEDS_DATA))
        return _learning_table(settings, fit, certified, d=d, R=R, batch_size=b, size=size)
    points, labels = check_points(X, y)
    check_size(settings, m=points.shape[0], d=points.shape[1], dtype=points.dtype)
    (rows, columns), R = points.shape, sphere.R_of_sample(points, seed=settings.seed)
    b = settings.batch_size or automatic_batch_size(rows, columns, R)
    seconds = _calibrated(settings, columns, b, calibrated)
    size = {"m": rows, "d": columns, "itemsize": points.itemsize, "seconds_a_step": seconds}
    with jax.enable_x64(points.dtype == np.float64):
        fit = ridge_fit(points, labels, settings.activation, settings.loss, seed=settings.seed, most=norm)
    certified = yield from stepwise(learning_row(points, labels, settings, fit, R=R, batch_size=b, size=size), points)
    return _learning_table(settings, fit, certified, d=columns, R=R, batch_size=b, size=size)


def _calibrated(settings: Settings, d: int, batch_size: int, wanted: bool) -> SecondsAStep | None:
    needed = 4.0 * d * (ROWS + 8 * max(WIDTHS) + 4 * batch_size) + 16.0 * batch_size * max(WIDTHS)
    if not (wanted and fits(needed)):
        return None
    return calibrate(settings.activation, d=d, batch_size=batch_size)


def _learning_table(
    settings: Settings, fit: Fit, certified: Learning, *, d: int, R: float, batch_size: int, size: dict[str, Any]
) -> PlanTable:
    return learning_plan(
        settings.activation,
        settings.loss,
        d=d,
        R=R,
        epsilon=settings.epsilon,
        batch_size=batch_size,
        seed=settings.seed,
        fit=fit,
        certified=certified,
        size=size,
    )
