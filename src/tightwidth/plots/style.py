"""What all figures share: the width of a paper's page, type of 8 to 9 points, inks that stay apart in grey.

The inks differ in lightness as well as in hue, so that a print in grey keeps them apart; where a figure has more
series than that, give each a line style or a marker of its own too.  The words of a figure are drawn as outlines in
SVG, which then looks the same everywhere, and are embedded as TrueType in PDF, where they can be searched.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, BLUE, RED, GREEN, GREY = "#1b1b1b", "#1f4e9c", "#d0403f", "#48a558", "0.55"  # the darkest first
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "x")

FORMATS = ("svg", "pdf", "png")
DOTS_PER_INCH = 200
WIDTH, HEIGHT = 5.5, 3.5  # inches; the text of a one-column paper is about that wide

PAPER: dict[Any, Any] = {  # matplotlib types its keys by a name of its own
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "figure.titlesize": 10.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.3,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "tightwidth",
}


def paper() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn and written as in print, the same bytes each time."""
    return mpl.rc_context(PAPER)


def canvas(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return an empty figure that needs no screen, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def write(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as SVG, PDF and PNG, with nothing of the day or the machine in it, and return the files."""
    undated = {"svg": {"Date": None, "Creator": None, "Format": None, "Type": None}, "pdf": {"CreationDate": None}}
    files = [stem.with_name(f"{stem.name}.{suffix}") for suffix in FORMATS]
    with paper():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # found once, the layout is the same in all files
        for suffix, file in zip(FORMATS, files, strict=True):
            figure.savefig(file, dpi=DOTS_PER_INCH, metadata=undated.get(suffix, {"Software": None}))
    return files
