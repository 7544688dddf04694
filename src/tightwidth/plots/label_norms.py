"""The norm of the interpolant of random labels over the number of points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREY, INK, RED, canvas

LIMIT = 1 / (1 / 2 - 1 / 4 - 1 / (2 * np.pi) - 1 / (12 * np.pi))  # of ||h*||^2/m: 1/sum of a_n over n > 4, relu


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw the norm over m, the slopes 1/2 and 1 through the smallest sample, and the limit."""
    figure, axes = canvas()
    sizes = np.array(sorted({r["n_samples"] for r in records}))
    means = [np.mean([r["norm"] for r in records if r["n_samples"] == m]) for m in sizes]
    axes.plot([r["n_samples"] for r in records], [r["norm"] for r in records], ".", color=GREY, ms=4)
    axes.plot(sizes, means, "o", color=INK, mfc="none", ms=7, label="‖h*‖, mean over seeds")
    axes.plot(sizes, means[0] * (sizes / sizes[0]) ** 0.5, "--", color=INK, lw=1.0, label="slope 1/2")
    axes.plot(sizes, means[0] * sizes / sizes[0], ":", color=RED, lw=1.6, label="slope 1, as printed")
    axes.plot(sizes, np.sqrt(LIMIT * sizes), "-.", color=BLUE, lw=1.2, label=f"√({LIMIT:.1f} m)")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel(f"points m, in {records[0]['n_features']} dimensions")
    axes.set_ylabel("norm of the interpolant")
    axes.legend(frameon=False, fontsize=9)
    return figure
