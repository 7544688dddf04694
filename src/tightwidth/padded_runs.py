"""Many runs of Algorithm 1 in one compiled program: padded to one shape, side by side.

A small run costs less than compiling its shape.  So the sample [m, d] and the weights [q, d] of each run are put into
the corner of larger arrays, and several runs take their steps together (`jax.vmap`).  Padded features are zeros; padded
points are never drawn, and count nowhere; padded pairs have zero weights and gates that stay shut.  Row i of W' comes
from a key of its own and its first entries do not depend on how many there are, the indices of a batch do not depend on
how many rows lie behind the m-th, and eta is scaled for the larger q: a padded run is the run itself, up to the
rounding of sums that are cut differently.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, Key

from tightwidth.activations import Activation
from tightwidth.algorithm1 import Algorithm1, descend
from tightwidth.losses import Loss
from tightwidth.network import Displacement, Network, Tangent, at_start, draw_W_half
from tightwidth.run_settings import STEPS, weights_key
from tightwidth.sampling import PaddedSample
from tightwidth.working_forms import AtWork

STEPS_DRAWN = 1024  # at once
EARLIEST = 500.0  # part of the run at which the first look is
SHUT = -1.0  # the pre-activation of padded pairs in the displacement form

Ended = Literal["no_gradient", "target", "steps", "another"]


@dataclass(frozen=True)
class RunSpec:
    """Hold one run: the sample, the width, and Algorithm 1's numbers.

    With a ``final_rate`` the learning rate falls geometrically from ``learning_rate`` to it, from look to look.
    """

    X: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, " m"]
    q: int
    B: float
    learning_rate: float
    n_steps: int
    seed: int
    final_rate: float | None = None

    def rate(self, done: int) -> float:
        """Return eta after so many steps."""
        if self.final_rate is None:
            return self.learning_rate
        return self.learning_rate * (self.final_rate / self.learning_rate) ** min(1.0, done / self.n_steps)


@dataclass(frozen=True)
class Look:
    """Hold a look at the whole sample after ``step`` updates."""

    step: int
    fraction: float
    mean_fraction: float
    loss: float


@dataclass(frozen=True)
class Finished:
    """Hold what a run came to: its looks, the step after which nothing moved, and the last network, unpadded.

    ``ended`` is "another" where a run of the same seed reached the target and this one was left.
    ``mean_fraction`` is over all the iterates W_1, ..., W_T, estimated from the minibatches; those after an early end
    count as the last one.
    """

    ended: Ended
    n_steps: int
    looks: tuple[Look, ...]
    mean_fraction: float
    network: Network

    @property
    def fraction(self) -> float:
        """The share of the sample that the last iterate memorizes."""
        return self.looks[-1].fraction


@dataclass(frozen=True)
class Shape:
    """Hold the shape that runs are padded to: points, features, pairs, and runs side by side."""

    M: int
    D: int
    Q: int
    n_lanes: int


def padded_size(n: int) -> int:
    """Return the least power of 2, or 3/2 times one, that is at least n (and at least 4)."""
    power = 1 << max(2, math.ceil(math.log2(n)))
    return 3 * power // 4 if n <= 3 * power // 4 and power > 4 else power


def can_pad_pairs(activation: Activation, B: float) -> bool:
    """Return whether pairs may be padded: always in the linear limit, else if sigma vanishes where it is shut."""
    if math.isinf(B):
        return True
    shut = jnp.asarray(SHUT)
    return float(activation.sigma(shut)) == 0 and float(activation.sigma_prime(shut)) == 0


def _corners(arrays: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Return the arrays, each in the corner of zeros of one shape."""
    large = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for lane, small in enumerate(arrays):
        large[(lane, *(slice(n) for n in small.shape))] = small
    return large


def _weights(spec: RunSpec, D: int) -> Float[np.ndarray, "q d"]:
    """Draw W' of a run as the corner of a larger array, so that few shapes compile."""
    q, d = spec.q, spec.X.shape[1]
    rows, columns = (1 << max(6, math.ceil(math.log2(n))) for n in (q, D))
    return np.asarray(draw_W_half(weights_key(spec.seed), rows, columns, spec.X.dtype))[:q, :d]


@eqx.filter_jit
def _kept(W_half: Array, X: Array, q: Int32[Array, " L"], B: float, activation: Activation) -> Array:
    """Return what the forms keep per point, [L, M, Q]: gates or pre-activations, from products in float64."""
    wide = jnp.float64
    Z = jnp.einsum("lmd,lqd->lmq", X.astype(wide), W_half.astype(wide)).astype(X.dtype)
    inside = jnp.arange(W_half.shape[1]) < q[:, None, None]
    if math.isinf(B):
        return jnp.where(inside, activation.sigma_prime(Z), 0)
    return jnp.where(inside, Z, SHUT)


def _lanes(specs: Sequence[RunSpec], shape: Shape, activation: Activation) -> tuple[Network, PaddedSample]:
    """Return the padded networks at their initialization and the padded samples, stacked.

    Arrays are put where they are computed with (`jax.device_put`); `jnp.asarray` would compile a copy for every shape.
    """
    weights, scale, dtype = [_weights(spec, shape.D) for spec in specs], specs[0].B, specs[0].X.dtype
    W_half = jax.device_put(_corners(weights, (shape.Q, shape.D)))
    X = jax.device_put(_corners([spec.X for spec in specs], (shape.M, shape.D)))
    y = jax.device_put(_corners([spec.y.astype(dtype) for spec in specs], (shape.M,)))
    counts = np.array([(len(spec.X), spec.q) for spec in specs], np.int32)
    with jax.enable_x64(True):
        cached = _kept(W_half, X, jnp.asarray(counts[:, 1]), scale if math.isinf(scale) else 1.0, activation)
    one = jax.eval_shape(
        partial(at_start, B=scale, activation=activation), jax.ShapeDtypeStruct((shape.Q, shape.D), dtype)
    )
    networks = jax.tree.map(lambda leaf: jax.device_put(np.zeros((len(specs), *leaf.shape), leaf.dtype)), one)
    networks = eqx.tree_at(lambda net: net.W_half, networks, W_half)
    if isinstance(networks, Displacement):
        inverse_B = jnp.asarray(np.array([1 / spec.B for spec in specs]), dtype)
        networks = eqx.tree_at(lambda net: net.inverse_B, networks, inverse_B)
    return networks, jax.vmap(PaddedSample)(X, y, cached, jnp.asarray(counts[:, 0]))


@eqx.filter_jit
def _draws(samples: PaddedSample, keys: Key[Array, " L"], first: Int32[Array, ""], batch_size: int) -> Array:
    """Draw the batches of the steps from ``first`` on, [L, STEPS_DRAWN, b]; one program for all shapes."""
    steps = first + jnp.arange(STEPS_DRAWN, dtype=jnp.int32)
    return jax.vmap(lambda sample, key: sample.draw(key, steps, batch_size))(samples, keys)


@eqx.filter_jit
def _advance(
    runs: Algorithm1, networks: Network, samples: PaddedSample, draws: Array, first: Array, stop: Array
) -> tuple[Network, Array]:
    """Take the steps ``first`` to ``stop`` of every run, on draws that were made before.

    What the steps saw is returned as it is, the outputs of their batches [STEPS_DRAWN, L, b]: whatever is counted in
    the loop would be compiled again for every shape, and run for every step.
    """

    def one(t: Array, carried: tuple[AtWork, Array]) -> tuple[AtWork, Array]:
        working, seen = carried
        working, h, _ = jax.vmap(descend)(runs, samples, draws[:, t], working)
        return working, seen.at[t].set(h)

    seen = jnp.zeros((STEPS_DRAWN, draws.shape[0], draws.shape[2]), samples.X.dtype)
    working = jax.vmap(lambda network: network.at_work())(networks)
    working, seen = jax.lax.fori_loop(first, stop, one, (working, seen))
    return jax.vmap(lambda network, work: network.after(work))(networks, working), seen


@eqx.filter_jit
def _account(
    loss: Loss, y: Array, draws: Array, seen: Array, first: Array, stop: Array
) -> tuple[Float[Array, " L"], Int32[Array, " L"]]:
    """Return, for every run, the mistakes of these steps, and after how many of the block the last one moved it."""
    steps = jnp.arange(STEPS_DRAWN, dtype=jnp.int32)
    labels, h = jax.vmap(lambda y, rows: y[rows])(y, draws), jnp.swapaxes(seen, 0, 1)
    counts = (steps >= first) & (steps < stop)
    mistakes = jnp.mean((~(labels * h > 0)).astype(h.dtype), axis=2)
    moved = jnp.any(loss.derivative(h, labels) != 0, axis=2) & counts
    return jnp.sum(jnp.where(counts, mistakes, 0), axis=1), jnp.max(jnp.where(moved, steps + 1, 0), axis=1)


@eqx.filter_jit
def _outputs(networks: Network, samples: PaddedSample) -> Float[Array, "L M"]:
    return jax.vmap(lambda network, sample: network.at_work().forward(sample.X, sample.cached)[0])(networks, samples)


@eqx.filter_jit
def _look(loss: Loss, h: Array, y: Array, m: Int32[Array, " L"]) -> tuple[Array, Array, Bool[Array, " L"]]:
    """Return, for every run, how many points are memorized, the mean loss, and whether any point has a gradient."""
    counts = jnp.arange(h.shape[1]) < m[:, None]
    right = jnp.sum(counts & (y * h > 0), axis=1)
    total = jnp.sum(jnp.where(counts, loss.value(h, y), 0), axis=1)
    moves = jnp.any(counts & ((loss.derivative(h, y) != 0) | ~jnp.isfinite(h)), axis=1)
    return right, total / m.astype(h.dtype), moves


def _unpadded(network: Network, lane: int, spec: RunSpec) -> Network:
    """Return the network of one run from the stacked one on the host: every width would compile its own slices."""
    q, d = spec.q, spec.X.shape[1]
    own = jax.tree.map(lambda leaf: leaf[lane], network)
    own = eqx.tree_at(lambda net: net.W_half, own, own.W_half[:q, :d])
    if isinstance(own, Tangent):
        own = eqx.tree_at(lambda net: net.V, own, own.V[:q, :d])
    else:
        own = eqx.tree_at(lambda net: (net.PN, net.s, net.r), own, (own.PN[:, :q, :d], own.s[:q], own.r[:q]))
    return jax.device_put(own)


def _stops(longest: int, n_looks: int, ends: set[int]) -> list[int]:
    """Return when to look: half of the looks evenly, half in even ratios, which see the first steps too."""
    evenly = np.linspace(0, longest, n_looks // 2 + 1)[1:]
    in_ratios = np.geomspace(max(1.0, longest / EARLIEST), longest, -(-n_looks // 2))
    whole = {int(step) for step in np.ceil(np.concatenate([evenly, in_ratios]))}
    return sorted({step for step in whole if step < longest} | ends)


def _ended(moves: bool, reached: bool, before: bool) -> Ended:
    if not moves:
        return "no_gradient"
    if reached:
        return "target"
    return "another" if before else "steps"


def run_side_by_side(
    specs: Sequence[RunSpec],
    shape: Shape,
    *,
    activation: Activation,
    loss: Loss,
    batch_size: int,
    n_looks: int = 40,
    target: float | None = None,
    one_a_seed: bool = False,
) -> Generator[int, None, list[Finished]]:
    """Run at most ``shape.n_lanes`` runs side by side, yielding the steps done after every look.

    Parameters
    ----------
    specs
        The runs, all with B finite or all with B = inf, in one precision.
    shape
        What they are padded to; runs of one shape, batch size, loss and activation share their compiled programs,
        whatever their other numbers.
    activation, loss, batch_size
        Of all of them.
    n_looks
        Looks at the whole sample in the longest run; ends are exact, whatever it is.
    target
        A share of the sample at which, if a look sees it memorized, a run ends before Algorithm 1 does.
    one_a_seed
        Whether the other runs of a seed end too when one of them has reached the target.

    Returns
    -------
    list of Finished
        In the order of ``specs``: the value of the generator.
    """
    filled = [*specs, *[specs[-1]] * (shape.n_lanes - len(specs))]
    networks, samples = _lanes(filled, shape, activation)
    keys = jnp.stack([jax.random.fold_in(jax.random.key(spec.seed), STEPS) for spec in filled])
    mistakes, last_update = np.zeros(len(filled)), np.zeros(len(filled), np.int64)
    drawn: dict[int, Array] = {}  # the block at hand: several looks may fall into it
    which = eqx.tree_at(lambda all_: (all_.X, all_.y, all_.cached), samples, (None, None, None))

    def settings(done: int) -> Algorithm1:
        # a step moves the weights by eta/q: q is that of the arrays there, and that of the run here
        rates = [spec.rate(done) * shape.Q / spec.q for spec in filled]
        rates = jnp.asarray(np.array(rates), filled[0].X.dtype)
        return jax.vmap(lambda rate, key: Algorithm1(loss, batch_size, rate, key))(rates, keys)

    def advance(networks: Network, start: int, stop: int) -> Network:
        runs = settings(start)
        while start < stop:
            block = start // STEPS_DRAWN * STEPS_DRAWN
            end = min(stop, block + STEPS_DRAWN)
            if block not in drawn:
                drawn.clear()
                drawn[block] = _draws(which, keys, jnp.asarray(block, jnp.int32), batch_size)
            steps = jnp.asarray(start - block, jnp.int32), jnp.asarray(end - block, jnp.int32)
            networks, seen = _advance(runs, networks, samples, drawn[block], *steps)
            wrong, last = _account(loss, samples.y, drawn[block], seen, *steps)
            mistakes[:] += np.asarray(wrong)
            last_update[:] = np.where(np.asarray(last) > 0, block + np.asarray(last), last_update)
            start = end
        return networks

    longest = max(spec.n_steps for spec in specs)
    looks: list[list[Look]] = [[] for _ in specs]
    finished: dict[int, Finished] = {}
    done = 0
    for until in _stops(longest, n_looks, {spec.n_steps for spec in specs}):
        networks = advance(networks, done, until)
        done = until
        seen = _look(loss, _outputs(networks, samples), samples.y, samples.m)
        right, losses, moves = (np.asarray(part) for part in seen)
        fractions = right / np.array([len(spec.X) for spec in filled])
        reached = [target is not None and bool(fraction >= target) for fraction in fractions[: len(specs)]]
        served = {spec.seed for spec, there in zip(specs, reached, strict=True) if there and one_a_seed}
        host: list[Network] = []  # the networks as they are now, fetched when one ends
        for lane, spec in enumerate(specs):
            if lane in finished:
                continue
            mean_now = 1 - float(mistakes[lane]) / done
            looks[lane].append(Look(done, float(fractions[lane]), mean_now, float(losses[lane])))
            left = spec.seed in served
            if moves[lane] and not reached[lane] and not left and done < spec.n_steps:
                continue
            host = host or [jax.tree.map(np.asarray, networks)]
            rest = (spec.n_steps - done) * float(fractions[lane])
            finished[lane] = Finished(
                _ended(bool(moves[lane]), reached[lane], done < spec.n_steps),
                done if moves[lane] else int(last_update[lane]),
                tuple(looks[lane]),
                (mean_now * done + rest) / spec.n_steps,
                _unpadded(host[0], lane, spec),
            )
        yield done
        if len(finished) == len(specs):
            break
    return [finished[lane] for lane in range(len(specs))]
