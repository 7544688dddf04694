"""Rows that a random two-layer network labels."""

import numpy as np

D = 94


def teacher_rows(m: int, hidden: int, seed: int, teacher: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows, and whether a random two-layer relu network is above its median on them."""
    X = np.random.default_rng([seed, 1]).standard_normal((m, D), dtype=np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    rng = np.random.default_rng(teacher)
    W, u = rng.standard_normal((D, hidden), dtype=np.float32), rng.standard_normal(hidden, dtype=np.float32)
    f = np.concatenate([np.maximum(block @ W, 0) @ u for block in np.array_split(X, 64)])
    return X, (f > np.median(f)).astype(np.int64)
