"""What a vector random feature scheme is (section 2.6).

A scheme says three things: what ``psi(omega, x)`` is for one omega and one point, how one omega is drawn from mu, and
for which kernel ``k(x, z) = E <psi(omega, x), psi(omega, z)>`` holds.  Everything else, the vectorization too, follows.
"""

import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth.errors import InputError
from tightwidth.kernel_tiles import Kernel
from tightwidth.network import draw_W_half

Omega = Any  # one omega: an array, or a tree of arrays
Omegas = Any  # q of them: the same with q in front
Columns = Any  # what a scheme computes of m points and q omegas: a tree of arrays with [m, q] in front

DRAWN_ROWS = 1 << 14  # omegas drawn in one compiled call


class Scheme(eqx.Module):
    """Be a random feature scheme (psi, mu) for a kernel: ``k(x, z) = E <psi(omega, x), psi(omega, z)>``, omega ~ mu.

    Write your own as a subclass with `psi`, `draw_one`, and the properties `C` and `kernel`; numbers and arrays among
    its fields are traced, anything else must be static.  Where ``psi(omega, x) = psi'(omega, x) x``, write a
    `FactorizedScheme` instead.

    References
    ----------
    Daniely (2020), Section 2.6.
    Daniely (2020), Equation (3).
    """

    @property
    @abstractmethod
    def C(self) -> float:
        """A bound on the norm of psi, ``||psi|| = sup |psi(omega, x)|`` over all omega and all x on the unit sphere.

        Infinite if there is none, or none is known.
        """

    @property
    @abstractmethod
    def kernel(self) -> Kernel:
        """The kernel k."""

    @abstractmethod
    def psi(self, omega: Omega, x: Float[Array, " d"]) -> Float[Array, " p"]:
        """Return psi(omega, x) for one omega and one point; it is traced."""

    @abstractmethod
    def draw_one(self, key: PRNGKeyArray, d: int) -> Omega:
        """Draw one omega from mu, for points in R^d; it is traced, in float32."""

    @property
    def is_factorized(self) -> bool:
        """Whether ``psi(omega, x) = psi'(omega, x) x`` with a number psi'."""
        return False

    def dimension(self, d: int) -> int:
        """Return the number of coordinates of psi for points in R^d.

        Raises
        ------
        InputError
            If d is no whole number of at least 1, or psi returns no vector.
        """
        check_count("d", d)
        shape = jax.eval_shape(lambda: self.psi(self.draw_one(jax.random.key(0), d), jnp.zeros(d, jnp.float32))).shape
        if len(shape) != 1:
            message = f"psi of {type(self).__name__} returns shape {shape} for one omega and one point; return a vector"
            raise InputError(message)
        return shape[0]

    def draw(self, key: PRNGKeyArray, q: int, d: int) -> Omegas:
        """Draw omega_1, ..., omega_q from mu, as NumPy arrays with q in front: row i from ``fold_in(key, i)``.

        They are drawn in float32 and later cast; so one key gives the same rows whatever q, and in both precisions.

        Raises
        ------
        InputError
            If q or d is no whole number of at least 1.
        """
        check_count("q", q)
        check_count("d", d)
        size = min(DRAWN_ROWS, _power_of_2(q))
        with jax.enable_x64(False):
            blocks = [_draw_rows(self, key, start, size, int(d)) for start in range(0, int(q), size)]
            return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves])[:q], *blocks)

    # What anything else does with features; all of it is traced, for a block of omegas and a block of points.

    def columns(self, omegas: Omegas, X: Float[Array, "m d"]) -> Columns:
        """Return ``psi(omega_i, x_j)``, [m, q, p], or whatever of it the following three need."""
        return jax.vmap(lambda x: jax.vmap(lambda omega: self.psi(omega, x))(omegas))(X)

    def gram(self, of_X: Columns, X: Float[Array, "m d"], of_Z: Columns, Z: Float[Array, "n d"]) -> Float[Array, "m n"]:
        """Return ``sum_i <psi(omega_i, x_j), psi(omega_i, z_l)>``."""
        m, n = X.shape[0], Z.shape[0]
        return of_X.reshape(m, -1) @ of_Z.reshape(n, -1).T

    def products(self, of_X: Columns, X: Float[Array, "m d"], V: Float[Array, "q p"]) -> Float[Array, "m q"]:
        """Return ``<psi(omega_i, x_j), V_i>``."""
        del X  # the columns are enough; it is for those who keep less, such as psi' alone
        return jnp.sum(of_X * V, axis=2)

    def adjoint(self, of_X: Columns, X: Float[Array, "m d"], alpha: Float[Array, " m"]) -> Float[Array, "q p"]:
        """Return ``sum_j alpha_j psi(omega_i, x_j)``."""
        del X
        return jnp.tensordot(alpha, of_X, axes=1)


class FactorizedScheme(Scheme):
    """Be a factorized scheme, ``psi(omega, x) = psi'(omega, x) x``: a subclass says what the number psi' is.

    One of its features is worth d of another scheme's (section 3.1).  No column of psi is formed: inner products are
    ``<x, z> psi'(omega, x) psi'(omega, z)``, and ``|psi'| <= C`` on the unit sphere.
    """

    @abstractmethod
    def factor(self, omega: Omega, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Return psi'(omega, x) for one omega and one point; it is traced."""

    @property
    def is_factorized(self) -> bool:
        """Always true."""
        return True

    def psi(self, omega: Omega, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """Return ``psi'(omega, x) x``."""
        return self.factor(omega, x) * x

    def columns(self, omegas: Omegas, X: Float[Array, "m d"]) -> Float[Array, "m q"]:
        """Return ``psi'(omega_i, x_j)``."""
        return over_pairs(self.factor, omegas, X)

    def gram(
        self, of_X: Float[Array, "m q"], X: Float[Array, "m d"], of_Z: Float[Array, "n q"], Z: Float[Array, "n d"]
    ) -> Float[Array, "m n"]:
        """Return ``<x_j, z_l> sum_i psi'(omega_i, x_j) psi'(omega_i, z_l)``."""
        return (X @ Z.T) * (of_X @ of_Z.T)

    def products(
        self, of_X: Float[Array, "m q"], X: Float[Array, "m d"], V: Float[Array, "q d"]
    ) -> Float[Array, "m q"]:
        """Return ``psi'(omega_i, x_j) <x_j, V_i>``."""
        return of_X * (X @ V.T)

    def adjoint(
        self, of_X: Float[Array, "m q"], X: Float[Array, "m d"], alpha: Float[Array, " m"]
    ) -> Float[Array, "q d"]:
        """Return ``sum_j alpha_j psi'(omega_i, x_j) x_j``."""
        return (of_X * alpha[:, None]).T @ X


def over_pairs(
    function: Callable[[Omega, Array], Array], omegas: Omegas, X: Float[Array, "m d"]
) -> Float[Array, "m q *p"]:
    """Return ``function(omega_i, x_j)`` for all omegas and points; traced."""
    return jax.vmap(lambda x: jax.vmap(lambda omega: function(omega, x))(omegas))(X)


def check_count(name: str, number: Any) -> None:
    """Raise unless a number is a whole number of at least 1.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        message = f"{name}={number!r} must be a whole number of at least 1"
        raise InputError(message)


def draw_gaussians(key: PRNGKeyArray, q: int, d: int) -> Float[np.ndarray, "q d"]:
    """Return W', q rows of N(0, I) in float32: those that the network draws from this key (`network.draw_W_half`).

    Raises
    ------
    InputError
        If q or d is no whole number of at least 1.
    """
    check_count("q", q)
    check_count("d", d)
    with jax.enable_x64(False):
        return np.asarray(draw_W_half(key, _power_of_2(q), int(d)))[:q]


def _power_of_2(q: int) -> int:
    """Return the next power of 2, so that few numbers of rows are compiled for."""
    return 1 << (int(q) - 1).bit_length()


@functools.partial(jax.jit, static_argnames=("size", "d"))
def _draw_rows(scheme: Scheme, key: PRNGKeyArray, start: Any, size: int, d: int) -> Omegas:
    rows = start + jnp.arange(size, dtype=jnp.int32)
    return jax.vmap(lambda i: scheme.draw_one(jax.random.fold_in(key, i), d))(rows)
