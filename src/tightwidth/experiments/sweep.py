"""Run cells into a store: what is finished there is not run again, and every cell is kept as soon as it is there."""

import contextlib
import datetime
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from tightwidth.cell_records import CellRecord
from tightwidth.cell_store import CellStore, cell_id
from tightwidth.cell_store.identity import plain_config
from tightwidth.experiments.batches import Cell, Outcome, check_memory, cut
from tightwidth.experiments.origin import Origin
from tightwidth.experiments.schedulers.choice import check_place, choose


@dataclass(frozen=True)
class Started:
    """Say how many cells are to be run, how many of all are finished, and where the others run."""

    n_to_run: int
    n_finished: int
    where: str


@dataclass(frozen=True)
class Failed:
    """Say that a cell ended in an error; it is kept as failed, and the next run tries it again."""

    cell: Cell
    error: str


Event = Started | Failed | CellRecord


def run_cells(
    cells: Sequence[Cell],
    store: CellStore,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    local_cluster: int | None = None,
) -> Generator[CellRecord, None, None]:
    """Run the cells that the store does not have, write each into it, and yield its record as soon as it is there.

    Cells may be of several experiments.  One that ends in an error is kept as failed, `store.failures()`, and is run
    again by the next call; ``store.records(cells)`` returns all records in the order of the cells.

    Parameters
    ----------
    cells
        Names of experiments with their configs; a cell that is there twice is run once.
    store
        Where finished cells are looked up and kept; this process becomes the one that drives it.
    workers
        Processes on this machine; 0 runs the cells in this one, None takes one a core.
    scheduler
        The address of a Dask scheduler, whose workers run the cells.
    local_cluster
        Run the cells on a Dask cluster of so many worker processes on this machine.

    Raises
    ------
    InputError
        If a cell needs more memory than there is, a number of workers is none, the scheduler is not reached, or
        another process drives the store.

    Notes
    -----
    The numbers of a cell do not depend on its company.  They are the same bits however many worker processes there
    are, each of which has one thread; with ``workers=0`` JAX takes the threads that it likes, and sums may round
    differently.
    """
    steps = run_steps(cells, store, workers=workers, scheduler=scheduler, local_cluster=local_cluster)
    with contextlib.closing(steps):  # workers end with the caller's loop, however that ends
        yield from (event for event in steps if isinstance(event, CellRecord))


def run_steps(
    cells: Sequence[Cell],
    store: CellStore,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    local_cluster: int | None = None,
) -> Generator[Event, None, None]:
    """Run cells as `run_cells` does, and yield also how many there are, and which have failed."""
    check_place(workers, scheduler, local_cluster)
    store.drive()
    is_finished = store.finished(cells)
    distinct = {cell_id(*cells[place]): place for place in reversed(range(len(cells)))}
    places = sorted(place for place in distinct.values() if not is_finished[place])
    n_finished = len(distinct) - len(places)
    if not places:
        store.plan(cells)
        yield Started(0, n_finished, "nowhere")
        return
    wanted = [cells[place] for place in places]
    pool = choose(wanted, workers, scheduler, local_cluster)
    check_memory(wanted, pool.memory)  # before anything starts; and again when a cluster has told what it has
    with pool:
        check_memory(wanted, pool.memory)
        store.plan(cells)  # not before: a run that is refused leaves the plan of the last one
        yield Started(len(wanted), n_finished, str(pool))
        batches = cut(wanted, range(len(wanted)), pool.n_workers, pool.memory)
        for outcome, origin in pool.run(batches):
            cell = wanted[outcome.place]
            if outcome.values is None:
                error = outcome.error or ""
                store.write_failure(cell, error)
                yield Failed(cell, error)
            else:
                record = record_of(cell, outcome, origin)
                store.write(record)
                yield record


def record_of(cell: Cell, outcome: Outcome, origin: Origin) -> CellRecord:
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
