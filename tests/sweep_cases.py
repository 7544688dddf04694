"""Experiments for the tests of sweeps, which worker processes import by their names: quick, slow, failing, deadly."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tightwidth.cell_records import CellRecord
from tightwidth.experiments.experiment import Config, Experiment, one_by_one

LOG = "SWEEP_CASES_LOG"  # a file that is told of every cell that is run, and by which process
WRONG_VALUES = (None, {1: 2.0}, {"word": "\udcff"}, {"\udcff": 1.0}, {"set": {1}})


class CaseConfig(Config):
    """Hold a number, how long the cell sleeps, and what happens in it."""

    x: int = 0
    sleep: float = 0.0
    does: str = "nothing"
    scale: float = 1.0


def run_one(config) -> Any:
    """Return numbers that depend on all of the config; do what it says."""
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a", encoding="utf-8") as log:
            log.write(f"{os.getpid()} {config.x} {config.seed}\n")
    time.sleep(config.sleep)
    if config.does == "raise" and config.x == 1:
        message = "no such number\nsecond line"
        raise RuntimeError(message)
    if config.does == "die" and config.x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if config.does == "wrong values" and config.x < len(WRONG_VALUES):
        return WRONG_VALUES[config.x]
    value = (7919 * config.x + 31 * config.seed) * config.scale
    if config.does == "nan":
        return {"value": float("nan"), "bound": float("inf"), "list": [1.0, float("nan")] if config.x == 1 else [1.0]}
    return {"value": value / 3, "list": [config.x, config.seed], "name": f"x{config.x}", "none": None}


def run_backwards(configs):
    """Yield what comes of cells in the opposite order; one that is deadly for a batch raises before all values."""
    if any(config.does == "raise" and config.x == 1 for config in configs):
        message = "no such number"
        raise RuntimeError(message)
    for place in reversed(range(len(configs))):
        yield place, run_one(configs[place])


def needs(config):
    """Return more memory than any machine has for large x."""
    return 1e3 if config.x < 10**6 else 1e18


PLAIN = Experiment("PLAIN", "numbers", CaseConfig, one_by_one(run_one), needs)
GROUPED = Experiment("GROUPED", "numbers in groups", CaseConfig, run_backwards, needs, lambda config: config.x % 3)
NAME, GROUPED_NAME = "sweep_cases:PLAIN", "sweep_cases:GROUPED"


def cells(n_x, seeds=1, name=NAME, **fixed):
    """Return cells for x = 0, 1, ... and so many seeds."""
    return [(name, CaseConfig(x=x, seed=seed, **fixed)) for x in range(n_x) for seed in range(seeds)]


def without_times(records):
    """Return what is the same in every run, sorted."""
    return sorted((r.experiment, sorted(r.config.items()), sorted(r.values.items()), r.seed) for r in records)


def plain_record(**changes):
    """Return a record of the default cell."""
    numbers = {"experiment": NAME, "config": CaseConfig().model_dump(), "seed": 0, "values": {}, "seconds": 0.5}
    where = {"device": "cpu", "version": "0", "finished": "2020-01-02T03:04:05+00:00"}
    return CellRecord(**{**numbers, **where, **changes})
