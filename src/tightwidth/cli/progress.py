"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.text import Text

SECONDS_BETWEEN_LINES = 5.0


def readable_rate(rate: float) -> str:
    """Return a rate in whole numbers, or in two digits if it is below 10."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


class _Rate(ProgressColumn):
    """Show steps or rows per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{readable_rate(task.speed)} {self.unit}/s")


class StepProgress:
    """Show steps or rows done of those planned, their rate, a note, and the time left.

    ``at_most`` says whether the work may end before; ``doing`` stands before the bar.
    """

    def __init__(self, *, quiet: bool, unit: str = "steps", doing: str = "training", at_most: bool = True) -> None:
        self.unit, self.doing, self.at_most = unit, doing, "at most " if at_most else ""
        self.console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names and errors are as they are
        self.bar: Progress | None = None
        self.status: Status | None = None
        self.started = self.last_line = 0.0
        self.before = 0  # done before the start, in a run that was taken up

    def __enter__(self) -> "StepProgress":
        """Start showing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._stop_waiting()
        if self.bar is not None:
            self.bar.stop()

    def wait(self, text: str) -> None:
        """Show on a terminal that work without steps goes on, until the next call."""
        if self.status is not None:
            self.status.update(Text(text))
        elif self.console.is_terminal and not self.console.quiet:
            self.status = self.console.status(Text(text))
            self.status.start()

    def _stop_waiting(self) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None

    def say(self, text: str) -> None:
        """Print one line."""
        self._stop_waiting()
        self.console.print(text, highlight=False, soft_wrap=True)

    def steps(self, done: int, planned: int, note: str) -> None:
        """Show how far the run is."""
        self._stop_waiting()
        if self.started == 0.0:
            self.started = self.last_line = time.monotonic()
            self.before = done
        if self.console.is_terminal:
            self._bar(done, planned, note)
            return
        now = time.monotonic()
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            rate = max(done - self.before, 1) / (now - self.started)
            left = (planned - done) / rate
            self.say(
                f"{self.unit.removesuffix('s')} {done:,} of {self.at_most}{planned:,}, "
                f"{readable_rate(rate)} {self.unit}/s, {note}, {self.at_most}{left:,.0f} s left"
            )

    def _bar(self, done: int, planned: int, note: str) -> None:
        if self.bar is None:
            columns = (
                TextColumn(self.doing, markup=False),
                BarColumn(),
                _Rate(self.unit),
                TextColumn("{task.description}", markup=False),
                TextColumn(self.at_most.strip()),
                TimeRemainingColumn(),
                TextColumn("left"),
            )
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.start()
            self.bar.add_task(note, total=planned)
        self.bar.update(self.bar.task_ids[0], completed=done, description=note)
