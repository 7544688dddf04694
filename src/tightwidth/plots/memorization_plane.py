"""The share memorized over the plane of q d/m and m/d, with Cover's threshold and interpolation drawn in."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import INK, canvas

LANDMARKS = {0.5: "q d = m/2 (Cover)", 1.0: "q d = m"}
LEVELS = (0.9, 0.99)


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw the mean over seeds of the share memorized by the last iterate."""
    figure, axes = canvas(5.5, 4.0)
    ratios = sorted({r.config["samples_per_feature"] for r in records})
    densities = sorted({r.config["density"] for r in records})
    shares = np.zeros((len(ratios), len(densities)))
    for i, ratio in enumerate(ratios):
        for j, density in enumerate(densities):
            own = [
                r["fraction"]
                for r in records
                if r.config["samples_per_feature"] == ratio and r.config["density"] == density
            ]
            shares[i, j] = np.mean(own)
    drawn = axes.pcolormesh(_edges(densities), _edges(ratios), shares, cmap="Greys_r", vmin=0.5, vmax=1.0)
    if min(shares.shape) > 1:
        axes.contour(
            densities, ratios, shares, levels=LEVELS, colors=INK, linewidths=(0.8, 1.4), linestyles=("--", "-")
        )
    for place, text in LANDMARKS.items():
        axes.axvline(place, color=INK, lw=0.9, ls=":")
        axes.annotate(
            text, (place, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8, color=INK
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xlabel("columns of the embedding a point, q d/m")
    axes.set_ylabel("points a dimension, m/d")
    bar = figure.colorbar(drawn, ax=axes, format=PercentFormatter(1.0), extend="min")
    bar.set_label("memorized; lines at 90% (dashed) and 99%")
    return figure


def _edges(centres: list[float]) -> np.ndarray:
    """Return the edges of cells whose centres are spaced in even ratios."""
    ratio = (centres[-1] / centres[0]) ** (0.5 / max(len(centres) - 1, 1))
    return np.append(np.array(centres) / ratio, centres[-1] * ratio)
