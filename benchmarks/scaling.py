"""How the cost of a step grows with width, dimension, batch and devices.

    python benchmarks/scaling.py [--seconds 0.5]

Times of Algorithm 1 in the tangent form, hinge loss, 1,024 points whose gates are kept.  Devices are virtual
ones of this CPU, which share its cores: what they show is what sharing costs, not what more machines bring.
"""

import argparse
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tightwidth as tw
from tightwidth.neuron_shards import NeuronShards, OneDevice, neuron_mesh

POINTS, DEVICES = 1024, (1, 2, 4)
SIZES = [(64, 256, 64), (64, 1024, 64), (64, 4096, 64), (256, 1024, 64), (64, 1024, 16), (64, 1024, 256)]  # d, q, b


def seconds_a_step(place: Any, d: int, q: int, b: int, budget: float) -> float:
    """Return the least time of a step in five calls that together take about the budget."""
    X, y = tw.sampling.random_points(POINTS, d, seed=0)
    net = tw.network.init(jax.random.key(0), d=d, q=q, B=math.inf, activation=tw.activations.get("relu"))
    run = tw.algorithm1.Algorithm1(tw.losses.get("hinge"), b, jnp.float32(0.1), jax.random.key(1))
    source, state, n = place.sample(X, y, net), place.begin(net), 16
    while True:
        began = time.perf_counter()
        state = jax.block_until_ready(place.advance(run, state, source, n))
        if n > 16 and time.perf_counter() - began > budget / 5:
            break
        n *= 2
    times = []
    for _ in range(5):
        began = time.perf_counter()
        state = jax.block_until_ready(place.advance(run, state, source, n))
        times.append((time.perf_counter() - began) / n)
    return float(np.min(times))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="for one entry of the table")
    budget = parser.parse_args().seconds
    jax.config.update("jax_num_cpu_devices", max(DEVICES))
    places: dict[str, Any] = {"one device": OneDevice()}
    places |= {f"{n} of a mesh": NeuronShards(neuron_mesh(jax.devices()[:n])) for n in DEVICES}
    print("us a step     " + "".join(f"{name:>14}" for name in places))
    for d, q, b in SIZES:
        row = [seconds_a_step(place, d, q, b, budget) * 1e6 for place in places.values()]
        print(f"d={d:<4} q={q:<5} b={b:<4}" + "".join(f"{value:14.1f}" for value in row))


if __name__ == "__main__":
    main()
