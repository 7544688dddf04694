"""How bounded distributions are: R of m points drawn from the sphere (section A.5).

The uniform distribution on the sphere has R = 1, but m points drawn from it have ``R² = d λ_max(E x xᵀ)`` near
``(1 + sqrt(d/m))²``, the edge of Marchenko and Pastur, which is far from 1 unless m is much larger than d.  At finite m
and d it is some per cent less, by Tracy and Widom's law (docs/derivations/bounded_distributions.md).
"""

import numpy as np
from pydantic import Field

from tightwidth import sphere
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import sphere_points
from tightwidth.theorems.a5_bounded_distributions import random_points_bound, random_points_mean_square

DELTA = 1e-6  # probability that R of a sample exceeds the bound


class BoundedConfig(Config):
    """Hold how many points are drawn from which sphere."""

    n_samples: int = Field(default=1000, ge=2, description="m, the number of points")
    n_features: int = Field(default=100, ge=2, description="d, their dimension")


def measure(config: BoundedConfig) -> Values:
    """Return R² of the sample, the edge of Marchenko and Pastur, the mean at finite size, and the bound of A.5."""
    m, d = config.n_samples, config.n_features
    X = sphere_points(m, d, config.seed).astype(np.float64)
    return {
        "R_squared": float(sphere.R_of_sample(X, seed=config.seed)) ** 2,
        "marchenko_pastur": (1 + (d / m) ** 0.5) ** 2,
        "finite_size": random_points_mean_square(m, d),
        "bound": random_points_bound(m, d, delta=DELTA, uniform=True) ** 2,
    }


def _bytes(config: BoundedConfig) -> float:
    return 3 * 8.0 * config.n_samples * config.n_features + 1e8


EXPERIMENT = Experiment(
    "bounded_distributions",
    "R of points on the sphere, against Marchenko-Pastur",
    BoundedConfig,
    one_by_one(measure),
    _bytes,
)
