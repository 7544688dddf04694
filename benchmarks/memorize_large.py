"""Memorizing up to 65,536 random points in 128 dimensions with random labels, and how the cost grows with the points.

One call of `tw.memorize(X, y)` in a process of its own: width, batch, steps and rate are chosen and certified, the
network is trained until no point has a gradient any more, and everything counts, compiling too.
"""

import math

from contests import Case, Contestant, Facts, Measured, Ratio

DIM, POINTS = 128, (4096, 8192, 16_384, 32_768, 65_536)


def slope(points: list[float], values: list[float]) -> float:
    """Return the exponent a of the power law ``values = c points^a`` by least squares of the logarithms."""
    x, y = [math.log(value) for value in points], [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - mean_x) ** 2 for a in x)


def cases(quick: bool) -> list[Case]:
    """Return one case: a contestant for each number of points."""
    sizes, dim = ((256, 512), 16) if quick else (POINTS, DIM)
    names = {f"{m:,} points": m for m in sizes}

    def exponents(measured: dict[str, Measured]) -> Facts:
        done = [name for name in names if measured[name].seconds]
        if len(done) < 2:
            return {}
        points = [float(names[name]) for name in done]
        peaks = [measured[name].peak_MB for name in done]
        found = {"exponent of time": slope(points, [measured[name].seconds[0] for name in done])}
        if all(peaks):
            found["exponent of peak memory"] = slope(points, [peak or 1.0 for peak in peaks])
        return found

    contestants = tuple(
        Contestant(name, "memorizing:in_process", {"points": m, "dim": dim}) for name, m in names.items()
    )
    first, *_, last = names
    return [
        Case(
            f"{dim} dimensions",
            "sample",
            contestants,
            (Ratio(last, first),),
            fresh=True,
            most_repeats=1,
            conclude=exponents,
        )
    ]
