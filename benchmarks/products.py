"""How near a step of the tangent form comes to its two matrix products alone, [b,q] x [q,d] and [d,b] x [b,q].

The products run in the same process, compiled in the same kind of loop, at the same shapes: the quotient is the share
of the machine's product rate that Algorithm 1 reaches.
"""

import math
from statistics import median

from contests import Case, Contestant, Facts, Measured, Ratio

SHAPES = ((64, 2048, 256, 0.6), (784, 1024, 512, 0.8))  # d, q, b, and the share that is asked for


def case(d: int, q: int, b: int, share: float, seconds: float) -> Case:
    """Return the two contestants at one shape."""
    given = {"d": d, "q": q, "b": b}

    def rates(measured: dict[str, Measured]) -> Facts:
        done = {name: found.seconds for name, found in measured.items() if found.seconds}
        return {f"GFLOP/s of {name}": 4.0 * b * q * d / median(times) / 1e9 for name, times in done.items()}

    contestants = (
        Contestant("tangent", "steps_of_ours:ours", {**given, "B": math.inf}, process="jax"),
        Contestant("the two products", "steps_of_ours:two_products", given, process="jax"),
    )
    ratios = (Ratio("the two products", "tangent", at_least=share),)
    return Case(f"d {d}, q {q}, batch {b}", "step", contestants, ratios, seconds=seconds, conclude=rates)


def cases(quick: bool) -> list[Case]:
    """Return the cases."""
    return [case(*shape, 0.05 if quick else 1.0) for shape in SHAPES]
