"""Other ways to memorize, at the same size: those that the paper discusses, and standard Xavier initialization.

Every method has a sample of m points, 2q hidden neurons, the hinge loss, and plain SGD; the learning rate is part of
the cell, so that each method can be shown at its best.  Gradients are JAX's own, of the functions as they are written.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from pydantic import Field

from tightwidth.experiments.experiment import Config, Experiment, Values
from tightwidth.experiments.linear_optimisation import separated_share
from tightwidth.experiments.samples import SPHERE, random_labels_on
from tightwidth.network import draw_W_half
from tightwidth.run_settings import STEPS, weights_key

Method = Literal[
    "zero_outputs", "xavier", "linear_optimisation", "decoupled_gating", "quadratic", "frozen_features", "linear"
]
METHODS: tuple[Method, ...] = get_args(Method)
OUTPUTS, LINEAR = 1, 2  # of a key: what output weights and the weights behind gates draw from
LANES = 8  # cells side by side

Weights = Any  # of a method: a tree of arrays
Predictor = Callable[[Weights, Weights, Array], Array]


class BaselineConfig(Config):
    """Hold the method, the sample, the size and the learning rate."""

    method: Method = Field(default="xavier", description="one of " + ", ".join(METHODS))
    n_samples: int = Field(default=512, ge=2, le=2**16, description="m, the number of points")
    n_features: int = Field(default=16, ge=1, le=2**12, description="d, their dimension")
    n_pairs: int = Field(default=32, ge=1, le=2**14, description="q, half the hidden neurons")
    learning_rate: float = Field(default=1.0, gt=0, description="of plain SGD; unused by linear_optimisation")
    output_scale: float = Field(default=0.3, gt=0, description="B of zero_outputs")
    batch_size: int = Field(default=64, ge=1, description="points a step")
    n_epochs: int = Field(default=400, ge=1, description="how often each point is drawn, on average")


def _relu_network(trained: Weights, _fixed: Weights, X: Array) -> Array:
    W, u = trained
    return jax.nn.relu(X @ W.T) @ u


def _quadratic_network(trained: Weights, _fixed: Weights, X: Array) -> Array:
    W, u = trained
    return (X @ W.T) ** 2 @ u


def _frozen_features(u: Weights, W: Weights, X: Array) -> Array:
    return jax.nn.relu(X @ W.T) @ u


def _gated(V: Weights, W: Weights, X: Array) -> Array:
    return jnp.sum(jnp.where(X @ W.T > 0, X @ V.T, 0), axis=1)


def _linear(v: Weights, _fixed: Weights, X: Array) -> Array:
    return X @ v


PREDICTORS: dict[str, Predictor] = {
    "zero_outputs": _relu_network,
    "xavier": _relu_network,
    "decoupled_gating": _gated,
    "quadratic": _quadratic_network,
    "frozen_features": _frozen_features,
    "linear": _linear,
}


def start(config: BaselineConfig) -> tuple[Weights, Weights]:
    """Return what a method trains, at its start, and what it leaves as it was drawn.

    ``quadratic`` is the network of Ge et al. (2019), ``linear`` what Brutzkus et al. (2018) need to fit the points,
    ``decoupled_gating`` that of Fiat et al. (2019): 2q gates of their own random weights, linear functions behind them.
    """
    key, q, d, n = weights_key(config.seed), config.n_pairs, config.n_features, 2 * config.n_pairs
    W = draw_W_half(key, n, d)
    outputs = jax.random.normal(jax.random.fold_in(key, n + OUTPUTS), (n,)) / math.sqrt(n)
    behind = jax.random.normal(jax.random.fold_in(key, n + LINEAR), (n, d)) / math.sqrt(n)
    if config.method == "zero_outputs":
        B = jnp.full(q, config.output_scale)
        return (jnp.concatenate([W[:q], W[:q]]), jnp.concatenate([B, -B])), ()
    return {
        "xavier": ((W, outputs), ()),
        "quadratic": ((W, outputs), ()),
        "frozen_features": (jnp.zeros(n), W),
        "linear": (jnp.zeros(d), ()),
        "decoupled_gating": (behind, W),
    }[config.method]


@partial(jax.jit, static_argnames=("method", "batch_size"))
def _train(
    method: str,
    batch_size: int,
    trained: Weights,
    fixed: Weights,
    X: Array,
    y: Array,
    rates: Array,
    keys: Array,
    n: Array,
) -> Array:
    """Take n steps of SGD on the hinge loss in every lane, and return the outputs on the sample."""
    h = PREDICTORS[method]

    def loss(trained: Weights, fixed: Weights, X: Array, y: Array) -> Array:
        return jnp.mean(jnp.maximum(1 - y * h(trained, fixed, X), 0))

    def one(t: Array, trained: Weights, fixed: Weights, X: Array, y: Array, rate: Array, key: Array) -> Weights:
        rows = jax.random.randint(jax.random.fold_in(key, t), (batch_size,), 0, X.shape[0])
        slopes = jax.grad(loss)(trained, fixed, X[rows], y[rows])
        return jax.tree.map(lambda weight, slope: weight - rate * slope, trained, slopes)

    def step(t: Array, trained: Weights) -> Weights:
        return jax.vmap(partial(one, t))(trained, fixed, X, y, rates, keys)

    trained = jax.lax.fori_loop(0, n, step, trained)
    return jax.vmap(h)(trained, fixed, X)


def run(configs: Sequence[BaselineConfig]) -> Iterator[tuple[int, Values]]:
    """Run the cells of one group, some side by side."""
    for first in range(0, len(configs), LANES):
        places = range(first, min(first + LANES, len(configs)))
        some = [configs[place] for place in places]
        shares = _separated(some) if some[0].method == "linear_optimisation" else _trained(some)
        for place, share in zip(places, shares, strict=True):
            n_parameters = count_parameters(configs[place])
            yield (
                place,
                {
                    "fraction": share,
                    "n_parameters": n_parameters,
                    "parameters_per_sample": n_parameters / configs[place].n_samples,
                },
            )


def _trained(configs: Sequence[BaselineConfig]) -> list[float | None]:
    """Return the shares memorized after training; None where it diverged."""
    filled = [*configs, *[configs[-1]] * (LANES - len(configs))]
    samples = [random_labels_on(SPHERE, c.n_samples, c.n_features, c.seed) for c in filled]
    X, y = (jnp.asarray(np.stack(part)) for part in zip(*samples, strict=True))
    trained, fixed = (
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *part) for part in zip(*map(start, filled), strict=True)
    )
    rates = jnp.asarray(np.array([c.learning_rate for c in filled], np.float32))
    keys = jnp.stack([jax.random.fold_in(jax.random.key(c.seed), STEPS) for c in filled])
    c = filled[0]
    n_steps = jnp.asarray(math.ceil(c.n_epochs * c.n_samples / c.batch_size), jnp.int32)
    h = _train(c.method, c.batch_size, trained, fixed, X, y, rates, keys, n_steps)
    right = np.mean(np.asarray(y) * np.asarray(h) > 0, axis=1)
    ended_well = [bool(np.isfinite(outputs).all()) for outputs in np.asarray(h)]
    return [float(share) if is_finite else None for share, is_finite in zip(right, ended_well, strict=True)][
        : len(configs)
    ]


def _separated(configs: Sequence[BaselineConfig]) -> list[float]:
    """Return what linear optimisation over the embedding of the q pairs memorizes."""
    shares = []
    for c in configs:
        X, y = random_labels_on(SPHERE, c.n_samples, c.n_features, c.seed)
        W_half = np.asarray(draw_W_half(weights_key(c.seed), c.n_pairs, c.n_features))
        shares.append(separated_share(X, y, (X.astype(np.float64) @ W_half.T > 0).astype(np.float64)))
    return shares


def count_parameters(config: BaselineConfig) -> int:
    """Return how many parameters the method's network has, whether or not they are trained."""
    d, n = config.n_features, 2 * config.n_pairs
    if config.method == "linear":
        return d
    return 2 * n * d if config.method == "decoupled_gating" else n * (d + 1)


def group(config: BaselineConfig) -> Hashable:
    """Return what cells that run side by side have in common."""
    return config.method, config.n_samples, config.n_features, config.n_pairs, config.batch_size, config.n_epochs


def bytes_needed(config: BaselineConfig) -> float:
    """Estimate the memory of the cells that run side by side."""
    m, d, n = config.n_samples, config.n_features, 2 * config.n_pairs
    if config.method == "linear_optimisation":
        return 8.0 * m * (d + 2 * n) + 8.0 * 30 * n * d + 1e8
    return 4.0 * LANES * (m * (d + 3 * n) + 6 * n * d) + 1e8


EXPERIMENT = Experiment(
    "baselines", "other methods of the same size, each at its learning rate", BaselineConfig, run, bytes_needed, group
)
