"""Dual activations: ``dual(f)(rho) = E f(u) f(v)`` for standard Gaussians of correlation rho (section 2.5).

They are what kernels are made of: ``tk^h(x,z) = <x,z> dual(sigma')(<x,z>)``, ``tk^o = dual(sigma)(<x,z>) / B^2``.
The derivative of the dual of sigma is the dual of sigma', and its power series has the squares of the normalized
Hermite coefficients of sigma as coefficients.  Families with a closed form use it; every other activation, a user's
own too, is integrated by quadrature that splits at its kinks.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth import activations, dual_elu
from tightwidth.activations import Activation
from tightwidth.angles import GaussianPair, sine_of
from tightwidth.dual_closed_forms import FORMULAS, Formula
from tightwidth.dual_general import general_means
from tightwidth.dual_quadrature import Integrand, evaluator, hermite_expansion
from tightwidth.dual_tables import TableDual, quadrature_table
from tightwidth.errors import HypothesisError, InputError
from tightwidth.precision import is_concrete

EPS = float(np.finfo(np.float64).eps)
BEYOND = {"float32": 1e-5, "float64": 1e-12}  # how far rounding may carry a correlation beyond 1


class PowerSeries(NamedTuple):
    """Hold ``f(rho) = sum_n c_n rho^n`` up to some order.

    ``coefficients`` [n_terms] are not negative; ``tail = f(1) - sum_n c_n`` bounds on all of [-1, 1] what is left out.
    """

    coefficients: Float[np.ndarray, " n"]
    tail: float


class ClosedDual(eqx.Module):
    """Evaluate a closed form, for Gaussians of any variances."""

    formula: Formula = eqx.field(static=True)
    parameters: tuple[Any, ...] = eqx.field(static=True)
    is_double: bool = eqx.field(static=True, default=False)

    def __call__(self, pair: GaussianPair) -> Array:
        """Return ``E f(u) f(v)``, elementwise."""
        return self.formula(pair, *self.parameters)


@dataclass(frozen=True)
class Dual:
    """Hold the dual of an activation (order 0) or of its derivative (order 1).

    Call it with correlations in [-1, 1]: it returns ``E f(u) f(v)`` in their shape, in float32 for float32 and in
    float64 otherwise; JAX arrays give JAX arrays, may be traced, and can be differentiated.

    Examples
    --------
    >>> float(dual("relu")(1.0)), round(float(dual_prime("relu")(0.0)), 6)
    (0.5, 0.25)
    """

    activation: Activation
    order: int = 0

    @property
    def closed_form(self) -> ClosedDual | None:
        """The closed form that is cheap and holds for all variances, or None."""
        family = self.activation.family
        if family is None or family[0] not in FORMULAS:
            return None
        formula = FORMULAS[str(family[0])][self.order]
        return None if formula is None else ClosedDual(formula, family[1:])

    @property
    def integrand(self) -> Integrand:
        """Return the function f itself, for quadrature."""
        places = (*(place for place, _ in self.activation.kinks), *self.activation.breaks)
        function = self.activation.sigma_prime if self.order else self.activation.sigma
        name = f"activation {self.activation.name!r}" + (" (its derivative)" if self.order else "")
        return Integrand(name, evaluator(function), tuple(sorted(set(map(float, places)))))

    def table(self, std: float = 1.0) -> TableDual:
        """Return the dual of ``f(std .)`` as a series in rho or in the angle; tables are kept.

        Raises
        ------
        HypothesisError
            If the second moment of f is infinite.
        """
        return _table(self, float(std))

    @property
    def error(self) -> float:
        """Estimate of the largest absolute error on [-1, 1] in float64."""
        closed = self.closed_form
        return float(self.table().error) if closed is None else 8 * EPS * max(1.0, float(self(1.0)))

    def derivative(self) -> "Dual":
        """Return the derivative in rho: the dual of sigma'.

        Raises
        ------
        HypothesisError
            If sigma is not continuous, or this is the dual of sigma' already, whose derivative need not exist.
        """
        if self.order:
            message = (
                f"the dual of the second derivative of {self.activation.name!r} is not at hand: it need not be finite; "
                f"differentiate this one with jax.grad inside (-1, 1)"
            )
            raise HypothesisError(message)
        return dual_prime(self.activation)

    def __call__(self, rho: Any) -> Any:
        """Return ``E f(u) f(v)`` for standard Gaussians of correlation rho.

        Raises
        ------
        InputError
            If a correlation is not finite, or outside [-1, 1] by more than rounding (1e-12; 1e-5 in float32).
        HypothesisError
            If the second moment of f is infinite.
        """
        if isinstance(rho, jax.Array):
            if is_concrete(rho):
                check_correlations(np.asarray(rho))
            return _traced(self, rho)
        given = np.asarray(rho)
        dtype = given.dtype if given.dtype == np.float32 else np.dtype(np.float64)
        checked = check_correlations(given.astype(dtype))
        closed = self.closed_form
        with jax.enable_x64(True):
            if closed is None:
                values = _compiled_table(self.table(), checked.astype(np.float64))
            else:
                values = _compiled_unit(closed, checked)
            return np.asarray(values).astype(dtype)[()]

    def of_pairs(self, variance_u: Any, variance_v: Any, covariance: Any) -> Float[np.ndarray, "*s"]:
        """Return ``E f(u) f(v)`` for centred Gaussians of any variances, in float64.

        Parameters
        ----------
        variance_u, variance_v, covariance
            Numbers or arrays that broadcast.

        Raises
        ------
        InputError
            If a variance is negative or not finite, or a covariance is larger than the variances allow.
        HypothesisError
            If the second moment of f is infinite.
        """
        a, b, c = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (variance_u, variance_v, covariance)))
        if not ((a >= 0) & (b >= 0) & np.isfinite(a) & np.isfinite(b)).all():
            message = (
                f"variances run from {min(a.min(), b.min()):g} to {max(a.max(), b.max()):g}; give finite ones >= 0"
            )
            raise InputError(message)
        scale = np.sqrt(a) * np.sqrt(b)
        rho = check_correlations(np.where(scale > 0, c / np.where(scale > 0, scale, 1), np.where(c == 0, 0, np.inf)))
        sine = np.sqrt((1 - rho) * (1 + rho))
        flat = (part.reshape(-1) for part in (np.sqrt(a), np.sqrt(b), rho, sine))
        return self.of_deviations(*flat).reshape(a.shape)

    def of_deviations(
        self,
        r: Float[np.ndarray, " k"],
        t: Float[np.ndarray, " k"],
        rho: Float[np.ndarray, " k"],
        sine: Float[np.ndarray, " k"],
    ) -> Float[np.ndarray, " k"]:
        """Return ``E f(u) f(v)`` for pairs of standard deviations r, t whose angle is known exactly, in float64.

        Raises
        ------
        HypothesisError
            If the second moment of f is infinite.
        """
        formula = self.closed_form or self._moderate_closed_form(r, t)
        if formula is None:
            return general_means(self.integrand, r, t, rho, sine)
        with jax.enable_x64(True):
            return np.asarray(_compiled_closed(formula, GaussianPair(r, t, rho, sine)))

    def _moderate_closed_form(self, r: np.ndarray, t: np.ndarray) -> ClosedDual | None:
        """Return elu's closed form where its terms do not cancel: between huge and tiny variances."""
        largest = max(r.max(initial=0), t.max(initial=0)) ** 2
        least = min(part.min(initial=np.inf, where=part > 0) for part in (r, t)) ** 2
        is_moderate = least >= dual_elu.LEAST_VARIANCE and largest <= dual_elu.LARGEST_VARIANCE
        if self.activation.family == ("elu",) and is_moderate:
            return ClosedDual((dual_elu.elu, dual_elu.elu_prime)[self.order], ())
        return None

    def power_series(self, n_terms: int) -> PowerSeries:
        """Return the first coefficients of ``f(rho) = sum_n c_n rho^n``: squared normalized Hermite coefficients.

        Raises
        ------
        InputError
            If n_terms is below 1.
        HypothesisError
            If the second moment of f is infinite.
        """
        if n_terms < 1:
            message = f"n_terms={n_terms}: a power series needs at least one term; give n_terms >= 1"
            raise InputError(message)
        nodes = max(1024, 8 * math.isqrt(n_terms) * 64)
        H, moments = hermite_expansion(self.integrand, np.ones(1), n_terms, n_nodes=nodes)
        squares = np.where(np.abs(H[0]) > 8 * EPS * math.sqrt(moments[0]), H[0], 0) ** 2
        return PowerSeries(squares, max(0.0, float(moments[0] - squares.sum())))


def dual(activation: str | Activation) -> Dual:
    """Return the dual of an activation: ``rho -> E sigma(u) sigma(v)``.

    Raises
    ------
    InputError
        If no activation has that name.
    """
    return Dual(activations.get(activation))


def dual_prime(activation: str | Activation) -> Dual:
    """Return the dual of its derivative: ``rho -> E sigma'(u) sigma'(v)``.

    Raises
    ------
    InputError
        If no activation has that name.
    HypothesisError
        If sigma is not continuous: its derivative is no function, and the expectation does not exist.
    """
    found = activations.get(activation)
    if not found.is_continuous:
        message = (
            f"activation {found.name!r} jumps, so that E sigma'(u) sigma'(v), and with it tk^h, does not exist; its "
            f"output part tk^o does: part='output'; or take a continuous activation"
        )
        raise HypothesisError(message)
    return Dual(found, 1)


def check_correlations(rho: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """Return correlations clipped to [-1, 1], in their dtype.

    Raises
    ------
    InputError
        If one is not finite, or outside by more than rounding.
    """
    if not np.isfinite(rho).all():
        message = f"rho holds {int((~np.isfinite(rho)).sum())} NaN or infinite values; give correlations in [-1, 1]"
        raise InputError(message)
    beyond = float(np.abs(rho).max(initial=0)) - 1
    if beyond > BEYOND[str(rho.dtype)]:
        worst = rho.reshape(-1)[int(np.argmax(np.abs(rho)))]
        message = f"rho={worst:.6g} is no correlation; needed are values in [-1, 1]: divide inner products by the norms"
        raise InputError(message)
    return np.asarray(np.clip(rho, -1, 1))


@functools.lru_cache(maxsize=512)
def _table(dual: Dual, std: float) -> TableDual:
    with jax.ensure_compile_time_eval():  # the first call may come from inside a trace
        return quadrature_table(dual.integrand, std)


@jax.jit
def _compiled_closed(formula: ClosedDual, pair: GaussianPair) -> Array:
    return formula(pair)


@jax.jit
def _compiled_unit(formula: ClosedDual, rho: Array) -> Array:
    return formula(GaussianPair(1.0, 1.0, rho, sine_of(rho)))


@jax.jit
def _compiled_table(table: TableDual, rho: Array) -> Array:
    return table(rho, sine_of(rho))


def _evaluate(dual: Dual, rho: Array) -> Array:
    closed = dual.closed_form
    return _compiled_table(dual.table(), rho) if closed is None else _compiled_unit(closed, rho)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _traced(dual: Dual, rho: Array) -> Array:
    return _evaluate(dual, jnp.clip(rho, -1, 1))


@_traced.defjvp
def _traced_jvp(dual: Dual, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Differentiate the dual of sigma into the dual of sigma', finite also at the ends, and that one by autodiff."""
    (rho,), (direction,) = primals, tangents
    if dual.order == 0 and dual.activation.is_continuous:
        return _traced(dual, rho), _traced(dual.derivative(), rho) * direction
    return jax.jvp(lambda at: _evaluate(dual, jnp.clip(at, -1, 1)), (rho,), (direction,))
