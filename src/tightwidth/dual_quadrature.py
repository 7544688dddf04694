"""Expectations of a Gaussian pair by quadrature that splits at the kinks (section 2.5).

With ``u = r (C p - S w)`` and ``v = t (C p + S w)``, ``C = cos theta/2``, ``S = sin theta/2`` and p, w independent
standard Gaussians, the kinks of ``f(u) f(v)`` are lines in the (p, w) plane.  For each w the integral over p is cut
where it meets them, and the integral over w is cut where two of them cross: what is left is smooth on every piece, at
every angle.  Without kinks the trapezoidal rule converges faster than any power.  An obtuse angle becomes an acute
one by ``v -> -v``.  Nodes are doubled until two results agree; their difference is the error estimate.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from tightwidth.elementwise import Elementwise
from tightwidth.errors import HypothesisError, InputError

Function = Callable[[np.ndarray], np.ndarray]
REACHES = (9.5, 13.0, 18.0, 26.0, 37.0)  # in standard deviations; at 38 the Gaussian density underflows
NEGLIGIBLE = 1e-20  # share of the largest value of an integrand that may be cut off
CHUNK = 1 << 16  # evaluations in one compiled call
PAIR_NODES = 1 << 18  # evaluations held at once: what a cache holds
AGREES = 3e-15  # difference of two rules, in units of the second moment, at which doubling ends
MOST_EVALUATIONS = 1 << 23  # of one pair
MOST_NODES = 1 << 14  # of an integral over one Gaussian
RESOLVED = 1e-12  # difference of two rules, relative, from which on an integral is not given out
PROBES = 13  # pairs that decide how many nodes all of a call get
PANEL = np.polynomial.legendre.leggauss(16)


@functools.lru_cache(maxsize=256)
def _compiled(function: Elementwise) -> Callable[[np.ndarray], jax.Array]:
    return jax.jit(function)


def evaluator(function: Elementwise) -> Function:
    """Return a NumPy function, float64 in and out, that runs a JAX function in pieces of one compiled shape."""
    compiled = _compiled(function)

    def evaluate(x: np.ndarray) -> np.ndarray:
        flat = np.ascontiguousarray(x, np.float64).reshape(-1)
        out = np.empty_like(flat)
        with jax.enable_x64(True):
            for start in range(0, len(flat), CHUNK):
                piece = flat[start : start + CHUNK]
                padded = piece if len(piece) == CHUNK else np.pad(piece, (0, CHUNK - len(piece)))
                out[start : start + CHUNK] = np.asarray(compiled(padded))[: len(piece)]
        return out.reshape(np.shape(x))

    return evaluate


STEEP = 4.0  # deviation from which on a smooth function is cut at 0, where it changes fastest, and panels are graded
GRADING = 4  # power with which panels shrink towards the cuts


@dataclass(frozen=True)
class Integrand:
    """Hold an elementwise function, the places where it or its derivative jumps, and its name in messages."""

    name: str
    function: Function
    splits: tuple[float, ...]

    def at_scale(self, std: float) -> "Integrand":
        """Return the function as it is integrated up to this deviation: cut at 0 too, if it is smooth but steep."""
        return Integrand(self.name, self.function, self.splits or ((0.0,) if std > STEEP else ()))

    def reach(self, std: float) -> float:
        """Return how many standard deviations of ``f(std g)^2`` have to be integrated over.

        Raises
        ------
        HypothesisError
            If the second moment ``E f(std g)^2`` is infinite, or too large to be integrated in float64.
        """
        x = np.linspace(-1.0, 1.0, 4001)
        with np.errstate(over="ignore", invalid="ignore"):
            for reach in REACHES:
                root = self.function(std * reach * x) * np.exp(-((reach * x) ** 2) / 4)
                inside = np.abs(root[1:-1]).max()
                ends = max(abs(root[0]), abs(root[-1]))
                if np.isfinite(inside) and ends * ends <= NEGLIGIBLE * inside * inside:
                    return reach
        message = (
            f"{self.name} has an infinite second moment under Gaussians of standard deviation {std:g} (or none that "
            f"float64 can hold), so its dual does not exist; give an activation that grows more slowly than "
            f"exp(x^2/{4 * std * std:g}), or points of smaller norm"
        )
        raise HypothesisError(message)


def _trapezoid(reach: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(-reach, reach, n + 1)
    return x, np.full(n + 1, 2 * reach / n)


def _on_pieces(
    edges: Float[np.ndarray, "*s k"], n: int, std: float
) -> tuple[Float[np.ndarray, "*s nodes"], Float[np.ndarray, "*s nodes"]]:
    """Return nodes and weights of Gauss and Legendre, n on each of the pieces between sorted edges.

    Sixteen on each of n/16 panels: a rule of many nodes is itself computed to fewer digits.  The panels are equal, or
    shrink towards both ends if the deviation is large.
    """
    node, weight = PANEL
    even = np.linspace(0, 1, n // len(node) + 1)
    power = GRADING if std > STEEP else 1
    ends = np.where(even <= 0.5, (2 * even) ** power, 2 - (2 * (1 - even)) ** power) / 2
    widths = np.diff(ends)
    share = (ends[:-1, None] + widths[:, None] * (1 + node) / 2).reshape(-1)
    length = np.diff(edges, axis=-1)[..., None]
    x, w = edges[..., :-1, None] + length * share, length * (widths[:, None] * weight / 2).reshape(-1)
    return x.reshape(*x.shape[:-2], -1), w.reshape(*w.shape[:-2], -1)


def hermite_expansion(
    f: Integrand, stds: Float[np.ndarray, " s"], n_terms: int, *, n_nodes: int = 1024
) -> tuple[Float[np.ndarray, "s n"], Float[np.ndarray, " s"]]:
    """Return ``E f(std g) h_k(g)`` for k < n_terms, h_k the normalized Hermite polynomials, and ``E f(std g)^2``.

    By the recurrence of the Hermite functions ``h_k sqrt(phi)``, which stay bounded.

    Raises
    ------
    HypothesisError
        If a second moment is infinite.
    """
    largest = float(stds.max())
    f = f.at_scale(largest)
    reach = f.reach(largest)
    steepest = np.array([largest])
    moment, error = _expansion(f, steepest, 1, reach, n_nodes)[1][0], math.inf
    while True:  # enough nodes for the largest deviation, on whose scale f changes fastest
        finer = _expansion(f, steepest, 1, reach, 2 * n_nodes)[1][0]
        error = float(abs(finer - moment))
        if error <= AGREES * finer or 4 * n_nodes > MOST_NODES:
            break
        moment, n_nodes = finer, 2 * n_nodes
    check_resolved(f, largest, error, float(finer), RESOLVED)
    rows = max(1, PAIR_NODES // (8 * n_nodes))
    parts = [_expansion(f, stds[s : s + rows], n_terms, reach, n_nodes) for s in range(0, len(stds), rows)]
    return np.concatenate([H for H, _ in parts]), np.concatenate([moments for _, moments in parts])


def _expansion(
    f: Integrand, stds: np.ndarray, n_terms: int, reach: float, n_nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    if f.splits:
        edges = np.array(f.splits) / np.maximum(stds, np.finfo(np.float64).tiny)[:, None]
        ends = np.broadcast_to([-reach, reach], (len(stds), 2))
        edges = np.sort(np.hstack([np.clip(edges, -reach, reach), ends]), axis=1)
        x, weight = _on_pieces(edges, n_nodes, float(stds.max()))
    else:
        x, weight = (part[None, :] for part in _trapezoid(reach, 2 * n_nodes))
    root = np.exp(-x * x / 4) / (2 * math.pi) ** 0.25
    values = f.function(stds[:, None] * x) * root
    moments = np.sum(weight * values * values, axis=1)
    values = values * weight
    before, here = np.zeros_like(x), root
    H = np.empty((len(stds), n_terms))
    for k in range(n_terms):
        H[:, k] = np.einsum("sk,sk->s", values, np.broadcast_to(here, values.shape))
        before, here = here, (x * here - math.sqrt(k) * before) / math.sqrt(k + 1)
    return H, moments


def check_resolved(f: Integrand, std: float, error: float, scale: float, most: float) -> None:
    """Raise if an integral has not settled.

    Raises
    ------
    InputError
        If its error is more than ``most`` times the scale.
    """
    if not error <= most * abs(scale):
        message = (
            f"{f.name} changes too fast, or has too many kinks, to be integrated at points of norm {std:g} (relative "
            f"error {error / max(abs(scale), 1e-300):.1e}, needed {most:g}); name all its kinks as (place, "
            f"jump), scale the points down, for example to the unit sphere, or take an activation with a closed form"
        )
        raise InputError(message)


def second_moment(f: Integrand, std: float) -> float:
    """Return ``E f(std g)^2``.

    Raises
    ------
    HypothesisError
        If it is infinite.
    """
    return float(hermite_expansion(f, np.array([std]), 1)[1][0])


def _pair_means_with(
    f: Integrand, r: np.ndarray, t: np.ndarray, rho: np.ndarray, sine: np.ndarray, reach: float, n: int
) -> np.ndarray:
    """Return ``E f(u) f(v)`` for a chunk of pairs [k, 1, 1], with n nodes on each piece."""
    largest = float(max(r.max(), t.max()))
    turn = np.where(rho < 0, -1.0, 1.0)  # v -> -v makes the angle acute
    cosine = np.sqrt((1 + np.abs(rho)) / 2)
    sine = sine / (2 * cosine)
    places = np.array(f.splits)
    tiny = np.finfo(np.float64).tiny
    if len(places) == 0:
        w, outer = (part[None, :, None] for part in _trapezoid(reach, 2 * n))
        p, inner = (part[None, None, :] for part in _trapezoid(reach, 2 * n))
    else:
        at_u, at_v = places / np.maximum(r, tiny), turn * places / np.maximum(t, tiny)
        with np.errstate(over="ignore"):
            crossings = (at_v[..., :, None] - at_u[..., None, :]) / np.maximum(2 * sine, tiny)[..., None]
        crossings = np.clip(crossings.reshape(len(r), -1), -reach, reach)
        ends = np.broadcast_to([-reach, reach], (len(r), 2))
        w, outer = _on_pieces(np.sort(np.hstack([crossings, ends]), axis=1), n, largest)
        w, outer = w[:, :, None], outer[:, :, None]
        cuts = np.concatenate([(at_u + sine * w) / cosine, (at_v - sine * w) / cosine], axis=-1)
        ends = np.broadcast_to([-reach, reach], (*cuts.shape[:-1], 2))
        cuts = np.sort(np.concatenate([np.clip(cuts, -reach, reach), ends], axis=-1), axis=-1)
        p, inner = _on_pieces(cuts, n, largest)
    weights = outer * inner * np.exp(-(p * p + w * w) / 2)
    u, v = r * (cosine * p - sine * w), turn * t * (cosine * p + sine * w)
    # a factor of the density goes with each value, so that large values cannot overflow where the density is small
    with np.errstate(over="ignore", invalid="ignore"):
        product = np.where(weights > 0, f.function(u) * f.function(v) * weights, 0)
    return product.sum(axis=(1, 2)) / (2 * math.pi)


def pair_means(
    f: Integrand,
    r: Float[np.ndarray, " k"],
    t: Float[np.ndarray, " k"],
    rho: Float[np.ndarray, " k"],
    sine: Float[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, " k"], float]:
    """Return ``E f(u) f(v)`` for pairs of standard deviations r, t and correlation rho, and an error estimate.

    Raises
    ------
    HypothesisError
        If a second moment is infinite.

    Notes
    -----
    A pair costs from 10^4 evaluations (no kink) to some 10^5 (several); they run in chunks of bounded memory.
    """
    if len(r) == 0:
        return np.zeros(0), 0.0
    largest = float(max(r.max(), t.max()))
    f = f.at_scale(largest)
    reach = f.reach(largest) if largest > 0 else REACHES[0]
    scale = max(second_moment(f, largest), 1e-300) if largest > 0 else 1.0
    # the hardest pairs, of the largest deviations and correlations, and some of all
    hardest = np.argsort((r + t) * (1 + np.abs(rho)))[-PROBES // 2 :]
    probes = np.unique([*hardest, *np.linspace(0, len(r) - 1, min(len(r), PROBES)).astype(int)])
    n = 32
    here = _in_chunks(f, r[probes], t[probes], rho[probes], sine[probes], reach, n)
    while True:
        finer = _in_chunks(f, r[probes], t[probes], rho[probes], sine[probes], reach, 2 * n)
        error = float(np.abs(finer - here).max())
        if error <= AGREES * scale or _evaluations(f, 4 * n) > MOST_EVALUATIONS:
            break
        here, n = finer, 2 * n
    check_resolved(f, largest, error, scale, RESOLVED)
    values = finer if len(probes) == len(r) else _in_chunks(f, r, t, rho, sine, reach, n)
    return values, max(8 * error, 4 * float(np.finfo(np.float64).eps) * scale)


def _evaluations(f: Integrand, n: int) -> int:
    k = len(f.splits)
    return (k * k + 1) * n * (2 * k + 1) * n if k else (2 * n + 1) ** 2


def _in_chunks(
    f: Integrand, r: np.ndarray, t: np.ndarray, rho: np.ndarray, sine: np.ndarray, reach: float, n: int
) -> np.ndarray:
    rows = max(1, PAIR_NODES // _evaluations(f, n))
    parts = []
    for start in range(0, len(r), rows):
        chunk = [a[start : start + rows, None, None] for a in (r, t, rho, sine)]
        parts.append(_pair_means_with(f, chunk[0], chunk[1], chunk[2], chunk[3], reach, n))
    return np.concatenate(parts)
