"""E f(u) f(v) for Gaussian pairs of any two variances, where there is no closed form (section 2.5).

By Mehler's formula it is ``sum_n h_n(r) h_n(t) rho^n``, with ``h_n(r)`` the Hermite coefficients of ``f(r .)``; what
is left out after N terms is at most ``sqrt(tail(r) tail(t)) |rho|^N``.  The coefficients belong to the points, not to
the pairs, so that many pairs are cheap.  Pairs for which the bound does not suffice go to the quadrature.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth.dual_quadrature import Integrand, hermite_expansion, pair_means

PAIRS = 1 << 15  # in one compiled call
STDS = 256  # numbers of distinct deviations are rounded up to multiples of it
TERMS_SMOOTH = (64, 256, 1024)
TERMS_KINKED = 96  # more of them pay little: the coefficients decay like a power
TOLERANCE = 2e-14  # of what is left out, in units of the root of the two second moments


def general_means(
    f: Integrand,
    r: Float[np.ndarray, " k"],
    t: Float[np.ndarray, " k"],
    rho: Float[np.ndarray, " k"],
    sine: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """Return ``E f(u) f(v)`` for pairs of standard deviations r, t and correlation rho.

    Raises
    ------
    HypothesisError
        If a second moment is infinite.

    Notes
    -----
    Costs some hundred operations a pair, and from 10^4 to 10^5 for those few that Mehler's series does not reach:
    under an activation with kinks those of correlation above about 0.8.
    """
    values = np.empty(len(rho))
    stds, which = np.unique(np.concatenate([r, t]), return_inverse=True)
    at_r, at_t = which[: len(r)], which[len(r) :]
    H, moments = _coefficients(f, stds)
    N = H.shape[1]
    tails = np.maximum(moments - np.sum(H * H, axis=1), 4 * np.finfo(np.float64).eps * moments)
    scale = np.sqrt(moments[at_r] * moments[at_t])
    left_out = np.sqrt(tails[at_r] * tails[at_t]) * np.abs(rho) ** N
    series = left_out <= TOLERANCE * scale
    with jax.enable_x64(True):
        for start in range(0, len(rho), PAIRS):
            piece = slice(start, start + PAIRS)
            k = len(rho[piece])
            parts = (np.pad(part[piece], (0, PAIRS - k)) for part in (rho, at_r, at_t))
            values[piece] = np.asarray(_series(_padded(H.T), *parts))[:k]
    rest = ~series
    values[rest], _ = pair_means(f, r[rest], t[rest], rho[rest], sine[rest])
    return values


def _padded(H: np.ndarray) -> np.ndarray:
    """Return the coefficients with columns for more points, so that few shapes compile."""
    return np.pad(H, ((0, 0), (0, -H.shape[1] % STDS)))


@jax.jit
def _series(H: Array, rho: Array, at_u: Array, at_v: Array) -> Array:
    """Return ``sum_n H[n, u] H[n, v] rho^n`` by Horner's scheme."""
    N = H.shape[0]
    return jax.lax.fori_loop(
        0,
        N,
        lambda n, total: total * rho + H[N - 1 - n, at_u] * H[N - 1 - n, at_v],
        jnp.zeros_like(rho),
    )


def _coefficients(f: Integrand, stds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Hermite coefficients [n_stds, N] and second moments of ``f(std .)``; few if all tails are small."""
    first, *more = (TERMS_KINKED,) if f.splits else TERMS_SMOOTH
    H, moments = hermite_expansion(f, stds, first, n_nodes=512)
    for N in more:
        if (moments - np.sum(H * H, axis=1) <= 2 * TOLERANCE * moments).all():
            break
        H, moments = hermite_expansion(f, stds, N, n_nodes=512)
    return H, moments
