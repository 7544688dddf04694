"""The norm of the constant polynomial over the dimension."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, INK, RED, canvas


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw the sampled norm of 1, the exact one, ``sqrt(2 pi d)``, and the norm of a monomial of degree 2."""
    figure, axes = canvas()
    dimensions = sorted({r["n_features"] for r in records})
    rows = {d: [r for r in records if r["n_features"] == d] for d in dimensions}
    sampled = [np.mean([r["mean_kernel"] for r in rows[d]]) ** -0.5 for d in dimensions]
    axes.plot(dimensions, sampled, "o", color=INK, mfc="none", ms=8, label="‖1‖, sampled")
    axes.plot(dimensions, [rows[d][0]["exact_norm"] for d in dimensions], "x", color=INK, ms=5, label="‖1‖, exact")
    axes.plot(dimensions, np.sqrt(2 * np.pi * np.array(dimensions)), "-", color=RED, lw=1.2, label="√(2πd), slope 1/2")
    product = [rows[d][0]["product_norm"] for d in dimensions]
    axes.plot(dimensions, product, "s--", color=BLUE, mfc="none", ms=6, lw=1.0, label="‖x₁x₂‖, bounded by √π")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("dimension d")
    axes.set_ylabel("norm in the space of tk^h, relu")
    axes.legend(frameon=False, fontsize=9)
    return figure
