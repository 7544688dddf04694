"""One network across devices: the numbers of one device, and one sum of the batch's outputs a step."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import shard_runs
import tightwidth as tw
from shard_runs import BATCH, CASES, TYPES, outputs_on_one
from tightwidth import memorize, sampling
from tightwidth.errors import InputError
from tightwidth.network import Tangent, preactivations
from tightwidth.neuron_shards import NeuronShards, neuron_mesh
from tightwidth.packed_gates import PackedGates

SCRIPT = Path(shard_runs.__file__)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def start(*arguments):
    """Start the script in a process of its own."""
    return subprocess.Popen([sys.executable, str(SCRIPT), *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def result_of(process):
    """Return what a process found: of Algorithm 1, form by form and type by type, and of a kernel."""
    said, _ = process.communicate(timeout=300)
    (line,) = [line for line in said.splitlines() if line.startswith("{")]
    return json.loads(line)


def check_against_one_device(found, n_devices):
    """Compare outputs, whole networks and counts with those of one device."""
    for dtype, rows in zip(TYPES, found, strict=True):
        for case, (h, seen, whole, places) in zip(CASES, rows, strict=True):
            expected, seen_by_one, _, _ = outputs_on_one(case, dtype)
            size = np.abs(expected).max()
            assert size > 0.5
            np.testing.assert_allclose(h, expected, atol=TOLERANCE[dtype] * size, err_msg=f"{case} {dtype}")
            np.testing.assert_allclose(whole, expected, atol=TOLERANCE[dtype] * size)
            assert seen[:2] == seen_by_one[:2]
            assert seen[2] == pytest.approx(seen_by_one[2], rel=TOLERANCE[dtype])
            assert places == n_devices


def check_shares_of_a_kernel(shares):
    """Compare what processes found of a kernel matrix with NumPy, and see that each did its share of it."""
    kernel, X, v = shard_runs.kernel_matrix()
    K = tw.kernels.gram(kernel, X).astype(np.float64)
    blocks = [block for found, _, _ in shares for block in found]
    assert sorted(row for row, _ in blocks) == list(range(0, len(X), 200))
    assert all(row // 200 % len(shares) == part for part, (found, _, _) in enumerate(shares) for row, _ in found)
    for row, total in blocks:
        assert total == pytest.approx(K[row : row + 200].sum(), rel=1e-9)
    products, tiles = [product for _, product, _ in shares], [done for _, _, done in shares]
    assert all(product == products[0] for product in products)  # the same to the bit
    np.testing.assert_allclose(products[0], K @ v, rtol=0, atol=1e-9 * np.abs(K @ v).max())
    assert sum(tiles) == 6
    assert max(tiles) - min(tiles) <= 1


@pytest.mark.slow
def test_virtual_devices_give_what_one_device_gives():
    result = result_of(start("virtual", 3))
    check_against_one_device(result["found"], 3)
    check_shares_of_a_kernel([result["kernel"]])


@pytest.mark.slow
def test_two_processes_give_what_one_device_gives():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [start(address, 2, i) for i in range(2)]
    results = [result_of(process) for process in processes]
    for result in results:
        check_against_one_device(result["found"], 2)
    check_shares_of_a_kernel([result["kernel"] for result in results])


@pytest.mark.slow
def test_a_step_has_one_sum_across_devices_of_as_many_numbers_as_the_batch_has():
    code = f"""
import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})
import jax; jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
import shard_runs
from tightwidth import neuron_shards
shards = neuron_shards.NeuronShards(neuron_shards.neuron_mesh())
for case in shard_runs.CASES:
    net, run, X, y = shard_runs.start(case, "float32")
    numbers = np.float32(1), np.asarray(jax.random.key_data(run.key)), np.int32(3)
    lowered = neuron_shards._steps.lower(
        run.loss, run.batch_size, "threefry2x32", shards.begin(net), shards.sample(X, y, net), *numbers, shards.mesh
    )
    print(lowered.compile().compiled.as_text())
    print("NEXT")
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout
    programs = said.split("NEXT")[:-1]
    assert len(programs) == len(CASES)
    for program in programs:
        across = re.findall(r"= (\S+) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)", program)
        assert [(re.sub(r"\{.*", "", shape), what) for shape, what in across] == [(f"f32[{BATCH}]", "all-reduce")]


@pytest.mark.slow
def test_one_device_is_a_mesh_too_and_its_memorization_that_of_none():
    X, y = sampling.random_points(64, 8, seed=0)
    usual, shared = (memorize(X, y, loss="perceptron", devices=devices) for devices in (None, jax.devices()))
    assert shared.fraction_memorized_last == usual.fraction_memorized_last == 1
    assert (shared.n_steps, shared.n_pairs) == (usual.n_steps, usual.n_pairs)
    np.testing.assert_allclose(shared.predict(X), usual.predict(X), atol=1e-5)
    assert shared.device == "1 x cpu"


def test_gates_are_kept_in_bits_and_the_neurons_filled_up_are_shut():
    net, _, X, y = shard_runs.start(CASES[0], "float32")
    assert isinstance(net, Tangent)
    shards = NeuronShards(neuron_mesh())
    kept = shards.sample(X, y, net).cached
    assert isinstance(kept, PackedGates)
    gates, z = np.asarray(kept.all()), np.asarray(preactivations(net.W_half, X))
    np.testing.assert_array_equal(gates[:, : net.q], z > 0)
    assert gates.shape[1] == shards.width(net.q) == 24
    assert not gates[:, net.q :].any()
    assert kept.bits.nbytes * 8 == gates.size


@pytest.mark.slow
def test_a_kernel_matrix_has_the_same_bits_from_several_devices():
    code = """
import jax; jax.config.update("jax_num_cpu_devices", 3)
import numpy as np
import tightwidth as tw
X, _ = tw.sampling.random_points(1300, 6, seed=0)
kernel = tw.tangent_kernel.expected_kernel("relu")
one = tw.kernels.gram(kernel, X)
used = set()
start = tw.kernels.Tiling.start
def noted(tiling, i, j):
    tile = start(tiling, i, j)
    for leaf in jax.tree.leaves(tile):
        used.update(map(str, leaf.devices() if isinstance(leaf, jax.Array) else ()))
    return tile
tw.kernels.Tiling.start = noted
several = tw.kernels.gram(kernel, X, devices=jax.devices())
assert (several == one).all() and several.dtype == np.float32
assert len(used) == 3, used
blocks = [block for _, block in tw.kernels.gram_blocks(kernel, X, block_rows=200, devices=jax.devices())]
assert (np.concatenate(blocks) == one).all()
v = np.arange(1300.0)
assert (tw.kernels.gram_product(kernel, v, X, devices=jax.devices()) == tw.kernels.gram_product(kernel, v, X)).all()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("devices", [[], ["cpu"], jax.devices() * 2])
def test_something_else_than_devices_is_refused(devices):
    X, y = sampling.random_points(16, 4, seed=0)
    with pytest.raises(InputError, match="must be one or more devices of JAX, each once"):
        memorize(X, y, devices=devices)


def test_devices_of_other_processes_alone_are_refused_before_anything_is_computed(monkeypatch):
    device = jax.devices()[0]
    monkeypatch.setattr("jax.process_index", lambda: device.process_index + 1)
    X, _ = sampling.random_points(16, 4, seed=0)
    kernel = tw.tangent_kernel.expected_kernel("relu")
    with pytest.raises(InputError, match="has none of this process, number 1"):
        tw.kernels.gram_product(kernel, np.ones(16), X, devices=[device])
    with pytest.raises(InputError, match="has none of this process, number 1"):
        tw.kernels.gram_blocks(kernel, X, devices=[device])
    with pytest.raises(InputError, match=r"not all of this process; give some of jax.local_devices\(\)"):
        tw.kernels.gram(kernel, X, devices=[device])
