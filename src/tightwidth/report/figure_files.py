"""The figures of a report: drawn once, written for papers, kept for the page."""

from dataclasses import dataclass
from pathlib import Path

from tightwidth.plots import style
from tightwidth.plots.description import describe
from tightwidth.report.reproduction import Finding


@dataclass(frozen=True)
class DrawnFigure:
    """Hold a figure as it was written: its files, its SVG, the caption, and what it shows in words."""

    stem: str
    caption: str
    description: str
    svg: bytes
    files: tuple[Path, ...]


def draw_figures(finding: Finding, folder: Path) -> list[DrawnFigure]:
    """Draw the figures of a statement into a folder, as SVG, PDF and PNG; none if a part of its cells is missing."""
    drawn: list[DrawnFigure] = []
    if finding.n_missing:
        return drawn
    for stem, (draw, caption) in finding.statement.figures.items():
        with style.paper():
            figure = draw(finding.records)
        files = style.write(figure, folder / stem)
        drawn.append(DrawnFigure(stem, caption, describe(figure), files[0].read_bytes(), tuple(files)))
    return drawn
