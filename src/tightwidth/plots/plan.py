"""A plan as a picture: width against steps, with the landmarks."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tightwidth.records.plan import PlanRecord

INK, THEOREM, CERTIFIED = "#1b1b1b", "#d62728", "#1f77b4"
MARKERS = {"theorem": ("s", THEOREM), "limit": ("v", THEOREM), "certified": ("D", INK)}


def draw(record: PlanRecord) -> Figure:
    """Draw the trade-off between pairs and steps, the rows with steps as points, the others as lines."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if record.frontier:
        what = "certified for these weights" if record.goal == "memorize" else "Theorem 10, other shares of ε"
        axes.plot(*zip(*sorted(record.frontier), strict=True), "o-", ms=3, lw=1.2, color=CERTIFIED, label=what)
    if record.widths_certified:
        widths = zip(*record.widths_certified, strict=True)
        axes.plot(*widths, "o--", ms=3, lw=1.0, color="0.35", label="certified for these weights")
    for row in record.rows:
        if row.n_pairs is None:
            continue
        if row.n_steps is None:
            axes.axvline(row.n_pairs, color="0.6", lw=0.9, ls=":")
            axes.annotate(
                row.name,
                (row.n_pairs, 0.98),
                xycoords=("data", "axes fraction"),
                rotation=90,
                ha="right",
                va="top",
                color="0.4",
                size=8,
            )
        else:
            marker, color = MARKERS.get(row.name, ("D", INK))
            axes.plot(row.n_pairs, row.n_steps, marker, color=color, label=row.name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("pairs of neurons q")
    axes.set_ylabel("steps T")
    points = "" if record.n_samples is None else f"{record.n_samples:,} points in "
    goal = f"memorize {1 - record.epsilon:.4g}" if record.goal == "memorize" else f"learn within {record.epsilon:g}"
    title = f"{record.data}: {points}{record.n_features} dimensions, {record.activation}, {record.loss} loss, {goal}"
    axes.set_title(title, size=10, loc="left")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def save(record: PlanRecord, path: Path) -> None:
    """Write the figure in the format that the file name asks for."""
    draw(record).savefig(path, dpi=160)
