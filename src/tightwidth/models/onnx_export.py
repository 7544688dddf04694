"""Export a model to ONNX: one graph from raw rows to labels, decision values, probabilities or values."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tightwidth.data.tensor_files import write_whole
from tightwidth.errors import InputError
from tightwidth.models.onnx_graph import IR_VERSION, OPSET, Graph, Value, onnx_package
from tightwidth.models.onnx_network import outputs_of
from tightwidth.models.parts import Parts, parts_of
from tightwidth.models.saving import versions

MOST_BYTES = 2_000_000_000  # of one ONNX file
INPUT = "X"

Named = list[tuple[str, Value, Any, list[Any]]]  # outputs: name, value, dtype, shape


def export_onnx(model: Any, path: str | Path) -> None:
    """Write a model as an ONNX graph from raw rows to what it predicts.

    Parameters
    ----------
    model
        A fitted `DepthTwoClassifier` or `DepthTwoRegressor`, what `memorize` returned, or a network.
    path
        Where to; a file that is there is replaced in one step.

    Raises
    ------
    InputError
        If the model has no weights, its activation is a user's own, its labels have no type in ONNX, it is too large
        for an ONNX file, the file cannot be written, or onnx is not installed.
    NotFittedError
        If an estimator is not fitted.

    Notes
    -----
    The input is ``X``, [N, n_features], in the precision of the model: the rows as `predict` takes them, which the
    graph standardises and brings to the sphere; unit rows for a network.  The outputs are ``label`` and
    ``decision_values``, and ``probabilities`` with the logistic loss; for a regressor or a network ``values``.  Shapes
    are those of `predict`, `decision_function` and `predict_proba`; N may be 0.

    Every form is exported as itself and computed in float64, so that outputs agree with ours to 1e-5 of their size at
    any B.  Rows that `predict` refuses, zero rows under ``on_sphere="project"`` and rows off the sphere under
    "require", get NaN for outputs, and a label without meaning.  Operator set 13, IR version 7.
    """
    onnx: Any = onnx_package()
    parts = parts_of(model)
    graph = Graph()
    points = _points(graph, Value(graph, INPUT), parts)
    outputs = outputs_of(graph, points, parts)
    named = _predictions(graph, outputs, parts)
    for name, value, _, _ in named:
        graph.op("Identity", value, output=name)
    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            parts.name,
            [_described(onnx, graph, INPUT, parts.dtype, ["N", parts.n_features])],
            [_described(onnx, graph, name, dtype, shape) for name, _, dtype, shape in named],
            graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tightwidth",
        producer_version=versions()["tightwidth"],
    )
    onnx.helper.set_model_props(made, _metadata(parts))
    if made.ByteSize() > MOST_BYTES:
        message = (
            f"the graph of this {parts.name} takes {made.ByteSize() / 1e9:.1f} GB and an ONNX file holds 2; fit with a "
            f"smaller n_pairs, or export_plain its weights"
        )
        raise InputError(message)
    onnx.checker.check_model(made, full_check=True)
    write_whole(path, made.SerializeToString())


def _described(onnx: Any, graph: Graph, name: str, dtype: Any, shape: list[Any]) -> Any:
    number = onnx.TensorProto.STRING if dtype is str else graph.dtype_number(dtype)
    return onnx.helper.make_tensor_value_info(name, number, shape)


def _metadata(parts: Parts) -> dict[str, str]:
    said = {
        "class": parts.name,
        "activation": parts.activation.name,
        "loss": parts.loss or "",
        "on_sphere": "require" if parts.inputs is None else parts.inputs.on_sphere,
        "standardize": json.dumps(parts.inputs is not None and parts.inputs.standardizer is not None),
        "versions": json.dumps(versions()),
    }
    if parts.classes is not None:
        said["classes"] = json.dumps(parts.classes.tolist())
    return said


def _points(graph: Graph, X: Value, parts: Parts) -> Value:
    """Return raw rows on the sphere as `tightwidth.estimators.inputs.Inputs` brings them there, in float64."""
    rows, inputs = X.cast(np.float64), parts.inputs
    if inputs is None:
        return rows
    if inputs.standardizer is not None:
        mean, scale = (
            graph.constant(inputs.standardizer.mean, "mean"),
            graph.constant(inputs.standardizer.scale, "scale"),
        )
        rows = ((rows - mean) / scale).rounded(parts.dtype)
    if inputs.on_sphere == "require":
        norms = (rows * rows).total(1, keeps=True).op("Sqrt")
        tolerance = 1e-4 if parts.dtype == np.float32 else 1e-8
        return ((norms - 1.0).op("Abs") > tolerance).where(float("nan"), rows)
    if inputs.on_sphere == "bias":
        n = graph.op("Gather", rows.op("Shape"), graph.constant(np.array([0])))
        column = graph.op("Concat", n, graph.constant(np.array([1])), axis=0)
        constant = graph.constant(np.array([[inputs.constant]]), "bias").op("Expand", column)
        rows = graph.op("Concat", rows, constant, axis=1)
    largest = rows.op("Abs").op("ReduceMax", axes=[1])  # scaled first, so that squares neither overflow nor vanish
    scaled = rows / (largest > 0).where(largest, 1.0)
    return (scaled / (scaled * scaled).total(1, keeps=True).op("Sqrt")).rounded(parts.dtype)


def _predictions(graph: Graph, outputs: Value, parts: Parts) -> Named:
    """Return what the model predicts from its outputs, [N, K]."""
    shape: list[Any] = ["N"] if parts.is_flat else ["N", getattr(parts.networks, "K", 1)]
    if parts.targets is not None:
        scale = np.where(np.isinf(parts.targets.scale), 0.0, parts.targets.scale)
        values = outputs.rounded(parts.dtype) * graph.constant(scale) + graph.constant(parts.targets.mean)
        return [("values", values.flat() if parts.is_flat else values, np.float64, shape)]
    decisions = outputs.cast(parts.dtype)
    flat = decisions.flat() if parts.is_flat else decisions
    if parts.classes is None:
        return [("values", flat, parts.dtype, shape)]
    labels, dtype = _labels_in_onnx(parts.classes)
    wide = decisions.cast(np.float64)
    places = (wide.flat() > 0).cast(np.int64) if parts.is_flat else wide.op("ArgMax", axis=1, keepdims=0)
    label = graph.op("Gather", graph.constant(labels, "classes"), places)
    named: Named = [("label", label, dtype, ["N"]), ("decision_values", flat, parts.dtype, shape)]
    if parts.loss == "logistic":
        one = wide.op("Sigmoid")
        both = graph.op("Concat", -one + 1.0, one, axis=1) if parts.is_flat else one
        probabilities = both / both.total(1, keeps=True)
        named.append(("probabilities", probabilities, np.float64, ["N", len(labels)]))
    return named


def _labels_in_onnx(classes: np.ndarray) -> tuple[np.ndarray, Any]:
    """Return the labels in a dtype that ONNX's Gather takes: text, int64, a float or truth values.

    Raises
    ------
    InputError
        If they are anything else.
    """
    items = classes.tolist()
    if all(isinstance(item, str) for item in items):
        return np.array(items), str
    if classes.dtype.kind in "iu" or all(type(item) is int for item in items):
        if all(-(2**63) <= item < 2**63 for item in items):
            return classes.astype(np.int64), np.int64
    elif classes.dtype.kind == "b" or classes.dtype in (np.float32, np.float64):
        return classes, classes.dtype
    message = f"labels {items[:3]!r} have no type in ONNX; fit with text, whole numbers or truth values for labels"
    raise InputError(message)
