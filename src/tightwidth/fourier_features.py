"""Random Fourier features, and the Gaussian kernel that they are for (section 2.6).

The scheme of Rahimi and Recht (2007), with cosine and sine: two coordinates, of norm 1 exactly, and not factorized.
Beside the NTK scheme it shows what factorization is worth: its error does not fall with d.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.errors import InputError
from tightwidth.feature_scheme import Scheme, draw_gaussians
from tightwidth.kernel_tiles import Kernel, Tiling

EXPONENT_ERROR = {"float32": 1e-7, "float64": 1e-13}  # up to here distances may come from one product
EPS = float(np.finfo(np.float64).eps)


class GaussianKernel(Kernel):
    """Hold ``k(x, z) = exp(-gamma |x - z|^2)``."""

    gamma: float

    def of_points(self, x: Float[Array, " d"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """Return k(x, z), from the differences of the coordinates."""
        return jnp.exp(-self.gamma * jnp.sum((x - z) ** 2))

    def diagonal(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Return 1 for every point."""
        return np.ones(len(X), X.dtype)

    def tiling(self, X: Float[np.ndarray, "m d"], Z: Float[np.ndarray, "n d"] | None) -> Tiling:
        """Return tiles by one float64 product each, or from differences where the product would cost digits.

        ``|x|^2 + |z|^2 - 2 <x,z>`` errs by some ``4 eps max |x|^2``, however near the points.
        """
        largest = max(np.max(np.sum(np.square(part, dtype=np.float64), axis=1)) for part in (X, Z) if part is not None)
        if not 4 * EPS * self.gamma * float(largest) <= EXPONENT_ERROR[X.dtype.name]:
            return super().tiling(X, Z)

        def prepare(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            wide = points.astype(np.float64)
            return wide, np.sum(wide * wide, axis=1)

        def compute(x: Any, z: Any, on_diagonal: bool) -> Any:
            del on_diagonal
            with jax.enable_x64(True):
                return _by_product(x, z, self.gamma)

        def finish(tile: Any, *_: Any) -> np.ndarray:
            return np.asarray(tile).astype(X.dtype)

        return Tiling(
            X, Z, prepare=prepare, compute=compute, finish=finish, diagonal=lambda rows: self.diagonal(X[rows])
        )


@jax.jit
def _by_product(x: tuple[Array, Array], z: tuple[Array, Array], gamma: Any) -> Array:
    squared = x[1][:, None] + z[1][None, :] - 2 * (x[0] @ z[0].T)
    return jnp.exp(-gamma * jnp.maximum(squared, 0))


class FourierFeatures(Scheme):
    """Hold ``psi(omega, x) = (cos <omega,x>, sin <omega,x>)``, ``omega ~ N(0, 2 gamma I)``, for the Gaussian kernel.

    ``<psi(omega, x), psi(omega, z)> = cos <omega, x - z>``, whose mean is ``exp(-gamma |x - z|^2)``.
    """

    gamma: float

    @property
    def C(self) -> float:
        """The norm of psi: 1 for every omega and every point, on the sphere or not."""
        return 1.0

    @property
    def kernel(self) -> GaussianKernel:
        """``exp(-gamma |x - z|^2)``."""
        return GaussianKernel(self.gamma)

    def draw_one(self, key: PRNGKeyArray, d: int) -> Float[Array, " d"]:
        """Draw a frequency."""
        return jnp.sqrt(2 * self.gamma) * jax.random.normal(key, (d,), jnp.float32)

    def draw(self, key: PRNGKeyArray, q: int, d: int) -> Float[np.ndarray, "q d"]:
        """Draw q frequencies: ``sqrt(2 gamma)`` times the rows of N(0, I) that every scheme with Gaussian omega draws.

        Raises
        ------
        InputError
            If q or d is no whole number of at least 1.
        """
        return np.float32(math.sqrt(2 * self.gamma)) * draw_gaussians(key, q, d)

    def psi(self, omega: Float[Array, " d"], x: Float[Array, " d"]) -> Float[Array, " 2"]:
        """Return ``(cos <omega,x>, sin <omega,x>)``."""
        angle = jnp.dot(omega, x)
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def fourier(*, gamma: float) -> FourierFeatures:
    """Return random Fourier features for ``exp(-gamma |x - z|^2)``: two coordinates, C = 1, not factorized.

    Raises
    ------
    InputError
        If gamma is not positive and finite.

    Examples
    --------
    >>> scheme = fourier(gamma=0.5)
    >>> scheme.C, scheme.is_factorized, scheme.dimension(10)
    (1.0, False, 2)
    """
    if not 0 < gamma < math.inf:
        message = f"gamma={gamma:g} must be positive and finite, in exp(-gamma |x - z|^2); a bandwidth s has 1/(2 s^2)"
        raise InputError(message)
    return FourierFeatures(float(gamma))
