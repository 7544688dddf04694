"""Random q-embeddings and random q-kernels of any scheme (section 2.6).

``Psi(x) = (psi(omega_1, x), ..., psi(omega_q, x)) / sqrt(q)`` and ``k_omega(x, z) = <Psi(x), Psi(z)>``.  The q p
columns of Psi are stored on request only; everything else goes over blocks (`tightwidth.feature_blocks`).
"""

import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth import feature_blocks
from tightwidth.errors import DataError, InputError
from tightwidth.feature_scheme import Columns, Omegas, Scheme, check_count
from tightwidth.kernel_tiles import TILE, Kernel, Tiling
from tightwidth.kernels import checked_points
from tightwidth.linear_solves import check_right_sides
from tightwidth.memory import check_fits
from tightwidth.precision import in_precision_of


class RandomEmbedding(eqx.Module):
    """Hold a scheme and omega_1, ..., omega_q: the embedding ``Psi(x) = (psi(omega_i, x))_i / sqrt(q)`` in R^{q p}.

    Parameters
    ----------
    scheme
        The scheme.
    omegas
        What `Scheme.draw` returns: arrays with q in front.
    d
        Number of coordinates of the points.

    Raises
    ------
    InputError
        If the arrays have no common length q, or psi cannot take them with a point in R^d.

    References
    ----------
    Daniely (2020), Section 2.6.
    """

    scheme: Scheme
    omegas: Omegas
    d: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        """Check that the omegas belong to the scheme."""
        lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(self.omegas)}
        if len(lengths) != 1 or lengths <= {(), (0,)}:
            found = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(self.omegas)) or "none"
            message = f"omegas have the shapes {found}; needed are arrays with one and the same q >= 1 in front"
            raise InputError(message)
        try:
            feature_blocks.numbers_each(self.scheme, self.omegas, self.d)
        except (TypeError, ValueError) as error:
            message = (
                f"psi of {type(self.scheme).__name__} cannot take these omegas with a point in R^{self.d} ({error}); "
                f"give what its draw(key, q, {self.d}) returns"
            )
            raise InputError(message) from None

    @property
    def q(self) -> int:
        """Number of omegas."""
        return jax.tree.leaves(self.omegas)[0].shape[0]

    @property
    def p(self) -> int:
        """Number of coordinates of one feature."""
        return self.scheme.dimension(self.d)

    @property
    def kernel(self) -> "RandomKernel":
        """The random q-kernel k_omega."""
        return RandomKernel(self)

    def narrowed(self, q: int) -> "RandomEmbedding":
        """Return the embedding by the first q of the omegas.

        Raises
        ------
        InputError
            If q is no whole number between 1 and that of the omegas.
        """
        check_count("q", q)
        if q > self.q:
            message = f"q={q}, but only {self.q} omegas were drawn; draw more, from the same key"
            raise InputError(message)
        return RandomEmbedding(self.scheme, jax.tree.map(lambda leaf: leaf[:q], self.omegas), self.d)

    def features(self, X: Any) -> Float[np.ndarray, "m q_p"]:
        """Return the columns: ``psi(omega_i, x_j) / sqrt(q)``, p for each omega, in the dtype of the points.

        Raises
        ------
        DataError
            If X is no table of finite numbers with d columns.
        MemoryEstimateError
            If the columns would not fit in memory.
        """
        X, p = self.checked(X), self.p
        check_fits(
            float(len(X)) * self.q * p * X.dtype.itemsize + 3.0 * 8 * TILE * max(p, feature_blocks.BLOCK_COLUMNS),
            f"an embedding of {len(X)} points in {self.q} x {p} {X.dtype} columns",
            "take products with it (outputs, adjoint), or its kernel",
        )
        out = np.empty((len(X), self.q, p), X.dtype)
        for omegas, block in feature_blocks.omega_blocks(self.omegas, p):
            for points, rows in feature_blocks.point_blocks(X):
                values = feature_blocks.values_of(self.scheme, block, rows)
                out[points, omegas] = values[: points.stop - points.start] / math.sqrt(self.q)
        return out.reshape(len(X), -1)

    def products(self, V: Any, X: Any) -> Float[np.ndarray, "m q"]:
        """Return ``<V_i, psi(omega_i, x_j)>`` for V [q, p], in float64.

        Raises
        ------
        DataError
            If X is no table of finite numbers with d columns, or V not one of shape [q, p].
        MemoryEstimateError
            If the products would not fit in memory.
        """
        X, V = self.checked(X), self._vectors(V, "V")
        check_fits(8.0 * len(X) * self.q, f"{len(X)} x {self.q} products", "take fewer points at a time")
        out = np.empty((len(X), self.q))
        for omegas, points, block, rows in self._blocks(X):
            values = feature_blocks.products_of(self.scheme, block, rows, V[omegas], is_summed=False)
            out[points, omegas] = values[: points.stop - points.start]
        return out

    def outputs(self, v: Any, X: Any) -> Float[np.ndarray, " m"]:
        """Return ``<v, Psi(x_j)> = sum_i <v_i, psi(omega_i, x_j)> / sqrt(q)`` for v [q, p], in float64.

        Time O(m q (d + p)), memory for 512 points and 32,768 numbers of each.

        Raises
        ------
        DataError
            If X is no table of finite numbers with d columns, or v not one of shape [q, p].
        """
        X, v = self.checked(X), self._vectors(v, "v")
        out = np.zeros(len(X))
        for omegas, points, block, rows in self._blocks(X):
            sums = feature_blocks.products_of(self.scheme, block, rows, v[omegas], is_summed=True)
            out[points] += sums[: points.stop - points.start]
        return out / math.sqrt(self.q)

    def adjoint(self, alpha: Any, X: Any) -> Float[np.ndarray, "q p"]:
        """Return ``sum_j alpha_j Psi(x_j)``, block i of it in row i: ``sum_j alpha_j psi(omega_i, x_j) / sqrt(q)``.

        In float64; time and memory as for `outputs`.

        Raises
        ------
        DataError
            If X is no table of finite numbers with d columns, or alpha does not hold one finite number for each row.
        """
        X = self.checked(X)
        if np.ndim(alpha) != 1:
            message = f"alpha has shape {np.shape(alpha)}; one coefficient is needed for each point"
            raise DataError(message)
        alpha = check_right_sides(alpha, len(X), "alpha")[:, 0]
        out = np.zeros((self.q, self.p))
        for omegas, points, block, rows in self._blocks(X):
            own = np.zeros(len(rows))  # 0 for the points that fill up the last block
            own[: points.stop - points.start] = alpha[points]
            out[omegas] += feature_blocks.adjoint_of(self.scheme, block, rows, own)
        return out / math.sqrt(self.q)

    def checked(self, X: Any) -> Float[np.ndarray, "m d"]:
        """Return X as a table of d columns.

        Raises
        ------
        DataError
            If it is no table of finite numbers, or has another number of columns.
        """
        X, _ = checked_points(X)
        if X.shape[1] != self.d:
            message = f"X has {X.shape[1]} columns but the embedding is of points in R^{self.d}; give the same features"
            raise DataError(message)
        return X

    def _vectors(self, V: Any, name: str) -> Float[np.ndarray, "q p"]:
        V = np.asarray(V, np.float64)
        if V.shape != (self.q, self.p) or not np.isfinite(V).all():
            message = (
                f"{name} has shape {V.shape}, or holds NaN; needed are finite numbers [{self.q}, {self.p}]: [q, p]"
            )
            raise DataError(message)
        return V

    def omega_blocks(self) -> list[tuple[slice, Omegas]]:
        """Return the omegas in blocks of which the columns of 512 points fit in memory: (which, arrays of JAX)."""
        numbers = feature_blocks.numbers_each(self.scheme, self.omegas, self.d)
        return feature_blocks.omega_blocks(self.omegas, numbers)

    def _blocks(self, X: np.ndarray) -> Iterator[tuple[slice, slice, Omegas, Array]]:
        """Yield all blocks: (which omegas, which points, the omegas, the points)."""
        for omegas, block in self.omega_blocks():
            for points, rows in feature_blocks.point_blocks(X):
                yield omegas, points, block, rows


class RandomKernel(Kernel):
    """Hold the random q-kernel ``k_omega(x, z) = <Psi(x), Psi(z)>`` of an embedding; its mean over omega is k.

    A tile of a factorized scheme is ``<x, z> (1/q) sum_i psi'(omega_i, x) psi'(omega_i, z)``: a product of points and
    one of gates.  What is beyond 32,768 columns is computed anew for each tile, in blocks.

    References
    ----------
    Daniely (2020), Section 2.6.
    """

    embedding: RandomEmbedding

    def of_points(self, x: Float[Array, " d"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """Return ``<Psi(x), Psi(z)>`` for one pair of points."""
        scheme, points = self.embedding.scheme, jnp.stack([x, z])
        columns = scheme.columns(feature_blocks.cast(self.embedding.omegas, points.dtype), points)
        return scheme.gram(columns, points, columns, points)[0, 1] / self.embedding.q

    def diagonal(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Return ``|Psi(x)|^2``."""
        embedding = self.embedding
        X = embedding.checked(X)
        out = np.zeros(len(X), X.dtype)
        for _, block in embedding.omega_blocks():
            for points, rows in feature_blocks.point_blocks(X):
                columns = feature_blocks.columns_of(embedding.scheme, block, rows)
                with in_precision_of(X):
                    values = np.asarray(feature_blocks.squares_of(embedding.scheme, columns, rows))
                out[points] += values[: points.stop - points.start]
        return out / np.asarray(embedding.q, X.dtype)

    def tiling(self, X: Float[np.ndarray, "m d"], Z: Float[np.ndarray, "n d"] | None) -> Tiling:
        """Return tiles by products of columns; where one block holds all omegas, each point has its columns once."""
        embedding, scheme = self.embedding, self.embedding.scheme
        for part in (X, Z):
            if part is not None:
                embedding.checked(part)
        blocks = [block for _, block in embedding.omega_blocks()]

        def prepare(points: np.ndarray) -> tuple[Array, Columns]:
            rows = jnp.asarray(points)
            return rows, feature_blocks.columns_of(scheme, blocks[0], rows) if len(blocks) == 1 else None

        def compute(x: Any, z: Any, on_diagonal: bool) -> Any:
            if len(blocks) == 1:
                return feature_blocks.gram_of(scheme, x[1], x[0], z[1], z[0]) / embedding.q
            total: Any = 0
            for block in blocks:
                of_x = feature_blocks.columns_of(scheme, block, x[0])
                of_z = of_x if on_diagonal else feature_blocks.columns_of(scheme, block, z[0])
                total = total + feature_blocks.gram_of(scheme, of_x, x[0], of_z, z[0])
            return total / embedding.q

        return Tiling(
            X,
            Z,
            prepare=prepare,
            compute=compute,
            finish=lambda tile, *_: np.asarray(tile),
            diagonal=lambda rows: self.diagonal(X[rows]),
        )


def draw_embedding(scheme: Scheme, *, key: PRNGKeyArray, q: int, d: int) -> RandomEmbedding:
    """Draw a random q-embedding ``Psi(x) = (psi(omega_1, x), ..., psi(omega_q, x)) / sqrt(q)`` of points in R^d.

    Raises
    ------
    InputError
        If q or d is no whole number of at least 1, psi returns no vector, or the scheme is a sum whose parts cannot
        share an omega.
    """
    scheme.dimension(d)
    return RandomEmbedding(scheme, scheme.draw(key, q, d), int(d))
