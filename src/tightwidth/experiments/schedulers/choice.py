"""Which scheduler runs the cells, and on how many workers."""

import os
from collections.abc import Sequence

from tightwidth import memory
from tightwidth.errors import InputError
from tightwidth.experiments.batches import Cell, largest_cell
from tightwidth.experiments.schedulers import Scheduler

MOST_WORKERS = 1024


def check_place(workers: int | None, scheduler: str | None, local_cluster: int | None) -> None:
    """Raise unless one place to run cells is named at most, and numbers of processes are some.

    Raises
    ------
    InputError
        If two places are named, or a number is out of its range.
    """
    given = {"workers": workers, "scheduler": scheduler, "local_cluster": local_cluster}
    named = [f"{name}={value}" for name, value in given.items() if value is not None]
    if len(named) > 1:
        message = f"{' and '.join(named)} exclude each other; give one of them"
        raise InputError(message)
    if workers is not None and not 0 <= workers <= MOST_WORKERS:
        message = f"workers={workers} must be from 0 (this process) to {MOST_WORKERS}; leave it out for one a core"
        raise InputError(message)
    if local_cluster is not None and not 1 <= local_cluster <= MOST_WORKERS:
        message = f"local_cluster={local_cluster} must be from 1 to {MOST_WORKERS}; give the number of worker processes"
        raise InputError(message)


def choose(cells: Sequence[Cell], workers: int | None, scheduler: str | None, local_cluster: int | None) -> Scheduler:
    """Return where cells run: for the number of workers left open one a core, if the memory is enough for all."""
    if scheduler is not None or local_cluster is not None:
        from tightwidth.experiments.schedulers.dask_pool import DaskPool

        return DaskPool(scheduler, local_cluster)
    usable = memory.USABLE_SHARE * memory.machine_memory()
    if workers == 0:
        from tightwidth.experiments.schedulers.in_process import InProcess

        return InProcess(usable)
    from tightwidth.experiments.schedulers.worker_pool import WorkerPool

    n = n_cores() if workers is None else workers
    if workers is None:
        n = max(1, min(n, int(usable / max(largest_cell(cells)[0], 1.0))))
    n = min(n, len(cells))
    return WorkerPool(n, usable / n)


def n_cores() -> int:
    """Return the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1
