"""Certify runs by the weights in hand: those that a pilot run ended at are a comparator like any other (section 3.3).

A vector certifies whatever its origin, as long as it does not depend on the draws of the run that is certified: the
pilot's minibatches must be others than that run's, its initial weights W' the same.
"""

from typing import Any

import jax
import numpy as np

from tightwidth import sphere
from tightwidth.activations import check_decent
from tightwidth.certificates import Certificate, compare
from tightwidth.comparators import spread_of
from tightwidth.contradictions import check_table
from tightwidth.conversions import to_tangent
from tightwidth.embedding import embed
from tightwidth.errors import DataError, InputError
from tightwidth.losses import Loss
from tightwidth.losses import get as get_loss
from tightwidth.network import Displacement, Network, Tangent, network_dtype


def certificate_by(
    network: Network, X: Any, y: Any, *, loss: str | Loss, batch_size: int, seed: int = 0
) -> Certificate:
    """Return what runs from the W' of a trained network are guaranteed, its weights being the comparator, scaled.

    ``||v||^2 = q ||V||_F^2`` for the tangent weights V, and the outputs are those of the network: no kernel is needed,
    only one pass over the sample (and a Lanczos run for ``lambda_max(K_W)``).

    Parameters
    ----------
    network
        In the tangent form, or in the displacement form, of which the linearisation is taken.
    X, y
        Unit rows, [m, d], in the dtype of the network, and labels +-1, [m].
    loss, batch_size
        Of the runs to be certified.
    seed
        Of the start vector of the Lanczos run.

    Returns
    -------
    Certificate
        Its ``fraction`` and ``size`` hold for runs from the same W' with other draws than the pilot's.  Several are
        joined by `tightwidth.certificates.best_of` on their ``comparators``.

    Raises
    ------
    InputError
        If the network is in the plain form, or the batch size is below 1.
    DataError
        If X is no table of unit rows with the features of the network, or y is not +-1, one for each row.
    HypothesisError
        If the activation is not decent.

    Examples
    --------
    >>> import numpy as np, tightwidth as tw
    >>> X, y = tw.sampling.random_points(128, 16, seed=0)
    >>> pilot = tw.memorize(X, y, loss="hinge", n_pairs=20, n_steps=3000, seed=1)
    >>> made = tw.pilot_runs.certificate_by(pilot.network, X, y, loss="perceptron", batch_size=8)
    >>> made.size(epsilon=0.05).n_steps < 3000
    True
    """
    if not isinstance(network, (Tangent, Displacement)):
        message = (
            "the plain form does not tell where its weights started; give "
            "tightwidth.conversions.to_displacement(network, W_half)"
        )
        raise InputError(message)
    check_decent(network.activation)
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        message = f"batch_size={batch_size!r} must be a whole number of at least 1; give that of the runs to certify"
        raise InputError(message)
    dtype = network_dtype(network)
    points = check_table(X, n_features=network.W_half.shape[1]).astype(dtype)
    sphere.check_on_sphere(points)
    labels = np.asarray(y)
    if labels.shape != (len(points),) or not np.isin(labels, [-1, 1]).all():
        message = f"y has shape {labels.shape} for {len(points)} rows; give one label, +1 or -1, for each row"
        raise DataError(message)
    tangent = to_tangent(network) if isinstance(network, Displacement) else network
    chosen, labels = get_loss(loss), labels.astype(dtype)
    with jax.enable_x64(dtype == np.float64):
        embedding = embed(points, tangent.W_half, tangent.activation)
        spread = spread_of(embedding, R=sphere.R_of_sample(points, seed=seed), seed=seed)
    candidate = embedding.primal(embedding.q * np.asarray(tangent.V, np.float64))
    return Certificate(compare([candidate], labels, chosen), spread, chosen, int(batch_size))
