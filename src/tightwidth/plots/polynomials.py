"""The loss that SGD reaches on labels of monomials, with the terms of the bound."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import INK, RED, canvas

NAMES = {0: "1", 2: "x₁x₂", 3: "x₁x₂x₃", 4: "x₁x₂x₃x₄"}
TERMS = (("approximation", "0.55", ""), ("distance", "0.75", "//"), ("noise", "0.92", ".."))


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw the terms of the bound as stacked bars and the measured losses as points, at the longest runs."""
    figure, axes = canvas()
    longest = max(r["n_steps"] for r in records)
    for place, degree in enumerate(NAMES):
        rows = [r for r in records if r["degree"] == degree and r["n_steps"] == longest]
        bottom = 0.0
        if degree == 3:
            axes.annotate("a₃ = 0:\nno bound", (place, 0.5), ha="center", va="center", color="0.4", fontsize=9)
        else:
            for term, shade, hatch in TERMS:
                height = float(np.mean([r[term] for r in rows]))
                label = f"bound: {term}" if place == 0 else None
                axes.bar(place, height, 0.55, bottom, color=shade, hatch=hatch, edgecolor=INK, lw=0.6, label=label)
                bottom += height
        losses = [r["excess"] for r in rows]
        axes.plot([place] * len(rows), losses, "o", color=RED, mec=INK, ms=6, label="measured" if place == 0 else None)
    axes.axhline(1, color=INK, lw=1.0, ls="--")
    axes.annotate("h = 0", (-0.42, 1), (0, 4), textcoords="offset points", fontsize=9)
    axes.set_xticks(range(len(NAMES)), [f"{name}\n(degree {degree})" for degree, name in NAMES.items()])
    axes.set_ylim(0, 1.15)
    axes.set_xlim(-0.5, len(NAMES) - 0.5)
    axes.set_ylabel(f"excess hinge loss, T = {longest:,}")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.02, 0.72))
    return figure
