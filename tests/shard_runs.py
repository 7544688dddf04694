"""Run Algorithm 1 and a kernel across devices in a process of its own, and print what came out as one JSON line.

python shard_runs.py virtual N            N virtual devices of this process
python shard_runs.py HOST:PORT N I        process I of N, with one device each
"""

import json
import math
import os
import sys

M, D, Q, BATCH, STEPS = 150, 10, 21, 8, 200
CASES = [
    ("tangent", math.inf, "relu"),
    ("tangent", math.inf, "tanh"),
    ("displacement", 1.0, "relu"),
    ("displacement", 2.0, "gelu"),
    ("plain", 1.0, "leaky_relu"),
]
TYPES = ("float32", "float64")


def start(case, dtype):
    """Return the network of a case, its settings, and the sample."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import tightwidth as tw

    form, B, name = case
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, D)).astype(dtype)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = rng.choice([-1.0, 1.0], M).astype(dtype)
    init = tw.network.init_plain if form == "plain" else tw.network.init
    net = init(jax.random.key(0), d=D, q=Q, B=B, activation=tw.activations.get(name), dtype=np.dtype(dtype))
    with jax.enable_x64(dtype == "float64"):
        run = tw.algorithm1.Algorithm1(tw.losses.get("hinge"), BATCH, jnp.asarray(0.5, dtype), jax.random.key(2))
    return net, run, X, y


def outputs_in_shards(shards, case, dtype):
    """Return the outputs after some steps, taken in two calls, and the numbers that the steps have seen."""
    net, run, X, y = start(case, dtype)
    source = shards.sample(X, y, net)
    state = shards.advance(run, shards.advance(run, shards.begin(net), source, STEPS // 3), source, STEPS - STEPS // 3)
    whole = shards.network(state, net)
    return (
        shards.outputs(state, source).tolist(),
        seen_of(state),
        predicted(whole, X),
        len(source.X.sharding.device_set),
    )


def outputs_on_one(case, dtype):
    """Return the same from one device."""
    from tightwidth.neuron_shards import OneDevice

    one = OneDevice()
    net, run, X, y = start(case, dtype)
    source = one.sample(X, y, net)
    state = one.advance(run, one.begin(net), source, STEPS)
    return one.outputs(state, source).tolist(), seen_of(state), predicted(one.network(state, net), X), 1


def seen_of(state):
    """Return what the steps have seen as numbers."""
    return [int(state.seen.t), int(state.seen.last_update), float(state.seen.online_loss.total)]


def predicted(network, X):
    """Return what a whole network says of points."""
    import tightwidth as tw

    return tw.network.predict(network, X).tolist()


def kernel_matrix():
    """Return the kernel, points, and a vector that are multiplied."""
    import numpy as np

    import tightwidth as tw

    X, _ = tw.sampling.random_points(1300, 6, seed=0)
    return tw.tangent_kernel.expected_kernel("relu"), X, np.sin(np.arange(1300.0))


def kernel_in_shares(devices):
    """Return the first row of each block of this process with the sum of its entries, the product, and the tiles."""
    import tightwidth as tw

    kernel, X, v = kernel_matrix()
    blocks = tw.kernels.gram_blocks(kernel, X, block_rows=200, devices=devices)
    found = [[rows.start, block.sum(dtype=float)] for rows, block in blocks]
    steps = tw.kernels.product_steps(kernel, v, X, devices=devices)
    done = 0
    while True:
        try:
            done = next(steps).done
        except StopIteration as stop:
            return found, stop.value.tolist(), done


def main():
    """Run all cases, or those that this process has a part in."""
    where, n = sys.argv[1], int(sys.argv[2])
    import jax

    if where == "virtual":
        jax.config.update("jax_num_cpu_devices", n)
    else:
        jax.distributed.initialize(where, n, int(sys.argv[3]))
    from tightwidth.neuron_shards import NeuronShards, neuron_mesh

    shards = NeuronShards(neuron_mesh())
    found = [[outputs_in_shards(shards, case, dtype) for case in CASES] for dtype in TYPES]
    said = {"found": found, "kernel": kernel_in_shares(jax.devices())}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # not to wait for the other processes


if __name__ == "__main__":
    main()
