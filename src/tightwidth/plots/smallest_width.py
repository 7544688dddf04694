"""The parameters of the smallest network that memorizes, over m, beside Cover's count and what proofs needed."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from tightwidth.cell_records import CellRecord
from tightwidth.plots.style import BLUE, GREY, INK, LINES, MARKERS, RED, canvas

MANY = 20  # points a dimension from which on markers are filled


def draw(records: Sequence[CellRecord], proofs: Mapping[str, int]) -> Figure:
    """Draw every record that has a width; ``proofs`` has the exponent of m by author."""
    figure, axes = canvas(5.5, 5.0)
    found = [r for r in records if r["n_parameters"] is not None]
    for place, d in enumerate(sorted({r["n_features"] for r in found})):
        for many in (True, False):
            own = [r for r in found if r["n_features"] == d and (r["n_samples"] >= MANY * d) == many]
            if own:
                axes.plot(
                    [r["n_samples"] for r in own],
                    [r["n_parameters"] for r in own],
                    MARKERS[place],
                    color=(INK, BLUE, RED)[place % 3],
                    mfc=None if many else "none",
                    ms=5,
                    label=f"measured, d = {d}" + ("" if many else f", m/d < {MANY}"),
                )
    m = np.geomspace(min(r["n_samples"] for r in records), max(r["n_samples"] for r in records), 50)
    axes.plot(m, m, "-", color=INK, lw=1.0, label="m: Daniely (2020)")
    axes.plot(m, m / 2, ":", color=INK, lw=1.2, label="m/2: Cover's count")
    for place, power in enumerate(sorted({e for e in proofs.values() if e > 1})):
        names = [name for name, e in proofs.items() if e == power]
        label = f"m^{power}: {names[0]}" + (" and others" if len(names) > 1 else "")
        axes.plot(m, m ** float(power), LINES[1 + place % 3], color=GREY, lw=1.0, label=label)
    axes.set_ylim(0.3 * m[0], 30 * m[-1] ** 2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("points m")
    axes.set_ylabel("parameters")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=7)
    return figure
