"""Copies of many documents in few entries, so that a large state is read in few calls.

How this works: the index pins each document by the SHA-256 of its canonical JSON, so a copy from anywhere is
as good as the document if its digest is the pinned one. Beside the documents lie packs, ``packs.1`` to
``packs.n``; no address ends like that. Each holds the canonical JSON of those documents that a hash of their
names sends to it, a line for each, compressed, and says how many packs there are. Whoever reads a state takes
what is found there, and reads the other documents themselves: a pack that is missing, old, damaged or foreign
costs time and nothing else, so it is never an error, and one version of it is enough.

A run that writes renews, when all else is done, those packs in which a twentieth is missing or no longer
pinned: a change of one document does not write two hundred others. The documents alone are the state.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice

from pydantic import Field, ValidationError
from pydantic_core import from_json

from krakenstate.errors import VaultDenied, VaultError
from krakenstate.model.base import Model, lighten
from krakenstate.model.index import FORMAT_VERSION, Index, Pin
from krakenstate.model.state import Document
from krakenstate.store.base import KeyValue
from krakenstate.store.vault.canonical import canonical
from krakenstate.store.vault.packed import pack, unpack
from krakenstate.store.vault.parts import MAX_DOCUMENT_BYTES, divide, document_named, number_of
from krakenstate.store.vault.records import side_by_side

log = logging.getLogger("krakenstate.state")
FEWEST = 50
"""With fewer documents the calls that packs save are not worth those that keep them."""
MAX_PACK_CHARS = 512 * 1024
MAX_PACKS = 64
_PER_PACK = 256
_STALE = 20
"""One in so many documents missing from a pack, or no longer pinned, and it is renewed."""
_UNPACKED_MAX = 32 * 1024 * 1024
_LINES_MAX = 10_000


class Pack(Model):
    """An entry with copies; ``count`` is how many there are."""

    count: int = Field(ge=1, le=MAX_PACKS)
    packed: str = Field(max_length=MAX_PACK_CHARS)


class Packs:
    """The packs of one state.

    Args:
        kv: The stack's mount.
        path_of: From a name beside the documents to its path.
    """

    def __init__(self, kv: KeyValue, path_of: Callable[[str], str]) -> None:
        self._kv = kv
        self._path_of = path_of
        self._held: dict[int, frozenset[str]] = {}  # the digests in each pack, as it was read or written last
        self._count = self._most = 0  # as many as there are by the first one's word, and may be

    def read(self, index: Index) -> dict[str, Document]:
        """Those of the pinned documents that packs hold, each as it was pinned. Raises nothing."""
        self._held, self._count, self._most = {}, 0, 0
        first = self._load(1) if len(index.documents) >= FEWEST else None
        if first is None:
            return {}
        self._count = self._most = first.count
        rest = side_by_side([partial(self._load, number) for number in range(2, first.count + 1)])
        names = {pin.digest: name for name, pin in index.documents.items()}
        found: dict[str, Document] = {}
        for number, each in enumerate([first, *rest], start=1):
            if each is None:
                continue
            held: list[str] = []
            for digest, text in _lines(each):
                held.append(digest)
                name = names.pop(digest, None)  # once: a line that stands there a thousand times costs little
                document = _document(text, name, index) if name is not None else None
                if document is not None:
                    found[document.name] = document
            self._held[number] = frozenset(held)
        return found

    def renew(self, pins: Mapping[str, Pin], documents: Mapping[str, Document]) -> None:
        """Writes those packs anew that have become old, and removes those that are not needed any more.

        Args:
            pins: Of the state as it was saved.
            documents: By name.

        Raises:
            VaultError: Vault took one of them not.
        """
        count = _count(len(pins), self._count)
        while count and not self._renew_all(_shares(pins, count), documents):
            count = count * 2 if count * 2 <= MAX_PACKS else 0
        for number in range(count + 1, self._most + 1):
            self._kv.delete(self._path(number))
        self._count = self._most = count

    def _renew_all(self, shares: list[dict[str, Pin]], documents: Mapping[str, Document]) -> bool:
        """Whether each of the packs, those written anew among them, holds its share."""
        if len(shares) != self._count:
            self._held, self._count, self._most = {}, len(shares), max(self._most, len(shares))
        for number, share in enumerate(shares, start=1):
            wanted = frozenset(pin.digest for pin in share.values())
            if not self._is_good(number, wanted):
                if not self._write(number, len(shares), share, documents):
                    return False
                self._held[number] = wanted
        return True

    def _is_good(self, number: int, wanted: frozenset[str]) -> bool:
        held = self._held.get(number)
        if held is None:
            return False
        return held == wanted or max(len(wanted - held), len(held - wanted)) * _STALE < len(wanted)

    def _write(
        self, number: int, count: int, share: Mapping[str, Pin], documents: Mapping[str, Document]
    ) -> bool:
        """Writes a pack; what the one there has of it is taken over, the rest made from the documents."""
        path = self._path(number)
        entry, version = self._kv.look(path)
        wanted = {pin.digest for pin in share.values()}
        there = _pack(entry.data) if entry else None
        self._most = max(self._most, there.count if there else 0)
        kept = {digest: text for digest, text in _lines(there) if digest in wanted} if there else {}
        missing = {document_named(name) for name, pin in share.items() if pin.digest not in kept}
        for name in sorted(missing & documents.keys()):
            parts = divide(documents[name]).values()
            kept |= {part.digest: canonical(part.data) for part in parts if part.digest in wanted}
        text = b"\n".join(kept[pin.digest] for pin in share.values() if pin.digest in kept)
        packed = pack(text)
        if len(text) > _UNPACKED_MAX or len(packed) > MAX_PACK_CHARS:
            return False
        if not version:
            with suppress(VaultDenied):  # then it keeps as many as the mount says
                self._kv.keep_versions(path, 1)
        self._kv.write(path, Pack(count=count, packed=packed).model_dump(), cas=version)
        return True

    def _load(self, number: int) -> Pack | None:
        path = self._path(number)
        try:
            entry = self._kv.read(path)
        except VaultError as error:  # what ails Vault, the documents' own reads will say
            log.debug("%s was not read: %s", path, error.message)
            return None
        return None if entry is None else _pack(entry.data)

    def _path(self, number: int) -> str:
        return self._path_of(f"packs.{number}")


def _count(documents: int, before: int) -> int:
    """How many packs there shall be: a power of two, and those there are if that is not far off."""
    if documents < FEWEST:
        return 0
    count = 1
    while documents > _PER_PACK * count:
        count *= 2
    return before if count <= before <= 8 * count else min(count, MAX_PACKS)


def _shares(pins: Mapping[str, Pin], count: int) -> list[dict[str, Pin]]:
    shares: list[dict[str, Pin]] = [{} for _ in range(count)]
    for name, pin in sorted(pins.items()):
        shares[number_of(name, count)][name] = pin
    return shares


def _pack(data: object) -> Pack | None:
    try:
        return Pack.model_validate(data)
    except ValidationError:
        return None


def _lines(found: Pack) -> Iterator[tuple[str, bytes]]:
    """Each copy with its digest, as far as the pack can be read. Canonical JSON has no line breaks."""
    with suppress(ValueError):
        for text in islice(_split(unpack(found.packed, _UNPACKED_MAX)), _LINES_MAX):
            yield hashlib.sha256(text).hexdigest(), text


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text that comes in pieces, up to one that is longer than any document."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > MAX_DOCUMENT_BYTES:
            return
    if rest:
        yield rest


def _document(text: bytes, name: str, index: Index) -> Document | None:
    """The document in a copy; ``None`` if it is one that nobody should use, as its own read will say."""
    try:
        found = Document.model_validate(from_json(text))
    except ValueError:
        return None
    if (found.format_version, found.lineage, found.name) != (FORMAT_VERSION, index.lineage, name):
        return None
    return lighten(found)
