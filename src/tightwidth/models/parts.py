"""What a model with weights is made of: the way to the sphere, its networks, and the way back to labels or values."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from tightwidth.activations import Activation
from tightwidth.data.preprocessing import Standardizer
from tightwidth.errors import InputError
from tightwidth.estimators import DepthTwoClassifier, DepthTwoRegressor
from tightwidth.estimators.inputs import Inputs
from tightwidth.losses import Loss
from tightwidth.memorization_result import MemorizeResult
from tightwidth.models.saving import check_can_be_saved
from tightwidth.network import Displacement, Plain, Tangent, predict
from tightwidth.precision import in_precision_of
from tightwidth.shared_outputs import Outputs, predict_outputs


@dataclass(frozen=True, eq=False)
class Parts:
    """Hold the parts of a model that can be exported.

    Attributes
    ----------
    name
        The class of the model.
    networks
        K networks, or one in the plain form.
    inputs
        The way of raw rows to the sphere; None for a network, which takes unit rows.
    targets
        What brings outputs back to the units of values, or None.
    classes
        The labels, or None; two of them share one output.
    is_flat
        Whether predictions have one number a row, and no second axis.
    loss
        The name of the loss, or None.
    """

    name: str
    networks: Outputs | Plain
    inputs: Inputs | None
    targets: Standardizer | None
    classes: Shaped[np.ndarray, " C"] | None
    is_flat: bool
    loss: str | None

    @property
    def activation(self) -> Activation:
        """The activation of the networks."""
        return self.networks.activation

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of the weights."""
        return np.dtype((self.networks.W if isinstance(self.networks, Plain) else self.networks.W_half).dtype)

    @property
    def d(self) -> int:
        """Coordinates of the points on the sphere."""
        return (self.networks.W if isinstance(self.networks, Plain) else self.networks.W_half).shape[1]

    @property
    def n_features(self) -> int:
        """Columns of raw rows."""
        return self.d - (self.inputs is not None and self.inputs.on_sphere == "bias")

    def points(self, X: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
        """Return raw rows on the sphere."""
        return X if self.inputs is None else self.inputs.transform(X)

    def outputs(self, points: Float[np.ndarray, "n e"]) -> Float[np.ndarray, "n K"]:
        """Return the outputs of the networks at points of the sphere."""
        if isinstance(self.networks, Plain):
            return predict(self.networks, points.astype(self.dtype))[:, None]
        return predict_outputs(self.networks, points)


def parts_of(model: Any) -> Parts:
    """Return the parts of a fitted depth-two estimator, of what `memorize` returned, or of a network.

    Raises
    ------
    InputError
        If the model has no weights that could be exported.
    NotFittedError
        If an estimator is not fitted.
    """
    name = type(model).__name__
    if isinstance(model, (Plain, Outputs)):
        flat = isinstance(model, Plain) or model.K == 1
        return Parts(name, model, None, None, None, flat, None)
    if isinstance(model, (Displacement, Tangent)):
        return Parts(name, together(model), None, None, None, True, None)
    if isinstance(model, MemorizeResult):
        network = model.network if isinstance(model.network, Plain) else together(model.network)
        return Parts(name, network, Inputs(None, "project", 1.0), None, np.array([-1.0, 1.0]), True, model.loss)
    if isinstance(model, (DepthTwoClassifier, DepthTwoRegressor)):
        check_can_be_saved(model)
        networks, loss = model._networks(model.trained_), model.loss
        loss_name = loss.name if isinstance(loss, Loss) else str(loss)
        if isinstance(model, DepthTwoClassifier):
            is_flat = len(model.classes_) == 2
            return Parts(name, networks, model.inputs_, None, model.classes_, is_flat, loss_name)
        return Parts(name, networks, model.inputs_, model.targets_, None, model._is_flat, loss_name)
    message = (
        f"a {name} has no weights to export; give a fitted DepthTwoClassifier or DepthTwoRegressor, the result of "
        f"memorize, or a network"
    )
    raise InputError(message)


def together(network: Displacement | Tangent) -> Outputs:
    """Return one network as the only one that has its W'."""
    with in_precision_of(network):
        if isinstance(network, Tangent):
            return Outputs(network.W_half, (network.V[None],), None, network.activation)
        trained = tuple(jnp.asarray(array)[None] for array in (network.PN, network.s, network.r))
        return Outputs(network.W_half, trained, network.inverse_B, network.activation)
