"""What is written in and beside a secret: fields for the process, custom metadata for everybody else.

Custom metadata values are texts of at most 512 bytes. ``generations`` maps versions of the entry to
generations of the key as compact JSON: the newest versions, as many as fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from krakenstate.model.credential import Credential
from krakenstate.secret.base import Label, Slot
from krakenstate.store.base import Metadata

MANAGED_BY = "krakenstate"
RELEASED = "nobody: released by krakenstate"
"""In the place of ``MANAGED_BY`` beside a secret that was let go of."""

RECORDED_AS = "recorded-as"
"""The key's address, where it was renamed and its path was not."""

BESIDE = frozenset({"account", "iiban", "environment", "nonce_unit", "key_name"})
"""The fields of a published secret that are no secret."""

MAX_VALUE_BYTES = 512


def process_name(slot: Slot) -> str:
    """The process's bare name, which is its folder, whether the slot gives its name or its address."""
    return slot.process.rpartition(".")[2]


def halves(credential: Credential) -> dict[str, str]:
    """Both halves, as they are stored."""
    return {
        "api_key": credential.api_key.get_secret_value(),
        "api_secret": credential.api_secret.get_secret_value(),
    }


def data(credential: Credential, label: Label) -> dict[str, str]:
    """What the process reads. Every field is always there; what is not known is an empty text."""
    return {
        **halves(credential),
        "account": label.account,
        "iiban": label.iiban or "",
        "environment": label.environment,
        "nonce_unit": label.nonce_unit.value if label.nonce_unit else "",
        "key_name": label.key_name or "",
    }


def published(
    before: Mapping[str, str], slot: Slot, label: Label, fingerprint: str, version: int
) -> dict[str, str]:
    """The custom metadata of a published secret whose data will be ``version``."""
    return {
        "managed-by": MANAGED_BY,
        "stack": label.stack,
        "address": slot.address,
        "process": process_name(slot),
        "fingerprint": fingerprint,
        "fingerprint-version": str(version),
        "generations": _generations(before.get("generations"), version, label.generation),
    }


def quarantined(stack: str, slot: Slot, fingerprint: str, version: int, received_at: str) -> dict[str, str]:
    """The custom metadata of a secret in quarantine whose data will be ``version``."""
    return {
        "managed-by": MANAGED_BY,
        "stack": stack,
        "address": slot.address,
        "fingerprint": fingerprint,
        "fingerprint-version": str(version),
        "received-at": received_at,
    }


def fingerprint(head: Metadata) -> str | None:
    """Of the newest version; ``None`` if the metadata speaks of another one."""
    is_current = head.custom.get("fingerprint-version") == str(head.version) and not head.gone
    return head.custom.get("fingerprint") if is_current else None


def generation(head: Metadata) -> int:
    """Of the newest version; 1 where the metadata does not tell."""
    return _known_generations(head.custom.get("generations")).get(head.version, 1)


def is_foreign(head: Metadata, stack: str, slot: Slot) -> str | None:
    """Why an existing entry is not this stack's secret of this slot, as the rest of a sentence."""
    if head.custom.get("managed-by") != MANAGED_BY:
        return "exists, and krakenstate did not put it there"
    if head.custom.get("stack") != stack:
        return "is managed by another stack"
    if head.custom.get("address") != slot.address:
        return "belongs to another key"
    return None


def _known_generations(text: str | None) -> dict[int, int]:
    try:
        read = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(read, dict):
        return {}
    return {int(k): v for k, v in read.items() if k.isdigit() and isinstance(v, int)}


def _generations(before: str | None, version: int, generation: int) -> str:
    kept = {v: g for v, g in _known_generations(before).items() if v < version} | {version: generation}
    while True:
        text = json.dumps({str(v): kept[v] for v in sorted(kept)}, separators=(",", ":"))
        if len(text.encode()) <= MAX_VALUE_BYTES:
            return text
        del kept[min(kept)]
