"""The page: one well-formed file that fetches nothing, with every verdict and figure, whatever the text in them."""

import dataclasses
import json
import re
from itertools import pairwise

import pytest

from html_structure import read
from report_samples import HOSTILE, found, statement, verdict
from tightwidth.cell_records import Verdict
from tightwidth.paper_map import SUMMARIES
from tightwidth.plots import style
from tightwidth.report import wording
from tightwidth.report.figure_files import draw_figures
from tightwidth.report.page import page
from tightwidth.report.reproduce_record import record_of
from tightwidth.report.statements import all_statements
from tightwidth.report.strip import HEIGHT, WIDTH, strip

VERDICTS = (
    verdict("below", 2.0, 0.5, 1.5, "one below"),
    verdict("above", 1234567.0, 1e3, 2e3, "one that is to be above, and is not"),
    verdict("covers", 0.25, 0.24, 0.26, "one covered"),
    verdict("within", 1.0, 0.97, 1.02, "one within", tolerance=0.05),
)


def written(folder, *statements, level="quick"):
    """Return the page on statements, and what it was made of."""
    folder.mkdir(exist_ok=True)
    what = dataclasses.replace(found(*statements), level=level)
    figures = [draw_figures(finding, folder) for finding in what.findings]
    record = record_of(what, [[file.name for one in drawn for file in one.files] for drawn in figures])
    return page(what, figures, record), what, figures


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Return a page of three statements, two of which share a label, with four figures."""
    return written(
        tmp_path_factory.mktemp("page"),
        statement("Theorem 4", verdicts=VERDICTS, stems=("coins", "more_coins")),
        statement("Theorem 4", stems=("other_coins",), seeds=3),
        statement("Section A.5", stems=("last_coins",)),
    )


def attributes(root, name):
    return [node.attributes[name] for node in root.all() if name in node.attributes]


class TestStructure:
    @pytest.mark.slow
    def test_language_title_viewport_and_parts(self, example):
        root = read(example[0])
        (html,) = root.all("html")
        assert html.attributes["lang"] == "en"
        assert root.all("title")[0].text().strip()
        metas = {node.attributes.get("name"): node.attributes.get("content") for node in root.all("meta")}
        assert metas["viewport"] == "width=device-width, initial-scale=1"
        assert root.all("meta")[0].attributes == {"charset": "utf-8"}
        assert [len(root.all(tag)) for tag in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]

    def test_headings_leave_out_no_level(self, example):
        levels = [int(node.tag[1]) for node in read(example[0]).all() if re.fullmatch("h[1-6]", node.tag)]
        assert levels[0] == 1
        assert all(below <= above + 1 for above, below in pairwise(levels))

    def test_every_header_cell_has_a_scope_and_every_table_a_caption(self, example):
        root = read(example[0])
        assert {node.attributes["scope"] for node in root.all("th")} == {"row", "col"}
        for table in root.all("table"):
            (caption,) = table.all("caption")
            assert caption.text().strip()
            widths = {len(row.all("th") + row.all("td")) for row in table.all("tr")}
            assert len(widths) == 1

    def test_ids_are_unique_and_all_that_is_referred_to_is_there(self, example):
        root = read(example[0])
        ids = attributes(root, "id")
        assert len(ids) == len(set(ids))
        named = [value[1:] for value in attributes(root, "href") if value.startswith("#")]
        named += attributes(root, "aria-labelledby")
        named += re.findall(r"url\(#([^)]+)\)", example[0])
        assert len(named) > 50  # the glyphs and clip paths of four figures are among them
        assert set(named) <= set(ids)

    def test_it_fetches_nothing_and_runs_nothing(self, example):
        text = example[0]
        root = read(text)
        assert not re.search(r"https?:|//|@import|@font-face", text)
        assert not set(attributes(root, "src"))
        assert all(value.startswith(("#", "data:")) for value in attributes(root, "href"))
        assert not {"script", "iframe", "object", "img"} & {node.tag for node in root.all()}
        assert not [name for node in root.all() for name in node.attributes if name.startswith("on")]
        (policy,) = [node for node in root.all("meta") if "http-equiv" in node.attributes]
        assert policy.attributes["content"].startswith("default-src 'none'")

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("<!doctype html><p><b></p></b>", "</p> ends <b>"),
            ("<!doctype html><p>", "<p> is not closed"),
            ("<!doctype html><p id='a' id='b'></p>", "p has an attribute twice"),
            ("<!doctype html><!-- x -->", "a comment"),
        ],
    )
    def test_the_reader_of_this_test_refuses_what_is_not_well_formed(self, text, why):
        with pytest.raises(AssertionError, match=re.escape(why)):
            read(text)


class TestVerdicts:
    def test_every_verdict_is_in_the_summary_and_in_its_section(self, example):
        text, what, _ = example
        root = read(text)
        rows = [[cell.text() for cell in row.all("th") + row.all("td")] for row in root.all("tr")]
        for finding in what.findings:
            for one in finding.verdicts:
                word = "✓ holds" if one.holds else "✗ fails"
                said, seen = wording.predicted(one), wording.measured(one)
                assert [finding.statement.label, one.claim, said, seen, word] in rows
                assert [one.claim, said, seen, one.how, word] in rows

    def test_the_summary_comes_first_and_says_how_many_hold(self, example):
        root = read(example[0])
        summary, *_ = root.all("table")
        assert summary.all("caption")[0].text() == "Verdicts on all statements"
        assert len(summary.all("tr")) == 1 + 6
        (conclusion,) = [node for node in root.all("p") if node.attributes.get("class") == "conclusion"]
        assert conclusion.text() == "✗ fails 5 of 6 verdicts hold; look at Theorem 4."

    def test_each_row_leads_to_its_own_section_though_labels_are_shared(self, example):
        root = read(example[0])
        links = [node.attributes["href"][1:] for node in root.all("table")[0].all("a")]
        assert list(dict.fromkeys(links)) == ["theorem-4", "theorem-4-2", "section-a-5"]
        heads = {node.attributes["id"]: node.text() for node in root.all("h2") if "id" in node.attributes}
        assert heads["section-a-5"] == "Section A.5: Title of coins ✓ holds"
        assert heads["theorem-4"].endswith("✗ fails")
        assert heads["theorem-4-2"].endswith("✓ holds")

    def test_a_statement_without_verdicts_does_not_hold(self, tmp_path):
        text, what, _ = written(tmp_path, statement(verdicts=(), stems=()), statement("Theorem 7", stems=()))
        assert not what.holds
        rows = [[cell.text() for cell in row.all("th") + row.all("td")] for row in read(text).all("tr")]
        assert ["Theorem 4", "the records allow no verdict", "", "", "? no verdict"] in rows

    def test_cells_that_failed_are_told_and_leave_no_figure(self, tmp_path):
        what = found(statement())
        part = dataclasses.replace(what.findings[0], verdicts=(), tables=(), n_missing=2, errors=("Bad: <thing>",))
        what = dataclasses.replace(what, findings=(part,))
        drawn = draw_figures(part, tmp_path)
        assert drawn == []
        root = read(page(what, [drawn], record_of(what, [[]])))
        assert "2 cells ended in an error: Bad: <thing>" in [node.text() for node in root.all("td")]
        assert not root.all("figure")

    def test_numbers_that_are_not_finite(self, tmp_path):
        one = verdict("below", float("inf"), 1.0, 2.0)
        other = verdict("below", 3.0, float("nan"), float("nan"))
        text, what, _ = written(tmp_path, statement(verdicts=[one, other], stems=()))
        rows = [[cell.text() for cell in row.all("th") + row.all("td")] for row in read(text).all("tr")]
        assert ["Theorem 4", one.claim, "at most ∞", "1.5 [1, 2]", "✓ holds"] in rows
        nothing = "undefined [undefined, undefined]"
        assert ["Theorem 4", one.claim, "at most 3", nothing, "✗ fails"] in rows
        saved = json.loads(record_of(what, [[]]).to_json())["statements"][0]["verdicts"]
        assert [saved[0]["predicted"], saved[1]["measured"]] == [None, None]


class TestFigures:
    def test_every_figure_is_there_with_its_caption_and_not_empty(self, example):
        text, _, figures = example
        nodes = read(text).all("figure")
        drawn = [one for of_one in figures for one in of_one]
        assert len(nodes) == len(drawn) == 4
        for node, one in zip(nodes, drawn, strict=True):
            assert node.all("figcaption")[0].text().endswith(one.caption)
            (picture,) = node.all("svg")
            assert picture.attributes["viewbox"].startswith("0 0 ")
            assert "width" not in picture.attributes
            assert sum(bool(path.attributes.get("d", "").strip()) for path in picture.all("path")) > 20
            assert len(picture.all("use")) > 20

    def test_they_say_in_words_what_they_show(self, example):
        for node in read(example[0]).all("figure"):
            (picture,) = node.all("svg")
            (title,) = picture.all("title")
            assert picture.attributes["role"] == "img"
            assert picture.attributes["aria-labelledby"] == title.attributes["id"]
            assert re.fullmatch(r"heads from .* over seed from .*: coins; fair\.", title.text())

    def test_no_style_of_a_picture_reaches_the_page(self, example):
        root = read(example[0])
        assert len(root.all("style")) == 1
        assert not root.all("metadata")

    def test_they_are_written_for_papers_too(self, example):
        for of_one in example[2]:
            for one in of_one:
                svg, pdf, png = (file.read_bytes() for file in one.files)
                assert (svg[:5], pdf[:5], png[:4]) == (b"<?xml", b"%PDF-", b"\x89PNG")

    def test_type_is_of_8_to_10_points_and_inks_differ_in_grey(self):
        sizes = [value for name, value in style.PAPER.items() if name.endswith("size")]
        assert len(sizes) == 7
        assert all(8 <= size <= 10 for size in sizes)
        inks = (style.INK, style.BLUE, style.RED, style.GREEN)
        light = sorted(
            sum(w * int(ink[i : i + 2], 16) for w, i in ((0.299, 1), (0.587, 3), (0.114, 5))) for ink in inks
        )
        assert min(light[1] - light[0], light[2] - light[1], light[3] - light[2]) > 15  # of 255


class TestText:
    @pytest.mark.slow
    def test_hostile_text_stays_text(self, tmp_path):
        parts = {"text": HOSTILE, "stems": ("coins",)}
        one = statement(HOSTILE, verdicts=[verdict(claim=HOSTILE)], **parts)
        plain = statement("plain", verdicts=[verdict(claim="plain")], text="plain", stems=("coins",))
        hostile, harmless = (read(written(tmp_path / name, what)[0]) for name, what in (("a", one), ("b", plain)))
        assert [node.tag for node in hostile.all()] == [node.tag for node in harmless.all()]
        whole = hostile.text()
        for lead in ("Title ", "Says ", "Measured ", "Caption coins ", "Table ", "seed "):
            assert lead + HOSTILE in whole
        assert HOSTILE in [cell.text() for cell in hostile.all("table")[0].all("th")]

    def test_control_characters_are_left_out(self, tmp_path):
        text, _, _ = written(tmp_path, statement(text="a\0b\x1bc", stems=()))
        assert "Says abc" in text

    def test_the_same_records_give_the_same_bytes(self, tmp_path):
        both = [written(tmp_path / name, statement()) for name in ("a", "b")]
        assert both[0][0] == both[1][0]
        for first, second in zip(both[0][2][0], both[1][2][0], strict=True):
            assert [file.read_bytes() for file in first.files] == [file.read_bytes() for file in second.files]

    def test_commands_run_each_statement_and_all_of_them(self, tmp_path):
        text, _, _ = written(tmp_path, statement("Equation (2)", stems=()), level="full")
        commands = [node.text() for node in read(text).all("code")]
        assert commands == [
            "tightwidth reproduce --full --only 'Equation (2)' -o equation-2",
            "tightwidth reproduce --full -o reproduction",
        ]

    def test_the_foot_says_what_ran(self, example):
        root = read(example[0])
        names = [node.text() for node in root.all("dt")]
        facts = dict(zip(names, [node.text() for node in root.all("dd")], strict=True))
        assert facts["Level"].startswith("quick")
        assert facts["Seeds of cells"] == "0 to 2"
        assert facts["Cells"] == "3, 4.5 s of computing in sum"  # seeds 0 and 1 are shared by the statements
        assert facts["Finished"] == "2020-12-06T00:00:00+00:00"
        assert facts["Commit"] == "c0ffee"
        assert re.fullmatch(r"cpu, \d+ cores?", facts["Device"])
        assert all(name in facts["Versions"] for name in ("Python 3.", "tightwidth ", "jax ", "matplotlib "))


class TestWording:
    @pytest.mark.parametrize("x", [1e-7, -3.14159, 0.00012345, 0.99999, 12.0, 99995.0, 123456.7, 7.7777e12, -1e-30])
    def test_four_digits_are_kept(self, x):
        back = float(wording.number(x).replace(",", "").replace("−", "-"))
        assert back == pytest.approx(x, rel=5e-4)
        assert sum(c.isdigit() for c in wording.number(x).split("e")[0].lstrip("0.−")) <= 9

    def test_what_holds_by_the_table_holds_by_the_word(self):
        assert [wording.answer(one) for one in VERDICTS] == ["holds", "fails", "holds", "holds"]
        assert [wording.predicted(one) for one in VERDICTS] == ["at most 2", "at least 1,235,000", "0.25", "1 ± 0.05"]


class TestStrip:
    @pytest.mark.parametrize("one", VERDICTS)
    def test_shade_line_and_bar_are_where_the_numbers_are(self, one: Verdict):
        picture = strip(one)
        assert picture is not None
        shade, line, bar, dot = ({k: float(v) for k, v in shape.attrib.items() if k != "class"} for shape in picture)
        assert 0 <= bar["x1"] < dot["cx"] < bar["x2"] <= WIDTH
        inside = shade["x"] - 0.01 <= bar["x1"] and bar["x2"] <= shade["x"] + shade["width"] + 0.01
        assert shade["height"] == HEIGHT
        if one.relation == "covers":
            assert bar["x1"] < line["x1"] < bar["x2"]
        else:
            assert inside == one.holds

    def test_a_number_that_is_not_finite_has_no_place(self):
        assert strip(verdict("below", float("inf"))) is None

    def test_one_number_for_all_is_drawn_in_the_middle(self):
        picture = strip(verdict("covers", 2.0, 2.0, 2.0))
        assert picture is not None
        assert float(picture[3].attrib["cx"]) == pytest.approx(WIDTH / 2)


class TestStatements:
    def test_labels_are_of_the_paper_and_figures_have_names_of_their_own(self):
        stems = [stem for one in all_statements() for stem in one.figures]
        assert stems
        assert len(stems) == len(set(stems))
        assert {one.label for one in all_statements()} <= set(SUMMARIES)

    def test_each_has_cells_for_both_levels(self):
        for one in all_statements():
            assert one.cells("quick"), one.label
            assert one.cells("full"), one.label
