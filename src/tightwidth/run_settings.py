"""What a run on a sample is made from: the numbers that a user fixed, its seed's random numbers, and what it takes."""

from dataclasses import dataclass

from jaxtyping import PRNGKeyArray

from tightwidth.activations import Activation
from tightwidth.algorithm1 import DRAWN_AHEAD
from tightwidth.losses import Loss
from tightwidth.seeds import stream_key

NEGLIGIBLE = 1e-3  # part of epsilon that a sufficient B may cost
WEIGHTS, STEPS, RANDOM_ITERATE, SIGNS = 0, 1, 2, 3  # the streams of random numbers that a seed opens


@dataclass(frozen=True)
class Settings:
    """Hold what the user fixed; None stands for "auto".

    ``output_scale`` is B, ``learning_rate`` the embedding's eta.
    """

    activation: Activation
    loss: Loss
    epsilon: float
    output_scale: float
    seed: int
    n_pairs: int | None = None
    n_steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None


def weights_key(seed: int) -> PRNGKeyArray:
    """Return the key of W': the plan certifies the weights that the run will start from."""
    return stream_key(seed, WEIGHTS)


def signs_key(seed: int) -> PRNGKeyArray:
    """Return the key of the signs that sketch an embedding: another stream than that of W'."""
    return stream_key(seed, SIGNS)


def bytes_needed(m: int, d: int, q: int, itemsize: int) -> float:
    """Estimate the memory of a run: the sample in two precisions, the weights, and temporaries of one block.

    The gates of the sample are kept beside only where they take at most a quarter of the memory.
    """
    one_row = 40.0 * q  # pre-activations and gates of one point, in both precisions
    return (itemsize + 8.0) * m * d + (6 * itemsize + 8.0) * q * d + one_row + 1e8


def batch_bytes(batch_size: int, d: int, q: int, itemsize: int) -> float:
    """Estimate the memory of one step, and of the draws that are made ahead."""
    return float(batch_size) * (8 * DRAWN_AHEAD + itemsize * (2 * d + 8 * q))
