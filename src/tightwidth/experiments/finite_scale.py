"""Finite B: what is memorized and how lazy the run is, and what becomes of the plain form in float32."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from tightwidth import activations, laziness, losses, network
from tightwidth.algorithm1 import Algorithm1
from tightwidth.experiments.experiment import Config, Experiment, OutputScale, Values, one_by_one
from tightwidth.experiments.samples import SPHERE, random_labels_on
from tightwidth.losses import fraction_memorized
from tightwidth.run_settings import STEPS, bytes_needed, weights_key
from tightwidth.sampling import FiniteSample

PROBES = 8


class ScaleConfig(Config):
    """Hold the sample, the network in one of its forms, and Algorithm 1's numbers."""

    n_samples: int = Field(default=512, ge=2, le=2**20, description="m, the number of points")
    n_features: int = Field(default=32, ge=1, le=2**16, description="d, their dimension")
    n_pairs: int = Field(default=16, ge=1, le=2**20, description="q, half the hidden neurons")
    output_scale: OutputScale = Field(default=math.inf, description="B; inf is the linear limit")
    form: Literal["displacement", "plain"] = Field(
        default="displacement", description="what is stored; plain: W and u themselves"
    )
    activation: str = Field(default="relu", description="such as relu, tanh, gelu")
    loss: str = Field(default="hinge", description="perceptron, hinge, logistic, ...")
    batch_size: int = Field(default=64, ge=1, description="b, points a step")
    n_epochs: int = Field(default=400, ge=1, description="T b/m")
    learning_rate: float = Field(default=4.0, gt=0, description="eta, the embedding's")


def measure(config: ScaleConfig) -> Values:
    """Return the share memorized by the last iterate, and how far it left its linear limit."""
    X, y = random_labels_on(SPHERE, config.n_samples, config.n_features, config.seed)
    B, sigma, loss = config.output_scale, activations.get(config.activation), losses.get(config.loss)
    form = network.init if config.form == "displacement" else network.init_plain
    start = form(weights_key(config.seed), d=config.n_features, q=config.n_pairs, B=B, activation=sigma)
    points = jnp.asarray(X)
    sample = FiniteSample(points, jnp.asarray(y), start.cache(points))
    sgd = Algorithm1(
        loss,
        config.batch_size,
        jnp.asarray(config.learning_rate, jnp.float32),
        jax.random.fold_in(jax.random.key(config.seed), STEPS),
    )
    n_steps = math.ceil(config.n_epochs * config.n_samples / config.batch_size)
    last = sgd.advance(sgd.init(start), sample, n_steps).network
    h = network.predict(last, points, sample.cached)
    values: Values = {
        "fraction": fraction_memorized(h, y),
        "is_finite": bool(np.isfinite(h).all()),
        "n_steps": n_steps,
        "share_flipped": None,
        "mean_displacement": None,
        "kernel_drift": None,
    }
    if isinstance(last, network.Displacement) and values["is_finite"]:
        seen = laziness.measure(last, X, n_steps=n_steps, learning_rate=config.learning_rate, L=loss.L, n_probes=PROBES)
        values |= {
            "share_flipped": seen.share_flipped,
            "mean_displacement": seen.mean_displacement,
            "kernel_drift": seen.kernel_drift,
        }
    return values


def _bytes(config: ScaleConfig) -> float:
    m, q = config.n_samples, config.n_pairs
    return bytes_needed(m, config.n_features, q, 4) + 24.0 * m * q


EXPERIMENT = Experiment(
    "finite_scale",
    "finite B: memorized share, laziness, and the plain form in float32",
    ScaleConfig,
    one_by_one(measure),
    _bytes,
)
