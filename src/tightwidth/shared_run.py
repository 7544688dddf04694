"""Algorithm 1 for K networks from one W', side by side in one compiled loop: one for each column of targets."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from tightwidth.algorithm1 import DRAWN_AHEAD, Compensated
from tightwidth.losses import Loss
from tightwidth.precision import follows_dtype
from tightwidth.shared_outputs import Outputs, Trained, forward_all, turned
from tightwidth.weighted_sampling import InOrder, WeightedSource

CUT = 10.0  # where the loss of a value is cut off for the interval, which needs a bound


class SharedState(eqx.Module):
    """Hold K networks after ``t`` updates, the mean of their iterates W_1..W_t, and sums over the steps.

    ``online_loss`` and ``online_mistakes``, [K], are sums of means over the minibatch before its update, and
    ``online_variation`` is what an interval for the mean of the latter needs; as in `tightwidth.algorithm1.State`.
    ``squares`` are the sums of the ``||g_t||^2``; ``online_misses`` and ``online_misses_variation`` are the same sums
    as for the mistakes, of one number for each row: how far all its outputs together miss it, in [0, 1].
    ``reach`` is M or what it has grown to, ``weight`` the sum of the weights in the averages.
    """

    networks: Outputs
    averages: Trained
    t: Int32[Array, ""]
    online_loss: Compensated
    online_mistakes: Compensated
    online_variation: Compensated
    squares: Compensated
    online_misses: Compensated
    online_misses_variation: Compensated
    weight: Compensated
    reach: Float[Array, " K"]


class SharedRun(eqx.Module):
    """Hold the settings of a run: loss, batch size, the embedding's learning rate, key of the steps.

    With ``adapts`` the rate of step t is ``learning_rate / sqrt(||g_1||^2 + .. + ||g_t||^2)`` for each output, g being
    the gradient in the embedding: M for ``learning_rate`` makes it the best constant rate for the gradients so far, as
    ``M/(G sqrt(T))`` is for the worst ones, and no T is asked for.  With ``grows`` too, M is the largest distance
    ``||v_s||`` from the start so far, and ``learning_rate`` what it begins with; the mean of the iterates is then
    weighted by it (docs/derivations/adaptive_rates.md).

    ``judged`` says when a row is missed: "sign", if an output has not the sign of its target; "argmax", if another
    output than that of the largest target is the largest; "loss", by the mean loss of its outputs, cut off at 10 and
    divided by it.
    """

    loss: Loss = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    adapts: bool = eqx.field(static=True)
    learning_rate: Float[Array, " K"]
    key: PRNGKeyArray
    judged: str = eqx.field(static=True, default="sign")
    grows: bool = eqx.field(static=True, default=False)

    @follows_dtype
    def init(self, networks: Outputs) -> SharedState:
        """Return the state before the first step."""
        dtype = networks.W_half.dtype
        zeros, zero = (jnp.asarray(np.zeros(shape, dtype)) for shape in (networks.K, ()))  # jnp.zeros would compile
        nothing, none = Compensated(zeros, zeros), Compensated(zero, zero)
        reach = self.learning_rate.astype(dtype)
        t = jnp.asarray(np.int32(0))
        return SharedState(
            networks, networks.trained, t, nothing, nothing, nothing, nothing, none, none, nothing, reach
        )

    @follows_dtype
    def advance(self, state: SharedState, source: WeightedSource, n: int) -> SharedState:
        """Return the state after ``n`` more steps, of ``4 b K q d`` operations each in the tangent form."""
        return _advance(self, state, source, jnp.asarray(n, jnp.int32))

    @follows_dtype
    def follow(self, state: SharedState, chunk: InOrder, n: int) -> SharedState:
        """Return the state after the first ``n`` batches of a chunk."""
        return _follow(self, state, chunk, jnp.asarray(n, jnp.int32))


def _step(settings: SharedRun, source: WeightedSource, draw: Array, state: SharedState) -> SharedState:
    X, Y, shares, cached = source.batch(draw)
    networks, trained = state.networks, state.networks.trained
    q, total = networks.W_half.shape[0], jnp.sum(shares)
    h, back = forward_all(networks, trained, X, cached)
    losses, mistakes = settings.loss.value(h, Y), (~(Y * h > 0)).astype(h.dtype)
    loss, mistaken = (shares @ values / total for values in (losses, mistakes))
    misses = shares @ _missed(settings.judged, Y, h, losses, mistakes) / total
    steps = back(settings.loss.derivative(h, Y) * shares[:, None])
    squares = state.squares.add(q * _squared(_hidden(steps, networks)))
    reach = state.reach
    if settings.grows:
        reach = jnp.maximum(reach, jnp.sqrt(q * _squared(_hidden(trained, networks))))
    eta = reach
    if settings.adapts:
        eta = reach * jnp.where(squares.total > 0, jax.lax.rsqrt(squares.total), 0)
    t = state.t + 1
    share = 1 / t.astype(X.dtype)
    predicted, foreseen = ((0.5 + sums.total) * share for sums in (state.online_mistakes, state.online_misses))
    weight = state.weight.add(reach if settings.grows else jnp.ones_like(reach))
    by = (reach if settings.grows else jnp.ones_like(reach)) / weight.total
    return SharedState(
        eqx.tree_at(lambda net: net.trained, networks, jax.tree.map(lambda a, da: a + _each(eta, da), trained, steps)),
        jax.tree.map(lambda mean, now: mean + _each(by, now - mean), state.averages, trained),
        t,
        state.online_loss.add(loss),
        state.online_mistakes.add(mistaken),
        state.online_variation.add((mistaken - predicted) ** 2),
        squares,
        state.online_misses.add(misses),
        state.online_misses_variation.add((misses - foreseen) ** 2),
        weight,
        reach,
    )


def _each(factors: Array, array: Array) -> Array:
    """Return the K parts of an array times their factors."""
    return array * factors.reshape(-1, *[1] * (array.ndim - 1))


def _hidden(trained: Trained, networks: Outputs) -> Array:
    """Return V, at a finite B the part P + N of it, whose size in the embedding is ``sqrt(q)`` times its own."""
    return trained[0] if networks.inverse_B is None else trained[0][:, 0] + trained[0][:, 1]


def _squared(array: Array) -> Array:
    return jnp.sum((array * array).reshape(array.shape[0], -1), axis=1)


def _missed(judged: str, Y: Array, h: Array, losses: Array, mistakes: Array) -> Array:
    """Return how far each row is missed, in [0, 1], from what is known of its K outputs."""
    if judged == "loss":
        return jnp.mean(jnp.clip(losses, 0, CUT), axis=1) / CUT
    if judged == "argmax":
        return (jnp.argmax(h, axis=1) != jnp.argmax(Y, axis=1)).astype(h.dtype)
    return jnp.max(mistakes, axis=1)


def _turned(state: SharedState) -> SharedState:
    return eqx.tree_at(
        lambda state: (state.networks.trained, state.averages),
        state,
        (turned(state.networks.trained), turned(state.averages)),
    )


@eqx.filter_jit
def _advance(settings: SharedRun, state: SharedState, source: WeightedSource, n: Int32[Array, ""]) -> SharedState:
    """Run the steps in aligned blocks, as `tightwidth.algorithm1` does: the draws of a block are made at once."""
    start, stop = state.t, state.t + n

    def block(k: Array, state: SharedState) -> SharedState:
        first = k * DRAWN_AHEAD
        draws = source.draw(settings.key, first + jnp.arange(DRAWN_AHEAD, dtype=jnp.int32), settings.batch_size)
        low, high = jnp.maximum(start, first), jnp.minimum(stop, first + DRAWN_AHEAD)
        return jax.lax.fori_loop(low, high, lambda t, state: _step(settings, source, draws[t - first], state), state)

    return _turned(jax.lax.fori_loop(start // DRAWN_AHEAD, -(-stop // DRAWN_AHEAD), block, _turned(state)))


@eqx.filter_jit
def _follow(settings: SharedRun, state: SharedState, chunk: InOrder, n: Int32[Array, ""]) -> SharedState:
    return _turned(jax.lax.fori_loop(0, n, lambda i, state: _step(settings, chunk, i, state), _turned(state)))
