"""Steps of Algorithm 1 on a small network, beside the same network in other libraries: d = 64, q = 256.

All train h = <u, relu(W x)> with 2q = 512 neurons by SGD with the hinge loss, on minibatches drawn with replacement
from 1,024 points.  The tangent form trains its linear limit, B = inf; the others train both layers at B = 1.
"""

import math

from contests import Case, Contestant, Ratio

D, Q = 64, 256
ASKED = {1: (30.0, 50.0), 256: (1.8, 3.0)}  # batch: times as fast as eager PyTorch, displacement and tangent form


def case(batch: int, seconds: float) -> Case:
    """Return the contestants at one batch size."""
    given = {"d": D, "q": Q, "b": batch}
    displacement, tangent = ASKED[batch]
    contestants = [
        Contestant("displacement", "steps_of_ours:ours", {**given, "B": 1.0}),
        Contestant("tangent", "steps_of_ours:ours", {**given, "B": math.inf}),
        Contestant("plain JAX", "steps_of_ours:plain_jax", given),
        Contestant("plain JAX, tangent", "steps_of_ours:plain_jax_tangent", given),
        Contestant("NumPy", "steps_of_peers:numpy", given),
        Contestant("eager PyTorch", "steps_of_peers:eager_torch", given),
        Contestant("torch.compile", "steps_of_peers:compiled_torch", given),
    ]
    ratios = [
        Ratio("eager PyTorch", "displacement", at_least=displacement),
        Ratio("eager PyTorch", "tangent", at_least=tangent),
        Ratio("torch.compile", "displacement"),
        Ratio("torch.compile", "tangent"),
        Ratio("NumPy", "displacement"),
        Ratio("plain JAX", "displacement"),
        Ratio("plain JAX, tangent", "tangent"),
    ]
    if batch > 1:  # of one row they are no matrix products, and no limit
        contestants.append(Contestant("the two products", "steps_of_ours:two_products", given))
        ratios.append(Ratio("the two products", "tangent"))
    return Case(f"batch {batch}", "step", tuple(contestants), tuple(ratios), seconds=seconds)


def cases(quick: bool) -> list[Case]:
    """Return the cases."""
    return [case(batch, 0.02 if quick else 0.5) for batch in ASKED]
