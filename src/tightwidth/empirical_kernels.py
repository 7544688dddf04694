"""The tangent kernel at the weights of a network, in any of its forms (section 2.5).

The gradient of h in the hidden weight i is ``u_i sigma'(<w_i,x>) x`` and in the output weight ``sigma(<w_i,x>)``, so

    tk_W(x,z) = <x,z> <G(x), G(z)> + <S(x), S(z)>,

with one entry of G and S for each neuron: ``u_i sigma'(<w_i,x>) / (sqrt(2q) B)`` and ``sigma(<w_i,x>) / (sqrt(2q) B)``.
At the start both neurons of a pair are equal, and one entry for each pair does.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth import divided_difference as dd
from tightwidth.angular_kernels import Part
from tightwidth.errors import DataError
from tightwidth.kernel_tiles import Kernel, Tiling
from tightwidth.network import Network, Plain, Tangent, network_dtype, preactivations


class EmpiricalTangent(Kernel):
    """Hold a network whose tangent kernel is meant, and which part of it.

    ``inverse_B`` counts for the tangent form alone, which has no output scale of its own: with it the output part is
    that of the initial weights at a finite B.
    """

    network: Network
    part: Part = eqx.field(static=True)
    inverse_B: float = 0.0

    def features(
        self, X: Float[Array, "m d"], z: Float[Array, "m n"]
    ) -> tuple[Float[Array, "m k"], Float[Array, "m k"]]:
        """Return G and S of the points, given their pre-activations ``X W^T`` at the stored hidden weights.

        They have an entry for each neuron, [m, 2q]; in the tangent form one for each pair, [m, q].
        """
        network = self.network
        activation = network.activation
        root = math.sqrt(2 * network.q)
        if isinstance(network, Tangent):
            root = math.sqrt(network.q)
            return activation.sigma_prime(z) / root, activation.sigma(z) * (self.inverse_B / root)
        if isinstance(network, Plain):
            return (
                activation.sigma_prime(z) * (network.u / network.B / root),
                activation.sigma(z) / network.B / root,
            )
        inverse_B, square = network.inverse_B, network.inverse_B**2
        a, c = X @ network.PN[0].T, X @ network.PN[1].T
        gates = [
            (1 + network.s * square) * dd.slope(activation, z, a, inverse_B),
            (1 - network.r * square) * dd.slope(activation, z, -c, inverse_B),
        ]
        values = [activation.sigma(z + a * inverse_B), activation.sigma(z - c * inverse_B)]
        return jnp.concatenate(gates, axis=-1) / root, jnp.concatenate(values, axis=-1) * (inverse_B / root)

    @property
    def stored_weights(self) -> Float[Array, "n d"]:
        """The hidden weights that pre-activations are taken at."""
        return self.network.W if isinstance(self.network, Plain) else self.network.W_half

    def of_points(self, x: Float[Array, " d"], z: Float[Array, " d"]) -> Float[Array, ""]:
        """Return ``tk_W(x, z)`` for one pair of points."""
        points = jnp.stack([x, z])
        G, S = self.features(points, points @ self.stored_weights.T)
        hidden, output = jnp.dot(x, z) * jnp.dot(G[0], G[1]), jnp.dot(S[0], S[1])
        return {"hidden": hidden, "output": output, "both": hidden + output}[self.part]

    def diagonal(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Return ``tk_W(x, x)``."""
        kernel = self.in_dtype_of(X)
        with jax.enable_x64(network_dtype(kernel.network) == np.float64):
            points = jnp.asarray(X, network_dtype(kernel.network))
            z = preactivations(kernel.stored_weights, points)
            return np.asarray(_diagonal(kernel, points, z)).astype(X.dtype)

    def in_dtype_of(self, X: Float[np.ndarray, "m d"]) -> "EmpiricalTangent":
        """Return the kernel with the network in the wider dtype of its own and the points'.

        Raises
        ------
        DataError
            If the points have not the network's number of features.
        """
        d = self.stored_weights.shape[1]
        if X.shape[1] != d:
            message = f"X has {X.shape[1]} features but the network has {d}; give the same columns"
            raise DataError(message)
        dtype = np.promote_types(X.dtype, network_dtype(self.network))
        with jax.enable_x64(dtype == np.float64):
            network = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), self.network)
        return EmpiricalTangent(network, self.part, self.inverse_B)

    def tiling(self, X: Float[np.ndarray, "m d"], Z: Float[np.ndarray, "n d"] | None) -> Tiling:
        """Return tiles by a product of points and a product of gates each."""
        kernel = self.in_dtype_of(X)
        dtype = network_dtype(kernel.network)

        def prepare(points: np.ndarray) -> tuple[Array, Array, Array]:
            with jax.enable_x64(dtype == np.float64):
                rows = jnp.asarray(points, dtype)
                return rows, *_features(kernel, rows, preactivations(kernel.stored_weights, rows))

        def compute(x: Any, z: Any, on_diagonal: bool) -> Any:
            del on_diagonal
            with jax.enable_x64(dtype == np.float64):
                return _tile(x, z, self.part)

        return Tiling(
            X,
            Z,
            prepare=prepare,
            compute=compute,
            # added here: a fused multiply-add would round the sum of the parts otherwise than the parts
            finish=lambda parts, *_: np.add.reduce([np.asarray(part) for part in parts]),
            diagonal=lambda rows: kernel.diagonal(X[rows]),
        )


@jax.jit
def _features(kernel: EmpiricalTangent, X: Array, z: Array) -> tuple[Array, Array]:
    return kernel.features(X, z)


@jax.jit
def _diagonal(kernel: EmpiricalTangent, X: Array, z: Array) -> Array:
    G, S = kernel.features(X, z)
    hidden, output = jnp.sum(X * X, axis=1) * jnp.sum(G * G, axis=1), jnp.sum(S * S, axis=1)
    return {"hidden": hidden, "output": output, "both": hidden + output}[kernel.part]


@eqx.filter_jit
def _tile(x: Any, z: Any, part: Part) -> tuple[Array, ...]:
    hidden = () if part == "output" else ((x[0] @ z[0].T) * (x[1] @ z[1].T),)
    return hidden if part == "hidden" else (*hidden, x[2] @ z[2].T)
