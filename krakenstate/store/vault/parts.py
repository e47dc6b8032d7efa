"""A large document in parts: which record and task lies in which, and how they become one again.

How this works: a document that fits the limits is one part under its own name. A larger one is divided among
the smallest power of two of parts that all fit, each record and task going where a hash of its address or id
sends it, so that a change touches one part, and the same state always lies in the same parts. Part n > 1 of
``spot_subaccount.mm`` is called ``spot_subaccount.mm.n``; no address ends like that. Parts without content
are left out. The index pins every part, so none can be missing unnoticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from krakenstate.errors import StateTooLarge
from krakenstate.model.state import Document
from krakenstate.store.vault.canonical import canonical

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_STRINGS = 900
"""Keys and strings in one part. OpenBao refuses a request with more than 1000 unless its listener says
otherwise. Source: OpenBao, listener parameter max_request_json_strings, 2.4.1 (read in November 2026)."""
MAX_PARTS = 1024
_PART = re.compile(r"(.+)\.([2-9]|[1-9][0-9]+)")


class Part(NamedTuple):
    """What is written at one path: data, its digest, and how much it is: bytes of canonical JSON, strings."""

    data: dict[str, Any]
    digest: str
    size: int
    strings: int

    @property
    def fits(self) -> bool:
        """Whether Vault takes it in one entry."""
        return self.size <= MAX_DOCUMENT_BYTES and self.strings <= MAX_STRINGS


def divide(document: Document) -> dict[str, Part]:
    """A document's parts by name; none for an empty one.

    Raises:
        StateTooLarge: A record or task is too large for a part of its own.
    """
    if document.is_empty:
        return {}
    whole = _part(document)
    if whole.fits:
        return {document.name: whole}
    count = 2
    while count <= MAX_PARTS:
        parts = {d.name: _part(d) for d in _share_out(document, count)}
        if all(part.fits for part in parts.values()):
            return parts
        count *= 2
    largest = max(
        [*document.records.items(), *document.tasks.items(), *document.inventory.items()],
        key=lambda item: len(item[1].model_dump_json()),
    )
    raise StateTooLarge(
        f"The document {document.name} cannot be divided into parts of at most {MAX_DOCUMENT_BYTES} bytes "
        f"and {MAX_STRINGS} strings; the largest it holds is {largest[0]}. Nothing was written."
    )


def document_named(part: str) -> str:
    """The name of the document that a part belongs to."""
    found = _PART.fullmatch(part)
    return found[1] if found else part


def unite(parts: Iterable[Document]) -> dict[str, Document]:
    """Documents by name, from all their parts."""
    whole: dict[str, Document] = {}
    for part in parts:
        name = document_named(part.name)
        if part.name == name and name not in whole:  # nearly every document is one part
            whole[name] = part
            continue
        before = whole.get(name) or Document(lineage=part.lineage, name=name)
        whole[name] = before.model_copy(
            update={
                "records": {**before.records, **part.records},
                "tasks": {**before.tasks, **part.tasks},
                "inventory": {**before.inventory, **part.inventory},
            }
        )
    return whole


def _share_out(document: Document, count: int) -> Iterator[Document]:
    for number in range(count):
        records = {a: r for a, r in document.records.items() if number_of(a, count) == number}
        tasks = {i: t for i, t in document.tasks.items() if number_of(i, count) == number}
        inventory = {i: e for i, e in document.inventory.items() if number_of(i, count) == number}
        if records or tasks or inventory:
            name = f"{document.name}.{number + 1}" if number else document.name
            share = {"name": name, "records": records, "tasks": tasks, "inventory": inventory}
            yield document.model_copy(update=share)


def number_of(key: str, count: int) -> int:
    """Which of so many parts a key belongs to, always the same."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % count


def _part(document: Document) -> Part:
    data = document.model_dump(mode="json")
    text = canonical(data)
    return Part(data, hashlib.sha256(text).hexdigest(), len(text), strings_in(data))


def strings_in(value: object) -> int:
    """How many keys and strings a JSON value holds."""
    if isinstance(value, dict):
        return sum(1 + strings_in(below) for below in value.values())
    if isinstance(value, list):
        return sum(map(strings_in, value))
    return int(isinstance(value, str))
