"""Memorize a labelled sample: plan, train, certify (section 3.3).

`memorize` does it in one call; `memorize_steps` yields after every width tried and every look at the sample, so that
whoever calls it can show progress and stop.
"""

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth import algorithm1, finite_scale, sphere
from tightwidth.activations import Activation
from tightwidth.algorithm1 import Algorithm1, State
from tightwidth.certificates import is_perceptron
from tightwidth.embedding import GATES_SHARE
from tightwidth.losses import Loss, fraction_memorized, has_gradient, mean_loss
from tightwidth.memorization_request import check_contradictions, check_points, check_run, check_settings, check_size
from tightwidth.memorization_result import CurvePoint, MemorizeResult, Stopped
from tightwidth.memory import fits
from tightwidth.network import Displacement, Network, init, n_parameters, network_learning_rate, predict, preactivations
from tightwidth.planning import Plan, Settings, Trial, plan_memorization
from tightwidth.precision import stepwise
from tightwidth.sampling import FiniteSample
from tightwidth.worst_case import worst_case

EPOCHS_BETWEEN_LOOKS = 2
SECONDS_A_CALL = 0.3  # of compiled steps, between which a run can be interrupted
Auto = Literal["auto"]


@dataclass(frozen=True)
class Tried:
    """Report a width of the search."""

    trial: Trial


@dataclass(frozen=True)
class Planned:
    """Report the plan that will be run."""

    plan: Plan


@dataclass(frozen=True)
class Running:
    """Report a look at the sample: steps done, of how many, and what was counted."""

    n_steps: int
    point: CurvePoint


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
    plan: Plan | Mapping[str, Any] | None = None,
    seed: int = 0,
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
        Numbers to run instead of "auto": a `tightwidth.planning.Plan`, or the JSON object of an earlier run.
    seed
        Of the weights, the draws and the random iterate.

    Returns
    -------
    MemorizeResult
        Its numbers, ``.network`` and ``.predict``.

    Raises
    ------
    DataError
        If the data cannot be memorized as they are.
    ValueError
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
    )
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


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
    plan: Plan | Mapping[str, Any] | None = None,
    seed: int = 0,
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
    return (yield from stepwise(_memorize(points, labels, settings, target, stop), points))


def _memorize(
    X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], settings: Settings, target: float, stop: str
) -> Generator[Event, None, MemorizeResult]:
    started = time.perf_counter()
    (m, d), R = X.shape, sphere.R_of_sample(X, seed=settings.seed)
    planning = plan_memorization(X, y, settings, R=R)
    while True:
        try:
            yield Tried(next(planning))
        except StopIteration as end:
            plan: Plan = end.value
            break
    yield Planned(plan)
    demanded = worst_case(
        X,
        y,
        activation=settings.activation,
        loss=settings.loss,
        R=R,
        epsilon=settings.epsilon,
        batch_size=plan.batch_size,
        perceptron=is_perceptron(settings.loss),
        seed=settings.seed,
    )
    run = _Run(X, y, settings, plan)
    stopped = yield from run.steps(target, stop)
    last = run.curve[-1]
    certified, reason, enough = _certified(settings, plan, run, stopped)
    q, T = plan.n_pairs, plan.n_steps
    random_network = run.random_network(stopped)
    is_displacement = isinstance(run.state.network, Displacement)
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
        n_steps=int(run.state.last_update) if stopped == "no_gradient" else run.done,
        stopped=stopped,
        learning_rate=plan.learning_rate,
        learning_rate_network=network_learning_rate(plan.learning_rate, q, settings.output_scale),
        seed=settings.seed,
        dtype=str(X.dtype),
        R=R,
        norm_squared=plan.certificate.comparators.separating_norm_squared,
        random_iterate_step=run.random_step,
        fraction_memorized=None if random_network is None else fraction_memorized(run.outputs(random_network), y),
        fraction_memorized_mean=run.mean_over_iterates(run.done - run.sum_of(run.state.online_mistakes), last.fraction, stopped),
        fraction_memorized_last=last.fraction,
        certified_fraction=certified,
        certified_reason=reason,
        mean_online_loss=run.mean_over_iterates(run.sum_of(run.state.online_loss), last.loss, stopped),
        n_gates_flipped=finite_scale.count_flipped_gates(run.state.network, run.X, run.preactivations()) if is_displacement else 0,
        sufficient_output_scale=enough,
        target_fraction=target,
        seconds=time.perf_counter() - started,
        seconds_compile=run.seconds_compile,
        device=next(iter(run.X.devices())).device_kind,
        plan=plan,
        worst_case=demanded,
        curve=tuple(run.curve),
        network=run.state.network,
        random_network=random_network,
    )


class _Run:
    """Keep what one run of Algorithm 1 on the sample needs from call to call."""

    def __init__(self, X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], settings: Settings, plan: Plan) -> None:
        (self.m, d), q = X.shape, plan.n_pairs
        weights_key, steps_key, iterate_key = jax.random.split(jax.random.key(settings.seed), 3)
        network = init(weights_key, d=d, q=q, B=settings.output_scale, activation=settings.activation, dtype=X.dtype)
        self.X, self.y, self.labels = jnp.asarray(X), jnp.asarray(y), y
        keeps = fits(self.m * q * X.dtype.itemsize, GATES_SHARE)
        self.source = FiniteSample(self.X, self.y, network.cache(self.X) if keeps else None)
        self.loss, self.plan = settings.loss, plan
        self.sgd = Algorithm1(settings.loss, plan.batch_size, jnp.asarray(plan.learning_rate, X.dtype), steps_key)
        self.random_step = algorithm1.draw_random_step(iterate_key, plan.n_steps)
        self.random_iterate: Network | None = network if self.random_step == 1 else None
        self.done = 0
        self.curve: list[CurvePoint] = []
        began = time.perf_counter()
        self.state: State = jax.block_until_ready(self.sgd.advance(self.sgd.init(network), self.source, 0))
        self.seconds_compile = time.perf_counter() - began

    def steps(self, target: float, stop: str) -> Generator[Running, None, Stopped]:
        """Run to the planned T or to an earlier end, and say which it was."""
        T = self.plan.n_steps
        epoch = math.ceil(self.m / self.plan.batch_size)
        every = epoch if stop == "target" else EPOCHS_BETWEEN_LOOKS * epoch
        self._look()
        for look in range(every, T + every, every):
            self._advance(min(look, T))
            point, moves = self._look()
            yield Running(T, point)
            if stop == "target" and point.fraction >= target:
                return "target"
            if not moves:
                return "no_gradient"
        return "steps"

    def _advance(self, until: int) -> None:
        """Take steps up to ``until``, in calls short enough to be interrupted, and keep the random iterate."""
        rate = None
        while self.done < until:
            n = until - self.done
            if self.done < self.random_step - 1:
                n = min(n, self.random_step - 1 - self.done)
            n = min(n, 256 if rate is None else max(1, int(SECONDS_A_CALL * rate)))
            began = time.perf_counter()
            self.state = jax.block_until_ready(self.sgd.advance(self.state, self.source, n))
            rate = n / max(time.perf_counter() - began, 1e-6)
            self.done += n
            if self.done == self.random_step - 1:
                self.random_iterate = self.state.network

    def _look(self) -> tuple[CurvePoint, bool]:
        """Count on the whole sample; also return whether any point still has a gradient."""
        h = self.outputs(self.state.network)
        fraction = fraction_memorized(h, self.labels)
        mean = 1 - self.sum_of(self.state.online_mistakes) / self.done if self.done else fraction
        point = CurvePoint(self.done, fraction, mean, mean_loss(self.loss, h, self.labels))
        self.curve.append(point)
        return point, has_gradient(self.loss, h, self.labels)

    def outputs(self, network: Network) -> Float[np.ndarray, " m"]:
        """Return the outputs of a network on the sample, with the gates of the run."""
        return predict(network, self.X, self.source.cached)

    def preactivations(self) -> Float[Array, "m q"]:
        """Return the pre-activations of the sample at the initial weights."""
        return preactivations(self.state.network.W_half, self.X)

    @staticmethod
    def sum_of(running: algorithm1.Compensated) -> float:
        """Return a running sum with its correction."""
        return float(running.total) - float(running.lost)

    def random_network(self, stopped: Stopped) -> Network | None:
        """Return the iterate of the random step; the last one stands for all later ones if nothing moves any more."""
        if self.random_iterate is None and stopped == "no_gradient":
            return self.state.network
        return self.random_iterate

    def mean_over_iterates(self, total: float, last: float, stopped: Stopped) -> float:
        """Return a mean over W_1, ..., W_T, given its sum over the steps run and its value at the last iterate."""
        if stopped == "no_gradient":
            return (total + (self.plan.n_steps - self.done) * last) / self.plan.n_steps
        return total / self.done


def _certified(settings: Settings, plan: Plan, run: _Run, stopped: Stopped) -> tuple[float | None, str | None, float]:
    """Return what is guaranteed, why it is not more, and a sufficient B."""
    certificate, sigma, B = plan.certificate, settings.activation, settings.output_scale
    size = {"q": plan.n_pairs, "n_steps": plan.n_steps, "learning_rate": plan.learning_rate, "L": settings.loss.L}
    why = certificate.why_none()
    if why is not None:
        return None, f"no certificate: {why}", math.inf
    reach = finite_scale.reach(run.preactivations(), sigma)
    enough = finite_scale.sufficient_B(reach.gap, C=sigma.C, **size)
    penalty = 0.0
    if math.isfinite(B):
        if enough > B:
            reason = f"gates of the sample can flip at output_scale={B:g}: from {enough:.2g} on none can, and the certificate holds"
            return None, reason, enough
        norm = math.sqrt(float(certificate.comparators.norm_squared.max()))
        penalty = finite_scale.penalty(B, activation=sigma, largest_value=reach.largest_value, norm=norm, **size)
    fraction = certificate.fraction(
        plan.n_steps, plan.learning_rate, path_scales=math.isinf(B) and is_perceptron(settings.loss), penalty=penalty
    )
    reason = plan.not_certified
    if reason is None and fraction < 1 - settings.epsilon:
        reason = (
            f"at output_scale={B:g} the network may differ too much from its linear limit"
            if penalty > 0
            else "not certified at this epsilon with the given steps and learning rate"
        )
    if stopped == "target":
        early = "the run stopped at its target, and the certificate is for all the planned steps"
        reason = early if reason is None else f"{reason}; {early}"
    return fraction, reason, enough
