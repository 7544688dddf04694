"""Depth-two networks in three forms, started from Xavier initialization with zero outputs (sections 2.3 and 2.5).

- `Plain`: the weights (W, u) themselves.  The reference, and what users export.
- `Displacement`: where the weights have moved from their start, times B.  Exactly the same network, but accurate in
  float32 at any B, where the plain form drowns in the rounding of a cancelling sum.
- `Tangent`: the limit B -> infinity, which is linear in what is trained.

All three take the learning rate of the embedding, eta; the step of the plain weights is ``eta / (2 q B^2)``.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth import threefry
from tightwidth.activations import Activation
from tightwidth.packed_gates import Kept, PackedGates, all_of, packed, part_of, slope_of, width_of
from tightwidth.precision import follows_dtype, is_concrete
from tightwidth.working_forms import AtWork, DisplacementAtWork, PlainAtWork, TangentAtWork

BLOCK_ELEMENTS = 1 << 24  # of the largest temporary, in numbers
PACKED_HERE = 1 << 20  # gates up to which NumPy packs those that a search for a width has a program for


class Plain(eqx.Module):
    """Hold ``h(x) = <u, sigma(W x)>`` by its weights; neurons i and q + i are a pair.

    References
    ----------
    Daniely (2020), Section 2.3.
    """

    W: Float[Array, "two_q d"]
    u: Float[Array, " two_q"]
    B: Float[Array, ""]
    activation: Activation = eqx.field(static=True)

    @property
    def q(self) -> int:
        """Number of pairs."""
        return self.W.shape[0] // 2

    def cache(self, X: Float[Array, "m d"]) -> None:
        """Return None: nothing about a point stays the same while W moves."""

    def at_work(self, width: int | None = None) -> PlainAtWork:
        """Return the form that steps are taken in, with so many pairs, those behind the q-th idle."""
        q, (wide, inside) = self.q, _widened(self.q, width, self.W.dtype)
        trained = wide(self.W[:q].T), wide(self.W[q:].T), wide(self.u[:q]), wide(self.u[q:])
        return PlainAtWork(wide(self.W[:q].T).T, trained, inside, self.activation, q, self.B)

    def after(self, work: AtWork) -> "Plain":
        """Return the network as users have it, after steps."""
        W_plus, W_minus, u_plus, u_minus = (part[..., : self.q] for part in work.trained)
        moved = jnp.concatenate([W_plus.T, W_minus.T]), jnp.concatenate([u_plus, u_minus])
        return eqx.tree_at(lambda net: (net.W, net.u), self, moved)


class Displacement(eqx.Module):
    """Hold the network by its displacements: ``w_i^+- = w_i' +- (P_i, N_i)/B``, ``u = (B + s/B, -B + r/B)``.

    With ``z = <w', x>``, ``a = <P, x>``, ``c = <N, x>``:
    ``h(x) = sum_i B [sigma(z + a/B) - sigma(z - c/B)] + (1/B) sum_i [s sigma(z + a/B) + r sigma(z - c/B)]``.
    """

    W_half: Float[Array, "q d"]
    PN: Float[Array, "2 q d"]
    s: Float[Array, " q"]
    r: Float[Array, " q"]
    inverse_B: Float[Array, ""]
    activation: Activation = eqx.field(static=True)

    @property
    def q(self) -> int:
        """Number of pairs."""
        return self.W_half.shape[0]

    def cache(self, X: Float[Array, "m d"]) -> Float[Array, "m q"]:
        """Return the pre-activations of the points at the initial weights."""
        return preactivations(self.W_half, X)

    def at_work(self, width: int | None = None) -> DisplacementAtWork:
        """Return the form that steps are taken in, with so many pairs, those behind the q-th idle."""
        wide, inside = _widened(self.q, width, self.W_half.dtype)
        trained = wide(self.PN[0].T), wide(self.PN[1].T), wide(self.s), wide(self.r)
        return DisplacementAtWork(wide(self.W_half.T).T, trained, inside, self.activation, self.q, self.inverse_B)

    def after(self, work: AtWork) -> "Displacement":
        """Return the network as users have it, after steps."""
        P, N, s, r = (part[..., : self.q] for part in work.trained)
        return eqx.tree_at(lambda net: (net.PN, net.s, net.r), self, (jnp.stack([P.T, N.T]), s, r))


class Tangent(eqx.Module):
    """Hold the limit B -> infinity: ``h(x) = sum_i sigma'(<w_i', x>) <V_i, x>``, linear in V.

    In terms of the random q-embedding, ``h = <v, Psi>`` with ``v = sqrt(q) V``.
    """

    W_half: Float[Array, "q d"]
    V: Float[Array, "q d"]
    activation: Activation = eqx.field(static=True)

    @property
    def q(self) -> int:
        """Number of pairs."""
        return self.W_half.shape[0]

    def cache(self, X: Float[Array, "m d"]) -> Float[Array, "m q"] | PackedGates:
        """Return the gates sigma'(<w_i', x>) of the points."""
        return kept_gates(self.W_half, X, self.activation)

    def at_work(self, width: int | None = None) -> TangentAtWork:
        """Return the form that steps are taken in, with so many pairs, those behind the q-th idle."""
        wide, inside = _widened(self.q, width, self.W_half.dtype)
        return TangentAtWork(wide(self.W_half.T).T, (wide(self.V.T),), inside, self.activation, self.q)

    def after(self, work: AtWork) -> "Tangent":
        """Return the network as users have it, after steps."""
        return eqx.tree_at(lambda net: net.V, self, work.trained[0][:, : self.q].T)


def _widened(q: int, width: int | None, dtype: Any) -> tuple[Callable[[Array], Array], Array | None]:
    """Return what fills the last axis of an array up to ``width`` with zeros, and which neurons are none of them."""
    if width is None or width == q:
        return lambda array: array, None
    return (
        lambda array: jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, width - q)]),
        (jnp.arange(width) < q).astype(dtype),
    )


Network = Plain | Displacement | Tangent


@follows_dtype
def draw_W_half(key: PRNGKeyArray, q: int, d: int, dtype: Any = jnp.float32) -> Float[Array, "q d"]:
    """Draw W' with independent standard Gaussian entries: row i from ``fold_in(key, i)``, in float32, then cast.

    So one key gives the same rows whatever the number of rows and whatever the precision.
    """
    words = threefry.words_of(key)
    if words is None or q * d > threefry.FEW:
        return _draw_rows(key, q, d).astype(dtype)
    return jax.device_put(threefry.gaussians(threefry.fold_in(words, np.arange(q)), d).astype(dtype))


@partial(jax.jit, static_argnames=("q", "d"))
def _draw_rows(key: PRNGKeyArray, q: int, d: int) -> Array:
    rows = jnp.arange(q, dtype=jnp.int32)
    return jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (d,), jnp.float32))(rows)


@follows_dtype
def init(
    key: PRNGKeyArray, *, d: int, q: int, B: float, activation: Activation, dtype: Any = jnp.float32
) -> Displacement | Tangent:
    """Draw from I(d, q, B), Xavier initialization with zero outputs: h = 0 exactly.

    A finite B gives the displacement form, ``B = inf`` the tangent form.

    References
    ----------
    Daniely (2020), Section 2.3.
    """
    return at_start(draw_W_half(key, q, d, dtype), B=B, activation=activation)


def at_start(W_half: Float[Array, "q d"], *, B: float, activation: Activation) -> Displacement | Tangent:
    """Return the network of given initial weights, before the first step."""
    (q, d), dtype = W_half.shape, W_half.dtype
    if math.isinf(B):
        return Tangent(W_half, _zeros((q, d), dtype), activation)
    inverse_B = jnp.asarray(1 / B, dtype)
    return Displacement(W_half, _zeros((2, q, d), dtype), _zeros(q, dtype), _zeros(q, dtype), inverse_B, activation)


def _zeros(shape: int | tuple[int, ...], dtype: Any) -> Array:
    return jax.device_put(np.zeros(shape, dtype))  # `jnp.zeros` compiles a program for every shape


@follows_dtype
def init_plain(
    key: PRNGKeyArray, *, d: int, q: int, B: float, activation: Activation, dtype: Any = jnp.float32
) -> Plain:
    """Draw from I(d, q, B) in the plain form: ``W = [W'; W']``, ``u = (B, ..., B, -B, ..., -B)``."""
    W_half = draw_W_half(key, q, d, dtype)
    B_all = jnp.full(q, B, dtype)
    return Plain(jnp.concatenate([W_half, W_half]), jnp.concatenate([B_all, -B_all]), jnp.asarray(B, dtype), activation)


@partial(jax.jit, static_argnames=("activation", "in_bits"))
def _kept(X: Array, W: Array, activation: Activation | None, in_bits: bool) -> Array:
    """Multiply in float64, round, and apply sigma' if an activation is given; needs x64 mode."""
    z = (X.astype(jnp.float64) @ W.astype(jnp.float64).T).astype(X.dtype)
    values = z if activation is None else activation.sigma_prime(z)
    return packed(values != 0) if in_bits else values


def _in_blocks(W_half: Array, X: Array | np.ndarray, activation: Activation | None, *, in_bits: bool = False) -> Array:
    rows = max(1, BLOCK_ELEMENTS // max(W_half.shape))
    with jax.enable_x64(True):
        starts = range(0, X.shape[0], rows)
        blocks = [_kept(X[start : start + rows], W_half, activation, in_bits) for start in starts]
        return jnp.concatenate(blocks) if len(blocks) > 1 else blocks[0]


def preactivations(W_half: Float[Array, "q d"], X: Float[Array | np.ndarray, "m d"]) -> Float[Array, "m q"]:
    """Return ``X W'^T``, multiplied in float64 and rounded to the dtype of X.

    So the sign of every entry is right and both precisions see the same gates, also next to a kink at 0.
    """
    return _in_blocks(W_half, X, None)


def gates_of(W_half: Float[Array, "q d"], X: Float[Array, "m d"], activation: Activation) -> Float[Array, "m q"]:
    """Return the gates ``sigma'(<w_i', x_j>)`` of the points, [m, q]."""
    return _in_blocks(W_half, X, activation)


def kept_gates(
    W_half: Float[Array, "q d"], X: Float[Array | np.ndarray, "m d"], activation: Activation
) -> Float[Array, "m q"] | PackedGates:
    """Return the gates of the points as a sample keeps them: in bits, if they are 0 or one number."""
    slope = slope_of(activation)
    if slope is None:
        return _in_blocks(W_half, X, activation)
    if X.shape[0] * W_half.shape[0] > PACKED_HERE or not (is_concrete(W_half) and is_concrete(X)):
        bits = _in_blocks(W_half, X, activation, in_bits=True)
    else:
        bits = jax.device_put(np.packbits(np.asarray(_in_blocks(W_half, X, activation)) != 0, axis=1))
    return PackedGates(bits, jax.device_put(np.asarray(slope, X.dtype)))


def bytes_kept(network: Network, m: int) -> float:
    """Return the memory that ``network.cache`` of m points takes: an eighth of a byte or a number for every neuron."""
    if isinstance(network, Plain):
        return 0.0
    in_bits = isinstance(network, Tangent) and slope_of(network.activation) is not None
    return m * network.q * (1 / 8 if in_bits else network_dtype(network).itemsize)


@jax.jit
def _outputs(network: Network, X: Array, cached: Kept) -> Array:
    return network.at_work(width_of(cached)).forward(X, all_of(cached))[0]


@follows_dtype
def predict(network: Network, X: Float[Array, "m d"] | np.ndarray, cached: Kept = None) -> Float[np.ndarray, " m"]:
    """Return h(x) for every row of X, in blocks of rows.

    Parameters
    ----------
    network
        Any form.
    X
        Points, [m, d].
    cached
        What ``network.cache(X)`` returns, if it is at hand.
    """
    rows = max(1, BLOCK_ELEMENTS // (2 * max(network.q, X.shape[1])))
    rows = min(rows, max(1, X.shape[0]))
    outputs = []
    for start in range(0, X.shape[0], rows):
        # a slice of a JAX array is a program of its own, even of all rows
        block = jnp.asarray(X if rows == X.shape[0] else X[start : start + rows], network_dtype(network))
        known = network.cache(block) if cached is None else part_of(cached, start, start + rows)
        outputs.append(_outputs(network, block, known))
    return np.concatenate([np.asarray(block) for block in outputs]) if outputs else np.zeros(0, network_dtype(network))


def network_dtype(network: Network) -> Any:
    """Return the dtype of the weights."""
    return jax.tree.leaves(network)[0].dtype


def n_parameters(q: int, d: int) -> int:
    """Return ``2 q (d + 1)``, the number of parameters of 2q hidden neurons, in every form."""
    return 2 * q * (d + 1)


def network_learning_rate(eta: float, q: int, B: float) -> float:
    """Return ``eta / (2 q B^2)``: the step of the plain weights that belongs to the step eta of the embedding."""
    return 0.0 if math.isinf(B) else eta / (2 * q) / B / B
