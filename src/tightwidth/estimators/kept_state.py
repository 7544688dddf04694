"""The state of a run as arrays with names, which can be pickled, saved, and gone on from to the bit."""

import jax
import jax.numpy as jnp
import numpy as np

from tightwidth.precision import in_precision_of
from tightwidth.shared_outputs import Outputs
from tightwidth.shared_run import SharedRun, SharedState

KEPT_ELSEWHERE = (".networks.W_half", ".networks.inverse_B")  # they never change

KeptState = dict[str, np.ndarray]


def kept_state(state: SharedState) -> KeptState:
    """Return everything that the steps have changed, by its place in the state."""
    places = jax.tree_util.tree_leaves_with_path(state)
    named = {jax.tree_util.keystr(path): leaf for path, leaf in places}
    return {name: np.asarray(leaf) for name, leaf in named.items() if name not in KEPT_ELSEWHERE}


def restored_state(run: SharedRun, networks: Outputs, kept: KeptState) -> SharedState:
    """Return the state of a run of networks from this W' that `kept_state` was given."""
    with in_precision_of(networks):
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: jnp.asarray(kept.get(jax.tree_util.keystr(path), leaf)), run.init(networks)
        )
