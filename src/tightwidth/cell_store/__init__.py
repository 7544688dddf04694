"""Finished cells in one SQLite file: `CellStore.open(path)`, `store.records(cells)`, `store.write(record)`.

A cell is a pair of an experiment's name and one of its configs; `cell_id` is its identity.
"""

from tightwidth.cell_store.identity import Cell, cell_id
from tightwidth.cell_store.store import CellStore, Failure, Status

__all__ = ["Cell", "CellStore", "Failure", "Status", "cell_id"]
