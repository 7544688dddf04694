"""Batches on a Dask cluster (the extra ``distributed``): one that runs, by its scheduler's address, or one made here.

A worker comes back after a few seconds with what it has by then, and the rest goes out again: so little is lost if the
driver ends.  When workers die Dask suspects all tasks that they had, and the one that kills is among them.  So the
cells of suspected batches are run at the end, one at a time and nothing beside them: who is killed alone is the killer.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import tightwidth
from tightwidth import memory
from tightwidth.errors import InputError
from tightwidth.experiments.batches import Batch, Outcome, outcomes
from tightwidth.experiments.origin import Origin
from tightwidth.experiments.schedulers import died
from tightwidth.experiments.schedulers.worker_pool import ONE_THREAD

SECONDS_TO_CONNECT = 5.0
SECONDS_FOR_WORKERS = 30.0  # after which a scheduler without any is an error
SECONDS_A_BATCH = 5.0
SECONDS_TO_CLOSE = 10.0
LOST = None  # a result that went with its worker, before it came here: it is computed again
TASKS_A_THREAD = 2  # one that runs, and one that is there when it has ended


def run_for(batch: Batch, seconds: float) -> tuple[list[Outcome], Origin]:
    """Run a batch on a worker until it is done or so many seconds have passed; one cell is done at least."""
    done: list[Outcome] = []
    began = time.perf_counter()
    for outcome in outcomes(batch):
        done.append(outcome)
        if time.perf_counter() - began > seconds:
            break
    return done, Origin.here()


def version_here() -> str:
    """Return the version of the package on a worker."""
    return tightwidth.__version__


class DaskPool:
    """Run batches on a Dask cluster."""

    def __init__(self, address: str | None, n_local: int | None) -> None:
        self.address, self.n_local = address, n_local
        self.n_workers = 0  # known when the cluster is there, as is the memory that a cell may have
        self.memory = float("inf")
        self.client: Any = None
        self.cluster: Any = None

    def __str__(self) -> str:
        """Say where the cells run."""
        where = "a Dask cluster of this machine" if self.address is None else f"the Dask cluster {self.address}"
        return f"{where}, {self.n_workers} worker thread{'s' if self.n_workers != 1 else ''}"

    def __enter__(self) -> "DaskPool":
        """Make the cluster if it is to be here, and connect.

        Raises
        ------
        InputError
            If Dask is missing, the scheduler is not reached, or has no workers, or they have another version.
        """
        try:
            import distributed
        except ImportError:
            message = "a Dask cluster needs distributed, which is not installed; run: pip install "
            message += "'tightwidth[distributed]'"
            raise InputError(message) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is told by what is raised
        try:
            if self.address is None:
                self.cluster = _local_cluster(self.n_local or 1)
            self._connect(distributed, self.cluster if self.address is None else self.address)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _connect(self, distributed: Any, target: Any) -> None:
        try:
            if self.address is not None:
                asyncio.run(_shake_hands(self.address))
            self.client = distributed.Client(target, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except Exception as error:  # what listens there may be anything and answer anything
            why = " ".join(str(error).split()) or "what listens there does not answer as a scheduler does"
            message = (
                f"no Dask scheduler is reached at {self.address} ({why}); a running one is needed; check the address, "
                "as `dask scheduler` prints it, for example tcp://192.168.0.10:8786, or give --local-cluster N"
            )
            raise InputError(message) from None
        try:
            self.client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except TimeoutError:
            message = f"the Dask scheduler {self.address} has no workers; start some: dask worker {self.address}"
            raise InputError(message) from None
        try:
            versions = set(self.client.run(version_here).values())
        except Exception as error:  # whatever the import of the package raised over there
            message = (
                f"the workers of {self.address} cannot import tightwidth ({' '.join(str(error).split())}); install "
                f"tightwidth {tightwidth.__version__} where they run"
            )
            raise InputError(message) from None
        if versions != {tightwidth.__version__}:
            message = (
                f"the workers of {self.address} have tightwidth {', '.join(sorted(versions))}, and this is "
                f"{tightwidth.__version__}; numbers may differ; install {tightwidth.__version__} there"
            )
            raise InputError(message)
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        self.n_workers = sum(worker["nthreads"] for worker in workers)
        limits = [worker["memory_limit"] / worker["nthreads"] for worker in workers if worker["memory_limit"]]
        self.memory = memory.USABLE_SHARE * min(limits, default=float("inf"))

    def __exit__(self, *_error: object) -> None:
        """Forget the tasks that are under way, and end the cluster if it was made here."""
        for part in (self.client, self.cluster):
            if part is not None:
                with contextlib.suppress(TimeoutError, OSError):  # what is finished counts, and not how it ends
                    part.close(timeout=SECONDS_TO_CLOSE)
        self.client = self.cluster = None

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Outcome, Origin]]:
        """Yield what comes of every cell, a few seconds' worth of them at a time.

        Raises
        ------
        InputError
            If the scheduler is lost on the way.
        """
        from distributed import as_completed

        waiting, under_way = deque(batches), {}
        suspects: deque[Batch] = deque()
        done = as_completed(loop=self.client.loop)

        def send(batch: Batch) -> None:
            future = self.client.submit(run_for, batch, SECONDS_A_BATCH, pure=False)
            under_way[future] = batch
            done.add(future)

        while waiting or suspects or under_way:
            while waiting and len(under_way) < TASKS_A_THREAD * max(self.n_workers, 1):
                send(waiting.popleft())
            is_alone = not under_way
            if is_alone:
                send(suspects.popleft())
            future = next(done)
            batch = under_way.pop(future)
            result = self._result(future)
            if result is LOST:
                (suspects if is_alone else waiting).appendleft(batch)
            elif isinstance(result, tuple):
                found, origin = result
                left = set(batch.places) - {outcome.place for outcome in found}
                if left:
                    waiting.appendleft(batch.only(sorted(left)))
                for outcome in found:
                    yield outcome, origin
            elif is_alone:
                unknown = Origin("unknown", "unknown", tightwidth.__version__, None)
                yield died(batch.places[0], "died", result), unknown
            else:
                suspects.extend(batch.only([place]) for place in batch.places)

    def _result(self, future: Any) -> Any:
        """Return outcomes with their origin, or LOST, or how many workers died with the task.

        Raises
        ------
        InputError
            If the scheduler is gone, or workers lack what a batch needs.
        """
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            return LOST if future.status == "lost" else future.result()
        except KilledWorker as error:
            return error.allowed_failures + 1
        except (CancelledError, asyncio.CancelledError):
            if self._is_connected():
                return LOST
            message = (
                "the Dask scheduler is gone; the cells that were finished are kept; run the same command again when "
                "it is back"
            )
            raise InputError(message) from None
        except Exception as error:
            message = f"a Dask worker could not run a batch ({type(error).__name__}: {error}); see that all workers "
            message += f"have the packages and modules of this machine, tightwidth {tightwidth.__version__} among them"
            raise InputError(message) from error

    def _is_connected(self) -> bool:
        """Return whether the scheduler answers."""
        if self.client.status != "running":
            return False
        try:
            self.client.run_on_scheduler(_answer)
        except Exception:  # of whatever kind: it does not
            return False
        return True


def _answer() -> bool:
    """Return that this runs."""
    return True


async def _shake_hands(address: str) -> None:
    """Raise if no scheduler answers; a client that does not come to be would keep trying in a thread of its own."""
    from distributed.comm.core import connect

    async def greet() -> None:
        comm = await connect(address, timeout=SECONDS_TO_CONNECT)
        await comm.close()

    # a server that speaks another protocol may leave the greeting open for ever
    await asyncio.wait_for(greet(), SECONDS_TO_CONNECT + 1)


def _local_cluster(n_workers: int) -> Any:
    """Return a cluster on this machine: processes with one thread each, so that they do not fight over the cores."""
    from dask import config
    from distributed import LocalCluster

    name = "distributed.nanny.pre-spawn-environ"
    with config.set({name: {**config.get(name, {}), **ONE_THREAD}}):
        return LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,  # pyright: ignore[reportArgumentType] (documented: none is served)
            silence_logs=logging.CRITICAL,
        )
