"""The excess loss of SGD over the best function of norm M, against width, steps and batch size (Theorem 5).

D is the uniform distribution on a sample whose labels are the signs of ``<x, e>``, with ``|<x, e>| >= margin``.  The
function ``<x, e>/margin`` has norm ``M = 2/margin`` under relu and hinge loss 0, the least there is: so the excess loss
is the loss itself, and that of h = 0 is 1.  B is infinite, which is the limit of what the theorem asks for.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from pydantic import Field

from tightwidth import activations, algorithm1, losses, network, sampling, sphere
from tightwidth.errors import InputError
from tightwidth.experiments.experiment import Config, Experiment, Values, one_by_one
from tightwidth.experiments.samples import sphere_points
from tightwidth.theorems import thm5_networks as thm5
from tightwidth.theorems.thm10_embedding import best_rate, critical_batch_size, gradient_bound

N_SAMPLES = 1024
DRAWN = 40  # points drawn for one that has the margin, at least


class RunConfig(Config):
    """Hold what a run of algorithm 1 takes."""

    n_pairs: int = Field(default=128, ge=1, description="q, the number of pairs of neurons")
    n_steps: int = Field(default=1024, ge=1, description="T, the number of steps")
    batch_size: int = Field(default=8, ge=1, description="points a step")


class LearningConfig(RunConfig):
    """Hold a run on labels of a linear function."""

    n_features: int = Field(default=16, ge=2, description="d, the dimension of the points")
    margin: float = Field(default=0.2, gt=0, lt=1, description="least |<x, e>| of the sample")


def with_margin(
    values: Float[np.ndarray, " n"], X: Float[np.ndarray, "n d"], margin: float, m: int
) -> Float[np.ndarray, "m d"]:
    """Return the first m points at which the values are at least the margin.

    Raises
    ------
    InputError
        If there are not so many.
    """
    kept = X[np.abs(values) >= margin][:m]
    if len(kept) < m:
        message = f"{len(kept)} of {len(X)} points have the margin {margin:g}, {m} are needed; lower the margin"
        raise InputError(message)
    return kept


def run(X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], norm: float, config: RunConfig) -> Values:
    """Run algorithm 1 at the theorem's own rate; return the loss of its iterates and the terms of the bound.

    ``excess`` is the mean over the steps of the loss of fresh minibatches, unbiased for the expected loss of the random
    iterate; ``last_loss`` is that of the last one on the whole sample.
    """
    d = X.shape[1]
    R = float(sphere.R_of_sample(X))
    given = thm5.Hypotheses(norm, d, R, 1.0, best_loss=0.0)
    size = {"n_steps": config.n_steps, "batch_size": config.batch_size}
    bound = thm5.bound(given, q=config.n_pairs, **size)
    eta = best_rate(given, **size)
    weights, steps = jax.random.split(jax.random.key(config.seed))
    relu, hinge = activations.get("relu"), losses.get("hinge")
    net = network.init(weights, d=d, q=config.n_pairs, B=math.inf, activation=relu)
    points = jnp.asarray(X, jnp.float32)
    sample = sampling.FiniteSample(points, jnp.asarray(y, jnp.float32), net.cache(points))
    settings = algorithm1.Algorithm1(hinge, config.batch_size, jnp.float32(eta), steps)
    state = settings.advance(settings.init(net), sample, config.n_steps)
    h = network.predict(state.network, points, sample.cached).astype(np.float64)
    return {
        "excess": float(state.online_loss.total) / config.n_steps,
        "last_loss": float(np.mean(np.maximum(0, 1 - y * h))),
        "memorized": float(np.mean(y * h > 0)),
        "bound": bound.total,
        "approximation": bound.approximation,
        "distance": bound.distance,
        "noise": bound.noise,
        "norm": norm,
        "R_squared": R**2,
        "gradient_bound": math.sqrt(gradient_bound(given, batch_size=config.batch_size)),
        "critical_batch_size": critical_batch_size(given),
        "learning_rate": eta,
    }


def measure(config: LearningConfig) -> Values:
    """Return the excess loss of one run, with the terms of its bound."""
    X = sphere_points(DRAWN * N_SAMPLES, config.n_features, config.seed)
    X = with_margin(X[:, 0], X, config.margin, N_SAMPLES)
    return run(X, np.sign(X[:, 0]).astype(np.float64), 2 / config.margin, config)


def run_bytes(config: RunConfig) -> float:
    """Estimate the memory of one run: the gates of the sample, and what drawing it takes."""
    return 12.0 * N_SAMPLES * config.n_pairs + 5e8


EXPERIMENT = Experiment(
    "learning",
    "excess loss of SGD over the best function of bounded norm",
    LearningConfig,
    one_by_one(measure),
    run_bytes,
)
