"""``krakenstate schema``: what programs may rely on in the JSON that krakenstate writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from krakenstate.cli.options import JsonOpt
from krakenstate.cli.output import Output


class SchemaName(StrEnum):
    """What there is a schema of."""

    DESIRED = "desired"
    EVENT = "event"
    PLAN = "plan"
    PLAN_FILE = "plan-file"
    SNAPSHOT = "snapshot"
    STATE = "state"


def schema(
    name: Annotated[SchemaName, typer.Argument(metavar="NAME", help="Such as plan, event or state.")],
    as_json: JsonOpt = False,
) -> None:
    """Print a JSON Schema of what krakenstate writes.

    Made from the models that write it: desired, event, plan, plan-file, snapshot, state. Newer minor versions
    add fields, which readers ignore. --json changes how failures are reported.
    """
    from krakenstate.views.schemas import schema as schema_of

    Output(json=as_json).data(schema_of(name.value))
