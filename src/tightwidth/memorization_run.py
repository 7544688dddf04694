"""One run of Algorithm 1 on a sample: its looks at the whole sample, its end, and what is guaranteed about it."""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from tightwidth import algorithm1, finite_scale
from tightwidth.algorithm1 import Seen
from tightwidth.certificates import is_perceptron
from tightwidth.finite_scale import Reach
from tightwidth.laziness import Laziness, measure
from tightwidth.losses import fraction_memorized, mean_and_moves
from tightwidth.memorization_result import CurvePoint, Stopped
from tightwidth.network import Network
from tightwidth.neuron_shards import Placed
from tightwidth.online_loss import Interval, OnlineLoss
from tightwidth.planning import Plan
from tightwidth.prepared_loop import Sample
from tightwidth.run_settings import NEGLIGIBLE, RANDOM_ITERATE, Settings
from tightwidth.seeds import stream_key

EPOCHS_BETWEEN_LOOKS = 2
LOOKS_EVENLY = 32  # from here on they are a 32nd of the steps so far apart: a look may cost as much as its epochs
PROBES_OF_DRIFT = 16  # for more than 4096 points: 320 m q d operations, some tens of epochs' worth
SECONDS_A_CALL = 0.3  # of compiled steps, between which a run can be interrupted
STEPS_A_CALL = 1024  # where several processes have to make the same calls, whose clocks differ


@dataclass(frozen=True)
class Running:
    """Report a look at the sample: steps done, of how many, and what was counted."""

    n_steps: int
    point: CurvePoint


class Run:
    """Keep what one run of Algorithm 1 on the sample needs from call to call."""

    def __init__(self, sample: Sample, plan: Plan) -> None:
        self.m, self.points, self.labels, self.place = len(sample.X), sample.X, sample.y, sample.place
        self.start = sample.start(plan.n_pairs)
        self.source = sample.source(self.start)
        self.loss, self.plan = sample.settings.loss, plan
        self.sgd = sample.sgd(plan.batch_size, plan.learning_rate)
        self.random_step = algorithm1.draw_random_step(stream_key(sample.settings.seed, RANDOM_ITERATE), plan.n_steps)
        self.random_iterate: Network | None = self.start if self.random_step == 1 else None
        self.done = 0
        self.rate: float | None = None  # steps a second
        self.curve: list[CurvePoint] = []
        self.state: Placed = self.place.begin(self.start)

    @property
    def seen(self) -> Seen:
        """What the steps have seen."""
        return self.state.seen

    @property
    def network(self) -> Network:
        """The whole network as it is now."""
        return self.place.network(self.state, self.start)

    def steps(self, target: float, stop: str) -> Generator[Running, None, Stopped]:
        """Run from the first look on to the planned T or to an earlier end, and say which it was."""
        T = self.plan.n_steps
        epoch = math.ceil(self.m / self.plan.batch_size)
        every = epoch if stop == "target" else EPOCHS_BETWEEN_LOOKS * epoch
        while self.done < T:
            apart = 1 if stop == "target" else max(1, self.done // every // LOOKS_EVENLY)
            self._advance(min(self.done + apart * every, T))
            point, moves = self.look()
            yield Running(T, point)
            if stop == "target" and point.fraction >= target:
                return "target"
            if not moves:
                self._mark_the_end()
                return "no_gradient"
        return "steps"

    def _advance(self, until: int) -> None:
        """Take steps up to ``until``, in calls short enough to be interrupted, and keep the random iterate."""
        while self.done < until:
            n = until - self.done
            if self.done < self.random_step - 1:
                n = min(n, self.random_step - 1 - self.done)
            if self.place.is_timed:
                n = min(n, 256 if self.rate is None else max(1, int(SECONDS_A_CALL * self.rate)))
            else:
                n = min(n, STEPS_A_CALL)
            began = time.perf_counter()
            self.state = jax.block_until_ready(self.place.advance(self.sgd, self.state, self.source, n))
            self.rate = n / max(time.perf_counter() - began, 1e-6)
            self.done += n
            if self.done == self.random_step - 1:
                self.random_iterate = self.network

    def look(self) -> tuple[CurvePoint, bool]:
        """Count on the whole sample; also return whether any point still has a gradient."""
        h = self.place.outputs(self.state, self.source)
        fraction = fraction_memorized(h, self.labels)
        loss, moves = mean_and_moves(self.loss, h, self.labels)
        mean = 1 - self.sum_of(self.seen.online_mistakes) / self.done if self.done else fraction
        point = CurvePoint(self.done, fraction, mean, loss)
        self.curve.append(point)
        return point, moves

    def _mark_the_end(self) -> None:
        """Put the step after which nothing moved any more on the curve: there the last iterate was reached."""
        last, end = self.curve[-1], int(self.seen.last_update)
        if end < last.step:
            mean = 1 - (self.sum_of(self.seen.online_mistakes) - (last.step - end) * (1 - last.fraction)) / max(end, 1)
            self.curve.insert(-1, CurvePoint(end, last.fraction, mean, last.loss))

    def outputs(self, network: Network) -> Float[np.ndarray, " m"]:
        """Return the outputs of a network on the sample, with the gates of the run."""
        return self.place.outputs(self.place.begin(network), self.source)

    def laziness(self) -> Laziness | None:
        """Measure how far the last iterate is from its start and from its linearisation; None if it overflowed."""
        network = self.network
        if not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(network)):
            return None
        return measure(
            network,
            self.points,
            n_steps=self.done,
            learning_rate=self.plan.learning_rate,
            L=self.loss.L,
            n_probes=PROBES_OF_DRIFT,
        )

    @staticmethod
    def sum_of(running: algorithm1.Compensated) -> float:
        """Return a running sum with its correction."""
        return float(running.total) - float(running.lost)

    def random_network(self, stopped: Stopped) -> Network | None:
        """Return the iterate of the random step; the last one stands for all later ones if nothing moves any more."""
        if self.random_iterate is None and stopped == "no_gradient":
            return self.network
        return self.random_iterate

    def mean_over_iterates(self, total: float, last: float, stopped: Stopped) -> float:
        """Return a mean over W_1, ..., W_T, given its sum over the steps run and its value at the last iterate."""
        if stopped == "no_gradient":
            return (total + (self.plan.n_steps - self.done) * last) / self.plan.n_steps
        return total / self.done

    def interval_over_iterates(self, last: float, stopped: Stopped) -> Interval:
        """Return a 95% interval for the mean over W_1, ..., W_T of the share memorized; ``last`` is that of the last.

        It holds at all times at once, so that the run may end when it likes.
        """
        mistakes = OnlineLoss(
            1.0, self.done, self.sum_of(self.seen.online_mistakes), self.sum_of(self.seen.online_variation)
        )
        low, high = mistakes.interval()
        steps, rest = (self.plan.n_steps, self.plan.n_steps - self.done) if stopped == "no_gradient" else (self.done, 0)
        return Interval(*(((1 - share) * self.done + rest * last) / steps for share in (high, low)))


@dataclass(frozen=True)
class Guarantee:
    """Hold what is guaranteed, why it is not more, a B that suffices for it, and what a finite B adds to the loss."""

    fraction: float | None
    reason: str | None
    sufficient_B: float
    penalty: float


def certified_by(settings: Settings, plan: Plan, reach: Reach, stopped: Stopped) -> Guarantee:
    """Return what is guaranteed about a run whose sample came so near to a kink at the start."""
    certificate, sigma, B = plan.certificate, settings.activation, settings.output_scale
    size = {
        "q": plan.n_pairs,
        "n_steps": plan.n_steps,
        "learning_rate": plan.learning_rate,
        "L": settings.loss.L,
    }
    why = certificate.why_none()
    if why is not None:
        return Guarantee(None, f"no certificate: {why}", math.inf, 0.0)
    norm = math.sqrt(float(certificate.comparators.norm_squared.max()))
    allowed = NEGLIGIBLE * settings.epsilon * certificate.least_loss
    enough = finite_scale.certified_B(reach, activation=sigma, norm=norm, allowed=allowed, **size)
    penalty = 0.0
    if math.isfinite(B):
        if finite_scale.sufficient_B(reach, C=sigma.C, **size) > B:
            reason = f"gates of the sample can flip at output_scale={B:g}; from {enough:.2g} on the certificate holds"
            return Guarantee(None, reason, enough, 0.0)
        penalty = finite_scale.penalty(B, activation=sigma, largest_value=reach.largest_value, norm=norm, **size)
    fraction = certificate.fraction(
        plan.n_steps,
        plan.learning_rate,
        path_scales=math.isinf(B) and is_perceptron(settings.loss),
        penalty=penalty,
    )
    reason = plan.not_certified
    if reason is None and fraction < 1 - settings.epsilon * (1 + (1.01 * NEGLIGIBLE if penalty > 0 else 0)):
        reason = (
            f"at output_scale={B:g} the network may differ too much from its linear limit; from {enough:.2g} on the "
            f"certificate holds"
            if penalty > 0
            else "not certified at this epsilon with the given steps and learning rate"
        )
    if stopped == "target":
        early = "the run stopped at its target, and the certificate is for all the planned steps"
        reason = early if reason is None else f"{reason}; {early}"
    return Guarantee(fraction, reason, enough, penalty)
