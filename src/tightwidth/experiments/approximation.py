"""How well q random features stand for a function of the kernel space (Corollary 3, Theorem 4).

``f = sum_j alpha_j tk^h(x_j, .)`` of norm 1, with centres drawn from the distribution of the points, is approximated by
the mean over q rows of W' of ``<f_check(w), psi(w, x)>``.  Two distributions, whose R is known: uniform points on the
sphere, R = 1; and points at a fixed small angle to a line, in all directions around it, R near ``sqrt(d)``.
"""

import math
from typing import Literal

import jax
import numpy as np
from jaxtyping import Float
from pydantic import Field

from tightwidth import random_features
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import sphere_points
from tightwidth.kernel_spaces import KernelFunction
from tightwidth.theorems import cor3_random_features as cor3
from tightwidth.theorems import thm4_vector_features as thm4

Distribution = Literal["sphere", "line"]

N_POINTS, N_ROWS = 256, 2048  # rows of W' in a cell, cut into as many draws of q as they give
ALONG_THE_LINE = 0.9  # mean square of <x, e>, for points near the line through e


class ApproximationConfig(Config):
    """Hold a width, a distribution of points, and how many centres the function has."""

    n_pairs: int = Field(default=32, ge=1, le=N_ROWS, description="q, the number of features")
    n_features: int = Field(default=32, ge=2, description="d, the dimension of the points")
    distribution: Distribution = Field(default="sphere", description="uniform, or near a line")
    n_centres: int = Field(default=6, ge=1, le=N_POINTS, description="centres of the function")


def points(distribution: Distribution, m: int, d: int, seed: int) -> Float[np.ndarray, "m d"]:
    """Return points of a distribution, in float64."""
    if distribution == "sphere":
        return sphere_points(m, d, seed).astype(np.float64)
    around = sphere_points(m, d - 1, seed).astype(np.float64)
    signs = np.where(np.random.default_rng([seed, d]).random((m, 1)) < 0.5, -1, 1)
    return signs * np.hstack([np.full((m, 1), ALONG_THE_LINE**0.5), (1 - ALONG_THE_LINE) ** 0.5 * around])


def R_of(distribution: Distribution, d: int) -> float:
    """Return R of a distribution: the largest second moment is 1/d on the sphere, and that along the line near it."""
    return 1.0 if distribution == "sphere" else math.sqrt(max(ALONG_THE_LINE, (1 - ALONG_THE_LINE) / (d - 1)) * d)


def measure(config: ApproximationConfig) -> Values:
    """Return the squared errors, in the mean and at the centre with the largest coefficient, and both bounds."""
    q, d = config.n_pairs, config.n_features
    X = points(config.distribution, config.n_centres + N_POINTS, d, config.seed)
    scheme = random_features.ntk("relu")
    alpha = np.random.default_rng([config.seed, q, d]).standard_normal(config.n_centres)
    alpha = alpha[np.argsort(-np.abs(alpha))]
    f = KernelFunction(scheme.kernel, X[: config.n_centres], alpha)
    f = (1 / f.norm()) * f
    key = jax.random.fold_in(jax.random.key(config.seed), q)  # so that cells of one seed are independent
    W = scheme.draw(key, N_ROWS, d)
    n_draws = N_ROWS // q
    at = np.concatenate([X[:1], X[config.n_centres :]])  # that centre, and fresh points
    terms = random_features.f_check(scheme, f).integrand(W, at)[:, : n_draws * q]
    squared = ((terms.reshape(len(at), n_draws, q).mean(axis=2) - f(at)[:, None]) ** 2).mean(axis=1)
    R = R_of(config.distribution, d)
    return {
        "squared_error": float(squared[1:].mean()),
        "squared_error_at_centre": float(squared[0]),
        "R_squared": R**2,
        "theorem_4": thm4.squared_error(thm4.Hypotheses(norm=1.0, R=R, C=scheme.C, d=d), q=q),
        "corollary_3": cor3.squared_error(cor3.Hypotheses(norm=1.0, C=scheme.C), q=q),
        "n_draws": n_draws,
    }


def _bytes(config: ApproximationConfig) -> float:
    return 4 * 8.0 * N_ROWS * (N_POINTS + config.n_centres + config.n_features) + 1e8


EXPERIMENT = Experiment(
    "approximation",
    "the error of q random features, against Corollary 3 and Theorem 4",
    ApproximationConfig,
    one_by_one(measure),
    _bytes,
)
