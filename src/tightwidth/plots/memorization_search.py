"""The share memorized against the width, for every width that a search tried, with the widths that were found."""

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from tightwidth.plots.style import BLUE, GREY, INK, RED
from tightwidth.records.memorization import MemorizeRecord
from tightwidth.records.search import AttemptRecord

FORMS = {"tangent": ("linear limit", "s", RED), "finite": ("finite B", "o", BLUE)}
DECADES, ROOM = 1000.0, 1.25


def draw(axes: Axes, record: MemorizeRecord) -> None:
    """Draw the best run of every seed at every width, filled if it was enough, and a line for each width of the table.

    Other runs of the seed at the width were left when one was enough, and say nothing about it.
    """
    search = record.search
    if search is None:
        return
    for form, (name, marker, color) in FORMS.items():
        best = best_of(search.attempts, form)
        for enough in (True, False):
            own = [(q, share) for (_, q), share in best.items() if (share >= 1) == enough]
            if own:
                axes.plot(
                    *zip(*own, strict=True),
                    marker,
                    color=color,
                    mfc=color if enough else "none",
                    ms=6 if marker == "o" else 5,
                    label=f"{name}, {'enough' if enough else 'not enough'}",
                    clip_on=False,
                    zorder=3,
                )
    for name, q, color, style in widths_of(record):
        axes.axvline(q, color=color, ls=style, lw=1.3, label=f"{name}: {q:,} pairs")
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low / ROOM, high * ROOM)
    if high < DECADES * low:  # powers of ten alone would leave the axis without numbers
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda q, _: f"{q:,.0f}" if q >= 1 else f"{q:g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("pairs of neurons q")
    axes.set_ylabel("memorized by the last iterate")
    axes.spines[["top", "right"]].set_visible(False)


def best_of(attempts: tuple[AttemptRecord, ...], form: str) -> dict[tuple[int, int], float]:
    """Return the largest share of the runs of a form, by seed and width; choosing runs count if they were enough."""
    best: dict[tuple[int, int], float] = {}
    for run in attempts:
        if run.form == form or (form == "finite" and run.form == "choice" and run.fraction >= 1):
            place = run.seed, run.n_pairs
            best[place] = max(run.fraction, best.get(place, 0.0))
    return best


def widths_of(record: MemorizeRecord) -> Iterator[tuple[str, int, str, str]]:
    """Return the widths of the table, from the worst case to the best that was found: name, pairs, ink, style."""
    search = record.search
    if record.theorem is not None:
        yield "theorem", record.theorem.n_pairs, GREY, ":"
    if record.certified_steps is not None:
        yield "certified", record.n_pairs, INK, "-."
    if search is not None and search.tangent.smallest is not None:
        yield "tangent", search.tangent.smallest, RED, "--"
    if search is not None and search.finite.smallest is not None:
        yield "finite B", search.finite.smallest, BLUE, "-"
