"""From rounds to what is written down: medians, ratios, and what was asked of them, as plain JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from contests import Case, Measured
from rounds import ratio_of

Outcome = dict[str, Any]


def outcome(case: Case, measured: dict[str, Measured]) -> Outcome:
    """Return what is kept of a case."""
    said = case.conclude(measured) if case.conclude else {}
    contestants = {}
    for name, found in measured.items():
        kept = asdict(found)
        if found.seconds:
            kept |= {"median": median(found.seconds), "least": min(found.seconds), "most": max(found.seconds)}
        contestants[name] = kept
    ratios = []
    for ratio in case.ratios:
        found = ratio_of(measured, ratio.of, ratio.over)
        kept = {"name": ratio.name, "at_least": ratio.at_least, "at_most": ratio.at_most}
        if found is not None:
            value, least, most = found
            kept |= {"value": value, "least": least, "most": most, "holds": ratio.holds(value)}
        ratios.append(kept)
    return {"name": case.name, "unit": case.unit, "contestants": contestants, "ratios": ratios, "facts": said}


def merged(path: Path, benchmarks: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return the benchmarks of a file with these put in the place of the older ones."""
    try:
        older = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    except FileNotFoundError:
        older = {}
    return {"benchmarks": {**older, **benchmarks}}


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Write results in one step, so that a run that is killed leaves the older ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    new.replace(path)


def in_words(seconds: float) -> str:
    """Return a time with three digits and its unit.

    Examples
    --------
    >>> in_words(3.71e-6), in_words(0.1034), in_words(75.2), in_words(2e-7)
    ('3.71 µs', '103 ms', '75.2 s', '0.2 µs')
    """
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1 or unit == "µs":
            return f"{digits(seconds * factor)} {unit}"
    raise AssertionError


def digits(value: float) -> str:
    """Return a number with three digits, and no exponent.

    Examples
    --------
    >>> digits(0.61234), digits(30.49), digits(1234.6), digits(1.0)
    ('0.612', '30.5', '1,235', '1')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lines(result: Outcome) -> list[str]:
    """Return a case as lines for a terminal."""
    told = [f"  {result['name']}: seconds a {result['unit']}"]
    for name, found in result["contestants"].items():
        if "median" not in found:
            told.append(f"    {name:40} {found['status']}")
            continue
        spread = f"({in_words(found['least'])} to {in_words(found['most'])})"
        memory = f"  peak {found['peak_MB']:,.0f} MB" if found["peak_MB"] else ""
        facts = "".join(f"  {key} {_shown(value)}" for key, value in found["facts"].items())
        ended = "" if found["status"] == "done" else f"  {found['status']}"
        told.append(f"    {name:40} {in_words(found['median']):>9} {spread}{memory}{facts}{ended}")
    for ratio in result["ratios"]:
        told.append(f"    {ratio['name']:40} {in_ratio(ratio)}")
    told += [f"    {key:40} {_shown(value)}" for key, value in result["facts"].items()]
    return told


def in_ratio(ratio: Outcome) -> str:
    """Return a ratio with its spread and what was asked of it."""
    if "value" not in ratio:
        return "not measured"
    asked = [f"at least {digits(ratio['at_least'])}"] if ratio["at_least"] is not None else []
    asked += [f"at most {digits(ratio['at_most'])}"] if ratio["at_most"] is not None else []
    spread = f"{digits(ratio['value'])} ({digits(ratio['least'])} to {digits(ratio['most'])})"
    missed = ", missed" if ratio["holds"] is False else ""
    return f"{spread}, asked {' and '.join(asked)}{missed}" if asked else spread


def _shown(value: Any) -> str:
    return digits(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
