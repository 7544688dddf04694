"""What `tightwidth fit` did, and what `tightwidth score` counted."""

from typing import Literal

from tightwidth.records.strict_json import Record, Scale


class FitRecord(Record):
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


class ScoreRecord(Record):
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
