"""From the rows of a source to what the steps take: unit rows, signs or values, and shares of the batches."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tightwidth.data.preprocessing import Standardizer
from tightwidth.data.rows.order import Group, order_in_group, read_group
from tightwidth.data.rows.source import RowSource
from tightwidth.data.rows.survey import Survey
from tightwidth.data.rows.targets import Classes, numbers
from tightwidth.errors import InputError
from tightwidth.estimators.inputs import Inputs
from tightwidth.precision import in_precision_of
from tightwidth.weighted_sampling import InOrder

CHUNK_NUMBERS = 1 << 22  # gates of a chunk, which are computed in one product
CHUNK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Targets:
    """Turn raw targets into columns: +1 for its class and -1 for the rest, or values of mean 0 and variance 1."""

    kind: Classes | Standardizer
    factors: Float[np.ndarray, " classes"] | None

    @classmethod
    def of(cls, kind: Classes | Standardizer, class_weight: Any) -> "Targets":
        """Return what the survey has found, with factors for the classes if weights are asked for.

        Raises
        ------
        InputError
            If the class weights are neither None, "balanced" nor a dictionary with known labels.
        """
        if not isinstance(kind, Classes) or class_weight is None:
            return cls(kind, None)
        values = kind.values.tolist()
        if isinstance(class_weight, str) and class_weight == "balanced":
            return cls(kind, kind.counts.sum() / (len(values) * kind.counts))
        if not isinstance(class_weight, dict) or not set(class_weight) <= set(values):
            message = f"class_weight={class_weight!r} is unknown; give None, 'balanced' or a dictionary of {values}"
            raise InputError(message)
        return cls(kind, np.array([float(class_weight.get(value, 1.0)) for value in values]))

    def columns(
        self, target: np.ndarray, first_row: int, name: str, dtype: Any
    ) -> tuple[Float[np.ndarray, "n K"], Float[np.ndarray, " n"] | None]:
        """Return the columns of targets, and the weights of the rows.

        Raises
        ------
        DataError
            If a target is no class, or no number.
        """
        if isinstance(self.kind, Standardizer):
            return self.kind.transform(numbers(target, first_row, name)).astype(dtype), None
        places = self.kind.places(target, first_row, name)
        n_classes = len(self.kind.values)
        if n_classes == 2:
            Y = np.where(places[:, None] == 1, 1.0, -1.0)
        else:
            Y = np.where(places[:, None] == np.arange(n_classes), 1.0, -1.0)
        return Y.astype(dtype), None if self.factors is None else self.factors[places]


class GroupData(NamedTuple):
    """Hold a group of rows as chunks of steps: [chunks, steps, batch, ..], filled up with rows of share 0."""

    X: np.ndarray
    Y: np.ndarray
    shares: np.ndarray
    n_steps: int
    n_rows: int

    def chunk(self, c: int, t: Any, dtype: Any) -> tuple[InOrder, int]:
        """Return a chunk, and how many steps it holds."""
        steps = self.X.shape[1]
        with in_precision_of(np.dtype(dtype)):
            held = InOrder(jnp.asarray(self.X[c]), jnp.asarray(self.Y[c]), jnp.asarray(self.shares[c]), t)
        return held, min(steps, self.n_steps - c * steps)


@dataclass(frozen=True, eq=False)
class GroupLoader:
    """Read, transform and shuffle the groups of the passes."""

    source: RowSource
    survey: Survey
    inputs: Inputs
    targets: Targets
    batch_size: int
    chunk_steps: int
    dtype: Any
    seed: int

    def load(self, which: int, g: int, group: Group) -> GroupData:
        """Return group g of a pass.

        Raises
        ------
        DataError
            If the rows cannot be read any more, have changed, or cannot be brought to the sphere.
        """
        parts = list(self._parts(group))
        X, Y = (np.concatenate([part[j] for part in parts]) for j in (0, 1))
        n, b = len(X), self.batch_size
        order = order_in_group(n, seed=self.seed, which=which, group=g)
        n_steps = -(-n // b)
        chunks = -(-n_steps // self.chunk_steps)
        filled = chunks * self.chunk_steps * b
        shares = np.full(filled, 1 / b)
        shares[(n_steps - 1) * b :] = 1 / (n - (n_steps - 1) * b)
        shares[n:] = 0
        if self.targets.factors is not None:
            shares[:n] *= np.concatenate([part[2] for part in parts])[order]
        shape = chunks, self.chunk_steps, b
        held = np.empty((filled, X.shape[1]), self.dtype), np.empty((filled, Y.shape[1]), self.dtype)
        for part, to in zip((X, Y), held, strict=True):
            to[n:] = 0
            np.take(part, order, axis=0, out=to[:n], mode="clip")  # which, other than "raise", needs no copy
        return GroupData(
            held[0].reshape(*shape, -1),
            held[1].reshape(*shape, -1),
            shares.astype(self.dtype).reshape(shape),
            n_steps,
            n,
        )

    def _parts(self, group: Group) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
        for piece, rows in read_group(self.source, self.survey, group):
            assert rows.target is not None
            X = self.inputs.transform(rows.X).astype(self.dtype, copy=False)
            yield X, *self.targets.columns(rows.target, piece.first_row, self.source.name, self.dtype)


def steps_of_chunk(batch_size: int, q: int, d: int, m: int) -> int:
    """Return how many steps make a chunk: about 8192 rows, fewer for wide networks or few rows."""
    rows = min(CHUNK_ROWS, CHUNK_NUMBERS // max(q, d))
    return max(1, min(rows // batch_size, math.ceil(m / batch_size)))
