"""JSON Schemas of everything that is written for other programs, from the models that write it."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from krakenstate.model.desired import Rendered
from krakenstate.model.saved import SavedPlan
from krakenstate.model.snapshot import Snapshot
from krakenstate.views.events import Event
from krakenstate.views.plan_shape import PlanShape
from krakenstate.views.state_text import WholeState

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Published(NamedTuple):
    """A schema's model, and the commands whose JSON it describes."""

    model: Any
    written_by: str


SCHEMAS: dict[str, Published] = {
    "desired": Published(Rendered, "krakenstate render"),
    "event": Published(Event, "each line of krakenstate apply --json and krakenstate settle --json"),
    "plan": Published(PlanShape, "krakenstate plan --json and krakenstate show --json"),
    "plan-file": Published(SavedPlan, "krakenstate plan --out"),
    "snapshot": Published(Snapshot, "krakenstate observe --json"),
    "state": Published(WholeState, "krakenstate state pull"),
}
"""By the name that ``krakenstate schema`` takes."""


@cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of that name.

    Fields that are not in it are to be ignored: newer minor versions add some.

    Raises:
        KeyError: There is none of that name.
    """
    published = SCHEMAS[name]
    made = TypeAdapter(published.model).json_schema(mode="serialization", by_alias=True)
    return {
        "$schema": DIALECT,
        "title": f"krakenstate {name}",
        "description": f"What {published.written_by} writes.",
        **{key: value for key, value in _open(made).items() if key not in {"title", "description"}},
    }


def _open(value: Any) -> Any:
    """Lets every object have more fields than are listed, and leaves out the models' own words."""
    if isinstance(value, list):
        return [_open(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _open(below)
        for key, below in value.items()
        if not (key == "additionalProperties" and below is False)
        and not (key == "title" and isinstance(below, str))
    }
