"""Memorize a labelled sample: plan, train, certify (section 3.3).

`memorize` does it in one call; `memorize_steps` yields after every width tried and every look at the sample, so that
whoever calls it can show progress and stop.
"""

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Float

from tightwidth import sphere
from tightwidth.activations import Activation
from tightwidth.devices import check_devices
from tightwidth.finite_scale import Reach, reach
from tightwidth.long_jobs import finished, told
from tightwidth.losses import Loss, fraction_memorized
from tightwidth.memorization_request import (
    check_contradictions,
    check_points,
    check_run,
    check_settings,
    check_size,
)
from tightwidth.memorization_result import MemorizeResult
from tightwidth.memorization_run import Run, Running, certified_by
from tightwidth.network import n_parameters, network_learning_rate, preactivations
from tightwidth.neuron_shards import NeuronShards, OneDevice, neuron_mesh
from tightwidth.plan_table import PlanTable
from tightwidth.planning import Plan, automatic_batch_size, plan_memorization
from tightwidth.precision import stepwise
from tightwidth.prepared_loop import Compilation, Sample
from tightwidth.run_settings import Settings
from tightwidth.threads import aside
from tightwidth.width_search import Trial
from tightwidth.worst_case import WorstCase, worst_case

Auto = Literal["auto"]


@dataclass(frozen=True)
class Tried:
    """Report a width of the search."""

    trial: Trial


@dataclass(frozen=True)
class Planned:
    """Report the plan that will be run."""

    plan: Plan


Event = Tried | Planned | Running


def memorize(
    X: Any,
    y: Any,
    *,
    n_pairs: int | Auto = "auto",
    output_scale: float = math.inf,
    activation: str | Activation = "relu",
    loss: str | Loss = "hinge",
    batch_size: int | Auto = "auto",
    n_steps: int | Auto = "auto",
    learning_rate: float | Auto = "auto",
    epsilon: float = 0.05,
    target_fraction: float = 1.0,
    stop: Literal["exact", "target"] = "exact",
    plan: Plan | PlanTable | Mapping[str, Any] | None = None,
    seed: int = 0,
    devices: Sequence[Any] | None = None,
) -> MemorizeResult:
    """Train a depth-two network by Algorithm 1 until it memorizes a sample, with about as few parameters as possible.

    Parameters
    ----------
    X
        Points, [n_samples, n_features]; every row is projected to the unit sphere.  float32 and float64 are kept.
    y
        Labels +1 and -1, [n_samples].
    n_pairs
        q, half the number of hidden neurons.  "auto": the width with the least certified work.
    output_scale
        B.  ``inf`` trains the linear limit, a finite B the network itself.
    activation, loss
        Names or objects.  The activation must be decent.
    batch_size, n_steps, learning_rate
        b, T, and the embedding's eta.  "auto": from the certificate for epsilon.
    epsilon
        The share that the certificate may leave unmemorized.
    target_fraction
        What the last iterate is to memorize (``result.reached``).
    stop
        "exact": end when no point has a gradient any more, which is Algorithm 1 itself; "target": at target_fraction.
    plan
        Numbers to run instead of "auto": what `tightwidth.plans.plan` returned, or the JSON object of a plan or an
        earlier run.
    seed
        Of the weights, the draws and the random iterate.
    devices
        What the neurons are spread over while the network is trained, such as ``jax.devices()``; None: one device.  The
        numbers are those of one device, up to the rounding of sums.  With `jax.distributed` every process makes the
        same call.

    Returns
    -------
    MemorizeResult
        Its numbers, ``.network`` and ``.predict``.

    Raises
    ------
    DataError
        If the data cannot be memorized as they are.
    InputError
        If a setting is out of its range or unknown.
    HypothesisError
        If the activation is not decent, or claims wrong constants.
    MemoryEstimateError
        If the machine has not enough memory.

    References
    ----------
    Daniely (2020), Section 3.3.

    Examples
    --------
    >>> import numpy as np, tightwidth as tw
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((128, 16)).astype(np.float32), rng.choice([-1.0, 1.0], 128)
    >>> result = tw.memorize(X, y, loss="perceptron")
    >>> result.fraction_memorized_last, result.stopped
    (1.0, 'no_gradient')
    """
    events = memorize_steps(
        X,
        y,
        n_pairs=n_pairs,
        output_scale=output_scale,
        activation=activation,
        loss=loss,
        batch_size=batch_size,
        n_steps=n_steps,
        learning_rate=learning_rate,
        epsilon=epsilon,
        target_fraction=target_fraction,
        stop=stop,
        plan=plan,
        seed=seed,
        devices=devices,
    )
    return finished(events)


def memorize_steps(
    X: Any,
    y: Any,
    *,
    n_pairs: int | Auto = "auto",
    output_scale: float = math.inf,
    activation: str | Activation = "relu",
    loss: str | Loss = "hinge",
    batch_size: int | Auto = "auto",
    n_steps: int | Auto = "auto",
    learning_rate: float | Auto = "auto",
    epsilon: float = 0.05,
    target_fraction: float = 1.0,
    stop: Literal["exact", "target"] = "exact",
    plan: Plan | PlanTable | Mapping[str, Any] | None = None,
    seed: int = 0,
    devices: Sequence[Any] | None = None,
) -> Generator[Event, None, MemorizeResult]:
    """Do what `memorize` does, yielding events; the result is the value of the generator."""
    settings = check_settings(
        n_pairs=n_pairs,
        output_scale=output_scale,
        activation=activation,
        loss=loss,
        batch_size=batch_size,
        n_steps=n_steps,
        learning_rate=learning_rate,
        epsilon=epsilon,
        seed=seed,
        plan=plan,
    )
    target = check_run(target_fraction=target_fraction, stop=stop)
    points, labels = check_points(X, y)
    check_size(settings, m=points.shape[0], d=points.shape[1], dtype=points.dtype)
    check_contradictions(points, labels, settings)
    place = OneDevice() if devices is None else NeuronShards(neuron_mesh(check_devices(devices)))
    return (yield from stepwise(_memorize(points, labels, settings, target, stop, place), points))


def _memorize(
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    settings: Settings,
    target: float,
    stop: str,
    place: OneDevice | NeuronShards,
) -> Generator[Event, None, MemorizeResult]:
    started = time.perf_counter()
    (m, d), R = X.shape, sphere.R_of_sample(X, seed=settings.seed)
    sample = Sample(X, y, settings, place)
    compilation = Compilation(sample, settings.batch_size or automatic_batch_size(m, d, R))
    trials = plan_memorization(X, y, settings, R=R)
    plan = yield from told(trials, lambda trial: Tried(compilation.hear(trial)))
    yield Planned(plan)
    compilation.begin(plan.n_pairs)
    run = Run(sample, plan)
    # beside the run: a small network keeps one core busy, and what compiles meanwhile would be waited for
    known = aside(_known_before_the_run, sample, plan, run.start.W_half, R)
    run.look()
    seconds_compile = compilation.seconds(plan.n_pairs)
    stopped = yield from run.steps(target, stop)
    last = run.curve[-1]
    demanded, reached = known.result()
    guarantee = certified_by(settings, plan, reached, stopped)
    q, T = plan.n_pairs, plan.n_steps
    random_network = run.random_network(stopped)
    return MemorizeResult(
        n_samples=m,
        n_features=d,
        n_pairs=q,
        n_parameters=n_parameters(q, d),
        activation=settings.activation.name,
        loss=settings.loss.name,
        output_scale=settings.output_scale,
        epsilon=settings.epsilon,
        batch_size=plan.batch_size,
        n_steps_planned=T,
        n_steps=int(run.seen.last_update) if stopped == "no_gradient" else run.done,
        stopped=stopped,
        learning_rate=plan.learning_rate,
        learning_rate_network=network_learning_rate(plan.learning_rate, q, settings.output_scale),
        seed=settings.seed,
        dtype=str(X.dtype),
        R=R,
        norm_squared=plan.certificate.comparators.separating_norm_squared,
        random_iterate_step=run.random_step,
        fraction_memorized=None if random_network is None else fraction_memorized(run.outputs(random_network), y),
        fraction_memorized_mean=run.mean_over_iterates(
            run.done - run.sum_of(run.seen.online_mistakes), last.fraction, stopped
        ),
        fraction_memorized_interval=run.interval_over_iterates(last.fraction, stopped),
        fraction_memorized_last=last.fraction,
        certified_fraction=guarantee.fraction,
        certified_reason=guarantee.reason,
        mean_online_loss=run.mean_over_iterates(run.sum_of(run.seen.online_loss), last.loss, stopped),
        laziness=run.laziness(),
        sufficient_output_scale=guarantee.sufficient_B,
        finite_scale_penalty=guarantee.penalty,
        target_fraction=target,
        seconds=time.perf_counter() - started,
        seconds_compile=seconds_compile,
        device=place.device_kind,
        plan=plan,
        worst_case=demanded,
        curve=tuple(run.curve),
        network=run.network,
        random_network=random_network,
    )


def _known_before_the_run(
    sample: Sample, plan: Plan, W_half: Float[Array, "q d"], R: float
) -> tuple[WorstCase | str, Reach]:
    """Return what Theorem 7 asks for, and how near the sample comes to a kink at the initial weights.

    The weights are handed over: drawn here, they would not follow a context in which the caller's were drawn.
    """
    settings = sample.settings
    demanded = worst_case(
        sample.X,
        sample.y,
        activation=settings.activation,
        loss=settings.loss,
        R=R,
        epsilon=settings.epsilon,
        batch_size=plan.batch_size,
        seed=settings.seed,
    )
    return demanded, reach(preactivations(W_half, sample.X), settings.activation)
