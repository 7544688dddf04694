"""The three forms of the network as the loop of Algorithm 1 holds them (`tightwidth.network` has them as users do).

What is trained lies transposed, [d, Q], so that both products of a step run along rows in memory, at twice the rate and
more; the tangent form multiplies what has fewer columns, features or neurons.  A step is what ``back`` makes of the
slopes l'/b times eta: linear in them, it is added by ``moved``.

There may be more neurons here than the q of the network: those behind start at 0, and stay there as ``inside`` is 0.
"""

import abc
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tightwidth import divided_difference as dd
from tightwidth.activations import Activation

Trained = tuple[Array, ...]
Back = Callable[[Array], Trained]
Inside = Float[Array, " Q"] | None
IN_CACHE = 1 << 16  # numbers of a batch, points times neurons, that stay in a core's cache from product to product


class _AtWork(eqx.Module):
    """Hold what all three have: the initial weights, and q, by which a step is divided."""

    W_half: Float[Array, "Q d"]
    trained: Trained
    inside: Inside
    activation: Activation = eqx.field(static=True)
    q: int = eqx.field(static=True)

    def at_start(self, X: Float[Array, "b d"], cached: Array | None) -> Float[Array, "b Q"]:
        """Return the pre-activations at the initial weights."""
        return X @ self.W_half.T if cached is None else cached

    @abc.abstractmethod
    def forward(self, X: Float[Array, "b d"], cached: Array | None) -> tuple[Float[Array, " b"], Back]:
        """Return the outputs, and the function from slopes times eta to the step."""


Work = TypeVar("Work", bound=_AtWork)


def moved(network: Work, step: Trained) -> Work:
    """Return the network after a step."""
    if network.inside is not None:
        step = tuple(part * network.inside for part in step)
    return eqx.tree_at(lambda net: net.trained, network, jax.tree.map(jnp.add, network.trained, step))


def _sums(terms: Float[Array, "b Q"]) -> Float[Array, " b"]:
    """Return the sums over the neurons, as a product: its terms are added side by side, those of a sum one by one.

    They are not rounded before, as a GPU would do with the factors of a product.
    """
    return jnp.matmul(terms, jnp.ones(terms.shape[1], terms.dtype), precision="highest")


def _is_small(X: Float[Array, "b d"], P: Float[Array, "d Q"]) -> bool:
    """Return whether one product for P and N beats two: putting them together is cheap, and b x Q stays in a cache."""
    (b, d), q = X.shape, P.shape[1]
    return b > d and b * q <= IN_CACHE


def _halves(both: Float[Array, "n two_Q"]) -> tuple[Float[Array, "n Q"], Float[Array, "n Q"]]:
    q = both.shape[1] // 2
    return both[:, :q], both[:, q:]


class TangentAtWork(_AtWork):
    """Hold the limit B = inf; ``trained`` is V, [d, Q]."""

    def forward(self, X: Float[Array, "b d"], cached: Float[Array, "b Q"] | None) -> tuple[Float[Array, " b"], Back]:
        """Return the outputs, and the function from slopes times eta to the step."""
        (V,) = self.trained
        gates = self.activation.sigma_prime(self.at_start(X, None)) if cached is None else cached
        by_features = V.shape[0] <= V.shape[1]
        h = jnp.sum((gates @ V.T) * X if by_features else gates * (X @ V), axis=1)

        def back(slopes: Float[Array, " b"]) -> Trained:
            scaled = (slopes / -self.q)[:, None]
            return ((X * scaled).T @ gates if by_features else X.T @ (gates * scaled),)

        return h, back


class DisplacementAtWork(_AtWork):
    """Hold the network by its displacements; ``trained`` is P and N, [d, Q], s and r, [Q]."""

    inverse_B: Float[Array, ""]

    def forward(self, X: Float[Array, "b d"], cached: Float[Array, "b Q"] | None) -> tuple[Float[Array, " b"], Back]:
        """Return the outputs, and the function from slopes times eta to the step."""
        sigma, inverse_B, (P, N, s, r) = self.activation, self.inverse_B, self.trained
        z = self.at_start(X, cached)
        together = _is_small(X, P)
        a, c = _halves(X @ jnp.concatenate([P, N], axis=1)) if together else (X @ P, X @ N)
        difference = dd.divided_difference(sigma, z, a, c, inverse_B)
        plus, minus = sigma.sigma(z + a * inverse_B), sigma.sigma(z - c * inverse_B)
        h = _sums(difference + inverse_B * (plus * s + minus * r))

        def back(slopes: Float[Array, " b"]) -> Trained:
            scaled, square = slopes / (-2 * self.q), inverse_B * inverse_B
            left = scaled[:, None] * (1 + s * square) * dd.slope(sigma, z, a, inverse_B)
            right = scaled[:, None] * (1 - r * square) * dd.slope(sigma, z, -c, inverse_B)
            step = _halves(X.T @ jnp.concatenate([left, right], axis=1)) if together else (X.T @ left, X.T @ right)
            return *step, inverse_B * (scaled @ plus), inverse_B * (scaled @ minus)

        return h, back


class PlainAtWork(_AtWork):
    """Hold the weights themselves; ``trained`` is W, [d, Q], and u, [Q], of the pairs' first and second neurons."""

    B: Float[Array, ""]

    def forward(self, X: Float[Array, "b d"], cached: Array | None) -> tuple[Float[Array, " b"], Back]:
        """Return the outputs, and the function from slopes times eta to the step."""
        assert cached is None, "nothing is kept of a point while W moves"
        sigma, (W_plus, W_minus, u_plus, u_minus) = self.activation, self.trained
        # two products of one shape, so that the halves agree to the bit; and a pair that cancels is taken for 0, since
        # a fused multiply-add would leave its rounding error behind: h = 0 exactly at the start
        z_plus, z_minus = X @ W_plus, X @ W_minus
        plus, minus = sigma.sigma(z_plus), sigma.sigma(z_minus)
        cancels = (z_plus == z_minus) & (u_plus == -u_minus)
        h = _sums(jnp.where(cancels, 0, u_plus * plus + u_minus * minus))

        def back(slopes: Float[Array, " b"]) -> Trained:
            scaled = slopes / (-2 * self.q) / self.B / self.B
            left = scaled[:, None] * sigma.sigma_prime(z_plus) * u_plus
            right = scaled[:, None] * sigma.sigma_prime(z_minus) * u_minus
            return X.T @ left, X.T @ right, scaled @ plus, scaled @ minus

        return h, back


AtWork = TangentAtWork | DisplacementAtWork | PlainAtWork
