"""Records of cells for tests of verdicts: measured by NumPy alone, right or with a mistake, or by the experiments."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tightwidth import experiments
from tightwidth.cell_records import CellRecord, Verdict
from tightwidth.report.statement import Cell


def record(cell: Cell, values: dict[str, Any]) -> CellRecord:
    """Return the record of a cell with these values."""
    name, config = cell
    return CellRecord(
        experiment=name,
        config=config.model_dump(),
        seed=config.seed,
        values=values,
        seconds=0.0,
        device="test",
        version="0",
        finished="2020-01-01T00:00:00Z",
    )


def numbers(cell: Cell) -> dict[str, Any]:
    """Return the config of a cell by name."""
    return cell[1].model_dump()


def run(cells: Sequence[Cell]) -> list[CellRecord]:
    """Run cells of one experiment, and return their records in order."""
    (name,) = {name for name, _ in cells}
    found = dict(experiments.get(name).run([config for _, config in cells]))
    return [record(cell, found[place]) for place, cell in enumerate(cells)]


def changed(records: Iterable[CellRecord], **how: Callable[[CellRecord], Any]) -> list[CellRecord]:
    """Return the records with values computed anew: by name, a function of the record."""
    return [r.model_copy(update={"values": r.values | {key: f(r) for key, f in how.items()}}) for r in records]


def broken(right: Sequence[Verdict], wrong: Sequence[Verdict]) -> list[int]:
    """Return the places of the verdicts that hold of the right records and fail of the wrong ones."""
    assert len(right) == len(wrong)
    assert all(verdict.holds for verdict in right), [verdict for verdict in right if not verdict.holds]
    return [place for place, verdict in enumerate(wrong) if not verdict.holds]


def sphere(rng: np.random.Generator, m: int, d: int) -> np.ndarray:
    """Return m uniform points on the sphere."""
    X = rng.standard_normal((m, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def relu_tk_h(rho: np.ndarray) -> np.ndarray:
    """Return ``rho (pi - arccos rho) / (2 pi)``."""
    rho = np.clip(rho, -1, 1)
    return rho * (math.pi - np.arccos(rho)) / (2 * math.pi)


def relu_tk_o(rho: np.ndarray) -> np.ndarray:
    """Return ``(sqrt(1 - rho^2) + rho (pi - arccos rho)) / (2 pi)``, the kernel of the output weights at B = 1."""
    rho = np.clip(rho, -1, 1)
    return (np.sqrt(1 - rho**2) + rho * (math.pi - np.arccos(rho))) / (2 * math.pi)
