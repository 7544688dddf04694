"""How large the interpolant of random labels is (section 3.3, erratum 3).

The function of least norm with ``h(x_i) = y_i`` has ``||h||^2 = y^T K^{-1} y``.  For random labels its mean over m is
``tr K^{-1} / m``, which is at most ``1/lambda_min(K)``.
"""

import math

import numpy as np
from pydantic import Field

from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import sphere_points
from tightwidth.interpolation import label_norm_squared
from tightwidth.sampling import fair_labels
from tightwidth.tangent_kernel import expected_kernel


class LabelsConfig(Config):
    """Hold how many points with fair labels are drawn from which sphere."""

    n_samples: int = Field(default=512, ge=1, description="m, the number of points")
    n_features: int = Field(default=32, ge=2, description="d, their dimension")


def measure(config: LabelsConfig) -> Values:
    """Return the norm of the interpolant under relu, and its square over m.

    References
    ----------
    Daniely (2020), Erratum 3.
    """
    m = config.n_samples
    X = sphere_points(m, config.n_features, config.seed).astype(np.float64)
    squared = label_norm_squared(expected_kernel("relu"), X, fair_labels(m, config.seed))
    return {"norm": math.sqrt(squared), "norm_squared_per_point": float(squared) / m}


def _bytes(config: LabelsConfig) -> float:
    return 3 * 8.0 * config.n_samples**2 + 1e8


EXPERIMENT = Experiment(
    "label_norms",
    "the norm of the interpolant of random labels",
    LabelsConfig,
    one_by_one(measure),
    _bytes,
)
