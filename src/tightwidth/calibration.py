"""How long a step of algorithm 1 takes on this machine, measured: for the predictions of plans, never for results."""

import time
from dataclasses import dataclass

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


@dataclass(frozen=True)
class SecondsAStep:
    """Hold the seconds of a step as lines in q, (at q = 0, for each pair), with the sample's gates kept or not."""

    kept: tuple[float, float]
    anew: tuple[float, float]

    def __call__(self, q: int, *, keeps_gates: bool) -> float:
        """Return the seconds of a step of q pairs."""
        start, slope = self.kept if keeps_gates else self.anew
        return start + slope * q


def calibrate(activation: Activation, *, d: int, batch_size: int) -> SecondsAStep:
    """Time steps at two widths, with gates that are kept, as for a small sample, and computed anew, as for a stream.

    Takes a second or two.
    """
    return SecondsAStep(*(_line(activation, d=d, batch_size=batch_size, keeps_gates=keeps) for keeps in (True, False)))


def _line(activation: Activation, *, d: int, batch_size: int, keeps_gates: bool) -> tuple[float, float]:
    size = {"d": d, "batch_size": batch_size, "keeps_gates": keeps_gates}
    narrow, wide = (_seconds_a_step(activation, q=q, **size) for q in WIDTHS)
    slope = max(0.0, (wide - narrow) / (WIDTHS[1] - WIDTHS[0]))
    return max(narrow - slope * WIDTHS[0], 0.0), slope


def _seconds_a_step(activation: Activation, *, d: int, q: int, batch_size: int, keeps_gates: bool) -> float:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, d)).astype(np.float32)
    net = init(jax.random.key(0), d=d, q=q, B=float("inf"), activation=activation)
    gates = net.cache(jnp.asarray(X)) if keeps_gates else None
    sample = FiniteSample(jnp.asarray(X), jnp.asarray(np.sign(X[:, 0])), gates)
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
