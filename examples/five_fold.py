"""Defaults of ours beside tuned peers: five-fold accuracy on the classification sets that scikit-learn ships.

    python examples/five_fold.py                  # prints the table
    python examples/five_fold.py --docs           # writes docs/five_fold.md and docs/images/five_fold.png

Nothing of ours is tuned.  The support vector machine is searched over C and gamma within each training fold, logistic
regression over C; gradient boosting and the perceptron have scikit-learn's defaults.  All but gradient boosting see
standardised columns.  The bars are one standard deviation over the folds: differences smaller than that mean nothing.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import tightwidth as tw

DOCS = Path(__file__).parents[1] / "docs"
SETS = {"digits": load_digits, "breast_cancer": load_breast_cancer, "wine": load_wine}


def models() -> dict[str, Any]:
    """Return what is compared, by the name in the table."""
    svm = GridSearchCV(
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": [0.1, 1, 10, 100], "svc__gamma": ["scale", 0.001, 0.01, 0.1]},
        cv=3,
    )
    logistic = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        {"logisticregression__C": [0.01, 0.1, 1, 10]},
        cv=3,
    )
    return {
        "DepthTwoClassifier": tw.DepthTwoClassifier(random_state=0),
        "NTKClassifier": tw.NTKClassifier(),
        "RBF-SVM, tuned": svm,
        "gradient boosting": HistGradientBoostingClassifier(random_state=0),
        "MLPClassifier": make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0)),
        "logistic regression, tuned": logistic,
    }


def measured(sets: list[str]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return mean, standard deviation over the folds and seconds, by model and set."""
    table: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in models()}
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for data in sets:
        X, y = SETS[data](return_X_y=True)
        for name, model in models().items():
            began = time.perf_counter()
            scores = cross_val_score(model, X, y, cv=folds)
            table[name][data] = float(scores.mean()), float(scores.std()), time.perf_counter() - began
            mean, deviation, seconds = table[name][data]
            print(f"{data:14} {name:28} {mean:.1%} +- {deviation:.1%}  ({seconds:.1f} s)", flush=True)
    return table


def as_markdown(table: dict[str, dict[str, tuple[float, float, float]]]) -> str:
    """Return the page of the table."""
    sets = list(next(iter(table.values())))
    lines = [
        "# Five-fold accuracy",
        "",
        "Ours with their defaults, beside peers from scikit-learn; percent right, and the standard deviation over the",
        "five folds. Written by `python examples/five_fold.py --docs`, whose head says what is tuned and how. The",
        "defaults of ours were chosen knowing these sets.",
        "",
        "| | " + " | ".join(sets) + " |",
        "|---|" + "---|" * len(sets),
    ]
    for name, row in table.items():
        cells = [f"{100 * row[data][0]:.1f} ± {100 * row[data][1]:.1f}" for data in sets]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "![The same as a figure](images/five_fold.png)", ""])


def figure(table: dict[str, dict[str, tuple[float, float, float]]], path: Path) -> None:
    """Draw errors as bars, with the spread over the folds."""
    sets = list(next(iter(table.values())))
    fig, axes = plt.subplots(1, len(sets), figsize=(9, 3), sharey=True, layout="constrained", squeeze=False)
    places = np.arange(len(table))[::-1]
    for axis, data in zip(axes[0], sets, strict=True):
        errors = [100 * (1 - row[data][0]) for row in table.values()]
        spreads = [100 * row[data][1] for row in table.values()]
        shades = ["black" if name.startswith("Depth") else "0.7" for name in table]
        axis.barh(places, errors, xerr=spreads, color=shades, ecolor="0.4", capsize=2)
        axis.set(title=data, xlabel="wrong, %", xlim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_yticks(places, list(table))
    fig.savefig(path, dpi=150)
    plt.close(fig)


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--docs", action="store_true", help="write the page and the figure of the docs")
    parser.add_argument("--figure", type=Path, help="write the figure to this file")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="some of the sets only")
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    table = measured(given.sets)
    text = as_markdown(table)
    print(text)
    if given.docs:
        (DOCS / "five_fold.md").write_text(text, encoding="utf-8")
        figure(table, DOCS / "images" / "five_fold.png")
    if given.figure is not None:
        figure(table, given.figure)


if __name__ == "__main__":
    main()
