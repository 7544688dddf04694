"""Ctrl-C is noticed even where a library swallows it: in a callback of its own, or while it is being imported."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_seen = threading.Event()


def _note(_signal: int, _frame: FrameType | None) -> None:
    _seen.set()
    raise KeyboardInterrupt


@contextmanager
def noticed() -> Iterator[None]:
    """Keep in mind, while the context lasts, that Ctrl-C was pressed."""
    _seen.clear()
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    before = signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def pending() -> bool:
    """Return whether Ctrl-C was pressed."""
    return _seen.is_set()


def check() -> None:
    """Raise KeyboardInterrupt if Ctrl-C was pressed, whatever became of it."""
    if pending():
        raise KeyboardInterrupt
