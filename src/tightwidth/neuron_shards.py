"""One network across devices: every device holds some of the neurons, and steps as if it were alone (section 2.2).

A step needs from the others only the outputs of the batch: each device sums those of its neurons, and one all-reduce
adds up b numbers.  Everything else stays where it is: weights, their steps, and the gates of the sample; points, labels
and draws are on all devices.  The number of neurons is filled up to a multiple of what the devices can share evenly;
those that fill it up never move.
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int32, UInt32

from tightwidth import algorithm1
from tightwidth.algorithm1 import Algorithm1, Seen, State
from tightwidth.losses import Loss
from tightwidth.network import BLOCK_ELEMENTS, Network, Plain, network_dtype, predict
from tightwidth.packed_gates import PackedGates, all_of, packed, part_of, slope_of
from tightwidth.precision import follows_dtype
from tightwidth.sampling import FiniteSample, Source
from tightwidth.working_forms import AtWork, TangentAtWork

AXIS = "neurons"
BYTE = 8  # gates lie eight in a byte, and a byte on one device


def neuron_mesh(devices: Any = None) -> Mesh:
    """Return the mesh of the devices that share the neurons; None for all there are, those of other processes too."""
    return Mesh(np.asarray(jax.devices() if devices is None else devices), (AXIS,))


class ShardedState(eqx.Module):
    """Hold a network after ``seen.t`` updates in parts, one on each device, and what the steps have seen."""

    working: AtWork
    seen: Seen


Placed = State | ShardedState


@dataclass(frozen=True)
class NeuronShards:
    """Spread the neurons of networks over the devices of a mesh, and run Algorithm 1 on them.

    Parameters
    ----------
    mesh
        Of one axis, "neurons" (`neuron_mesh`).  With `jax.distributed` it may span processes, which then all make the
        same calls.
    """

    mesh: Mesh

    def width(self, q: int) -> int:
        """Return the number of pairs that are shared, from q on: a multiple of 8 for each device."""
        multiple = BYTE * self.mesh.size
        return multiple * -(-q // multiple)

    @follows_dtype
    def sample(
        self, X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], network: Network, *, keeps: bool = True
    ) -> FiniteSample:
        """Return a sample with points and labels on all devices, and what each keeps of them for its neurons."""
        points, labels = self._everywhere((X, y))
        if not keeps or isinstance(network, Plain):
            return FiniteSample(points, labels)
        working, q = self.begin(network).working, self.width(network.q)
        rows = max(1, BLOCK_ELEMENTS // max(q // self.mesh.size, X.shape[1]))
        in_bits = isinstance(working, TangentAtWork) and slope_of(network.activation) is not None
        with jax.enable_x64(True):
            starts = range(0, len(X), rows)
            blocks = [_kept(working, self._everywhere(X[k : k + rows]), self.mesh, in_bits) for k in starts]
            kept = jnp.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        if in_bits:
            slope = self._everywhere(np.asarray(slope_of(network.activation), X.dtype))
            return FiniteSample(points, labels, PackedGates(kept, slope))
        return FiniteSample(points, labels, kept)

    def _everywhere(self, tree: Any) -> Any:
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec()))

    @follows_dtype
    def begin(self, network: Network) -> ShardedState:
        """Return the state before the first step."""
        working = network.at_work(self.width(network.q))
        places = jax.tree.map(lambda spec: NamedSharding(self.mesh, spec), _specs(working), is_leaf=_is_spec)
        nothing = Seen.nothing(network_dtype(network))
        return ShardedState(
            *(
                jax.device_put(jax.tree.map(np.asarray, part), place)
                for part, place in ((working, places), (nothing, NamedSharding(self.mesh, PartitionSpec())))
            )
        )

    @follows_dtype
    def advance(self, settings: Algorithm1, state: Placed, source: Source, n: int) -> ShardedState:
        """Return the state after ``n`` more steps: those of `Algorithm1.advance`, up to the rounding of sums.

        Needs per step one all-reduce of ``batch_size`` numbers.
        """
        assert isinstance(state, ShardedState)
        key = np.asarray(jax.random.key_data(settings.key))  # as numbers, which every process may give to all
        numbers = np.asarray(settings.learning_rate), key, np.asarray(n, np.int32)
        kind = str(jax.random.key_impl(settings.key))
        eta, key, n_steps = self._everywhere(numbers)
        return _steps(settings.loss, settings.batch_size, kind, state, source, eta, key, n_steps, self.mesh)

    @follows_dtype
    def outputs(self, state: Placed, source: FiniteSample) -> Float[np.ndarray, " m"]:
        """Return the outputs on the sample, in blocks of rows."""
        assert isinstance(state, ShardedState)
        rows = max(1, BLOCK_ELEMENTS // max(self.width(1), state.working.W_half.shape[0] // self.mesh.size))
        blocks = []
        for start in range(0, source.X.shape[0], rows):
            kept = part_of(source.cached, start, start + rows)
            part = FiniteSample(source.X[start : start + rows], source.y[start : start + rows], kept)
            blocks.append(np.asarray(_outputs(state.working, part, self.mesh)))
        return np.concatenate(blocks)

    @follows_dtype
    def network(self, state: Placed, like: Network) -> Network:
        """Return the whole network, on the host; ``like`` is what it began as."""
        assert isinstance(state, ShardedState)
        whole = jax.tree.map(np.asarray, _whole(state.working, self.mesh))
        return like.after(jax.tree.map(jnp.asarray, whole))

    @property
    def is_timed(self) -> bool:
        """Whether the length of calls may go by the clock: not where other processes have to make the same ones."""
        return len({device.process_index for device in self.mesh.devices.flat}) == 1

    @property
    def device_kind(self) -> str:
        """What the devices are, in words."""
        kinds = sorted({device.device_kind for device in self.mesh.devices.flat})
        return f"{self.mesh.size} x {', '.join(kinds)}"


@dataclass(frozen=True)
class OneDevice:
    """Do on one device what `NeuronShards` does on several, with the whole network in the state."""

    @follows_dtype
    def sample(
        self, X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], network: Network, *, keeps: bool = True
    ) -> FiniteSample:
        """Return a sample with what is kept of it for the network."""
        points, labels = jax.device_put((X, y))
        return FiniteSample(points, labels, network.cache(points) if keeps else None)

    @follows_dtype
    def begin(self, network: Network) -> State:
        """Return the state before the first step."""
        return State(network, Seen.nothing(network_dtype(network)))

    def advance(self, settings: Algorithm1, state: Placed, source: Source, n: int) -> State:
        """Return the state after ``n`` more steps."""
        assert isinstance(state, State)
        return settings.advance(state, source, n)

    def outputs(self, state: Placed, source: FiniteSample) -> Float[np.ndarray, " m"]:
        """Return the outputs on the sample."""
        assert isinstance(state, State)
        return predict(state.network, source.X, source.cached)

    def network(self, state: Placed, like: Network) -> Network:
        """Return the network."""
        assert isinstance(state, State)
        assert type(state.network) is type(like)
        return state.network

    @property
    def is_timed(self) -> bool:
        """Whether the length of calls may go by the clock."""
        return True

    @property
    def device_kind(self) -> str:
        """What the device is, in words."""
        return next(iter(jnp.zeros(()).devices())).device_kind


def _spec(leaf: Any) -> PartitionSpec:
    """Return how an array of the working form is shared: along its last axis, the neurons; numbers are everywhere."""
    return PartitionSpec(*[None] * (leaf.ndim - 1), AXIS) if leaf.ndim else PartitionSpec()


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, PartitionSpec)


def _specs(working: AtWork) -> Any:
    shared = jax.tree.map(_spec, working)
    return eqx.tree_at(lambda net: net.W_half, shared, PartitionSpec(AXIS, None))


def _of_source(source: Source) -> Any:
    """Return how a sample is shared: what is kept of it along the neurons, all else everywhere."""
    specs = jax.tree.map(lambda _: PartitionSpec(), source)
    if not isinstance(source, FiniteSample) or source.cached is None:
        return specs
    if isinstance(source.cached, PackedGates):
        return eqx.tree_at(lambda sample: sample.cached.bits, specs, PartitionSpec(None, AXIS))
    return eqx.tree_at(lambda sample: sample.cached, specs, PartitionSpec(None, AXIS))


def _total(h: Array) -> Array:
    return jax.lax.psum(h, AXIS)


@eqx.filter_jit
def _steps(
    loss: Loss,
    batch_size: int,
    kind: str,
    state: ShardedState,
    source: Source,
    eta: Float[Array, ""],
    key: UInt32[Array, " k"],
    n: Int32[Array, ""],
    mesh: Mesh,
) -> ShardedState:
    everywhere = PartitionSpec()
    specs = ShardedState(_specs(state.working), jax.tree.map(lambda _: everywhere, state.seen))

    def on_one(state: ShardedState, source: Source, eta: Array, key: Array, n: Array) -> ShardedState:
        settings = Algorithm1(loss, batch_size, eta, jax.random.wrap_key_data(key, impl=kind))
        return ShardedState(*algorithm1.steps(settings, state.working, state.seen, source, n, _total))

    step = jax.shard_map(
        on_one,
        mesh=mesh,
        in_specs=(specs, _of_source(source), everywhere, everywhere, everywhere),
        out_specs=specs,
        check_vma=False,  # the sums over the steps are equal on all devices, which the checker cannot see
    )
    return step(state, source, eta, key, n)


@eqx.filter_jit
def _kept(working: AtWork, X: Array, mesh: Mesh, in_bits: bool) -> Array:
    """Return gates or pre-activations of points, multiplied in float64 as `tightwidth.network` does; needs x64 mode."""

    def on_one(working: AtWork, X: Array) -> Array:
        z = (X.astype(jnp.float64) @ working.W_half.astype(jnp.float64).T).astype(X.dtype)
        values = working.activation.sigma_prime(z) if isinstance(working, TangentAtWork) else z
        return packed(values != 0) if in_bits else values

    specs = _specs(working), PartitionSpec()
    return jax.shard_map(on_one, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(None, AXIS), check_vma=False)(
        working, X
    )


@eqx.filter_jit
def _outputs(working: AtWork, source: FiniteSample, mesh: Mesh) -> Array:
    def on_one(working: AtWork, source: FiniteSample) -> Array:
        return _total(working.forward(source.X, all_of(source.cached))[0])

    return jax.shard_map(
        on_one, mesh=mesh, in_specs=(_specs(working), _of_source(source)), out_specs=PartitionSpec(), check_vma=False
    )(working, source)


@eqx.filter_jit
def _whole(working: AtWork, mesh: Mesh) -> AtWork:
    return jax.lax.with_sharding_constraint(working, NamedSharding(mesh, PartitionSpec()))
