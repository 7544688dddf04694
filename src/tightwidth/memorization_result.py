"""What a memorization run returns: its numbers, its network, and how it came there."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from tightwidth import sphere
from tightwidth.contradictions import check_table
from tightwidth.laziness import Laziness
from tightwidth.network import Network, network_dtype, predict
from tightwidth.online_loss import Interval
from tightwidth.planning import Plan
from tightwidth.worst_case import WorstCase

Stopped = Literal["no_gradient", "target", "steps"]


@dataclass(frozen=True)
class CurvePoint:
    """Hold what was counted on the whole sample after ``step`` updates.

    ``fraction`` is of the iterate at hand; ``mean_fraction`` over all iterates up to it, from the minibatches.
    """

    step: int
    fraction: float
    mean_fraction: float
    loss: float


@dataclass(frozen=True, eq=False)
class MemorizeResult:
    """Hold the result of `memorize`.

    Attributes
    ----------
    n_steps_planned, n_steps
        T, and the updates after which the network no longer changed (or the run was stopped).
    stopped
        "no_gradient": every later iterate equals this one; "target": at the target fraction; "steps": T was reached.
    fraction_memorized
        Of the random iterate that Algorithm 1 returns, W_t with t = ``random_iterate_step``; None if the run stopped at
        its target before that step.
    fraction_memorized_mean
        Mean over the iterates W_1, ..., W_T, an unbiased estimate from the minibatches.
    fraction_memorized_interval
        The ends of a 95% interval for the mean over the iterates of the share of the sample memorized.
    fraction_memorized_last
        Of the last iterate, which ``network`` is.
    certified_fraction
        What the certificate guarantees, in expectation, for the random iterate of the planned T steps; None where no
        certificate applies.
    certified_reason
        Why ``certified_fraction`` is None or below 1 - epsilon, else None.
    norm_squared
        The least squared norm found of a vector with all margins at least 1, an upper bound on M_W^2; None if none was.
    learning_rate, learning_rate_network
        eta of the embedding, and the step of the plain weights, ``eta/(2 q B^2)``.
    laziness
        What moved, and how far the last iterate is from its linearisation (`tightwidth.laziness`); all 0 at
        B = infinity, None if the weights overflowed.
    sufficient_output_scale
        A B from which on no gate of the sample can flip in the planned T steps, and the guarantee loses less than a
        thousandth of epsilon to what is not linear between the kinks; infinite where there is none.
    finite_scale_penalty
        What the distance from the linear limit adds to the loss in the guarantee; 0 at B = infinity.
    worst_case
        What Theorem 7 asks for, or one line that says why it was not computed.
    """

    n_samples: int
    n_features: int
    n_pairs: int
    n_parameters: int
    activation: str
    loss: str
    output_scale: float
    epsilon: float
    batch_size: int
    n_steps_planned: int
    n_steps: int
    stopped: Stopped
    learning_rate: float
    learning_rate_network: float
    seed: int
    dtype: str
    R: float
    norm_squared: float | None
    random_iterate_step: int
    fraction_memorized: float | None
    fraction_memorized_mean: float
    fraction_memorized_interval: Interval
    fraction_memorized_last: float
    certified_fraction: float | None
    certified_reason: str | None
    mean_online_loss: float
    laziness: Laziness | None
    sufficient_output_scale: float
    finite_scale_penalty: float
    target_fraction: float
    seconds: float
    seconds_compile: float
    device: str
    plan: Plan
    worst_case: WorstCase | str
    curve: tuple[CurvePoint, ...]
    network: Network
    random_network: Network | None

    @property
    def parameters_per_sample(self) -> float:
        """Parameters for each memorized point, ``2 q (d + 1)/m``."""
        return self.n_parameters / self.n_samples

    @property
    def n_gates_flipped(self) -> int | None:
        """How many gates of the sample the last iterate has on the other side of a kink; None if it overflowed."""
        return None if self.laziness is None else self.laziness.n_gates_flipped

    @property
    def reached(self) -> bool:
        """Whether the last iterate memorizes the target fraction."""
        return self.fraction_memorized_last >= self.target_fraction

    def decision_function(self, X: Any) -> Float[np.ndarray, " m"]:
        """Return h(x) of the last iterate, for every row of X projected to the sphere.

        Raises
        ------
        DataError
            If X is no table of finite numbers with the features of the sample, or a row is zero.
        """
        dtype = network_dtype(self.network)
        points = check_table(X, n_features=self.n_features)
        return predict(self.network, sphere.project(points).astype(dtype))

    def predict(self, X: Any) -> Float[np.ndarray, " m"]:
        """Return the label, +1 where h(x) > 0 and -1 elsewhere, of every row of X projected to the sphere."""
        return np.where(self.decision_function(X) > 0, 1.0, -1.0)
