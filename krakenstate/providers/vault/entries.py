"""Entries of a key-value store that may hold a key: where they lie, and what they say."""

from __future__ import annotations

from collections.abc import Iterator

from krakenstate.errors import CredentialMalformed
from krakenstate.model.declarations import VaultFields
from krakenstate.secret.base import from_fields
from krakenstate.store.base import Entry, KeyValue


def below(kv: KeyValue, folder: str) -> Iterator[str]:
    """Names in a folder and in its folders; what lies deeper is named by its folder."""
    for name in kv.list(folder):
        if not name.endswith("/"):
            yield name
            continue
        yield from (f"{name}{inner}" for inner in kv.list(f"{folder}/{name.rstrip('/')}"))


def in_our_words(entry: Entry | None, fields: VaultFields) -> Entry | None:
    """An entry whose two halves are called as we call them."""
    if entry is None or fields == VaultFields():
        return entry
    own = {name: entry.data.get(there) for name, there in fields.model_dump().items()}
    return Entry({**entry.data, **own}, entry.version)


def fingerprint_in(entry: Entry) -> str | None:
    """Of the key an entry holds; ``None`` if it holds none."""
    try:
        return from_fields(entry.data).fingerprint
    except CredentialMalformed:
        return None
