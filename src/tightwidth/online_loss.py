"""What the losses of the minibatches say about the returned iterate, without held-out data (section 2.1).

A minibatch drawn afresh from D is independent of the iterate it meets, so its mean loss ``X_t``, taken before the
update, has the conditional expectation ``L_D(W_t)``.  The mean of ``X_1 .. X_T`` therefore estimates
``(1/T) sum_t L_D(W_t)``, which is the expected loss of the random iterate of Algorithm 1 given the run.

The interval about it is an empirical Bernstein bound for martingales: it needs no variance, assumes nothing about how
the iterates depend on the past, and holds at all T at once (docs/derivations/online_loss.md).  With
``Y_t = (X_t - c_t)/upper``, c_t the mean of what came before, and ``psi(lambda) = -ln(1 - lambda) - lambda``,

    M_T = sum_k w_k exp(lambda_k S_T - psi(lambda_k) V_T),   S_T = sum_t (X_t - L_D(W_t))/upper,   V_T = sum_t Y_t^2

is a supermartingale that starts at 1, whatever the fixed lambda_k in [0, 1) and weights w_k that add up to 1.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tightwidth.errors import InputError

# From what a handful of losses asks for down to what 2^31 steps ask for, evenly in the logarithm.  Two neighbours are
# so close that a finer grid would not shorten the interval by 1%.
LAMBDAS = 0.9 * 2.0 ** (-np.arange(31) / 2)
# The largest has no neighbour above to share with, and is all that counts where V is small against upper²: with a
# quarter of the weight the interval there is shorter by a quarter, and nowhere longer by more than 3%.
WEIGHTS = np.array([1 / 4] + [3 / 4 / 30] * 30)
PSI = -np.log1p(-LAMBDAS) - LAMBDAS
ROUNDING = 1e-6  # how far outside [0, upper], in units of upper, a loss computed in float32 may lie


class Interval(NamedTuple):
    """Hold the ends of an interval."""

    low: float
    high: float


def radius(V: float, risk: float) -> float:
    """Return the s at which ``sum_k w_k exp(lambda_k s - psi(lambda_k) V) = 1/risk``.

    Except with probability ``risk``, ``sum_t (L_D(W_t) - X_t) <= upper * radius(V_T, risk)`` at every T; likewise for
    the other sign.  About ``sqrt(2 V ln(1/risk))`` and a logarithm of V more.

    Parameters
    ----------
    V
        The sum of ``((X_t - c_t)/upper)^2``.
    risk
        In (0, 1).
    """
    offsets = np.log(WEIGHTS * risk) - PSI * V
    s = float(np.min(-offsets / LAMBDAS))  # where a single term of the sum is already 1/risk
    while True:  # the logarithm of the sum is convex in s: Newton's method descends to the root and never passes it
        exponents = LAMBDAS * s + offsets
        top = float(exponents.max())
        terms = np.exp(exponents - top)
        total = float(terms.sum())
        step = (top + math.log(total)) * total / float(LAMBDAS @ terms)
        if not step > 1e-12 * s:
            return s
        s -= step


@dataclass(frozen=True)
class OnlineLoss:
    """Hold what the minibatch losses of a run so far say: their number, their sum, and ``V``.

    Parameters
    ----------
    upper
        No loss exceeds it, whatever is drawn: 1 for the share of mistakes, `largest_loss` for Lipschitz losses.
    n, total, V
        The number of losses added, their sum, and the sum of ``(X_t - c_t)^2``, where the prediction
        ``c_t = (upper/2 + X_1 + .. + X_{t-1})/t`` is made before X_t is seen.

    Raises
    ------
    InputError
        If ``upper`` is not positive and finite.

    Notes
    -----
    The larger the minibatch, the smaller V and the interval; nothing has to be told.  Batches must be fresh draws: over
    a finite sample drawn with replacement, D is the uniform distribution on the sample, and what is estimated is the
    loss on that sample; a second pass over a stream estimates neither.

    References
    ----------
    Howard, Ramdas, McAuliffe, Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of
    Statistics 49, Theorem 4; the mixture over lambda is another.

    Examples
    --------
    >>> errors = OnlineLoss(upper=1.0)
    >>> for chunk in ([1.0, 0.5, 0.25], [0.0, 0.25] * 500):
    ...     errors = errors.add(chunk)
    >>> errors.n, round(errors.mean, 4)
    (1003, 0.1264)
    >>> low, high = errors.interval(confidence=0.95)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.106 to 0.146
    """

    upper: float = 1.0
    n: int = 0
    total: float = 0.0
    V: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an upper bound that bounds nothing."""
        if not (self.upper > 0 and math.isfinite(self.upper)):
            message = (
                f"upper={self.upper:g} is no bound on a loss; needed is a positive number that no loss exceeds: "
                "give 1 for the share of mistakes, or largest_loss(...) for a Lipschitz loss"
            )
            raise InputError(message)

    def add(self, values: ArrayLike) -> "OnlineLoss":
        """Return what is known after the next losses ``X_{n+1}, X_{n+2}, ..``.

        Costs one pass over them; how a run is cut into chunks changes nothing but rounding.

        Parameters
        ----------
        values
            [k], one mean over a minibatch a step, in the order of the steps, each taken before its update.  May lie
            outside [0, upper] by a rounding error of float32, and is then moved to the end.

        Raises
        ------
        InputError
            If they are not in a row, or one of them is not in [0, upper].
        """
        X = np.asarray(values, np.float64)
        if X.ndim != 1:
            message = f"values have the shape {X.shape}; needed is one loss a step: give the losses in one row, [k]"
            raise InputError(message)
        inside = np.abs(X - self.upper / 2) <= (0.5 + ROUNDING) * self.upper  # and nan is not
        wrong = np.flatnonzero(~inside)
        if len(wrong):
            message = (
                f"the loss of step {self.n + int(wrong[0]) + 1} is {X[wrong[0]]:g}; needed are losses from 0 to "
                f"upper={self.upper:g}: give a larger upper bound, or end the run where losses are not finite"
            )
            raise InputError(message)
        X = np.clip(X, 0.0, self.upper)
        after = self.total + np.cumsum(X)
        before = np.concatenate([[self.total], after])[:-1]
        predictions = (self.upper / 2 + before) / (self.n + 1 + np.arange(len(X)))
        V = self.V + float(np.sum((X - predictions) ** 2))
        return OnlineLoss(self.upper, self.n + len(X), float(after[-1]) if len(X) else self.total, V)

    @property
    def mean(self) -> float:
        """The mean of the losses, an unbiased estimate of ``(1/T) sum_t L_D(W_t)`` for T fixed ahead; nan of none."""
        return self.total / self.n if self.n else math.nan

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return an interval for ``(1/T) sum_t L_D(W_t)``:  mean ± upper radius(V/upper², (1 - confidence)/2)/T.

        It is time-uniform: with this probability all the intervals of a run, one after each step, are right together.
        So one may look after every chunk, and end the run by what one sees.

        Parameters
        ----------
        confidence
            Probability over the minibatches, given the weights drawn at the start; in (0, 1).

        Returns
        -------
        Interval
            Within [0, upper]; all of it before the first loss.

        Raises
        ------
        InputError
            If the confidence is not in (0, 1).

        Notes
        -----
        At 95% it is less than twice as wide as the normal interval of the same variance once V exceeds 300 upper²; the
        excess pays for all T and for a variance that nobody knows.  With next to no V, ``6 upper/T`` on either side.
        """
        if not 0 < confidence < 1:
            message = f"confidence={confidence:g} must be a probability strictly between 0 and 1; give 0.95, say"
            raise InputError(message)
        if self.n == 0:
            return Interval(0.0, self.upper)
        reach = self.upper * radius(self.V / self.upper / self.upper, (1 - confidence) / 2) / self.n
        return Interval(max(0.0, self.mean - reach), min(self.upper, self.mean + reach))


def largest_loss(n_steps: int, learning_rate: float, L: float, C: float, loss_at_zero: float) -> float:
    """Bound every loss of a run of T steps:  loss at 0 + eta L² C² (T - 1).

    ``||Psi(x)|| <= C``, so a step moves v by at most ``eta L C``: the mean gradient over a minibatch is no longer than
    the longest of its terms.  Before step t, ``||v_t|| <= eta L C (t - 1)``, the output is at most
    ``eta L C² (t - 1)``, and the loss differs from that at 0 by at most L times the output.  Attained, by a label that
    turns around in the last step.

    Parameters
    ----------
    n_steps, learning_rate
        T and the embedding's eta.
    L, C
        The Lipschitz constant of the loss, and ``sup |sigma'|`` of the activation.
    loss_at_zero
        The largest loss of the prediction 0: 1 for the hinge.

    Returns
    -------
    float
        For B = infinity only: at a finite B the output is not linear in the weights.

    Raises
    ------
    InputError
        If a number is negative or not finite, or T is less than 1.

    Notes
    -----
    The interval cannot be narrower than about ``6 upper/T`` on either side, here ``6 eta L² C²``, whatever T is: the
    share of mistakes needs no such bound and is what to report, unless eta is small.
    """
    numbers = {"learning_rate": learning_rate, "L": L, "C": C, "loss_at_zero": loss_at_zero}
    for name, number in numbers.items():
        if not (number >= 0 and math.isfinite(number)):
            message = f"{name}={number:g} bounds no loss; needed is a finite number of at least 0: give {name} as run"
            raise InputError(message)
    if n_steps < 1:
        message = f"n_steps={n_steps} must be at least 1; give the T of the run"
        raise InputError(message)
    return loss_at_zero + learning_rate * L**2 * C**2 * (n_steps - 1)
