"""Processes of contestants, as the harness sees them: started, asked, and ended whatever happens."""

import json
import os
import select
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from contests import NEURAL_TANGENTS, OURS, Contestant

HERE = Path(__file__).parent
PATIENCE = 3600.0  # seconds
# what would let a contestant compile less or not at all, or make Python compile its modules at every start
CLEARED = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "JAX_COMPILATION_CACHE_DIR", "NPROC", "OMP_NUM_THREADS")
CLEARED = (*CLEARED, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONDONTWRITEBYTECODE")
INTERPRETERS = {OURS: Path(sys.executable), NEURAL_TANGENTS: HERE.parent / ".venv-neural-tangents" / "bin" / "python"}


class MissingError(Exception):
    """A contestant is not installed here."""


class FailedError(Exception):
    """A contestant raised, died, or did not answer."""


class Child:
    """Hold a process that prepares and runs contestants of one environment."""

    def __init__(self, environment: str = OURS, *, cores: int | None = None, patience: float = PATIENCE) -> None:
        """Start it.

        Raises
        ------
        MissingError
            If the environment was not built.
        """
        interpreter = INTERPRETERS[environment]
        if not interpreter.exists():
            message = f"{interpreter.parents[1].name} was not built"
            raise MissingError(message)
        variables = {name: value for name, value in os.environ.items() if name not in CLEARED}
        variables |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        if environment != OURS:
            variables.pop("PYTHONPATH", None)  # its packages are for another environment
        self._patience, self._complaints = patience, tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [interpreter, HERE / "child.py", *([str(cores)] if cores else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=variables,
            text=True,
            bufsize=1,
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Return the answer to a question.

        Raises
        ------
        MissingError
            If what is asked for is not installed.
        FailedError
            If there is no answer, or it is an error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], self._patience)
        line = self._process.stdout.readline() if ready else ""
        if not ready:
            self._process.kill()  # a late answer would be taken for that to another question
        if not line:
            ended = f"its process ended with {self._process.poll()}" if ready else f"no answer in {self._patience:g} s"
            raise FailedError(f"{ended}\n{self._complained()}".strip())
        told = json.loads(line)
        if "missing" in told:
            raise MissingError(told["missing"])
        if "failed" in told:
            raise FailedError(told["failed"])
        return told

    def prepare(self, contestant: Contestant) -> float | None:
        """Let it prepare a contestant, and return the resident set in MB that it has then."""
        told = self.ask(do="prepare", name=contestant.name, prepare=contestant.prepare, given=dict(contestant.given))
        return told["start_MB"]

    def run(self, contestant: Contestant, n: int) -> dict[str, Any]:
        """Let a contestant work, and return seconds, facts and peak_MB."""
        return self.ask(do="run", name=contestant.name, n=n, slowdown=contestant.slowdown)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()

    def _complained(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read()[-2000:]


def versions_of(environment: str) -> dict[str, str] | None:
    """Return the versions of the packages of an environment, None if there is none."""
    try:
        child = Child(environment)
    except MissingError:
        return None
    try:
        return child.ask(do="versions")
    finally:
        child.close()
