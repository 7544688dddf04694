"""Look for vectors in the embedding of drawn weights that certify a run: small norm, small loss on the sample.

Margin losses: coordinate ascent towards the hard margin until the certified number of steps stops falling, and for
the final width also a path of soft margins.  Other losses, and the final width: interpolants over a grid of
regularisations, all from one Krylov space.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from tightwidth import margin
from tightwidth.certificates import Certificate, Comparators, Spread, best_of, compare
from tightwidth.embedding import EXACT_POINTS, Embedding
from tightwidth.losses import Loss, values_and_slopes
from tightwidth.margin_by_matrix import DualProblem
from tightwidth.spectrum import lanczos

FIRST_ROUND = 15  # epochs until the first look at the certificate; every later look doubles the epochs so far
LEAST_EPOCHS, MOST_EPOCHS = 30, 3840
SECONDS = 2.0  # that decide between the two, by a visit of one point taking as long as the next two lines say
SECONDS_A_VISIT, OPERATIONS_A_SECOND = (
    2.5e-6,
    2e10,
)  # of a core of today; constants, so that results do not depend on it
PROGRESS = {
    False: 0.95,
    True: 0.98,
}  # of the certified steps, below which another round is worth it (search, final)
PATH = (0.25, 1.0, 4.0, 16.0)  # boxes of the soft margins, with 1/(mean diagonal of K_W) as unit
PATH_EPOCHS = 10
SHIFTS = np.array([1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0])  # regularisations, in units of the mean diagonal
KRYLOV_STEPS = 40


@dataclass(frozen=True)
class Found:
    """Hold a certificate, and the dual variables from which another width may start."""

    certificate: Certificate
    alpha: Float[np.ndarray, " m"] | None


@lru_cache(maxsize=256)
def is_margin_loss(loss: Loss) -> bool:
    """Return whether being far on the right side costs no more than being just there."""
    near, far = values_and_slopes(loss, np.array([1.0, 3.0]), np.ones(2))[0]
    return bool(far <= near)


def affordable_epochs(m: int, d: int, q: int) -> int:
    """Return how many passes over the sample the ascent may take: some two seconds' worth, and at least 30."""
    seconds = m * (SECONDS_A_VISIT + 4 * d * q / OPERATIONS_A_SECOND)
    return int(min(MOST_EPOCHS, max(LEAST_EPOCHS, SECONDS / seconds)))


def spread_of(embedding: Embedding, *, R: float, seed: int, matrix: Float[np.ndarray, "m m"] | None = None) -> Spread:
    """Measure the diagonal and the largest eigenvalue of K_W, from the matrix if it is at hand."""
    diagonal = embedding.diagonal() if matrix is None else np.diagonal(matrix)
    top = embedding.largest_eigenvalue(R=R, seed=seed, matrix=matrix) / len(diagonal)
    return Spread(float(diagonal.mean()), float(diagonal.max()), top)


def find_certificate(
    embedding: Embedding,
    y: Float[np.ndarray, " m"],
    *,
    loss: Loss,
    batch_size: int,
    epsilon: float,
    R: float,
    seed: int,
    alpha: Float[np.ndarray, " m"] | None = None,
    thorough: bool = False,
) -> Found:
    """Return the best certificate found at these weights.

    Parameters
    ----------
    embedding, y
        The sample in the embedding of the drawn weights, and its labels.
    loss, batch_size, epsilon
        Of the run to be certified.
    R, seed
        R of the sample, and the seed of random starts and orders.
    alpha
        Dual variables to start from.
    thorough
        Spend more: for the width that will be run.
    """
    space = _Small(embedding, y, seed) if len(y) <= EXACT_POINTS else _Large(embedding, y, seed)
    spread = space.spread(R)

    def certificate(found: Comparators) -> Certificate:
        return Certificate(found, spread, loss, batch_size)

    found = compare([], y, loss)
    unit = spread.mean_diagonal
    if not math.isfinite(loss.L) or unit == 0:
        return Found(certificate(found), None)
    if thorough or not is_margin_loss(loss):
        krylov = lanczos(space.product, y.astype(np.float64), KRYLOV_STEPS)
        found = best_of(found, compare([space.primal(a) for a in krylov.regularised_solutions(SHIFTS * unit)], y, loss))
    if not is_margin_loss(loss):
        return Found(certificate(found), None)
    (m, d), Q = embedding.X.shape, embedding.Q
    affordable = affordable_epochs(m, d, Q)
    if thorough:
        ascent, epochs = space.start(None), min(PATH_EPOCHS, affordable // 8)
        for C in PATH:
            ascent = space.ascend(ascent, epochs, C / unit)
            found = best_of(found, compare([space.vector(ascent)], y, loss))
    ascent = space.start(alpha)
    before, epochs, most = math.inf, FIRST_ROUND, affordable if thorough else affordable // 2
    while ascent.epochs < most:
        ascent = space.ascend(ascent, epochs, margin.NO_LIMIT)
        epochs = ascent.epochs
        found = best_of(found, compare([space.vector(ascent)], y, loss))
        sizing = certificate(found).size(epsilon)
        now = math.inf if sizing is None else sizing.n_steps
        if now > PROGRESS[thorough] * before and math.isfinite(now):
            break
        before = now
    return Found(certificate(found), np.asarray(ascent.alpha))


class _Large:
    """Answer what is asked of the embedding of a sample from products with it."""

    def __init__(self, embedding: Embedding, y: Float[np.ndarray, " m"], seed: int) -> None:
        self.embedding, self.y, self.seed = embedding, y, seed
        self.product, self.diagonal = embedding.kernel_product, embedding.diagonal()

    def spread(self, R: float) -> Spread:
        return spread_of(self.embedding, R=R, seed=self.seed)

    def primal(self, a: Float[np.ndarray, " m"]) -> tuple[float, Float[np.ndarray, " m"]]:
        return self.embedding.primal(self.embedding.adjoint(a))

    def start(self, alpha: Float[np.ndarray, " m"] | None) -> Any:
        return margin.start(self.embedding, self.y, alpha)

    def ascend(self, ascent: Any, n_epochs: int, C: float) -> Any:
        return margin.ascend(ascent, self.embedding, self.y, self.diagonal, n_epochs=n_epochs, C=C, seed=self.seed)

    def vector(self, ascent: Any) -> tuple[float, Float[np.ndarray, " m"]]:
        return self.embedding.primal(np.asarray(ascent.U))


class _Small:
    """Answer the same from its kernel matrix, for few points: faster, in float64, and with nothing to compile."""

    def __init__(self, embedding: Embedding, y: Float[np.ndarray, " m"], seed: int) -> None:
        self.embedding, self.seed = embedding, seed
        self.problem = DualProblem(embedding.matrix(), y.astype(np.float64))
        self.primal, self.start, self.vector = self.problem.primal, self.problem.start, self.problem.vector

    def spread(self, R: float) -> Spread:
        return spread_of(self.embedding, R=R, seed=self.seed, matrix=self.problem.K)

    def product(self, a: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        return self.problem.K @ a

    def ascend(self, ascent: Any, n_epochs: int, C: float) -> Any:
        return self.problem.ascend(ascent, n_epochs=n_epochs, C=C, seed=self.seed)
