"""Classifiers as contestants: one pass over the rows of a teacher, then the share that is right of fresh ones.

Everything counts but imports, data and the test: surveys, plans, compiling.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from contests import Facts, Work
from teacher import teacher_rows

BLOCK = 20_000  # rows of random features at a time: 1,024 features of a million rows would take 4 GB


def ours(*, rows: int, test_rows: int, teacher: int, pairs: int) -> Work:
    """Prepare `DepthTwoClassifier`, fitted as to a stream with the loss of `MLPClassifier`, else as it is."""
    from tightwidth.data.rows.files import rows_of_arrays
    from tightwidth.estimators import DepthTwoClassifier
    from tightwidth.estimators.stream_fit import fit_stream

    X, y = teacher_rows(rows + test_rows, teacher, seed=0)

    def fit() -> Any:
        # the rows are unit vectors as they are
        model = DepthTwoClassifier(pairs, loss="logistic", standardize=False, on_sphere="require", random_state=0)
        return fit_stream(model, rows_of_arrays(X[:rows], y[:rows]), n_passes=1)

    return _tested(fit, X[rows:], y[rows:])


def perceptron(*, rows: int, test_rows: int, teacher: int, pairs: int) -> Work:
    """Prepare scikit-learn's `MLPClassifier` with as many neurons, 2q, and its own defaults."""
    from sklearn.neural_network import MLPClassifier

    X, y = teacher_rows(rows + test_rows, teacher, seed=0)
    return _tested(
        lambda: MLPClassifier((2 * pairs,), max_iter=1, random_state=0).fit(X[:rows], y[:rows]), X[rows:], y[rows:]
    )


def fourier(*, rows: int, test_rows: int, teacher: int, pairs: int) -> Work:
    """Prepare random Fourier features, as many as there are neurons, with a linear model by SGD."""
    from sklearn.kernel_approximation import RBFSampler

    return _on_features(RBFSampler(n_components=2 * pairs, random_state=0), rows, test_rows, teacher)


def nystroem(*, rows: int, test_rows: int, teacher: int, pairs: int) -> Work:
    """Prepare Nyström features of the RBF kernel, as many as there are neurons, with a linear model by SGD."""
    from sklearn.kernel_approximation import Nystroem

    # gamma as RBFSampler has it, which suits unit vectors
    return _on_features(Nystroem(n_components=2 * pairs, gamma=1.0, random_state=0), rows, test_rows, teacher)


def _on_features(features: Any, rows: int, test_rows: int, teacher: int) -> Work:
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    X, y = teacher_rows(rows + test_rows, teacher, seed=0)

    def fit() -> Any:
        features.fit(X[: min(rows, BLOCK)])
        model = SGDClassifier(random_state=0)
        for start in range(0, rows, BLOCK):
            part = slice(start, min(start + BLOCK, rows))
            model.partial_fit(features.transform(X[part]), y[part], classes=[0, 1])
        return make_pipeline(features, model)

    return _tested(fit, X[rows:], y[rows:])


def _tested(fit: Callable[[], Any], X: np.ndarray, y: np.ndarray) -> Work:
    def work(_: int) -> Facts:
        model = fit()

        def later() -> Facts:
            parts = np.array_split(np.arange(len(X)), max(1, len(X) // BLOCK))
            return {"right": float(np.mean(np.concatenate([model.predict(X[part]) for part in parts]) == y))}

        return {"later": later}

    return work
