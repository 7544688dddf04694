"""What makes two cells the same: the experiment's name and every number of the config, the seed among them."""

import hashlib
import json
import math
from typing import Any

from pydantic import BaseModel

Cell = tuple[str, BaseModel]  # the experiment's name, and one of its configs


def plain_config(config: BaseModel) -> dict[str, Any]:
    """Return the fields of a config as strict JSON knows them: an infinite number is the word "inf" or "-inf".

    Raises
    ------
    ValueError
        If a number is NaN, which equals nothing, not even itself.
    """
    return {name: _plain(value, name) for name, value in config.model_dump(mode="json").items()}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_plain(part, name) for part in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if math.isnan(value):
        message = f"{name} is NaN; a number is needed; give one"
        raise ValueError(message)
    return "inf" if value > 0 else "-inf"


def cell_id(experiment: str, config: BaseModel) -> str:
    """Return the identity of a cell: 32 hexadecimal digits, of SHA-256 over its sorted JSON."""
    return id_of_plain(experiment, plain_config(config))


def id_of_plain(experiment: str, config: dict[str, Any]) -> str:
    """Return the identity of a cell whose config is a plain dictionary, as a record has it."""
    text = json.dumps([experiment, config], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
