"""Sums of random feature schemes: features side by side, for the sum of the kernels (section 2.6).

``psi = (psi_1, psi_2)`` has ``<psi(x), psi(z)> = <psi_1(x), psi_1(z)> + <psi_2(x), psi_2(z)>``, whether the two share
one omega or have one each: k_1 + k_2 does not tell the difference, the variance at finite q does.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.errors import InputError
from tightwidth.feature_scheme import Columns, Omega, Omegas, Scheme
from tightwidth.kernel_tiles import Kernel, Tiling


class KernelSum(Kernel):
    """Hold the kernel ``k(x, z) = k_1(x, z) + k_2(x, z) + ...``, each part computed in its own way."""

    kernels: tuple[Kernel, ...]

    def of_points(self, x: Float[Array, " d"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """Return the sum for one pair of points."""
        values = [kernel.of_points(x, z) for kernel in self.kernels]
        return sum(values[1:], start=values[0])

    def diagonal(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Return the sum of the diagonals."""
        return np.sum([kernel.diagonal(X) for kernel in self.kernels], axis=0)

    def tiling(self, X: Float[np.ndarray, "m d"], Z: Float[np.ndarray, "n d"] | None) -> Tiling:
        """Return tiles that are sums of the tiles of the parts."""
        return _TilingSum([kernel.tiling(X, Z) for kernel in self.kernels])


class _TilingSum(Tiling):
    """Compute the tiles of several kernel matrices of the same points, and their sum."""

    def __init__(self, tilings: list[Tiling]) -> None:
        for tiling in tilings:
            tiling.cut(may_be_large=False)
        vars(self).update(vars(tilings[0]))  # all have the same points, cut alike
        self.tilings = tilings

    def start(self, i: int, j: int) -> Any:
        return [tiling.start(i, j) for tiling in self.tilings]

    def end(self, i: int, j: int, started: Any) -> Float[np.ndarray, "rows columns"]:
        return np.sum([tiling.end(i, j, part) for tiling, part in zip(self.tilings, started, strict=True)], axis=0)


class SchemeSum(Scheme):
    """Hold the scheme ``psi = (psi_1, psi_2, ...)`` for the sum of the kernels.

    With ``is_shared`` all parts see one omega, else omega is a tuple of one for each.  A sum is not factorized, even
    where all its parts are: its features are longer than x.
    """

    schemes: tuple[Scheme, ...]
    is_shared: bool = eqx.field(static=True)
    known_kernel: Kernel | None = None

    @property
    def C(self) -> float:
        """The bound ``sqrt(C_1^2 + C_2^2 + ...)`` on |psi|."""
        return math.hypot(*(scheme.C for scheme in self.schemes))

    @property
    def kernel(self) -> Kernel:
        """The sum of the kernels."""
        return KernelSum(tuple(s.kernel for s in self.schemes)) if self.known_kernel is None else self.known_kernel

    def of_parts(self, omega: Omega | Omegas) -> tuple[Any, ...]:
        """Return what each part takes for its omega."""
        return (omega,) * len(self.schemes) if self.is_shared else omega

    def psi(self, omega: Omega, x: Float[Array, " d"]) -> Float[Array, " p"]:
        """Return the features of all parts, one after the other."""
        parts = zip(self.schemes, self.of_parts(omega), strict=True)
        return jnp.concatenate([scheme.psi(own, x) for scheme, own in parts])

    def draw_one(self, key: PRNGKeyArray, d: int) -> Omega:
        """Draw the omega that all parts share, or one for each part, from keys of their own."""
        if self.is_shared:
            return self.schemes[0].draw_one(key, d)
        keys = jax.random.split(key, len(self.schemes))
        return tuple(scheme.draw_one(own, d) for scheme, own in zip(self.schemes, keys, strict=True))

    def draw(self, key: PRNGKeyArray, q: int, d: int) -> Omegas:
        """Draw q omegas, as every scheme does; where they are not shared, those of each part from a key of its own.

        Raises
        ------
        InputError
            If q or d is no whole number of at least 1, or the omega is shared by parts that draw it differently.
        """
        if not self.is_shared:
            keys = jax.random.split(key, len(self.schemes))
            return tuple(scheme.draw(own, q, d) for scheme, own in zip(self.schemes, keys, strict=True))
        omegas = self.schemes[0].draw(key, q, d)
        for scheme in self.schemes[1:]:
            if not bool(eqx.tree_equal(omegas, scheme.draw(key, q, d))):
                message = (
                    f"{type(self.schemes[0]).__name__} and {type(scheme).__name__} draw different omegas from one key, "
                    f"and cannot share one; give shared=False"
                )
                raise InputError(message)
        return omegas

    def columns(self, omegas: Omegas, X: Float[Array, "m d"]) -> tuple[Columns, ...]:
        """Return the columns of all parts."""
        return tuple(scheme.columns(own, X) for scheme, own in zip(self.schemes, self.of_parts(omegas), strict=True))

    def gram(self, of_X: Columns, X: Float[Array, "m d"], of_Z: Columns, Z: Float[Array, "n d"]) -> Float[Array, "m n"]:
        """Return the sum of the parts' inner products."""
        tiles = [scheme.gram(x, X, z, Z) for scheme, x, z in zip(self.schemes, of_X, of_Z, strict=True)]
        return sum(tiles[1:], start=tiles[0])

    def products(self, of_X: Columns, X: Float[Array, "m d"], V: Float[Array, "q p"]) -> Float[Array, "m q"]:
        """Return the sum of the parts' products, each with its coordinates of V."""
        lengths = [scheme.dimension(X.shape[1]) for scheme in self.schemes]
        pieces = jnp.split(V, np.cumsum(lengths)[:-1].tolist(), axis=1)
        values = [scheme.products(x, X, v) for scheme, x, v in zip(self.schemes, of_X, pieces, strict=True)]
        return sum(values[1:], start=values[0])

    def adjoint(self, of_X: Columns, X: Float[Array, "m d"], alpha: Float[Array, " m"]) -> Float[Array, "q p"]:
        """Return the parts' sums, one after the other."""
        sums = [scheme.adjoint(x, X, alpha) for scheme, x in zip(self.schemes, of_X, strict=True)]
        return jnp.concatenate(sums, axis=1)


def sum_of(*schemes: Scheme, shared: bool = False) -> SchemeSum:
    """Return the scheme ``psi = (psi_1, psi_2, ...)`` for the kernel ``k_1 + k_2 + ...``.

    Parameters
    ----------
    schemes
        At least one.
    shared
        Whether all see one omega, which they must draw alike; else each has its own, drawn independently.

    Raises
    ------
    InputError
        If no scheme is given.
    """
    if not schemes:
        message = "a sum of no random feature schemes has no features; give at least one scheme"
        raise InputError(message)
    return SchemeSum(schemes, shared)
