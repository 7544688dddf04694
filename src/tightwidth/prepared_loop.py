"""What the loop of a run steps on, and its compilation in a thread, beside the search for its width.

XLA compiles without Python's lock, for a second where nothing is kept of earlier runs.  The width is a shape, so that
the loop of a guess is of use for that width alone; a wrong guess costs time of another core.
"""

import time
from concurrent.futures import Future, wait
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from tightwidth.algorithm1 import Algorithm1
from tightwidth.embedding import GATES_SHARE
from tightwidth.memory import fits
from tightwidth.network import Displacement, Tangent, bytes_kept, init
from tightwidth.neuron_shards import NeuronShards, OneDevice
from tightwidth.run_settings import STEPS, Settings, weights_key
from tightwidth.sampling import FiniteSample
from tightwidth.seeds import stream_key
from tightwidth.threads import aside
from tightwidth.width_search import Trial

GUESSED = 1 << 20  # points times pairs up to which a loop is compiled on a guess; beyond, a search takes far longer


@dataclass(frozen=True)
class Sample:
    """Hold points and labels, what the user fixed, and where the network is trained."""

    X: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, " m"]
    settings: Settings
    place: OneDevice | NeuronShards

    def start(self, q: int) -> Displacement | Tangent:
        """Return the network of q pairs before the first step."""
        key, dtype = weights_key(self.settings.seed), self.X.dtype
        B, activation = self.settings.output_scale, self.settings.activation
        return init(key, d=self.X.shape[1], q=q, B=B, activation=activation, dtype=dtype)

    def source(self, start: Displacement | Tangent) -> FiniteSample:
        """Return what the steps draw from, with what is kept of it for the network."""
        keeps = fits(bytes_kept(start, len(self.X)), GATES_SHARE)
        return self.place.sample(self.X, self.y, start, keeps=keeps)

    def sgd(self, batch_size: int, learning_rate: float) -> Algorithm1:
        """Return the settings of the steps."""
        eta = jax.device_put(np.asarray(learning_rate, self.X.dtype))
        return Algorithm1(self.settings.loss, batch_size, eta, stream_key(self.settings.seed, STEPS))


class Compilation:
    """Compile the loop of a run: for the width that a search will likely choose, and then for the one it has chosen."""

    def __init__(self, sample: Sample, batch_size: int) -> None:
        self.sample, self.batch_size = sample, batch_size
        self.begun: dict[int, Future[float]] = {}
        self.best: Trial | None = None

    def hear(self, trial: Trial) -> Trial:
        """Guess from a trial, and return it: the best width before the first that is no better will likely stay it."""
        best = self.best
        if best is None or trial.work < best.work:
            self.best = trial
        elif best.is_certified and not self.begun and self._may_guess(best.n_pairs):
            self.begin(best.n_pairs)
        return trial

    def _may_guess(self, q: int) -> bool:
        return isinstance(self.sample.place, OneDevice) and len(self.sample.X) * q <= GUESSED

    def begin(self, q: int) -> None:
        """Begin with this width, if that was not done; on several devices, wait: processes must call in one order."""
        if q not in self.begun:
            self.begun[q] = aside(self._compile, q)
            if not isinstance(self.sample.place, OneDevice):
                wait([self.begun[q]])

    def seconds(self, q: int) -> float:
        """Wait until the loop of this width, which was begun, is compiled, and return how long that took."""
        return self.begun[q].result()

    def _compile(self, q: int) -> float:
        began, place = time.perf_counter(), self.sample.place
        start = self.sample.start(q)
        sgd = self.sample.sgd(self.batch_size, 1.0)
        jax.block_until_ready(place.advance(sgd, place.begin(start), self.sample.source(start), 0))
        return time.perf_counter() - began
