"""Eigenvalues of kernels on the sphere that depend on the inner product alone (section 3.2).

Such a kernel ``f(<x,z>)`` acts on the spherical harmonics of degree k as multiplication by
``lambda_k = E f(t) P_k(t)`` (Funk and Hecke): P_k is the Gegenbauer polynomial with ``P_k(1) = 1``, and
``t = <x,z>`` for uniform z has a density proportional to ``(1 - t^2)^((d-3)/2)``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy.polynomial.polynomial import polyval

from tightwidth import activations, duals
from tightwidth.activations import Activation
from tightwidth.errors import InputError
from tightwidth.polynomials import check_series, tk_h_series

EPS = float(np.finfo(np.float64).eps)
N_TERMS = 200  # of the power series that are summed exactly; the rest is integrated
N_NODES = (256, 512, 1024, 2048)
PANEL = np.polynomial.legendre.leggauss(32)
SETTLED = 1e-13  # relative change from one number of nodes to the next


@dataclass(frozen=True)
class ZonalKernel:
    """Hold a kernel on the sphere that depends on the inner product alone, ``k(x, z) = f(<x,z>)``.

    Parameters
    ----------
    function
        f on arrays in [-1, 1], in float64; smooth inside.
    series
        The first coefficients of ``f(rho) = sum_n a_n rho^n``, none negative; empty if they are not known, or some are
        negative.  They make small eigenvalues accurate: those of high degree, and in high dimension.
    error
        What f may be off by, beyond rounding.

    Raises
    ------
    InputError
        If the series is none of finite coefficients >= 0.
    """

    function: Callable[[np.ndarray], np.ndarray]
    series: Float[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0))
    error: float = 0.0

    def __post_init__(self) -> None:
        """Check the series."""
        check_series(self.series)


Kernel = str | Activation | ZonalKernel | Callable[[np.ndarray], np.ndarray]


def zonal(kernel: Kernel) -> ZonalKernel:
    """Return tk^h of an activation, a function of the inner product as a kernel, or the kernel itself.

    Raises
    ------
    InputError
        If no activation has that name.
    HypothesisError
        If the activation has no tk^h: sigma jumps, or the second moment of sigma' is infinite.
    """
    if isinstance(kernel, ZonalKernel):
        return kernel
    if isinstance(kernel, str | Activation):
        return _tk_h(activations.get(kernel))
    return ZonalKernel(kernel)


@lru_cache(maxsize=64)
def _tk_h(activation: Activation) -> ZonalKernel:
    dual = duals.dual_prime(activation)
    return ZonalKernel(lambda rho: rho * dual(rho), tk_h_series(activation, N_TERMS), dual.error)


def eigenvalues(kernel: Kernel, d: int, max_degree: int) -> Float[np.ndarray, " n"]:
    """Return ``lambda_k = E k(t) P_k(t)``, the eigenvalues on the sphere in R^d, for k = 0..max_degree.

    Parameters
    ----------
    kernel
        An activation or its name, for its tk^h; a function of the inner product, that takes and returns float64
        arrays; or a `ZonalKernel`.
    d
        Dimension, at least 2.
    max_degree
        At least 0.

    Returns
    -------
    array
        [max_degree + 1], not negative.  What is not larger than its own error estimate is returned as 0; relative
        errors are about 1e-13 with the power series of the kernel at hand, as it is for tk^h.

    Raises
    ------
    InputError
        If d < 2, max_degree < 0, the kernel is not positive semi-definite, or not smooth enough inside (-1, 1).
    HypothesisError
        If the activation has no tk^h.

    Notes
    -----
    ``lambda_k = sum_n a_n E t^n P_k(t)``, where no term is negative; 200 terms of it, and the rest by Gauss quadrature
    in the angle, in which kernels with a square root at +-1 are smooth.

    Examples
    --------
    >>> (4 * eigenvalues("relu", 3, 4)).round(4)
    array([0.25  , 0.3333, 0.1094, 0.    , 0.0091])
    """
    check_sphere(d)
    if max_degree < 0:
        message = f"max_degree={max_degree}: degrees are numbered from 0; give max_degree >= 0"
        raise InputError(message)
    known = zonal(kernel)
    summed = _summed_part(known.series, d, max_degree)
    integrated, error = _integrated_part(known, d, max_degree, N_NODES[0])
    change = np.zeros(0)
    for n_nodes in N_NODES[1:]:
        before = integrated
        integrated, error = _integrated_part(known, d, max_degree, n_nodes)
        change = np.abs(integrated - before) - error - SETTLED * (summed + np.abs(integrated))
        if (change <= 0).all():
            break
    else:
        message = (
            f"the eigenvalue of degree {int(np.argmax(change))} does not settle with {N_NODES[-1]} nodes; the kernel "
            f"must be a smooth function of the inner product inside (-1, 1): give another"
        )
        raise InputError(message)
    values, error = summed + integrated, error + 8 * EPS * summed
    if (values < -error).any():
        k = int(np.argmin(values + error))
        message = (
            f"the kernel has the eigenvalue {values[k]:.3g} at degree {k} in dimension {d}; a norm belongs to a "
            f"positive semi-definite kernel: give another"
        )
        raise InputError(message)
    return np.where(values > error, values, 0)


def check_sphere(d: int) -> None:
    """Raise unless the sphere has a uniform density.

    Raises
    ------
    InputError
        If d < 2.
    """
    if d < 2:
        message = f"d={d}: the sphere in R^1 is two points and has no uniform density; give d >= 2"
        raise InputError(message)


def _summed_part(series: np.ndarray, d: int, max_degree: int) -> np.ndarray:
    """Return ``sum_n a_n E t^n P_k(t)`` over the known terms.

    ``E t^n P_k = n! / ((n - k)!! d (d + 2) ... (d + n + k - 2))`` for n = k, k + 2, ..., and 0 for other n.
    """
    sums = np.zeros(max_degree + 1)
    first = 1.0  # E t^k P_k
    for k in range(max_degree + 1):
        n = np.arange(k, len(series), 2)
        ratios = (n[:-1] + 1) * (n[:-1] + 2) / ((n[:-1] - k + 2.0) * (d + n[:-1] + k))
        moments = first * np.cumprod(np.concatenate([[1.0], ratios]))[: len(n)]
        sums[k] = moments @ series[n]
        first *= (k + 1) / (d + 2 * k)
    return sums


def _integrated_part(kernel: ZonalKernel, d: int, max_degree: int, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``E r(t) P_k(t)`` for what the known terms leave, ``r(t) = f(t) - sum_n a_n t^n``, and its error."""
    t, weights = _nodes(d, max_degree, n_nodes)
    f = np.asarray(kernel.function(np.concatenate([t, -t, [1.0]])), np.float64)
    if f.shape != (2 * n_nodes + 1,) or not np.isfinite(f).all():
        message = "the kernel gives no finite number for each inner product in [-1, 1]; give a function of arrays"
        raise InputError(message)
    here, opposite, at_one = f[:n_nodes], f[n_nodes:-1], f[-1]
    even, odd = kernel.series.copy(), kernel.series.copy()
    even[1::2], odd[::2] = 0, 0
    rest = np.stack([(here + opposite) / 2 - _sum(even, t), (here - opposite) / 2 - _sum(odd, t)])
    noise = np.full(n_nodes, kernel.error + 8 * EPS * abs(at_one))
    if len(kernel.series):
        # no term is negative, so that what is left out is at most its value at 1 times t^N
        left_out = (max(at_one - kernel.series.sum(), 0) + noise) * t ** len(kernel.series)
        rest, noise = np.clip(rest, -left_out, left_out), np.minimum(noise, left_out)
    values, error = np.zeros(max_degree + 1), np.zeros(max_degree + 1)
    below, P = np.zeros(n_nodes), np.ones(n_nodes)
    for k in range(max_degree + 1):
        values[k] = weights @ (rest[k % 2] * P)
        error[k] = weights @ (noise * np.abs(P))
        below, P = P, t if k == 0 else ((2 * k + d - 2) * t * P - k * below) / (k + d - 2)
    return values, error


def _sum(series: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray(polyval(t, series)) if len(series) else np.zeros_like(t)


@lru_cache(maxsize=32)
def _nodes(d: int, max_degree: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return t = sin(u) >= 0 and the weights of a mean over |t|, by Gauss and Legendre on panels in u.

    In high dimension u stops where ``t^k`` times the density is below 1e-30 of what it is at its largest.
    """
    node, weight = PANEL
    panels = n // len(node)
    reach = min(math.pi / 2, (12 + 2 * math.sqrt(max_degree)) / math.sqrt(d))
    u = reach / panels * (np.arange(panels)[:, None] + (1 + node) / 2).reshape(-1)
    weights = np.tile(weight, panels) * np.exp((d - 2) * np.log(np.cos(u)))
    return np.sin(u), weights / weights.sum()
