"""Entries of a key-value store that may hold a key: where they lie, and what they say."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from krakenstate.errors import CredentialMalformed, OriginRefused
from krakenstate.model.declarations import VaultFields
from krakenstate.secret.base import from_fields
from krakenstate.store.base import Entry, KeyValue, Metadata


def below(kv: KeyValue, folder: str) -> Iterator[str]:
    """Names in a folder and in its folders; what lies deeper is named by its folder."""
    told = kv.heads(folder)
    if told is not None:
        yield from sorted({_two_levels(name) for name in told})
        return
    for name in kv.list(folder):
        if not name.endswith("/"):
            yield name
            continue
        yield from (f"{name}{inner}" for inner in kv.list(f"{folder}/{name.rstrip('/')}"))


def heads_in(
    kv: KeyValue, folder: str, wanted: Iterable[str] | None = None
) -> Iterator[tuple[str, str, Metadata]]:
    """Process, address and head of each entry ``<folder>/<process>/<address>``; of these processes, or all.

    One call where the server tells all heads at once, else one per process and one per entry.
    """
    told = kv.heads(folder)
    if told is not None:
        for name, head in told.items():
            process, _, address = name.partition("/")
            if address and "/" not in address and (wanted is None or process in wanted):
                yield process, address, head
        return
    processes = {name.rstrip("/") for name in kv.list(folder) if name.endswith("/")}
    for process in sorted(processes if wanted is None else processes.intersection(wanted)):
        for address in kv.list(f"{folder}/{process}"):
            found = None if address.endswith("/") else kv.metadata(f"{folder}/{process}/{address}")
            if found is not None:
                yield process, address, found


def _two_levels(name: str) -> str:
    parts = name.split("/")
    return name if len(parts) <= 2 else f"{parts[0]}/{parts[1]}/"


def in_our_words(entry: Entry | None, fields: VaultFields) -> Entry | None:
    """An entry whose two halves are called as we call them."""
    if entry is None or fields == VaultFields():
        return entry
    own = {name: entry.data.get(there) for name, there in fields.model_dump().items()}
    return replace(entry, data={**entry.data, **own})


def fingerprint_in(entry: Entry) -> str | None:
    """Of the key an entry holds; ``None`` if it holds none."""
    try:
        return from_fields(entry.data).fingerprint
    except CredentialMalformed:
        return None


def holds(entry: Entry, texts: Mapping[str, str]) -> bool:
    """Whether an entry's fields are these, compared in a time that does not tell where they differ."""
    same = [
        hmac.compare_digest(str(entry.data.get(name)).encode(), text.encode()) for name, text in texts.items()
    ]
    return all(same)


def made_elsewhere(shown: str, environment: str, address: str) -> OriginRefused:
    """The refusal of a key that lies at ``shown`` and was made for another environment."""
    return OriginRefused(
        f"The key at {shown} was made for another environment than {environment}: "
        "its field environment says which. It was not sent anywhere: a server that does not know a "
        "key counts it as a failed authentication.",
        next_step="Give each environment a secrets= path of its own, and hand the key in again.",
        address=address,
    )
