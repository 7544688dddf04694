"""A plane of 20 x 20 memorization cells, three seeds each: shared programs against one for every shape.

    python benchmarks/sweep_shapes.py [--shapes 40]

The cells of the plane have 400 shapes.  Padded, they share a few dozen compiled programs.  For comparison some shapes,
drawn at random, are run in programs of their own, and their time is scaled to all.  Both run in this process, one after
the other, from an empty compilation cache; the numbers of the cells are compared.
"""

import argparse
import time

import jax
import numpy as np

from tightwidth import activations, experiments, losses
from tightwidth.experiments.memorization import MemorizationConfig, spec_of
from tightwidth.padded_runs import Shape, run_side_by_side

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


def alone(configs: list[MemorizationConfig]) -> dict[MemorizationConfig, float]:
    """Run the seeds of one shape in a program of their own."""
    m, d, q = configs[0].shape
    running = run_side_by_side(
        [spec_of(config) for config in configs],
        Shape(m, d, q, len(configs)),
        activation=activations.get("relu"),
        loss=losses.get("perceptron"),
        batch_size=configs[0].batch_size,
    )
    while True:
        try:
            next(running)
        except StopIteration as end:
            return {config: run.fraction for config, run in zip(configs, end.value, strict=True)}


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
    jax.clear_caches()
    by_shape: dict[tuple[int, ...], list[MemorizationConfig]] = {}
    for config in configs:
        by_shape.setdefault(config.shape, []).append(config)
    chosen = np.random.default_rng(0).choice(len(by_shape), n_shapes, replace=False)
    began, farthest = time.perf_counter(), 0.0
    for place in chosen:
        for config, share in alone(list(by_shape.values())[place]).items():
            farthest = max(farthest, abs(share - together[config]))
    seconds_alone = (time.perf_counter() - began) * len(by_shape) / n_shapes
    print(f"shared programs {seconds_shared:7.1f} s")
    print(f"one a shape     {seconds_alone:7.1f} s, from {n_shapes} of {len(by_shape)} shapes")
    print(f"ratio           {seconds_alone / seconds_shared:7.2f}")
    print(f"largest difference of a share memorized {farthest:.2g}, a point is {1 / POINTS:.2g}")


if __name__ == "__main__":
    main()
