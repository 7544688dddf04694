"""How wide is wide enough?  Accuracy on held-out digits against the width, with the width that theory chooses.

    python examples/width_and_accuracy.py [--figure FILE]

The certified memorization of the training set needs about q d = 2 m; for learning less is enough, and the width that
the plan chooses stands beside what every other width gives.  Dotted: a tuned RBF support vector machine.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import tightwidth as tw

WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SEEDS = range(3)


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, default=Path("width_and_accuracy.png"))
    given = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    svm = GridSearchCV(
        make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 10, 100], "svc__gamma": ["scale", 0.01, 0.001]}, cv=3
    )
    peer = svm.fit(X_train, y_train).score(X_test, y_test)
    scores = np.array(
        [
            [tw.DepthTwoClassifier(q, random_state=seed).fit(X_train, y_train).score(X_test, y_test) for q in WIDTHS]
            for seed in SEEDS
        ]
    )
    chosen = tw.DepthTwoClassifier(random_state=0).fit(X_train, y_train)
    print(
        f"tuned RBF-SVM {peer:.1%}; chosen width: {chosen.plan_.reasons['n_pairs']}, {chosen.score(X_test, y_test):.1%}"
    )
    for q, column in zip(WIDTHS, scores.T, strict=True):
        print(f"q = {q:4}: {column.mean():.1%} (from {column.min():.1%} to {column.max():.1%})")
    fig, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axis.fill_between(WIDTHS, scores.min(axis=0), scores.max(axis=0), color="0.85", label=f"{len(SEEDS)} seeds")
    axis.plot(WIDTHS, scores.mean(axis=0), "k-o", markersize=4, label="DepthTwoClassifier, their mean")
    axis.axvline(chosen.n_pairs_, color="0.4", linestyle="--", label=f"width chosen, q = {chosen.n_pairs_}")
    axis.axhline(peer, color="0.4", linestyle=":", label="tuned RBF-SVM")
    axis.set_xscale("log", base=2)
    axis.set_xticks(WIDTHS, [str(q) for q in WIDTHS])
    axis.set(xlabel="pairs of hidden neurons q", ylabel="right, of held-out digits")
    axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axis.legend(framealpha=1, edgecolor="none")
    axis.spines[["top", "right"]].set_visible(False)
    fig.savefig(given.figure, dpi=150)
    print(f"wrote {given.figure}")


if __name__ == "__main__":
    main()
