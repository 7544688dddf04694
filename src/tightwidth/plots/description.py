"""What a figure shows, in words, for readers who do not see it."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def describe(figure: Figure) -> str:
    """Return one sentence a panel: what is on its axes, over which range, and which series it shows.

    Examples
    --------
    >>> figure = Figure()
    >>> axes = figure.subplots()
    >>> _ = axes.loglog([1, 100], [2, 50], label="measured")
    >>> _ = axes.set(xlabel="pairs q", ylabel="error", xlim=(1, 100), ylim=(1, 100))
    >>> describe(figure)
    'error from 1 to 100 (log scale) over pairs q from 1 to 100 (log scale): measured.'
    """
    panels = [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]
    bars = [axes.get_ylabel() or axes.get_xlabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]
    sentences = [_panel(axes, f"Panel {n}: " if len(panels) > 1 else "") for n, axes in enumerate(panels, 1)]
    sentences += [f"Shades of grey or colour show {name}." for name in dict.fromkeys(bars) if name]
    return " ".join(sentences)


def _panel(axes: Axes, lead: str) -> str:
    title = axes.get_title() or axes.get_title(loc="left")
    lead += f"{title}: " if title else ""
    y = _axis(axes.get_ylabel() or "values", axes.get_ylim(), axes.get_yscale())
    x = _axis(axes.get_xlabel() or "an axis", axes.get_xlim(), axes.get_xscale())
    names = list(dict.fromkeys(axes.get_legend_handles_labels()[1]))
    return f"{lead}{y} over {x}" + (f": {'; '.join(names)}." if names else ".")


def _axis(name: str, limits: tuple[float, float], scale: str) -> str:
    low, high = limits
    return f"{name} from {low:.3g} to {high:.3g}" + (" (log scale)" if scale == "log" else "")
