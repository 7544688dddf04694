"""Save and load a model: safetensors with a description, never pickle."""

import dataclasses
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from tightwidth.activations import Activation
from tightwidth.data.tensor_files import read_tensors, write_tensors
from tightwidth.errors import DataError, InputError
from tightwidth.losses import Loss
from tightwidth.memorization_result import MemorizeResult
from tightwidth.models.encoding import Decoder, Encoder
from tightwidth.models.known_classes import ESTIMATORS, NETWORKS, OBJECTS
from tightwidth.models.named_functions import Function

KIND = "model"
PACKAGES = ("tightwidth", "jax", "numpy", "scikit-learn")
SAID_FIRST = (  # what `about` says of a model, of what it has
    "activation",
    "loss",
    "output_scale",
    "depth",
    "n_pairs",
    "n_pairs_",
    "classes_",
    "standardize",
    "on_sphere",
    "n_features_in_",
    "certificate_",
    "fraction_memorized_last",
    "certified_fraction",
)


def save(model: Any, path: str | Path) -> None:
    """Write a fitted model into a file that `load` makes the same model from, to the bit.

    Parameters
    ----------
    model
        A fitted estimator of this package, what `memorize` returned, or a network (`Plain`, `Displacement`, `Tangent`,
        `Outputs`).
    path
        Where to; a file that is there is replaced in one step.

    Raises
    ------
    InputError
        If the model is of another kind, holds what a file cannot hold, or the file cannot be written.
    NotFittedError
        If an estimator is not fitted.

    Notes
    -----
    Of an estimator all parameters and fitted attributes are kept, those with which `partial_fit` goes on and the state
    of a ``RandomState`` too; of a result of `memorize` all its numbers and both networks.  Activations and losses of
    the package are kept by name; of a user's own the name is kept, and `load` asks for the object.  The file is
    safetensors: arrays, and in its header JSON.  Any program can read the arrays; nothing in it is code.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_wine
    >>> from tightwidth.estimators import DepthTwoClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> model = DepthTwoClassifier(random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/wine.safetensors")
    ...     again = load(f"{folder}/wine.safetensors")
    >>> bool(np.array_equal(again.decision_function(X), model.decision_function(X)))
    True
    """
    check_can_be_saved(model)
    encoder = Encoder()
    content = {"model": encoder.encode(model, ""), "versions": versions(), "about": _about(model)}
    write_tensors(path, encoder.tensors, content, kind=KIND)


def check_can_be_saved(model: Any) -> None:
    """Raise unless the model is of a kind that `save` takes, and fitted.

    Raises
    ------
    InputError
        If it is of another kind.
    NotFittedError
        If it is an estimator that is not fitted.
    """
    name = type(model).__name__
    if isinstance(model, (*NETWORKS, MemorizeResult)):
        return
    if name not in ESTIMATORS or type(model) is not OBJECTS[name]:
        message = (
            f"a {name} cannot be saved; give a fitted {', '.join(ESTIMATORS)}, a network, or the result of memorize "
            f"(of a pipeline or a search, the step that is one)"
        )
        raise InputError(message)
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        message = f"this {name} is not fitted, so there is nothing to save; call fit first"
        raise NotFittedError(message) from error


def load(path: str | Path, *, activation: Activation | None = None, loss: Loss | None = None) -> Any:
    """Return the model that `save` wrote.

    Parameters
    ----------
    path
        The file.
    activation, loss
        The object that the model was saved with, if that was a user's own; no file can hold it.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program, from a newer version, or holds what this one does not know.
    InputError
        If a function of a user's own is needed and was not given, or another was given.
    """
    tensors, content = read_tensors(path, kind=KIND)
    given: dict[str, Function | None] = {"activation": activation, "loss": loss}
    wrote = _versions_of(content)
    try:
        return Decoder(tensors, given, str(path)).decode(content["model"])
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        said = " ".join(str(error).split())[:200]
        message = (
            f"{path} holds a model of tightwidth {wrote} that version {version('tightwidth')} cannot make anew "
            f"({type(error).__name__}: {said}); install the version that wrote it"
        )
        raise DataError(message) from error


def _versions_of(content: dict[str, Any]) -> str:
    found = content.get("versions")
    return str(found.get("tightwidth", "?")) if isinstance(found, dict) else "?"


def about(path: str | Path) -> dict[str, Any]:
    """Return what a file says of its model, without making it: class, activation, classes, versions.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program, or from a newer version.
    """
    _, content = read_tensors(path, kind=KIND)
    return {**content.get("about", {}), "versions": content.get("versions", {})}


def versions() -> dict[str, str]:
    """Return the versions that a file tells: of this package, what it computes with, and Python."""
    return {**{name: version(name) for name in PACKAGES}, "python": platform.python_version()}


def _about(model: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"class": type(model).__name__}
    for name in SAID_FIRST:
        value = getattr(model, name, None)
        if isinstance(value, BaseEstimator) or value is None:
            continue
        said[name] = _readable(value)
    return said


def _readable(value: Any) -> Any:
    """Return a value for people: JSON numbers, lists and objects, and text for anything else."""
    if isinstance(value, (Activation, Loss)):
        return value.name
    if isinstance(value, (np.ndarray, np.generic)):
        return _readable(value.tolist())
    if dataclasses.is_dataclass(value):
        return {field.name: _readable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): _readable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and np.isfinite(value)):
        return value
    return str(value)
