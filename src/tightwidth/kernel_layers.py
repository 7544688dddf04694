"""One layer of the NTK recursion, and the recursion itself (section 2.5).

A layer turns the law of a pair of pre-activations into that of the next: the duals of sigma and sigma', and the
correlation of sigma(u) and sigma(v) as ``1 - rho`` and ``1 + rho``, which stay exact where they are almost 0.
"""

import math
from typing import Any, Literal, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tightwidth.activations import Activation
from tightwidth.angles import GaussianPair, Real, angle, complement
from tightwidth.dual_closed_forms import VERSINES, Formula
from tightwidth.dual_quadrature import hermite_expansion
from tightwidth.dual_tables import AngleDual, TableDual
from tightwidth.duals import ClosedDual, Dual


@runtime_checkable
class Layer(Protocol):
    """Be one layer: functions of a pair, elementwise."""

    is_traced: bool
    is_double: bool

    def variance(self, std: Any) -> Any:
        """Return ``E sigma(u)^2`` for u of this standard deviation."""
        ...

    def value(self, pair: GaussianPair) -> Any:
        """Return ``E sigma(u) sigma(v)``."""
        ...

    def slope(self, pair: GaussianPair) -> Any:
        """Return ``E sigma'(u) sigma'(v)``."""
        ...

    def versines(self, pair: GaussianPair, value: Any, *, is_near: bool) -> tuple[Any, Any]:
        """Return 1 - rho' and 1 + rho' of the correlation rho' of sigma(u) and sigma(v).

        ``is_near`` says that angles may be almost 0 or almost pi.
        """
        ...


def _plain_versines(layer: Layer, pair: GaussianPair, value: Any) -> tuple[Any, Any]:
    scale = jnp.sqrt(layer.variance(pair.std_u)) * jnp.sqrt(layer.variance(pair.std_v))
    rho = jnp.clip(jnp.where(scale > 0, value / jnp.where(scale > 0, scale, 1), 0), -1, 1)
    return 1 - rho, 1 + rho


class ClosedLayer(eqx.Module):
    """A layer with closed forms, for pairs of any variances."""

    sigma: ClosedDual
    sigma_prime: ClosedDual | None
    versine: Formula | None = eqx.field(static=True)
    is_traced: bool = eqx.field(static=True, default=True)
    is_double: bool = eqx.field(static=True, default=False)

    def variance(self, std: Any) -> Any:
        """Return ``E sigma(u)^2``."""
        one = jnp.ones_like(jnp.asarray(std))
        return self.sigma(GaussianPair(std, std, one, jnp.zeros_like(one)))

    def value(self, pair: GaussianPair) -> Array:
        """Return ``E sigma(u) sigma(v)``."""
        return self.sigma(pair)

    def slope(self, pair: GaussianPair) -> Array:
        """Return ``E sigma'(u) sigma'(v)``; 0 stands in where it is not needed."""
        return jnp.zeros_like(pair.rho) if self.sigma_prime is None else self.sigma_prime(pair)

    def versines(self, pair: GaussianPair, value: Array, *, is_near: bool) -> tuple[Array, Array]:
        """Return 1 - rho' and 1 + rho', exact for homogeneous sigma."""
        if self.versine is None:
            return _plain_versines(self, pair, value)
        small = self.versine(pair, *self.sigma.parameters)
        return small, 2 - small


class TableLayer(eqx.Module):
    """A layer with tables, for pairs of one variance."""

    sigma: TableDual
    sigma_prime: TableDual | None
    input_variance: float | Array
    is_odd: bool = eqx.field(static=True)
    is_traced: bool = eqx.field(static=True, default=True)
    is_double: bool = eqx.field(static=True, default=True)

    def variance(self, std: Any) -> Any:
        """Return ``E sigma(u)^2``; the standard deviation is that of the table."""
        return jnp.full_like(jnp.asarray(std), self.sigma.top)

    def value(self, pair: GaussianPair) -> Array:
        """Return ``E sigma(u) sigma(v)``."""
        return self.sigma(pair.rho, pair.sine)

    def slope(self, pair: GaussianPair) -> Array:
        """Return ``E sigma'(u) sigma'(v)``; 0 stands in where it is not needed."""
        return jnp.zeros_like(pair.rho) if self.sigma_prime is None else self.sigma_prime(pair.rho, pair.sine)

    def versines(self, pair: GaussianPair, value: Array, *, is_near: bool) -> tuple[Array, Array]:
        """Return 1 - rho' and 1 + rho', near 0 by integrating the dual of sigma' from there."""
        small, large = _plain_versines(self, pair, value)
        if not (is_near and isinstance(self.sigma_prime, AngleDual)):
            return small, large
        unit = self.input_variance / self.sigma.top
        small = jnp.where(pair.rho > 0.5, unit * self.sigma_prime.drop(angle(pair.rho, pair.sine)), small)
        if self.is_odd:
            large = jnp.where(pair.rho < -0.5, unit * self.sigma_prime.drop(complement(pair.rho, pair.sine)), large)
        return small, large


class HostLayer:
    """A layer without closed forms, for pairs of any variances: NumPy in float64, not traced."""

    is_traced = False
    is_double = True

    def __init__(self, activation: Activation, *, slope: bool) -> None:
        """Hold the activation, and whether slopes are needed."""
        self.sigma = Dual(activation)
        self.sigma_prime = Dual(activation, 1) if slope else None

    def variance(self, std: Any) -> np.ndarray:
        """Return ``E sigma(u)^2``."""
        stds, which = np.unique(np.asarray(std, np.float64), return_inverse=True)
        return hermite_expansion(self.sigma.integrand, stds, 1)[1][which].reshape(np.shape(std))

    def _means(self, dual: Dual, pair: GaussianPair) -> np.ndarray:
        parts = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in pair))
        return dual.of_deviations(*(part.reshape(-1) for part in parts)).reshape(parts[0].shape)

    def value(self, pair: GaussianPair) -> np.ndarray:
        """Return ``E sigma(u) sigma(v)``."""
        return self._means(self.sigma, pair)

    def slope(self, pair: GaussianPair) -> np.ndarray:
        """Return ``E sigma'(u) sigma'(v)``; 0 stands in where it is not needed."""
        return np.zeros(np.shape(pair.rho)) if self.sigma_prime is None else self._means(self.sigma_prime, pair)

    def versines(self, pair: GaussianPair, value: Any, *, is_near: bool) -> tuple[Any, Any]:
        """Return 1 - rho' and 1 + rho'."""
        return _plain_versines(self, pair, value)


def layer_of(activation: Activation, std: float | None, *, slope: bool) -> Layer:
    """Return the layer for points whose pre-activations have this standard deviation, or (None) any.

    Raises
    ------
    HypothesisError
        If a second moment is infinite.
    """
    sigma, sigma_prime = Dual(activation), Dual(activation, 1)
    closed = sigma.closed_form
    if closed is not None:
        versine = VERSINES.get(str((activation.family or ("",))[0]))
        return ClosedLayer(closed, sigma_prime.closed_form if slope else None, versine)
    if std is None:
        return HostLayer(activation, slope=slope)
    table, table_prime = sigma.table(std), sigma_prime.table(std) if slope else None
    is_double = table.is_double or (table_prime is not None and table_prime.is_double)
    # odd about theta = pi/2: no even Chebyshev polynomial
    is_odd = isinstance(table, AngleDual) and float(np.abs(table.coefficients[::2]).max()) <= 1e-13 * float(table.top)
    return TableLayer(table, table_prime, std * std, is_odd, is_double=is_double)


class Recursion(eqx.Module):
    """Hold the layers of a network and run through them for pairs of points."""

    layers: tuple[Any, ...]
    weights: tuple[Any, Any]
    last: tuple[Any, Any, Any]
    part: Literal["both", "hidden", "output"] = eqx.field(static=True)
    is_near: bool = eqx.field(static=True, default=False)

    def for_near_pairs(self) -> "Recursion":
        """Return the recursion for pairs whose angles may be almost 0 or almost pi, which can cost more."""
        return Recursion(self.layers, self.weights, self.last, self.part, is_near=True)

    @property
    def is_traced(self) -> bool:
        """Whether `__call__` can be traced."""
        return all(layer.is_traced for layer in self.layers)

    @property
    def is_double(self) -> bool:
        """Whether it needs float64."""
        return any(layer.is_double for layer in self.layers)

    def __call__(self, pair: GaussianPair) -> Real:
        """Return the kernel of pairs whose pre-activations in the first layer are `pair`, elementwise."""
        T = pair.covariance
        for layer in self.layers[:-1]:
            value = layer.value(pair)
            K = self.weights[0] * value + self.weights[1]
            T = self.weights[0] * T * layer.slope(pair) + K
            pair = self._next(layer, pair, value)
        layer = self.layers[-1]
        hidden, output, constant = self.last
        if self.part == "hidden":
            return hidden * T * layer.slope(pair)
        K = output * layer.value(pair) + constant
        return K if self.part == "output" else hidden * T * layer.slope(pair) + K

    def _next(self, layer: Layer, pair: GaussianPair, value: Any) -> GaussianPair:
        """Return the pre-activations of the next layer, of covariance ``w^2 E sigma(u) sigma(v) + c^2``.

        With a, b the variances of w sigma(u), w sigma(v), and a' = a + c^2, b' = b + c^2,
        ``(1 - rho') sqrt(a'b') = c^2 (sqrt a - sqrt b)^2 / (sqrt(a'b') + sqrt(ab) + c^2) + sqrt(ab) (1 - rho)``.
        """
        w2, c2 = self.weights
        small, large = layer.versines(pair, value, is_near=self.is_near)
        a, b = w2 * layer.variance(pair.std_u), w2 * layer.variance(pair.std_v)
        scale, std_u, std_v = root(a) * root(b), root(a + c2), root(b + c2)
        new = std_u * std_v
        some = new > 0
        apart = c2 * (root(a) - root(b)) ** 2 / jnp.where(some, new + scale + c2, 1)
        small = jnp.clip((apart + scale * small) / jnp.where(some, new, 1), 0, 2)
        large = jnp.clip((new - scale + c2 + scale * large) / jnp.where(some, new, 1), 0, 2)
        rho = jnp.where(small < large, 1 - small, large - 1)
        return GaussianPair(std_u, std_v, jnp.where(some, rho, 0), jnp.where(some, root(small * large), 1))


def root(x: Any) -> Any:
    """Return the square root, with the derivative 0 at 0.

    Pairs that coincide and zero points stay what they are, whatever the weights: what is 0 for them stays 0.
    """
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def common_std(weights: tuple[float, float], layer: Layer, std: float) -> float:
    """Return the standard deviation of the next layer's pre-activations, for points of one norm."""
    with jax.enable_x64(True):
        return math.sqrt(float(weights[0]) * float(layer.variance(np.float64(std))) + float(weights[1]))
