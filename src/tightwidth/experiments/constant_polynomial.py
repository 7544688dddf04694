"""What the constant polynomial costs in the kernel space of relu (section 3.2, erratum 2).

On the sphere a constant is an eigenfunction of every kernel of <x, z>, so ``||1||^2`` is 1 over the mean of the kernel
over pairs of points.  The mean is taken over sampled points; antipodal pairs cancel the odd part, which has mean 0.
"""

import numpy as np
from pydantic import Field

from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import sphere_points
from tightwidth.polynomials import Polynomial
from tightwidth.spherical_harmonics import kernel_norm
from tightwidth.tangent_kernel import ntk
from tightwidth.theorems.thm6_polynomials import constant_norm

N_POINTS = 512


class ConstantConfig(Config):
    """Hold the dimension of the sphere."""

    n_features: int = Field(default=16, ge=2, description="d, the dimension of the points")


def measure(config: ConstantConfig) -> Values:
    """Return the mean of the kernel over pairs of points, the exact norm of 1, and that of ``x_1 x_2``.

    References
    ----------
    Daniely (2020), Erratum 2.
    """
    d = config.n_features
    points = sphere_points(2 * N_POINTS, d, config.seed).astype(np.float64)
    X, Z = points[:N_POINTS], points[N_POINTS:]
    product = Polynomial.of_exponents([[1, 1] + [0] * (d - 2)], [1.0])
    mean_kernel = float(np.mean(ntk(X, Z) + ntk(X, -Z)) / 2)
    return {
        "mean_kernel": mean_kernel,
        "sampled_norm": mean_kernel**-0.5,
        "exact_norm": constant_norm(d),
        "product_norm": kernel_norm(product, "relu"),
    }


def _bytes(config: ConstantConfig) -> float:
    return 8.0 * N_POINTS * (8 * N_POINTS + 4 * config.n_features) + 1e8


EXPERIMENT = Experiment(
    "constant_polynomial",
    "the norm of the constant polynomial, from the mean of the kernel",
    ConstantConfig,
    one_by_one(measure),
    _bytes,
)
