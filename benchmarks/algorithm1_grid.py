"""Steps of Algorithm 1 beside what a user of JAX would write, over widths and batch sizes: d = 64.

Plain JAX is the plain network at B = 1, differentiated automatically, in one compiled loop that draws its own indices.
"""

import math

from contests import Case, Contestant, Ratio

D, WIDTHS, BATCHES = 64, (128, 512, 2048), (1, 32, 512)
RATIOS = (Ratio("displacement", "plain JAX", at_most=1.15), Ratio("tangent", "plain JAX", at_most=0.6))


def case(q: int, batch: int, seconds: float) -> Case:
    """Return the contestants at one width and batch size, in one process."""
    given = {"d": D, "q": q, "b": batch}
    contestants = (
        Contestant("displacement", "steps_of_ours:ours", {**given, "B": 1.0}, process="jax"),
        Contestant("tangent", "steps_of_ours:ours", {**given, "B": math.inf}, process="jax"),
        Contestant("plain JAX", "steps_of_ours:plain_jax", given, process="jax"),
    )
    return Case(f"q {q}, batch {batch}", "step", contestants, RATIOS, seconds=seconds)


def cases(quick: bool) -> list[Case]:
    """Return the grid; the corners of it if quick."""
    widths, batches = (WIDTHS[::2], BATCHES[::2]) if quick else (WIDTHS, BATCHES)
    return [case(q, batch, 0.01 if quick else 0.4) for q in widths for batch in batches]
