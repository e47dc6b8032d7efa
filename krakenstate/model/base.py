"""The two kinds of model: what people write, and what programs keep.

Modules that hold models do without ``from __future__ import annotations``, which leaves annotations as text:
pydantic would compile it, field by field, as each class is made, and that took a third of their import.
"""

from datetime import UTC, datetime
from typing import Annotated

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
