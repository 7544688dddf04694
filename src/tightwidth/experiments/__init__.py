"""Experiments: one file each, from a config of numbers and a seed to measured values (`tightwidth sweep`)."""

import importlib
from typing import Any

from tightwidth.errors import InputError
from tightwidth.experiments.experiment import Experiment

NAMES = (
    "initialization",
    "weight_changes",
    "approximation",
    "bounded_distributions",
    "learning",
    "polynomials",
    "constant_polynomial",
    "label_norms",
    "memorization",
    "smallest_width",
    "finite_scale",
    "baselines",
)  # of modules, each of which holds an EXPERIMENT


def get(name: str) -> Experiment[Any]:
    """Return an experiment by its name, or one of your own as "module:NAME".

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.
    """
    if ":" in name:
        return _of_module(name)
    if name not in NAMES:
        message = f"experiment {name!r} is unknown; known: {', '.join(NAMES)}, and your own as module:NAME"
        raise InputError(message)
    return importlib.import_module(f"tightwidth.experiments.{name}").EXPERIMENT


def _of_module(name: str) -> Experiment[Any]:
    """Import an experiment of the user's."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: of a name that begins with a dot
        message = f"experiment {name!r} cannot be imported ({error}); see that its module is on PYTHONPATH"
        raise InputError(message) from None
    if not isinstance(found, Experiment):
        message = f"{name!r} is a {type(found).__name__}; an Experiment is needed (tightwidth.experiments.experiment)"
        raise InputError(message)
    return found
