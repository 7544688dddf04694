"""From one form of the network to another, and to the scaling that is more common (footnote 2).

Conversions run in float64 NumPy, since the plain form of a network with large B needs every digit.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tightwidth.errors import InputError
from tightwidth.network import Displacement, Network, Plain, Tangent, network_dtype
from tightwidth.precision import in_precision_of


def _float64(array: object) -> np.ndarray:
    return np.asarray(array, dtype=np.float64)


def to_plain(network: Network, B: float | None = None) -> Plain:
    """Return the weights (W, u), in float64.

    Parameters
    ----------
    network
        Any form.  A tangent network is split evenly, ``P = N = V/2``, which is where SGD at that B would have gone.
    B
        Output scale, for a tangent network only; the larger it is, the closer the two networks.

    Raises
    ------
    InputError
        If a tangent network comes without a finite B, or another form with one that differs from its own.
    """
    if isinstance(network, Tangent):
        return to_plain(displaced(network, math.inf if B is None else B))
    own = float(network.B) if isinstance(network, Plain) else 1 / float(network.inverse_B)
    if B is not None and not math.isclose(B, own, rel_tol=1e-6):
        message = f"B={B:g} but this network was started with B={own:g}; leave B out"
        raise InputError(message)
    if isinstance(network, Plain):
        return _plain(_float64(network.W), _float64(network.u), own, network)
    W_half, (P, N) = _float64(network.W_half), _float64(network.PN)
    s, r = _float64(network.s), _float64(network.r)
    W = np.concatenate([W_half + P / own, W_half - N / own])
    return _plain(W, np.concatenate([own + s / own, -own + r / own]), own, network)


def _plain(W: np.ndarray, u: np.ndarray, B: float, like: Network) -> Plain:
    with in_precision_of(W):
        return Plain(jnp.asarray(W), jnp.asarray(u), jnp.asarray(B, jnp.float64), like.activation)


def to_displacement(network: Plain, W_half: np.ndarray | Array) -> Displacement:
    """Return the displacements of plain weights from the start ``W'``, in float64.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """
    q = network.q
    if W_half.shape != (q, network.W.shape[1]):
        message = f"W_half has shape {W_half.shape} but the network has pairs and features {(q, network.W.shape[1])}"
        raise InputError(message)
    B, W, u, start = float(network.B), _float64(network.W), _float64(network.u), _float64(W_half)
    PN = np.stack([B * (W[:q] - start), B * (start - W[q:])])
    with in_precision_of(PN):
        return Displacement(
            jnp.asarray(start),
            jnp.asarray(PN),
            jnp.asarray(B * (u[:q] - B)),
            jnp.asarray(B * (u[q:] + B)),
            jnp.asarray(1 / B, jnp.float64),
            network.activation,
        )


def displaced(network: Tangent, B: float) -> Displacement:
    """Return the tangent weights as displacements ``P = N = V/2`` at a finite B, in float64.

    Raises
    ------
    InputError
        If B is not positive and finite.
    """
    if not (math.isfinite(B) and B > 0):
        message = f"B={B}: a tangent network has no output scale of its own; give a finite B > 0, for example 1e4"
        raise InputError(message)
    half = _float64(network.V) / 2
    with in_precision_of(half):
        zeros = jnp.zeros(network.q, jnp.float64)
        W_half, PN = jnp.asarray(_float64(network.W_half)), jnp.asarray(np.stack([half, half]))
        return Displacement(W_half, PN, zeros, zeros, jnp.asarray(1 / B, jnp.float64), network.activation)


def to_tangent(network: Displacement) -> Tangent:
    """Return the linearisation at the start: ``V = P + N``, without the part of the output weights, of order 1/B^2."""
    with in_precision_of(network):
        return Tangent(network.W_half, network.PN[0] + network.PN[1], network.activation)


def to_standard_scaling(network: Plain) -> Plain:
    """Return the network for inputs of norm sqrt(d): W divided by sqrt(d), so that ``h'(sqrt(d) x) = h(x)``.

    The paper keeps inputs on the unit sphere and entries of W' of variance 1; more common are inputs of norm sqrt(d)
    and variance 1/d.

    References
    ----------
    Daniely (2020), Footnote 2.
    """
    return _rescaled(network, 1 / math.sqrt(network.W.shape[1]))


def from_standard_scaling(network: Plain) -> Plain:
    """Return the network for unit inputs, given one for inputs of norm sqrt(d): W times sqrt(d)."""
    return _rescaled(network, math.sqrt(network.W.shape[1]))


def _rescaled(network: Plain, factor: float) -> Plain:
    with in_precision_of(network):
        W = network.W * jnp.asarray(factor, network_dtype(network))
        return Plain(W, network.u, network.B, network.activation)
