"""Steps of SGD on the same plain network, h = <u, relu(W x)> with the hinge loss, in other libraries.

Written to be fast: no optimizer object and no bookkeeping, only what the step needs.
"""

import numpy as np
from contests import Work

POINTS, ETA = 1024, 0.01


def sample(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points on the sphere and random labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((POINTS, d), dtype=np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X, rng.choice([-1.0, 1.0], POINTS).astype(np.float32)


def initial(d: int, q: int, B: float) -> tuple[np.ndarray, np.ndarray]:
    """Return W = [W'; W'], [2q, d], and u = (B, -B), [2q]."""
    half = np.random.default_rng(1).standard_normal((q, d), dtype=np.float32)
    return np.concatenate([half, half]), np.repeat(np.array([B, -B], np.float32), q)


def numpy(*, d: int, q: int, b: int, B: float = 1.0) -> Work:
    """Prepare the step in NumPy, with the gradient by hand."""
    (X, y), (W, u) = sample(d), initial(d, q, B)
    rate, rng = np.float32(ETA / (2 * q * B * B)), np.random.default_rng(2)

    def work(n: int) -> None:
        for rows in rng.integers(0, POINTS, (n, b)):
            x, labels = X[rows], y[rows]
            z = np.maximum(x @ W.T, 0)
            slopes = np.where(labels * (z @ u) < 1, -labels, 0) * (rate / b)
            back = (slopes[:, None] * u) * (z > 0)
            u[:] -= slopes @ z
            W[:] -= back.T @ x

    return work


def eager_torch(*, d: int, q: int, b: int, B: float = 1.0) -> Work:
    """Prepare the step in PyTorch, by its autograd."""
    import torch  # pyright: ignore[reportMissingImports]

    X, y = map(torch.from_numpy, sample(d))
    W, u = (torch.from_numpy(part).requires_grad_() for part in initial(d, q, B))
    rate, generator = ETA / (2 * q * B * B), torch.Generator().manual_seed(2)

    def work(n: int) -> None:
        for _ in range(n):
            rows = torch.randint(POINTS, (b,), generator=generator)
            loss = torch.relu(1 - y[rows] * (torch.relu(X[rows] @ W.T) @ u)).mean()
            slopes = torch.autograd.grad(loss, (W, u))
            with torch.no_grad():
                W.sub_(slopes[0], alpha=rate)
                u.sub_(slopes[1], alpha=rate)

    return work


def compiled_torch(*, d: int, q: int, b: int, B: float = 1.0) -> Work:
    """Prepare the step in PyTorch, all of it in one program of `torch.compile`."""
    import torch  # pyright: ignore[reportMissingImports]

    X, y = map(torch.from_numpy, sample(d))
    W, u = map(torch.from_numpy, initial(d, q, B))
    rate, generator = ETA / (2 * q * B * B), torch.Generator().manual_seed(2)

    def loss(W: torch.Tensor, u: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.relu(1 - labels * (torch.relu(x @ W.T) @ u)).mean()

    @torch.compile
    def step(W: torch.Tensor, u: torch.Tensor, rows: torch.Tensor) -> None:
        slopes = torch.func.grad(loss, argnums=(0, 1))(W, u, X[rows], y[rows])
        W.sub_(slopes[0], alpha=rate)
        u.sub_(slopes[1], alpha=rate)

    def work(n: int) -> None:
        with torch.no_grad():
            for _ in range(n):
                step(W, u, torch.randint(POINTS, (b,), generator=generator))

    return work
