"""The streams of random numbers that a seed opens: one key each.

``key(seed)`` and ``fold_in`` called one by one compile programs of their own, in both precisions.  Here they are one,
whatever the seed, the stream and the precision of the caller; keys have none.
"""

import jax
import numpy as np
from jaxtyping import Array, PRNGKeyArray


def stream_key(seed: int, stream: int) -> PRNGKeyArray:
    """Return ``fold_in(key(seed), stream)``, for numbers from 0 to 2^32 - 1."""
    with jax.enable_x64(False):
        return _stream_key(np.uint32(seed), np.uint32(stream))


@jax.jit
def _stream_key(seed: Array, stream: Array) -> PRNGKeyArray:
    return jax.random.fold_in(jax.random.key(seed), stream)
