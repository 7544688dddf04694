"""Functions of a kernel space as functions of the features, and approximated by q of them (section 2.6).

A scheme (`Scheme`, or `ntk`, `ntk_output`, `ntk_both`, `fourier`, `sum_of`) turns a point x into the function
``Psi^x = psi(., x)`` of omega, and ``f = sum_j alpha_j k(x_j, .)`` into ``f_check = sum_j alpha_j Psi^{x_j}``.  In the
mean over omega nothing is lost: f_check has the norm of f and ``E <f_check(omega), psi(omega, x)> = f(x)``.  The mean
over q draws is f_omega, the function with the same coefficients and the random q-kernel (`draw_embedding`) in place of
k: its expectation is f, and its variance falls like 1/q (docs/derivations/random_features.md).
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from tightwidth.errors import InputError
from tightwidth.feature_scheme import FactorizedScheme, Omegas, Scheme
from tightwidth.feature_sums import SchemeSum, sum_of
from tightwidth.fourier_features import GaussianKernel, fourier
from tightwidth.kernel_spaces import KernelFunction, representer
from tightwidth.ntk_features import ntk, ntk_both, ntk_output
from tightwidth.random_embedding import RandomEmbedding, RandomKernel, draw_embedding

__all__ = [
    "FactorizedScheme",
    "FeatureFunction",
    "GaussianKernel",
    "RandomEmbedding",
    "RandomKernel",
    "Scheme",
    "SchemeSum",
    "draw_embedding",
    "f_check",
    "f_omega",
    "feature_function",
    "fourier",
    "ntk",
    "ntk_both",
    "ntk_output",
    "sum_of",
    "v_star",
]


@dataclass(frozen=True, eq=False)
class FeatureFunction:
    """Hold ``f_check = sum_j alpha_j Psi^{x_j}``, a function of omega that stands for ``f = sum_j alpha_j k(x_j, .)``.

    ``f_check(omegas)`` are its values; norm and inner product are those of ``L^2(Omega, R^p)``.

    Raises
    ------
    InputError
        If f is a function of another kernel than the scheme's.

    References
    ----------
    Daniely (2020), Section 2.6.
    """

    scheme: Scheme
    f: KernelFunction

    def __post_init__(self) -> None:
        """Check that f belongs to the kernel of the scheme."""
        own = self.scheme.kernel
        if not (own is self.f.kernel or bool(eqx.tree_equal(own, self.f.kernel))):
            given, needed = (" ".join(repr(kernel).split()) for kernel in (self.f.kernel, own))
            message = f"f is a function of {given}, but the scheme is for {needed}; give f over scheme.kernel"
            raise InputError(message)

    def __call__(self, omegas: Omegas) -> Float[np.ndarray, "q p"]:
        """Return ``sum_j alpha_j psi(omega_i, x_j)``, [q, p], in float64.

        Raises
        ------
        InputError
            If the omegas are not those of the scheme, for points such as the centres of f.
        """
        embedding = self._embedding(omegas)
        return np.sqrt(embedding.q) * embedding.adjoint(self.f.alpha, self.f.centres)

    def norm(self) -> float:
        """Return ``sqrt(E |f_check(omega)|^2)``, which is ``||f||_k``: exact, from the kernel.

        References
        ----------
        Daniely (2020), Equation (5).
        """
        return self.f.norm()

    def inner(self, g: "FeatureFunction") -> float:
        """Return ``E <f_check(omega), g_check(omega)>``, which is ``<f, g>_k``: exact, from the kernel.

        Raises
        ------
        InputError
            If g belongs to another scheme.
        """
        if not (self.scheme is g.scheme or bool(eqx.tree_equal(self.scheme, g.scheme))):
            message = "functions on the features of two schemes were given; one scheme is needed"
            raise InputError(message)
        return self.f.inner(g.f)

    def integrand(self, omegas: Omegas, X: Any) -> Float[np.ndarray, "m q"]:
        """Return ``<f_check(omega_i), psi(omega_i, x_j)>``, in float64, whose expectation is ``f(x_j)``.

        The mean of a row is f_omega there, and its variance q times the variance of f_omega.

        Raises
        ------
        InputError
            If the omegas are not those of the scheme.
        DataError
            If X is no table of finite numbers with as many columns as the centres.
        MemoryEstimateError
            If the m q numbers would not fit in memory.

        References
        ----------
        Daniely (2020), Equation (6).
        """
        embedding = self._embedding(omegas)
        X = embedding.checked(X)
        return embedding.products(self(omegas), X)

    def _embedding(self, omegas: Omegas) -> RandomEmbedding:
        return RandomEmbedding(self.scheme, jax.tree.map(np.asarray, omegas), self.f.centres.shape[1])


def feature_function(scheme: Scheme, x: Any) -> FeatureFunction:
    """Return ``Psi^x = psi(., x)``, a point as a function of omega: ``<Psi^x, Psi^z> = k(x, z)`` in L^2(Omega).

    Raises
    ------
    DataError
        If x is no vector.

    References
    ----------
    Daniely (2020), Equation (4).
    """
    return FeatureFunction(scheme, representer(scheme.kernel, x))


def f_check(scheme: Scheme, f: KernelFunction) -> FeatureFunction:
    """Return ``f_check = sum_j alpha_j psi(., x_j)``, which stands for ``f = sum_j alpha_j k(x_j, .)``.

    It is the one function in the closed span of all ``Psi^x`` with ``E <f_check(omega), psi(omega, x)> = f(x)``.

    Raises
    ------
    InputError
        If f is a function of another kernel than the scheme's.

    Examples
    --------
    >>> scheme = fourier(gamma=0.5)
    >>> f = KernelFunction(scheme.kernel, np.eye(3), np.array([1.0, -1.0, 2.0]))
    >>> omegas = scheme.draw(jax.random.key(0), 4, 3)
    >>> f_check(scheme, f)(omegas).shape
    (4, 2)
    """
    return FeatureFunction(scheme, f)


def f_omega(embedding: RandomEmbedding, f: KernelFunction) -> KernelFunction:
    """Return ``f_omega(x) = (1/q) sum_i <f_check(omega_i), psi(omega_i, x)> = sum_j alpha_j k_omega(x_j, x)``.

    Its norm is that of `v_star`, in the kernel space of k_omega.

    Raises
    ------
    InputError
        If f is a function of another kernel than the scheme's.
    DataError
        If the centres of f have another number of columns than the points of the embedding.

    Notes
    -----
    The value at one point costs O(n q) for n centres.  At many points ``embedding.outputs(v_star(embedding, f), X)`` is
    the same in O((m + n) q p), and needs memory for q p numbers.
    """
    FeatureFunction(embedding.scheme, f)
    embedding.checked(f.centres)
    return KernelFunction(embedding.kernel, f.centres, f.alpha)


def v_star(embedding: RandomEmbedding, f: KernelFunction) -> Float[np.ndarray, "q p"]:
    """Return the vector with blocks ``f_check(omega_i) / sqrt(q)``, for which ``<v_star, Psi(x)> = f_omega(x)``.

    ``E |v_star|^2 = ||f||^2``.  It is the shortest vector that represents f_omega.

    Raises
    ------
    InputError
        If f is a function of another kernel than the scheme's.
    DataError
        If the centres of f have another number of columns than the points of the embedding.
    """
    FeatureFunction(embedding.scheme, f)
    return embedding.adjoint(f.alpha, f.centres)
