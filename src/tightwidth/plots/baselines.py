"""The share that several methods memorize, over the parameters a point."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREEN, INK, LINES, MARKERS, RED, canvas

COLORS = (INK, BLUE, RED, GREEN)


def draw(best: Mapping[tuple[str, int], Sequence[CellRecord]]) -> Figure:
    """Draw the mean over seeds, a line for each method."""
    figure, axes = canvas(5.5, 4.2)
    for place, method in enumerate(dict.fromkeys(name for name, _ in best)):
        rows = [some for (name, _), some in best.items() if name == method]
        x = [some[0]["parameters_per_sample"] for some in rows]
        y = [float(np.mean([r["fraction"] or 0.0 for r in some])) for some in rows]
        axes.plot(
            x,
            y,
            LINES[place % 4],
            color=COLORS[place % 4],
            marker=(*MARKERS, "+")[place],
            mfc="none",
            ms=6,
            label=method.replace("_", " "),
        )
    axes.axvline(1.0, color="0.6", lw=0.8, ls=":")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0.45, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("parameters a point")
    axes.set_ylabel("memorized")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure
