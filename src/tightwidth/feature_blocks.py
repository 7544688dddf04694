"""Work with features in blocks of points and blocks of omegas, compiled (section 2.6).

A block holds 512 points, fewer of a small sample, and as many omegas as make 32,768 numbers for each point: one number
for each omega where a scheme is factorized, p elsewhere.  Features are computed in float64 and rounded to the precision
of the points, so that a gate next to its kink is open in both precisions or in none.
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.feature_scheme import Columns, Omegas, Scheme, over_pairs
from tightwidth.kernel_tiles import tile_size

BLOCK_COLUMNS = 1 << 15  # numbers of one point at a time; those of a tile of 512 points take 128 MB in float64


def numbers_each(scheme: Scheme, omegas: Omegas, d: int) -> int:
    """Return how many numbers the columns of the scheme hold of one omega and one point."""
    first = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), omegas)
    columns = jax.eval_shape(scheme.columns, first, jax.ShapeDtypeStruct((1, d), jnp.float32))
    return sum(leaf.size for leaf in jax.tree.leaves(columns))


def omega_blocks(omegas: Omegas, numbers: int) -> list[tuple[slice, Omegas]]:
    """Return the omegas, each of so many numbers a point, in blocks: (which, arrays of JAX)."""
    q = jax.tree.leaves(omegas)[0].shape[0]
    width = max(1, BLOCK_COLUMNS // numbers)
    cuts = [slice(start, min(q, start + width)) for start in range(0, q, width)]
    with jax.enable_x64(True):
        return [(cut, jax.tree.map(lambda leaf, cut=cut: jnp.asarray(leaf[cut]), omegas)) for cut in cuts]


def point_blocks(X: Float[np.ndarray, "m d"]) -> Iterator[tuple[slice, Array]]:
    """Yield blocks of the size of a tile, the last filled up with its last point, so that few shapes compile."""
    size = tile_size(len(X))
    for start in range(0, len(X), size):
        rows = X[start : start + size]
        with jax.enable_x64(True):
            padded = jnp.asarray(np.pad(rows, ((0, size - len(rows)), (0, 0)), mode="edge"))
        yield slice(start, start + len(rows)), padded


def cast(omegas: Omegas, dtype: Any) -> Omegas:
    """Return the arrays of real numbers in a dtype, and others as they are."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, omegas
    )


def columns_of(scheme: Scheme, omegas: Omegas, X: Float[Array, "m d"]) -> Columns:
    """Return the columns of a block, computed in float64, in the dtype of X."""
    with jax.enable_x64(True):
        return _columns(scheme, omegas, X)


def values_of(scheme: Scheme, omegas: Omegas, X: Float[Array, "m d"]) -> Float[np.ndarray, "m q p"]:
    """Return psi itself of a block, in float64."""
    with jax.enable_x64(True):
        return np.asarray(_values(scheme, omegas, X))


def products_of(
    scheme: Scheme, omegas: Omegas, X: Float[Array, "m d"], V: Float[np.ndarray, "q p"], *, is_summed: bool
) -> Float[np.ndarray, "m ..."]:
    """Return ``<V_i, psi(omega_i, x_j)>`` of a block, or their sums over i, in float64."""
    with jax.enable_x64(True):
        return np.asarray(_products(scheme, omegas, X, jnp.asarray(V), is_summed))


def adjoint_of(
    scheme: Scheme, omegas: Omegas, X: Float[Array, "m d"], alpha: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "q p"]:
    """Return ``sum_j alpha_j psi(omega_i, x_j)`` of a block, in float64."""
    with jax.enable_x64(True):
        return np.asarray(_adjoint(scheme, omegas, X, jnp.asarray(alpha)))


@jax.jit
def gram_of(
    scheme: Scheme, of_X: Columns, X: Float[Array, "m d"], of_Z: Columns, Z: Float[Array, "n d"]
) -> Float[Array, "m n"]:
    """Return ``sum_i <psi(omega_i, x_j), psi(omega_i, z_l)>`` of two blocks with the same omegas."""
    return scheme.gram(of_X, X, of_Z, Z)


@jax.jit
def squares_of(scheme: Scheme, of_X: Columns, X: Float[Array, "m d"]) -> Float[Array, " m"]:
    """Return ``sum_i |psi(omega_i, x_j)|^2`` of a block."""

    def square(own: Columns, x: Array) -> Array:
        row = jax.tree.map(lambda leaf: leaf[None], own)
        return scheme.gram(row, x[None], row, x[None])[0, 0]

    return jax.vmap(square)(of_X, X)


# These need x64 mode.


def _wide_columns(scheme: Scheme, omegas: Omegas, X: Array) -> Columns:
    return scheme.columns(cast(omegas, jnp.float64), X.astype(jnp.float64))


@jax.jit
def _columns(scheme: Scheme, omegas: Omegas, X: Array) -> Columns:
    return jax.tree.map(lambda leaf: leaf.astype(X.dtype), _wide_columns(scheme, omegas, X))


@jax.jit
def _values(scheme: Scheme, omegas: Omegas, X: Array) -> Array:
    return over_pairs(scheme.psi, cast(omegas, jnp.float64), X.astype(jnp.float64))


@eqx.filter_jit
def _products(scheme: Scheme, omegas: Omegas, X: Array, V: Array, is_summed: bool) -> Array:
    products = scheme.products(_wide_columns(scheme, omegas, X), X.astype(jnp.float64), V)
    return jnp.sum(products, axis=1) if is_summed else products


@jax.jit
def _adjoint(scheme: Scheme, omegas: Omegas, X: Array, alpha: Array) -> Array:
    return scheme.adjoint(_wide_columns(scheme, omegas, X), X.astype(jnp.float64), alpha)
