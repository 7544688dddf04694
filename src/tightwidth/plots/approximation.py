"""The squared error of q random features over q and over d, with the bounds of Corollary 3 and Theorem 4."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREY, INK, RED

TITLES = {"sphere": "uniform points, R = 1", "line": "points near a line, R² = 0.9 d"}


def draw_widths(records: Sequence[CellRecord]) -> Figure:
    """Draw errors over q, at the dimension that has most widths."""
    return _draw(records, "n_pairs", "n_features", "random features q")


def draw_dimensions(records: Sequence[CellRecord]) -> Figure:
    """Draw errors over d, at the width that has most dimensions."""
    return _draw(records, "n_features", "n_pairs", "dimension d")


def _draw(records: Sequence[CellRecord], along: str, other: str, label: str) -> Figure:
    sizes = sorted({r[other] for r in records})
    fixed = max(sizes, key=lambda size: len({r[along] for r in records if r[other] == size}))
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (distribution, title) in zip(panels, TITLES.items(), strict=True):
        rows = [r for r in records if r["distribution"] == distribution and r[other] == fixed]
        _draw_errors(axes, rows, along)
        axes.set_title(f"{title}; {'q' if other == 'n_pairs' else 'd'} = {fixed}", fontsize=10)
        axes.set_xlabel(label)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("squared error, ‖f‖ = 1")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _draw_errors(axes: Axes, rows: Sequence[CellRecord], along: str) -> None:
    sizes = sorted({r[along] for r in rows})
    groups = [[r for r in rows if r[along] == size] for size in sizes]
    means = {
        key: np.array([np.mean([r[key] for r in group]) for group in groups])
        for key in ("squared_error", "squared_error_at_centre", "theorem_4", "corollary_3")
    }
    axes.plot([r[along] for r in rows], [r["squared_error"] for r in rows], ".", color=GREY, ms=3)
    axes.plot(sizes, means["corollary_3"], "-.", color=BLUE, lw=1.4, label="Corollary 3")
    axes.plot(sizes, means["theorem_4"], "-", color=RED, lw=1.4, label="Theorem 4")
    axes.plot(sizes, means["squared_error_at_centre"], "s", color=INK, mfc="none", ms=6, label="at a centre of f")
    axes.plot(sizes, means["squared_error"], "o", color=INK, mfc="none", ms=7, label="in the mean")
    first = means["squared_error"][0]
    axes.plot(sizes, first * sizes[0] / np.array(sizes), ":", color=INK, lw=1.0, label="slope -1")
