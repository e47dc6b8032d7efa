"""The state: its addresses, and one record in full."""

import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from krakenstate.model.base import Model
from krakenstate.model.index import Index
from krakenstate.model.state import Document, Record, State
from krakenstate.model.task import Task
from krakenstate.views import values
from krakenstate.views.blocks import resource_title
from krakenstate.views.style import Paint, plain
from krakenstate.views.words import count

FORMAT_VERSION = "1"
"""Of this JSON; the format in which the state is stored is told by its own parts."""
NOTHING_RECORDED = "The state records nothing yet."
_HEADING = {"kind", "address"}


class WholeState(Model):
    """The state as one JSON object."""

    format_version: str
    index: Index
    documents: dict[str, Document]


def render_state_list(state: State) -> str:
    """One address to a line, so that other programs can read it."""
    return "\n".join(plain(record.address) for record in state.records) or NOTHING_RECORDED


def state_list_json(state: State) -> dict[str, JsonValue]:
    """The state's head, and each record's address and kind."""
    return {
        "format_version": FORMAT_VERSION,
        "lineage": plain(state.index.lineage),
        "serial": state.index.serial,
        "stack": plain(state.index.stack),
        "environment": plain(state.index.environment),
        "records": [{"address": str(record.address), "kind": record.kind} for record in state.records],
    }


def render_record(record: Record, *, tasks: Sequence[Task] = (), colour: bool = False) -> str:
    """A record as a block of attributes; what is not set is left out.

    Args:
        record: What the state holds at an address.
        tasks: Its open tasks, named above the block.
        colour: Whether ANSI colours are added.
    """
    paint = Paint(colour)
    address = record.address
    attributes = {
        name: value for name, value in record.model_dump(mode="json").items() if name not in _HEADING
    }
    opened = [
        f"# task {plain(t.id)} is open for {plain(t.assignee)}: {t.kind.value}" for t in tasks if t.is_open
    ]
    lines = [
        paint.bold(f"# {plain(address)}:"),
        *opened,
        f"{resource_title(address.type, address.name)} {{",
        *_body(attributes, "    "),
        "}",
    ]
    return "\n".join(lines)


def record_json(record: Record, *, tasks: Sequence[Task] = ()) -> dict[str, JsonValue]:
    """A record and its open tasks, whole."""
    return {
        "format_version": FORMAT_VERSION,
        "record": values.clean_object(record.model_dump(mode="json")),
        "tasks": [values.clean_object(task.model_dump(mode="json")) for task in tasks],
    }


def whole_state(state: State) -> str:
    """Index and all documents as one JSON text: nothing left out, and the same state is the same text.

    Sorted, indented, and ASCII only, so that a terminal can show it without losing a character.
    """
    everything = WholeState(format_version=FORMAT_VERSION, index=state.index, documents=state.documents)
    return json.dumps(everything.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)


def _body(attributes: Mapping[str, JsonValue], indent: str) -> Iterable[str]:
    present = {plain(name): value for name, value in attributes.items() if value is not None and value != ""}
    longest = max((len(name) for name in present), default=0)
    for name, value in present.items():
        yield from _attribute(name, name.ljust(longest), value, indent)


def _attribute(name: str, padded: str, value: JsonValue, indent: str) -> Iterable[str]:
    start = f"{indent}{padded} = "
    inner = indent + "    "
    if values.is_sensitive(name):
        yield f"{start}{values.SENSITIVE}"
    elif isinstance(value, dict) and value:
        yield f"{start}{{"
        yield from _body(value, inner)
        yield f"{indent}}}"
    elif isinstance(value, list) and value:
        yield f"{start}["
        for element in value:
            yield f"{inner}{values.literal(element)},"
        yield f"{indent}]"
    elif values.is_text_block(value):
        yield f"{start}<<-EOT"
        yield from (f"{inner}{line}".rstrip() for line in values.text_lines(value))
        yield f"{indent}EOT"
    else:
        yield start + values.shown(name, value)


def render_rebuilt(
    state: State, *, why: str, keys: Sequence[str], asked: Sequence[Task], left: Sequence[str]
) -> str:
    """What a rebuild found, what it asks people, and what it had to leave alone."""
    lines = [
        f"The state was made anew (lineage {plain(state.index.lineage)}). {plain(why)}",
        f"  {count(len(keys), 'key')} recorded from Vault{': ' if keys else ''}{plain(', '.join(keys))}",
        f"  {count(len(asked), 'question')} for people: what was recorded only in the lost state",
        *(f"    {plain(task.id)} {plain(task.address)}: {plain(task.title)}" for task in asked),
        *(f"  not recorded: {plain(line)}" for line in left),
    ]
    if asked:
        lines.append("Until a question is answered nothing is proposed there: krakenstate task show ID")
    return "\n".join(lines)


def rebuilt_json(
    state: State, *, why: str, keys: Sequence[str], asked: Sequence[Task], left: Sequence[str]
) -> dict[str, JsonValue]:
    """The new state's list, what was found in Vault, the questions, and what was left alone."""
    return {
        **state_list_json(state),
        "why": plain(why),
        "keys": [plain(address) for address in keys],
        "left": [plain(line) for line in left],
        "tasks": [values.clean_object(task.model_dump(mode="json")) for task in asked],
    }
