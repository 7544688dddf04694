"""Values with DepthTwoRegressor: five-fold R^2 on the diabetes data beside peers, and the fit of one fold as a figure.

    python examples/values.py [--figure FILE]

The diabetes data are noisy and nearly linear: a ridge regression is hard to beat, and nothing here does so by more than
the spread over the folds.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import tightwidth as tw


def models() -> dict[str, Any]:
    """Return what is compared."""
    svr = GridSearchCV(
        make_pipeline(StandardScaler(), SVR()), {"svr__C": [1, 10, 100], "svr__gamma": ["scale", 0.01, 0.001]}, cv=3
    )
    return {
        "DepthTwoRegressor": tw.DepthTwoRegressor(random_state=0),
        "ridge, tuned": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
        "RBF-SVR, tuned": svr,
        "gradient boosting": HistGradientBoostingRegressor(random_state=0),
        "MLPRegressor": make_pipeline(StandardScaler(), MLPRegressor(max_iter=1000, random_state=0)),
    }


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, default=Path("values.png"))
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)
    scores = {name: cross_val_score(model, X, y, cv=folds) for name, model in models().items()}
    for name, found in scores.items():
        print(f"{name:20} R^2 {found.mean():.3f} +- {found.std():.3f}")
    predicted = cross_val_predict(models()["DepthTwoRegressor"], X, y, cv=folds)
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained")
    places = np.arange(len(scores))[::-1]
    left.barh(
        places,
        [found.mean() for found in scores.values()],
        xerr=[found.std() for found in scores.values()],
        color=["black" if name.startswith("Depth") else "0.7" for name in scores],
        ecolor="0.4",
        capsize=2,
    )
    left.set_yticks(places, list(scores))
    left.set(xlabel="R², five-fold", xlim=(0, None))
    right.plot(y, predicted, "o", color="0.3", markersize=3, alpha=0.6)
    ends = [y.min(), y.max()]
    right.plot(ends, ends, "k--", linewidth=1)
    right.set(xlabel="progression after a year", ylabel="predicted, out of fold", title="DepthTwoRegressor")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    fig.savefig(given.figure, dpi=150)
    print(f"wrote {given.figure}")


if __name__ == "__main__":
    main()
