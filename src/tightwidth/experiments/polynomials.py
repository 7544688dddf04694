"""Which polynomials SGD learns under relu: even ones, and not the odd ones of degree 3 or more (Theorem 6).

Labels are the signs of a monomial ``p = x_1 x_2 ... x_n`` on points with ``|p(x)| >= margin``, so that ``p/margin`` has
hinge loss 0.  For even n its norm is bounded by the power series of tk^h.  For n = 3 it is not in the kernel space:
``a_3 = 0``.  The sample holds with every point its images under changes of sign of the first three coordinates and of
all.  A function h of the space is linear plus even, so that with labels of degree 3 the mean of ``y h(x)`` over the
images is 0; and the hinge loss, being at least ``1 - y h(x)``, is at least that of h = 0, which is 1.
"""

import itertools
import math
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from tightwidth.experiments.experiment import Experiment, Values, one_by_one
from tightwidth.experiments.learning import DRAWN, N_SAMPLES, RunConfig, run, run_bytes, with_margin
from tightwidth.experiments.samples import sphere_points
from tightwidth.polynomials import Polynomial, norm_bound
from tightwidth.theorems.thm6_polynomials import constant_norm, relu_coefficient

Degree = Literal[0, 2, 3, 4]

N_IMAGES = 16
MARGINS = {0: 1.0, 2: 0.25, 3: 0.12, 4: 0.045}  # of the monomial with that many factors, on the sphere in R^4


class PolynomialConfig(RunConfig):
    """Hold a run on labels of a monomial."""

    n_pairs: int = Field(default=1024, ge=1, description="q, the number of pairs of neurons")
    n_steps: int = Field(default=4096, ge=1, description="T, the number of steps")
    batch_size: int = Field(default=16, ge=1, description="points a step")
    n_features: int = Field(default=4, ge=4, description="d, the dimension of the points")
    degree: Degree = Field(default=2, description="n of x_1 x_2 ... x_n; 0 is the constant 1")


def symmetric_sample(
    degree: int, margin: float, d: int, seed: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Return points with the margin and all their images, and the signs of the monomial there."""
    X = sphere_points(DRAWN * N_SAMPLES, d, seed)
    X = with_margin(np.prod(X[:, :degree], axis=1), X, margin, N_SAMPLES // N_IMAGES)
    signs = np.ones((N_IMAGES, 1, d), np.float32)
    signs[:, 0, :3] = list(itertools.product((1, -1), repeat=3)) * 2
    signs[N_IMAGES // 2 :] *= -1
    images = (signs * X).reshape(-1, d)
    return images, np.sign(np.prod(images[:, :degree], axis=1)).astype(np.float64)


def norm(degree: int, d: int) -> float:
    """Return a bound on the norm of the monomial; for degree 3 what it would be if the kernel had the a_3 of degree 4.

    That is only to size the run: there is no such norm.
    """
    if degree == 0:
        return constant_norm(d)
    if degree == 3:
        return 1 / math.sqrt(math.factorial(3) * relu_coefficient(4))
    return norm_bound(Polynomial.of_exponents([[1] * degree + [0] * (d - degree)], [1.0]), "relu")


def measure(config: PolynomialConfig) -> Values:
    """Return the loss of one run, with the terms of the bound."""
    margin = MARGINS[config.degree]
    X, y = symmetric_sample(config.degree, margin, config.n_features, config.seed)
    return run(X, y, norm(config.degree, config.n_features) / margin, config) | {
        "margin": margin,
        "series_coefficient": relu_coefficient(config.degree),
    }


EXPERIMENT = Experiment(
    "polynomials",
    "even monomials and odd ones, learnt by SGD",
    PolynomialConfig,
    one_by_one(measure),
    run_bytes,
)
