"""Steps until all but a share epsilon are memorized, for hinge and perceptron, beside the bounds."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from tightwidth.plots.style import BLUE, INK, canvas

LOOKS = {"hinge": (INK, "o", "-", "M²G²/ε²"), "perceptron": (BLUE, "s", "--", "M²G²/ε")}

Pairs = Sequence[tuple[float, float]]


def draw(steps: Mapping[str, Mapping[int, Pairs]], bounds: Mapping[str, Pairs]) -> Figure:
    """Draw the steps of every loss and seed over 1/epsilon, and the steps that are enough by the bounds."""
    figure, axes = canvas()
    for loss, found in steps.items():
        color, marker, line, formula = LOOKS[loss]
        pairs = [pair for seed in found.values() for pair in seed]
        axes.plot(
            [1 / share for share, _ in pairs],
            [taken for _, taken in pairs],
            marker,
            color=color,
            mfc="none",
            ms=5,
            label=f"{loss}: steps taken",
        )
        enough = sorted(bounds[loss], reverse=True)
        axes.plot(
            [1 / share for share, _ in enough],
            [taken for _, taken in enough],
            line,
            color=color,
            lw=1.2,
            label=f"{loss}: {formula} is enough",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("1/ε")
    axes.set_ylabel("steps of SGD")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure
