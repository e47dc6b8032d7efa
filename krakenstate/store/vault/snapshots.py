"""The last observation, kept for plans that hold no credentials of Kraken.

It is stored as one text: a desk with many keys has more strings in it than OpenBao takes in a request (1000,
see ``parts``), and nobody edits it. A long one is packed, since a server on integrated storage takes a MiB in
an entry: that is what some forty thousand keys need.
"""

from __future__ import annotations

from pydantic_core import from_json

from krakenstate.errors import StateTooNew
from krakenstate.model.snapshot import FORMAT_VERSION, Snapshot
from krakenstate.store.base import Entry, KeyValue
from krakenstate.store.vault.packed import pack, unpack
from krakenstate.store.vault.parts import MAX_DOCUMENT_BYTES
from krakenstate.store.vault.records import parse, update

_UNPACKED_MAX = 256 * 1024 * 1024


class VaultSnapshots:
    """``store.base.SnapshotStore`` over a key-value store.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages.
        path: The stack's ``state`` prefix; the snapshot is the entry ``snapshot`` below it.
    """

    def __init__(self, kv: KeyValue, mount: str, path: str) -> None:
        self._kv = kv
        self._path = f"{path}/snapshot"
        self._shown = f"{mount}/{path}/snapshot"

    def load_snapshot(self) -> Snapshot | None:
        """The last one, if any.

        Raises:
            StateTooNew: A newer krakenstate wrote it.
            StateDamaged: It is not what krakenstate wrote.
        """
        entry = self._kv.read(self._path)
        if entry is None:
            return None
        major = str(entry.data.get("format_version")).partition(".")[0]
        if major.isdigit() and int(major) > int(FORMAT_VERSION.partition(".")[0]):
            raise StateTooNew(f"{self._shown} has format {major}; this krakenstate reads {FORMAT_VERSION}.")
        text = _unpack(entry.data["packed"]) if "packed" in entry.data else entry.data.get("snapshot")
        if not isinstance(text, str | bytes):  # as it was before it was one text
            return parse(Snapshot, entry, self._shown)
        try:
            data = from_json(text)
        except ValueError:
            data = None
        return parse(Snapshot, Entry(data if isinstance(data, dict) else {}, entry.version), self._shown)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Replaces it, whatever is there."""
        text = snapshot.model_dump_json()
        content = {"snapshot": text} if len(text) <= MAX_DOCUMENT_BYTES else {"packed": pack(text.encode())}
        data = {"format_version": snapshot.format_version, **content}
        update(self._kv, self._path, lambda _: data)


def _unpack(packed: object) -> bytes:
    """What was packed; nothing, which is no snapshot, for what was not packed here."""
    try:
        return b"".join(unpack(packed, _UNPACKED_MAX))
    except ValueError:
        return b""
