"""Sigma and sigma' as formulas of ONNX, for every activation that the package knows by name or makes.

They are the formulas of `tightwidth.activations` and `tightwidth.activation_families`, in float64.  The error function
is the one exception: onnxruntime has it in float32 alone, which leaves an error of 1e-7.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tightwidth.activations import FAMILIES, REGISTRY, SELU_ALPHA, SELU_SCALE, Activation
from tightwidth.errors import InputError
from tightwidth.models.named_functions import factory_of, is_registered
from tightwidth.models.onnx_graph import Value

Formula = Callable[[Value], Value]


@dataclass(frozen=True)
class Formulas:
    """Hold sigma, sigma', and the same without the kinks, as `Activation` has them."""

    activation: Activation
    sigma: Formula
    sigma_prime: Formula

    def smooth(self, x: Value) -> Value:
        """Return sigma without its kinks."""
        total = self.sigma(x)
        for place, jump in self.activation.kinks:
            total = total - (x - place).op("Max", 0.0) * jump
        return total

    def smooth_prime(self, x: Value) -> Value:
        """Return the derivative of `smooth`."""
        total = self.sigma_prime(x)
        for place, jump in self.activation.kinks:
            total = total - (x - place).step() * jump
        return total


def _sigmoid(x: Value) -> Value:
    return x.op("Sigmoid")


def _exp(x: Value) -> Value:
    return x.op("Exp")


def _bell(x: Value) -> Value:
    return _exp(-(x * x))


def _sin(x: Value) -> Value:
    return x.op("Sin")


def _cos(x: Value) -> Value:
    half = _sin(x * 0.5)  # older versions of onnxruntime have no cosine in float64
    return half * half * -2.0 + 1.0


def _erf(x: Value) -> Value:
    return x.cast(np.float32).op("Erf").cast(np.float64)


def _normal_cdf(x: Value) -> Value:
    return _erf(x * math.sqrt(0.5)) * 0.5 + 0.5


def _normal_density(x: Value) -> Value:
    return _exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


def _negative(x: Value) -> Value:
    return x.op("Min", 0.0)


def _constant(x: Value, number: float) -> Value:
    return x * 0.0 + number


def _softplus(x: Value) -> Value:
    return x.op("Max", 0.0) + (_exp(-x.op("Abs")) + 1.0).op("Log")


def _silu_prime(x: Value) -> Value:
    s = _sigmoid(x)
    return s + x * s * _sigmoid(-x)


def _hard_tanh_prime(x: Value) -> Value:
    return (x + 1.0).step() - (x - 1.0).step()


FORMULAS: dict[str, tuple[Formula, Formula]] = {
    "relu": (lambda x: x.op("Max", 0.0), lambda x: x.step()),
    "abs": (lambda x: x.op("Abs"), lambda x: x.step() * 2.0 - 1.0),
    "elu": (lambda x: (x > 0).where(x, _exp(_negative(x)) - 1.0), lambda x: _exp(_negative(x))),
    "selu": (
        lambda x: (x > 0).where(x, (_exp(_negative(x)) - 1.0) * SELU_ALPHA) * SELU_SCALE,
        lambda x: (x > 0).where(1.0, _exp(_negative(x)) * SELU_ALPHA) * SELU_SCALE,
    ),
    "softplus": (_softplus, _sigmoid),
    "tanh": (lambda x: x.op("Tanh"), lambda x: _sigmoid(x * 2.0) * _sigmoid(x * -2.0) * 4.0),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "hard_tanh": (lambda x: x.op("Max", -1.0).op("Min", 1.0), _hard_tanh_prime),
    "gelu": (lambda x: x * _normal_cdf(x), lambda x: _normal_cdf(x) + x * _normal_density(x)),
    "silu": (lambda x: x * _sigmoid(x), _silu_prime),
    "sin": (_sin, _cos),
    "cos": (_cos, lambda x: -_sin(x)),
    "identity": (lambda x: x, lambda x: _constant(x, 1.0)),
    "gaussian": (_bell, lambda x: x * _bell(x) * -2.0),
    "gabor": (lambda x: _bell(x) * _sin(x), lambda x: _bell(x) * (_cos(x) - x * _sin(x) * 2.0)),
    "square": (lambda x: x * x, lambda x: x * 2.0),
    "exp": (_exp, _exp),
    "step": (lambda x: x.step(), lambda x: _constant(x, 0.0)),
    "sign": (lambda x: x.step() - (-x).step(), lambda x: _constant(x, 0.0)),
}


def _leaky_relu(slope: float) -> tuple[Formula, Formula]:
    return lambda x: (x > 0).where(x, x * slope), lambda x: (x > 0).where(_constant(x, 1.0), slope)


def _affine_erf(a: float, b: float, c: float) -> tuple[Formula, Formula]:
    peak = 2 * a * b / math.sqrt(math.pi)
    return lambda x: _erf(x * b) * a + c, lambda x: _bell(x * b) * peak


def _monomial(n: int) -> tuple[Formula, Formula]:
    return lambda x: x.power(n), lambda x: x.power(max(n - 1, 0)) * n


def _rectified_monomial(n: int) -> tuple[Formula, Formula]:
    def power(x: Value, k: int) -> Value:
        return x.op("Max", 0.0).power(k) if k else x.step()

    return lambda x: power(x, n), lambda x: power(x, max(n - 1, 0)) * n


def _hermite(n: int) -> tuple[Formula, Formula]:
    def polynomial(x: Value, degree: int) -> Value:
        before, here = _constant(x, 0.0), _constant(x, 1.0)
        for k in range(degree):
            before, here = here, (x * here - before * math.sqrt(k)) * (1 / math.sqrt(k + 1))
        return here

    return lambda x: polynomial(x, n), lambda x: polynomial(x, max(n - 1, 0)) * math.sqrt(n)


OF_DEGREE = {"monomial": _monomial, "rectified_monomial": _rectified_monomial, "hermite": _hermite}
OF_FAMILY: dict[str, Callable[..., tuple[Formula, Formula]]] = {
    "two_slopes": lambda slope, _: _leaky_relu(slope),
    "erf": _affine_erf,
}


def formulas_of(activation: Activation) -> Formulas:
    """Return sigma and sigma' as formulas of ONNX.

    Raises
    ------
    InputError
        If the activation is a user's own, for which there are none.
    """
    if is_registered(activation) and activation.name in FORMULAS:
        return Formulas(activation, *FORMULAS[activation.name])
    if (made := factory_of(activation)) is not None:
        return Formulas(activation, *OF_FAMILY[made[0]](*made[1]))
    kind, _, degree = activation.name.rpartition("_")
    if is_registered(activation) and kind in OF_DEGREE:
        return Formulas(activation, *OF_DEGREE[kind](int(degree)))
    known = ", ".join([*REGISTRY, *(f"{family}_N" for family in FAMILIES)])
    message = (
        f"activation {activation.name!r} has no formula in ONNX; it can be exported with one of {known}, a leaky_relu "
        f"or an affine_erf; export_plain exports the weights under any"
    )
    raise InputError(message)
