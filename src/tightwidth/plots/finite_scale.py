"""The share memorized over B, in the displacement and the plain form, and the gates that flipped."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, INK, LINES, MARKERS, RED

COLORS = (INK, BLUE, RED)


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw the means over seeds, a line for each width, and the limit as a level at the right."""
    figure = Figure(figsize=(5.5, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    widths = sorted({r["n_pairs"] for r in records})
    for place, q in enumerate(widths):
        for form, filled in (("displacement", True), ("plain", False)):
            shares = _means(records, q, form, "fraction")
            label = f"{form}, q = {q}"
            style = {"color": COLORS[place % 3], "ls": LINES[0 if filled else 1], "marker": MARKERS[place % 6], "ms": 5}
            above.plot(list(shares), list(shares.values()), mfc=None if filled else "none", label=label, **style)
        limit = [r["fraction"] for r in records if r["n_pairs"] == q and r["output_scale"] == "inf"]
        above.axhline(float(np.mean(limit)), color=COLORS[place % 3], lw=0.9, ls=":")
        flipped = _means(records, q, "displacement", "share_flipped")
        below.plot(list(flipped), list(flipped.values()), color=COLORS[place % 3], marker=MARKERS[place % 6], ms=5)
    above.axhline(0.5, color="0.6", lw=0.8)
    above.annotate("chance", (0.99, 0.5), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    above.set_ylabel("memorized (dotted: B = ∞)")
    below.set_ylabel("share of gates flipped")
    below.set_yscale("symlog", linthresh=1e-4)
    below.set_ylim(bottom=0)
    below.set_xlabel("output scale B")
    for axes in (above, below):
        axes.set_xscale("log")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure


def _means(records: Sequence[CellRecord], q: int, form: str, key: str) -> dict[float, float]:
    own = [r for r in records if r["n_pairs"] == q and r["form"] == form and r["output_scale"] != "inf"]
    scales = sorted({float(r["output_scale"]) for r in own})
    found = {B: [r[key] for r in own if float(r["output_scale"]) == B and r[key] is not None] for B in scales}
    return {B: float(np.mean(values)) for B, values in found.items() if values and math.isfinite(B)}
