"""The NTK random q-embedding of a fixed sample as an operator (sections 2.5 and 2.6).

``Psi(x) = (sigma'(<w_1,x>) x, ..., sigma'(<w_q,x>) x) / sqrt(q)``.  Neither its q d columns nor the kernel matrix
``K_W = Psi Psi^T`` is stored: products with both cost 2 m q d and 4 m q d operations from the gates alone.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from tightwidth.activations import Activation
from tightwidth.memory import fits
from tightwidth.network import gates_of
from tightwidth.precision import follows_dtype
from tightwidth.spectrum import largest_eigenvalue, largest_eigenvalue_bound

BLOCK_ELEMENTS = 1 << 24
GATES_SHARE = 0.25  # of the machine's memory that the gates of a sample may take before they are computed anew
MASKED_HERE = 1 << 20  # gates up to which NumPy masks them in less time than a program that does takes to compile
EXACT_POINTS = 1024  # up to here lambda_max(K_W) comes from LAPACK


# the dtype is that of the second argument, to which the others are cast inside, without eager copies
@jax.jit
def _apply(gates: Array, V: Array, X: Array) -> Array:
    return jnp.sum(gates.astype(V.dtype) * (X.astype(V.dtype) @ V.T), axis=1)


@jax.jit
def _adjoint(gates: Array, alpha: Array, X: Array) -> Array:
    return gates.astype(alpha.dtype).T @ (X.astype(alpha.dtype) * alpha[:, None])


@jax.jit
def _squared_rows(gates: Array, X: Array) -> Array:
    """Return the squared norms of the embedded rows, times q; needs x64 mode."""
    gates, X = gates.astype(jnp.float64), X.astype(jnp.float64)
    return jnp.sum(gates * gates, axis=1) * jnp.sum(X * X, axis=1)


@jax.jit
def _masked(gates: Array, q: Array) -> Array:
    return jnp.where(jnp.arange(gates.shape[-1]) < q, gates, 0)


class Embedding(eqx.Module):
    """Hold a sample, the weights W' and, where they fit in memory, the gates of the sample.

    The arrays may be wider than the network: of their Q columns the first ``n_pairs`` count, the gates of the others
    are 0.  So many widths share one compilation.

    References
    ----------
    Daniely (2020), Section 2.6.
    """

    X: Float[Array, "m d"]
    W_half: Float[Array, "Q d"]
    gates: Float[Array, "m Q"] | None
    n_pairs: Int32[Array, ""]
    activation: Activation = eqx.field(static=True)

    @property
    def q(self) -> int:
        """Number of pairs."""
        return int(self.n_pairs)

    @property
    def Q(self) -> int:
        """Number of columns kept, at least q."""
        return self.W_half.shape[0]

    @follows_dtype
    def narrowed(self, q: int) -> "Embedding":
        """Return the embedding by the first q of the columns."""
        n_pairs = jax.device_put(np.int32(q))
        if self.gates is None or q >= self.Q:
            gates = self.gates
        elif self.gates.size <= MASKED_HERE:
            here = np.array(self.gates)
            here[:, q:] = 0
            gates = jax.device_put(here)
        else:
            gates = _masked(self.gates, n_pairs)
        return Embedding(self.X, self.W_half, gates, n_pairs, self.activation)

    def gates_at(self, X: Float[Array, "*b d"]) -> Float[Array, "*b Q"]:
        """Return the gates of other points, traced and in their own precision."""
        return _masked(self.activation.sigma_prime(X @ self.W_half.T), self.n_pairs)

    @follows_dtype
    def _blocks(self) -> list[tuple[slice, Array, Array]]:
        """Return the rows in blocks: (which, gates, X)."""
        m = self.X.shape[0]
        rows = max(1, BLOCK_ELEMENTS // max(self.W_half.shape))
        cut = [slice(start, min(m, start + rows)) for start in range(0, m, rows)]
        if self.gates is not None:
            return [(b, self.gates[b], self.X[b]) for b in cut] if len(cut) > 1 else [(cut[0], self.gates, self.X)]
        return [(b, _masked(gates_of(self.W_half, self.X[b], self.activation), self.n_pairs), self.X[b]) for b in cut]

    def _sums(self, alpha: np.ndarray, dtype: type) -> Array:
        """Return ``sum_j alpha_j sigma'(W x_j) x_j^T`` [Q, d] in the given dtype."""
        parts = [_adjoint(gates, jnp.asarray(alpha[b].astype(dtype)), X) for b, gates, X in self._blocks()]
        return parts[0] if len(parts) == 1 else sum(parts[1:], start=parts[0])

    def _outputs(self, V: np.ndarray | Array, dtype: type) -> np.ndarray:
        """Return ``sum_i sigma'(<w_i,x_j>) <V_i,x_j>`` [m] in the given dtype."""
        V = jnp.asarray(V, dtype)
        return np.concatenate([np.asarray(_apply(gates, V, X)) for _, gates, X in self._blocks()])

    def adjoint(self, alpha: Float[np.ndarray, " m"]) -> Float[np.ndarray, "Q d"]:
        """Return ``sqrt(q) Psi^T alpha = sum_j alpha_j sigma'(W x_j) x_j^T`` in float64."""
        with jax.enable_x64(True):
            return np.asarray(self._sums(alpha, np.float64))

    def kernel_product(self, alpha: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Return ``K_W alpha``, computed in the dtype of the sample."""
        dtype = np.float64 if self.X.dtype == np.float64 else np.float32
        with jax.enable_x64(dtype is np.float64):
            return self._outputs(self._sums(alpha, dtype), dtype) / self.q

    def outputs(self, V: Float[np.ndarray, "Q d"]) -> Float[np.ndarray, " m"]:
        """Return ``sum_i sigma'(<w_i,x_j>) <V_i,x_j>`` in float64: the tangent network with weights V."""
        with jax.enable_x64(True):
            return self._outputs(V, np.float64)

    def primal(self, U: Float[np.ndarray, "Q d"]) -> tuple[float, Float[np.ndarray, " m"]]:
        """Return ``||v||^2`` and the outputs ``<v, Psi(x_j)>`` of ``v = U/sqrt(q)``, in float64.

        Both are of the same vector v, wherever it came from, so that a certificate built on them is valid however
        inexact the computation that found it.
        """
        return float(np.sum(np.asarray(U, np.float64) ** 2)) / self.q, self.outputs(U) / self.q

    def diagonal(self) -> Float[np.ndarray, " m"]:
        """Return ``K_W(i,i)`` in float64."""
        with jax.enable_x64(True):
            blocks = [np.asarray(_squared_rows(gates, X)) for _, gates, X in self._blocks()]
        return np.concatenate(blocks) / self.q

    def largest_eigenvalue(self, *, R: float, seed: int, matrix: Float[np.ndarray, "m m"] | None = None) -> float:
        """Bound ``lambda_max(K_W)`` from above.

        Exact (LAPACK, float64) up to 1024 points; beyond, the lesser of the Lanczos bound, which fails with probability
        1e-9, and ``C^2 m R_S^2 / d``, which holds always: ``K_W = (1/q) sum_i D_i X X^T D_i`` with ``|D_i| <= C``.
        ``matrix`` is K_W, if it is at hand.
        """
        m, d = self.X.shape
        always = self.activation.C**2 * m * R**2 / d
        if m <= EXACT_POINTS:
            return min(largest_eigenvalue(self.matrix() if matrix is None else matrix), always)
        return min(largest_eigenvalue_bound(self.kernel_product, m, seed=seed), always)

    def matrix(self) -> Float[np.ndarray, "m m"]:
        """Return ``K_W = (1/q) (G G^T) * (X X^T)`` in float64, with the gates G; for small samples."""
        G = np.concatenate([np.asarray(gates)[:, : self.q].astype(np.float64) for _, gates, _ in self._blocks()])
        X = np.asarray(self.X, np.float64)
        return (G @ G.T) * (X @ X.T) / self.q


@follows_dtype
def embed(
    X: Float[np.ndarray, "m d"] | Float[Array, "m d"],
    W_half: Float[Array, "Q d"],
    activation: Activation,
    *,
    n_pairs: int | None = None,
) -> Embedding:
    """Return the embedding of a sample by the first ``n_pairs`` rows of W', by all of them if it is None.

    The gates are computed once if they take at most a quarter of the memory.
    """
    points = jax.device_put(X)
    Q = W_half.shape[0]
    keeps = fits(points.shape[0] * Q * points.dtype.itemsize, GATES_SHARE)
    gates = gates_of(W_half, points, activation) if keeps else None
    whole = Embedding(points, W_half, gates, jax.device_put(np.int32(Q)), activation)
    return whole if n_pairs is None else whole.narrowed(n_pairs)
