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
    """Return an experiment by its name.

    Raises
    ------
    InputError
        If there is none of that name; the message lists them.
    """
    if name not in NAMES:
        message = f"experiment {name!r} is unknown; known: {', '.join(NAMES)}"
        raise InputError(message)
    return importlib.import_module(f"tightwidth.experiments.{name}").EXPERIMENT
