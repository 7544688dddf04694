"""Records: what a run leaves behind, as strict JSON; figures and pages are made from them alone."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, field_validator


def _readable_infinity(value: float) -> float | str:
    return "inf" if math.isinf(value) else value


# strict JSON has no infinity
Scale = Annotated[float, PlainSerializer(_readable_infinity, when_used="json")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """Return one JSON object, in which nothing is NaN or infinite."""
        return self.model_dump_json(indent=2)


class CurveRecord(_Record):
    """A look at the whole sample after ``step`` updates; ``certified`` is for a run of that many steps."""

    step: int
    fraction: float
    mean_fraction: float
    loss: float | None
    certified: float | None


class TrialRecord(_Record):
    """A width that the search tried, and the steps that certify epsilon there (null: none do)."""

    n_pairs: int
    n_steps: int | None


class TheoremRecord(_Record):
    """What Theorem 7 asks for in the worst case; the errors are null if no subsamples were extrapolated."""

    n_pairs: int
    n_parameters: int
    n_steps: int
    lambda_min: float
    label_norm_squared: float
    lambda_min_error: float | None = None
    label_norm_squared_error: float | None = None


class LazinessRecord(_Record):
    """How far the last iterate left its start and its linearisation; all 0 at an infinite output scale.

    Displacements are distances of a neuron's weights; drifts are relative, in the Frobenius norm, with standard errors
    (0: exact); linearisation errors are in the units of the output.
    """

    n_gates: int
    n_gates_flipped: int
    n_gates_that_can_flip: int
    share_flipped: float
    largest_displacement: float
    mean_displacement: float
    displacement_bound: float | None
    kernel_drift: float
    kernel_drift_standard_error: float
    full_kernel_drift: float
    full_kernel_drift_standard_error: float
    linearisation_error_largest: float
    linearisation_error_mean: float


class PlanRowRecord(_Record):
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

    @field_validator("output_scale", mode="before")
    @classmethod
    def _read_infinity(cls, value: Any) -> Any:
        return math.inf if value == "inf" else value


class ChangeRecord(_Record):
    """What the theorem would ask for if one number were another."""

    what: str
    n_pairs: int
    n_steps: int


class PlanRecord(_Record):
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

    @field_validator("output_scale", mode="before")
    @classmethod
    def _read_infinity(cls, value: Any) -> Any:
        return math.inf if value == "inf" else value

    @property
    def fits(self) -> bool:
        """Whether every row fits into the memory of the machine that planned."""
        return all(row.fits for row in self.rows)


class AttemptRecord(_Record):
    """A run of the search for the smallest width: the steps it took, and the share memorized then.

    The runs of form "choice" chose the output scales and learning rates of those of form "finite".  A run with fewer
    steps than its epochs allow and a share below 1 was left when another of its seed was enough.
    """

    form: Literal["tangent", "choice", "finite"]
    seed: int
    n_pairs: int
    output_scale: Scale
    learning_rate: float
    n_steps: int
    fraction: float

    @field_validator("output_scale", mode="before")
    @classmethod
    def _read_infinity(cls, value: Any) -> Any:
        return math.inf if value == "inf" else value


class SmallestRecord(_Record):
    """The smallest width found for each seed (null: none was), and what the run with the fewest pairs had.

    ``low`` and ``high`` are the fewest and the most pairs of a seed for which a width was found; ``learning_rate``
    falls to ``learning_rate_last``.
    """

    widths: tuple[int | None, ...]
    smallest: int | None
    n_parameters: int | None
    parameters_per_sample: float | None
    low: int | None
    high: int | None
    seed: int | None
    output_scale: Scale | None
    learning_rate: float | None
    learning_rate_last: float | None
    n_steps: int | None
    loss: str
    batch_size: int
    n_epochs: int

    @property
    def widths_found(self) -> tuple[int, ...]:
        """The widths of the seeds for which one was found."""
        return tuple(q for q in self.widths if q is not None)

    @field_validator("output_scale", mode="before")
    @classmethod
    def _read_infinity(cls, value: Any) -> Any:
        return math.inf if value == "inf" else value


class SearchRecord(_Record):
    """What `memorize --search` found; ``finished`` is false where it was interrupted, and the rest what it had then."""

    seeds: tuple[int, ...]
    finished: bool
    tangent: SmallestRecord
    finite: SmallestRecord
    attempts: tuple[AttemptRecord, ...]
    seconds: float


class MemorizeRecord(_Record):
    """The result of `tightwidth memorize`; ``search`` is null without --search."""

    data: str
    n_samples: int
    n_features: int
    n_pairs: int
    n_parameters: int
    parameters_per_sample: float
    activation: str
    loss: str
    output_scale: Scale
    epsilon: float
    batch_size: int
    n_steps_planned: int
    n_steps: int
    stopped: Literal["no_gradient", "target", "steps"]
    learning_rate: float
    learning_rate_network: float | None
    seed: int
    dtype: str
    R: float
    norm_squared: float | None
    random_iterate_step: int
    fraction_memorized: float | None
    fraction_memorized_mean: float
    fraction_memorized_interval: tuple[float, float]
    fraction_memorized_last: float
    certified_fraction: float | None
    certified_reason: str | None
    certified_steps: int | None
    mean_online_loss: float | None
    n_gates_flipped: int | None
    sufficient_output_scale: Scale
    target_fraction: float
    seconds: float
    seconds_compile: float
    device: str
    version: str
    theorem: TheoremRecord | None
    theorem_reason: str | None
    widths_tried: tuple[TrialRecord, ...]
    search_ended: str
    laziness: LazinessRecord | None
    curve: tuple[CurveRecord, ...]
    search: SearchRecord | None = None

    @field_validator("output_scale", "sufficient_output_scale", mode="before")
    @classmethod
    def _read_infinity(cls, value: Any) -> Any:
        return math.inf if value == "inf" else value

    @property
    def landmarks(self) -> dict[str, float]:
        """The pairs at which q d is m/2 (Cover: below, random labels are not separable) and m (interpolation)."""
        per_pair = self.n_samples / self.n_features
        return {"q d = m/2": per_pair / 2, "q d = m": per_pair}


class FitRecord(_Record):
    """What `tightwidth fit` did.

    ``online_mean`` is the mean share of rows with a wrong label before they were learnt from, in the first pass, and
    for values the mean loss, cut off at 10; ``online_low`` to ``online_high`` its 95% interval.  ``learning_rate`` is
    null where it adapts.
    """

    data: str
    task: Literal["classify", "regress"]
    model: str
    n_rows: int
    n_features: int
    n_outputs: int
    n_pairs: int
    n_parameters: int
    activation: str
    loss: str
    output_scale: Scale
    batch_size: int
    n_passes: int
    n_steps: int
    learning_rate: float | None
    online_mean: float
    online_low: float
    online_high: float
    reasons: dict[str, str]
    dtype: str
    seed: int
    seconds: float
    rows_per_second: float
    device: str
    version: str


class ScoreRecord(_Record):
    """What `tightwidth score` counted: the accuracy with its 95% interval, or R^2 and the root-mean-square error."""

    model: str
    data: str
    task: Literal["classify", "regress"]
    n_rows: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    r2: float | None
    rmse: float | None
    version: str
