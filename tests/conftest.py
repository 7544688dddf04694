"""What the default suite leaves to the slow one, and how code is compiled, and kept between runs."""

import os
from pathlib import Path

import pytest

COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_configure(config: pytest.Config) -> None:
    """Set what jax and numpy read when they are first imported, here and in the processes that tests start.

    In the default suite thousands of programs run once or twice on little data, so that most of the time went into
    optimizing what then ran for a millisecond: it compiles quickly. Two processes on two cores gain nothing by
    threads, and those of the BLAS spin while they wait for work, at the cost of the other process: where there are
    several processes each has one thread.

    The slow tests, among them the other cases of the same tests, run what users run: code compiled with all
    optimizations, and as many threads as there are cores. What is set outside is left as it is, so that
    JAX_DISABLE_MOST_OPTIMIZATIONS=0 asks for optimized code here too.
    """
    if "not slow" not in config.option.markexpr:
        return
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    if config.getoption("numprocesses", None):
        for threads in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # of XLA, of scikit-learn, of NumPy
            os.environ.setdefault(threads, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark all cases of a test but its first as slow, unless a part of the tests was asked for."""
    if config.option.keyword or any("::" in str(argument) or ".py" in str(argument) for argument in config.args):
        return
    seen = set()
    for item in items:
        if "[" in item.nodeid and item.get_closest_marker("slow") is None:
            test = item.nodeid.split("[")[0]
            if test in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(test)
