"""Samples of experiments, drawn by NumPy: a new shape compiles nothing."""

import numpy as np
from jaxtyping import Float

POINTS = 0x5350  # of a seed: what points draw from


def sphere_points(m: int, d: int, seed: int) -> Float[np.ndarray, "m d"]:
    """Return m uniform points on the sphere, in float32; the first ones do not depend on m."""
    X = np.random.default_rng([seed, POINTS, d]).standard_normal((m, d))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
