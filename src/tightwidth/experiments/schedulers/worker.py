"""A worker process: batches come in on standard input, what comes of their cells goes out on standard output.

It is a command of its own, ``python -m tightwidth.experiments.schedulers.worker``, and no fork and no spawn of
`multiprocessing`: so the script that runs a sweep needs no guard, and has its own settings of JAX.
"""

import os
import pickle
import queue
import sys
import threading
from typing import Any, BinaryIO

from tightwidth.experiments.batches import Batch, outcomes
from tightwidth.experiments.origin import Origin

BATCH_IS_DONE = None


def main() -> None:
    """Say where this runs, then run batches until standard input ends."""
    requests, replies = _own_streams()
    waiting: queue.SimpleQueue[Batch] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    _send(replies, Origin.here())
    while True:
        for outcome in outcomes(waiting.get()):
            _send(replies, outcome)
        _send(replies, BATCH_IS_DONE)


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for the driver's words; what libraries print goes to standard error."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, replies


def _receive(requests: BinaryIO, waiting: "queue.SimpleQueue[Batch]") -> None:
    """Queue what comes in; when the driver has ended, however it did, end at once and in the middle of a cell."""
    while True:
        try:
            waiting.put(pickle.load(requests))
        except EOFError:
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)


def _send(replies: BinaryIO, message: Any) -> None:
    try:
        pickle.dump(message, replies)
        replies.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
