"""Slow Gaussian expectations E f(u) g(v) by nested quadrature, in float64; no code of the package is used.

``u = sqrt(a) s`` and ``v = sqrt(b) (rho s + r t)`` with s, t independent and ``r = sqrt(1 - rho^2)``.  Both integrals
run over Gauss-Legendre panels that are cut wherever f or g has a kink or a jump; the outer one also where the inner
one, as a function of s, turns within a distance r.  Hence kinks and |rho| next to 1 cost no digits: against closed
forms and Hermite series the error is some 1e-15 of the value at rho = 1.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import eval_hermitenorm, factorial

import oracles

REACH = 13.0  # the Gaussian beyond contributes nothing, even weighted with exp(2 u) or u^10
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)

Scalar = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Function:
    """Hold a function of an array and the places that cut it into smooth pieces."""

    values: Scalar
    cuts: tuple[float, ...] = ()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.values(x)


def _panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the standard Gaussian on panels with these (sorted) edges in the last axis."""
    low, high = edges[..., :-1, None], edges[..., 1:, None]
    at = (low + high) / 2 + (high - low) / 2 * NODES
    weight = (high - low) / 2 * WEIGHTS * np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)
    return at.reshape(*edges.shape[:-1], -1), weight.reshape(*edges.shape[:-1], -1)


def _edges(cuts: Iterable[float], width: float, reach: float = REACH) -> np.ndarray:
    return np.unique(np.clip([*np.arange(-reach, reach, width), reach, *cuts], -reach, reach))


def _width(*deviations: float) -> float:
    """Return how wide panels may be for ``f(deviation s)``: those of tanh end before its poles do harm."""
    return 1.5 / max(1.0, *deviations)


def mean(f: Scalar, cuts: Iterable[float] = ()) -> float:
    """Return E f(s) for a standard Gaussian s; f is smooth between the cuts."""
    at, weight = _panels(_edges(cuts, 0.25))
    return float(np.sum(weight * f(at)))


def pair(f: Function, g: Function, a: float, b: float, c: float) -> float:
    """Return E f(u) g(v) for centred Gaussians of variances a and b and covariance c."""
    if a == 0 or b == 0:
        return _fixed(f, a) * _fixed(g, b)
    rho = max(-1.0, min(1.0, c / math.sqrt(a * b)))
    return _of_correlation(f, g, math.sqrt(a), math.sqrt(b), rho)


def _fixed(f: Function, variance: float) -> float:
    """Return E f(u), which is f(0) without variance."""
    deviation = math.sqrt(variance)
    return mean(lambda s: f(deviation * s), [cut / deviation for cut in f.cuts] if variance else ())


def _of_correlation(f: Function, g: Function, alpha: float, beta: float, rho: float) -> float:
    f_cuts = [cut / alpha for cut in f.cuts]
    if abs(rho) == 1:
        return mean(lambda s: f(alpha * s) * g(beta * rho * s), f_cuts + [cut / (beta * rho) for cut in g.cuts])
    r = math.sqrt((1 - rho) * (1 + rho))
    turns = [cut / (beta * rho) for cut in g.cuts if abs(cut) < REACH * beta * abs(rho)]
    layers = [turn + k * r / abs(rho) for turn in turns for k in range(-10, 11, 2)]
    width = _width(alpha, beta)
    s, weight = _panels(_edges(f_cuts + layers, width))
    t_cuts = [np.clip((cut / beta - rho * s) / r, -REACH, REACH) for cut in g.cuts]
    edges = _edges((), width)
    t, inner = _panels(np.sort(np.column_stack([np.broadcast_to(edges, (len(s), len(edges))), *t_cuts]), axis=1))
    return float(np.sum(weight * f(alpha * s) * np.sum(inner * g(beta * (rho * s[:, None] + r * t)), axis=1)))


# sigma and sigma' of every activation


@dataclass(frozen=True)
class Family:
    """Hold sigma and its derivative; the derivative is None where sigma jumps."""

    sigma: Function
    sigma_prime: Function | None


def family(
    sigma: Scalar, sigma_prime: Scalar | None, cuts: tuple[float, ...] = (), prime_cuts: tuple[float, ...] | None = None
) -> Family:
    """Return a family whose derivative has the same cuts, unless others are given."""
    prime = sigma_prime and Function(sigma_prime, cuts if prime_cuts is None else prime_cuts)
    return Family(Function(sigma, cuts), prime)


def affine_erf(a: float, b: float, c: float) -> Family:
    """Return ``a erf(b x) + c``."""
    return family(
        lambda x: a * oracles.SIGMA["erf"](b * x, np) + c, lambda x: a * b * oracles.SIGMA_PRIME["erf"](b * x)
    )


def monomial(n: int) -> Family:
    """Return ``x^n``."""
    return family(lambda x: x**n, lambda x: n * x ** max(n - 1, 0))


def rectified_monomial(n: int) -> Family:
    """Return ``x^n`` for positive x and 0 elsewhere."""
    prime = (lambda x: n * np.where(x > 0, x, 0) ** (n - 1) * (x > 0)) if n else None
    return family(lambda x: np.where(x > 0, x, 0) ** n * (x > 0), prime, (0,))


def hermite(n: int) -> Family:
    """Return ``He_n / sqrt(n!)``, whose derivative is ``sqrt(n)`` times the one before."""
    return family(lambda x: normalized_hermite(n, x), lambda x: math.sqrt(n) * normalized_hermite(max(n - 1, 0), x))


def normalized_hermite(n: int, x: np.ndarray) -> np.ndarray:
    """Return ``He_n(x) / sqrt(n!)``."""
    return eval_hermitenorm(n, x) / math.sqrt(factorial(n, exact=True))


def leaky(slope: float) -> Family:
    """Return x for positive x and ``slope x`` elsewhere."""
    return family(lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1.0, slope), (0,))


def bent(x: np.ndarray) -> np.ndarray:
    """Return a line of slopes 0.2, -0.7 and 1.5, bent at -0.4 and 1.1."""
    return np.where(x <= -0.4, 0.2 * x, np.where(x <= 1.1, -0.08 - 0.7 * (x + 0.4), -1.13 + 1.5 * (x - 1.1)))


FAMILIES: dict[str, Family] = {
    **{
        name: family(
            functools.partial(lambda f, x: f(x, np), f), oracles.SIGMA_PRIME[name], oracles.PIECES.get(name, ())
        )
        for name, f in oracles.SIGMA.items()
    },
    "exp": family(np.exp, np.exp),
    "square": monomial(2),
    "step": family(lambda x: np.heaviside(x, 0.0), None, (0,)),
    "sign": family(np.sign, None, (0,)),
    "leaky_relu_0.3": leaky(0.3),
    "affine_erf": affine_erf(1.3, 0.7, -0.2),
    **{f"monomial_{n}": monomial(n) for n in range(6)},
    **{f"rectified_monomial_{n}": rectified_monomial(n) for n in range(6)},
    **{f"hermite_{n}": hermite(n) for n in range(7)},
    "bent": family(
        bent, lambda x: np.where(x <= -0.4, 0.2, np.where(x <= 1.1, -0.7, 1.5)), (-0.4, 1.1)
    ),  # a user's: two kinks and a sloped middle
    "notched": family(
        lambda x: np.tanh(x) + 0.5 * np.abs(x - 0.3),
        lambda x: 1 - np.tanh(x) ** 2 + 0.5 * np.sign(x - 0.3),
        (0.3,),
    ),  # a user's: curved, with a kink
}


@functools.cache
def dual(name: str, rho: float) -> float:
    """Return E sigma(u) sigma(v) for standard Gaussians of correlation rho."""
    sigma = FAMILIES[name].sigma
    return pair(sigma, sigma, 1.0, 1.0, rho)


@functools.cache
def dual_prime(name: str, rho: float) -> float:
    """Return E sigma'(u) sigma'(v) for standard Gaussians of correlation rho."""
    prime = derivative(name)
    return pair(prime, prime, 1.0, 1.0, rho)


def derivative(name: str) -> Function:
    """Return sigma'."""
    prime = FAMILIES[name].sigma_prime
    if prime is None:
        message = f"{name} has no derivative"
        raise ValueError(message)
    return prime


@functools.cache
def dual_of_pair(name: str, a: float, b: float, c: float) -> float:
    """Return E sigma(u) sigma(v) for variances a, b and covariance c."""
    sigma = FAMILIES[name].sigma
    return pair(sigma, sigma, a, b, c)


@functools.cache
def dual_prime_of_pair(name: str, a: float, b: float, c: float) -> float:
    """Return E sigma'(u) sigma'(v) for variances a, b and covariance c."""
    prime = derivative(name)
    return pair(prime, prime, a, b, c)


def hermite_coefficients(f: Function, n_terms: int) -> np.ndarray:
    """Return E f(s) He_n(s) / sqrt(n!) for n < n_terms: their squares are the power series of the dual of f."""
    # He_n is large up to 2 sqrt(n)
    s, weight = _panels(_edges(f.cuts, 1.0, REACH + math.ceil(2 * math.sqrt(n_terms))))
    below, here = np.zeros_like(s), np.ones_like(s)
    coefficients = []
    for n in range(n_terms):
        coefficients.append(np.sum(weight * f(s) * here))
        below, here = here, (s * here - math.sqrt(n) * below) / math.sqrt(n + 1)
    return np.array(coefficients)


def tangent_pair(name: str, x: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Return tk^h and ``E sigma(u) sigma(v)`` of two points of any norm."""
    a, b, c = (float(np.dot(left, right)) for left, right in ((x, x), (z, z), (x, z)))
    hidden = c * dual_prime_of_pair(name, a, b, c) if a and b else 0.0
    return hidden, dual_of_pair(name, a, b, c)


def moments_of_norm(name: str, norm: float) -> tuple[float, float]:
    """Return E sigma(u)^2 and E sigma'(u)^2 for u of this standard deviation, however large or small."""
    steep = [k / norm for k in range(-40, 41)]  # next to 0 the functions vary by 1 in u, whatever the deviation
    found = []
    for f in (FAMILIES[name].sigma, derivative(name)):
        found.append(mean(lambda s, f=f: f(norm * s) ** 2, steep + [cut / norm for cut in f.cuts]))
    return found[0], found[1]


def output_of_pair(name: str, x: np.ndarray, z: np.ndarray) -> float:
    """Return ``E sigma(u) sigma(v)`` of two points of any norm; sigma may jump."""
    return dual_of_pair(name, float(np.dot(x, x)), float(np.dot(z, z)), float(np.dot(x, z)))


def deep_pair(
    name: str, depth: int, x: np.ndarray, z: np.ndarray, weight_variance: float, bias_variance: float
) -> tuple[float, float]:
    """Return T^L - K^L and K^L, from ``T^1 = K^1 = <x, z>`` on."""
    a, b, c = (float(np.dot(left, right)) for left, right in ((x, x), (z, z), (x, z)))
    T, hidden = c, 0.0
    for _ in range(depth - 1):
        hidden = weight_variance * T * dual_prime_of_pair(name, a, b, c)
        a, b, c = (
            weight_variance * dual_of_pair(name, *covariance) + bias_variance
            for covariance in ((a, a, a), (b, b, b), (a, b, c))
        )
        T = hidden + c
    return hidden, c
