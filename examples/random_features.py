"""Random features for a linear model: accuracy on held-out digits against the number of columns.

    python examples/random_features.py [--figure FILE]

`NTKFeatures` beside scikit-learn's `RBFSampler`, both before the same `SGDClassifier`, both on standardised columns,
the bandwidth of the sampler at 1/d; the other lines are the exact kernel machines that they approximate, with the
support vector machine tuned.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import tightwidth as tw

COLUMNS = (32, 64, 128, 256, 512, 1024)
SEEDS = range(3)


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, default=Path("random_features.png"))
    given = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    X_train, X_test, y_train, y_test = parts

    def right(model) -> float:
        return model.fit(X_train, y_train).score(X_test, y_test)

    scores: dict[str, list[list[float]]] = {"NTKFeatures": [], "RBFSampler": []}
    for n in COLUMNS:
        ours, peers = [], []
        for seed in SEEDS:
            linear = SGDClassifier(random_state=seed)
            ours.append(right(make_pipeline(tw.NTKFeatures(n_components=n, random_state=seed), linear)))
            sampler = RBFSampler(gamma=1 / X.shape[1], n_components=n, random_state=seed)
            peers.append(right(make_pipeline(StandardScaler(), sampler, linear)))
        scores["NTKFeatures"].append(ours)
        scores["RBFSampler"].append(peers)
        print(f"{n:5} columns: NTKFeatures {np.mean(ours):.1%}, RBFSampler {np.mean(peers):.1%}")
    svm = GridSearchCV(
        make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 10, 100], "svc__gamma": ["scale", 0.01, 0.001]}, cv=3
    )
    exact = {"NTKClassifier": right(tw.NTKClassifier()), "RBF-SVM, tuned": right(svm)}
    print(", ".join(f"{name} {score:.1%}" for name, score in exact.items()))
    fig, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for (name, found), style in zip(scores.items(), ("k-o", "k--s"), strict=True):
        values = np.array(found)
        axis.plot(COLUMNS, values.mean(axis=1), style, markersize=4, label=name)
        axis.fill_between(COLUMNS, values.min(axis=1), values.max(axis=1), color="0.85")
    for (name, score), style in zip(exact.items(), (":", "-."), strict=True):
        axis.axhline(score, color="0.4", linestyle=style, label=name)
    axis.set_xscale("log", base=2)
    axis.set_xticks(COLUMNS, [str(n) for n in COLUMNS])
    axis.set(xlabel="columns", ylabel="right, of held-out digits")
    axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    fig.savefig(given.figure, dpi=150)
    print(f"wrote {given.figure}")


if __name__ == "__main__":
    main()
