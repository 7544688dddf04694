"""The memorized fraction against the steps, with what is certified, and below it what a search found."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tightwidth.plots import memorization_search
from tightwidth.records.memorization import MemorizeRecord

INK, MEAN, CERTIFIED = "#1b1b1b", "#1f77b4", "#d62728"  # told apart in grey by their line styles


def draw(record: MemorizeRecord) -> Figure:
    """Draw the fraction of the iterate at hand, of the mean over the iterates so far, and the certified fraction."""
    searched = record.search is not None and bool(record.search.attempts)
    figure = Figure(figsize=(7.2, 8.2 if searched else 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    parts = [figure.add_subfigure(place) for place in figure.add_gridspec(2)] if searched else [figure]
    _draw_run(parts[0].subplots(), record)
    if searched:
        memorization_search.draw(parts[1].subplots(), record)
    for part in parts:
        part.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _draw_run(axes: Axes, record: MemorizeRecord) -> None:
    curve = [point for point in record.curve if point.step > 0]
    steps = [point.step for point in curve]
    axes.plot(steps, [point.fraction for point in curve], color=INK, lw=1.8, label="the iterate at hand")
    means = [point.mean_fraction for point in curve]
    axes.plot(steps, means, color=MEAN, ls="--", lw=1.5, label="mean over the iterates so far")
    certified = [(point.step, point.certified) for point in curve if point.certified is not None]
    if certified:
        axes.plot(
            *zip(*certified, strict=True),
            color=CERTIFIED,
            ls="-.",
            lw=1.5,
            label="certified for that many steps",
        )
    axes.axhline(1 - record.epsilon, color="0.6", lw=0.8, ls=":")
    axes.annotate(
        f"1 - ε = {1 - record.epsilon:g}",
        (0.01, 1 - record.epsilon),
        xycoords=("axes fraction", "data"),
        va="bottom",
        color="0.4",
        size=8,
    )
    _mark_end(axes, record)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("steps of SGD")
    axes.set_ylabel("memorized")
    axes.set_title(_title(record), size=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _mark_end(axes: Axes, record: MemorizeRecord) -> None:
    """Mark where nothing moved any more, and the planned number of steps."""
    marks = [(record.n_steps_planned, "planned steps")]
    if record.stopped == "no_gradient":
        marks.append((record.n_steps, "no gradient is left"))
    for step, text in marks:
        axes.axvline(step, color="0.6", lw=0.8)
        axes.annotate(
            text,
            (step, 0.5),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="right",
            va="center",
            color="0.4",
            size=8,
        )


def _title(record: MemorizeRecord) -> str:
    scale = "B = ∞" if record.output_scale == float("inf") else f"B = {record.output_scale:g}"
    return (
        f"{record.data}: {record.n_samples:,} points in {record.n_features} dimensions, {record.activation}, {scale}\n"
        f"{record.n_pairs} pairs, {record.n_parameters:,} parameters, {record.parameters_per_sample:.2f} a point"
    )


def save(record: MemorizeRecord, path: Path) -> None:
    """Draw the figure into a file, whose suffix names the format (.png, .pdf, .svg)."""
    draw(record).savefig(path, dpi=160)
