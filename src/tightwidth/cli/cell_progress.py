"""Cells done of those to run, and the time left: a bar on a terminal, plain lines elsewhere."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tightwidth.cell_records import CellRecord
from tightwidth.report.statement import Cell
from tightwidth.report.wording import duration

SECONDS_BETWEEN_LINES = 5.0


class TimeLeft:
    """Estimate the time left from what cells of the same experiment took, since experiments differ by orders.

    Parameters
    ----------
    cells
        All cells of the run.
    known
        Records of those that were finished before it.
    """

    def __init__(self, cells: Sequence[Cell], known: Iterable[CellRecord]) -> None:
        self.left = Counter(name for name, _ in cells)
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.computed = 0.0  # seconds of cells that this run finished
        for record in known:
            self._count(record)

    def add(self, record: CellRecord) -> None:
        """Take note of a cell that this run finished."""
        self._count(record)
        self.computed += record.seconds

    def _count(self, record: CellRecord) -> None:
        self.left[record.experiment] -= 1
        self.taken[record.experiment].append(record.seconds)

    def seconds(self, elapsed: float) -> float | None:
        """Return the time left after ``elapsed`` seconds of this run, or None before its first cell.

        Experiments of which no cell is finished count with the mean over all cells.
        """
        if self.computed == 0.0 or elapsed <= 0:
            return None
        every = [seconds for of_one in self.taken.values() for seconds in of_one]
        mean = sum(every) / len(every)
        work = 0.0
        for name, n in self.left.items():
            of_one = self.taken.get(name)
            work += max(n, 0) * (sum(of_one) / len(of_one) if of_one else mean)
        return work * elapsed / self.computed


class CellProgress:
    """Show on standard error how far a run of cells is."""

    def __init__(self, cells: Sequence[Cell], known: Sequence[CellRecord], *, quiet: bool) -> None:
        self.n, self.done = len(cells), len(known)
        self.time_left = TimeLeft(cells, known)
        self.console = Console(stderr=True, quiet=quiet)
        self.bar: Progress | None = None
        self.started = self.last_line = time.monotonic()

    def __enter__(self) -> "CellProgress":
        """Start showing."""
        if self.console.is_terminal and not self.console.quiet and self.done < self.n:
            columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            bar = self.bar = Progress(*columns, console=self.console, transient=True)
            bar.start()
            bar.add_task("", total=self.n, completed=self.done)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        if self.bar is not None:
            self.bar.stop()

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def finished(self, record: CellRecord) -> None:
        """Show that one more cell is done."""
        self.done += 1
        self.time_left.add(record)
        now = time.monotonic()
        left = self.time_left.seconds(now - self.started)
        note = record.experiment + ("" if left is None else f", about {duration(left)} left")
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=self.done, description=note)
        elif now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            self.say(f"cell {self.done:,} of {self.n:,}, {note}")
