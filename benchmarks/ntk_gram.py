"""The relu NTK matrix of 10,000 points in 100 dimensions, beside a bare product and the kernels of others.

The bare product is ``X @ X.T``, compiled and handed over as a NumPy array.  scikit-ntk takes a quarter as many points;
its time is scaled by entries, its memory is not.
"""

from statistics import median

from contests import NEURAL_TANGENTS, Case, Contestant, Facts, Measured, Ratio

N, D = 10_000, 100
ASKED = {"float32": 1.2, "float64": 3.0}  # times the bare product, at most
FASTER = {"float32": (1.5, 5.0), "float64": (None, None)}  # than scikit-learn's RBF and neural-tangents, at least


def case(dtype: str, n: int) -> Case:
    """Return the contestants in one precision."""
    given = {"n": n, "d": D, "dtype": dtype}

    def limits(measured: dict[str, Measured]) -> Facts:
        found: Facts = {}
        if times := measured["bare product"].seconds:
            found["GFLOP/s of the bare product"] = 2.0 * n * n * D / median(times) / 1e9
        if times := measured["copy"].seconds:
            found["GB/s of the copy"] = 2.0 * n * n * (4 if dtype == "float32" else 8) / median(times) / 1e9
        return found

    contestants = (
        Contestant("NTK, ours", "grams:ours", given),
        Contestant("bare product", "grams:bare_product", given),
        Contestant("copy", "grams:copy", given),
        Contestant("RBF, scikit-learn", "grams:rbf", given),
        Contestant("NTK, neural-tangents", "grams:neural_tangents", given, environment=NEURAL_TANGENTS),
        Contestant("NTK, scikit-ntk", "grams:scikit_ntk", {**given, "n": n // 4, "of": n}),
    )
    ratios = (
        Ratio("NTK, ours", "bare product", at_most=ASKED[dtype]),
        Ratio("RBF, scikit-learn", "NTK, ours", at_least=FASTER[dtype][0]),
        Ratio("NTK, neural-tangents", "NTK, ours", at_least=FASTER[dtype][1]),
        Ratio("NTK, scikit-ntk", "NTK, ours"),
    )
    return Case(f"{dtype}, {n:,} points", "matrix", contestants, ratios, conclude=limits)


def cases(quick: bool) -> list[Case]:
    """Return a case for each precision."""
    return [case(dtype, N // 10 if quick else N) for dtype in ASKED]
