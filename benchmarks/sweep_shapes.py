"""A plane of 20 x 20 memorization cells, three seeds each: shared programs against one for every shape.

The cells of the plane have 400 shapes.  Padded, they share a few dozen compiled programs.  For comparison 40 shapes are
run in programs of their own, the seeds side by side or as single runs one after the other, and time counts by shapes.
Every process starts with nothing compiled; the shares memorized are compared.
"""

from contests import Case, Contestant, Facts, Measured, Ratio

SHARED, SIDE_BY_SIDE, ALONE = (
    "shared programs",
    "a program a shape, seeds side by side",
    "a program a shape, single runs",
)


def differences(measured: dict[str, Measured]) -> Facts:
    """Return the largest difference between the shares of the same cell, and forget the shares."""
    shares = {name: found.facts.pop("shares", []) for name, found in measured.items()}
    return {
        f"largest difference of a share, {name}": max(
            (abs(a - b) for a, b in zip(shares[name], shares[SHARED], strict=True)), default=0.0
        )
        for name in (SIDE_BY_SIDE, ALONE)
        if shares[name] and shares[SHARED]
    }


def cases(quick: bool) -> list[Case]:
    """Return the one case."""
    side, points, shapes = (3, 256, 2) if quick else (20, 2048, 40)
    given = {"side": side, "points": points, "shapes": shapes}
    contestants = (
        Contestant(SHARED, "plane:shared", given),
        Contestant(SIDE_BY_SIDE, "plane:side_by_side", given),
        Contestant(ALONE, "plane:alone", given),
    )
    ratios = (Ratio(SIDE_BY_SIDE, SHARED), Ratio(ALONE, SHARED))
    return [
        Case(
            f"{side} x {side} cells of {points:,} points",
            "shape",
            contestants,
            ratios,
            fresh=True,
            most_repeats=1,
            conclude=differences,
        )
    ]
