"""What a reader may copy from the README runs."""

import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

import tightwidth as tw
from tightwidth import cli
from tightwidth.estimators import DepthTwoClassifier, fit_stream

README = Path(__file__).parents[1] / "README.md"
GUIDES = [README.parent / "docs" / name for name in ("kernels.md", "streams.md")]
TEXT = README.read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
OUTPUTS = [  # of the blocks
    r"\d\.\d parameters a point, at least 9\d\.\d% certified\n",
    r"condition \d\.\de\+0\d\n",
    r"16: the least that is taken \(q d = 2 m asks for fewer\)\n",
    r"256 columns, within 0\.1\d of a function of norm 1\n",
    r"W \(3, 32, 14\), u \(3, 32\), off by \de-(0[89]|1\d)\n",
]
COMMANDS = [
    line.split("#")[0].strip().removeprefix("$ ")
    for line in TEXT.splitlines()
    if re.match(r"^(    |\$ )tightwidth ", line)
]


def test_there_are_blocks_and_commands_to_run():
    assert len(PYTHON) == len(OUTPUTS)
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize(("block", "output"), list(zip(PYTHON, OUTPUTS, strict=False)))
def test_python_blocks_run(block, output, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(README), "exec"), {})
    assert re.fullmatch(output, capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [block for guide in GUIDES for block in re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)],
)
def test_blocks_of_the_guides_run(block, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "guide", "exec"), {"__name__": "guide"})


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command, monkeypatch, capsys, tmp_path):
    """Every option of every command exists: the run itself is replaced by a smaller one that takes one step."""
    (tmp_path / "table.csv").write_text(
        "outcome,a,b\n" + "".join(f"{i % 2},{math.sin(i)},{math.cos(3 * i)}\n" for i in range(40)),
        encoding="utf-8",
    )
    rows = pyarrow.table({"y": [i % 2 for i in range(40)], "a": [math.sin(i) for i in range(40)]})
    for name in ("rows.parquet", "fresh.parquet"):
        parquet.write_table(rows, tmp_path / name)
    if "model.safetensors" in command:
        tw.save(fit_stream(DepthTwoClassifier(), tmp_path / "rows.parquet", n_passes=1), tmp_path / "model.safetensors")
    plan = {"data": "random points", "n_samples": 64, "n_features": 8, "n_pairs": 2, "n_steps": 1}
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    smaller = {"4096": "64", "digits": "wine"}
    words = [smaller.get(word, word) for word in shlex.split(command.split(">")[0])]
    if words[1] == "memorize" and "--help" not in words:
        words += ["--steps", "1", "--pairs", "2"]
    if "--search" in words:
        words += ["--search-seeds", "1", "--search-epochs", "400"]
        words = [{"2048": "48", "64": "8"}.get(word, word) for word in words]
    if words[1] == "reproduce":
        words = [*words[:2], "--only", "Section A.5", "--workers", "0"]
    if words[1] == "sweep":
        text = 'experiment = "bounded_distributions"\nseeds = 1\n[grid]\nn_samples = [50, 60]\n'
        (tmp_path / "plane.toml").write_text(text, encoding="utf-8")
        if words[2] != "plane.toml":
            monkeypatch.setattr(sys, "argv", ["tightwidth", "sweep", "plane.toml", "--workers", "0"])
            with pytest.raises(SystemExit):
                cli.main()
    if words[1] == "plan":
        words += ["--no-calibrate"] if "learn" in words else ["--no-calibrate", "--pairs", "2"]
    if "--devices" in words:  # a CPU counts as several only before JAX has begun: in a process of its own
        start = [sys.executable, "-c", "from tightwidth.cli import main; main()"]
        done = subprocess.run([*start, *words[1:]], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        assert "4 x cpu" in done.stdout
        return
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code in (0, 1)
    assert capsys.readouterr().out


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    missing = [link for link in links if "://" not in link and not (README.parent / link).exists()]
    assert missing == []
