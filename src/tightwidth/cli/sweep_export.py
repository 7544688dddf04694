"""The cells of a database as a table: one column for each number of the config and each that was measured."""

import csv
import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tightwidth.cell_records import CellRecord
from tightwidth.cell_store import CellStore
from tightwidth.errors import InputError

BEFORE = ("experiment", "seed")
AFTER = ("seconds", "device", "version", "commit", "finished")
LARGEST_WHOLE = 2**63 - 1  # of a column of whole numbers; of larger ones a column of floats is made
INFINITE = {"inf": float("inf"), "-inf": float("-inf")}


class ExportReport(BaseModel):
    """What was written."""

    database: str
    file: str
    rows: int
    columns: list[str]


def export(database: Path, file: Path, experiment: str | None) -> ExportReport:
    """Write the finished cells, in an order that does not depend on when each was finished.

    Raises
    ------
    InputError
        If there are no such cells, or the file cannot be written.
    """
    with CellStore.open(database, create=False) as store:
        records = [r for r in store.all_records() if experiment in (None, r.experiment)]
        known = store.status().experiments
    if not records:
        what = "finished cells" if experiment is None else f"finished cells of {experiment!r}"
        message = f"{database} has no {what}; it has {known or 'none at all'}; run the sweep first"
        raise InputError(message)
    records.sort(key=_order)
    table = columns(records)
    partial = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        (_write_csv if file.suffix == ".csv" else _write_parquet)(table, partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return ExportReport(database=str(database), file=str(file), rows=len(records), columns=list(table))


def _order(record: CellRecord) -> tuple[Any, ...]:
    """Order by the experiment, then the config, and the seed last."""
    return record.experiment, [_rank(value) for name, value in record.config.items() if name != "seed"], record.seed


def _rank(value: Any) -> tuple[int, Any]:
    """Order values of one field: the missing, then numbers, then words and lists."""
    value = INFINITE.get(value, value) if isinstance(value, str) else value
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, int | float) else (2, json.dumps(value))


def columns(records: list[CellRecord]) -> dict[str, list[Any]]:
    """Return the table by columns; a measured value with the name of another column is called ``measured.NAME``."""
    configs = dict.fromkeys(name for record in records for name in record.config if name != "seed")
    taken = {*BEFORE, *configs, *AFTER}
    measured = dict.fromkeys(name for record in records for name in record.values)
    table: dict[str, list[Any]] = {name: [getattr(record, name) for record in records] for name in BEFORE}
    table |= {name: [record.config.get(name) for record in records] for name in configs}
    for name in measured:
        column = f"measured.{name}" if name in taken else name
        table[column] = [record.values.get(name) for record in records]
    return table | {name: [getattr(record, name) for record in records] for name in AFTER}


def _write_csv(table: dict[str, list[Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle)
        out.writerow(table)
        out.writerows([_text(value) for value in row] for row in zip(*table.values(), strict=True))


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _write_parquet(table: dict[str, list[Any]], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        message = f"{path} needs pyarrow, which is not installed; run: pip install 'tightwidth[parquet]'"
        raise InputError(message) from None
    parquet.write_table(pyarrow.table({name: _of_one_kind(column) for name, column in table.items()}), path)


def _of_one_kind(column: list[Any]) -> list[Any]:
    """Return values of which a column of numbers, truth values, words or lists can be made; words if nothing else."""
    there = [INFINITE.get(value, value) if isinstance(value, str) else value for value in column if value is not None]
    kinds = set(map(type, there))
    if kinds <= {int, float} and there:
        number: Any = int if kinds == {int} and all(abs(int(value)) <= LARGEST_WHOLE for value in there) else float
        return [None if value is None else number(value) for value in column]  # float("inf") is infinite
    if len(kinds) <= 1:
        return column
    return [value if value is None or isinstance(value, str) else json.dumps(value) for value in column]
