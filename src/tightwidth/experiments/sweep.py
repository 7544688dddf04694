"""Run cells into a store: what is finished there is not run again, and every cell is kept as soon as it is there."""

import datetime
from collections.abc import Iterator, Sequence

from tightwidth.cell_records import CellRecord
from tightwidth.cell_store import CellStore, cell_id
from tightwidth.cell_store.identity import plain_config
from tightwidth.experiments import batches
from tightwidth.experiments.experiment import Config
from tightwidth.experiments.origin import Origin


def run_cells(
    cells: Sequence[tuple[str, Config]], store: CellStore, *, workers: int | None = None
) -> Iterator[CellRecord]:
    """Run the cells that the store does not have, write each into it, and yield its record as soon as it is there.

    Cells may be of several experiments.  One that ends in an error is kept as failed, `store.failures()`, and is run
    again by the next call; ``store.records(cells)`` returns all records in the order of the cells.

    Parameters
    ----------
    cells
        Names of experiments with their configs; a cell that is there twice is run once.
    store
        Where finished cells are looked up and kept.
    workers
        Processes on this machine; 0 runs the cells in this one, None takes one a core.
    """
    store.drive()
    store.plan(cells)
    done = store.finished(cells)
    first = {cell_id(name, config): place for place, (name, config) in reversed(list(enumerate(cells)))}
    places = sorted(place for place in first.values() if not done[place])
    origin = Origin.here()
    for batch in batches.cut(cells, places, 16):
        for outcome in batches.outcomes(batch):
            cell = cells[outcome.place]
            if outcome.values is None:
                store.write_failure(cell, outcome.error or "")
                continue
            record = record_of(cell, outcome, origin)
            if store.write(record):
                yield record


def record_of(cell: tuple[str, Config], outcome: batches.Outcome, origin: Origin) -> CellRecord:
    """Return the record of a cell that is finished now."""
    name, config = cell
    return CellRecord(
        experiment=name,
        config=plain_config(config),
        seed=config.seed,
        values=outcome.values or {},
        seconds=outcome.seconds,
        device=origin.device,
        version=origin.version,
        commit=origin.commit,
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
