"""How far the tangent kernel of a network has drifted from where it started (section 2.5).

With the changes of gates and values D and E, one entry for each neuron, the kernel changes by

    2q (K_W' - K_W)(x, y) = <x,y> sum_i (D_i g_i' + g_i D_i' + D_i D_i') + the same with E and sigma/B, without <x,y>,

where the prime stands for the point y.  The changes are computed first, and the two neurons of a pair, whose first
orders cancel, are added before anything is multiplied (docs/derivations/large_B.md, section 5).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from tightwidth import divided_difference as dd
from tightwidth.network import Displacement, preactivations
from tightwidth.slope_changes import slope_change

EXACT_POINTS = 4096  # up to here the norms are exact
N_PROBES = 64
BLOCK_ELEMENTS = 1 << 24  # of the largest temporary, in numbers
MOST_ROWS = 512  # of a tile
PROBES = 0x1A2D1F


class Drift(NamedTuple):
    """Hold relative drifts in the Frobenius norm, of tk^h and of tk, with their standard errors (0: exact)."""

    hidden: float
    hidden_standard_error: float
    full: float
    full_standard_error: float


class Rows(NamedTuple):
    """Hold points, and the four columns of each pair: (D^+ + D^-, g, D^+, D^-), and the same of the values."""

    X: Float[Array, "b d"]
    hidden: Float[Array, "b 4 q"]
    output: Float[Array, "b 4 q"]


class Blocks:
    """Cut a sample into blocks of rows, with their pre-activations at the start; anew each time, for want of memory."""

    def __init__(self, network: Displacement, X: Float[np.ndarray, "m d"]) -> None:
        """Hold the network as it was trained and the points in its dtype; x64 mode is on."""
        self.trained, self.X = network, X
        self.network: Displacement = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), network)
        q, d = network.W_half.shape
        self.rows = max(1, min(MOST_ROWS, BLOCK_ELEMENTS // max(16 * q, d)))

    def __len__(self) -> int:
        """Return how many blocks there are."""
        return -(-len(self.X) // self.rows)

    def slice(self, k: int) -> slice:
        """Return which rows block k has."""
        return slice(k * self.rows, (k + 1) * self.rows)

    def points(self, k: int) -> tuple[Float[Array, "b d"], Float[Array, "b q"]]:
        """Return the points of block k and their pre-activations, rounded as in the run, both as float64."""
        X = jnp.asarray(self.X[self.slice(k)])
        return X.astype(jnp.float64), preactivations(self.trained.W_half, X).astype(jnp.float64)

    def features(self, k: int) -> "Rows":
        """Return the changes and the start of block k."""
        return _rows(self.network, *self.points(k))


@jax.jit
def _rows(network: Displacement, X: Array, z: Array) -> Rows:
    sigma, inverse_B = network.activation, network.inverse_B
    a, c, square = X @ network.PN[0].T, X @ network.PN[1].T, inverse_B * inverse_B
    gate, plus, minus = (
        sigma.sigma_prime(z),
        slope_change(sigma, z, a, inverse_B),
        slope_change(sigma, z, -c, inverse_B),
    )
    # (1 + s/B^2) sigma'(z + a/B) - sigma'(z), and for the pair s - r first: they differ by 1/B^2 of themselves
    D_plus = plus + network.s * square * (gate + plus)
    D_minus = minus - network.r * square * (gate + minus)
    D = (plus + minus) + square * ((network.s - network.r) * gate + network.s * plus - network.r * minus)
    none = jnp.zeros_like(z)
    E_plus = dd.divided_difference(sigma, z, a, none, inverse_B) * square
    E_minus = -dd.divided_difference(sigma, z, none, c, inverse_B) * square
    values = sigma.sigma(z) * inverse_B
    return Rows(
        X, jnp.stack([D, gate, D_plus, D_minus], axis=1), jnp.stack([E_plus + E_minus, values, E_plus, E_minus], axis=1)
    )


def _swapped(columns: Array) -> Array:
    """Return the columns that a product with the others pairs them with: the sum with the start and vice versa."""
    return columns[:, jnp.array([1, 0, 2, 3])].reshape(len(columns), -1)


@jax.jit
def _tile_squares(x: Rows, y: Rows) -> Array:
    """Return the squared norms of a tile, times (2q)^2: change and start of tk^h, then of tk."""
    inner = x.X @ y.X.T
    changes = [a.reshape(len(a), -1) @ _swapped(b).T for a, b in ((x.hidden, y.hidden), (x.output, y.output))]
    starts = [2 * a[:, 1] @ b[:, 1].T for a, b in ((x.hidden, y.hidden), (x.output, y.output))]
    return _squares([inner * changes[0], inner * starts[0], changes[1], starts[1]], None)


def _squares(parts: list[Array], axis: int | None) -> Array:
    change_h, start_h, change_o, start_o = parts
    return jnp.stack([jnp.sum(K * K, axis) for K in (change_h, start_h, change_h + change_o, start_h + start_o)])


@jax.jit
def _summed(rows: Rows, signs: Array) -> tuple[Array, Array]:
    """Return ``sum_j v_j G_j x_j^T`` [p, 4q, d] and ``sum_j v_j S_j`` [p, 4q] for every probe v [p]."""
    G = _swapped(rows.hidden)
    return jax.lax.map(lambda v: (G * v[:, None]).T @ rows.X, signs.T), signs.T @ _swapped(rows.output)


@jax.jit
def _applied(rows: Rows, sums: tuple[Array, Array]) -> Array:
    """Return the squared norms of the products on these rows, [4, p], given the sums over all rows."""
    b, _, q = rows.hidden.shape
    left, gate = rows.hidden.reshape(b, -1), rows.hidden[:, 1]

    def hidden(U: Array) -> tuple[Array, Array]:
        moved = rows.X @ U.T
        return jnp.sum(left * moved, axis=1), 2 * jnp.sum(gate * moved[:, :q], axis=1)

    change, start = jax.lax.map(hidden, sums[0])
    change_o = rows.output.reshape(b, -1) @ sums[1].T
    start_o = 2 * rows.output[:, 1] @ sums[1][:, :q].T
    return _squares([change.T, start.T, change_o, start_o], 0)


def exact_drift(blocks: Blocks) -> Drift:
    """Return the drift from all entries, tile by tile; about ``10 m^2 q`` operations."""
    total = np.zeros(4)
    for i in range(len(blocks)):
        x = blocks.features(i)
        for j in range(i, len(blocks)):
            squares = np.asarray(_tile_squares(x, x if j == i else blocks.features(j)))
            total += squares if j == i else 2 * squares
    return Drift(_ratio(total[0], total[1]), 0.0, _ratio(total[2], total[3]), 0.0)


def random_signs(m: int, seed: int, n_probes: int = N_PROBES) -> Int8[np.ndarray, "m p"]:
    """Draw the vectors of signs of `estimated_drift`."""
    return 2 * np.random.default_rng([seed, PROBES]).integers(0, 2, (m, n_probes), np.int8) - 1


def estimated_drift(blocks: Blocks, signs: Int8[np.ndarray, "m p"]) -> Drift:
    """Estimate the drift from products with vectors v of random signs: ``E |A v|^2 = ||A||^2``, the Frobenius norm.

    Each v serves the change and the start.  A square has a relative variance of at most 2/p; the standard errors are
    those of the ratio of the norms, linearised, from the spread over the v.  About ``20 m q d`` operations for each v.
    """
    q, d = blocks.network.W_half.shape
    at_once = max(1, BLOCK_ELEMENTS // (4 * q * d))
    squares = []
    for first in range(0, signs.shape[1], at_once):
        some = signs[:, first : first + at_once]
        sums: Any = None
        for k in range(len(blocks)):
            part = _summed(blocks.features(k), jnp.asarray(some[blocks.slice(k)], jnp.float64))
            sums = part if sums is None else jax.tree.map(jnp.add, sums, part)
        squares.append(sum(np.asarray(_applied(blocks.features(k), sums)) for k in range(len(blocks))))
    change_h, start_h, change, start = np.concatenate(squares, axis=1)
    return Drift(*_estimate(change_h, start_h), *_estimate(change, start))


def _estimate(change: Float[np.ndarray, " p"], start: Float[np.ndarray, " p"]) -> tuple[float, float]:
    ratio = _ratio(change.mean(), start.mean())
    if not 0 < ratio < np.inf:
        return ratio, 0.0
    relative = change / change.mean() - start / start.mean()
    return ratio, float(ratio / 2 * relative.std(ddof=1) / np.sqrt(len(change)))


def _ratio(change: float, start: float) -> float:
    if change == 0:
        return 0.0
    return float(np.sqrt(change) / np.sqrt(start)) if start > 0 else np.inf
