"""What a cell of an experiment leaves behind, and what is said about many of them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float | int | bool | str | None
Value = Number | list[float] | list[int]


class CellRecord(BaseModel):
    """One finished cell: which experiment, with which numbers, and what was measured.

    ``config`` holds every field of the experiment's config, ``seed`` among them; ``values`` are numbers, words, or
    lists of numbers.  Nothing is infinite or NaN: what is undefined is None, an infinite scale the word "inf".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str
    config: dict[str, Any]
    seed: int
    values: dict[str, Value]
    seconds: float
    device: str
    version: str
    commit: str | None = None
    finished: str = Field(description="UTC, ISO 8601")

    def __getitem__(self, name: str) -> Any:
        """Return a measured value, or else a field of the config."""
        return self.values[name] if name in self.values else self.config[name]


class Verdict(BaseModel):
    """What a statement says, what was measured with its interval, and whether they agree.

    ``relation`` joins the interval [low, high] and ``predicted``: "below" wants ``high <= predicted``, "above"
    ``low >= predicted``, "covers" ``low <= predicted <= high``, "within" every part of the interval no farther than
    ``tolerance`` from ``predicted``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statement: str
    claim: str
    relation: Literal["below", "above", "covers", "within"]
    predicted: float
    tolerance: float = 0.0
    measured: float
    low: float
    high: float
    how: str = Field(description="how the interval was made: of what, over how many, with which confidence")

    @property
    def holds(self) -> bool:
        """Whether the measured interval is where the statement puts it."""
        if self.relation == "below":
            return self.high <= self.predicted
        if self.relation == "above":
            return self.low >= self.predicted
        if self.relation == "covers":
            return self.low <= self.predicted <= self.high
        return max(abs(self.low - self.predicted), abs(self.high - self.predicted)) <= self.tolerance
