"""A plane of memorization cells, some seeds each, as a contestant: shared programs, or one for every shape.

The shares memorized of some shapes, drawn at random, are returned, so that they can be compared.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from contests import Facts, Work

from tightwidth import activations, experiments, losses, network
from tightwidth.algorithm1 import Algorithm1
from tightwidth.experiments.memorization import MemorizationConfig, n_looks, spec_of
from tightwidth.padded_runs import Shape, run_side_by_side
from tightwidth.run_settings import STEPS, weights_key
from tightwidth.sampling import FiniteSample

SEEDS, EPOCHS = 3, 20
Shares = dict[MemorizationConfig, float]


def plane(side: int, points: int) -> list[MemorizationConfig]:
    """Return the cells."""
    return [
        MemorizationConfig(
            n_samples=points, samples_per_feature=float(ratio), density=float(density), n_epochs=EPOCHS, seed=seed
        )
        for ratio in np.geomspace(4, 64, side)
        for density in np.geomspace(0.25, 4, side)
        for seed in range(SEEDS)
    ]


def by_shape(configs: list[MemorizationConfig]) -> list[list[MemorizationConfig]]:
    """Return the cells of each shape."""
    found: dict[tuple[int, ...], list[MemorizationConfig]] = {}
    for config in configs:
        found.setdefault(config.shape, []).append(config)
    return list(found.values())


def chosen(configs: list[MemorizationConfig], n_shapes: int) -> list[list[MemorizationConfig]]:
    """Return some shapes, the same in every process."""
    shapes = by_shape(configs)
    return [shapes[place] for place in np.random.default_rng(0).choice(len(shapes), n_shapes, replace=False)]


def shared(*, side: int, points: int, shapes: int) -> Work:
    """Prepare all cells, in the programs that they share."""
    configs = plane(side, points)

    def work(_: int) -> Facts:
        found = _shared(configs)
        shares = [found[config] for some in chosen(configs, shapes) for config in some]
        return {"units": len(by_shape(configs)), "shares": shares, "cells": len(configs)}

    return work


def side_by_side(*, side: int, points: int, shapes: int) -> Work:
    """Prepare some shapes in programs of their own, the seeds side by side."""
    return _separate(_side_by_side, side, points, shapes)


def alone(*, side: int, points: int, shapes: int) -> Work:
    """Prepare some shapes as single runs of Algorithm 1, one after the other."""
    return _separate(_alone, side, points, shapes)


def _separate(run: Callable[[list[MemorizationConfig]], Shares], side: int, points: int, shapes: int) -> Work:
    some_of_all = chosen(plane(side, points), shapes)

    def work(_: int) -> Facts:
        shares: list[float] = []
        for some in some_of_all:
            found = run(some)
            shares += [found[config] for config in some]
        return {"units": len(some_of_all), "shares": shares, "cells": len(shares)}

    return work


def _shared(configs: list[MemorizationConfig]) -> Shares:
    """Run all cells, group by group."""
    experiment, found = experiments.get("memorization"), {}
    groups: dict[object, list[MemorizationConfig]] = {}
    for config in configs:
        groups.setdefault(experiment.group(config), []).append(config)
    for some in groups.values():
        for place, values in experiment.run(some):
            found[some[place]] = values["fraction"]
    return found


def _side_by_side(configs: list[MemorizationConfig]) -> Shares:
    """Run the seeds of one shape side by side in a program of their own, looked at as often."""
    m, d, q = configs[0].shape
    running = run_side_by_side(
        [spec_of(config) for config in configs],
        Shape(m, d, q, len(configs)),
        activation=activations.get("relu"),
        loss=losses.get("perceptron"),
        batch_size=configs[0].batch_size,
        n_looks=n_looks(configs[0]),
    )
    while True:
        try:
            next(running)
        except StopIteration as end:
            return {config: run.fraction for config, run in zip(configs, end.value, strict=True)}


def _alone(configs: list[MemorizationConfig]) -> Shares:
    """Run the seeds of one shape one after the other, each as a single run of Algorithm 1, looked at at the end."""
    found: Shares = {}
    for config in configs:
        spec: Any = spec_of(config)
        relu = activations.get(config.activation)
        net = network.init(weights_key(config.seed), d=spec.X.shape[1], q=spec.q, B=spec.B, activation=relu)
        X = jnp.asarray(spec.X)
        sample = FiniteSample(X, jnp.asarray(spec.y), net.cache(X))
        key = jax.random.fold_in(jax.random.key(config.seed), STEPS)
        run = Algorithm1(losses.get(config.loss), config.batch_size, jnp.float32(spec.learning_rate), key)
        last = run.advance(run.init(net), sample, spec.n_steps).network
        found[config] = float(np.mean(spec.y * network.predict(last, spec.X, sample.cached) > 0))
    return found
