"""The outputs of K networks as a graph of ONNX, each form as itself: the tangent form gated, displacements divided.

So a graph is as exact as the network at any B: plain weights at B = 1e12 would drown in rounding even in float64.  The
formulas for displacements are those of `tightwidth.divided_difference`, in float64 whatever the model's precision.
"""

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth.divided_difference import NODES, WEIGHTS
from tightwidth.models.onnx_activations import Formulas, formulas_of
from tightwidth.models.onnx_graph import Graph, Value
from tightwidth.models.parts import Parts
from tightwidth.network import Plain
from tightwidth.shared_outputs import Outputs

SHORT = 0.1  # the length up to which three nodes are right to 1e-10, and from where a difference is right to 1e-6


def outputs_of(graph: Graph, points: Value, parts: Parts) -> Value:
    """Return the outputs [N, K] at points [N, d], in float64.

    Raises
    ------
    InputError
        If the activation has no formula in ONNX.
    """
    formulas = formulas_of(parts.activation)
    if isinstance(parts.networks, Plain):
        return _plain(graph, points, parts.networks, formulas)
    return _together(graph, points, parts, parts.networks, formulas)


def _plain(graph: Graph, points: Value, network: Plain, formulas: Formulas) -> Value:
    W, u, q = np.asarray(network.W), np.asarray(network.u), network.q
    halves = [
        formulas.sigma(points @ graph.weights(W[half].T, f"W_{name}")) * graph.weights(u[half], f"u_{name}")
        for name, half in (("plus", slice(q)), ("minus", slice(q, None)))
    ]
    return (halves[0] + halves[1]).total(1, keeps=True)  # pair by pair, where the large parts cancel


def _together(graph: Graph, points: Value, parts: Parts, networks: Outputs, formulas: Formulas) -> Value:
    # multiplied in float64 and rounded, as our own gates are: the same ones open, also next to a kink
    z = (points @ graph.weights(np.asarray(networks.W_half).T, "W_half")).rounded(parts.dtype).expanded(1)
    (q, d), K = networks.W_half.shape, networks.K
    shape = graph.constant(np.array([0, K, q]))  # 0: as many rows as there are

    def moved(rows: np.ndarray, name: str) -> Value:
        """Return the products with K matrices of q rows, [N, K, q]."""
        return (points @ graph.weights(np.ascontiguousarray(rows.reshape(K * q, d).T), name)).op("Reshape", shape)

    arrays = [np.asarray(array) for array in networks.trained]
    if networks.inverse_B is None:
        return (formulas.sigma_prime(z) * moved(arrays[0], "V")).total(2)
    PN, s, r = arrays
    a, c, inverse_B = moved(PN[:, 0], "P"), moved(PN[:, 1], "N"), float(networks.inverse_B)
    plus, minus = formulas.sigma(z + a * inverse_B), formulas.sigma(z - c * inverse_B)
    of_output_weights = plus * graph.weights(s, "s") + minus * graph.weights(r, "r")
    return (divided_difference(formulas, z, a, c, inverse_B) + of_output_weights * inverse_B).total(2)


def divided_difference(formulas: Formulas, z: Value, a: Value, c: Value, inverse_B: float) -> Value:
    """Return ``B [ sigma(z + a/B) - sigma(z - c/B) ]`` without cancellation."""
    activation = formulas.activation
    if activation.is_piecewise_linear:
        leftmost = min((place for place, _ in activation.kinks), default=0.0) - 1.0
        with jax.enable_x64(True):
            total = (a + c) * float(activation.sigma_prime(jnp.asarray(leftmost, jnp.float64)))
    else:
        total = _smooth_part(formulas, z, a, c, inverse_B)
    for place, jump in activation.kinks:
        t = (z - place) * (1 / inverse_B)
        plus, minus = (t + a).step(), (t - c).step()
        differ = plus - minus
        total = total + (plus * a + minus * c + (differ.op("Abs") > 0).where(differ * t, 0.0)) * jump
    return total


def _mean_slope(formulas: Formulas, low: Value, high: Value) -> Value:
    middle, half = (low + high) * 0.5, (high - low) * 0.5
    slopes = [formulas.smooth_prime(middle + half * x) * w for x, w in zip(NODES, WEIGHTS, strict=True)]
    return slopes[0] + slopes[1] + slopes[2]


def _smooth_part(formulas: Formulas, z: Value, a: Value, c: Value, inverse_B: float) -> Value:
    low, high, total = z - c * inverse_B, z + a * inverse_B, a + c
    short = _mean_slope(formulas, low, high) * total
    for place in formulas.activation.breaks:
        t = (z - place) * (1 / inverse_B)
        start, end = t - c, t + a  # the ends, seen from the break and magnified by B
        mixed = (start.step() - end.step()).op("Abs") > 0
        below, above = start.op("Min", end), start.op("Max", end)
        at = below * 0.0 + place
        left = -below * _mean_slope(formulas, at + below * inverse_B, at)
        right = above * _mean_slope(formulas, at, at + above * inverse_B)
        short = mixed.where((end - start).op("Sign") * (left + right), short)
    wide = (formulas.smooth(high) - formulas.smooth(low)) * (1 / inverse_B)
    return (total.op("Abs") * inverse_B > SHORT).where(wide, short)
