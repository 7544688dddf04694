"""Work in other threads, under what the caller's thread has told JAX; XLA and NumPy compute without Python's lock."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import jax

Result = TypeVar("Result")


class ThreadSettings:
    """Hold what the caller's thread has told JAX by contexts: its device and its precision of products.

    Contexts of one thread say nothing to another.
    """

    def __init__(self, device: Any = None) -> None:
        """Read the settings of this thread, but for the device if one is given."""
        config: Any = jax.config  # its attributes are made at import
        self.device, self.precision = config.jax_default_device, config.jax_default_matmul_precision
        if device is not None:
            self.device = device

    @property
    def device_kind(self) -> str:
        """What the device is, in words."""
        if isinstance(self.device, str):
            return jax.devices(self.device)[0].device_kind
        return (self.device or jax.devices()[0]).device_kind

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call a function, in any thread, under these settings."""
        with jax.default_device(self.device), jax.default_matmul_precision(self.precision):
            return function(*args)


def aside(function: Callable[..., Result], *args: Any) -> "Future[Result]":
    """Begin to call a function in another thread, as the caller's thread would; the future raises what it raises."""
    thread = ThreadPoolExecutor(1, "tightwidth-aside")
    try:
        return thread.submit(ThreadSettings().run, function, *args)
    finally:
        thread.shutdown(wait=False)
