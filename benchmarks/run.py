"""Measure ours and the peers on the same work, interleaved, and write the results down.

    make bench                                         all of it: hours
    make bench ARGS="--quick"                          small sizes, in minutes: does everything run?
    make bench ARGS="--only ntk_gram products --repeats 9"
    python benchmarks/run.py --list                    without the environments of the peers, who are then missing

A full run writes benchmarks/results/latest.json, in which benchmarks that were not asked for stay as they were, and the
tables of docs/benchmarks.md.  A quick run writes benchmarks/results/quick.json and no page.  The exit status is 1 if a
contestant failed; one that is missing is no failure.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

import outcomes
import page
from contests import Case
from machine import ROOT, environment
from rounds import measure

BENCHMARKS = ("machine_limits", "algorithm1_small", "algorithm1_grid", "products", "ntk_gram", "million_rows")
BENCHMARKS = (*BENCHMARKS, "memorize_large", "cold_start", "sweep_shapes")
LIMITS = "machine_limits"  # measured in every run
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "benchmarks.md"


def cases_of(name: str, quick: bool) -> list[Case]:
    """Return the cases of a benchmark."""
    return importlib.import_module(name).cases(quick)


def run(name: str, quick: bool, repeats: int) -> outcomes.Outcome:
    """Measure one benchmark, saying what comes of it."""
    print(name, flush=True)
    found = []
    for case in cases_of(name, quick):
        began = time.perf_counter()
        found.append(outcomes.outcome(case, measure(case, repeats)))
        print("\n".join(outcomes.lines(found[-1])))
        print(f"    ({time.perf_counter() - began:.0f} s)", flush=True)
    return {"cases": found}


def failures(benchmarks: dict[str, outcomes.Outcome]) -> list[str]:
    """Return a line for each contestant that failed."""
    return [
        f"{name}, {case['name']}, {contestant}: {found['status']}"
        for name, of in benchmarks.items()
        for case in of["cases"]
        for contestant, found in case["contestants"].items()
        if found["status"].startswith("failed")
    ]


def main(arguments: list[str]) -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help="these benchmarks; see --list")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round")
    parser.add_argument("--repeats", type=int, help="rounds; 7 if not given, at most 1 or 3 where a run takes minutes")
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    parser.add_argument("--output", type=Path, help="write the results to this file, and no page")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page from the results")
    given = parser.parse_args(arguments)
    if given.list:
        for name in BENCHMARKS:
            print(f"{name:18}{page.described(name)[0].splitlines()[0]}")
        return 0
    path = given.output or RESULTS / ("quick.json" if given.quick else "latest.json")
    benchmarks: dict[str, outcomes.Outcome] = {}
    if not given.page:
        repeats, known = given.repeats or (1 if given.quick else 7), environment()
        asked = given.only or BENCHMARKS
        for name in (name for name in BENCHMARKS if name in asked or name == LIMITS):
            benchmarks[name] = {"environment": known, **run(name, given.quick, repeats)}
            outcomes.write(path, outcomes.merged(path, benchmarks))  # what is done stays, whatever comes
        print(f"written to {path}")
    if given.page or not (given.quick or given.output):
        page.write(PAGE, outcomes.merged(path, benchmarks))
        print(f"written to {PAGE}")
    failed = failures(benchmarks)
    print("\n".join(failed), end="\n" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
