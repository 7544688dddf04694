"""How long a step of algorithm 1 takes on this machine, measured: for the predictions of plans, never for results."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth import losses
from tightwidth.activations import Activation
from tightwidth.algorithm1 import Algorithm1
from tightwidth.network import init
from tightwidth.sampling import FiniteSample

WIDTHS = (32, 512)
ROWS = 1024
LEAST_SECONDS = 0.1  # of steps, for a rate


def calibrate(activation: Activation, *, d: int, batch_size: int) -> Callable[[int], float]:
    """Return the seconds of a step as a function of q: a constant and a slope, from runs at two widths.

    Takes about a second.  Gates are computed at each step, as they are for a stream; a run that keeps them is faster.
    """
    seconds = [_seconds_a_step(activation, d=d, q=q, batch_size=batch_size) for q in WIDTHS]
    slope = max(0.0, (seconds[1] - seconds[0]) / (WIDTHS[1] - WIDTHS[0]))
    start = max(seconds[0] - slope * WIDTHS[0], 0.0)
    return lambda q: start + slope * q


def _seconds_a_step(activation: Activation, *, d: int, q: int, batch_size: int) -> float:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, d)).astype(np.float32)
    sample = FiniteSample(jnp.asarray(X), jnp.asarray(np.sign(X[:, 0])))
    net = init(jax.random.key(0), d=d, q=q, B=float("inf"), activation=activation)
    run = Algorithm1(losses.get("absolute"), batch_size, jnp.float32(1e-3), jax.random.key(1))
    state = jax.block_until_ready(run.advance(run.init(net), sample, 1))
    n = 16
    while True:
        began = time.perf_counter()
        state = jax.block_until_ready(run.advance(state, sample, n))
        took = time.perf_counter() - began
        if took >= LEAST_SECONDS or n >= 1 << 20:
            return took / n
        n *= 4
