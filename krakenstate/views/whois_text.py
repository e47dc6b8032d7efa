"""Whose key an alert is about."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from krakenstate.model.base import format_instant
from krakenstate.model.sighting import Looked, Owner
from krakenstate.views.key_text import FUNDS
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain, wrap
from krakenstate.views.values import FINGERPRINT_SHOWN, clean_json
from krakenstate.views.words import count

FORMAT_VERSION = "1.0"
_COLUMN = 15


def render_owners(
    owners: Sequence[Owner],
    looked: Looked,
    others: Sequence[str],
    *,
    colour: bool = False,
    width: int = DEFAULT_WIDTH,
) -> str:
    """A block per place where a fitting key is known, then where was looked and where not.

    Args:
        owners: At least one; keys in service first.
        looked: Where was looked.
        others: Names of stacks that were not looked at.
        colour: Whether ANSI colours are added.
        width: Columns of the terminal.
    """
    paint = Paint(colour)
    lines: list[str] = []
    if len(owners) > 1:
        lines += [f"{count(len(owners), 'place')} fit, so more than one key may be meant:", ""]
    for found in owners:
        first, *rest = wrap(f"{found.sighting.address}: {found.sighting.role.value}", width, "", "  ")
        lines += [paint.bold(first), *rest]
        for label, value in _facts(found):
            lines += wrap(value, width, f"  {label}".ljust(_COLUMN), " " * _COLUMN)
        lines.append("")
    return "\n".join([*lines, *wrap(_where(looked, others), width, "")])


def owners_json(owners: Sequence[Owner], looked: Looked, others: Sequence[str]) -> dict[str, JsonValue]:
    """The same for programs: every place, with its address, role, owner, and what is known of the key."""
    return {
        "format_version": FORMAT_VERSION,
        "matches": [_owner_json(found) for found in owners],
        "looked_at": {
            "keys": looked.keys,
            "tasks": looked.tasks,
            "observed_at": format_instant(looked.observed_at) if looked.observed_at else None,
        },
        "not_looked_at": [plain(name) for name in others],
    }


def _owner_json(found: Owner) -> JsonValue:
    seen = found.sighting
    return clean_json(
        {
            "address": seen.address,
            "role": seen.role.value,
            "fingerprint": seen.fingerprint,
            "last_four": seen.last_four,
            "key_name": seen.key_name,
            "generation": seen.generation,
            "at": format_instant(seen.at) if seen.at else None,
            "task": seen.task_id,
            "account": found.account,
            "account_label": found.account_label,
            "process": found.process,
            "owner": found.owner,
            "purpose": found.purpose,
            "credential": found.row.model_dump(mode="json") if found.row else None,
        }
    )


def _facts(found: Owner) -> list[tuple[str, str]]:
    seen, row = found.sighting, found.row
    marks = [
        f'"{seen.key_name}"' if seen.key_name else "",
        f"...{seen.last_four}" if seen.last_four else "",
        f"fp {seen.fingerprint[:FINGERPRINT_SHOWN]}" if seen.fingerprint else "",
        f"generation {seen.generation}" if seen.generation is not None else "",
    ]
    end = f", IIBAN ending in {row.iiban_end}" if row and row.iiban_end else ""
    facts = [
        ("key", ", ".join(mark for mark in marks if mark)),
        ("account", f"{found.account_label} ({found.account}{end})" if found.account else "not known"),
        ("process", f"{found.process or 'not known'}{f': {found.purpose}' if found.purpose else ''}"),
        ("owner", found.owner or "not known"),
    ]
    if row is not None:
        rights = "not managed" if row.rights is None else ", ".join(row.rights) or "nothing"
        facts += [("can", rights), ("moves funds", FUNDS[row.moves_funds]), ("stage", row.stage.value)]
    if seen.at is not None:
        facts.append(("since", format_instant(seen.at)))
    if seen.task_id:
        facts.append(("task", f"{seen.task_id}: krakenstate task show {seen.task_id}"))
    return facts


def _where(looked: Looked, others: Sequence[str]) -> str:
    missed = f" Not looked at: {', '.join(others)}." if others else ""
    return f"Looked at: {looked}.{missed}"
