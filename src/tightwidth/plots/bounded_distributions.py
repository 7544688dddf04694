"""R² of samples from the sphere against the edge of Marchenko and Pastur, at finite size."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREY, INK, RED


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw R² over m/d, and over its limit, where the samples can be told from the limit."""
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    ratios = np.array([r["n_samples"] / r["n_features"] for r in records])
    squares, limits = (np.array([r[key] for r in records]) for key in ("R_squared", "marchenko_pastur"))
    x = np.geomspace(ratios.min(), ratios.max(), 200)
    left.plot(ratios, squares, "o", color=INK, mfc="none", ms=4, label="samples")
    left.plot(x, (1 + x**-0.5) ** 2, color=INK, lw=1.2, label="(1 + √(d/m))²")
    left.axhline(1, color=GREY, lw=0.9, ls=":", label="the uniform distribution")
    left.set_ylabel("R²")
    right.plot(ratios, squares / limits, "o", color=GREY, mfc="none", ms=3, alpha=0.5, label="samples")
    sizes = np.unique(ratios)
    for key, line, color, label in (
        ("R_squared", "D", INK, "their mean"),
        ("finite_size", "s--", BLUE, "expected at finite size"),
        ("bound", "^-.", RED, "bound, δ = 1e-6"),
    ):
        over = [np.mean([r[key] / r["marchenko_pastur"] for r in _of_ratio(records, ratio)]) for ratio in sizes]
        right.plot(sizes, over, line, color=color, mfc="none", ms=6, lw=1.2, label=label)
    right.axhline(1, color=INK, lw=1.0)
    right.set_ylabel("R² / (1 + √(d/m))²")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("points a dimension, m/d")
        axes.legend(frameon=False, fontsize=8)
    return figure


def _of_ratio(records: Sequence[CellRecord], ratio: float) -> list[CellRecord]:
    return [r for r in records if r["n_samples"] / r["n_features"] == ratio]
