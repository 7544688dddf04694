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
    folder = tempfile.TemporaryDirectory(prefix="tightwidth-bench-")
    variables = {name: value for name, value in os.environ.items() if name not in CACHE}
    if cached:
        variables |= dict(zip(CACHE, (folder.name, "0", "-1"), strict=True))

    def work(_: int) -> Facts:
        assert folder is not None  # it lives as long as the work
        subprocess.run([sys.executable, *arguments], env=variables, check=True, capture_output=True)
        return {}

    return work
