"""The devices that a user names, and how the processes that they belong to share a job that falls into pieces."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from tightwidth.errors import InputError

Piece = TypeVar("Piece")
AXIS = "processes"


def check_devices(devices: Sequence[Any], *, local: bool = False) -> list[Any]:
    """Return devices as a list; ``local`` ones are those of this process.

    Raises
    ------
    InputError
        If there are none, one stands twice, or something else than a device, or than a local one.
    """
    listed = list(devices)
    known = all(isinstance(device, jax.Device) for device in listed)
    if not listed or not known or len(set(listed)) < len(listed):
        message = f"devices={devices!r} must be one or more devices of JAX, each once, such as jax.devices()"
        raise InputError(message)
    if local and any(device.process_index != jax.process_index() for device in listed):
        message = f"devices={devices!r} are not all of this process; give some of jax.local_devices()"
        raise InputError(message)
    return listed


@dataclass(frozen=True)
class Share:
    """Hold what this process does of a job that processes share: every ``parts``-th piece, from ``part`` on.

    ``devices`` are those of this process, and ``first`` the first one of each process, in the order of the processes.
    All of them have to make the same calls.
    """

    devices: Sequence[Any]
    first: Sequence[Any]
    part: int

    @property
    def parts(self) -> int:
        """How many processes share the job."""
        return max(1, len(self.first))

    def of(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Return the pieces of this process."""
        return islice(pieces, self.part, None, self.parts)

    def total(self, found: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return the sum of what all processes found, the same to the bit in each; every one has to call this."""
        if self.parts == 1:
            return found
        mesh = Mesh(np.asarray(self.first), (AXIS,))
        apart, together = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((AXIS,), ()))
        with jax.enable_x64(found.dtype == np.float64):
            of_all = jax.make_array_from_process_local_data(apart, found[None], (self.parts, *found.shape))
            return np.asarray(jax.jit(lambda parts: parts.sum(axis=0), out_shardings=together)(of_all))


def share_of(devices: Sequence[Any] | None) -> Share:
    """Return the share of this process; None is one device of this process, which does the job alone.

    Raises
    ------
    InputError
        If there are no devices, one stands twice, something else than a device, or none of this process.
    """
    if devices is None:
        return Share((), (), 0)
    listed, here = check_devices(devices), jax.process_index()
    processes = sorted({device.process_index for device in listed})
    if here not in processes:
        message = (
            f"devices={devices!r} has none of this process, number {here}; a process that has no device does nothing "
            f"and must not make the call"
        )
        raise InputError(message)
    own = [device for device in listed if device.process_index == here]
    first = [next(device for device in listed if device.process_index == process) for process in processes]
    return Share(own, first, processes.index(here))
