"""The state in Vault: an entry per document, or per part of a large one, and an index that pins versions.

How this works: changed parts are written first, each over its newest version; then the index, with
check-and-set on the version it was loaded at. Whoever reads the index reads exactly the versions it pins, and
checks their digests, so a run that dies between parts and index has changed nothing: what it wrote are
versions nobody pins, and the next save writes over them. A part without records and tasks leaves the index,
and is deleted after the index was written.

The pinned version must outlive the writing of the next one, also when several runs in a row die before their
index. So each entry says itself how many versions it keeps, whatever the mount says (one, at worst): ten, or
more while versions that nobody pins pile up. A token that may not say so goes on with what the mount keeps;
``doctor`` warns where that is too little.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import NoReturn
from weakref import WeakKeyDictionary

from krakenstate.errors import (
    LineageExists,
    LineageMissing,
    StateConflict,
    StateDamaged,
    StateRestored,
    VaultConflict,
    VaultDenied,
    VaultError,
)
from krakenstate.model.index import Index, Pin
from krakenstate.model.state import Document, State
from krakenstate.store.base import Entry, KeyValue, Metadata
from krakenstate.store.vault.formats import is_of, is_sealed, seal, unsealed, upgrade
from krakenstate.store.vault.packs import Packs
from krakenstate.store.vault.parts import Part, divide, document_named, unite
from krakenstate.store.vault.pins import Page, is_page, pages_of
from krakenstate.store.vault.records import ATTEMPTS, parse, side_by_side

log = logging.getLogger("krakenstate.state")
KEPT_VERSIONS = 10
_NO_PAGES: Mapping[str, Pin] = {}
_REBUILD = "or make the state anew from what exists:\n\n    krakenstate state rebuild"


@dataclass(frozen=True)
class _Basis:
    """The index a state was read under, and the version of its entry."""

    index: Index
    version: int
    pages: Mapping[str, Pin] = field(default_factory=dict)
    is_older: bool = False
    """Whether it was read in an older format, so that the next save writes all of it."""

    @cached_property
    def whole(self) -> frozenset[str]:
        """The documents that it pins, whole or in parts."""
        return frozenset(map(document_named, self.index.documents))


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
        self._packs = Packs(kv, self._document_path)
        self._roomy: set[str] = set()  # entries that keep enough versions, as long as nobody else writes them

    @property
    def location(self) -> str:
        """Mount and path, for messages."""
        return f"{self._mount}/{self._path}"

    def create(self, index: Index) -> State:
        """Starts a lineage. A deleted index whose history is left counts as existing: it can be restored."""
        index = index.model_copy(update={"krakenstate_version": self._version})
        try:
            version = self._kv.write(self._index_path, seal(index.model_dump(mode="json")), cas=0)
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

    def load(self, *, without_packs: bool = False) -> State:
        """Reads index and pinned documents, checking each.

        Whoever writes meanwhile may remove what an index just read still pins; then there is a newer one.
        """
        entry = self._read_index()
        for _ in range(ATTEMPTS):
            try:
                return self._load_under(entry, without_packs=without_packs)
            except StateDamaged:
                newest = self._read_index()
                if newest.version == entry.version:
                    raise
                entry = newest
        raise StateConflict(f"The state at {self.location} changes too fast to be read.")

    def save(self, state: State, now: datetime) -> None:
        """Writes changed documents, then the index with the next serial; nothing if nothing changed."""
        basis = self._bases.get(state)
        if basis is None:
            raise StateConflict(
                f"This state was not read from {self.location}, so it cannot be written there."
            )
        if not state.changed and _without_pins(state.index) == _without_pins(basis.index):
            return
        pinned = basis.index.documents
        touched = {n for n in state.documents if n in state.changed or basis.is_older or n not in basis.whole}
        gone = {n for n in pinned if document_named(n) in touched}
        contents = {n: part for name in sorted(touched) for n, part in divide(state.documents[name]).items()}
        kept = {n: pin for n, pin in pinned.items() if n not in gone}
        kept |= {n: pinned[n] for n, c in contents.items() if n in pinned and pinned[n].digest == c.digest}
        fresh = {n: c for n, c in contents.items() if n not in kept}
        if not fresh and kept == pinned and _without_pins(state.index) == _without_pins(basis.index):
            state.changed.clear()
            return
        self._refuse_if_moved(basis)
        written = self._write_all(fresh, pinned)
        index = state.index.model_copy(
            update={
                "krakenstate_version": self._version,
                "serial": basis.index.serial + 1,
                "written_at": now,
                "documents": dict(sorted({**kept, **written}.items())),
            }
        )
        pages = self._write_pages(index, basis)
        shown = index.model_copy(update={"documents": pages}) if pages else index
        state.index = index
        self._remember(state, self._write_index(shown, basis.version), pages)
        for name in sorted({*pinned, *basis.pages} - {*index.documents, *pages}):
            self._delete(name)
        for name in [n for n, d in state.documents.items() if d.is_empty]:
            del state.documents[name]
        state.changed.clear()

    def pack(self, state: State) -> None:
        """Renews the packs of the state as it was saved; see ``packs.py``."""
        try:
            self._packs.renew(state.index.documents, state.documents)
        except VaultError as error:
            log.warning("The packs at %s were left as they are: %s", self.location, error.message)

    def own_limits(self, state: State) -> dict[str, int]:
        """How many versions the entries of index and documents keep by their own word, by path."""
        basis = self._bases.get(state)
        names = [*state.index.documents, *(basis.pages if basis else ())]
        paths = [self._index_path, *map(self._document_path, names)]
        heads = {path: self._kv.metadata(path) for path in paths}
        return {f"{self._mount}/{path}": head.keeps if head else 0 for path, head in heads.items()}

    @property
    def _index_path(self) -> str:
        return f"{self._path}/index"

    def _document_path(self, name: str) -> str:
        return f"{self._path}/resources/{name}"

    def _shown(self, name: str) -> str:
        return f"{self._mount}/{self._index_path if name == 'index' else self._document_path(name)}"

    def _remember(
        self, state: State, version: int, pages: Mapping[str, Pin] = _NO_PAGES, *, is_older: bool = False
    ) -> State:
        self._bases[state] = _Basis(state.index, version, pages, is_older)
        return state

    def _write_pages(self, index: Index, basis: _Basis) -> dict[str, Pin]:
        """Writes the pages that changed; none where the index can hold all pins."""
        pages = pages_of(index, index.documents)
        return {
            name: basis.pages[name]
            if name in basis.pages and basis.pages[name].digest == page.digest
            else self._write(name, page, basis.pages.get(name))
            for name, page in pages.items()
        }

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

    def _read_index(self) -> Entry:
        entry = self._kv.read(self._index_path)
        return self._refuse_missing() if entry is None else entry

    def _load_under(self, entry: Entry, *, without_packs: bool) -> State:
        shown = self._shown("index")
        writer = entry.data.get("krakenstate_version")
        upgraded = upgrade(entry.data, shown, reader=self._version, writer=writer)
        if not is_sealed(entry.data):
            raise StateDamaged(
                f"Version {entry.version} of {shown} is not what krakenstate wrote: its digest does not fit.",
                next_step=(
                    f"See its history, and put the last good version back:\n\n    bao kv metadata get {shown}"
                    f"\n    bao kv rollback -version={max(1, entry.version - 1)} {shown}\n\n{_REBUILD}"
                ),
            )
        index = parse(Index, Entry(unsealed(upgraded), entry.version), shown)
        if entry.version != index.serial + 1:
            self._refuse_restored(index, entry.version)
        pages = {name: pin for name, pin in index.documents.items() if is_page(name)}
        if pages:
            index = index.model_copy(update={"documents": self._unfold(pages, index)})
        is_older = upgraded != entry.data
        parts = {} if without_packs or is_older else self._packs.read(index)
        rest = {name: pin for name, pin in index.documents.items() if name not in parts}
        jobs = [partial(self._load, name, pin, index) for name, pin in rest.items()]
        parts |= zip(rest, side_by_side(jobs), strict=True)
        united = unite(parts[name] for name in index.documents)
        return self._remember(State(index, united), entry.version, pages, is_older=is_older)

    def _unfold(self, pages: Mapping[str, Pin], index: Index) -> dict[str, Pin]:
        """All pins, from the pages that the index pins."""
        entries = side_by_side([partial(self._read_pinned, name, pin) for name, pin in pages.items()])
        pins: dict[str, Pin] = {}
        for name, entry in zip(pages, entries, strict=True):
            page = parse(Page, entry, self._shown(name))
            self._refuse_foreign(page, name, index)
            pins |= page.unfold()
        return dict(sorted(pins.items()))

    def _load(self, name: str, pin: Pin, index: Index) -> Document:
        shown = self._shown(name)
        entry = self._read_pinned(name, pin)
        data = upgrade(entry.data, shown, reader=self._version, writer=index.krakenstate_version)
        document = parse(Document, Entry(data, entry.version), shown)
        self._refuse_foreign(document, name, index)
        return document

    def _read_pinned(self, name: str, pin: Pin) -> Entry:
        shown = self._shown(name)
        entry = self._kv.read(self._document_path(name), pin.version)
        if entry is None:
            raise StateDamaged(
                f"Version {pin.version} of {shown} is gone; the index pins it. Nothing was written.",
                next_step=(
                    "If it was deleted and not destroyed, bring it back:\n\n    bao kv undelete "
                    f"-versions={pin.version} {shown}\n\n{_REBUILD}"
                ),
            )
        if not is_of(entry.data, pin.digest):
            raise StateDamaged(
                f"Version {pin.version} of {shown} is not what the index pinned. Nothing was written.",
                next_step=f"Restore it from a backup of Vault, {_REBUILD}",
            )
        return entry

    def _refuse_foreign(self, found: Document | Page, name: str, index: Index) -> None:
        if (found.lineage, found.name) != (index.lineage, name):
            raise StateDamaged(
                f"{self._shown(name)} belongs to another state or is another document: it says "
                f"{found.name[:80]}, of the lineage {found.lineage[:40]}. Nothing was written.",
                next_step=f"Restore it from a backup of Vault, {_REBUILD}",
            )

    def _refuse_restored(self, index: Index, version: int) -> None:
        """An index that was put back is older than another in its entry's history.

        Each save writes one version, so this is looked at only where serial and version do not go together.
        """
        for earlier in range(version - 1, 0, -1):
            entry = self._kv.read(self._index_path, earlier)
            if entry is None or entry.data.get("lineage") != index.lineage or not is_sealed(entry.data):
                continue
            serial = entry.data.get("serial")
            if isinstance(serial, int) and serial > index.serial:
                raise StateRestored(
                    f"The state at {self.location} is that of serial {index.serial}, put back over serial "
                    f"{serial}. What was created, handed in and published since is not in it: going on could "
                    "create a subaccount again, and publish over a key in service.",
                    next_step=f"Put the newer one back: bao kv rollback -version={earlier} "
                    f"{self._shown('index')}",
                )

    def _refuse_if_moved(self, basis: _Basis) -> None:
        """Looks before writing documents, so that a run that lost its turn adds no versions to them."""
        head = self._kv.metadata(self._index_path)
        if (head.version if head else 0) != basis.version:
            raise StateConflict(f"The state at {self.location} was written since this run read it.")
        self._keep_history(self._index_path, head, basis.version)

    def _keep_history(self, path: str, head: Metadata | None, pinned: int) -> None:
        """Makes an entry keep the pinned version beside the one that is written next, and some more."""
        newest = head.version if head else 0
        needed = newest + 2 - pinned if pinned else 0
        if (head.keeps if head else 0) >= max(KEPT_VERSIONS, needed):
            return
        try:
            self._kv.keep_versions(path, KEPT_VERSIONS if needed <= KEPT_VERSIONS else needed + KEPT_VERSIONS)
        except VaultDenied as error:
            if needed > KEPT_VERSIONS:
                raise
            log.debug("%s keeps as many versions as the mount says: %s", path, error.message)

    def _write_all(self, contents: Mapping[str, Part], pinned: Mapping[str, Pin]) -> dict[str, Pin]:
        jobs = [partial(self._write, name, content, pinned.get(name)) for name, content in contents.items()]
        return dict(zip(contents, side_by_side(jobs), strict=True))

    def _write(self, name: str, content: Part, pin: Pin | None) -> Pin:
        path = self._document_path(name)
        if pin is not None and path in self._roomy:
            with suppress(VaultConflict):  # a run died before its index: looked at below
                return Pin(version=self._kv.write(path, content.data, cas=pin.version), digest=content.digest)
        head = self._kv.metadata(path)
        newest = head.version if head else 0
        if newest > (pin.version if pin else 0):
            # A run died before its index. What it left is used if it is what is wanted, so that repeated
            # deaths do not push the pinned version out of the entry's history.
            left = self._kv.read(path)
            if left is not None and is_of(left.data, content.digest):
                return Pin(version=left.version, digest=content.digest)
        self._keep_history(path, head, pin.version if pin else 0)
        self._roomy.add(path)
        try:
            return Pin(version=self._kv.write(path, content.data, cas=newest), digest=content.digest)
        except VaultConflict:
            pass
        raise StateConflict(f"{self._shown(name)} was written by somebody else meanwhile.")

    def _write_index(self, index: Index, version: int) -> int:
        try:
            return self._kv.write(self._index_path, seal(index.model_dump(mode="json")), cas=version)
        except VaultConflict:
            pass
        raise StateConflict(f"The state at {self.location} was written since this run read it.")

    def _delete(self, name: str) -> None:
        try:
            self._kv.delete(self._document_path(name))
        except VaultError as error:
            log.warning("The empty document %s was left behind: %s", self._shown(name), error.message)


def _without_pins(index: Index) -> Index:
    return index.model_copy(update={"documents": {}})
