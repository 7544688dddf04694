"""What all records share: they are frozen, take no other fields, and write JSON without NaN or infinity."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer


def _written(value: float) -> float | str:
    return "inf" if math.isinf(value) else value


def _read(value: Any) -> Any:
    return math.inf if value == "inf" else value


# an output scale: strict JSON has no infinity
Scale = Annotated[float, BeforeValidator(_read), PlainSerializer(_written, when_used="json")]


class Record(BaseModel):
    """A frozen set of fields that is written as one JSON object and read again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """Return one JSON object, in which nothing is NaN or infinite."""
        return self.model_dump_json(indent=2)
