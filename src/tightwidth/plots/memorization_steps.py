"""Steps until all but a share epsilon are memorized, for hinge and perceptron, with the slopes of the bounds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.plots.style import BLUE, INK, canvas

LOOKS = {"hinge": (INK, "o", 2, "-"), "perceptron": (BLUE, "s", 1, "--")}


def draw(steps: Mapping[str, Mapping[int, Sequence[tuple[float, float]]]]) -> Figure:
    """Draw the steps of every loss and seed over 1/epsilon."""
    figure, axes = canvas()
    for loss, found in steps.items():
        color, marker, exponent, line = LOOKS[loss]
        pairs = [pair for seed in found.values() for pair in seed]
        axes.plot(
            [1 / share for share, _ in pairs], [taken for _, taken in pairs], marker, color=color, mfc="none", ms=5
        )
        x = np.array(sorted({1 / share for share, _ in pairs}))
        first = float(np.mean([taken for share, taken in pairs if 1 / share == x[0]]))
        label = f"{loss}; line: slope {exponent}"
        axes.plot(
            x, first * (x / x[0]) ** exponent, line, color=color, lw=1.2, marker=marker, mfc="none", ms=0, label=label
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("1/ε")
    axes.set_ylabel("steps of SGD")
    axes.legend(frameon=False, fontsize=8)
    return figure
