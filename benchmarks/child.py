"""The process of contestants: prepares and runs what it is asked for on standard input, one line of JSON each.

Needs the standard library alone, and Python 3.9, since a peer may live in an old environment.  Only the work is timed,
here and not by who asks.  The peak is VmHWM, set back once the data are there: ru_maxrss starts at that of the parent.
"""

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
import warnings
from importlib import metadata
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
NAMED = ("jax", "jaxlib", "numpy", "scipy", "scikit-learn", "torch", "neural-tangents", "scikit-ntk", "tightwidth")


def megabytes(field):
    """Return a field of the status of this process, None where there is none."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":")), None)


def reset_peak():
    """Let VmHWM start again from here; a system that does not allow it leaves it as it is."""
    with contextlib.suppress(OSError):
        RESET.write_text("5")


def versions():
    """Return the versions of the packages that matter here."""
    found = {"python": sys.version.split()[0]}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def prepared(asked, works):
    """Import and prepare a contestant, and say how it went."""
    module, function = asked["prepare"].split(":")
    try:
        works[asked["name"]] = getattr(importlib.import_module(module), function)(**asked["given"])
    except ImportError as error:
        return {"missing": str(error)}
    return {"start_MB": megabytes("VmRSS")}


def timed(work, n, slowdown):
    """Run the work, and wait in the end if it is to be slower than it is."""
    began = time.perf_counter()
    facts = work(n)
    until = began + slowdown * (time.perf_counter() - began) if slowdown > 1 else began
    while time.perf_counter() < until:
        pass
    return time.perf_counter() - began, dict(facts or {})


def answer(asked, works):
    """Do one thing that was asked for."""
    if asked["do"] == "versions":
        return versions()
    if asked["do"] == "prepare":
        told = prepared(asked, works)
        reset_peak()
        return told
    seconds, facts = timed(works[asked["name"]], asked["n"], asked["slowdown"])
    peak = megabytes("VmHWM")
    later = facts.pop("later", None)  # what is looked at when time and memory are no more counted
    return {"seconds": seconds, "facts": {**facts, **(later() if later else {})}, "peak_MB": peak}


def main():
    """Answer until the questions end."""
    warnings.simplefilter("ignore")
    if len(sys.argv) > 1 and hasattr(os, "sched_setaffinity"):  # before any library counts the cores
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(sys.argv[1]) :])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    works = {}
    for line in sys.stdin:
        try:
            told = answer(json.loads(line), works)
        except Exception:
            told = {"failed": traceback.format_exc()}
        out.write(json.dumps(told) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
