"""One pass over a million rows from a two-layer teacher on the sphere, beside MLPClassifier with as many neurons.

    python benchmarks/million_rows.py [--rows 1000000] [--teacher 32 256 2048] [--pairs 512] [--output-scale inf 1]

Both learn from the same float32 rows and are tested on 50,000 fresh ones.  Ours includes everything: the survey, the
plan, compiling, standardising.  Times travel less well than their ratio.
"""

import argparse
import json
import resource
import time
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

from tightwidth.data.rows.files import rows_of_arrays
from tightwidth.estimators import DepthTwoClassifier
from tightwidth.estimators.stream_fit import fit_stream

D, TEST_ROWS = 94, 50_000


def teacher_rows(m: int, hidden: int, seed: int, teacher: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows, and whether a random two-layer relu network is above its median on them."""
    X = np.random.default_rng([seed, 1]).standard_normal((m, D), dtype=np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    rng = np.random.default_rng(teacher)
    W, u = rng.standard_normal((D, hidden), dtype=np.float32), rng.standard_normal(hidden, dtype=np.float32)
    f = np.concatenate([np.maximum(block @ W, 0) @ u for block in np.array_split(X, 64)])
    return X, (f > np.median(f)).astype(np.int64)


def main() -> None:
    """Print one line of JSON for each teacher."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--teacher", type=int, nargs="+", default=[32, 256, 2048])
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--output-scale", type=float, nargs="+", default=[float("inf")])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[0])
    parser.add_argument("--loss", default="hinge")
    parser.add_argument("--iterate", default="auto")
    parser.add_argument("--without-peer", action="store_true")
    given = parser.parse_args()
    m = given.rows
    for hidden in given.teacher:
        X, y = teacher_rows(m + TEST_ROWS, hidden, seed=0)
        found: dict[str, object] = {"teacher": hidden, "rows": m, "neurons": 2 * given.pairs}
        if not given.without_peer:
            warnings.simplefilter("ignore")  # one pass does not converge, and says so
            began = time.perf_counter()
            peer = MLPClassifier((2 * given.pairs,), max_iter=1, random_state=0).fit(X[:m], y[:m])
            found["peer_seconds"] = round(time.perf_counter() - began, 2)
            found["peer_accuracy"] = peer.score(X[m:], y[m:])
        for B in given.output_scale:
            for b in given.batch_size:
                began = time.perf_counter()
                ours = DepthTwoClassifier(
                    given.pairs,
                    output_scale=B,
                    batch_size=b or "auto",
                    loss=given.loss,
                    iterate=given.iterate,
                    standardize=False,  # the rows are unit vectors as they are
                    on_sphere="require",
                    random_state=0,
                )
                fit_stream(ours, rows_of_arrays(X[:m], y[:m]), n_passes=1)
                seconds = time.perf_counter() - began
                found |= {
                    "output_scale": str(B),
                    "batch_size": ours.plan_.batch_size,
                    "seconds": round(seconds, 2),
                    "accuracy": ours.score(X[m:], y[m:]),
                    "ratio": round(found.get("peer_seconds", 0) / seconds, 2),  # type: ignore[operator]
                    "peak_rss_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
                }
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
