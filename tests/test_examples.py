"""The examples run as their heads say, and draw their figures."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALLER = {"five_fold.py": ["--sets", "wine"], "stream.py": ["--rows", "20000"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_it_runs_and_draws(name, tmp_path):
    figure = tmp_path / "figure.png"
    command = [sys.executable, EXAMPLES / name, "--figure", figure, *SMALLER.get(name, [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_every_example_names_its_baselines_and_its_figure():
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "from sklearn" in text, path
        assert "savefig" in text, path
