"""What all figures share: one size, inks that stay apart in grey, no frame above and to the right."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, BLUE, RED, GREEN, GREY = "#1b1b1b", "#1f77b4", "#d62728", "#2ca02c", "0.55"
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "x")


def canvas(width: float = 6.4, height: float = 4.2) -> tuple[Figure, Axes]:
    """Return an empty figure that needs no screen, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
