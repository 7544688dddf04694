"""The tables of the page: headers with scope, and rows that become cards on a narrow screen."""

from collections.abc import Sequence

from tightwidth.cell_records import Verdict
from tightwidth.report.html_elements import Child, Element, element
from tightwidth.report.reproduction import Finding
from tightwidth.report.statement import Table
from tightwidth.report.strip import strip
from tightwidth.report.wording import FAILS, HOLDS, OPEN, answer, measured, predicted, why_open

SIGNS = {HOLDS: "✓", FAILS: "✗", OPEN: "?"}


def answer_mark(word: str) -> Element:
    """Return a word with a sign before it, which readers of the screen leave out."""
    sign = element("span", SIGNS[word], aria_hidden="true", class_="sign")
    return element("span", sign, f" {word}", class_=f"answer {word.replace(' ', '-')}")


def summary(findings: Sequence[Finding], links: Sequence[str]) -> Element:
    """Return the table of all verdicts; a statement's name leads to its section."""
    columns = ("Statement", "Claim", "Predicted", "Measured", "Verdict")
    rows: list[list[Child]] = []
    for finding, link in zip(findings, links, strict=True):
        name = finding.statement.label
        for verdict in finding.verdicts:
            rows.append([element("a", name, href=f"#{link}"), *_verdict_cells(verdict)])
        if not finding.verdicts:
            rows.append([element("a", name, href=f"#{link}"), why_open(finding), "", "", answer_mark(OPEN)])
    return _cards("Verdicts on all statements", columns, rows)


def verdicts_of(finding: Finding) -> Element:
    """Return the verdicts of one statement, with how each interval was made."""
    columns = ("Claim", "Predicted", "Measured", "Interval of", "Verdict")
    rows = [
        [claim, said, seen, verdict.how, word]
        for verdict in finding.verdicts
        for claim, said, seen, word in [_verdict_cells(verdict)]
    ]
    if not rows:
        return element("p", why_open(finding))
    return _cards(f"Verdicts on {finding.statement.label}", columns, rows)


def _verdict_cells(verdict: Verdict) -> tuple[Child, Child, Child, Child]:
    seen = element("span", element("span", measured(verdict), class_="value"), strip(verdict), class_="seen")
    said = element("span", predicted(verdict), class_="value")
    return verdict.claim, said, seen, answer_mark(answer(verdict))


def _cards(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Child]]) -> Element:
    """Return a table that a narrow screen shows as cards; the roles keep it a table for readers of the screen."""
    head = [element("th", name, scope="col", role="columnheader") for name in columns]
    body = []
    for first, *rest in rows:
        cells = [element("th", first, scope="row", role="rowheader")]
        for name, child in zip(columns[1:], rest, strict=True):
            cells.append(element("td", element("span", child), role="cell", data_label=name))
        body.append(element("tr", cells, role="row"))
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", head, role="row"), role="rowgroup"),
        element("tbody", body, role="rowgroup"),
        class_="cards",
        role="table",
    )


def numbers(table: Table) -> Element:
    """Return a table of numbers, which scrolls by itself where it is wider than the screen."""
    head = [element("th", name, scope="col") for name in table.columns]
    body = [
        element("tr", element("th", first, scope="row"), [element("td", cell) for cell in rest])
        for first, *rest in table.rows
    ]
    whole = element(
        "table",
        element("caption", table.caption),
        element("thead", element("tr", head)),
        element("tbody", body),
        class_="numbers",
    )
    return element("div", whole, class_="scroll", role="region", aria_label=table.caption, tabindex="0")
