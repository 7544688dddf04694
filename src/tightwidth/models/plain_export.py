"""Export a model to plain weights: h(x) = <u, sigma(W x)> in float64, with the way of raw rows to the sphere beside it.

From displacements the weights follow exactly, up to float64.  The tangent form is the limit of infinite B, so a finite
one has to be chosen: at a small B gates flip that the limit leaves alone (a share of about |a|/B of them, a being what
the gate lets through), at a large one float64 cannot tell W' + P/B from W'.  So the largest power of ten is taken at
which float64 still resolves the outputs to 1e-8 of their size, as measured on points.
"""

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from tightwidth.conversions import to_plain
from tightwidth.data.tensor_files import write_tensors, write_whole
from tightwidth.errors import InputError
from tightwidth.models.parts import Parts, parts_of
from tightwidth.models.saving import versions
from tightwidth.network import Plain
from tightwidth.precision import in_precision_of
from tightwidth.shared_outputs import Outputs, predict_outputs

SUFFIXES = (".npz", ".safetensors")
POINTS = 256  # on which a B is chosen, and the deviation measured if no rows are given
SCALES = tuple(10.0**k for k in range(12, 0, -1))  # tried for B
RESOLVED = 1e-8  # of the size of the outputs, to which float64 has to resolve them


@dataclass(frozen=True, eq=False)
class PlainWeights:
    """Hold plain weights, how rows come to them, and how far they are from the model.

    Attributes
    ----------
    W, u
        [K, 2q, d] and [K, 2q], float64; ``h_k(x) = <u_k, sigma(W_k x)>``, neurons i and q + i are a pair.
    output_scale
        B of the weights, given, the model's own, or chosen.
    mean, scale
        Of the columns of raw rows, or None; infinite where a column was constant and is to become 0.
    bias
        The coordinate that is appended before rows are divided by their norms, or None.
    target_mean, target_scale
        What brings outputs back to the units of values, or None.
    classes
        The labels, or None.
    deviation, size
        The largest |h_plain - h_model| on the rows, and the largest |h_model|, to compare it with.
    description
        All of that which is no array, as strict JSON holds it.
    """

    W: Float[np.ndarray, "K two_q d"]
    u: Float[np.ndarray, "K two_q"]
    output_scale: float
    mean: Float[np.ndarray, " n"] | None
    scale: Float[np.ndarray, " n"] | None
    bias: float | None
    target_mean: Float[np.ndarray, " K"] | None
    target_scale: Float[np.ndarray, " K"] | None
    classes: Shaped[np.ndarray, " C"] | None
    deviation: float
    size: float
    description: dict[str, Any]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays as a file has them: numbers, by name, without those that are None."""
        named = {"W": self.W, "u": self.u, "mean": self.mean, "scale": self.scale}
        named |= {"target_mean": self.target_mean, "target_scale": self.target_scale}
        if self.bias is not None:
            named["bias"] = np.array(self.bias)
        return {name: array for name, array in named.items() if array is not None}


def export_plain(
    model: Any, path: str | Path | None = None, *, output_scale: float | None = None, X: Any = None
) -> PlainWeights:
    """Return the plain weights of a model, and write them into a file if a path is given.

    Parameters
    ----------
    model
        A fitted `DepthTwoClassifier` or `DepthTwoRegressor`, what `memorize` returned, or a network.
    path
        Where to, ending in .npz or .safetensors; a file that is there is replaced in one step.
    output_scale
        B of the weights.  By default the model's own if it is finite; for the tangent form the largest power of ten
        that float64 resolves.  At an own B of 1e9 and more the weights cannot hold the displacements: another B, such
        as 1e7, changes the network a little and comes closer.
    X
        Rows, as `predict` takes them, on which the deviation is measured.  By default 256 random points of the sphere.

    Raises
    ------
    InputError
        If the model has no weights, B is not positive and finite, X is no finite table of its columns, the suffix is
        unknown, or the file cannot be written.
    DataError
        If a row of X cannot be brought to the sphere.
    NotFittedError
        If an estimator is not fitted.

    Notes
    -----
    Takes ``16 K q (d + 1)`` bytes: in the plain form no two outputs share weights.  docs/models.md has the lines of
    NumPy that predict from such a file.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from tightwidth.estimators import DepthTwoClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> weights = export_plain(DepthTwoClassifier(random_state=0).fit(X, y), X=X)
    >>> weights.W.shape, weights.deviation < 1e-7 * weights.size
    ((3, 50, 14), True)
    """
    parts = parts_of(model)
    if path is not None and Path(path).suffix not in SUFFIXES:
        message = f"{path} has the suffix {Path(path).suffix!r}; give a path that ends in {' or '.join(SUFFIXES)}"
        raise InputError(message)
    if output_scale is not None and not 0 < output_scale < math.inf:
        message = f"output_scale={output_scale!r}: plain weights need a finite B > 0; leave it out for the best"
        raise InputError(message)
    rows = _rows(parts, X)
    points = rows if X is None else parts.points(rows)
    if output_scale is None:
        output_scale = _scale(parts.networks, points)
    W, u = _weights(parts.networks, output_scale)
    inputs, targets, sigma = parts.inputs, parts.targets, parts.activation.sigma
    standardizer = None if inputs is None else inputs.standardizer
    bias = inputs.constant if inputs is not None and inputs.on_sphere == "bias" else None
    mean, scale = (None, None) if standardizer is None else (standardizer.mean, standardizer.scale)
    expected = parts.outputs(points).astype(np.float64)
    if X is not None and inputs is not None:
        points = _on_sphere(rows, mean, scale, bias, inputs.on_sphere)
    deviation = float(np.abs(_values(W, u, sigma, points) - expected).max(initial=0))
    description = {
        "class": parts.name,
        "activation": parts.activation.name,
        "output_scale": output_scale,
        "on_sphere": "require" if inputs is None else inputs.on_sphere,
        "loss": parts.loss,
        "classes": None if parts.classes is None else parts.classes.tolist(),
        "deviation": deviation,
        "versions": versions(),
    }
    found = PlainWeights(
        W,
        u,
        output_scale,
        mean,
        scale,
        bias,
        None if targets is None else targets.mean,
        None if targets is None else np.where(np.isinf(targets.scale), 0.0, targets.scale),
        parts.classes,
        deviation,
        float(np.abs(expected).max(initial=0)),
        description,
    )
    if path is not None:
        _write(found, Path(path))
    return found


def _rows(parts: Parts, X: Any) -> np.ndarray:
    if X is None:
        rows = np.random.default_rng(0).standard_normal((POINTS, parts.d))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(parts.dtype)
    rows = np.asarray(X)
    if rows.ndim != 2 or rows.shape[1] != parts.n_features or rows.dtype.kind not in "biuf":
        message = (
            f"X has shape {rows.shape} and dtype {rows.dtype}; numbers of shape [n, {parts.n_features}] are needed"
        )
        raise InputError(message)
    if not np.isfinite(rows).all():
        message = "X holds values that are not finite; the deviation is measured on finite rows: leave the others out"
        raise InputError(message)
    return rows.astype(parts.dtype)


def _scale(networks: Outputs | Plain, points: np.ndarray) -> float:
    """Return the own B; of the tangent form the largest power of ten that is resolved, or else the nearest."""
    if isinstance(networks, Plain):
        return float(networks.B)
    if networks.inverse_B is not None:
        return 1 / float(networks.inverse_B)
    points = points[:POINTS].astype(np.float64)
    with in_precision_of(np.dtype(np.float64)):
        exact = Outputs(
            jnp.asarray(networks.W_half, jnp.float64),
            tuple(jnp.asarray(array, jnp.float64) for array in networks.trained),
            None,
            networks.activation,
        )
    expected = predict_outputs(exact, points)

    enough = RESOLVED * float(np.abs(expected).max(initial=0))
    nearest, least = SCALES[0], math.inf
    for B in SCALES:
        found = float(np.abs(_values(*_weights(exact, B), networks.activation.sigma, points) - expected).max(initial=0))
        if found <= enough:
            return B
        if found < least:
            nearest, least = B, found
    return nearest


def _weights(networks: Outputs | Plain, B: float) -> tuple[np.ndarray, np.ndarray]:
    """Return W and u of every output at this B."""
    if isinstance(networks, Plain):
        if not math.isclose(B, float(networks.B), rel_tol=1e-6):
            message = f"output_scale={B:g} but the plain weights have B={float(networks.B):g}; leave output_scale out"
            raise InputError(message)
        plains = [to_plain(networks)]
    elif networks.inverse_B is None:
        plains = [to_plain(networks.alone(k), B) for k in range(networks.K)]
    else:
        moved: Outputs = networks
        if 1 / float(networks.inverse_B) != B:  # the same displacements at another B
            with in_precision_of(np.dtype(np.float64)):
                moved = eqx.tree_at(lambda net: net.inverse_B, networks, jnp.asarray(1 / B, jnp.float64))
        plains = [to_plain(moved.alone(k)) for k in range(moved.K)]
    return np.stack([np.asarray(plain.W) for plain in plains]), np.stack([np.asarray(plain.u) for plain in plains])


def _on_sphere(
    rows: np.ndarray, mean: np.ndarray | None, scale: np.ndarray | None, bias: float | None, on_sphere: str
) -> Float[np.ndarray, "n e"]:
    """Return raw rows on the sphere by the arrays of a file alone."""
    points = rows.astype(np.float64)
    if mean is not None and scale is not None:
        points = (points - mean) / scale
    if bias is not None:
        points = np.hstack([points, np.full((len(points), 1), bias)])
    return points if on_sphere == "require" else points / np.linalg.norm(points, axis=1, keepdims=True)


def _values(W: np.ndarray, u: np.ndarray, sigma: Any, points: np.ndarray) -> Float[np.ndarray, "n K"]:
    points = points.astype(np.float64)
    with in_precision_of(points):
        columns = [np.asarray(sigma(jnp.asarray(points @ W_k.T))) @ u_k for W_k, u_k in zip(W, u, strict=True)]
    return np.stack(columns, axis=1)


def _write(weights: PlainWeights, path: Path) -> None:
    if path.suffix == ".safetensors":
        write_tensors(path, weights.arrays(), weights.description, kind="export")
        return
    content = io.BytesIO()
    arrays: dict[str, Any] = {**weights.arrays(), "description": np.array(json.dumps(weights.description))}
    np.savez(content, **arrays)
    write_whole(path, content.getvalue())
