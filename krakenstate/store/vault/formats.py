"""What the state looks like in Vault by its format: upgraded when read, refused when newer, and sealed.

How this works: an index or document of an older format is brought forward in memory, one step per format; the
next save that has something to write writes all of it in the newest. A newer format is refused whole, since
what is not understood would be lost at the next write.

Formats: 1, documents undivided and an index without digest. 2, a large account's document in several parts,
and an index that carries the digest of its other fields, since nothing else vouches for it. 3, an index that
tells of each applied plan the serial under which it was applied, and that may keep its pins on pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from krakenstate.errors import StateDamaged, StateTooNew
from krakenstate.model.index import FORMAT_VERSION
from krakenstate.store.vault.canonical import canonical

Data = dict[str, Any]
_SEAL = "digest"
_SEALED_SINCE = 2


def _from_1(data: Data) -> Data:
    """Only the number changes: an undivided document is one of one part."""
    return {**data, "format_version": 2}


def _from_2(data: Data) -> Data:
    """Plans that were applied count as applied under the serial that the index has."""
    applied = data.get("applied_digests")
    if not isinstance(applied, list):
        return {**data, "format_version": 3}
    serials = {digest: data.get("serial") for digest in applied if isinstance(digest, str)}
    return {**data, "format_version": 3, "applied_digests": serials}


_STEPS: dict[int, Callable[[Data], Data]] = {1: _from_1, 2: _from_2}


def upgrade(data: Data, shown: str, *, reader: str, writer: object) -> Data:
    """An index or document as the newest format has it; what has no format is left for its model to refuse.

    Args:
        data: As read.
        shown: Its path, for messages.
        reader: The version of this krakenstate.
        writer: The version that wrote the index, as the index says.

    Raises:
        StateTooNew: A newer krakenstate wrote it.
        StateDamaged: No krakenstate did.
    """
    found = data.get("format_version")
    if not isinstance(found, int):
        return data
    if found > FORMAT_VERSION:
        known = isinstance(writer, str) and bool(writer)
        by = f"krakenstate {writer[:40]}" if isinstance(writer, str) and known else "a newer krakenstate"
        raise StateTooNew(
            f"{shown} was written by {by} in format {found}; this is krakenstate {reader}, which reads "
            f"formats up to {FORMAT_VERSION}. Nothing was written.",
            next_step=f"Use {by} or newer." if known else None,
        )
    while found < FORMAT_VERSION:
        if found not in _STEPS:
            raise StateDamaged(f"{shown} has format {found}, which no krakenstate ever wrote.")
        data = _STEPS[found](data)
        found = data["format_version"]
    return data


def is_of(data: Data, digest: str) -> bool:
    """Whether data have a digest.

    A server tells an entry as it was written: its fields in order, as a rule. Then a faster encoder, which
    sorts nothing, makes the canonical bytes too, and where it does not, the digest says so.
    """
    try:
        as_told = hashlib.sha256(to_json(data)).hexdigest()
    except ValueError:
        as_told = None
    return as_told == digest or digest_of(data) == digest


def digest_of(data: Data) -> str | None:
    """SHA-256 of the canonical JSON; ``None`` for data that has none and so was never written by us."""
    try:
        return hashlib.sha256(canonical(data)).hexdigest()
    except ValueError:
        return None


def seal(index: Data) -> Data:
    """An index with the digest of its fields."""
    return {**index, _SEAL: digest_of(index)}


def unsealed(index: Data) -> Data:
    """An index without its digest."""
    return {name: value for name, value in index.items() if name != _SEAL}


def is_sealed(index: Data) -> bool:
    """Whether an index, as read, is as it was written; an older format had no digest, and is believed."""
    found = index.get("format_version")
    is_older = isinstance(found, int) and found < _SEALED_SINCE
    return is_older or index.get(_SEAL) == digest_of(unsealed(index))
