"""Bad input in one line, with the names that the command line has for things."""

import re

import typer

from tightwidth.errors import InputError

OPTIONS = {
    "n_pairs": "--pairs",
    "n_passes": "--passes",
    "buffer_rows": "--buffer-rows",
    "checkpoint_seconds": "--checkpoint-seconds",
    "iterate": "--iterate",
    "output_scale": "--output-scale",
    "batch_size": "--batch-size",
    "n_steps": "--steps",
    "learning_rate": "--learning-rate",
    "target_fraction": "--target-fraction",
    "on_sphere": "--on-sphere",
    "epsilon": "--epsilon",
    "seed": "--seed",
    "stop": "--stop",
    "dim": "--dim",
    "points": "--points",
    "workers": "--workers",
    "scheduler": "--scheduler",
    "local_cluster": "--local-cluster",
    "seeds": "--search-seeds",
    "epochs": "--search-epochs",
}


def is_bad_input(error: Exception) -> bool:
    """Return whether an error is the user's to mend, and not a fault of the program."""
    return isinstance(error, InputError | typer.TyperException)


def describe(error: Exception) -> str:
    """Return the message in one line, with ``n_pairs=0`` as ``--pairs 0``."""
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    pattern = rf"\b({'|'.join(OPTIONS)})='?([^'\s,;:)]+)'?"
    text = re.sub(pattern, lambda match: f"{OPTIONS[match[1]]} {match[2]}", text)
    return " ".join(text.split())
