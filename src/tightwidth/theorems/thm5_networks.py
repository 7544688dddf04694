"""Theorem 5: algorithm 1 learns the kernel space of tk^h, with every constant, B included (section 3.2).

A network with large output weights moves little, and is then almost the linear predictor of Theorem 10.  What the
"almost" costs is bounded here (docs/derivations/large_B.md, section 4): with ``varrho = eta T L/(2 q)`` and
``r = C varrho (1 + tau)/B``, the farthest a neuron moves,

    outputs    delta = q B r^2 (H + 2 phi(0) J) + eta T L s^2/B^2         bounds E |h(x) - <v, Psi(x)>|
    gradients  mu    = H r + C tau + J sqrt(2 phi(0) r)                   bounds the mismatch of the features, rms
    distance   D^2  <= M^2 + eta T (2 l + 2 L (delta + mu D) + eta (G_b + L mu)^2)   bounds E ||v_t - v*||^2
    in all     L (delta + mu D) + eta ((G_b + L mu)^2 - G_b^2)/2.

All hold in expectation on an event of the weights of probability at least 1 - 1e-9: that no row of W' is longer than
``sqrt(d) + sqrt(2 ln(1e9 q))``.
"""

import math
from dataclasses import dataclass, replace

from tightwidth.theorems import thm10_embedding as thm10
from tightwidth.theorems.excess_loss import ExcessLoss, Sizing
from tightwidth.theorems.hypotheses import require, require_count, require_not_negative, require_positive, require_share

PHI_0 = 1 / math.sqrt(2 * math.pi)  # the density of a standard Gaussian, at most
RARE = 1e-9  # probability of weights that nothing is said about
LARGEST_B = 1e60  # where the search for a sufficient B gives up
LINEARISATION_SHARE = 0.1  # of epsilon, left to a finite B: B costs nothing, and the width pays for the rest


@dataclass(frozen=True)
class Hypotheses(thm10.Hypotheses):
    """Hold what the theorem is told: that of Theorem 10, and what a finite B needs.

    Parameters
    ----------
    H
        ``sup |sigma''|`` off the kinks.
    jumps
        J, the sum of the jumps of sigma' at its kinks.
    value_at_0
        ``|sigma(0)|``.
    second_moment
        ``E sigma(g)^2`` of a standard Gaussian g.
    best_loss
        A bound on the loss of the function competed with.  ``ell(0, y)`` always is one, since 0 competes too: 1 for
        the hinge, ln 2 for the logistic loss.
    """

    H: float = 0.0
    jumps: float = 1.0
    value_at_0: float = 0.0
    second_moment: float = 0.5
    best_loss: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for name in ("H", "jumps", "value_at_0", "second_moment", "best_loss"):
            require_not_negative(name, getattr(self, name))


@dataclass(frozen=True)
class Linearisation:
    """Hold how far the network may be from its linear limit: delta, mu, D, and what they cost in excess loss."""

    outputs: float
    gradients: float
    distance: float
    total: float


NOTHING_SAID = Linearisation(math.inf, math.inf, math.inf, math.inf)


def linearisation(
    given: Hypotheses, *, q: int, n_steps: int, batch_size: int, learning_rate: float, B: float
) -> Linearisation:
    """Return the cost of a finite B; infinite where B is so small that nothing can be said."""
    if math.inf == B:
        return Linearisation(0.0, 0.0, given.norm, 0.0)
    require_positive("B", B)
    C, L, T, eta = given.C, given.L, n_steps, learning_rate
    varrho = eta * T * L / (2 * q)
    longest = math.sqrt(given.d) + math.sqrt(2 * math.log(q / RARE))
    value = given.value_at_0 + C * (longest + 2 * C * varrho / B)  # |sigma| anywhere on the way, as long as tau <= 1
    tau = varrho * value / B / B / B
    if not tau <= 1:
        return NOTHING_SAID
    r = C * varrho * (1 + tau) / B
    moved_moment = (math.sqrt(given.second_moment) + C * r) ** 2
    delta = q * B * r * r * (given.H + 2 * PHI_0 * given.jumps) + eta * T * L * moved_moment / B / B
    mu = given.H * r + C * tau + given.jumps * math.sqrt(2 * PHI_0 * r)
    approximation = given.L * C * given.norm * math.sqrt(given.spread / q)
    G = math.sqrt(thm10.gradient_bound(given, batch_size=batch_size))
    noise = (G + L * mu) ** 2
    # D^2 <= constant + 2 slope D
    constant = given.norm**2 + eta * T * (2 * (given.best_loss + approximation + L * delta) + eta * noise)
    slope = eta * T * L * mu
    D = min(slope + math.sqrt(slope * slope + constant), given.norm + eta * T * L * C * (1 + tau))
    return Linearisation(delta, mu, D, L * (delta + mu * D) + eta * (noise - G * G) / 2)


def bound(
    given: Hypotheses,
    *,
    q: int,
    n_steps: int,
    batch_size: int = 1,
    learning_rate: float | None = None,
    B: float = math.inf,
) -> ExcessLoss:
    """Return the bound on the excess loss of algorithm 1's random iterate over the best function of norm M.

    Parameters
    ----------
    given
        The hypotheses.
    q, n_steps, batch_size
        Pairs, T and b, whole numbers of at least 1.
    learning_rate
        eta of the embedding; None for the best one.
    B
        Size of the output weights.

    Raises
    ------
    HypothesisError
        If a number is outside its range.

    References
    ----------
    Daniely (2020), Theorem 5.
    """
    linear = thm10.bound(given, q=q, n_steps=n_steps, batch_size=batch_size, learning_rate=learning_rate)
    eta = thm10.best_rate(given, n_steps=n_steps, batch_size=batch_size) if learning_rate is None else learning_rate
    cost = linearisation(given, q=q, n_steps=n_steps, batch_size=batch_size, learning_rate=eta, B=B)
    return replace(linear, linearisation=cost.total)


def sufficient_B(
    given: Hypotheses, *, q: int, n_steps: int, batch_size: int, learning_rate: float, excess: float
) -> float:
    """Return a B at which the linearisation costs at most ``excess``, the least one up to a part in 1e6.

    Raises
    ------
    HypothesisError
        If the excess is not positive, or no B up to 1e60 suffices.
    """
    require_positive("excess", excess)

    def cost(B: float) -> float:
        return linearisation(given, q=q, n_steps=n_steps, batch_size=batch_size, learning_rate=learning_rate, B=B).total

    low, high = 1e-6, LARGEST_B
    require(
        cost(high) <= excess,
        f"no output scale B up to {LARGEST_B:g} keeps the network within {excess:g} of its linear limit; raise "
        f"epsilon, or take B = inf",
    )
    while high / low > 1 + 1e-6:  # the cost falls with B
        middle = math.sqrt(low * high)
        low, high = (low, middle) if cost(middle) <= excess else (middle, high)
    return high


def sizing(
    given: Hypotheses,
    *,
    epsilon: float,
    batch_size: int = 1,
    finite_B: bool = True,
    linearisation_share: float = LINEARISATION_SHARE,
) -> Sizing:
    """Return q, T, eta and B for an excess loss of at most epsilon.

    Parameters
    ----------
    given
        The hypotheses.
    epsilon
        The excess loss, in (0, 1).
    batch_size
        b.
    finite_B
        Whether a finite B is wanted.  If not, B is infinite, and the width and the steps get all of epsilon.
    linearisation_share
        Which part of epsilon a finite B may take.

    Raises
    ------
    HypothesisError
        If a share is outside (0, 1), or more is needed than can be counted.

    References
    ----------
    Daniely (2020), Section 3.2.
    """
    require_share("epsilon", epsilon)
    require_share("linearisation_share", linearisation_share)
    require_count("batch_size", batch_size)
    if not finite_B:
        return thm10.sizing(given, epsilon=epsilon, batch_size=batch_size)
    left = epsilon * linearisation_share
    linear = thm10.sizing(given, epsilon=epsilon - left, batch_size=batch_size)
    size = {
        "q": linear.q,
        "n_steps": linear.n_steps,
        "batch_size": batch_size,
        "learning_rate": linear.learning_rate,
    }
    B = sufficient_B(given, excess=left, **size)
    return replace(linear, B=B, bound=bound(given, B=B, **size))
