"""Compare a few ratios of times with those that were committed: a change that makes ours slower by a third fails.

    python benchmarks/gate.py                  the exit status is 1 if a ratio is above its limit in each of 3 attempts
    python benchmarks/gate.py --write          write benchmarks/baseline.json, on a machine that does nothing else
    python benchmarks/gate.py --slowdown 1.5   make ours slower, to see that the gate closes

Ratios alone, against contestants that need no other environment and run in the same process in the same rounds: times
do not travel from one machine to another.  All run on one core, in many short runs, and the least time counts: whatever
else the machine does, some runs are not disturbed.  A case that is above its limit is measured again, since a noisy
machine can make one attempt look bad; code that has become slower looks bad in each.
"""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contests import Case, Contestant, Ratio
from outcomes import digits
from rounds import measure

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE, ATTEMPTS, ROUNDS = 1.3, 3, 60
OURS = ("displacement", "tangent", "NTK, ours")
Ratios = dict[str, float]


def cases() -> list[Case]:
    """Return what is measured: small, so that it takes seconds, and large enough to be compared."""
    found = []
    for batch in (1, 256):
        given = {"d": 64, "q": 256, "b": batch}
        contestants = (
            Contestant("displacement", "steps_of_ours:ours", {**given, "B": 1.0}, process="jax"),
            Contestant("tangent", "steps_of_ours:ours", {**given, "B": math.inf}, process="jax"),
            Contestant("plain JAX", "steps_of_ours:plain_jax", given, process="jax"),
        )
        ratios = (Ratio("displacement", "plain JAX"), Ratio("tangent", "plain JAX"))
        found.append(Case(f"step, batch {batch}", "step", contestants, ratios, seconds=0.02, cores=1))
    for dtype in ("float32", "float64"):
        given = {"n": 1536, "d": 100, "dtype": dtype}
        contestants = (
            Contestant("NTK, ours", "grams:ours", given, process="jax"),
            Contestant("bare product", "grams:bare_product", given, process="jax"),
        )
        ratios = (Ratio("NTK, ours", "bare product"),)
        found.append(Case(f"Gram, {dtype}", "matrix", contestants, ratios, cores=1, most_repeats=20))
    return found


def slower(case: Case, slowdown: float) -> Case:
    """Return the case with ours slower than it is."""
    contestants = tuple(
        dataclasses.replace(contestant, slowdown=slowdown) if contestant.name in OURS else contestant
        for contestant in case.contestants
    )
    return case.replaced(contestants=contestants)


def ratios_of(case: Case, rounds: int = ROUNDS) -> Ratios:
    """Measure a case, and return its ratios, least time over least time, by name.

    Raises
    ------
    RuntimeError
        If a contestant did not run.
    """
    measured = measure(case, rounds)
    for name, found in measured.items():
        if found.status != "done":
            message = f"{case.name}, {name}: {found.status}; the gate needs every contestant"
            raise RuntimeError(message)
    least = {name: min(found.seconds) for name, found in measured.items()}
    return {f"{case.name}: {ratio.name}": least[ratio.of] / least[ratio.over] for ratio in case.ratios}


def above(found: Mapping[str, float], baseline: Mapping[str, float], tolerance: float = TOLERANCE) -> list[str]:
    """Return the names of the ratios that are above ``tolerance`` times their baseline.

    Raises
    ------
    KeyError
        If a ratio has no baseline.
    """
    return [name for name, value in found.items() if value > tolerance * baseline[name]]


def passes(
    attempt: Callable[[], Ratios], baseline: Mapping[str, float], *, tolerance: float = TOLERANCE, say: Any = print
) -> bool:
    """Return whether each ratio is below its limit in one attempt of three, saying what was found."""
    standing: set[str] | None = None
    for _ in range(ATTEMPTS):
        found = attempt()
        slow = set(above(found, baseline, tolerance))
        standing = slow if standing is None else standing & slow
        for name, value in found.items():
            limit = f"baseline {digits(baseline[name])}, limit {digits(tolerance * baseline[name])}"
            say(f"{name:42} {digits(value):>7}   {limit}{'   above' if name in slow else ''}")
        if not standing:
            return True
    return False


def main(arguments: list[str]) -> int:
    """Compare, or write the baseline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the baseline instead of comparing with it")
    parser.add_argument("--slowdown", type=float, default=1.0, help="let ours take so many times as long")
    given = parser.parse_args(arguments)
    if given.write:
        written = {
            name: float(f"{value:.3g}") for case in cases() for name, value in ratios_of(case, 3 * ROUNDS).items()
        }
        BASELINE.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        print(f"written to {BASELINE}: {written}")
        return 0
    baseline: Ratios = json.loads(BASELINE.read_text(encoding="utf-8"))
    closed = [
        case.name
        for case in (slower(case, given.slowdown) for case in cases())
        if not passes(lambda case=case: ratios_of(case), baseline)
    ]
    print(f"slower than the baseline allows: {', '.join(closed)}" if closed else "no ratio is above its limit")
    return 1 if closed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
