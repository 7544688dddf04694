"""Compiled programs are kept between commands, where the user lets us."""

import json
import os
import subprocess
import sys
import time

import pytest

from tightwidth.cli import compiled_programs

COMMAND = [sys.executable, "-c", "from tightwidth.cli import main; main()", "memorize"]
RUN = [*COMMAND, "--points", "32", "--dim", "4", "--pairs", "16", "--loss", "perceptron", "--json"]


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Return a cache folder of the test's own, in an environment that says nothing of JAX."""
    for name in [name for name in os.environ if name.startswith("JAX_") and name != "JAX_DISABLE_MOST_OPTIMIZATIONS"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tightwidth"


def numbers(said):
    """Return what a run found, without its times."""
    record = json.loads(said)
    return {name: value for name, value in record.items() if not name.startswith("seconds")}


@pytest.mark.slow
def test_the_second_run_finds_what_the_first_compiled_and_the_same_numbers(environment):
    first = subprocess.run(RUN, capture_output=True, text=True, check=True)
    kept = {file.name for file in environment.iterdir()}
    assert len(kept) > 5
    for file in environment.glob("*-cache"):
        file.write_bytes(file.read_bytes()[:100])  # as a kill may leave them
        break
    second = subprocess.run(RUN, capture_output=True, text=True, check=True)
    assert numbers(second.stdout) == numbers(first.stdout)
    assert {file.name for file in environment.iterdir()} == kept
    assert "cache" not in second.stderr.lower()


def test_what_is_a_month_old_is_forgotten(environment):
    environment.mkdir()
    for name, days in (("old-cache", 31), ("young-cache", 29)):
        (environment / name).write_bytes(b"")
        when = time.time() - days * 86400
        os.utime(environment / name, (when, when))
    compiled_programs.keep()
    assert [file.name for file in environment.iterdir()] == ["young-cache"]
    assert os.environ[compiled_programs.PLACE] == str(environment)


def test_a_place_of_the_users_own_is_left(environment, monkeypatch):
    monkeypatch.setenv(compiled_programs.PLACE, "elsewhere")
    compiled_programs.keep()
    assert os.environ[compiled_programs.PLACE] == "elsewhere"
    assert {name: os.environ[name] for name in compiled_programs.SETTINGS} == compiled_programs.SETTINGS
    assert not environment.exists()


def test_where_nothing_can_be_written_nothing_is_kept(environment, monkeypatch):
    environment.parent.joinpath("file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(environment.parent / "file"))
    compiled_programs.keep()
    assert compiled_programs.PLACE not in os.environ
