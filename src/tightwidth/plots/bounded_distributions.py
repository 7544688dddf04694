"""R² of samples from the sphere against the edge of Marchenko and Pastur."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import INK, canvas


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw R² of every sample over m/d, and the curve."""
    figure, axes = canvas()
    ratios = np.array([r["n_samples"] / r["n_features"] for r in records])
    axes.plot(ratios, [r["R_squared"] for r in records], "o", color=INK, mfc="none", ms=5, label="samples")
    x = np.geomspace(ratios.min(), ratios.max(), 200)
    axes.plot(x, (1 + x**-0.5) ** 2, color=INK, lw=1.2, label="(1 + √(d/m))²")
    axes.axhline(1, color="0.6", lw=0.8, ls=":", label="the uniform distribution")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("points a dimension, m/d")
    axes.set_ylabel("R²")
    axes.legend(frameon=False, fontsize=9)
    return figure
