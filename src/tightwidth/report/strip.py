"""A verdict as a strip: where the statement puts the number, and the interval that was measured."""

import math

from tightwidth.cell_records import Verdict
from tightwidth.report.html_elements import Element, element

WIDTH, HEIGHT, MARGIN = 120, 16, 6
SHARE = 0.25  # of the strip that stays free on either side of what is drawn


def strip(verdict: Verdict) -> Element | None:
    """Return a small picture, which repeats what the row says in numbers; None if a number is not finite.

    The shade is where the statement allows the number to be, the line is what it predicts.
    """
    ends = {"within": (verdict.predicted - verdict.tolerance, verdict.predicted + verdict.tolerance)}
    allowed_low, allowed_high = ends.get(verdict.relation, (verdict.predicted, verdict.predicted))
    drawn = [allowed_low, allowed_high, verdict.low, verdict.high, verdict.measured]
    if not all(map(math.isfinite, drawn)):
        return None
    low, high = min(drawn), max(drawn)
    spare = SHARE * (high - low) or 1.0
    low, high = low - spare, high + spare

    def place(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low)

    left = 0.0 if verdict.relation == "below" else place(allowed_low)
    right = float(WIDTH) if verdict.relation == "above" else place(allowed_high)
    middle = HEIGHT / 2
    return element(
        "svg",
        _shape("rect", "allowed", x=left, y=0, width=right - left, height=HEIGHT),
        _line("predicted", place(verdict.predicted), 0, place(verdict.predicted), HEIGHT),
        _line("interval", place(verdict.low), middle, place(verdict.high), middle),
        _shape("circle", "measured", cx=place(verdict.measured), cy=middle, r=3),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_="strip",
        aria_hidden="true",
    )


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> Element:
    return _shape("line", name, x1=x1, y1=y1, x2=x2, y2=y2)


def _shape(tag: str, name: str, **numbers: float) -> Element:
    return element(tag, class_=name, **{key: f"{value:.4g}" for key, value in numbers.items()})
