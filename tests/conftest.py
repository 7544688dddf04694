"""What the default suite leaves to the slow one, and where compiled code is kept between runs."""

import os
from collections import defaultdict
from pathlib import Path

import pytest

CASES = 4  # of a parametrised test that the default suite runs: the first, the last, and some between them
COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the other cases as slow, unless a part of the tests was asked for."""
    if config.option.keyword or any("::" in str(argument) or ".py" in str(argument) for argument in config.args):
        return
    cases = defaultdict(list)
    for item in items:
        if "[" in item.nodeid and item.get_closest_marker("slow") is None:
            cases[item.nodeid.split("[")[0]].append(item)
    for of_one_test in cases.values():
        n = len(of_one_test)
        kept = {round(k * (n - 1) / (CASES - 1)) for k in range(CASES)} if n > CASES else set(range(n))
        for place, item in enumerate(of_one_test):
            if place not in kept:
                item.add_marker(pytest.mark.slow)
