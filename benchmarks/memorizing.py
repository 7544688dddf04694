"""Memorizing random points with random labels, as a contestant: in its process, or by the command in a new one."""

import os
import subprocess
import sys
import tempfile

from contests import Facts, Work

CACHE = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
CACHE = (*CACHE, "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES")


def in_process(*, points: int, dim: int) -> Work:
    """Prepare `tw.memorize` with everything chosen by itself."""
    import tightwidth as tw

    X, y = tw.sampling.random_points(points, dim, seed=0)

    def work(_: int) -> Facts:
        result = tw.memorize(X, y)
        return {
            "memorized": float(result.fraction_memorized_last),
            "pairs": result.n_pairs,
            "steps": result.n_steps,
            "batch": result.batch_size,
        }

    return work


def command(*, arguments: list[str], cached: bool = False) -> Work:
    """Prepare Python with these arguments in a new process, with an empty compilation cache, or one that was filled."""
    kept = tempfile.TemporaryDirectory(prefix="tightwidth-bench-")

    def work(_: int) -> Facts:
        # named in either case: the command would otherwise find what the user's own runs left
        with tempfile.TemporaryDirectory(dir=kept.name) as empty:
            folder = kept.name if cached else empty
            variables = {**os.environ, **dict(zip(CACHE, (folder, "0", "-1"), strict=True))}
            subprocess.run([sys.executable, *arguments], env=variables, check=True, capture_output=True)
        return {}

    return work
