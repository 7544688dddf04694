"""K networks that share W', trained side by side in one compiled loop: Algorithm 1 for each column of targets.

One against the rest for K classes, or K values a row.  The pre-activations at the initial weights, and in the tangent
form the gates, are computed once for all K.  What is trained has a leading axis K.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from tightwidth.activations import Activation
from tightwidth.algorithm1 import DRAWN_AHEAD, Compensated
from tightwidth.losses import Loss
from tightwidth.network import BLOCK_ELEMENTS, Displacement, Tangent, draw_W_half, preactivations
from tightwidth.precision import follows_dtype, in_precision_of
from tightwidth.weighted_sampling import InOrder, WeightedSource

Trained = tuple[Array, ...]  # (V,), or (P and N, s, r)
CUT = 10.0  # where the loss of a value is cut off for the interval, which needs a bound


class Outputs(eqx.Module):
    """Hold K networks from one W': ``trained`` is what their form trains, each array with a leading axis K.

    B is infinite if ``inverse_B`` is None: the tangent form.
    """

    W_half: Float[Array, "q d"]
    trained: Trained
    inverse_B: Float[Array, ""] | None
    activation: Activation = eqx.field(static=True)

    @property
    def K(self) -> int:
        """Number of networks."""
        return self.trained[0].shape[0]

    def network(self, trained: Trained) -> Displacement | Tangent:
        """Return the network that has trained this."""
        if self.inverse_B is None:
            (V,) = trained
            return Tangent(self.W_half, V, self.activation)
        PN, s, r = trained
        return Displacement(self.W_half, PN, s, r, self.inverse_B, self.activation)

    @follows_dtype
    def cache(self, X: Float[np.ndarray, "m d"]) -> Float[Array, "m q"]:
        """Return what all the networks keep of the points: pre-activations, in the tangent form gates."""
        at_start = preactivations(self.W_half, X)
        return self.activation.sigma_prime(at_start) if self.inverse_B is None else at_start

    def alone(self, k: int) -> Displacement | Tangent:
        """Return the k-th network."""
        with in_precision_of(self):
            return self.network(tuple(array[k] for array in self.trained))


def _trained(network: Displacement | Tangent) -> Trained:
    return (network.V,) if isinstance(network, Tangent) else (network.PN, network.s, network.r)


@follows_dtype
def init_outputs(
    key: PRNGKeyArray, *, d: int, q: int, K: int, B: float, activation: Activation, dtype: Any = jnp.float32
) -> Outputs:
    """Draw W' once, and start K networks from it, all of them 0."""
    W_half = draw_W_half(key, q, d, dtype)
    if math.isinf(B):
        return Outputs(W_half, (jnp.zeros((K, q, d), dtype),), None, activation)
    trained = jnp.zeros((K, 2, q, d), dtype), jnp.zeros((K, q), dtype), jnp.zeros((K, q), dtype)
    return Outputs(W_half, trained, jnp.asarray(1 / B, dtype), activation)


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
        zeros = jnp.zeros(networks.K, networks.W_half.dtype)
        nothing, none = Compensated(zeros, zeros), Compensated(zeros[0], zeros[0])
        reach = self.learning_rate.astype(zeros.dtype)
        t = jnp.zeros((), jnp.int32)
        return SharedState(
            networks, networks.trained, t, nothing, nothing, nothing, nothing, none, none, nothing, reach
        )

    @follows_dtype
    def advance(self, state: SharedState, source: WeightedSource, n: int) -> SharedState:
        """Return the state after ``n`` more steps, of ``4 b K q d`` operations each in the tangent form."""
        return _advance(self, state, source, jnp.asarray(n, jnp.int32))

    @follows_dtype
    def follow(self, state: SharedState, chunk: InOrder, n: int) -> SharedState:
        """Return the state after the first ``n`` batches of a chunk, whose gates are computed in one product."""
        return _follow(self, state, chunk, jnp.asarray(n, jnp.int32))


def _step(settings: SharedRun, source: WeightedSource, draw: Array, state: SharedState) -> SharedState:
    X, Y, shares, cached = source.batch(draw)
    total, q, one = jnp.sum(shares), state.networks.W_half.shape[0], jnp.ones((), X.dtype)

    def step(
        trained: Trained, y: Array, reach: Array, squares: Compensated
    ) -> tuple[Trained, Compensated, Array, Array, Array, tuple[Array, Array, Array]]:
        h, update = state.networks.network(trained).forward(X, cached)
        losses, mistakes = settings.loss.value(h, y), (~(y * h > 0)).astype(h.dtype)
        means = [jnp.sum(shares * values) / total for values in (losses, mistakes)]
        moved = _trained(update(settings.loss.derivative(h, y) * shares, one))
        steps = jax.tree.map(jnp.subtract, moved, trained)  # of rate 1
        squares = squares.add(q * _squared(_hidden(steps, state.networks)))
        if settings.grows:
            reach = jnp.maximum(reach, jnp.sqrt(q * _squared(_hidden(trained, state.networks))))
        eta = reach
        if settings.adapts:
            eta = reach * jnp.where(squares.total > 0, jax.lax.rsqrt(squares.total), 0)
        moved = jax.tree.map(lambda now, by: now + eta * by, trained, steps)
        return moved, squares, reach, means[0], means[1], (h, losses, mistakes)

    trained, squares, reach, loss, mistakes, by_row = jax.vmap(step, in_axes=(0, 1, 0, 0))(
        state.networks.trained, Y, state.reach, state.squares
    )
    misses = jnp.sum(shares * _missed(settings.judged, Y, *by_row)) / total
    t = state.t + 1
    share = 1 / t.astype(X.dtype)
    predicted, foreseen = ((0.5 + sums.total) * share for sums in (state.online_mistakes, state.online_misses))
    by = reach if settings.grows else jnp.ones_like(reach)
    weight = state.weight.add(by)
    by = by / weight.total

    def averaged(mean: Array, now: Array) -> Array:
        return mean + (now - mean) * by.reshape(-1, *[1] * (mean.ndim - 1))

    return SharedState(
        eqx.tree_at(lambda net: net.trained, state.networks, trained),
        jax.tree.map(averaged, state.averages, state.networks.trained),
        t,
        state.online_loss.add(loss),
        state.online_mistakes.add(mistakes),
        state.online_variation.add((mistakes - predicted) ** 2),
        squares,
        state.online_misses.add(misses),
        state.online_misses_variation.add((misses - foreseen) ** 2),
        weight,
        reach,
    )


def _hidden(trained: Trained, networks: Outputs) -> Array:
    """Return V, at a finite B the part P + N of it, whose size in the embedding is ``sqrt(q)`` times its own."""
    return trained[0] if networks.inverse_B is None else trained[0][0] + trained[0][1]


def _squared(array: Array) -> Array:
    return jnp.sum(array * array)


def _missed(judged: str, Y: Array, h: Array, losses: Array, mistakes: Array) -> Array:
    """Return how far each row is missed, in [0, 1]; Y is [b, K], the others [K, b]."""
    if judged == "loss":
        return jnp.mean(jnp.clip(losses, 0, CUT), axis=0) / CUT
    if judged == "argmax":
        return (jnp.argmax(h, axis=0) != jnp.argmax(Y, axis=1)).astype(h.dtype)
    return jnp.max(mistakes, axis=0)


@eqx.filter_jit
def _advance(settings: SharedRun, state: SharedState, source: WeightedSource, n: Int32[Array, ""]) -> SharedState:
    """Run the steps in aligned blocks, as `tightwidth.algorithm1` does: the draws of a block are made at once."""
    start, stop = state.t, state.t + n

    def block(k: Array, state: SharedState) -> SharedState:
        first = k * DRAWN_AHEAD
        draws = source.draw(settings.key, first + jnp.arange(DRAWN_AHEAD, dtype=jnp.int32), settings.batch_size)
        low, high = jnp.maximum(start, first), jnp.minimum(stop, first + DRAWN_AHEAD)
        return jax.lax.fori_loop(low, high, lambda t, state: _step(settings, source, draws[t - first], state), state)

    return jax.lax.fori_loop(start // DRAWN_AHEAD, -(-stop // DRAWN_AHEAD), block, state)


@eqx.filter_jit
def _follow(settings: SharedRun, state: SharedState, chunk: InOrder, n: Int32[Array, ""]) -> SharedState:
    (steps, b, d), q = chunk.X.shape, state.networks.W_half.shape[0]
    at_start = chunk.X.reshape(steps * b, d) @ state.networks.W_half.T
    if state.networks.inverse_B is None:
        at_start = state.networks.activation.sigma_prime(at_start)
    cached = eqx.tree_at(
        lambda kept: kept.cached, chunk, at_start.reshape(steps, b, q), is_leaf=lambda leaf: leaf is None
    )
    return jax.lax.fori_loop(0, n, lambda i, state: _step(settings, cached, i, state), state)


@eqx.filter_jit
def _outputs(networks: Outputs, X: Array, cached: Array) -> Array:
    return jax.vmap(lambda trained: networks.network(trained).forward(X, cached)[0], out_axes=1)(networks.trained)


@follows_dtype
def predict_outputs(networks: Outputs, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m K"]:
    """Return the outputs of all K networks on every row, in blocks of rows."""
    (q, d), dtype = networks.W_half.shape, networks.W_half.dtype
    rows = max(1, BLOCK_ELEMENTS // (2 * max(networks.K * q, d)))
    blocks = []
    for start in range(0, len(X), rows):
        x = np.asarray(X[start : start + rows], dtype)
        blocks.append(np.asarray(_outputs(networks, jnp.asarray(x), networks.cache(x))))
    return np.concatenate(blocks) if blocks else np.zeros((0, networks.K), dtype)
