"""The devices that a user names."""

from collections.abc import Sequence
from typing import Any

import jax

from tightwidth.errors import InputError


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
