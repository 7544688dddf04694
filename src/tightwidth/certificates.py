"""What a run of Algorithm 1 on a sample is guaranteed to memorize, from the weights actually drawn (section 3.3).

SGD competes with every vector v in the embedding.  With the norm of v and its loss on the sample both computed in
float64 from v itself, the bounds below hold for every T, learning rate, batch size and width, however v was found
(docs/derivations/certificate.md).  They bound expectations: over the draws of the run and its random iterate.

Letters: ``N = ||v||^2``, ``l = L_S(v)``, ``G^2`` the bound on the squared gradient, ``l0`` the least loss of a mistake.

- convex L-Lipschitz loss:  E (share not memorized) <= [l + N/(2 eta T) + eta G^2/2] / l0;
- perceptron (l counts the hinge loss of v, x = eta G^2):  <= (l + N G^2/(2 x T)) / (1 - x/2); at B = infinity the
  path only scales with eta, so the best x holds whatever eta was:  l + A + sqrt(A^2 + 2 A l), A = N G^2/(2 T).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tightwidth import losses
from tightwidth.losses import Loss

MOST_STEPS = 1e15  # beyond, a number of steps is no plan
SCALES = np.geomspace(0.25, 8.0, 61)  # multiples of 1/(median margin) tried for each comparator


@dataclass(frozen=True)
class Spread:
    """Hold what the gradient bound needs of ``K_W``: mean and largest diagonal entry, and ``lambda_max / m``."""

    mean_diagonal: float
    max_diagonal: float
    top: float


def gradient_bound(spread: Spread, loss: Loss, batch_size: int) -> float:
    """Return ``G^2 = L^2 [k/b + (1 - 1/b) lambda_max(K_W)/m]``.

    k is the mean diagonal entry of K_W, or the largest for the perceptron, where it is the bound per mistake.
    """
    diagonal = spread.max_diagonal if is_perceptron(loss) else spread.mean_diagonal
    return loss.L**2 * (diagonal / batch_size + (1 - 1 / batch_size) * spread.top)


def is_perceptron(loss: Loss) -> bool:
    """Return whether this is the perceptron loss, which has a bound of its own."""
    return loss is losses.REGISTRY["perceptron"]


def counting_loss(loss: Loss) -> Loss:
    """Return the loss in which a comparator is measured: the hinge for the perceptron, else the loss itself."""
    return losses.REGISTRY["hinge"] if is_perceptron(loss) else loss


@dataclass(frozen=True)
class Comparators:
    """Hold ``||v||^2`` and ``L_S(v)`` of many vectors: candidates, each at a grid of scales.

    ``separating_norm_squared`` is the least ``||v||^2`` found with all margins at least 1, an upper bound on M_W^2, or
    None if no candidate separates the sample.
    """

    norm_squared: Float[np.ndarray, " n"]
    loss: Float[np.ndarray, " n"]
    separating_norm_squared: float | None


def compare(
    candidates: Sequence[tuple[float, Float[np.ndarray, " m"]]], y: Float[np.ndarray, " m"], loss: Loss
) -> Comparators:
    """Measure candidates, given by their squared norm and their outputs on the whole sample, at many scales.

    The vector 0 is among them.
    """
    norms, values, separating = [0.0], [], math.inf
    measured = counting_loss(loss)
    with jax.enable_x64(True):
        labels = np.asarray(y, np.float64)

        def mean_losses(scales: np.ndarray, h: np.ndarray) -> list[float]:
            return np.asarray(_mean_losses(measured, scales, np.asarray(h, np.float64), labels)).tolist()

        values += mean_losses(np.zeros(len(SCALES) + 1), np.ones(len(y)))[:1]
        for norm_squared, outputs in candidates:
            margins = labels * outputs
            typical = float(np.median(margins))
            if not (typical > 0 and math.isfinite(norm_squared)):
                continue
            least = float(margins.min())
            if least > 0:
                separating = min(separating, norm_squared / least**2)
            scales = np.append(SCALES / typical, 1 / least if least > 0 else 1.0)
            norms += [norm_squared * float(scale) ** 2 for scale in scales]
            values += mean_losses(scales, outputs)
    return Comparators(np.array(norms), np.array(values), separating if math.isfinite(separating) else None)


@partial(jax.jit, static_argnames="loss")
def _mean_losses(loss: Loss, scales: Array, h: Array, y: Array) -> Array:
    """Return the mean loss of the outputs at each scale, one scale after the other."""
    return jax.lax.map(lambda scale: jnp.mean(loss.value(scale * h, y)), scales)


def best_of(*found: Comparators) -> Comparators:
    """Return all the comparators together."""
    separating = [c.separating_norm_squared for c in found if c.separating_norm_squared is not None]
    return Comparators(
        np.concatenate([c.norm_squared for c in found]),
        np.concatenate([c.loss for c in found]),
        min(separating, default=None),
    )


@dataclass(frozen=True)
class Sizing:
    """Hold a number of steps and a rate that guarantee a share of 1 - epsilon, and the comparator that proves it."""

    n_steps: int
    learning_rate: float
    norm_squared: float
    comparator_loss: float


@dataclass(frozen=True)
class Certificate:
    """Hold everything that a guarantee about a run depends on, but for T and the learning rate.

    ``epsilon`` is the share that may stay unmemorized in `size`; it does not enter `fraction`.
    """

    comparators: Comparators
    spread: Spread
    loss: Loss
    batch_size: int

    @property
    def G_squared(self) -> float:
        """The bound on the expected squared norm of a minibatch gradient (per mistake, for the perceptron)."""
        return gradient_bound(self.spread, self.loss, self.batch_size)

    @property
    def least_loss(self) -> float:
        """l0, the least loss of a mistake; 1 for the perceptron, which counts mistakes directly."""
        return 1.0 if is_perceptron(self.loss) else losses.least_loss_of_a_mistake(self.loss)

    def why_none(self) -> str | None:
        """Return why no guarantee exists for this loss at all, or None."""
        if not math.isfinite(self.loss.L):
            return f"the {self.loss.name} loss is not Lipschitz"
        if self.least_loss <= 0:
            return f"the {self.loss.name} loss can vanish on a mistake"
        return None

    def _excess(self, n_steps: int, learning_rate: float | None, penalty: float) -> np.ndarray:
        """Return the bound on the share not memorized, for every comparator; ``learning_rate=None``: at the best."""
        loss_v, N, G2 = self.comparators.loss + penalty, self.comparators.norm_squared, self.G_squared
        if is_perceptron(self.loss):
            if learning_rate is None:
                A = N * G2 / (2 * n_steps)
                return loss_v + A + np.sqrt(A * A + 2 * A * loss_v)
            x = learning_rate * G2
            return (loss_v + N / (2 * learning_rate * n_steps)) / (1 - x / 2) if x < 2 else np.full_like(loss_v, np.inf)
        if learning_rate is None:
            return (loss_v + np.sqrt(N * G2 / n_steps)) / self.least_loss
        return (loss_v + N / (2 * learning_rate * n_steps) + learning_rate * G2 / 2) / self.least_loss

    def fraction(self, n_steps: int, learning_rate: float, *, path_scales: bool = False, penalty: float = 0.0) -> float:
        """Return the share of the sample that the random iterate of T steps memorizes in expectation, at least.

        Parameters
        ----------
        n_steps, learning_rate
            T and eta as run.
        path_scales
            Whether eta only scales the path (perceptron at B = infinity), so that the best eta may be assumed.
        penalty
            What the distance from the linear limit adds to the loss, see `tightwidth.finite_scale.penalty`.

        Returns
        -------
        float
            In [0, 1]; 0 says nothing.
        """
        rate = None if path_scales and is_perceptron(self.loss) else learning_rate
        return float(np.clip(1 - self._excess(n_steps, rate, penalty).min(), 0, 1))

    def best_rate(self, n_steps: int) -> float:
        """Return the learning rate whose guarantee for T steps is best."""
        best = int(np.argmin(self._excess(n_steps, None, 0.0)))
        N, loss_v = float(self.comparators.norm_squared[best]), float(self.comparators.loss[best])
        if N == 0:  # nothing is guaranteed: take the rate at which one step on one example corrects it
            return 1 / self.G_squared if math.isfinite(self.G_squared) and self.G_squared > 0 else 1.0
        if is_perceptron(self.loss):
            share = float(self._excess(n_steps, None, 0.0)[best])
            return max(share - loss_v, 1e-12) / share / self.G_squared
        return math.sqrt(N / n_steps / self.G_squared)

    def size(self, epsilon: float) -> Sizing | None:
        """Return the fewest steps that guarantee a share of 1 - epsilon, or None if no comparator can in 1e15 steps.

        Hinge and its kin: ``T = N G^2/(l0 eps - l)^2`` at ``eta = (l0 eps - l)/G^2``; perceptron:
        ``T = eps N G^2/(eps - l)^2`` at ``eta = (eps - l)/(eps G^2)``, better by a power of epsilon.
        """
        if self.why_none() is not None:
            return None
        slack = epsilon * self.least_loss - self.comparators.loss
        usable = (slack > 0) & (self.comparators.norm_squared > 0)
        if not usable.any():
            return None
        power = epsilon if is_perceptron(self.loss) else 1.0
        T = np.full(slack.shape, np.inf)
        with np.errstate(over="ignore", divide="ignore", under="ignore"):  # infinitely many steps are no plan either
            T[usable] = power * self.comparators.norm_squared[usable] * self.G_squared / slack[usable] ** 2
        best = int(np.argmin(T))
        if not T[best] <= MOST_STEPS:
            return None
        eta = float(slack[best]) / power / self.G_squared
        return Sizing(
            max(1, math.ceil(T[best])),
            eta,
            float(self.comparators.norm_squared[best]),
            float(self.comparators.loss[best]),
        )
