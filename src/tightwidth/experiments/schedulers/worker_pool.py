"""Worker processes on this machine: each has one thread, and stays with a group of cells while that has some left."""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from tightwidth.errors import InputError
from tightwidth.experiments.batches import Batch, Outcome
from tightwidth.experiments.origin import Origin
from tightwidth.experiments.schedulers import MOST_DEATHS, died

MOST_FAILED_STARTS = 3
SECONDS_TO_END = 2.0  # for a process that has closed its output
ONE_THREAD = {
    "NPROC": "1",  # of XLA
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # several processes may look at one GPU
}


class _Worker:
    """Hold a worker process, what it runs, and what it said on standard error."""

    def __init__(self, said: "queue.SimpleQueue[tuple[_Worker, Any]]") -> None:
        self.batch: Batch | None = None
        self.left: set[int] = set()
        self.group: int | None = None  # of the batch before
        self.origin: Origin | None = None
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tightwidth.experiments.schedulers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C is for the driver
        )
        threading.Thread(target=self._listen, args=(said,), daemon=True).start()

    def _listen(self, said: "queue.SimpleQueue[tuple[_Worker, Any]]") -> None:
        """Pass on what the process says; its end is an EOFError."""
        assert self.process.stdout is not None
        while True:
            try:
                message = pickle.load(self.process.stdout)
            except Exception as error:  # also a message that was cut off
                said.put((self, error if isinstance(error, EOFError) else EOFError(str(error))))
                return
            said.put((self, message))

    def give(self, batch: Batch) -> None:
        """Let the process run a batch; if it has died, `_listen` tells."""
        self.batch, self.left, self.group = batch, set(batch.places), batch.group
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(batch, self.process.stdin)
            self.process.stdin.flush()

    def end(self, patience: float = 0.0) -> str:
        """End the process after so many seconds, unless it has ended, and return how it did."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.process.kill()
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        self.errors.close()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return how + (f" ({lines[-1].strip()})" if lines else "")


class WorkerPool:
    """Run batches in processes of this machine, in place of those that die new ones."""

    def __init__(self, n_workers: int, memory: float) -> None:
        self.n_workers, self.memory = n_workers, memory
        self.workers: list[_Worker] = []
        self.said: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()
        self.waiting: dict[int, deque[Batch]] = {}  # by their groups
        self.deaths: Counter[int] = Counter()
        self.failed_starts = 0

    def __str__(self) -> str:
        """Say where the cells run."""
        return "1 worker process" if self.n_workers == 1 else f"{self.n_workers} worker processes"

    def __enter__(self) -> "WorkerPool":
        """Start the processes.

        Raises
        ------
        InputError
            If the system does not let so many start.
        """
        try:
            for _ in range(self.n_workers):
                self.workers.append(_Worker(self.said))
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread that listens to it
            n = len(self.workers)
            self.__exit__()
            message = f"{self.n_workers} worker processes cannot be started, {n} could ({error}); give fewer --workers"
            raise InputError(message) from None
        return self

    def __exit__(self, *_error: object) -> None:
        """End the processes at once."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.end()
        self.workers = []

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Outcome, Origin]]:
        """Yield what comes of every cell, as soon as it is there.

        A cell under which a worker died is run again by itself, and counts as failed after the third time.

        Raises
        ------
        InputError
            If processes end before they can run anything.
        """
        for batch in batches:
            self._wait(batch)
        n_left = sum(len(batch.places) for batch in batches)
        while n_left > 0:
            worker, message = self.said.get()
            if worker not in self.workers:
                continue  # it was ended on purpose
            if isinstance(message, Outcome):
                worker.left.discard(message.place)
                n_left -= 1
                assert worker.origin is not None
                yield message, worker.origin
            elif isinstance(message, EOFError):
                for outcome, origin in self._buried(worker):
                    n_left -= 1
                    yield outcome, origin
            else:
                self._is_free(worker, message)

    def _is_free(self, worker: _Worker, message: Origin | None) -> None:
        """Give a worker that has started, or has done its batch, another one."""
        if message is not None:
            worker.origin, self.failed_starts = message, 0
            others = [other.origin for other in self.workers if other is not worker and other.origin is not None]
            if message.platform != "cpu" and others:  # an accelerator has one process
                self.workers.remove(worker)
                worker.end()
                return
        worker.batch = None
        self._feed(worker)

    def _wait(self, batch: Batch) -> None:
        self.waiting.setdefault(batch.group, deque()).append(batch)

    def _feed(self, worker: _Worker) -> None:
        """Give a batch of the group that the worker has compiled for, or else of one that no other works at."""
        if not self.waiting:
            return
        group = worker.group
        if group not in self.waiting:
            busy = {other.group for other in self.workers if other.batch is not None}
            most = max(self.waiting, key=lambda group: len(self.waiting[group]))
            group = next((group for group in self.waiting if group not in busy), most)
        worker.give(self.waiting[group].popleft())
        if not self.waiting[group]:
            del self.waiting[group]

    def _buried(self, worker: _Worker) -> list[tuple[Outcome, Origin]]:
        """Put a new worker in the place of one that died, its cells back, and return those that failed by it."""
        self.workers.remove(worker)
        how = worker.end(patience=SECONDS_TO_END)
        if worker.origin is None:
            self.failed_starts += 1
            if self.failed_starts >= MOST_FAILED_STARTS:
                message = (
                    f"worker processes do not start: the last one {how}; see what this says of the machine or the "
                    "installation, or run the cells in one process with --workers 0"
                )
                raise InputError(message)
        self.workers.append(_Worker(self.said))
        failed = []
        if worker.batch is not None and worker.origin is not None:
            for place in sorted(worker.left):
                self.deaths[place] += 1
                if self.deaths[place] >= MOST_DEATHS:
                    failed.append((died(place, how, self.deaths[place]), worker.origin))
                else:
                    self._wait(worker.batch.only([place]))
        for other in self.workers:
            if other.origin is not None and other.batch is None:
                self._feed(other)
        return failed
