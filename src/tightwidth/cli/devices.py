"""Where a network is trained: one device, several of this machine, or those of several processes."""

import contextlib
import os
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

from tightwidth.errors import InputError

MOST_DEVICES = 256  # virtual ones of a CPU
SECONDS_TO_MEET = 60.0  # for the first process to be there


@dataclass(frozen=True)
class Place:
    """Hold the devices that share the neurons, None for the usual one, and whether this process reports the result."""

    devices: list[Any] | None
    reports: bool


def choose(*, devices: int | None, coordinator: str | None, processes: int | None, process: int | None) -> Place:
    """Return the devices asked for, before JAX has looked for any; with a coordinator, meet the other processes.

    Raises
    ------
    InputError
        If numbers are out of range or do not go together, there are not so many devices, or the first process is not
        there.
    """
    if devices is not None and not 1 <= devices <= MOST_DEVICES:
        message = f"--devices {devices} must be a whole number from 1 to {MOST_DEVICES}"
        raise InputError(message)
    together = {"--coordinator": coordinator, "--processes": processes, "--process": process}
    missing = [name for name, value in together.items() if value is None]
    if missing and len(missing) < len(together):
        message = (
            f"{', '.join(name for name in together if name not in missing)} needs {' and '.join(missing)} too: every "
            "process is given the same --coordinator HOST:PORT and --processes N, and its own --process from 0 on"
        )
        raise InputError(message)
    if coordinator is None:
        return Place(None, True) if devices is None or devices == 1 else Place(_local(devices), True)
    assert processes is not None
    assert process is not None
    return Place(_of_all(coordinator, processes, process, devices), process == 0)


def _local(n: int) -> list[Any]:
    import jax

    _make_virtual(n)
    there = jax.local_devices()
    if len(there) < n:
        message = f"--devices {n}: there are {len(there)} ({there[0].device_kind}); give at most so many"
        raise InputError(message)
    return there[:n]


def _make_virtual(n: int) -> None:
    """Let a CPU count as n devices, each with its own share of the work; of no effect on accelerators."""
    import jax

    with contextlib.suppress(RuntimeError):  # JAX has begun in this process: then there are as many as there are
        jax.config.update("jax_num_cpu_devices", n)


def _of_all(coordinator: str, processes: int, process: int, devices: int | None) -> list[Any]:
    if processes < 1 or not 0 <= process < processes:
        message = f"--process {process} of --processes {processes}: they are counted from 0 to {max(processes, 1) - 1}"
        raise InputError(message)
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        message = f"--coordinator {coordinator} must be HOST:PORT, the address of process 0, such as 10.0.0.1:9555"
        raise InputError(message)
    if process > 0:
        _wait_for(host.strip("[]"), int(port), coordinator)
    import jax

    _print_apart()
    _make_virtual(devices or 1)
    jax.distributed.initialize(coordinator, processes, process)
    return jax.devices()


def _print_apart() -> None:
    """Let what libraries print below Python go to standard error: standard output is for the result."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(ours, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def _wait_for(host: str, port: int, coordinator: str) -> None:
    """Return when somebody listens there: JAX itself would end this process without a word of ours."""
    began = time.monotonic()
    while True:
        try:
            socket.create_connection((host, port), timeout=SECONDS_TO_MEET).close()
        except OSError as error:
            if time.monotonic() - began < SECONDS_TO_MEET and not isinstance(error, socket.gaierror):
                time.sleep(0.2)
                continue
            message = (
                f"nobody answers at --coordinator {coordinator} ({error.strerror or error}); start process 0 on that "
                "host, and see that the port can be reached from here"
            )
            raise InputError(message) from None
        return
