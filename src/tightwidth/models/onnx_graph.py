"""A graph of ONNX, written as formulas: values know + - * / > and a few functions, all in float64.

Only operators that onnxruntime has had in float64 for years are used, at operator set 13.
"""

from types import ModuleType
from typing import Any

import numpy as np

from tightwidth.errors import InputError

OPSET, IR_VERSION = 13, 7  # of onnx 1.8, which onnxruntime reads from 1.6 on


def onnx_package() -> ModuleType:
    """Return the package onnx.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        message = "an export to ONNX needs onnx, which is not installed; run: pip install 'tightwidth[onnx]'"
        raise InputError(message) from error
    return onnx


class Graph:
    """Collect the nodes and the constants of a graph."""

    def __init__(self) -> None:
        self._onnx: Any = onnx_package()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._scalars: dict[float, Value] = {}

    def dtype_number(self, dtype: Any) -> int:
        """Return ONNX's number of a NumPy dtype."""
        return self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def constant(self, array: Any, name: str | None = None) -> "Value":
        """Return a constant; text is stored as text."""
        array = np.asarray(array)
        name = name or f"constant_{len(self.constants)}"
        if array.dtype.kind in "UO":
            made = self._onnx.helper.make_tensor(
                name, self._onnx.TensorProto.STRING, array.shape, [str(item).encode() for item in array.ravel()]
            )
        else:
            made = self._onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        self.constants.append(made)
        return Value(self, name)

    def weights(self, array: Any, name: str) -> "Value":
        """Return weights in float64, stored in the precision that they have."""
        stored = self.constant(array, name)
        return stored if np.asarray(array).dtype == np.float64 else stored.cast(np.float64)

    def number(self, number: float) -> "Value":
        """Return a float64 number."""
        if number not in self._scalars:
            self._scalars[number] = self.constant(np.float64(number))
        return self._scalars[number]

    def op(self, kind: str, *inputs: "Value", output: str | None = None, **attributes: Any) -> "Value":
        """Return what an operator makes of its inputs."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, [value.name for value in inputs], [name], **attributes))
        return Value(self, name)


class Value:
    """A tensor in a graph, by its name."""

    __hash__ = None  # pyright: ignore[reportAssignmentType] (a value is a formula, no key)

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def op(self, kind: str, *others: "Value | float", **attributes: Any) -> "Value":
        """Return what an operator makes of this and others; Python's numbers become float64."""
        inputs = [other if isinstance(other, Value) else self.graph.number(float(other)) for other in others]
        return self.graph.op(kind, self, *inputs, **attributes)

    def __add__(self, other: "Value | float") -> "Value":
        """Return the sum."""
        return self.op("Add", other)

    def __sub__(self, other: "Value | float") -> "Value":
        """Return the difference."""
        return self.op("Sub", other)

    def __mul__(self, other: "Value | float") -> "Value":
        """Return the product."""
        return self.op("Mul", other)

    def __truediv__(self, other: "Value | float") -> "Value":
        """Return the quotient."""
        return self.op("Div", other)

    def __matmul__(self, other: "Value") -> "Value":
        """Return the product of matrices."""
        return self.op("MatMul", other)

    def __neg__(self) -> "Value":
        """Return the negative."""
        return self.op("Neg")

    def __gt__(self, other: "Value | float") -> "Value":
        """Return where this is greater."""
        return self.op("Greater", other)

    __radd__, __rmul__ = __add__, __mul__

    def where(self, then: "Value | float", otherwise: "Value | float") -> "Value":
        """Return the one where this holds, the other where not."""
        return self.op("Where", then, otherwise)

    def cast(self, dtype: Any) -> "Value":
        """Return the numbers in another dtype."""
        return self.op("Cast", to=self.graph.dtype_number(dtype))

    def rounded(self, dtype: Any) -> "Value":
        """Return the numbers rounded to a dtype, in float64 again."""
        return self if np.dtype(dtype) == np.float64 else self.cast(dtype).cast(np.float64)

    def step(self) -> "Value":
        """Return 1 where this is positive, else 0."""
        return (self > 0).cast(np.float64)

    def total(self, axis: int, *, keeps: bool = False) -> "Value":
        """Return the sum along an axis."""
        return self.graph.op("ReduceSum", self, self.graph.constant(np.array([axis])), keepdims=int(keeps))

    def power(self, n: int) -> "Value":
        """Return the power by a whole number, by repeated squaring."""
        if n <= 1:
            return self if n == 1 else self * 0 + 1
        half = self.power(n // 2)
        return half * half * self if n % 2 else half * half

    def expanded(self, axis: int) -> "Value":
        """Return the tensor with an axis of length 1 more."""
        return self.graph.op("Unsqueeze", self, self.graph.constant(np.array([axis])))

    def flat(self) -> "Value":
        """Return the tensor without its axis 1, which has length 1."""
        return self.graph.op("Squeeze", self, self.graph.constant(np.array([1])))
