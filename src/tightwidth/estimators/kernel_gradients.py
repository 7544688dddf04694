"""How the kernel of a recursion changes with the logarithms of w^2 and c^2, for all pairs of points (section 2.5).

Where the layers have closed forms the recursion is differentiated in forward mode: exact to rounding.  Elsewhere the
kernel matrix is taken at two neighbouring values of each (central differences).

The recursion takes square roots of what is 0 for points that coincide, and for zero rows; `kernel_layers.root` gives
them the derivative 0, since those zeros stay zeros whatever the weights are.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.angles import GaussianPair, unit_chords
from tightwidth.angular_kernels import AngularKernel
from tightwidth.kernel_layers import Recursion
from tightwidth.kernels import gram
from tightwidth.sphere import norms_and_directions

CHUNK = 8192  # pairs in one compiled call
STEP = 3e-5  # of a logarithm: step^2/6 of truncation and 1/step roundings make some 1e-9


def has_closed_forms(kernel: AngularKernel) -> bool:
    """Return whether `weight_gradients` is for this kernel."""
    return kernel.recursion(None).is_traced


def weight_gradients(kernel: AngularKernel, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "2 m m"]:
    """Return ``dK / dlog w^2`` and ``dK / dlog c^2`` of K(X, X), where all layers have closed forms.

    Notes
    -----
    Costs one evaluation per pair with the angle from the points themselves, ``3 d`` operations, and some three times
    the recursion.
    """
    recursion = kernel.recursion(None)
    norms, directions = norms_and_directions(X)
    rows, columns = np.triu_indices(len(X))
    out = np.empty((2, len(X), len(X)))
    with jax.enable_x64(True):
        for start in range(0, len(rows), CHUNK):
            i, j = rows[start : start + CHUNK], columns[start : start + CHUNK]
            more = (0, CHUNK - len(i))  # so that one shape compiles
            at_i, at_j = np.pad(i, more), np.pad(j, more)
            found = np.asarray(_tangents(recursion, norms[at_i], norms[at_j], directions[at_i], directions[at_j]))
            out[:, i, j] = out[:, j, i] = found[: len(i)].T
    return out


def differences(kernel_at: Callable[[float], AngularKernel], X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m m"]:
    """Return the derivative at 0 of ``t -> K(X, X)`` by central differences, to some 1e-8 of the largest entry.

    Parameters
    ----------
    kernel_at
        The kernel at t, the logarithm of a parameter over its present value.
    X
        Points, [m, d], float64.
    """
    return (gram(kernel_at(STEP), X) - gram(kernel_at(-STEP), X)) / (2 * STEP)


@jax.jit
def _tangents(recursion: Recursion, r: Array, t: Array, x: Array, z: Array) -> Float[Array, "k 2"]:
    _, _, rho, sine = jax.vmap(unit_chords)(x, z)
    pair = GaussianPair(r, t, rho, sine)

    def values(weights: Array) -> Any:
        w2, c2 = weights
        return Recursion(recursion.layers, (w2, c2), (w2, w2, c2), recursion.part, is_near=True)(pair)

    weights = jnp.stack([jnp.asarray(weight, rho.dtype) for weight in recursion.weights])
    return jax.jacfwd(values)(weights) * weights
