"""Gates of a sample in bits: for an activation with one kink, linear on both sides, and flat on the left one.

Such a gate is 0 or one number.  Eight gates lie in a byte, so that what a sample keeps takes 1/32 of float32, and a
batch is read that much faster; a table of the 256 bytes turns them back into numbers.
"""

from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from tightwidth.activations import Activation

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)


class PackedGates(eqx.Module):
    """Hold the gates of m points at Q neurons, Q a multiple of 8: every bit is a gate that is open."""

    bits: UInt8[Array, "m Q_over_8"]
    slope: Float[Array, ""]

    @property
    def width(self) -> int:
        """Return Q."""
        return 8 * self.bits.shape[1]

    def of(self, rows: Array) -> Float[Array, "b Q"]:
        """Return the gates of some points as numbers, 0 or the slope."""
        return self._numbers(self.bits[rows])

    def all(self) -> Float[Array, "m Q"]:
        """Return the gates of all points as numbers."""
        return self._numbers(self.bits)

    def part(self, start: int, stop: int) -> "PackedGates":
        """Return the gates of consecutive points, packed."""
        return PackedGates(self.bits[start:stop], self.slope)

    def _numbers(self, bits: Array) -> Array:
        table = jnp.asarray(BITS, self.slope.dtype) * self.slope
        return table[bits.astype(jnp.int32)].reshape(bits.shape[0], self.width)


@lru_cache(maxsize=256)
def slope_of(activation: Activation) -> float | None:
    """Return the slope on the right of the kink if gates of this activation can be packed, None if they cannot."""
    if not activation.is_piecewise_linear or len(activation.kinks) != 1:
        return None
    (place, jump), *_ = activation.kinks
    left, at = np.asarray(jax.jit(activation.sigma_prime)(np.array([place - 1.0, place], np.float32))).tolist()
    return jump if left == 0 and at == 0 else None


def packed(is_open: Bool[Array, "m q"]) -> UInt8[Array, "m Q_over_8"]:
    """Return the bits of the gates, eight in a byte, the first one highest; traced."""
    return jnp.packbits(is_open, axis=1)


Kept = Float[Array, "m q"] | PackedGates | None  # what a sample keeps for a network: pre-activations, gates, or nothing


def rows_of(kept: Kept, rows: Array) -> Float[Array, "b Q"] | None:
    """Return what is kept of some points, as numbers."""
    return kept.of(rows) if isinstance(kept, PackedGates) else None if kept is None else kept[rows]


def all_of(kept: Kept) -> Float[Array, "m q_or_more"] | None:
    """Return what is kept of all points, as numbers."""
    return kept.all() if isinstance(kept, PackedGates) else kept


def part_of(kept: Kept, start: int, stop: int) -> Float[Array, "n q"] | PackedGates | None:
    """Return what is kept of consecutive points, as it is kept."""
    if kept is None or (start == 0 and stop >= jax.tree.leaves(kept)[0].shape[0]):
        return kept
    return kept.part(start, stop) if isinstance(kept, PackedGates) else kept[start:stop]


def width_of(kept: Kept) -> int | None:
    """Return for how many neurons numbers are kept, None if none are."""
    return kept.width if isinstance(kept, PackedGates) else None if kept is None else kept.shape[-1]
