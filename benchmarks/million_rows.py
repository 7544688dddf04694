"""One pass over a million rows from a two-layer teacher on the sphere, beside MLPClassifier with as many neurons.

    python benchmarks/million_rows.py [--rows 1000000] [--teacher 32 256 2048] [--pairs 512] [--output-scale inf]

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

from tightwidth.activation_families import leaky_relu
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


def measured(given: argparse.Namespace, hidden: int) -> dict[str, object]:
    """Return times, interleaved and as medians, and accuracies for one teacher."""
    m, (X, y) = given.rows, teacher_rows(given.rows + TEST_ROWS, hidden, seed=0)
    peer_seconds, seconds, peer, ours = [], [], None, None
    for _ in range(given.repeats):
        if not given.without_peer:
            began = time.perf_counter()
            peer = MLPClassifier((2 * given.pairs,), max_iter=1, random_state=0).fit(X[:m], y[:m])
            peer_seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        ours = DepthTwoClassifier(
            given.pairs,
            output_scale=given.output_scale,
            batch_size=given.batch_size or "auto",
            loss=given.loss,
            activation=leaky_relu(given.slope) if given.slope else "relu",
            standardize=False,  # the rows are unit vectors as they are
            on_sphere="require",
            random_state=0,
        )
        fit_stream(ours, rows_of_arrays(X[:m], y[:m]), n_passes=1)
        seconds.append(time.perf_counter() - began)
    assert ours is not None
    found: dict[str, object] = {
        "teacher": hidden,
        "rows": m,
        "neurons": 2 * given.pairs,
        "output_scale": str(given.output_scale),
        "loss": given.loss,
        "slope": given.slope,
        "batch_size": ours.plan_.batch_size,
        "seconds": [round(value, 2) for value in seconds],
        "accuracy": ours.score(X[m:], y[m:]),
        "peak_rss_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    if peer is not None:
        found["peer_seconds"] = [round(value, 2) for value in peer_seconds]
        found["peer_accuracy"] = peer.score(X[m:], y[m:])
        found["ratio_of_medians"] = round(float(np.median(peer_seconds) / np.median(seconds)), 2)
    return found


def main() -> None:
    """Print one line of JSON for each teacher."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--teacher", type=int, nargs="+", default=[32, 256, 2048])
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--output-scale", type=float, default=float("inf"))
    parser.add_argument("--batch-size", type=int, default=0)
    parser.add_argument("--loss", default="hinge")
    parser.add_argument("--slope", type=float, default=0.0, help="of relu on the negative side")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without-peer", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # one pass does not converge, and the peer says so
    for hidden in given.teacher:
        print(json.dumps(measured(given, hidden)), flush=True)


if __name__ == "__main__":
    main()
