"""Compile the steps of a stream while its first rows are being read and its weights drawn: a second core is there."""

from concurrent.futures import Future
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth.activations import Activation
from tightwidth.precision import in_precision_of
from tightwidth.shared_outputs import init_outputs
from tightwidth.shared_run import SharedRun
from tightwidth.threads import aside
from tightwidth.weighted_sampling import InOrder


def compiled_ahead(
    run: SharedRun, *, d: int, q: int, K: int, B: float, activation: Activation, n_steps: int, dtype: np.dtype[Any]
) -> "Future[None]":
    """Compile, in a thread, the program that follows a chunk of so many steps; wait for the end before calling it.

    The program is called for no step at all, since only a call leaves it where the next call finds it.
    """

    def compile_it() -> None:
        b = run.batch_size
        rows, columns, shares = ((n_steps, b, d), (n_steps, b, K), (n_steps, b))
        start = init_outputs(None, d=d, q=q, K=K, B=B, activation=activation, dtype=dtype)
        with in_precision_of(dtype):
            X, Y, even = (jnp.asarray(np.zeros(shape, dtype)) for shape in (rows, columns, shares))
            chunk = InOrder(X, Y, even, jnp.asarray(np.int32(0)))
        jax.block_until_ready(run.follow(run.init(start), chunk, 0))

    return aside(compile_it)
