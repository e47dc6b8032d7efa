"""The two kinds of model: what people write, and what programs keep.

Modules that hold models do without ``from __future__ import annotations``, which leaves annotations as text:
pydantic would compile it, field by field, as each class is made, and that took a third of their import.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer


class Model(BaseModel):
    """Frozen, closed to unknown fields, and silent about its input when that is wrong."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=False,
        json_schema_serialization_defaults_required=True,
        defer_build=True,
    )


def lighten(model: Model) -> None:
    """Forgets which fields a model, and each in it, was given.

    What was read from a store was given all of them. The sets that say so take twice the room of the values,
    40 MiB in the state of 10,000 keys, and nobody asks.
    """
    model.model_fields_set.clear()
    values = vars(model)
    for name in _with_models(type(model)):
        below = values[name]
        if below is None:
            continue
        if isinstance(below, dict | tuple):
            for one in below.values() if isinstance(below, dict) else below:
                lighten(one)
        else:
            lighten(below)


@cache
def _with_models(cls: type[Model]) -> tuple[str, ...]:
    """The fields that may hold models, alone or in a dictionary or tuple."""
    return tuple(name for name, field in cls.model_fields.items() if _speaks_of_models(field.annotation))


def _speaks_of_models(annotation: object) -> bool:
    is_model = isinstance(annotation, type) and issubclass(annotation, Model)
    return is_model or any(map(_speaks_of_models, get_args(annotation)))


def _to_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def format_instant(value: datetime) -> str:
    """An instant as everybody writes it: UTC, whole seconds, a ``Z``."""
    return value.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_to_utc),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
]
"""A timezone-aware instant in UTC; in JSON, whole seconds with a ``Z``."""
