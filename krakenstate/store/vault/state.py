"""The state in Vault: one entry per document, and an index that pins their versions.

How this works: changed documents are written first, each over its newest version; then the index, with
check-and-set on the version it was loaded at. Whoever reads the index reads exactly the versions it pins, and
checks their digests, so a run that dies between documents and index has changed nothing: its documents are
versions nobody pins, and the next save writes over them. A document without records and tasks leaves the
index, and is deleted after the index was written.

KV keeps ten versions of an entry unless the mount says otherwise; keep it at two or more, so that the pinned
version outlives the writing of the next one.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import rfc8785

from krakenstate.errors import (
    LineageExists,
    LineageMissing,
    StateConflict,
    StateDamaged,
    StateTooLarge,
    StateTooNew,
    VaultConflict,
    VaultError,
)
from krakenstate.model.state import FORMAT_VERSION, Document, Index, Pin, State
from krakenstate.store.base import KeyValue
from krakenstate.store.vault.records import parse

log = logging.getLogger("krakenstate.state")
MAX_DOCUMENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Basis:
    """The index a state was read under, and the version of its entry."""

    index: Index
    version: int


class VaultStateStore:
    """``store.base.StateStore`` over a key-value store.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages.
        path: The stack's ``state`` prefix.
        version: Of this krakenstate, noted in each index it writes.
    """

    def __init__(self, kv: KeyValue, mount: str, path: str, *, version: str) -> None:
        self._kv = kv
        self._mount = mount
        self._path = path
        self._version = version
        self._bases: WeakKeyDictionary[State, _Basis] = WeakKeyDictionary()

    @property
    def location(self) -> str:
        """Mount and path, for messages."""
        return f"{self._mount}/{self._path}"

    def create(self, index: Index) -> State:
        """Starts a lineage. A deleted index whose history is left counts as existing: it can be restored."""
        index = index.model_copy(update={"krakenstate_version": self._version})
        try:
            version = self._kv.write(self._index_path, index.model_dump(mode="json"), cas=0)
        except VaultConflict:
            pass
        else:
            return self._remember(State(index, {}), version)
        raise LineageExists(
            f"There is a state at {self.location} already, or its deleted index can be restored."
        )

    def replace(self, state: State, now: datetime) -> None:
        """Writes a state made anew over whatever lies at the path, documents before the index.

        Until the index is written nothing has changed: a run that dies before can be repeated.
        """
        head = self._kv.metadata(self._index_path)
        nothing = state.index.model_copy(update={"lineage": "", "documents": {}})
        self._bases[state] = _Basis(nothing, head.version if head else 0)
        self.save(state, now)

    def load(self) -> State:
        """Reads index and pinned documents, checking each."""
        entry = self._kv.read(self._index_path)
        if entry is None:
            self._refuse_missing()
        self._check_format(entry.data, "index")
        index = parse(Index, entry, self._shown("index"))
        documents = {name: self._load(name, pin, index.lineage) for name, pin in index.documents.items()}
        return self._remember(State(index, documents), entry.version)

    def save(self, state: State, now: datetime) -> None:
        """Writes changed documents, then the index with the next serial; nothing if nothing changed."""
        basis = self._bases.get(state)
        if basis is None:
            raise StateConflict(
                f"This state was not read from {self.location}, so it cannot be written there."
            )
        contents = {n: _content(d) for n, d in sorted(state.documents.items()) if d.records or d.tasks}
        pinned = basis.index.documents
        fresh = {n: c for n, c in contents.items() if n not in pinned or pinned[n].digest != c.digest}
        kept = {n: pinned[n] for n in contents if n not in fresh}
        if not fresh and kept == pinned and _without_pins(state.index) == _without_pins(basis.index):
            state.changed.clear()
            return
        for name, content in fresh.items():
            if content.size > MAX_DOCUMENT_BYTES:
                raise StateTooLarge(
                    f"The document {name} would have {content.size} bytes, and {MAX_DOCUMENT_BYTES} are the "
                    "limit. Nothing was written."
                )
        self._refuse_if_moved(basis)
        written = {name: self._write(name, content, pinned.get(name)) for name, content in fresh.items()}
        index = state.index.model_copy(
            update={
                "krakenstate_version": self._version,
                "serial": basis.index.serial + 1,
                "written_at": now,
                "documents": dict(sorted({**kept, **written}.items())),
            }
        )
        state.index = index
        self._remember(state, self._write_index(index, basis.version))
        for name in sorted(set(pinned) - set(contents)):
            state.documents.pop(name, None)
            self._delete(name)
        state.changed.clear()

    @property
    def _index_path(self) -> str:
        return f"{self._path}/index"

    def _document_path(self, name: str) -> str:
        return f"{self._path}/resources/{name}"

    def _shown(self, name: str) -> str:
        return f"{self._mount}/{self._index_path if name == 'index' else self._document_path(name)}"

    def _remember(self, state: State, version: int) -> State:
        self._bases[state] = _Basis(state.index, version)
        return state

    def _refuse_missing(self) -> NoReturn:
        head = self._kv.metadata(self._index_path)
        if head is not None and head.version:
            raise LineageMissing(
                f"The index of the state at {self.location} was deleted; its history is still there.",
                next_step=(
                    "Restore it, then run the command again:\n\n    bao kv undelete "
                    f"-versions={head.version} {self._shown('index')}"
                ),
            )
        raise LineageMissing(f"There is no state at {self.location}.")

    def _check_format(self, data: dict[str, Any], name: str) -> None:
        found = data.get("format_version")
        if isinstance(found, int) and found > FORMAT_VERSION:
            raise StateTooNew(
                f"{self._shown(name)} has format {found}; this krakenstate reads up to {FORMAT_VERSION}."
            )

    def _load(self, name: str, pin: Pin, lineage: str) -> Document:
        shown = self._shown(name)
        entry = self._kv.read(self._document_path(name), pin.version)
        if entry is None:
            raise StateDamaged(f"Version {pin.version} of {shown} is gone; the index pins it.")
        if _digest(entry.data) != pin.digest:
            raise StateDamaged(f"Version {pin.version} of {shown} is not what the index pinned.")
        self._check_format(entry.data, name)
        document = parse(Document, entry, shown)
        if (document.lineage, document.name) != (lineage, name):
            raise StateDamaged(f"{shown} belongs to another state or is another document.")
        return document

    def _refuse_if_moved(self, basis: _Basis) -> None:
        """Looks before writing documents, so that a run that lost its turn adds no versions to them."""
        head = self._kv.metadata(self._index_path)
        if (head.version if head else 0) != basis.version:
            raise StateConflict(f"The state at {self.location} was written since this run read it.")

    def _write(self, name: str, content: _Content, pin: Pin | None) -> Pin:
        path = self._document_path(name)
        head = self._kv.metadata(path)
        newest = head.version if head else 0
        if newest > (pin.version if pin else 0):
            # A run died before its index. What it left is used if it is what is wanted, so that repeated
            # deaths do not push the pinned version out of the entry's history.
            left = self._kv.read(path)
            if left is not None and _digest(left.data) == content.digest:
                return Pin(version=left.version, digest=content.digest)
        try:
            return Pin(version=self._kv.write(path, content.data, cas=newest), digest=content.digest)
        except VaultConflict:
            pass
        raise StateConflict(f"{self._shown(name)} was written by somebody else meanwhile.")

    def _write_index(self, index: Index, version: int) -> int:
        try:
            return self._kv.write(self._index_path, index.model_dump(mode="json"), cas=version)
        except VaultConflict:
            pass
        raise StateConflict(f"The state at {self.location} was written since this run read it.")

    def _delete(self, name: str) -> None:
        try:
            self._kv.delete(self._document_path(name))
        except VaultError as error:
            log.warning("The empty document %s was left behind: %s", self._shown(name), error.message)


@dataclass(frozen=True, slots=True)
class _Content:
    data: dict[str, Any]
    digest: str
    size: int


def _content(document: Document) -> _Content:
    data = document.model_dump(mode="json")
    canonical = rfc8785.dumps(data)
    return _Content(data, hashlib.sha256(canonical).hexdigest(), len(canonical))


def _digest(data: dict[str, Any]) -> str | None:
    """SHA-256 of the canonical JSON; ``None`` for data that has none and so was never written by us."""
    try:
        return hashlib.sha256(rfc8785.dumps(data)).hexdigest()
    except (rfc8785.CanonicalizationError, ValueError):
        return None


def _without_pins(index: Index) -> Index:
    return index.model_copy(update={"documents": {}})
