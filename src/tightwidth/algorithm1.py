"""Algorithm 1: SGD on a depth-two network, over any form, any loss and any source of samples; nothing else.

Iterate t has seen t - 1 updates: W_1 is the initialization, and what is returned is W_t for t uniform on 1..T.  Whole
chunks of steps run inside one compiled loop whose length is a value, so that no number of steps, learning rate,
seed or B compiles anything anew.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from tightwidth import threefry
from tightwidth.errors import InputError
from tightwidth.losses import Loss
from tightwidth.network import Network, network_dtype
from tightwidth.precision import follows_dtype
from tightwidth.sampling import Buffer, Source
from tightwidth.working_forms import Work, moved

MOST_STEPS = 2**31 - 2
Total = Callable[[Array], Array]
DRAWN_AHEAD = 128  # steps whose draws are made at once: one call of the generator instead of many


class Compensated(eqx.Module):
    """Hold a running sum and what its rounding lost (Kahan), so that millions of terms add up in float32."""

    total: Float[Array, "*K"]
    lost: Float[Array, "*K"]

    def add(self, term: Float[Array, "*K"]) -> "Compensated":
        """Return the sum with one more term."""
        corrected = term - self.lost
        total = self.total + corrected
        return Compensated(total, (total - self.total) - corrected)


class Seen(eqx.Module):
    """Hold what ``t`` steps have seen.

    ``online_loss`` and ``online_mistakes`` are sums over the steps of the mean over the minibatch, before its update,
    of the loss and of ``[y h <= 0]``: unbiased for the sums over the iterates of the expected loss and error.
    ``online_variation`` is the sum of the squared deviations of the latter from the mean of those before them, which is
    what an interval about their mean needs (`tightwidth.online_loss`).
    ``last_update`` is the number of updates after which nothing has moved since.
    """

    t: Int32[Array, ""]
    last_update: Int32[Array, ""]
    online_loss: Compensated
    online_mistakes: Compensated
    online_variation: Compensated

    @classmethod
    def nothing(cls, dtype: Any) -> "Seen":
        """Return what no step has seen."""
        zero, none = jax.device_put((np.zeros((), dtype), np.zeros((), np.int32)))  # which compiles nothing
        sums = Compensated(zero, zero)
        return cls(none, none, sums, sums, sums)


class State(eqx.Module):
    """Hold the network after ``t`` updates, which is the iterate W_{t+1}, and what the steps have seen (`Seen`)."""

    network: Network
    seen: Seen

    @property
    def t(self) -> Int32[Array, ""]:
        """The number of updates."""
        return self.seen.t

    @property
    def last_update(self) -> Int32[Array, ""]:
        """The number of updates after which nothing has moved since."""
        return self.seen.last_update

    @property
    def online_loss(self) -> Compensated:
        """The sum over the steps of the minibatches' mean losses."""
        return self.seen.online_loss

    @property
    def online_mistakes(self) -> Compensated:
        """The sum over the steps of the minibatches' shares of mistakes."""
        return self.seen.online_mistakes

    @property
    def online_variation(self) -> Compensated:
        """The sum of the squared deviations of those shares from the mean of those before them."""
        return self.seen.online_variation


class Algorithm1(eqx.Module):
    """Hold the settings of a run: loss, batch size, learning rate of the embedding, key of the steps.

    Examples
    --------
    >>> import jax, tightwidth as tw
    >>> net = tw.network.init(jax.random.key(0), d=3, q=8, B=float("inf"), activation=tw.activations.get("relu"))
    >>> X = tw.sphere.uniform(3).sample(jax.random.key(1), 4)
    >>> sample = tw.sampling.FiniteSample(X, jax.numpy.array([1.0, -1.0, 1.0, -1.0]), net.cache(X))
    >>> run = tw.algorithm1.Algorithm1(tw.losses.get("hinge"), 2, jax.numpy.float32(1.0), jax.random.key(2))
    >>> int(run.advance(run.init(net), sample, 10).t)
    10
    """

    loss: Loss = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    learning_rate: Float[Array, ""]
    key: PRNGKeyArray

    @follows_dtype
    def init(self, network: Network) -> State:
        """Return the state before the first step."""
        return State(network, Seen.nothing(network_dtype(network)))

    @follows_dtype
    def advance(self, state: State, source: Source, n: int) -> State:
        """Return the state after ``n`` more steps.

        Costs about ``4 b q d n`` floating-point operations in the tangent form and twice as many in the others.

        References
        ----------
        Daniely (2020), Algorithm 1.
        """
        return _advance(self, state, source, np.int32(n))


def descend(
    settings: Algorithm1, source: Source, draw: Array, working: Work, total: Total = jnp.asarray
) -> tuple[Work, Array, Array]:
    """Return the network after one step on the batch that ``draw`` names, and that batch's outputs and labels, [b].

    Traced, and compiled by whoever loops.  Where ``working`` is a part of the network, ``total`` adds up the outputs of
    all its parts.
    """
    X, y, cached = source.batch(draw, settings.batch_size)  # "Obtain a mini-batch S_t"
    h, back = working.forward(X, cached)
    h = total(h)
    slopes = settings.loss.derivative(h, y) / settings.batch_size
    # "update W^{t+1} = W^t - eta grad L_{S_t}(W^t)"
    return moved(working, back(slopes * settings.learning_rate.astype(h.dtype))), h, y


def _step(
    settings: Algorithm1, source: Source, draw: Array, working: Work, seen: Seen, total: Total
) -> tuple[Work, Seen]:
    working, h, y = descend(settings, source, draw, working, total)
    t = seen.t + 1
    mistakes = jnp.mean((~(y * h > 0)).astype(h.dtype))
    predicted = (0.5 + seen.online_mistakes.total) / t.astype(h.dtype)
    return working, Seen(
        t,
        jnp.where(jnp.any(settings.loss.derivative(h, y) != 0), t, seen.last_update),
        seen.online_loss.add(jnp.mean(settings.loss.value(h, y))),
        seen.online_mistakes.add(mistakes),
        seen.online_variation.add((mistakes - predicted) ** 2),
    )


def steps(
    settings: Algorithm1, working: Work, seen: Seen, source: Source, n: Int32[Array, ""], total: Total = jnp.asarray
) -> tuple[Work, Seen]:
    """Take n steps, traced: in aligned blocks, whose draws are made at once, whatever part of a block is run."""
    start, stop = seen.t, seen.t + n

    def block(k: Array, carried: tuple[Work, Seen]) -> tuple[Work, Seen]:
        first = k * DRAWN_AHEAD
        draws = source.draw(settings.key, first + jnp.arange(DRAWN_AHEAD, dtype=jnp.int32), settings.batch_size)
        low, high = jnp.maximum(start, first), jnp.minimum(stop, first + DRAWN_AHEAD)

        def one(t: Array, now: tuple[Work, Seen]) -> tuple[Work, Seen]:
            return _step(settings, source, draws[t - first], now[0], now[1], total)

        return jax.lax.fori_loop(low, high, one, carried)

    return jax.lax.fori_loop(start // DRAWN_AHEAD, -(-stop // DRAWN_AHEAD), block, (working, seen))


@jax.jit
def _advance(settings: Algorithm1, state: State, source: Source, n: Int32[Array, ""]) -> State:
    working, seen = steps(settings, state.network.at_work(source.width), state.seen, source, n)
    return State(state.network.after(working), seen)


def draw_random_step(key: PRNGKeyArray, n_steps: int) -> int:
    """Draw the step t of the iterate that Algorithm 1 returns, uniform on 1..T.

    Raises
    ------
    InputError
        If T is not between 1 and 2^31 - 2: steps are counted in 32 bits.
    """
    if not 1 <= n_steps <= MOST_STEPS:
        message = f"n_steps={n_steps} must be a whole number from 1 to {MOST_STEPS}; give fewer steps"
        raise InputError(message)
    words = threefry.words_of(key)
    if words is not None:
        return 1 + threefry.below(words, n_steps)
    with jax.enable_x64(False):  # one program for both precisions
        return int(_random_step(key, n_steps))


@jax.jit
def _random_step(key: PRNGKeyArray, n_steps: int | Array) -> Int32[Array, ""]:
    return jax.random.randint(key, (), 1, n_steps + 1, jnp.int32)


@dataclass(frozen=True)
class Outcome:
    """Hold what a run returns: the random iterate and its step, the last iterate, and the online averages.

    ``mean_online_loss`` and ``mean_online_mistakes`` are over the steps run.  ``random_iterate`` is None if the run
    ended before its step.
    """

    random_step: int
    random_iterate: Network | None
    last: Network
    n_steps: int
    mean_online_loss: float
    mean_online_mistakes: float


def run(
    settings: Algorithm1,
    network: Network,
    source: Source,
    *,
    n_steps: int,
    key: PRNGKeyArray,
    every: int = 4096,
    stop_at_random_step: bool = False,
) -> Generator[State, None, Outcome]:
    """Run Algorithm 1, yielding the state after every ``every`` steps.

    Parameters
    ----------
    settings
        Loss, batch size, learning rate, key of the steps.
    network
        The initialization.
    source
        A finite sample or a synthetic distribution; for a stream see `run_stream`.
    n_steps
        T.
    key
        Key of the step whose iterate is returned.
    every
        Steps between two yields; the numbers do not depend on it.
    stop_at_random_step
        Draw t first and stop after t - 1 updates: the law of Algorithm 1 at half its expected cost.  The last iterate
        is then the random one.

    Returns
    -------
    Outcome
        The value of the generator (``StopIteration.value``); `finish` drives it to there.
    """
    random_step = draw_random_step(key, n_steps)
    state, random_iterate = settings.init(network), None
    if random_step == 1:
        random_iterate = network
    end = random_step - 1 if stop_at_random_step else n_steps
    done = 0
    while done < end:
        stops = [done + every, end] + ([random_step - 1] if done < random_step - 1 else [])
        n = min(stops) - done
        state = settings.advance(state, source, n)
        done += n
        if done == random_step - 1:
            random_iterate = state.network
        if done % every == 0 or done == end:
            yield state
    return outcome(state, done, random_step, random_iterate)


def outcome(state: State, done: int, random_step: int, random_iterate: Network | None) -> Outcome:
    """Return the outcome of a run that ends at this state."""
    steps = max(done, 1)
    return Outcome(
        random_step,
        random_iterate,
        state.network,
        done,
        float(state.online_loss.total) / steps,
        float(state.online_mistakes.total) / steps,
    )


def finish(steps: Generator[State, None, Outcome]) -> Outcome:
    """Drive a run to its end and return its outcome."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def run_stream(settings: Algorithm1, network: Network, stream: Iterable[Buffer]) -> Generator[State, None, State]:
    """Run one pass over a stream cut into buffers (`tightwidth.sampling.buffers`), yielding after each buffer."""
    state = settings.init(network)
    for buffer in stream:
        state = settings.advance(state, buffer, buffer.X.shape[0])
        yield state
    return state
