"""The tables of docs/benchmarks.md, between its markers; the text around them is written by hand."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcomes import Outcome, digits, in_ratio, in_words

BEGIN, END = "<!-- results: begin, written by make bench -->", "<!-- results: end -->"
NAMED = {"bench": "ours and the peers", "neural-tangents": "neural-tangents"}  # environments


def written_into(text: str, results: Mapping[str, Any]) -> str:
    """Return the page with these results between its markers.

    Raises
    ------
    ValueError
        If the page has no markers.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        message = f"the page needs the lines {BEGIN!r} and {END!r}, once each; put them where the tables should be"
        raise ValueError(message)
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{tables(results)}\n{END}{rest.split(END)[1]}"


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Write the tables into the page."""
    path.write_text(written_into(path.read_text(encoding="utf-8"), results), encoding="utf-8")


def tables(results: Mapping[str, Any]) -> str:
    """Return a section for each benchmark, and before them where they were measured."""
    benchmarks: dict[str, Outcome] = results["benchmarks"]
    environments = {tuple(sorted(where(of).items())): None for of in benchmarks.values()}
    numbers = {place: number for number, place in enumerate(environments, start=1)}
    parts = []
    for place, number in numbers.items():
        label = f"Run {number}" if len(numbers) > 1 else "Run"
        parts += [f"*{label}.* " + "; ".join(text for _, text in place) + ".", ""]
    for name, of in benchmarks.items():
        title, about = described(name)
        number = numbers[tuple(sorted(where(of).items()))]
        parts += [f"### {name}", "", title, ""]
        parts += [about, ""] if about else []
        parts += [f"From run {number}.", ""] if len(numbers) > 1 else []
        parts += [*section(of["cases"]), ""]
    return "\n".join(parts)


def where(of: Outcome) -> dict[str, str]:
    """Return what is said of the environment, in the order of its keys."""
    known = of["environment"]
    told = {
        "1": f"{known['cpu']}, {known['cores']} cores, {known['memory_GB']} GB, {known['system']}",
        "2": f"commit {known['commit']}{' with changes' if known['changed'] else ''}, {known['date'].split()[0]}",
    }
    for place, (name, versions) in enumerate(known["versions"].items(), start=3):
        if versions:
            told[str(place)] = f"{NAMED[name]}: " + ", ".join(f"{key} {value}" for key, value in versions.items())
    return told


def described(name: str) -> tuple[str, str]:
    """Return the first paragraph and the others of the module of a benchmark, as lines."""
    text = (importlib.import_module(name).__doc__ or "").strip().replace("<", "&lt;")  # Markdown takes <u, v> for a tag
    first, _, others = text.partition("\n\n")
    return first.replace("  ", " "), others.strip().replace("  ", " ")


def section(cases: list[Outcome]) -> list[str]:
    """Return the tables of one benchmark: times, ratios, and what else was found."""
    names = list(dict.fromkeys(name for case in cases for name in case["contestants"]))
    rows = {name: [_contestant(case, name) for case in cases] for name in names}
    told = _table(f"time a {cases[0]['unit']}", [case["name"] for case in cases], rows)
    ratios = list(dict.fromkeys(ratio["name"] for case in cases for ratio in case["ratios"]))
    if ratios:
        rows = {name: [_ratio(case, name) for case in cases] for name in ratios}
        told += ["", *_table("ratio", [case["name"] for case in cases], rows)]
    facts = [(case["name"], key, value) for case in cases for key, value in case["facts"].items()]
    told += [""] if facts else []
    return told + [f"- {name}: {key} {_shown(value)}" for name, key, value in facts]


def _table(corner: str, columns: list[str], rows: dict[str, list[str]]) -> list[str]:
    """Return a table; one with many columns is turned round."""
    if len(columns) > 4:
        turned = {column: [cells[place] for cells in rows.values()] for place, column in enumerate(columns)}
        columns, rows = list(rows), turned
    head = [f"| {corner} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return head + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]


def _contestant(case: Outcome, name: str) -> str:
    found = case["contestants"].get(name)
    if found is None:
        return ""
    if "median" not in found:
        return found["status"].split(":")[0]
    told = [in_words(found["median"])]
    told += [f"{_shown(value)} {key}" for key, value in found["facts"].items() if key != "dtype"]
    told += [f"{digits(found['peak_MB'])} MB"] if found["peak_MB"] else []
    return ", ".join(told)


def _ratio(case: Outcome, name: str) -> str:
    return next((in_ratio(ratio) for ratio in case["ratios"] if ratio["name"] == name), "")


def _shown(value: Any) -> str:
    return digits(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
