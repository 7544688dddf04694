"""What an import costs, and who may import whom."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import tightwidth

ROOT = Path(__file__).parent.parent
COMMAND = shutil.which("tightwidth", path=str(Path(sys.executable).parent))


def output(*command: str) -> str:
    """Return what a command prints; it must succeed, and say nothing on standard error."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that are loaded after a statement in a fresh interpreter."""
    names = output(sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)")
    return {name.split(".")[0] for name in names.split()}


def test_importing_the_package_loads_none_of_its_dependencies():
    loaded = loaded_by("import tightwidth")
    assert "tightwidth" in loaded
    assert not loaded & {"jax", "numpy", "scipy", "sklearn", "matplotlib", "typer", "pydantic"}


def test_the_main_job_loads_neither_scikit_learn_nor_matplotlib():
    loaded = loaded_by("import tightwidth as tw\ntw.memorize")
    assert "jax" in loaded
    assert not loaded & {"sklearn", "matplotlib", "typer", "rich", "pydantic", "pyarrow"}


@pytest.mark.slow
def test_the_command_of_the_main_job_loads_no_part_of_scipy():
    names = output(
        sys.executable,
        "-c",
        "import tightwidth.cli.memorize_run, tightwidth.cli.memorize_data, sys\nprint(*sys.modules)",
    ).split()
    assert "tightwidth.memorization_run" in names
    assert not {name.split(".")[0] for name in names} & {"scipy", "sklearn", "pandas"}


def test_the_command_line_answers_for_help_without_the_numerical_packages():
    loaded = loaded_by("import tightwidth.cli")
    assert not loaded & {"jax", "scipy", "sklearn", "matplotlib"}


def test_every_public_name_can_be_had():
    for name in tightwidth.__all__:
        assert getattr(tightwidth, name) is not None
    assert set(tightwidth.__all__) <= set(dir(tightwidth))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tightwidth' has no attribute 'widths'"):
        _ = tightwidth.widths


def test_the_version_is_that_of_the_distribution():
    assert tightwidth.__version__ == version("tightwidth")


@pytest.mark.parametrize("command", [["--help"], ["memorize", "--help"], ["where", "--help"]])
def test_help_is_printed(command):
    assert COMMAND is not None
    assert "Usage" in output(COMMAND, *command)


def test_the_version_is_printed():
    assert COMMAND is not None
    assert tightwidth.__version__ in output(COMMAND, "--version")


def test_the_end_of_a_command_is_no_search_for_cycles():
    asked = "import atexit, gc, sys\natexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
    said = output(sys.executable, "-c", f"{asked}from tightwidth.cli import main\nsys.argv[1:] = ['--version']\nmain()")
    assert said.splitlines()[-1] == "True"


@pytest.mark.skipif(find_spec("importlinter") is None, reason="import-linter comes with `make lint`, which runs it too")
def test_imports_point_one_way():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout
