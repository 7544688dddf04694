"""Linear optimisation over the random embedding (Fiat et al., 2019): not SGD, but the minimum of a convex function."""

import numpy as np
from jaxtyping import Float
from scipy import optimize

SMOOTH = 1e-8  # weight of the squared norm: just enough that there is a minimum
MOST_ITERATIONS = 3000


def separated_share(X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"], gates: Float[np.ndarray, "m q"]) -> float:
    """Return the share of points on their side of the vector V [q, d] that minimises the squared hinge loss.

    ``h(x) = sum_i gate_i(x) <V_i, x>``.  L-BFGS in float64; where the points are separable all of them are memorized.
    """
    X, y = X.astype(np.float64), y.astype(np.float64)
    (m, d), q = X.shape, gates.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        V = flat.reshape(q, d)
        h = np.einsum("mq,mq->m", gates, X @ V.T)
        slack = np.maximum(1 - y * h, 0)
        slope = (gates * (-2 / m * slack * y)[:, None]).T @ X + 2 * SMOOTH * V
        return float(slack @ slack) / m + SMOOTH * float(flat @ flat), slope.ravel()

    def stop_when_separated(intermediate_result: optimize.OptimizeResult) -> None:
        h = np.einsum("mq,mq->m", gates, X @ intermediate_result.x.reshape(q, d).T)
        if (y * h > 0).all():
            raise StopIteration

    found = optimize.minimize(
        loss,
        np.zeros(q * d),
        jac=True,
        callback=stop_when_separated,
        method="L-BFGS-B",
        options={"maxiter": MOST_ITERATIONS, "gtol": 1e-9, "ftol": 1e-14},
    )
    h = np.einsum("mq,mq->m", gates, X @ found.x.reshape(q, d).T)
    return float(np.mean(y * h > 0))
