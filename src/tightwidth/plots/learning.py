"""The excess loss of SGD over width, steps and batch size, with the bound and its terms."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREEN, GREY, INK, RED

PANELS = {"n_pairs": "pairs q", "n_steps": "steps T", "batch_size": "batch size b"}
CURVES = (
    ("bound", "-", RED, "the bound"),
    ("approximation", "--", BLUE, "its part for the width"),
    ("optimisation", "-.", GREEN, "its part for the steps"),
)


def draw(records: Sequence[CellRecord]) -> Figure:
    """Draw three panels; in each one number varies, and the others are what most runs have."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (along, label) in zip(panels, PANELS.items(), strict=True):
        rows = _slice(records, along)
        _draw_excess(axes, rows, along)
        fixed = ", ".join(f"{name[-1]} = {rows[0][key]:,}" for key, name in PANELS.items() if key != along)
        axes.set_title(fixed, fontsize=10)
        axes.set_xlabel(label)
    panels[0].set_ylabel("excess hinge loss")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    critical = np.mean([r["critical_batch_size"] for r in records])
    panels[2].axvline(critical, color=GREY, lw=0.9)
    panels[2].annotate(
        "d/R²",
        (critical, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        color="0.4",
    )
    return figure


def _slice(records: Sequence[CellRecord], along: str) -> list[CellRecord]:
    """Return the runs in which one number varies, at the values of the others that have most of them."""
    others = [key for key in PANELS if key != along]
    groups: dict[tuple[int, ...], list[CellRecord]] = {}
    for r in records:
        groups.setdefault(tuple(r[key] for key in others), []).append(r)
    return max(groups.values(), key=lambda rows: len({r[along] for r in rows}))


def _draw_excess(axes: Axes, rows: Sequence[CellRecord], along: str) -> None:
    sizes = sorted({r[along] for r in rows})
    groups = [[r for r in rows if r[along] == size] for size in sizes]

    def mean(key: str) -> list[float]:
        if key == "optimisation":
            return [float(np.mean([r["distance"] + r["noise"] for r in group])) for group in groups]
        return [float(np.mean([r[key] for r in group])) for group in groups]

    axes.axhline(1, color=GREY, lw=1.2, label="h = 0")
    for key, line, color, label in CURVES:
        axes.plot(sizes, mean(key), line, color=color, lw=1.4, label=label)
    axes.plot([r[along] for r in rows], [r["excess"] for r in rows], ".", color=GREY, ms=4)
    measured = mean("excess")
    axes.plot(sizes, measured, "o", color=INK, mfc="none", ms=7, label="measured")
    if along == "n_steps":
        axes.plot(sizes, measured[0] * (np.array(sizes) / sizes[0]) ** -0.5, ":", color=INK, lw=1.0)
        axes.annotate(
            "slope -1/2", (sizes[-2], measured[-2]), (-10, -16), textcoords="offset points", ha="right", fontsize=8
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.spines[["top", "right"]].set_visible(False)
