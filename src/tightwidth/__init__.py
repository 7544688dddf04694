"""How wide must a two-layer network be?  tightwidth tells you, trains it, and certifies the answer."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time names are imported on first use
    from tightwidth import (
        activations,
        algorithm1,
        angular_kernels,
        capacity,
        certificates,
        conversions,
        data,
        duals,
        embedding,
        estimators,
        interpolation,
        kernel_spaces,
        kernels,
        laziness,
        losses,
        memorization,
        models,
        network,
        online_loss,
        pilot_runs,
        planning,
        plans,
        polynomials,
        random_features,
        sampling,
        spectrum,
        sphere,
        spherical_harmonics,
        tangent_kernel,
        theorems,
    )
    from tightwidth.activations import Activation
    from tightwidth.errors import DataError, HypothesisError, InputError
    from tightwidth.estimators import (
        DepthTwoClassifier,
        DepthTwoRegressor,
        NTKClassifier,
        NTKFeatures,
        NTKKernel,
        NTKRegressor,
    )
    from tightwidth.losses import Loss
    from tightwidth.memorization import memorize
    from tightwidth.memorization_result import MemorizeResult
    from tightwidth.models import load, save
    from tightwidth.plans import plan
    from tightwidth.tangent_kernel import empirical_ntk, ntk

__version__ = "0.1.0"

_MODULES = (
    "activations",
    "algorithm1",
    "angular_kernels",
    "capacity",
    "certificates",
    "conversions",
    "data",
    "duals",
    "embedding",
    "estimators",
    "interpolation",
    "kernel_spaces",
    "kernels",
    "laziness",
    "losses",
    "memorization",
    "models",
    "network",
    "online_loss",
    "pilot_runs",
    "planning",
    "plans",
    "polynomials",
    "random_features",
    "sampling",
    "spectrum",
    "spherical_harmonics",
    "sphere",
    "tangent_kernel",
    "theorems",
)
_NAMES = {
    "Activation": "activations",
    "DataError": "errors",
    "DepthTwoClassifier": "estimators",
    "DepthTwoRegressor": "estimators",
    "HypothesisError": "errors",
    "InputError": "errors",
    "Loss": "losses",
    "MemorizeResult": "memorization_result",
    "NTKClassifier": "estimators",
    "NTKFeatures": "estimators",
    "NTKKernel": "estimators",
    "NTKRegressor": "estimators",
    "empirical_ntk": "tangent_kernel",
    "load": "models",
    "memorize": "memorization",
    "ntk": "tangent_kernel",
    "plan": "plans",
    "save": "models",
}

__all__ = [
    "Activation",
    "DataError",
    "DepthTwoClassifier",
    "DepthTwoRegressor",
    "HypothesisError",
    "InputError",
    "Loss",
    "MemorizeResult",
    "NTKClassifier",
    "NTKFeatures",
    "NTKKernel",
    "NTKRegressor",
    "__version__",
    "activations",
    "algorithm1",
    "angular_kernels",
    "capacity",
    "certificates",
    "conversions",
    "data",
    "duals",
    "embedding",
    "empirical_ntk",
    "estimators",
    "interpolation",
    "kernel_spaces",
    "kernels",
    "laziness",
    "load",
    "losses",
    "memorization",
    "memorize",
    "models",
    "network",
    "ntk",
    "online_loss",
    "pilot_runs",
    "plan",
    "planning",
    "plans",
    "polynomials",
    "random_features",
    "sampling",
    "save",
    "spectrum",
    "sphere",
    "spherical_harmonics",
    "tangent_kernel",
    "theorems",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use: `import tightwidth` alone loads neither JAX nor scikit-learn."""
    if name in _NAMES:
        return getattr(importlib.import_module(f"tightwidth.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"tightwidth.{name}")
    message = f"module 'tightwidth' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
