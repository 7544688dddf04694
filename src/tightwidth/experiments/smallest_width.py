"""The smallest width at which the linear limit memorizes all points, as a function of m and d (Theorem 7)."""

import math

from pydantic import Field

from tightwidth import activations, capacity
from tightwidth.capacity_request import Budget
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import SPHERE, random_labels_on
from tightwidth.long_jobs import finished
from tightwidth.network import n_parameters
from tightwidth.run_settings import bytes_needed


class WidthConfig(Config):
    """Hold the sample and how long a width is tried."""

    n_samples: int = Field(default=1024, ge=2, le=2**20, description="m, the number of points")
    n_features: int = Field(default=32, ge=1, le=2**16, description="d, their dimension")
    activation: str = Field(default="relu", description="such as relu, tanh, gelu")
    n_epochs: int = Field(
        default=1000, ge=1, description="a width is enough if it memorizes everything in so many epochs"
    )
    batch_size: int = Field(default=64, ge=1, description="b, points a step")
    tolerance: float = Field(default=0.03, ge=0, lt=1, description="share of the width at which the bisection ends")


def measure(config: WidthConfig) -> Values:
    """Return the smallest width found for the seed's sample, and the narrower ones that failed."""
    X, y = random_labels_on(SPHERE, config.n_samples, config.n_features, config.seed)
    search = capacity.tangent_width(
        X,
        y,
        activation=activations.get(config.activation),
        seeds=(config.seed,),
        budget=Budget(tangent=config.n_epochs, batch_size=config.batch_size),
        tolerance=config.tolerance,
    )
    found = finished(search)
    q = found.widths[0]
    return {
        "n_pairs": q,
        "n_parameters": None if q is None else n_parameters(q, config.n_features),
        "density": None if q is None else q * config.n_features / config.n_samples,
        "tried": [attempt.n_pairs for attempt in found.attempts],
        "fractions": [attempt.fraction for attempt in found.attempts],
    }


def _bytes(config: WidthConfig) -> float:
    m, d = config.n_samples, config.n_features
    q = max(16, 2 * math.ceil(m / d))
    return bytes_needed(m, d, q, 4) + 8.0 * m * q


EXPERIMENT = Experiment(
    "smallest_width", "the smallest width that memorizes, over m and d", WidthConfig, one_by_one(measure), _bytes
)
