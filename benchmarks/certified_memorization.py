"""What is certified, and what a run then memorizes, over numbers of points, dimensions and widths.

    python benchmarks/certified_memorization.py                                     the grid, one seed, 10 minutes
    python benchmarks/certified_memorization.py --points 512 --seeds 50             50 seeds beside their certificates

Every line is one run of `tightwidth.memorize` on random points with random labels (or standardised digits with
``--digits``) with the perceptron loss; the certificate bounds the mean over the iterates in expectation.
"""

import argparse
import math
import sys
import time

import numpy as np

import tightwidth as tw
from tightwidth import data, sphere
from tightwidth.sampling import random_points

WIDTHS = ((2.0, 0.05), (1.0, 0.1), (0.75, 0.2))  # q d / m, and the epsilon that is asked for there


def run(name: str, X: np.ndarray, y: np.ndarray, *, times: float, epsilon: float, seed: int) -> tuple[float, float]:
    """Memorize, print one line, and return the certified share and the mean over the iterates."""
    m, d = X.shape
    q = max(1, math.floor(times * m / d))
    began = time.perf_counter()
    result = tw.memorize(X, y, loss="perceptron", epsilon=epsilon, n_pairs=q, seed=seed)
    certified = result.certified_fraction or 0.0
    print(
        f"{name:8} m={m:5} d={d:4} q={q:4} qd/m={q * d / m:4.2f} T={result.n_steps_planned:8,} seed={seed:3} "
        f"certified={certified:.4f} mean={result.fraction_memorized_mean:.4f} "
        f"last={result.fraction_memorized_last:.4f} R={result.R:.2f} {time.perf_counter() - began:5.1f} s",
        flush=True,
    )
    return certified, result.fraction_memorized_mean


def main(arguments: list[str]) -> None:
    """Run the grid that the options name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--dims", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--digits", action="store_true", help="standardised digits with random labels instead")
    given = parser.parse_args(arguments)
    above, least = 0, {times: (1.0, 1.0) for times, _ in WIDTHS}
    for seed in range(given.seeds):
        if given.digits:
            X = sphere.project(data.standardize(data.load("digits").X)).astype(np.float32)
            samples = [("digits", X, data.random_labels(len(X), seed).astype(np.float32))]
        else:
            samples = [("sphere", *random_points(m, d, seed=seed)) for m in given.points for d in given.dims]
        for times, epsilon in WIDTHS:
            for name, X, y in samples:
                certified, mean = run(name, X, y, times=times, epsilon=epsilon, seed=seed)
                above += certified > mean
                least[times] = min(least[times][0], certified), min(least[times][1], mean)
    for times, (certified, mean) in least.items():
        print(f"qd = {times:g} m: least certified {certified:.4f}, least mean over the iterates {mean:.4f}")
    print(f"runs below their certificate: {above}")


if __name__ == "__main__":
    main(sys.argv[1:])
