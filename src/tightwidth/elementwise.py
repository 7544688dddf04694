"""An elementwise function with what is known about it (section 2.3).

The class alone; `tightwidth.activations` knows those that have a name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

Elementwise = Callable[[Array], Array]


@dataclass(frozen=True)
class Activation:
    """Hold sigma, its derivative and the constants that the theorems need.

    Parameters
    ----------
    name
        What messages, files and figures call it.
    sigma, sigma_prime
        Elementwise functions of a JAX array.  At a kink ``sigma_prime`` takes its value from the left.
    C
        ``sup |sigma'|``, infinite if ``sigma'`` is unbounded.
    H
        ``sup |sigma''|`` off the kinks; 0 if sigma is piecewise linear.
    kinks
        Pairs (place, jump of sigma' there), in ascending order.
    breaks
        Places where sigma' is continuous, up to a kink, but sigma'' jumps.
    is_continuous
        Whether sigma itself is continuous.
    family
        The family of closed forms that its duals belong to, with the parameters, as in ``("erf", 1, 1, 0)``; None for
        quadrature (`tightwidth.dual_closed_forms` lists the families).

    References
    ----------
    Daniely (2020), Section 2.3.
    """

    name: str
    sigma: Elementwise
    sigma_prime: Elementwise
    C: float
    H: float
    kinks: tuple[tuple[float, float], ...] = ()
    breaks: tuple[float, ...] = ()
    is_continuous: bool = True
    family: tuple[str | float, ...] | None = None

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether sigma'' vanishes off the kinks."""
        return self.H == 0

    def smooth(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return sigma without its kinks: ``sigma(x) - sum_j J_j (x - kappa_j)_+``, continuously differentiable."""
        return self.sigma(x) - sum(
            (jump * jnp.maximum(x - place, 0) for place, jump in self.kinks), start=jnp.zeros_like(x)
        )

    def smooth_prime(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the derivative of `smooth`: ``sigma'(x) - sum_j J_j 1[x > kappa_j]``."""
        return self.sigma_prime(x) - sum((jump * (x > place) for place, jump in self.kinks), start=jnp.zeros_like(x))

    def __repr__(self) -> str:
        """Return a line that names the activation and its constants."""
        return f"Activation({self.name!r}, C={self.C:.6g}, H={self.H:.6g}, kinks={self.kinks})"
