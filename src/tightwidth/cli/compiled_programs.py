"""Keep what JAX compiles from command to command: the second one of a size starts in half the time.

Everything is said by the environment, which JAX reads when it is imported, so that a user's own settings go first, and
the library itself sets nothing.
"""

import contextlib
import os
import time
import warnings
from pathlib import Path

SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
PLACE = "JAX_COMPILATION_CACHE_DIR"
DAYS = 30  # after which what was compiled is compiled again: nothing grows for ever, and a torn file does not stay


def keep() -> None:
    """Let JAX keep its programs in the user's cache folder, unless the environment names another or forbids it."""
    if PLACE in os.environ:
        _keep_small_ones()
        return
    folder = _folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _forget_old(folder)
    if not os.access(folder, os.W_OK):
        return
    os.environ[PLACE] = str(folder)
    _keep_small_ones()
    # a file torn by a kill is compiled anew, which is nothing to tell anybody
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")


def _keep_small_ones() -> None:
    """Let JAX keep programs that compile in less than a second too, as nearly all of them do here."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def _folder() -> Path | None:
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():  # as the standard says of such a value
        with contextlib.suppress(RuntimeError):
            root = Path.home() / ".cache"
    return root / "tightwidth" if root.is_absolute() else None


def _forget_old(folder: Path) -> None:
    oldest = time.time() - DAYS * 86400
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            if file.is_file() and file.stat().st_mtime < oldest:
                file.unlink()
