"""The random feature schemes of the network: its gradient in one pair of neurons at the start (sections 2.5 and 2.6).

The gradient in the hidden weights gives ``sigma'(<w,x>) x``, that in the output weights ``sigma(<w,x>) / B``; here
omega is a row of W', drawn as the network draws it.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tightwidth import activations
from tightwidth.activations import Activation
from tightwidth.angular_kernels import AngularKernel, tangent
from tightwidth.errors import HypothesisError, InputError
from tightwidth.feature_scheme import FactorizedScheme, Scheme, draw_gaussians
from tightwidth.feature_sums import SchemeSum

SUP_SIGMA = {
    "tanh": 1.0,
    "sigmoid": 1.0,
    "hard_tanh": 1.0,
    "sin": 1.0,
    "cos": 1.0,
    "gaussian": 1.0,
    "gabor": 0.396652961086,  # at x = 0.65327, where x tan x = 1/2
}
PROBES = np.concatenate([np.linspace(-50, 50, 40_001), [-1e4, -1e3, -1e2, 1e2, 1e3, 1e4]])


class NtkFeatures(FactorizedScheme):
    """Hold the NTK scheme ``psi(w, x) = sigma'(<w,x>) x``, ``w ~ N(0, I)``, bounded by ``C = sup |sigma'|``."""

    activation: Activation = eqx.field(static=True)

    @property
    def C(self) -> float:
        """The bound ``sup |sigma'|`` on |psi|."""
        return float(self.activation.C)

    @property
    def kernel(self) -> AngularKernel:
        """tk^h."""
        return tangent(self.activation, part="hidden")

    def draw_one(self, key: PRNGKeyArray, d: int) -> Float[Array, " d"]:
        """Draw a row of W'."""
        return jax.random.normal(key, (d,), jnp.float32)

    def draw(self, key: PRNGKeyArray, q: int, d: int) -> Float[np.ndarray, "q d"]:
        """Draw W', the rows that the network would draw from this key.

        Raises
        ------
        InputError
            If q or d is no whole number of at least 1.
        """
        return draw_gaussians(key, q, d)

    def factor(self, omega: Float[Array, " d"], x: Float[Array, " d"]) -> Float[Array, ""]:
        """Return the gate ``sigma'(<w,x>)``."""
        return self.activation.sigma_prime(jnp.dot(omega, x))


class NtkOutputFeatures(Scheme):
    """Hold the scheme ``psi(w, x) = sigma(<w,x>) / B`` in R^1, ``w ~ N(0, I)``, bounded only if sigma is.

    ``sup_sigma`` is a bound on |sigma|.
    """

    activation: Activation = eqx.field(static=True)
    B: float
    sup_sigma: float = eqx.field(static=True)

    @property
    def C(self) -> float:
        """The bound ``sup |sigma| / B`` on |psi|."""
        return self.sup_sigma / self.B

    @property
    def kernel(self) -> AngularKernel:
        """tk^o."""
        return tangent(self.activation, B=self.B, part="output")

    def draw_one(self, key: PRNGKeyArray, d: int) -> Float[Array, " d"]:
        """Draw a row of W'."""
        return jax.random.normal(key, (d,), jnp.float32)

    def draw(self, key: PRNGKeyArray, q: int, d: int) -> Float[np.ndarray, "q d"]:
        """Draw W', the rows that the network would draw from this key.

        Raises
        ------
        InputError
            If q or d is no whole number of at least 1.
        """
        return draw_gaussians(key, q, d)

    def psi(self, omega: Float[Array, " d"], x: Float[Array, " d"]) -> Float[Array, " 1"]:
        """Return ``sigma(<w,x>) / B``."""
        return self.activation.sigma(jnp.dot(omega, x))[None] / self.B


def ntk(activation: str | Activation) -> NtkFeatures:
    """Return the NTK scheme ``psi(w, x) = sigma'(<w,x>) x`` for tk^h: factorized, bounded by ``sup |sigma'|``.

    Raises
    ------
    InputError
        If no activation has that name.
    HypothesisError
        If sigma jumps: tk^h does not exist.

    Examples
    --------
    >>> scheme = ntk("relu")
    >>> scheme.C, scheme.is_factorized, scheme.dimension(10)
    (1.0, True, 10)
    """
    found = activations.get(activation)
    tangent(found, part="hidden")  # refuses an activation that jumps
    return NtkFeatures(found)


def ntk_output(activation: str | Activation, *, B: float, sup_sigma: float | None = None) -> NtkOutputFeatures:
    """Return the scheme ``psi(w, x) = sigma(<w,x>) / B`` for tk^o: one-dimensional, bounded by ``sup |sigma| / B``.

    Parameters
    ----------
    activation
        May jump.
    B
        Size of the output weights at the start, positive and finite.
    sup_sigma
        A bound on |sigma|, for an activation that this package does not know to be bounded.

    Raises
    ------
    InputError
        If no activation has that name, B is not positive and finite, or ``sup_sigma`` is not positive.
    HypothesisError
        If |sigma| exceeds ``sup_sigma`` somewhere on a grid.
    """
    found = activations.get(activation)
    if not 0 < B < math.inf:
        message = (
            f"B={B:g} must be positive and finite: sigma/B is the gradient in the output weights; for B=inf use ntk"
        )
        raise InputError(message)
    if sup_sigma is None:
        return NtkOutputFeatures(found, float(B), known_bound(found))
    if not sup_sigma > 0:
        message = f"sup_sigma={sup_sigma:g} must be positive: it bounds |sigma|"
        raise InputError(message)
    with jax.enable_x64(True):
        sizes = np.abs(np.asarray(found.sigma(jnp.asarray(PROBES))))
    if not (sizes <= sup_sigma * (1 + 1e-9)).all():
        at = int(np.argmax(np.nan_to_num(sizes, nan=np.inf)))
        message = (
            f"sup_sigma={sup_sigma:g} is no bound: |sigma({PROBES[at]:g})| = {sizes[at]:.6g} for activation "
            f"{found.name!r}; give a larger one"
        )
        raise HypothesisError(message)
    return NtkOutputFeatures(found, float(B), float(sup_sigma))


def ntk_both(activation: str | Activation, *, B: float, sup_sigma: float | None = None) -> Scheme:
    """Return the scheme ``psi(w, x) = (sigma'(<w,x>) x, sigma(<w,x>) / B)`` in R^{d+1}, for tk.

    Bounded by ``sqrt(C_1^2 + C_2^2)``, which is infinite unless sigma is bounded; not factorized.

    Parameters
    ----------
    activation, B, sup_sigma
        As for `ntk_output`; at ``B = inf`` this is `ntk`.

    Raises
    ------
    InputError
        As `ntk_output`.
    HypothesisError
        As `ntk` and `ntk_output`.
    """
    hidden = ntk(activation)
    if B > 0 and math.isinf(B):
        return hidden
    output = ntk_output(activation, B=B, sup_sigma=sup_sigma)
    return SchemeSum((hidden, output), True, tangent(hidden.activation, B=B))


def known_bound(activation: Activation) -> float:
    """Return ``sup |sigma|``, infinite where sigma is unbounded or nothing is known."""
    if activations.REGISTRY.get(activation.name) is activation and activation.name in SUP_SIGMA:
        return SUP_SIGMA[activation.name]
    kind, *parameters = activation.family or ("",)
    sizes = [abs(float(parameter)) for parameter in parameters]
    if kind == "erf":  # a erf(b x) + c
        return sizes[0] + sizes[2]
    if kind == "steps":  # the values on the left and on the right
        return max(sizes)
    return 1.0 if kind in ("monomial", "hermite") and sizes[0] == 0 else math.inf
