"""The page as Chromium shows it: no error, no request, every figure in sight, nothing wider than a phone."""

import pytest

import chromium
from report_samples import found, statement, verdict
from tightwidth.report.figure_files import draw_figures
from tightwidth.report.page import page
from tightwidth.report.reproduce_record import record_of

PROGRAM = chromium.program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason=f"none of {', '.join(chromium.NAMES)} is installed")

WINDOWS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740, "phone": True}}

BOXES = """[...document.querySelectorAll(%r)].map(node => {
    const box = node.getBoundingClientRect();
    return {left: box.left, right: box.right, width: box.width, height: box.height,
            shown: node.checkVisibility({opacityProperty: true, visibilityProperty: true})};
})"""
INKED = """[...document.querySelectorAll('figure svg')].map(node =>
    [...node.querySelectorAll('path, use')].filter(part => {
        const box = part.getBoundingClientRect();
        return box.width + box.height > 0;
    }).length)"""
WIDE = "word-without-an-end-" * 12


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Return the file of a page with long words, long numbers, wide tables and several figures."""
    folder = tmp_path_factory.mktemp("page")
    verdicts = [
        verdict("below", 1.23456e-7, -1.2346e-9, 1.2346e-8),
        verdict("within", 1234e5, 1233e5, 1235e5, claim=WIDE, tolerance=1.2346e6),
        verdict("above", 1e15, -1.2346e-12, 2e3),
    ]
    what = found(
        statement("Theorem 4", verdicts=verdicts, stems=("coins", "more_coins")),
        statement("Theorem 7", text=WIDE, stems=("last_coins",), seeds=3),
    )
    drawn = [draw_figures(finding, folder) for finding in what.findings]
    file = folder / "index.html"
    file.write_text(page(what, drawn, record_of(what, [[], []])), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    assert PROGRAM is not None
    found = chromium.Chromium(PROGRAM, tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(params=WINDOWS)
def shown(request, browser, sample):
    """Open the page in a window, and return the browser and the window's width."""
    window = WINDOWS[request.param]
    browser.open(sample, **window)
    return browser, window["width"]


def test_there_is_no_error_and_nothing_is_asked_for_but_the_page(shown, sample):
    browser, _ = shown
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [sample.as_uri()]
    assert browser.evaluate("document.compatMode") == "CSS1Compat"
    assert browser.evaluate("performance.getEntriesByType('resource').length") == 0


def test_every_figure_is_in_sight(shown):
    browser, width = shown
    boxes = browser.evaluate(BOXES % "figure svg")
    assert len(boxes) == 3
    for box in boxes:
        assert box["shown"]
        assert box["width"] >= 0.8 * min(width, 600)
        assert box["width"] / box["height"] == pytest.approx(5.5 / 3.5, rel=0.01)
        assert box["left"] >= 0
        assert box["right"] <= width
    assert min(browser.evaluate(INKED)) > 40


def test_nothing_scrolls_sideways(shown):
    browser, width = shown
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    for box in browser.evaluate(BOXES % "h1, h2, p, .cards, .cards td, .scroll, pre, dd"):
        assert box["right"] <= width + 0.5


def test_every_verdict_is_in_sight(shown):
    browser, width = shown
    boxes = browser.evaluate(BOXES % ".cards .answer")
    assert len(boxes) == 2 * 4
    assert all(box["shown"] and box["width"] > 30 and box["right"] <= width for box in boxes)
    assert browser.evaluate("[...document.querySelectorAll('.cards td .answer')][0].innerText") == "✓ holds"


def test_text_can_be_read_in_light_and_dark(browser, sample):
    inks = {}
    for dark in (False, True):
        browser.open(sample, 1280, 800, dark=dark)
        style = "(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))"
        inks[dark] = [sum(map(int, color[4:-1].split(","))) for color in browser.evaluate(style)]
        plate = "getComputedStyle(document.querySelector('.plate')).backgroundColor"
        assert browser.evaluate(plate) == "rgb(255, 255, 255)"
    assert inks[False][1] - inks[False][0] > 500
    assert inks[True][0] - inks[True][1] > 500


def test_these_checks_see_a_page_that_errs_asks_and_is_too_wide(browser, sample, tmp_path):
    text = sample.read_text(encoding="utf-8")
    policy = text[text.index('<meta http-equiv="Content-Security-Policy"') :].split(">")[0] + ">"
    wrong = '<img src="missing.png" alt=""><script>console.error("no")</script><p style="min-width:900px">wide</p>'
    file = tmp_path / "wrong.html"
    file.write_text(text.replace(policy, "").replace("</header>", wrong + "</header>"), encoding="utf-8")
    browser.open(file, 360, 740, phone=True)
    assert any("no" in complaint for complaint in browser.complaints())
    assert (tmp_path / "missing.png").as_uri() in browser.requests()
    assert browser.evaluate("document.documentElement.scrollWidth") > 800


def test_the_policy_of_the_page_lets_nothing_run(browser, sample, tmp_path):
    file = tmp_path / "script.html"
    text = sample.read_text(encoding="utf-8")
    file.write_text(text.replace("</header>", "<script>window.ran = true</script></header>"), encoding="utf-8")
    browser.open(file, 360, 740)
    assert browser.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in complaint for complaint in browser.complaints())
