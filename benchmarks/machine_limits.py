"""What this machine does at best, measured in the same run: square products, and copies of 256 MB."""

from statistics import median

from contests import Case, Contestant, Facts, Measured

SIZE, COPIED = 2048, 8192


def rates(measured: dict[str, Measured]) -> Facts:
    """Return operations and bytes a second."""
    found: Facts = {}
    for dtype in ("float32", "float64"):
        if times := measured[f"product, {dtype}"].seconds:
            found[f"GFLOP/s in {dtype}"] = 2.0 * SIZE**3 / median(times) / 1e9
    if times := measured["copy"].seconds:
        found["GB/s copied, read and written"] = 2.0 * 4 * COPIED**2 / median(times) / 1e9
    return found


def cases(quick: bool) -> list[Case]:
    """Return the one case."""
    del quick
    contestants = (
        *(
            Contestant(f"product, {dtype}", "grams:bare_product", {"n": SIZE, "d": SIZE, "dtype": dtype}, process="jax")
            for dtype in ("float32", "float64")
        ),
        Contestant("copy", "grams:copy", {"n": COPIED, "d": 0, "dtype": "float32"}, process="jax"),
    )
    return [Case("limits", "piece", contestants, conclude=rates)]
