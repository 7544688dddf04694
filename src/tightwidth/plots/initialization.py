"""The tangent kernel from gradients against its formula, and how fast networks approach it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREY, INK, MARKERS

PARTS = {"hidden": ("-", INK, "tk^h"), "output": ("--", BLUE, "B² tk^o")}


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw both parts of the kernel over the cosine under every activation, and relu's squared distance over q."""
    names = sorted({r["activation"] for r in records}, key=lambda name: (name != "relu", name))
    figure = Figure(figsize=(8.6, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    width = min({r["n_pairs"] for r in records if r["activation"] == names[-1]})
    for marker, name in zip(MARKERS, names, strict=False):
        rows = [r for r in records if r["activation"] == name and r["n_pairs"] == width]
        scale = rows[0]["output_scale"] ** 2
        for part, (line, color, label) in PARTS.items():
            factor = scale if part == "output" else 1.0
            rho = rows[0]["cosines"]
            values = np.array([r[f"sampled_{part}"] for r in rows]) * factor
            error = values.std(axis=0, ddof=1) / np.sqrt(len(rows))
            left.plot(rho, np.array(rows[0][f"formula_{part}"]) * factor, line, color=color, lw=1.2)
            left.errorbar(
                rho,
                values.mean(axis=0),
                3 * error,
                fmt=marker,
                color=color,
                mfc="none",
                ms=5,
                lw=1,
                label=f"{name}, {label}",
            )
    left.set_xlabel("cosine ρ of two points")
    left.set_ylabel(f"products of gradients, q = {width}\nmean ± 3 standard errors; lines: formula")
    left.legend(frameon=False, fontsize=8)
    _draw_distances(right, [r for r in records if r["activation"] == "relu"])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_distances(axes: Axes, records: Sequence[CellRecord]) -> None:
    widths = sorted({r["n_pairs"] for r in records})
    means = []
    for q in widths:
        rows = [r for r in records if r["n_pairs"] == q]
        errors = [np.mean(np.subtract(r["sampled_hidden"], r["formula_hidden"]) ** 2) for r in rows]
        axes.plot([q] * len(errors), errors, ".", color=GREY, ms=3)
        means.append(np.mean(errors))
    axes.plot(widths, means, "o", color=INK, mfc="none", ms=6, label="mean over networks")
    axes.plot(widths, means[0] * widths[0] / np.array(widths), "--", color=INK, lw=1.0, label="slope -1")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("pairs q")
    axes.set_ylabel("squared distance of tk^h_W from tk^h, relu")
    axes.legend(frameon=False, fontsize=8)
