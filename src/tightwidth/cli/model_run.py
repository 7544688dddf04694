"""Read a model, and rows in blocks, and predict or count."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.base import is_classifier

from tightwidth import __version__, models
from tightwidth.cli import prediction_files
from tightwidth.cli.progress import StepProgress
from tightwidth.data.rows import Rows, RowSource, open_rows
from tightwidth.data.rows.statistics import ColumnStatistics
from tightwidth.data.rows.survey import MissingValues
from tightwidth.data.rows.targets import ClassCounter, numbers
from tightwidth.errors import DataError, InputError
from tightwidth.records.fit import ScoreRecord


def _model(path: Path) -> Any:
    """Return an estimator that predicts."""
    found = models.load(path)
    if not hasattr(found, "predict") or not hasattr(found, "n_features_in_"):
        message = f"{path} holds a {type(found).__name__}, which predicts no labels or values; give a fitted estimator"
        raise InputError(message)
    return found


def _columns(estimator: Any) -> tuple[str, ...] | int:
    names = getattr(estimator, "feature_names_in_", None)
    return int(estimator.n_features_in_) if names is None else tuple(map(str, names))


def _checked(source: RowSource, progress: StepProgress) -> Iterator[tuple[int, Rows]]:
    """Yield the first row and the rows of each piece, all of them finite."""
    n = 0
    for piece, rows in source.pieces():
        missing = MissingValues(source)
        if missing.found(rows.X, piece.first_row):
            missing.check(-1)
        yield piece.first_row, rows
        n += piece.n_rows
        progress.wait(f"{n:,} rows")


@contextmanager
def _without_remarks_on_names() -> Iterator[None]:
    """Keep scikit-learn from missing the names, which were compared where the file was opened."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        yield


def predict(model: Path, data: str, output: Path, *, target: str | None, scores: bool) -> int:
    """Write a prediction for each row, and return how many there are."""
    estimator = _model(model)
    source = open_rows(data, target=target, needs_target=False, columns=_columns(estimator))
    names = _names_of_scores(estimator) if scores else []
    partial = output.with_name(output.name + ".partial")
    n = 0
    writer = prediction_files.WRITERS[output.suffix.lower()]
    try:
        with StepProgress(quiet=False) as progress, writer(partial, names) as write, _without_remarks_on_names():
            for _, rows in _checked(source, progress):
                write(_predicted(estimator, rows.X), _scores(estimator, rows.X) if scores else None)
                n += len(rows.X)
        if n == 0:
            message = f"{data} has no rows; at least 1 is needed; give more"
            raise DataError(message)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return n


def _predicted(estimator: Any, X: np.ndarray) -> np.ndarray:
    """Return predictions, as numbers or text of one width for all blocks."""
    found = np.asarray(estimator.predict(X))
    return found.astype(estimator.classes_.astype(np.str_).dtype) if found.dtype.kind == "O" else found


def _names_of_scores(estimator: Any) -> list[str]:
    if not is_classifier(estimator):
        message = "--scores is for models that classify; the values of others are their outputs; leave it out"
        raise InputError(message)
    classes = estimator.classes_.tolist()
    return [f"score_{name}" for name in (classes[1:] if len(classes) == 2 else classes)]


def _scores(estimator: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(estimator.decision_function(X)).reshape(len(X), -1)


def score(model: Path, data: str, *, target: str | None, labels: Path | None, quiet: bool) -> ScoreRecord:
    """Count what is right, or measure how far values are off."""
    estimator = _model(model)
    source = open_rows(data, target=target, labels=labels, columns=_columns(estimator))
    settings = {"model": str(model), "data": data, "version": __version__}
    with StepProgress(quiet=quiet) as progress, _without_remarks_on_names():
        if is_classifier(estimator):
            return _score_of_classes(estimator, source, progress, settings)
        return _score_of_values(estimator, source, progress, settings)


def _score_of_classes(estimator: Any, source: RowSource, progress: StepProgress, settings: dict[str, Any]) -> Any:
    counts, right, n = ClassCounter(source.name), 0, 0
    texts = estimator.classes_.astype(np.str_)
    is_text = estimator.classes_.dtype.kind == "U"
    for first, rows in _checked(source, progress):
        assert rows.target is not None
        counts.add(rows.target, first)
        places = np.searchsorted(estimator.classes_, estimator.predict(rows.X))
        right += int(np.sum(_same(rows.target, estimator.classes_, texts, places, is_text=is_text)))
        n += len(rows.X)
    _check_some(n, source)
    low, high = binomtest(right, n).proportion_ci(0.95)
    return ScoreRecord(
        task="classify",
        n_rows=n,
        accuracy=right / n,
        accuracy_low=low,
        accuracy_high=high,
        r2=None,
        rmse=None,
        **settings,
    )


def _same(target: np.ndarray, classes: np.ndarray, texts: np.ndarray, places: np.ndarray, *, is_text: bool) -> Any:
    """Return where the target is the class of that place; a number written as text is that number."""
    if target.dtype.kind != "U" and not is_text:
        return target == classes[places]
    if target.dtype.kind == "U" and classes.dtype.kind in "iuf":
        found, inverse = np.unique(target, return_inverse=True)
        values = np.array([_float(str(text)) for text in found])[inverse]
        return values == classes.astype(np.float64)[places]
    return target.astype(np.str_) == texts[places]


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _score_of_values(estimator: Any, source: RowSource, progress: StepProgress, settings: dict[str, Any]) -> Any:
    residues, spread, n = 0.0, None, 0
    for first, rows in _checked(source, progress):
        assert rows.target is not None
        values = numbers(rows.target, first, source.name)
        found = np.asarray(estimator.predict(rows.X), np.float64).reshape(len(values), -1)
        if found.shape != values.shape:
            message = f"{settings['model']} predicts {found.shape[1]} values a row; a model of one is needed to score"
            raise InputError(message)
        residues += float(np.sum((values - found) ** 2))
        spread = ColumnStatistics(values.shape[1]) if spread is None else spread
        spread.add(values)
        n += len(values)
    _check_some(n, source)
    assert spread is not None
    total = float(np.sum(spread.squares))
    return ScoreRecord(
        task="regress",
        n_rows=n,
        accuracy=None,
        accuracy_low=None,
        accuracy_high=None,
        r2=1 - residues / total if total > 0 else None,
        rmse=math.sqrt(residues / n),
        **settings,
    )


def _check_some(n: int, source: RowSource) -> None:
    if n == 0:
        message = f"{source.name} has no rows; at least 1 is needed; give more"
        raise DataError(message)
