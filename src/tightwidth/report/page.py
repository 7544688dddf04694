"""The page of `tightwidth reproduce`: verdicts first, then each statement, then what ran; one file, nothing fetched."""

from collections.abc import Sequence
from importlib.resources import files

from tightwidth.report.figure_files import DrawnFigure
from tightwidth.report.html_elements import Child, Element, document, element
from tightwidth.report.inline_svg import inline, width_in_points
from tightwidth.report.page_tables import answer_mark, numbers, summary, verdicts_of
from tightwidth.report.reproduce_record import ReproduceRecord
from tightwidth.report.reproduction import Finding, Reproduction
from tightwidth.report.wording import FAILS, HOLDS, OPEN, command, conclusion, duration, ranges, slug

TITLE = "Neural networks learning and memorization with (almost) no over-parameterization, measured"
PAPER = (
    "Amit Daniely, “Neural Networks Learning and Memorization with (almost) no Over-Parameterization”, Advances in "
    "Neural Information Processing Systems 33, 2020"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the page may fetch nothing, and runs nothing
LEGEND = (
    "A verdict compares an interval of what was measured with what the statement says, and holds only if the whole "
    "interval lies where the statement puts it; where a value is predicted exactly, the interval must cover it. In "
    "the strips the bar is the interval, the dot the number measured, the dashed line what is predicted, and the "
    "shade where it may lie."
)
LARGER_THAN_PRINT = 1.25  # type of 8 points is small on a screen
LEVELS = {"quick": "quick: small sizes and few seeds", "full": "full: larger sizes and more seeds"}


def page(found: Reproduction, figures: Sequence[Sequence[DrawnFigure]], record: ReproduceRecord) -> str:
    """Return the page as HTML5 text; ``figures`` are those of each statement.

    The same records, versions and machine class give the same text.
    """
    links = _links(found)
    sections = [
        _section(record, finding, link, drawn)
        for finding, link, drawn in zip(found.findings, links, figures, strict=True)
    ]
    body = element(
        "body",
        element("a", "Skip to the verdicts", href="#verdicts", class_="skip"),
        element("header", element("h1", TITLE), element("p", f"The statements of {PAPER}, each with a measurement.")),
        element(
            "main",
            element(
                "section",
                element("h2", "Verdicts", id="verdicts"),
                element(
                    "p", answer_mark(HOLDS if record.holds else FAILS), " ", conclusion(record), class_="conclusion"
                ),
                element("p", LEGEND),
                summary(found.findings, links),
            ),
            sections,
        ),
        _foot(found, record),
    )
    return document(element("html", _head(), body, lang="en"))


def _head() -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", TITLE),
        element("link", rel="icon", href="data:,"),
        element("style", files("tightwidth.report").joinpath("page.css").read_text(encoding="utf-8")),
    )


def _links(found: Reproduction) -> list[str]:
    """Return an id for each section; statements may share a label."""
    names: list[str] = []
    for finding in found.findings:
        name = base = slug(finding.statement.label)
        n = 1
        while name in names:
            n += 1
            name = f"{base}-{n}"
        names.append(name)
    return names


def _section(record: ReproduceRecord, finding: Finding, link: str, drawn: Sequence[DrawnFigure]) -> Element:
    """Return what a statement says, how it is measured, its verdicts, figures and tables, and how to run it again."""
    statement = finding.statement
    word = OPEN if not finding.verdicts else HOLDS if finding.holds else FAILS
    parts: list[Child] = [
        element("h2", f"{statement.label}: {statement.title} ", answer_mark(word), id=link),
        element("h3", "What it says"),
        element("p", statement.says),
        element("h3", "How it is measured"),
        element("p", statement.measured),
        element("h3", "What came out"),
        verdicts_of(finding),
    ]
    parts += [_figure(figure, f"{link}-{slug(figure.stem)}", n) for n, figure in enumerate(drawn, 1)]
    parts += [numbers(table) for table in finding.tables]
    seconds = sum(cell.seconds for cell in finding.records)
    cells = f"{len(finding.records):,} cell" + ("s" if len(finding.records) != 1 else "")
    parts += [
        element("h3", "Run it again"),
        element("pre", element("code", command(record, statement.label))),
        element("p", f"{cells}, {duration(seconds)} of computing.", class_="note"),
    ]
    return element("section", parts, class_="statement")


def _figure(figure: DrawnFigure, name: str, n: int) -> Element:
    picture = inline(figure.svg, name, figure.description)
    width = LARGER_THAN_PRINT * width_in_points(figure.svg) / 0.75  # CSS counts 96 pixels an inch
    return element(
        "figure",
        element("div", picture, class_="plate", style=f"max-width:{width:.0f}px"),
        element("figcaption", element("b", f"Figure {n}. "), figure.caption),
        id=name,
    )


def _foot(found: Reproduction, record: ReproduceRecord) -> Element:
    """Return what ran: level, seeds, time, machine class, versions, and the command."""
    facts = {
        "Level": LEVELS[record.level],
        "Seeds of cells": ranges(r.seed for r in found.records) or "none",
        "Cells": f"{record.n_cells:,}, {duration(record.seconds)} of computing in sum",
        "Finished": record.finished or "never",
        "Device": f"{', '.join(record.devices) or 'none'}, {record.cores} core{'s' if record.cores != 1 else ''}",
        "Versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    if record.commits:
        facts["Commit"] = ", ".join(record.commits)
    return element(
        "footer",
        element("h2", "What ran"),
        element("dl", [[element("dt", name), element("dd", text)] for name, text in facts.items()]),
        element("p", "All of it again:"),
        element("pre", element("code", command(record))),
    )
