"""The shortest change of the weights over the output scale, and the error of a step along it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import INK, LINES, MARKERS, RED, canvas


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw least norms of U over ``||h||``, with ours and with the printed formula, over B."""
    figure, axes = canvas()
    widths = sorted({r["n_pairs"] for r in records})
    scales = np.geomspace(min(r["output_scale"] for r in records), max(r["output_scale"] for r in records), 50)
    for q, marker, line in zip(widths, MARKERS, LINES, strict=False):
        rows = [r for r in records if r["n_pairs"] == q]
        ratios = [r["least_change"] / r["kernel_norm"] for r in rows]
        axes.plot(
            [r["output_scale"] for r in rows], ratios, marker, color=INK, mfc="none", ms=6, label=f"least, q = {q}"
        )
        axes.plot(scales, 1 / (np.sqrt(2 * q) * scales), line, color=INK, lw=1.0)
        axes.plot(scales, np.sqrt(q) * scales, line, color=RED, lw=1.6, alpha=0.6)
    axes.annotate(
        "printed: √q B", (scales[30], np.sqrt(widths[-1]) * scales[30]), (6, -28), textcoords="offset points", color=RED
    )
    axes.annotate(
        "1/(√(2q) B)", (scales[30], 1 / np.sqrt(2 * widths[0]) / scales[30]), (8, 8), textcoords="offset points"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("output scale B")
    axes.set_ylabel("‖U‖ / ‖h‖")
    axes.legend(frameon=False, fontsize=8)
    return figure


def draw_moved(records: Sequence[CellRecord]) -> Figure:
    """Draw the error of ``h_{W + t U} / t`` as h over t, a line for each output scale: means over networks."""
    figure, axes = canvas()
    q = max(r["n_pairs"] for r in records)
    scales = sorted({r["output_scale"] for r in records})
    chosen = scales if len(scales) <= len(LINES) else scales[:: -(-len(scales) // len(LINES))]
    for B, marker, line in zip(chosen, MARKERS, LINES, strict=False):
        rows = [r for r in records if r["n_pairs"] == q and r["output_scale"] == B]
        lengths = np.array(rows[0]["lengths"])
        errors = np.mean([r["moved_errors"] for r in rows], axis=0)
        seen = errors > 1e-7  # below lies the rounding of float64, divided by t
        axes.plot(lengths[seen], errors[seen], line + marker, color=INK, mfc="none", ms=6, lw=1.1, label=f"B = {B:g}")
    rows = [r for r in records if r["n_pairs"] == q and r["output_scale"] == chosen[0]]
    x = np.array(rows[0]["lengths"])
    through = 2 * np.mean([r["moved_errors"][0] for r in rows])
    axes.plot(x, through * x / x[0], ":", color=RED, lw=1.4, label="slope 1")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("length t of the step t U")
    axes.set_ylabel(f"mean error of the outputs over t, relative; q = {q}")
    axes.legend(frameon=False, fontsize=8)
    return figure
