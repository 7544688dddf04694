"""A plane of 20 x 20 memorization cells, three seeds each: shared programs against one for every shape.

    python benchmarks/sweep_shapes.py [--shapes 40]

The cells of the plane have 400 shapes.  Padded, they share a few dozen compiled programs.  For comparison some shapes,
drawn at random, are run in programs of their own, the seeds side by side or as single runs one after the other, and
their time is scaled to all.  Everything runs in this process, from an empty compilation cache; the numbers of the
cells are compared.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth import activations, experiments, losses, network
from tightwidth.algorithm1 import Algorithm1
from tightwidth.experiments.memorization import MemorizationConfig, n_looks, spec_of
from tightwidth.padded_runs import Shape, run_side_by_side
from tightwidth.run_settings import STEPS, weights_key
from tightwidth.sampling import FiniteSample

SIDE, SEEDS, POINTS, EPOCHS = 20, 3, 2048, 20


def plane() -> list[MemorizationConfig]:
    """Return the cells."""
    return [
        MemorizationConfig(
            n_samples=POINTS, samples_per_feature=float(ratio), density=float(density), n_epochs=EPOCHS, seed=seed
        )
        for ratio in np.geomspace(4, 64, SIDE)
        for density in np.geomspace(0.25, 4, SIDE)
        for seed in range(SEEDS)
    ]


def shared(configs: list[MemorizationConfig]) -> dict[MemorizationConfig, float]:
    """Run all cells, group by group, and return the shares memorized."""
    experiment, found = experiments.get("memorization"), {}
    groups: dict[object, list[MemorizationConfig]] = {}
    for config in configs:
        groups.setdefault(experiment.group(config), []).append(config)
    print(f"{len(configs)} cells, {len(groups)} programs")
    for some in groups.values():
        for place, values in experiment.run(some):
            found[some[place]] = values["fraction"]
    return found


def unpadded(configs: list[MemorizationConfig]) -> dict[MemorizationConfig, float]:
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


def alone(configs: list[MemorizationConfig]) -> dict[MemorizationConfig, float]:
    """Run the seeds of one shape one after the other, each as a single run of Algorithm 1, looked at at the end."""
    found: dict[MemorizationConfig, float] = {}
    for config in configs:
        spec = spec_of(config)
        relu = activations.get(config.activation)
        net = network.init(weights_key(config.seed), d=spec.X.shape[1], q=spec.q, B=spec.B, activation=relu)
        X = jnp.asarray(spec.X)
        sample = FiniteSample(X, jnp.asarray(spec.y), net.cache(X))
        key = jax.random.fold_in(jax.random.key(config.seed), STEPS)
        run = Algorithm1(losses.get(config.loss), config.batch_size, jnp.float32(spec.learning_rate), key)
        last = run.advance(run.init(net), sample, spec.n_steps).network
        found[config] = float(np.mean(spec.y * network.predict(last, spec.X, sample.cached) > 0))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=int, default=40, help="how many shapes are run by themselves")
    n_shapes = parser.parse_args().shapes
    configs = plane()
    jax.clear_caches()
    began = time.perf_counter()
    together = shared(configs)
    seconds_shared = time.perf_counter() - began
    by_shape: dict[tuple[int, ...], list[MemorizationConfig]] = {}
    for config in configs:
        by_shape.setdefault(config.shape, []).append(config)
    chosen = np.random.default_rng(0).choice(len(by_shape), n_shapes, replace=False)
    print(f"shared programs                       {seconds_shared:7.1f} s")
    for name, run in (
        ("a program a shape, seeds side by side", unpadded),
        ("a program a shape, single runs       ", alone),
    ):
        jax.clear_caches()
        began, farthest = time.perf_counter(), 0.0
        for place in chosen:
            for config, share in run(list(by_shape.values())[place]).items():
                farthest = max(farthest, abs(share - together[config]))
        seconds = (time.perf_counter() - began) * len(by_shape) / n_shapes
        print(
            f"{name} {seconds:7.1f} s, from {n_shapes} of {len(by_shape)} shapes: {seconds / seconds_shared:.2f} times"
        )
        print(f"    largest difference of a share memorized {farthest:.2g}; a point is {1 / POINTS:.2g}")


if __name__ == "__main__":
    main()
