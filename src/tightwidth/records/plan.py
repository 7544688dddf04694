"""What `tightwidth plan` answered: a row for each of its answers, and what would change them."""

from typing import Literal

from tightwidth.records.strict_json import Record, Scale


class PlanRowRecord(Record):
    """One answer of a plan; ``seconds`` is a prediction for the machine that planned."""

    name: str
    rests_on: str
    n_pairs: int | None
    n_steps: int | None
    batch_size: int | None
    learning_rate: float | None
    learning_rate_network: float | None
    output_scale: Scale | None
    n_parameters: int | None
    flops: float | None
    memory_bytes: float | None
    fits: bool
    seconds: float | None
    terms: dict[str, float]
    dominant: str | None


class ChangeRecord(Record):
    """What the theorem would ask for if one number were another."""

    what: str
    n_pairs: int
    n_steps: int


class PlanRecord(Record):
    """The result of `tightwidth plan`; ``memorize --plan`` runs its first numbers, those of the row ``chosen``.

    They are null if no row has any, or if a width was given and is not certified.
    """

    data: str
    goal: Literal["memorize", "learn"]
    chosen: str | None
    n_pairs: int | None
    n_steps: int | None
    batch_size: int
    learning_rate: float | None
    output_scale: Scale
    activation: str
    loss: str
    epsilon: float
    seed: int
    n_samples: int | None
    n_features: int
    R: float
    critical_batch_size: float
    norm: float | None
    norm_error: float | None
    residual_loss: float | None
    held_out_loss: float | None
    lambda_min: float | None
    lambda_min_error: float | None
    rows: tuple[PlanRowRecord, ...]
    changes: tuple[ChangeRecord, ...]
    frontier: tuple[tuple[int, int], ...]
    widths_certified: tuple[tuple[int, int], ...]
    search_ended: str | None
    version: str

    @property
    def fits(self) -> bool:
        """Whether every row fits into the memory of the machine that planned."""
        return all(row.fits for row in self.rows)
