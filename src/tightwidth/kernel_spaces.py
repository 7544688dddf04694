"""The functions of a kernel space, their norm and inner product, and the ball of radius M in it (section 2.4).

A kernel k belongs to exactly one Hilbert space of functions in which ``k(x, .)`` represents evaluation at x:
``<f, k(x, .)> = f(x)``.  A computation meets its functions ``f = sum_j alpha_j k(x_j, .)``: whatever is given at the
points x_j, the function of least norm has this form (docs/derivations/kernel_spaces.md).
"""

import math
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from tightwidth.errors import DataError, InputError
from tightwidth.kernels import Kernel, checked_points, gram_product
from tightwidth.linear_solves import Solution, check_right_sides, relative_residual
from tightwidth.precision import float_array

ROUNDING = {"float64": 1e-9, "float32": 1e-5}  # what the norm of a function in the ball may exceed M by, relatively


@dataclass(frozen=True, eq=False)
class KernelFunction:
    """Hold ``f = sum_j alpha_j k(x_j, .)``, a function of the kernel space of k.

    ``f(X)`` are its values, ``f.norm()`` and ``f.inner(g)`` norm and inner product of the space, in which
    ``<f, k(x, .)> = f(x)`` for every f; ``f + g``, ``f - g`` and ``a * f`` are functions again.

    Parameters
    ----------
    kernel
        The kernel k.
    centres
        The points x_j, [n, d].
    alpha
        The coefficients, [n]; kept in float64.
    solution
        Where alpha solves a linear system: how well, and how ill-conditioned it is.

    Raises
    ------
    DataError
        If the centres are no table of finite numbers, or alpha does not hold one finite number for each.

    References
    ----------
    Daniely (2020), Section 2.4.
    Daniely (2020), Theorem 1.
    """

    kernel: Kernel
    centres: Any
    alpha: Any
    solution: Solution | None = None

    __array_ufunc__ = None  # so that a NumPy number leaves its product with a function to the function

    def __post_init__(self) -> None:
        """Check the shapes, and take the numbers to arrays."""
        centres, _ = checked_points(self.centres)
        if np.ndim(self.alpha) != 1:
            message = f"alpha has shape {np.shape(self.alpha)}; one coefficient is needed for each centre"
            raise DataError(message)
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "alpha", check_right_sides(self.alpha, len(centres), "alpha")[:, 0])

    @property
    def coefficients(self) -> Float[np.ndarray, " n"]:
        """The coefficients alpha, [n]."""
        return self.alpha

    def __call__(self, X: Any) -> Float[np.ndarray, " m"]:
        """Return the values ``f(x) = sum_j alpha_j k(x_j, x)`` at the rows of X, in float64.

        Raises
        ------
        DataError
            If X is no table of finite numbers with as many columns as the centres.
        """
        return gram_product(self.kernel, self.alpha, X, self.centres)

    def inner(self, g: "KernelFunction") -> float:
        """Return ``<f, g> = sum_ij alpha_i beta_j k(x_i, z_j)``.

        Costs one evaluation of the kernel at all pairs of centres, none of which is stored.

        Raises
        ------
        InputError
            If g belongs to another kernel.
        """
        self._check_same_space(g)
        return float(self.alpha @ g(self.centres))

    def norm(self) -> float:
        """Return ``||f|| = sqrt(alpha^T K alpha)``; costs one evaluation of the kernel at all pairs of centres.

        Rounding in the sum may be all that is left of a difference of nearly equal functions.
        """
        return math.sqrt(max(0.0, float(self.alpha @ gram_product(self.kernel, self.alpha, self.centres))))

    def __add__(self, g: "KernelFunction") -> "KernelFunction":
        """Return f + g, with the centres of both, or with those of f if they are the same.

        Raises
        ------
        InputError
            If g belongs to another kernel.
        """
        self._check_same_space(g)
        if self.centres is g.centres or np.array_equal(self.centres, g.centres):
            return KernelFunction(self.kernel, self.centres, self.alpha + g.alpha)
        centres = np.concatenate([self.centres, g.centres])
        return KernelFunction(self.kernel, centres, np.concatenate([self.alpha, g.alpha]))

    def __sub__(self, g: "KernelFunction") -> "KernelFunction":
        """Return f - g."""
        return self + -g

    def __neg__(self) -> "KernelFunction":
        """Return -f."""
        return -1.0 * self

    def __mul__(self, a: float) -> "KernelFunction":
        """Return a f."""
        return KernelFunction(self.kernel, self.centres, float(a) * self.alpha)

    __rmul__ = __mul__

    def _check_same_space(self, g: "KernelFunction") -> None:
        if not (self.kernel is g.kernel or bool(eqx.tree_equal(self.kernel, g.kernel))):
            message = f"functions of two kernel spaces were given, {self.kernel} and {g.kernel}; one kernel is needed"
            raise InputError(message)
        if self.centres.shape[1] != g.centres.shape[1]:
            message = (
                f"functions of {self.centres.shape[1]} and of {g.centres.shape[1]} features were given; their points "
                "must have the same number of columns"
            )
            raise DataError(message)


def representer(kernel: Kernel, x: Any) -> KernelFunction:
    """Return ``k(x, .)``, the function with ``<f, k(x, .)> = f(x)`` for every f of the space; x has shape [d].

    Raises
    ------
    DataError
        If x is no vector.
    """
    return KernelFunction(kernel, np.asarray(x)[None], np.ones(1))


# The ball of radius M


def _check_radius(M: float) -> None:
    if not (math.isfinite(M) and M > 0):
        message = f"M={M} must be positive and finite, the radius of a ball of functions; give M > 0"
        raise InputError(message)


def in_ball(f: KernelFunction, M: float) -> bool:
    """Return whether ``||f|| <= M``, up to rounding: 1e-9 relatively, and 1e-5 for centres in float32.

    Raises
    ------
    InputError
        If M is not positive and finite.
    """
    _check_radius(M)
    return f.norm() <= M * (1 + ROUNDING[f.centres.dtype.name])


def project_onto_ball(f: KernelFunction, M: float) -> KernelFunction:
    """Return the function nearest to f with norm at most M: ``min(1, M / ||f||) f``.

    Raises
    ------
    InputError
        If M is not positive and finite.
    """
    _check_radius(M)
    norm = f.norm()
    return f if norm <= M else (M / norm) * f


# Embeddings


@dataclass(frozen=True)
class MinimalNorm:
    """Hold the least norm of a vector with ``<v, Psi(x_i)> = values_i`` for all i, and the one vector that has it.

    ``rank`` is that of the embedding matrix, and ``relative_residual`` is ``||Psi v - values|| / ||values||``.
    """

    norm: float
    v: Float[np.ndarray, " D"]
    rank: int
    relative_residual: float


def minimal_norm(Psi: Any, values: Any, *, rank_tolerance: float | None = None) -> MinimalNorm:
    """Return the least ``||v||`` with ``<v, Psi(x_i)> = values_i``: ``sqrt(values^T K^+ values)``, K = Psi Psi^T.

    The minimiser ``v = Psi^T K^+ values`` is unique.  Among the functions with these values in the kernel space of
    ``k(x, z) = <Psi(x), Psi(z)>``, its ``f = <v, Psi(.)>`` is the one of least norm, and v the shortest vector that
    represents f.

    Parameters
    ----------
    Psi
        The embedded points, [m, D].
    values
        Real numbers, [m].
    rank_tolerance
        Singular values of Psi below this share of the largest count as 0; by default max(m, D) eps, eps that of the
        dtype of Psi.

    Raises
    ------
    TypeError
        If Psi does not hold real numbers.
    DataError
        If Psi is no finite matrix, or values does not hold one finite number for each row; or if no vector has these
        values, up to a relative error of sqrt(eps).
    InputError
        If the rank tolerance is not between 0 and 1.

    Notes
    -----
    Costs a singular value decomposition, of the order of ``min(m, D)^2 max(m, D)`` operations.  Taken from Psi the norm
    loses half as many digits as taken from K, whose condition number is the square.

    References
    ----------
    Daniely (2020), Theorem 2.
    """
    Psi = float_array(Psi)
    if Psi.ndim != 2 or not Psi.size or not np.isfinite(Psi).all():
        message = f"Psi has shape {Psi.shape}, or holds NaN; a finite matrix is needed, [points, embedding dimensions]"
        raise DataError(message)
    if np.ndim(values) != 1:
        message = f"the values have shape {np.shape(values)}; one is needed for each of the {len(Psi)} points"
        raise DataError(message)
    column = check_right_sides(values, len(Psi), "values")
    eps = float(np.finfo(Psi.dtype).eps)
    tolerance = max(Psi.shape) * eps if rank_tolerance is None else rank_tolerance
    if not 0 <= tolerance < 1:
        message = f"rank_tolerance={tolerance} must lie between 0 and 1; leave it out for max(m, D) eps"
        raise InputError(message)
    U, s, Vt = np.linalg.svd(Psi.astype(np.float64), full_matrices=False)
    rank = int(np.sum(s > tolerance * s[0]))
    along = U[:, :rank].T @ column[:, 0] / s[:rank]
    v = along @ Vt[:rank]
    left = relative_residual(column - (Psi.astype(np.float64) @ v)[:, None], column)
    if left > math.sqrt(eps):
        message = (
            f"no vector has these {len(Psi)} values in an embedding of rank {rank}: the nearest misses them by "
            f"{left:.2g}, relatively; give an embedding of more dimensions, or fit with a ridge (kernel_ridge)"
        )
        raise DataError(message)
    return MinimalNorm(float(np.linalg.norm(along)), v, rank, left)
