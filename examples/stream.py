"""Learn from a stream, and know the error without held-out data: digits, jittered a hundred times over.

    python examples/stream.py [--rows 100000] [--figure FILE]

Every row is predicted before it is learnt from, so the share missed so far is an estimate that needs no test set; its
interval holds at all times at once.  Beside it scikit-learn's `SGDClassifier`, a linear model, judged in the same way.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

import tightwidth as tw
from tightwidth.estimators import StreamProgress, fit_stream

BATCH_ROWS = 1000


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--figure", type=Path, default=Path("stream.png"))
    given = parser.parse_args()
    images, labels = load_digits(return_X_y=True)

    def batches():
        rng = np.random.default_rng(0)
        for _ in range(given.rows // BATCH_ROWS):
            rows = rng.integers(0, len(images), BATCH_ROWS)
            jitter = rng.normal(0, 2, (BATCH_ROWS, images.shape[1]))
            yield (images[rows] + jitter).astype(np.float32), labels[rows]

    seen: list[StreamProgress] = []
    model = fit_stream(
        tw.DepthTwoClassifier(random_state=0), batches, n_passes=1, buffer_rows=BATCH_ROWS, progress=seen.append
    )
    scaler = StandardScaler().fit(next(batches())[0])
    linear, wrong, peer = SGDClassifier(random_state=0), 0, []
    for n, (X, y) in enumerate(batches(), start=1):
        Z = scaler.transform(X)
        if n > 1:
            wrong += int(np.sum(linear.predict(Z) != y))
            peer.append((n * BATCH_ROWS, wrong / ((n - 1) * BATCH_ROWS)))
        linear.partial_fit(Z, y, classes=np.arange(10))
    interval = model.certificate_.misses_interval
    assert interval is not None
    print(f"{model.n_rows_:,} rows, {model.n_pairs_} pairs: {model.certificate_.misses:.2%} missed before learnt from")
    print(f"95% interval {interval.low:.2%} to {interval.high:.2%}; SGDClassifier {peer[-1][1]:.2%}")
    looks = [event for event in seen if event.doing == "fit" and event.interval is not None]
    fig, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    rows = [event.rows for event in looks]
    lows, highs = zip(*(event.interval for event in looks if event.interval is not None), strict=True)
    axis.fill_between(rows, lows, highs, color="0.85", label="95% interval, at all times at once")
    axis.plot(rows, [event.misses for event in looks], "k-o", markersize=3, label="DepthTwoClassifier")
    axis.plot(*zip(*peer, strict=True), "k--", linewidth=1, label="SGDClassifier")
    axis.set(xlabel="rows learnt from", ylabel="missed before learnt from", ylim=(0, 0.5), xlim=(0, given.rows))
    axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    fig.savefig(given.figure, dpi=150)
    print(f"wrote {given.figure}")


if __name__ == "__main__":
    main()
