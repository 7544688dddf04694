"""The neural tangent kernel of a depth-two network: at given weights and expected (section 2.5).

``tk = tk^h + tk^o``: the part of the hidden weights, ``<x,z> E sigma'(u) sigma'(v)``, and the part of the output
weights, ``E sigma(u) sigma(v) / B^2``, with (u, v) standard Gaussians of correlation ``<x,z>``.
"""

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.activations import Activation
from tightwidth.network import preactivations
from tightwidth.precision import follows_dtype

Points = Array | np.ndarray
Part = Literal["both", "hidden", "output"]


@follows_dtype
def empirical_tk_h(
    X: Float[Points, "m d"], Z: Float[Points, "n d"], *, W_half: Float[Array, "q d"], activation: Activation
) -> Float[np.ndarray, "m n"]:
    """Return ``tk^h_W(x,z) = <x,z> (1/q) sum_i sigma'(<w_i,x>) sigma'(<w_i,z>)`` for all pairs.

    References
    ----------
    Daniely (2020), Section 2.5.
    """
    gates_x = activation.sigma_prime(preactivations(W_half, X))
    gates_z = activation.sigma_prime(preactivations(W_half, Z))
    return np.asarray((jnp.asarray(X) @ jnp.asarray(Z).T) * (gates_x @ gates_z.T) / W_half.shape[0])


@follows_dtype
def empirical_tk_o(
    X: Float[Points, "m d"],
    Z: Float[Points, "n d"],
    *,
    W_half: Float[Array, "q d"],
    activation: Activation,
    B: float,
) -> Float[np.ndarray, "m n"]:
    """Return ``tk^o_W(x,z) = (1/(q B^2)) sum_i sigma(<w_i,x>) sigma(<w_i,z>)`` for all pairs; 0 at B = infinity."""
    values_x = activation.sigma(preactivations(W_half, X))
    values_z = activation.sigma(preactivations(W_half, Z))
    return np.asarray((values_x @ values_z.T) / W_half.shape[0]) / np.asarray(B, X.dtype) / np.asarray(B, X.dtype)


def empirical_tk(
    X: Float[Points, "m d"],
    Z: Float[Points, "n d"],
    *,
    W_half: Float[Array, "q d"],
    activation: Activation,
    B: float = math.inf,
    part: Part = "both",
) -> Float[np.ndarray, "m n"]:
    """Return the tangent kernel at the initial weights, or one part of it.

    ``tk_W(x,z) = <grad h(x), grad h(z)> / (2 q B^2)``, the gradient over all of (W, u).
    """
    if part == "hidden":
        return empirical_tk_h(X, Z, W_half=W_half, activation=activation)
    if part == "output":
        return empirical_tk_o(X, Z, W_half=W_half, activation=activation, B=B)
    hidden = empirical_tk_h(X, Z, W_half=W_half, activation=activation)
    return hidden + empirical_tk_o(X, Z, W_half=W_half, activation=activation, B=B)


def relu_tk_h(rho: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return ``rho (pi - arccos rho) / (2 pi)``, the hidden part of relu's tangent kernel at correlation rho.

    References
    ----------
    Daniely (2020), Equation (1).
    """
    return rho * (jnp.pi - jnp.arccos(rho)) / (2 * jnp.pi)


def relu_tk_o(rho: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Return ``(sqrt(1 - rho^2) + rho (pi - arccos rho)) / (2 pi)``, relu's output part at B = 1."""
    return (jnp.sqrt((1 - rho) * (1 + rho)) + rho * (jnp.pi - jnp.arccos(rho))) / (2 * jnp.pi)


@partial(jax.jit, static_argnames="part")
def _relu_tk(X: Array, Z: Array, B: Array, part: Part) -> Array:
    rho = jnp.clip(X @ Z.T, -1, 1)
    if part == "hidden":
        return relu_tk_h(rho)
    output = relu_tk_o(rho) / B / B
    return output if part == "output" else relu_tk_h(rho) + output


@follows_dtype
def expected_relu_tk(
    X: Float[Points, "m d"], Z: Float[Points, "n d"], *, B: float = math.inf, part: Part = "both"
) -> Float[np.ndarray, "m n"]:
    """Return relu's expected tangent kernel of unit vectors, ``tk = tk^h + tk^o / B^2``, or one part of it.

    Notes
    -----
    The correlation is a bare product: next to rho = +-1 half of its digits are lost.
    """
    points = jnp.asarray(X)
    return np.asarray(_relu_tk(points, jnp.asarray(Z), jnp.asarray(B, points.dtype), part))
