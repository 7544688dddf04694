"""The streams of random numbers that a seed opens: one key each, made on the host, with nothing to compile.

They are keys of JAX's default generator, whichever another program makes the default.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, UInt32

from tightwidth import threefry


def stream_words(seed: int, stream: int) -> UInt32[np.ndarray, "2"]:
    """Return the words of ``fold_in(key(seed), stream)``, for numbers from 0 to 2^32 - 1."""
    return threefry.fold_in(threefry.words_of_seed(seed), np.array([stream], np.uint32))[0]


def stream_key(seed: int, stream: int) -> PRNGKeyArray:
    """Return ``fold_in(key(seed), stream)``, for numbers from 0 to 2^32 - 1."""
    words: Any = stream_words(seed, stream)
    return jax.random.wrap_key_data(words, impl=threefry.NAME)
