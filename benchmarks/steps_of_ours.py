"""Steps of Algorithm 1 as contestants: ours, what a user of JAX would write, and the two products alone.

All draw their minibatches inside the compiled loop, from ``jax.random``, out of the same 1024 points.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from contests import Work
from jaxtyping import Array

import tightwidth as tw

POINTS, ETA = 1024, 0.01


def sample(d: int) -> tuple[Array, Array]:
    """Return points on the sphere and random labels."""
    X = tw.sphere.uniform(d).sample(jax.random.key(1), POINTS, jnp.float32)
    return X, jnp.asarray(np.random.default_rng(0).choice([-1.0, 1.0], POINTS), jnp.float32)


def ours(*, d: int, q: int, b: int, B: float) -> Work:
    """Prepare Algorithm 1 of this package: the displacement form, or the tangent form for B = inf."""
    net = tw.network.init(jax.random.key(0), d=d, q=q, B=B, activation=tw.activations.get("relu"))
    X, y = sample(d)
    points = tw.sampling.FiniteSample(X, y, net.cache(X))
    run = tw.algorithm1.Algorithm1(tw.losses.get("hinge"), b, jnp.float32(ETA), jax.random.key(2))
    state = run.init(net)

    def work(n: int) -> None:
        nonlocal state
        state = jax.block_until_ready(run.advance(state, points, n))

    return work


def plain_jax(*, d: int, q: int, b: int, B: float = 1.0) -> Work:
    """Prepare the plain network, differentiated automatically, in a loop that is compiled."""
    X, y = sample(d)
    half = jax.random.normal(jax.random.key(0), (q, d))
    weights = jnp.concatenate([half, half]), jnp.concatenate([jnp.full(q, B), jnp.full(q, -B)])
    rate = ETA / (2 * q * B * B)

    def loss(weights: tuple[Array, Array], x: Array, labels: Array) -> Array:
        W, u = weights
        return jnp.mean(jnp.maximum(0, 1 - labels * (jax.nn.relu(x @ W.T) @ u)))

    return _descending(loss, weights, rate, X, y, b)


def plain_jax_tangent(*, d: int, q: int, b: int) -> Work:
    """Prepare the linear limit in the same way: gates computed anew for each minibatch."""
    X, y = sample(d)
    W = jax.random.normal(jax.random.key(0), (q, d))

    def loss(V: Array, x: Array, labels: Array) -> Array:
        gates = (x @ W.T > 0).astype(x.dtype)
        return jnp.mean(jnp.maximum(0, 1 - labels * jnp.sum(gates * (x @ V.T), axis=1)))

    return _descending(loss, jnp.zeros((q, d)), ETA / q, X, y, b)


def _descending(loss: Any, weights: Any, rate: float, X: Array, y: Array, b: int) -> Work:
    gradient = jax.value_and_grad(loss)
    key, m = jax.random.key(2), X.shape[0]

    def step(t: Array, carried: tuple[Any, Array]) -> tuple[Any, Array]:
        weights, total = carried
        rows = jax.random.randint(jax.random.fold_in(key, t), (b,), 0, m)
        value, slopes = gradient(weights, X[rows], y[rows])
        return jax.tree.map(lambda w, g: w - rate * g, weights, slopes), total + value

    @jax.jit
    def run(weights: Any, start: int, n: int) -> tuple[Any, Array]:
        return jax.lax.fori_loop(start, start + n, step, (weights, jnp.zeros(())))

    done = 0

    def work(n: int) -> None:
        nonlocal weights, done
        weights, _ = jax.block_until_ready(run(weights, done, n))
        done += n

    return work


def two_products(*, d: int, q: int, b: int) -> Work:
    """Prepare the two products that no step can do without, [b,q] x [q,d] and [d,b] x [b,q], in the same loop.

    Each needs what the other returned, times a number too small to matter: nothing can be left out or moved out of
    the loop.
    """
    X, _ = sample(d)
    x = X[jnp.arange(b) % POINTS]
    gates = (x @ jax.random.normal(jax.random.key(0), (d, q)) > 0).astype(jnp.float32)

    @jax.jit
    def run(V: Array, tiny: float, n: int) -> Array:
        return jax.lax.fori_loop(0, n, lambda _, V: (x + tiny * (gates @ V.T)).T @ gates, V)

    def work(n: int) -> None:
        jax.block_until_ready(run(jnp.zeros((d, q)), 1e-30, n))

    return work
