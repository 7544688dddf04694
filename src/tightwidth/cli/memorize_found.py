"""What is said of a search for the smallest width, from the record alone: a run without one imports no search."""

from tightwidth.records.memorization import MemorizeRecord
from tightwidth.records.search import SearchRecord, SmallestRecord


def counted(n_seeds: int) -> str:
    """Return "1 seed", "2 seeds" and so on."""
    return f"{n_seeds} seed{'s' * (n_seeds != 1)}"


def is_fruitless(record: MemorizeRecord) -> bool:
    """Return whether there was a search and it found no width at all."""
    search = record.search
    return search is not None and not search.tangent.widths_found and not search.finite.widths_found


def rows(record: MemorizeRecord) -> list[tuple[str, SmallestRecord, str]]:
    """Return what a search adds to the table: a name, the numbers, and the interval over the seeds."""
    search = record.search
    if search is None:
        return []
    return [(name, row, _interval(row, search)) for name, row in _named(search)]


def _named(search: SearchRecord) -> list[tuple[str, SmallestRecord]]:
    return [("tangent", search.tangent), ("finite B", search.finite)]


def _interval(row: SmallestRecord, search: SearchRecord) -> str:
    found, n_seeds = row.widths_found, len(search.seeds)
    if not found and not search.finished:
        return "interrupted before any width was found"
    if not found:
        return f"no width found for {counted(n_seeds)}"
    pairs = f"{row.low} pairs" if row.low == row.high else f"{row.low} to {row.high} pairs"
    text = f"{pairs} over {counted(len(found))}"
    return text if len(found) == n_seeds else f"{text}, none found for {n_seeds - len(found)}"


def lines(record: MemorizeRecord) -> list[str]:
    """Return the lines that say how it was searched, and what a width that was found means."""
    search = record.search
    if search is None:
        return []
    tangent, finite = search.tangent, search.finite
    how = "by bisection" if search.finished else "by a bisection that was interrupted"
    text = [
        f"searched    {how}, {counted(len(search.seeds))} from {search.seeds[0]} on, {len(search.attempts):,} runs in "
        f"{search.seconds:.1f} s; {tangent.loss} loss in the linear limit, "
        f"{finite.loss} loss at a finite B",
        f"budget      a width is enough if a run memorizes everything within {tangent.n_epochs:,} epochs of batches of "
        f"{tangent.batch_size} points (tangent) or {finite.n_epochs:,} of {finite.batch_size} (finite B); with more "
        f"epochs (--search-epochs) fewer pairs may do",
    ]
    if finite.output_scale is not None and finite.learning_rate is not None and finite.learning_rate_last is not None:
        text.append(
            f"smallest    {finite.smallest} pairs with B = {finite.output_scale:.3g}, learning rate "
            f"{finite.learning_rate:.3g} falling to {finite.learning_rate_last:.3g}, seed {finite.seed}"
        )
    return text
