"""What `tightwidth memorize` did: the run, what is certified, what the theorem asks for, what a search found."""

from typing import Literal

from tightwidth.records.search import SearchRecord
from tightwidth.records.strict_json import Record, Scale


class CurveRecord(Record):
    """A look at the whole sample after ``step`` updates; ``certified`` is for a run of that many steps."""

    step: int
    fraction: float
    mean_fraction: float
    loss: float | None
    certified: float | None


class TrialRecord(Record):
    """A width that the search tried, and the steps that certify epsilon there (null: none do)."""

    n_pairs: int
    n_steps: int | None


class TheoremRecord(Record):
    """What Theorem 7 asks for in the worst case; the errors are null if no subsamples were extrapolated."""

    n_pairs: int
    n_parameters: int
    n_steps: int
    lambda_min: float
    label_norm_squared: float
    lambda_min_error: float | None = None
    label_norm_squared_error: float | None = None


class LazinessRecord(Record):
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


class MemorizeRecord(Record):
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

    @property
    def landmarks(self) -> dict[str, float]:
        """The pairs at which q d is m/2 (Cover: below, random labels are not separable) and m (interpolation)."""
        per_pair = self.n_samples / self.n_features
        return {"q d = m/2": per_pair / 2, "q d = m": per_pair}
