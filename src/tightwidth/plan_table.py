"""A plan as a table: one row for each way to answer how wide, how long, how large B, at which rate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tightwidth.calibration import SecondsAStep
from tightwidth.embedding import GATES_SHARE
from tightwidth.memory import fits
from tightwidth.network import n_parameters, network_learning_rate
from tightwidth.run_settings import batch_bytes, bytes_needed
from tightwidth.width_search import WIDTH_GIVEN, Trial

Goal = Literal["memorize", "learn"]


@dataclass(frozen=True)
class PlanRow:
    """Hold one answer.

    Attributes
    ----------
    name
        "theorem", "certified", or the name of a landmark, which has a width and no steps.
    n_pairs, n_steps, batch_size, learning_rate, output_scale
        q, T, b, eta of the embedding, and a B that suffices; None where the row does not say.
    n_parameters, flops, memory_bytes
        ``2 q (d + 1)``, the floating-point operations of the run at B = infinity, and the memory it takes.
    fits
        Whether this machine has that memory.
    seconds
        Predicted for this machine from a short calibration; None without one.
    terms, dominant
        The bound, term by term, and the largest of them.
    rests_on
        In words: what the row is proved from, or why it is empty.
    """

    name: str
    rests_on: str
    n_pairs: int | None = None
    n_steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    output_scale: float | None = None
    n_parameters: int | None = None
    flops: float | None = None
    memory_bytes: float | None = None
    fits: bool = True
    seconds: float | None = None
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def dominant(self) -> str | None:
        """The name of the largest term."""
        return max(self.terms, key=self.terms.__getitem__) if self.terms else None

    @property
    def learning_rate_network(self) -> float | None:
        """The step of the plain weights at ``output_scale``, ``eta/(2 q B^2)``."""
        if self.learning_rate is None or self.n_pairs is None or self.output_scale is None:
            return None
        return network_learning_rate(self.learning_rate, self.n_pairs, self.output_scale)


def row_of(
    name: str,
    rests_on: str,
    *,
    m: int,
    d: int,
    q: int,
    n_steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    output_scale: float | None = None,
    terms: Mapping[str, float] | None = None,
    seconds_a_step: SecondsAStep | None = None,
    itemsize: int = 4,
) -> PlanRow:
    """Return a row with what it costs.

    A step of the tangent form takes ``4 b q d`` operations, and the gates of a finite sample ``2 m q d`` once.

    Parameters
    ----------
    m
        Points of the sample, 0 for a stream.
    seconds_a_step
        Of this machine, or None.
    """
    memory = bytes_needed(m, d, q, itemsize) + batch_bytes(batch_size or 0, d, q, itemsize)
    flops = None if n_steps is None or batch_size is None else 4.0 * batch_size * q * d * n_steps + 2.0 * m * q * d
    seconds = None
    if n_steps is not None and seconds_a_step is not None:
        keeps_gates = m > 0 and fits(float(m) * q * itemsize, GATES_SHARE)
        seconds = n_steps * seconds_a_step(q, keeps_gates=keeps_gates)
    return PlanRow(
        name=name,
        rests_on=rests_on,
        n_pairs=q,
        n_steps=n_steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        output_scale=output_scale,
        n_parameters=n_parameters(q, d),
        flops=flops,
        memory_bytes=memory,
        fits=fits(memory),
        seconds=seconds,
        terms=dict(terms or {}),
    )


@dataclass(frozen=True)
class Change:
    """Hold what the theorem would ask for if one number were another."""

    what: str
    n_pairs: int
    n_steps: int


@dataclass(frozen=True)
class PlanTable:
    """Hold a plan: what it is for, what was measured, its rows, and what would change them.

    Attributes
    ----------
    rows
        Theorem, certified, landmarks.
    norm, norm_error
        To memorize: the least norm found of a vector in the embedding of the drawn weights with all margins at least 1,
        or where there is none, M of the labels in the space of the expected kernel.  To learn: M of a ridge fit, or as
        given; and half its range over subsamples, or None.
    residual_loss, held_out_loss
        The loss of the ridge fit on the sample, where the goal is to learn; and that of a fit of four fifths of it on
        the last fifth, None if the norm was given.
    lambda_min, lambda_min_error
        Least eigenvalue of the expected kernel, from below, where it was measured; a standard error where it was
        extrapolated from subsamples, else None.
    trials
        The widths that were certified in turn.
    frontier
        Pairs (q, T) that do alike: the certified widths, or what the theorem offers for other shares of epsilon.
    """

    goal: Goal
    n_samples: int | None
    n_features: int
    R: float
    epsilon: float
    activation: str
    loss: str
    batch_size: int
    seed: int
    rows: tuple[PlanRow, ...]
    norm: float | None = None
    norm_error: float | None = None
    residual_loss: float | None = None
    held_out_loss: float | None = None
    lambda_min: float | None = None
    lambda_min_error: float | None = None
    changes: tuple[Change, ...] = ()
    trials: tuple[Trial, ...] = ()
    frontier: tuple[tuple[int, int], ...] = ()
    search_ended: str | None = None

    @property
    def widths_certified(self) -> tuple[tuple[int, int], ...]:
        """Pairs (q, T) that the search certified, where the frontier holds something else: to learn."""
        if self.goal == "memorize":
            return ()
        return tuple((trial.n_pairs, trial.n_steps) for trial in self.trials if trial.n_steps is not None)

    def row(self, name: str) -> PlanRow:
        """Return the row of this name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def chosen(self) -> PlanRow | None:
        """The row to run: the certified one if it has steps, else the theorem's.

        None if neither has, or if a width was given that is not certified: another one is not run in its place.
        """
        names = ("certified",) if self.search_ended == WIDTH_GIVEN else ("certified", "theorem")
        return next((row for name in names if (row := self.row(name)).n_steps is not None), None)

    @property
    def critical_batch_size(self) -> float:
        """``d/R^2``: up to about here a larger minibatch needs fewer steps in proportion."""
        return max(1.0, self.n_features / self.R**2)

    @property
    def settings(self) -> dict[str, Any]:
        """What `memorize` takes from a plan: the numbers of the chosen row, at B = infinity."""
        row = self.chosen
        if row is None:
            return {}
        return {
            "n_pairs": row.n_pairs,
            "n_steps": row.n_steps,
            "batch_size": row.batch_size,
            "learning_rate": row.learning_rate,
        }
