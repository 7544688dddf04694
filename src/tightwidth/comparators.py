"""Look for vectors in the embedding of drawn weights that certify a run: small norm, small loss on the sample.

Margin losses: coordinate ascent towards the hard margin until the certified number of steps stops falling, and for
the final width also a path of soft margins.  Other losses, and the final width: interpolants over a grid of
regularisations, all from one Krylov space.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Array, Float

from tightwidth import margin
from tightwidth.certificates import Certificate, Comparators, Spread, best_of, compare
from tightwidth.embedding import Embedding
from tightwidth.losses import Loss, values_and_slopes
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
    alpha: Float[Array, " m"] | None


@lru_cache(maxsize=256)
def is_margin_loss(loss: Loss) -> bool:
    """Return whether being far on the right side costs no more than being just there."""
    near, far = values_and_slopes(loss, np.array([1.0, 3.0]), np.ones(2))[0]
    return bool(far <= near)


def affordable_epochs(m: int, d: int, q: int) -> int:
    """Return how many passes over the sample the ascent may take: some two seconds' worth, and at least 30."""
    seconds = m * (SECONDS_A_VISIT + 4 * d * q / OPERATIONS_A_SECOND)
    return int(min(MOST_EPOCHS, max(LEAST_EPOCHS, SECONDS / seconds)))


def spread_of(embedding: Embedding, *, R: float, seed: int) -> tuple[Spread, Float[np.ndarray, " m"]]:
    """Measure the diagonal and the largest eigenvalue of K_W; also return the diagonal."""
    diagonal = embedding.diagonal()
    top = embedding.largest_eigenvalue(R=R, seed=seed) / len(diagonal)
    return Spread(float(diagonal.mean()), float(diagonal.max()), top), diagonal


def find_certificate(
    embedding: Embedding,
    y: Float[np.ndarray, " m"],
    *,
    loss: Loss,
    batch_size: int,
    epsilon: float,
    R: float,
    seed: int,
    alpha: Float[Array, " m"] | None = None,
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
    spread, diagonal = spread_of(embedding, R=R, seed=seed)

    def certificate(found: Comparators) -> Certificate:
        return Certificate(found, spread, loss, batch_size)

    found = compare([], y, loss)
    unit = spread.mean_diagonal
    if not math.isfinite(loss.L) or unit == 0:
        return Found(certificate(found), None)
    if thorough or not is_margin_loss(loss):
        space = lanczos(embedding.kernel_product, y.astype(np.float64), KRYLOV_STEPS)
        solutions = space.regularised_solutions(SHIFTS * unit)
        found = best_of(found, compare([embedding.primal(embedding.adjoint(a)) for a in solutions], y, loss))
    if not is_margin_loss(loss):
        return Found(certificate(found), None)
    (m, d), Q = embedding.X.shape, embedding.Q
    affordable = affordable_epochs(m, d, Q)
    if thorough:
        ascent, epochs = margin.start(embedding, y), min(PATH_EPOCHS, affordable // 8)
        for C in PATH:
            ascent = margin.ascend(ascent, embedding, y, diagonal, n_epochs=epochs, C=C / unit, seed=seed)
            found = best_of(found, compare([embedding.primal(np.asarray(ascent.U))], y, loss))
    ascent = margin.start(embedding, y, alpha)
    before, epochs, most = math.inf, FIRST_ROUND, affordable if thorough else affordable // 2
    while ascent.epochs < most:
        ascent = margin.ascend(ascent, embedding, y, diagonal, n_epochs=epochs, C=margin.NO_LIMIT, seed=seed)
        epochs = ascent.epochs
        found = best_of(found, compare([embedding.primal(np.asarray(ascent.U))], y, loss))
        sizing = certificate(found).size(epsilon)
        now = math.inf if sizing is None else sizing.n_steps
        if now > PROGRESS[thorough] * before and math.isfinite(now):
            break
        before = now
    return Found(certificate(found), ascent.alpha)
