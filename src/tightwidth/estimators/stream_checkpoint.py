"""How far a fit of a stream has come, on disk: after a kill the same call goes on, to the same bits.

A checkpoint belongs to one job: the parameters, the rows, and what computes.  It is replaced in one step, so that there
is always a whole one.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tightwidth.data.rows.source import RowSource
from tightwidth.data.rows.survey import Survey
from tightwidth.data.tensor_files import read_tensors, write_tensors
from tightwidth.errors import DataError, InputError
from tightwidth.estimators.fit_plan import FitPlan
from tightwidth.estimators.kept_state import KeptState

NOT_OF_THE_JOB = ("verbose", "warm_start")


@dataclass(frozen=True)
class Position:
    """Say what comes next: which pass, which group of it, which chunk of that; and what is known so far.

    ``rows`` counts the rows learnt from, ``seconds`` what that took; ``begun`` and ``earlier`` are the number of steps
    and the sums of the misses at the start of this pass and of the one before, ``first`` those at the end of the first
    pass, None before.
    """

    which: int = 0
    group: int = 0
    chunk: int = 0
    rows: int = 0
    seconds: float = 0.0
    begun: tuple[int, float, float] = (0, 0.0, 0.0)
    earlier: tuple[int, float, float] = (0, 0.0, 0.0)
    first: tuple[int, float, float] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Hold what a run is gone on from."""

    job: dict[str, Any]
    seed: int
    plan: FitPlan
    position: Position
    state: KeptState

    def write(self, path: Path) -> None:
        """Replace the file at this path.

        Raises
        ------
        InputError
            If it cannot be written; what was there is kept.
        """
        content = {
            "job": self.job,
            "seed": self.seed,
            "plan": dataclasses.asdict(self.plan),
            "position": dataclasses.asdict(self.position),
        }
        write_tensors(path, self.state, content, kind="checkpoint")

    @classmethod
    def read(cls, path: Path) -> "Checkpoint | None":
        """Return the checkpoint at this path, None if there is none.

        Raises
        ------
        DataError
            If what is there is no checkpoint, or damaged.
        """
        if not path.exists():
            return None
        state, held = read_tensors(path, kind="checkpoint")
        try:
            plan = FitPlan(**{**held["plan"], "norms": tuple(held["plan"]["norms"])})
            at: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in held["position"].items()
            }
            position = Position(**at)
            return cls(held["job"], int(held["seed"]), plan, position, state)
        except (KeyError, TypeError) as error:
            message = f"{path} is a checkpoint of another version of tightwidth; delete it and begin again"
            raise DataError(message) from error


def job_of(estimator: Any, source: RowSource, known: Survey, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one job from another, as JSON.

    The rows are known by their digests, whatever the file is called.
    """
    parameters = {
        name: _described(value) for name, value in estimator.get_params().items() if name not in NOT_OF_THE_JOB
    }
    digests = hashlib.sha256(json.dumps([known.n_rows, known.digests, source.column_names]).encode()).hexdigest()
    made_by = f"tightwidth {version('tightwidth')}, jax {jax.__version__} on {jax.devices()[0].device_kind}"
    return {
        "estimator": type(estimator).__name__,
        "parameters": parameters,
        "rows": digests,
        "settings": {name: _described(value) for name, value in settings.items()},
        "made by": made_by,
    }


def check_job(path: Path, job: dict[str, Any], other: dict[str, Any]) -> None:
    """Raise unless a checkpoint is of this job.

    Raises
    ------
    InputError
        If it is of another.
    """
    if job == other:
        return
    what = []
    for name, value in job.items():
        held = other.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            what += [
                f"{key} {held.get(key)} instead of {value.get(key)}"
                for key in sorted(value.keys() | held.keys())
                if value.get(key) != held.get(key)
            ]
        elif value != held:
            what.append("other rows" if name == "rows" else f"{name} {held} instead of {value}")
    message = (
        f"{path} belongs to another job ({', '.join(what)}); give the same settings to go on with it, or begin anew "
        f"with --anew (anew=True in Python), which overwrites it"
    )
    raise InputError(message)


def _described(value: Any) -> Any:
    """Return a value that JSON gives back as it is."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.number):
        return repr(float(value))
    return str(getattr(value, "name", None) or value)
