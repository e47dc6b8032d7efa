"""The inventory: one line to a key, and which of them a stack manages."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from krakenstate.model.address import Address
from krakenstate.model.inventory import InventoryEntry
from krakenstate.views.style import plain
from krakenstate.views.values import clean_json
from krakenstate.views.words import count, table

FORMAT_VERSION = "1"
EMPTY = "The inventory is empty. Add a list of keys: krakenstate inventory add FILE"
UNMANAGED = "unmanaged"
Rows = Sequence[tuple[InventoryEntry, Address | None]]
_HEAD = ("name", "account", "api", "used by", "last used", "expiry", "allowlist", "vault path", "managed as")


def render_inventory(rows: Rows) -> str:
    """A table of all keys, and how many of them nobody manages."""
    if not rows:
        return EMPTY
    left = sum(1 for _, address in rows if address is None)
    lines = table(_HEAD, [_row(entry, address) for entry, address in rows])
    return "\n".join([*lines, "", f"{count(len(rows), 'key')}, {left} unmanaged."])


def inventory_json(rows: Rows) -> dict[str, JsonValue]:
    """Every entry whole, with the address that manages it."""
    return {
        "format_version": FORMAT_VERSION,
        "keys": [
            {
                **{name: clean_json(value) for name, value in entry.model_dump(mode="json").items()},
                "is_shared": len(entry.used_by) > 1,
                "managed_as": plain(address) if address else None,
            }
            for entry, address in rows
        ],
    }


def _row(entry: InventoryEntry, address: Address | None) -> tuple[str, ...]:
    networks = "?" if entry.networks is None else str(len(entry.networks)) if entry.networks else "open"
    return (
        entry.name,
        entry.account,
        entry.api.value,
        ", ".join(entry.used_by) or "?",
        str(entry.last_used or ""),
        str(entry.expires or ""),
        networks,
        entry.vault_path or "",
        address or UNMANAGED,
    )
