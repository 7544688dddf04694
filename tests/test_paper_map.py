"""The labels of the paper and their homes: one each, found in any usual spelling, and on one page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tightwidth.cli.where import where
from tightwidth.paper_map import (
    SUMMARIES,
    Home,
    UnknownLabelError,
    canonical,
    check_homes,
    find,
    homes,
    markdown,
)

DOCS_PAGE = Path(__file__).parent.parent / "docs" / "paper_map.md"


def claiming(*labels: str) -> str:
    """Return a docstring that claims labels."""
    lines = "\n    ".join(f"Daniely (2020), {label}." for label in labels)
    return f'"""Do it.\n\n    References\n    ----------\n    {lines}\n    """'


@pytest.fixture
def package(tmp_path):
    """Return a package of two modules with one claim each."""
    root = tmp_path / "toy"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text(claiming("Section 2.2"))
    (root / "inner" / "one.py").write_text(
        f"class A:\n    @property\n    def b(self):\n        {claiming('Theorem 4', 'Equation (2)')}\n"
    )
    return root


def test_every_numbered_label_has_one_home():
    check_homes(homes())


@pytest.mark.parametrize(
    "label", ["Algorithm 1", "Footnote 2", "Corollary 3", "Theorem 4", "Theorem 7", "Equation (1)"]
)
def test_the_main_objects_of_the_paper_have_a_home(label):
    assert len(find(label)) == 1


def test_the_line_is_that_of_the_definition():
    (home,) = find("Algorithm 1")
    source = home.file.read_text().splitlines()[home.line - 1]
    assert re.match(rf"\s*(def|class) {home.name.rsplit('.', 1)[1]}\b", source)


def test_a_claim_may_be_one_of_several_and_deep_in_a_class(package):
    expected = Home("Theorem 4", "inner/one.py", 3, "toy.inner.one.A.b")
    assert find("Theorem 4", package) == (expected,)
    assert find("Equation (2)", package)[0].name == expected.name
    assert find("Section 2.2", package) == (Home("Section 2.2", "__init__.py", 1, "toy"),)


def test_a_claim_may_follow_a_footnote_mark_but_stands_alone_in_its_line(package):
    (package / "two.py").write_text(
        '"""Prose that mentions Daniely (2020), Theorem 6.\n\n.. [1] Daniely (2020), Theorem 5.\n"""'
    )
    assert find("Theorem 5", package)[0].path == "two.py"
    with pytest.raises(UnknownLabelError):
        find("Theorem 6", package)


def test_a_second_home_is_refused(package):
    check_homes(homes(package))
    (package / "two.py").write_text(f"def f():\n    {claiming('Theorem 4')}\n")
    with pytest.raises(ValueError, match=r"Theorem 4 has 2 homes \(inner/one.py:3, two.py:1\); leave the claim"):
        check_homes(homes(package))


def test_bars_of_norms_end_no_cell_of_the_table():
    rows = [line for line in markdown().splitlines() if line.startswith("|")]
    assert any("||f||" in summary for summary in SUMMARIES.values())
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_a_section_may_have_two_homes(package):
    (package / "two.py").write_text(f"def f():\n    {claiming('Section 2.2')}\n")
    check_homes(homes(package))
    assert len(find("section 2.2", package)) == 2


def test_a_label_that_the_paper_does_not_have_is_refused(package):
    (package / "two.py").write_text(f"def f():\n    {claiming('Theorem 17')}\n")
    with pytest.raises(ValueError, match=r"two.py:1 claims 'Theorem 17', which the paper does not have"):
        check_homes(homes(package))


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("theorem 4", "Theorem 4"),
        ("thm 4", "Theorem 4"),
        ("Thm. 4", "Theorem 4"),
        ("eq 2", "Equation (2)"),
        ("Equation (2)", "Equation (2)"),
        ("equation 2", "Equation (2)"),
        ("Eq.(2)", "Equation (2)"),
        ("alg 1", "Algorithm 1"),
        ("ALGORITHM 1", "Algorithm 1"),
        ("section A.5", "Section A.5"),
        ("sec a.5", "Section A.5"),
        ("sec 2.6", "Section 2.6"),
        ("§2.6", "Section 2.6"),
        ("footnote 2", "Footnote 2"),
        ("cor 3", "Corollary 3"),
        ("erratum 2", "Erratum 2"),
        (" thm4 ", "Theorem 4"),
        ("lemma", "lemma"),
    ],
)
def test_usual_spellings_are_understood(spelling, label):
    assert canonical(spelling) == label


def test_every_label_is_its_own_canonical_spelling():
    assert [canonical(label) for label in SUMMARIES] == list(SUMMARIES)


def test_an_unknown_label_is_answered_with_near_ones(package):
    with pytest.raises(UnknownLabelError, match=r"^no code claims 'Theorem 44'; try one of: Theorem 4"):
        find("Theorem 44", package)


def test_the_page_is_current():
    assert DOCS_PAGE.read_text(encoding="utf-8") == markdown(), "docs/paper_map.md is old: run `make docs-map`"


def test_the_page_links_to_files_that_exist():
    links = re.findall(r"\]\(([^)]+)\)", markdown())
    assert links
    assert all((DOCS_PAGE.parent / link).is_file() for link in links)


def test_the_module_writes_the_page():
    written = subprocess.run([sys.executable, "-m", "tightwidth.paper_map"], capture_output=True, check=True)
    assert written.stdout.decode().splitlines() == markdown().splitlines()


@pytest.fixture
def ask():
    """Return a function that runs the command with arguments."""
    app = typer.Typer()
    app.command()(where)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.slow
def test_the_command_prints_path_line_name_and_label(ask, monkeypatch):
    monkeypatch.chdir(DOCS_PAGE.parent.parent)
    (home,) = find("Algorithm 1")
    answer = ask("alg 1")
    assert answer.exit_code == 0
    assert answer.stdout == f"src/tightwidth/{home.path}:{home.line}  {home.name}  Algorithm 1\n"


@pytest.mark.slow
def test_the_command_lists_everything_without_a_label(ask):
    assert len(ask().stdout.splitlines()) == len(homes())


@pytest.mark.slow
def test_the_command_answers_in_json(ask):
    (home,) = find("Algorithm 1")
    expected = {"label": "Algorithm 1", "path": home.path, "line": home.line, "name": home.name}
    assert json.loads(ask("algorithm 1", "--json").stdout) == {"homes": [expected]}


def test_the_command_ends_with_2_and_one_line_on_an_unknown_label(ask):
    answer = ask("Lemma 99")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("tightwidth: no code claims 'Lemma 99'; try one of: ")
    assert answer.stderr.count("\n") == 1
