"""The neural tangent kernel: expected, and at given weights (section 2.5).

``tk = tk^h + tk^o``: the part of the hidden weights, ``<x,z> E sigma'(u) sigma'(v)``, and the part of the output
weights, ``E sigma(u) sigma(v) / B^2``.  At given weights the expectation is the mean over the q neurons.  `ntk` and
`empirical_ntk` are the two in words; here in the paper's letters.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.activations import Activation
from tightwidth.angular_kernels import AngularKernel, Part, check_part, deep_tangent, tangent
from tightwidth.empirical_kernels import EmpiricalTangent
from tightwidth.errors import InputError
from tightwidth.kernels import gram
from tightwidth.network import Network, Tangent

Points = Array | np.ndarray


def ntk(
    X: Any,
    Z: Any = None,
    *,
    activation: str | Activation = "relu",
    output_scale: float = math.inf,
    depth: int = 2,
    part: Part = "both",
    weight_variance: float | None = None,
    bias_variance: float | None = None,
) -> Any:
    """Return the expected neural tangent kernel of all pairs of points.

    Depth two is the paper's network: ``<x,z> dual(sigma')(rho) + dual(sigma)(rho) / B^2`` on the sphere, and the same
    with the norms of the points off it.  Deeper, ``T^1 = K^1 = <x,z>``,
    ``K^{l+1} = w^2 dual(sigma)(K^l) + c^2``, ``T^{l+1} = w^2 T^l dual(sigma')(K^l) + K^{l+1}``.

    Parameters
    ----------
    X, Z
        Points, [m, d] and [n, d]; any norms.  Without Z the matrix is that of X with itself, symmetric to the bit.
    activation
        A name, or an `Activation`, which need not be decent.
    output_scale
        B, for depth two; at infinity (the default) only the hidden part is left.
    depth
        Layers of weights, at least 2.
    part
        "both", "hidden" (what the hidden weights add) or "output": tk^o at depth two, else the NNGP kernel.
    weight_variance, bias_variance
        w^2 and c^2 of every layer after the first, 1 and 0 by default; at depth two, where `output_scale` takes their
        place, giving one of them asks for the recursion.

    Returns
    -------
    array
        [m, n]; float32 if all points are, else float64.  A NumPy array, a JAX array if X is one.

    Raises
    ------
    InputError
        If the activation or the part is unknown, a number is out of its range, or output_scale meets the recursion.
    DataError
        If X or Z is no table of finite numbers, or their columns differ.
    HypothesisError
        If sigma jumps and the hidden part is meant, or a second moment is infinite.
    MemoryEstimateError
        If the matrix would not fit in memory.

    Notes
    -----
    Exact to rounding also for points that nearly coincide or are nearly antipodal.  For relu it costs some 1.1 bare
    products of the points.  Points of one norm are cheap under every activation; of many norms, activations without a
    closed form cost some hundred operations a pair.

    Examples
    --------
    >>> ntk(np.eye(2))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    kernel = expected_kernel(
        activation,
        output_scale=output_scale,
        depth=depth,
        part=part,
        weight_variance=weight_variance,
        bias_variance=bias_variance,
    )
    return _like(X, gram(kernel, X, Z))


def expected_kernel(
    activation: str | Activation = "relu",
    *,
    output_scale: float = math.inf,
    depth: int = 2,
    part: Part = "both",
    weight_variance: float | None = None,
    bias_variance: float | None = None,
) -> AngularKernel:
    """Return the kernel of `ntk` as an object, for `tightwidth.kernels` and `tightwidth.kernel_spaces`.

    Raises
    ------
    InputError
        If the activation or the part is unknown, a number is out of its range, or output_scale meets the recursion.
    HypothesisError
        If sigma jumps and the hidden part is meant.
    """
    recursive = depth != 2 or weight_variance is not None or bias_variance is not None
    if not recursive:
        return tangent(activation, B=output_scale, part=part)
    if not math.isinf(output_scale):
        message = (
            f"output_scale={output_scale:g} belongs to depth 2 and cannot be combined with depth={depth}, "
            f"weight_variance={weight_variance}, bias_variance={bias_variance}; leave it out"
        )
        raise InputError(message)
    return deep_tangent(
        activation,
        depth,
        weight_variance=1.0 if weight_variance is None else weight_variance,
        bias_variance=0.0 if bias_variance is None else bias_variance,
        part=part,
    )


def empirical_ntk(network: Network, X: Any, Z: Any = None, *, part: Part = "both") -> Any:
    """Return the tangent kernel at a network's weights: ``<grad h(x), grad h(z)> / (2 q B^2)``.

    Parameters
    ----------
    network
        Any form, trained or not, such as ``result.network`` of `memorize`.
    X, Z
        Points, [m, d] and [n, d]; without Z the matrix is that of X with itself.
    part
        "both", "hidden" or "output": the gradient in all weights, in W, or in u.

    Returns
    -------
    array
        [m, n], in the wider dtype of points and weights; a NumPy array, a JAX array if X is one.  In the tangent form
        (infinite B) the output part is 0.

    Raises
    ------
    InputError
        If the part is unknown.
    DataError
        If X or Z is no table of finite numbers, or has not the network's number of features.
    MemoryEstimateError
        If the matrix would not fit in memory.

    Notes
    -----
    Its kernel space holds the functions that the outputs can move to with an infinitesimal change U of the weights; the
    least norm of such a U is ``||h|| / (sqrt(2q) B)`` (erratum 1).  Costs ``2 m n (d + q)`` operations for the hidden
    part.

    References
    ----------
    Daniely (2020), Equation (2).
    """
    check_part(part)
    return _like(X, gram(EmpiricalTangent(network, part), X, Z))


def _like(X: Any, K: np.ndarray) -> Any:
    if not isinstance(X, jax.Array):
        return K
    with jax.enable_x64(K.dtype == np.float64):
        return jnp.asarray(K)


def _at_start(W_half: Float[Array, "q d"], activation: Activation) -> Tangent:
    return Tangent(W_half, W_half, activation)


def empirical_tk_h(
    X: Float[Points, "m d"],
    Z: Float[Points, "n d"] | None = None,
    *,
    W_half: Float[Array, "q d"],
    activation: Activation,
) -> Float[np.ndarray, "m n"]:
    """Return ``tk^h_W(x,z) = <x,z> (1/q) sum_i sigma'(<w_i,x>) sigma'(<w_i,z>)`` for all pairs.

    References
    ----------
    Daniely (2020), Section 2.5.
    """
    return gram(EmpiricalTangent(_at_start(W_half, activation), "hidden"), X, Z)


def empirical_tk_o(
    X: Float[Points, "m d"],
    Z: Float[Points, "n d"] | None = None,
    *,
    W_half: Float[Array, "q d"],
    activation: Activation,
    B: float,
) -> Float[np.ndarray, "m n"]:
    """Return ``tk^o_W(x,z) = (1/(q B^2)) sum_i sigma(<w_i,x>) sigma(<w_i,z>)`` for all pairs; 0 at B = infinity."""
    return gram(EmpiricalTangent(_at_start(W_half, activation), "output", 1 / B), X, Z)


def empirical_tk(
    X: Float[Points, "m d"],
    Z: Float[Points, "n d"] | None = None,
    *,
    W_half: Float[Array, "q d"],
    activation: Activation,
    B: float = math.inf,
    part: Part = "both",
) -> Float[np.ndarray, "m n"]:
    """Return the tangent kernel at the initial weights, or one part of it.

    ``tk_W(x,z) = <grad h(x), grad h(z)> / (2 q B^2)``, the gradient over all of (W, u).
    """
    return gram(EmpiricalTangent(_at_start(W_half, activation), part, 1 / B), X, Z)
