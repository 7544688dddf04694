"""The default generator of `jax.random`, threefry2x32, by NumPy: the same bits, with nothing to compile.

In XLA every program that draws takes a tenth of a second or more to compile, for a handful of numbers.  Words are the
two halves of a key, uint32 [..., 2]; counters are hashed with it (Salmon and others, 2011).  What a compiled loop draws
itself, `numbers_below`, is written out here too: by `jax.random` it is half of what there is to compile in a step.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, Integer, PRNGKeyArray, UInt32

NAME = "threefry2x32"
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)
FEW = 1 << 20  # numbers up to which drawing them here takes less time than compiling a program that does
EXPONENT_OF_1 = np.float32(1).view(np.uint32)
BLOCK = 1 << 12  # numbers that the one compiled program here is given, however many are wanted
LEAST = np.nextafter(np.float32(-1), np.float32(0))

Words = UInt32[np.ndarray, "... 2"]
Halves = tuple[Any, Any]  # of words, uint32, NumPy's or traced


def follows(key: PRNGKeyArray) -> bool:
    """Whether what is drawn with a key is as here: not with other generators, nor if JAX is told to count otherwise."""
    return str(jax.random.key_impl(key)) == NAME and getattr(jax.config, "jax_threefry_partitionable", True)


def words_of(key: PRNGKeyArray) -> UInt32[np.ndarray, "2"] | None:
    """Return the words of a key; None if it is traced, or if its draws are not as here."""
    if not follows(key):
        return None
    try:
        return np.asarray(jax.random.key_data(key))
    except jax.errors.TracerArrayConversionError:
        return None


def words_of_seed(seed: int) -> UInt32[np.ndarray, "2"]:
    """Return the words of ``jax.random.key(seed)``, for seeds from 0 to 2^32 - 1."""
    return np.array([0, seed], np.uint32)


def _hashed(key: Halves, low: Any) -> Halves:
    """Return the hashes of the counters (0, low) under keys, by twenty rounds, traced or not."""
    first, second = key
    keys = first, second, first ^ second ^ PARITY
    left, right = np.uint32(0) * low + first, low + second
    for i in range(5):
        for rotation in ROTATIONS[i % 2]:
            left = left + right
            right = left ^ ((right << np.uint32(rotation)) | (right >> np.uint32(32 - rotation)))
        left, right = left + keys[(i + 1) % 3], right + keys[(i + 2) % 3] + np.uint32(i + 1)
    return left, right


def _halves(words: Words) -> Halves:
    return words[..., 0], words[..., 1]


def fold_in(words: UInt32[np.ndarray, "2"], data: Integer[np.ndarray, " n"]) -> UInt32[np.ndarray, "n 2"]:
    """Return the words of ``jax.random.fold_in(key, i)`` for each i of the data."""
    return np.stack(_hashed(_halves(words[None]), data.astype(np.uint32)), axis=-1)


def split(words: Words) -> UInt32[np.ndarray, "... 2 2"]:
    """Return the words of the two keys of ``jax.random.split(key)``."""
    return np.stack(_hashed(_halves(words[..., None, :]), np.arange(2, dtype=np.uint32)), axis=-1)


def bits(words: Words, n: int) -> UInt32[np.ndarray, "... n"]:
    """Return ``jax.random.bits(key, (n,), uint32)`` for each key."""
    left, right = _hashed(_halves(words[..., None, :]), np.arange(n, dtype=np.uint32))
    return left ^ right


def orders(words: Words, m: int) -> Int[np.ndarray, "... m"]:
    """Return ``jax.random.permutation(key, m)`` for each key: the numbers below m, sorted by random bits."""
    order = np.broadcast_to(np.arange(m), (*words.shape[:-1], m))
    for _ in range(math.ceil(3 * math.log(max(1, m)) / math.log(2**32 - 1))):
        pair = split(words)
        words = pair[..., 0, :]
        sorting = np.argsort(bits(pair[..., 1, :], m), axis=-1, kind="stable")
        order = np.take_along_axis(order, sorting, axis=-1)
    return order


def below(words: UInt32[np.ndarray, "2"], n: int) -> int:
    """Return ``jax.random.randint(key, (), 0, n, int32)``, for n from 1 to 2^31 - 1."""
    high, low = (int(word) for word in bits(split(words), 1)[:, 0])
    shift = (2**16 % n) ** 2 % 2**32 % n  # of the upper bits, in 32 bits as there
    return (high % n * shift + low % n) % 2**32 % n


def numbers_below(key: PRNGKeyArray, steps: Int32[Array, " k"], n: int, m: int | Array) -> Int32[Array, "k n"]:
    """Return ``jax.random.randint(jax.random.fold_in(key, step), (n,), 0, m, int32)`` for each step, traced.

    ``follows(key)`` must hold.  The hash stands in the program twice: in a loop that folds in the step and splits the
    key, and where the bits are drawn.  Without the loop XLA fuses all into one kernel, which hashes the keys anew for
    every number and takes as long to compile as the rest of a step.
    """
    first, second = (jnp.broadcast_to(word, (len(steps), 2)) for word in jax.random.key_data(key))
    folded = jnp.broadcast_to(steps.astype(jnp.uint32)[:, None], first.shape)
    counters = jnp.stack([folded, jnp.broadcast_to(jnp.arange(2, dtype=jnp.uint32), first.shape)])
    pair = jax.lax.fori_loop(0, 2, lambda i, key: _hashed(key, counters[i]), (first, second))
    left, right = _hashed((pair[0][..., None], pair[1][..., None]), jnp.arange(n, dtype=jnp.uint32))
    drawn, span = left ^ right, jnp.asarray(m, jnp.uint32)
    shift = np.uint32(2**16) % span
    shift = shift * shift % span  # of the upper bits, in 32 bits as there
    return ((drawn[:, 0] % span * shift + drawn[:, 1] % span) % span).astype(jnp.int32)


def uniforms(words: Words, n: int) -> Float[np.ndarray, "... n"]:
    """Return the numbers in (-1, 1), in float32, whose inverse error function `jax.random.normal` takes."""
    fractions = ((bits(words, n) >> np.uint32(9)) | EXPONENT_OF_1).view(np.float32) - np.float32(1)
    return np.maximum(LEAST, fractions * (np.float32(1) - LEAST) + LEAST)


@jax.jit
def _gaussians(uniforms: Array) -> Float[Array, " n"]:
    return np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniforms)


def gaussians(words: Words, n: int) -> Float[np.ndarray, "... n"]:
    """Return ``jax.random.normal(key, (n,), float32)`` for each key."""
    wanted = uniforms(words, n)
    padded = np.zeros((-(-wanted.size // BLOCK), BLOCK), np.float32)
    padded.reshape(-1)[: wanted.size] = wanted.reshape(-1)
    with jax.enable_x64(False):  # one program for both precisions
        drawn = np.concatenate([np.asarray(_gaussians(block)) for block in padded])
    return drawn[: wanted.size].reshape(wanted.shape)
