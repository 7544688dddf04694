"""A model as arrays and strict JSON, and back: parameters and fitted attributes, whatever the estimator.

Arrays become tensors that are named by their place in the model.  Everything else is JSON: numbers, text and None as
they are, the rest as an object whose ``type`` says what it is.  Reading makes only what `known_classes` lists.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth.activations import Activation
from tightwidth.errors import DataError, InputError
from tightwidth.losses import Loss
from tightwidth.models.known_classes import OBJECTS, RECORDS
from tightwidth.models.named_functions import Function, decoded_function, encoded_function
from tightwidth.precision import in_precision_of


class Encoder:
    """Collect the arrays of a model in ``tensors``, and return the rest as JSON."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self._stored: dict[int, tuple[str, Any]] = {}  # an array that is held twice is stored once

    def encode(self, value: Any, where: str) -> Any:
        """Return what stands for a value at this place of the model.

        Raises
        ------
        InputError
            If nothing can; the message says where it is.
        """
        if value is None or type(value) in (bool, int):
            return value
        if isinstance(value, str):
            return str(value)
        if type(value) is float:
            return value if math.isfinite(value) else {"type": "float", "value": repr(value)}
        if isinstance(value, (np.ndarray, np.generic, jax.Array)):
            return self._array(value, where)
        if isinstance(value, (Activation, Loss)):
            return encoded_function(value)
        name = type(value).__name__
        if type(value) is RECORDS.get(name):
            fields = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else value._fields
            return {"type": "record", "class": name, "fields": self._named(value, fields, where)}
        if type(value) is OBJECTS.get(name):
            return {"type": "object", "class": name, "state": self._named(None, state_of(value), where)}
        if type(value) is list:
            return self._items(value, where)
        if type(value) is tuple:
            return {"type": "tuple", "items": self._items(value, where)}
        if type(value) is dict:
            pairs = [self._items(pair, f"{where}.{place}") for place, pair in enumerate(value.items())]
            return {"type": "dict", "items": pairs}
        if isinstance(value, np.dtype):
            return {"type": "dtype", "value": value.str}
        if isinstance(value, np.random.RandomState):
            state: Any = value.get_state(legacy=False)
            if state["bit_generator"] == "MT19937":
                return {"type": "RandomState", "state": self.encode(state, where)}
        raise InputError(_cannot_hold(where, f"a {type(value).__module__}.{type(value).__qualname__}"))

    def _items(self, values: Any, where: str) -> list[Any]:
        return [self.encode(value, f"{where}.{place}") for place, value in enumerate(values)]

    def _named(self, holder: Any, names: Any, where: str) -> dict[str, Any]:
        values = names if holder is None else {name: getattr(holder, name) for name in names}
        return {name: self.encode(value, f"{where}.{name}" if where else name) for name, value in values.items()}

    def _array(self, value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, jax.Array) and not isinstance(value.dtype, np.dtype):
            raise InputError(_cannot_hold(where, f"an array of {value.dtype}"))
        array = np.asarray(value)
        if array.dtype.kind in "UO":
            items = self._items(array.ravel().tolist(), where)
            return {"type": "array", "dtype": array.dtype.str, "shape": list(array.shape), "items": items}
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise InputError(_cannot_hold(where, f"an array of {array.dtype}"))
        kind = "jax" if isinstance(value, jax.Array) else "numpy" if isinstance(value, np.ndarray) else "scalar"
        name, _ = self._stored.setdefault(id(value), (where, value))
        self.tensors[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        is_transposed = array.flags.f_contiguous and not array.flags.c_contiguous
        return {"type": kind, "tensor": name, **({"order": "F"} if is_transposed else {})}


def state_of(value: Any) -> dict[str, Any]:
    """Return the parameters and attributes of an estimator or a kernel, by name, as pickling would take them."""
    return value.__getstate__()


def _cannot_hold(where: str, what: str) -> str:
    return (
        f"{where or 'the model'} is {what}, which a model file cannot hold; give numbers, text, arrays of them, or "
        f"activations and losses"
    )


class Decoder:
    """Make a model from its arrays, the JSON, and the functions of users' own that were given."""

    def __init__(self, tensors: dict[str, np.ndarray], given: dict[str, Function | None], path: str) -> None:
        self._tensors, self._given, self._path = tensors, given, path
        self._made: dict[tuple[str, str], Any] = {}

    def decode(self, said: Any) -> Any:
        """Return what the JSON stands for.

        Raises
        ------
        DataError
            If it names what this version does not know.
        InputError
            If a function of a user's own was not given.
        """
        if not isinstance(said, (dict, list)):
            return said
        if isinstance(said, list):
            return [self.decode(item) for item in said]
        kind = said["type"]
        match kind:
            case "float":
                return float(said["value"])
            case "numpy" | "jax" | "scalar":
                key = kind, said["tensor"]
                if key not in self._made:
                    self._made[key] = self._number_array(kind, said)
                return self._made[key]
            case "array":
                return self._text_array(said)
            case "activation" | "loss":
                return decoded_function(said, self._given, self._path)
            case "tuple":
                return tuple(self.decode(said["items"]))
            case "dict":
                return dict(self.decode(said["items"]))
            case "dtype":
                return np.dtype(str(said["value"]))
            case "RandomState":
                made = np.random.RandomState()  # what scikit-learn's random_state takes
                made.set_state(self.decode(said["state"]))
                return made
            case "record":
                fields = {name: self.decode(value) for name, value in said["fields"].items()}
                return self._known(RECORDS, said)(**fields)
            case "object":
                made = self._known(OBJECTS, said)()
                state = {name: self.decode(value) for name, value in said["state"].items()}
                if hasattr(made, "__setstate__"):
                    made.__setstate__({**vars(made), **state})  # which warns if scikit-learn's version is another
                else:
                    vars(made).update(state)
                return made
        raise DataError(self._unknown(f"something of type {kind!r}"))

    def _known(self, classes: dict[str, Any], said: dict[str, Any]) -> Any:
        if said["class"] not in classes:
            raise DataError(self._unknown(f"a {said['class']}"))
        return classes[said["class"]]

    def _unknown(self, what: str) -> str:
        return (
            f"{self._path} holds {what}, which this version of tightwidth does not know; install the version that "
            f"wrote the file"
        )

    def _number_array(self, kind: str, said: dict[str, Any]) -> Any:
        array = np.array(self._tensors[said["tensor"]], order=said.get("order", "C"))
        if kind == "jax":
            with in_precision_of(array):
                return jnp.asarray(array)
        return array if kind == "numpy" else array[()]

    def _text_array(self, said: dict[str, Any]) -> np.ndarray:
        dtype = np.dtype(str(said["dtype"]))
        array = np.empty(math.prod(said["shape"]), dtype)
        array[:] = self.decode(said["items"])
        return array.reshape(said["shape"])
