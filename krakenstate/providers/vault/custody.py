"""The custody of secrets in Vault: inbox, quarantine, and the path a process reads.

How this works: beside each secret lies custom metadata, so that planning can tell what is there without
reading it. Metadata is written before the data and says which version it speaks of; when the data was never
written, the two do not match and the fingerprint counts as unknown.

    <secrets>/<process>/<address>             published
    <state>/inbox/<process>/<address>         left by an operator
    <state>/quarantine/<process>/<address>    received, not yet published
    <state>/retired/<process>/<address>-gN    replaced, not yet proven dead
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import SecretStr

from krakenstate.errors import (
    CredentialMalformed,
    KrakenstateError,
    PathNotManaged,
    QuarantineFailed,
    SecretDisappeared,
)
from krakenstate.model.address import Address
from krakenstate.model.base import format_instant
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import api_of
from krakenstate.model.snapshot import Arrival, Place
from krakenstate.model.vocabulary import Api
from krakenstate.providers.vault import entries, labels
from krakenstate.secret.base import Delivery, Held, Kept, Label, Shelved, Slot, check_form, from_fields
from krakenstate.store.base import Entry, KeyValue, Metadata

_NOW = partial(datetime.now, UTC)
_NO_KEY_CHARS = 4096
"""Longer texts are no half of a key; nothing of them is shown, and the redactor need not look for them."""


class VaultCustody:
    """``secret.base.CredentialStore`` over one KV mount.

    Args:
        kv: The stack's mount.
        mount: Its path, for messages and ``Held.path``.
        secrets: The stack's ``secrets`` prefix.
        state: The stack's ``state`` prefix.
        stack: The stack's name: entries of another are not touched.
        environment: The name of the stack's environment: keys that were made for another are not used.
        unwrap: Opens a response-wrapping token, once.
        register: Makes a secret known to the redactor.
        clock: The time, in UTC.
    """

    def __init__(
        self,
        kv: KeyValue,
        *,
        mount: str,
        secrets: str,
        state: str,
        stack: str,
        environment: str,
        unwrap: Callable[[SecretStr], Mapping[str, Any]],
        register: Callable[[SecretStr], object],
        clock: Callable[[], datetime] = _NOW,
    ) -> None:
        self._kv = kv
        self._mount = mount
        self._secrets = secrets
        self._state = state
        self._stack = stack
        self._environment = environment
        self._unwrap = unwrap
        self._register = register
        self._clock = clock

    def arrivals(self, slots: Iterable[Slot]) -> list[Arrival]:
        """What waits in the inbox and in quarantine, by metadata alone."""
        wanted: dict[str, set[str]] = {}
        for slot in slots:
            wanted.setdefault(labels.process_name(slot), set()).add(slot.address)
        found = (a for place in Place for a in self._arrivals(place, wanted))
        return sorted(found, key=lambda a: (a.address, a.place))

    def strays(self, slots: Iterable[Slot]) -> list[str]:
        """Mount and path of what lies in the inbox where none of these is handed in; nothing is read."""
        wanted = {f"{labels.process_name(slot)}/{slot.address}" for slot in slots}
        folder = f"{self._state}/{Place.INBOX}"
        found = entries.below(self._kv, folder)
        return [self._shown(f"{folder}/{name}") for name in found if name not in wanted]

    def open_inbox(self, slot: Slot) -> Delivery | None:
        """What lies in the inbox; its secret is registered with the redactor."""
        path = self._path(Place.INBOX, slot)
        entry = self._kv.read(path)
        if entry is None:
            return None
        found = Delivery(self._shown(path), entry.version, entry.written_at)
        try:
            return replace(found, credential=self._credential(path, entry, api_of(Address(slot.address))))
        except CredentialMalformed as error:
            return replace(found, problem=error.message)

    def empty_inbox(self, slot: Slot, taken: Delivery) -> bool:
        """Removes what was taken, with metadata and all versions; ``False`` if something newer lies there."""
        path = self._path(Place.INBOX, slot)
        head = self._kv.metadata(path)
        if head is not None and (head.version, head.written_at) != (taken.version, taken.written_at):
            return False
        self._kv.delete(path)
        return True

    def read(self, place: Place, slot: Slot) -> Credential | None:
        """The secret in the inbox or in quarantine, registered with the redactor.

        Raises:
            CredentialMalformed: What lies there is not a key; for the inbox, not of its platform either.
        """
        path = self._path(place, slot)
        expected = api_of(Address(slot.address)) if place is Place.INBOX else None
        return self._credential(path, self._kv.read(path), expected)

    def store_quarantine(self, slot: Slot, credential: Credential, *, replaces: str | None = None) -> Held:
        """Stores with check-and-set and reads back both halves before returning.

        Raises:
            QuarantineFailed: It is not certain that it is stored, or another key lies there.
        """
        self._learn(credential)
        path = self._path(Place.QUARANTINE, slot)
        try:
            return self._store_quarantine(path, slot, credential, replaces)
        except QuarantineFailed:
            raise
        except KrakenstateError as error:
            cause = error
        raise QuarantineFailed(
            f"{cause.headline}. {cause.message}", next_step=QuarantineFailed.remedy, address=slot.address
        )

    def drop(self, place: Place, slot: Slot) -> None:
        """Removes an entry with its metadata and all versions; removing nothing is fine."""
        self._kv.delete(self._path(place, slot))

    def read_published(self, slot: Slot) -> Credential | None:
        """The secret at the process's path.

        Raises:
            OriginRefused: It was made for another environment, so for other servers.
        """
        kept = self.open_published(slot)
        return kept.credential if kept else None

    def open_published(self, slot: Slot) -> Kept | None:
        """The same, with what metadata tells of it, in one call.

        Raises:
            OriginRefused: As ``read_published``.
        """
        path = self._published(slot)
        entry = self._kv.read(path)
        made_for = entry.data.get("environment") if entry else None
        if made_for and made_for != self._environment and slot.path is None:
            raise entries.made_elsewhere(self._shown(path), self._environment, slot.address)
        credential = self._credential(path, entries.in_our_words(entry, slot.fields), None)
        if entry is None or credential is None:
            return None
        return Kept(credential, self._held(path, entry.head) if entry.head else None)

    def held(self, slot: Slot) -> Held | None:
        """What metadata tells of the process's path; ``None`` also when its newest version was deleted."""
        return self._told(slot, self._kv.metadata(self._published(slot)))

    def held_at_once(self, slots: Iterable[Slot]) -> Mapping[Slot, Held | None] | None:
        """The same of many, in one call; ``None`` where that cannot be had."""
        told = self._kv.heads(self._secrets)
        if told is None:
            return None
        names = {slot: f"{labels.process_name(slot)}/{slot.address}" for slot in slots if slot.path is None}
        return {slot: self._told(slot, told.get(name)) for slot, name in names.items()}

    def _told(self, slot: Slot, head: Metadata | None) -> Held | None:
        if head is None or (head.gone and not labels.is_foreign(head, self._stack, slot)):
            return None
        return self._held(self._published(slot), head)

    def publish(self, slot: Slot, credential: Credential, label: Label) -> Held:
        """Metadata first, merged; then the secret, with check-and-set, read back.

        Publishing the same key with the same label again writes no new version.

        Raises:
            PathNotManaged: Something that is not this stack's key lies there.
            SecretDisappeared: What was written is not what is there.
        """
        self._learn(credential)
        path = self._published(slot)
        head = self._kv.metadata(path)
        self._refuse_foreign(path, head, slot)
        version = head.version if head else 0
        data = labels.data(credential, label)
        present = self._kv.read(path) if head and not head.gone else None
        is_there = present is not None and present.data == data
        coming = present.version if present and is_there else version + 1
        before = head.custom if head else {}
        labelled = labels.published(before, slot, label, credential.fingerprint, coming)
        self._kv.write_metadata(path, labelled, before)
        if not is_there:
            coming = self._kv.write(path, data, cas=version)
            self._compare(path, coming, credential)
        return Held(self._shown(path), coming, credential.fingerprint, managed=True, stack=label.stack)

    def retire(self, slot: Slot, generation: int, fingerprint: str) -> Held | None:
        """Copies the secret at the process's path aside, with check-and-set, and reads it back.

        Raises:
            SecretDisappeared: Another key is at the path and none aside, or it cannot be read back.
            PathNotManaged: Another key lies aside already.
        """
        path = self._retired(slot, generation)
        aside, found = self._kv.read(path), self._kv.read(self._published(slot))
        there = entries.in_our_words(found, slot.fields)
        if aside is not None and entries.fingerprint_in(aside) == fingerprint:
            return Held(self._shown(path), aside.version, fingerprint, managed=True, stack=self._stack)
        if aside is not None:
            raise PathNotManaged(
                f"Another key lies at {self._shown(path)}, and it may be the only copy. It is left as it is.",
                next_step="Find out whose it is; then remove it, and run the command again.",
                address=slot.address,
            )
        if there is None:
            return None
        credential = self._credential(self._published(slot), there, None)
        if credential is None or credential.fingerprint != fingerprint:
            raise SecretDisappeared(
                f"Another key lies at {self._shown(self._published(slot))} than the one recorded, so nothing "
                "was put in its place.",
                address=slot.address,
            )
        head = self._kv.metadata(path)
        version = head.version if head else 0
        received_at = format_instant(self._clock())
        labelled = labels.quarantined(self._stack, slot, fingerprint, version + 1, received_at)
        self._kv.write_metadata(path, labelled, head.custom if head else {})
        data = dict(there.data) if slot.path is None else labels.halves(credential)
        coming = self._kv.write(path, data, cas=version)
        self._compare(path, coming, credential)
        return Held(self._shown(path), coming, fingerprint, managed=True, stack=self._stack)

    def read_retired(self, slot: Slot, generation: int) -> Credential | None:
        """The secret of a generation that was put aside, registered with the redactor."""
        path = self._retired(slot, generation)
        return self._credential(path, self._kv.read(path), None)

    def drop_retired(self, slot: Slot, generation: int) -> None:
        """Removes it with its metadata and all versions; removing nothing is fine."""
        self._kv.delete(self._retired(slot, generation))

    def drop_published(self, slot: Slot) -> None:
        """Removes the secret at the process's path, with metadata and all versions.

        Raises:
            PathNotManaged: Something that is not this stack's key lies there.
        """
        path = self._published(slot)
        head = self._kv.metadata(path)
        if head is None:
            return
        self._refuse_foreign(path, head, slot)
        self._kv.delete(path)

    def shelf(self) -> list[Shelved]:
        """Everything this stack has in service or in quarantine, by metadata alone; in order of path."""
        folders: list[tuple[Place | None, str]] = [
            (None, self._secrets),
            (Place.QUARANTINE, f"{self._state}/{Place.QUARANTINE}"),
        ]
        return [found for place, folder in folders for found in self._shelved(place, folder)]

    def beside(self, slot: Slot) -> Mapping[str, str]:
        """What is written beside the secret at the process's path: account, IIBAN, unit, the key's name."""
        entry = self._kv.read(self._published(slot))
        fields = entry.data.items() if entry else ()
        return {name: text for name, text in fields if name in labels.BESIDE and isinstance(text, str)}

    def note_address(self, slot: Slot, address: str) -> None:
        """Notes in metadata that the key is recorded at another address than its path says.

        Raises:
            PathNotManaged: Something that is not this stack's key lies there.
        """
        self._note(slot, {labels.RECORDED_AS: address})

    def release(self, slot: Slot) -> None:
        """Notes in metadata that nobody manages the secret any more; the process goes on reading it.

        Raises:
            PathNotManaged: Something that is not this stack's key lies there.
        """
        self._note(slot, {"managed-by": labels.RELEASED})

    def _note(self, slot: Slot, custom: Mapping[str, str]) -> None:
        path = self._published(slot)
        head = self._kv.metadata(path)
        if head is None or head.custom.get("managed-by") == labels.RELEASED:
            return
        self._refuse_foreign(path, head, slot)
        self._kv.write_metadata(path, custom)

    def _shelved(self, place: Place | None, folder: str) -> Iterator[Shelved]:
        for process, address, head in sorted(entries.heads_in(self._kv, folder), key=lambda found: found[:2]):
            slot = Slot(process, address)
            if head.gone or labels.is_foreign(head, self._stack, slot):
                continue
            yield Shelved(
                slot=slot,
                place=place,
                held=self._held(f"{folder}/{process}/{address}", head),
                generation=labels.generation(head),
                recorded_as=head.custom.get(labels.RECORDED_AS) or None,
            )

    def unwrap(self, token: SecretStr) -> Mapping[str, str]:
        """What a response-wrapping token wraps; it can be opened once.

        A wrapped read of a KV entry is understood as well as fields that were wrapped directly.

        Raises:
            WrappingTokenInvalid: It is unknown, expired, or was opened before.
        """
        self._register(token)
        found = self._unwrap(token)
        inner = found.get("data")
        fields = inner if isinstance(inner, dict) else found
        texts = {name: value for name, value in fields.items() if isinstance(value, str)}
        for name in ("api_key", "api_secret"):
            if name in texts:
                self._register(SecretStr(texts[name].strip()))
        return texts

    def path_of(self, slot: Slot) -> str:
        """Mount and path of the process's secret, as a person types it."""
        return self._shown(self._published(slot))

    def _published(self, slot: Slot) -> str:
        if slot.path is not None:
            return slot.path.removeprefix(f"{self._mount}/")
        return f"{self._secrets}/{labels.process_name(slot)}/{slot.address}"

    def _retired(self, slot: Slot, generation: int) -> str:
        return f"{self._state}/retired/{labels.process_name(slot)}/{slot.address}-g{generation}"

    def _path(self, place: Place, slot: Slot) -> str:
        return f"{self._state}/{place}/{labels.process_name(slot)}/{slot.address}"

    def _shown(self, path: str) -> str:
        return f"{self._mount}/{path}"

    def _learn(self, credential: Credential) -> None:
        self._register(credential.api_key)
        self._register(credential.api_secret)

    def _arrivals(self, place: Place, wanted: Mapping[str, set[str]]) -> Iterator[Arrival]:
        folder = f"{self._state}/{place}"
        for process, address, head in entries.heads_in(self._kv, folder, wanted):
            if address not in wanted[process] or head.gone:
                continue
            fingerprint = labels.fingerprint(head) if place is Place.QUARANTINE else None
            yield Arrival(
                address=Address(address),
                place=place,
                version=head.version,
                fingerprint=fingerprint,
                written_at=head.written_at,
                path=self._shown(f"{folder}/{process}/{address}"),
            )

    def _credential(self, path: str, entry: Entry | None, api: Api | None) -> Credential | None:
        if entry is None:
            return None
        for name in ("api_key", "api_secret"):
            value = entry.data.get(name)
            if isinstance(value, str) and len(value) <= _NO_KEY_CHARS:
                self._register(SecretStr(value.strip()))
        try:
            credential = from_fields(entry.data)
            if api is not None:
                check_form(credential, api)
        except CredentialMalformed as error:
            problem = error.message
        else:
            return credential
        raise CredentialMalformed(
            f"What lies at {self._shown(path)} is not a key. {problem}",
            next_step=f"Remove it and leave the key there again: bao kv metadata delete {self._shown(path)}",
        )

    def _store_quarantine(self, path: str, slot: Slot, credential: Credential, replaces: str | None) -> Held:
        head = self._kv.metadata(path)
        version = head.version if head else 0
        data = labels.halves(credential)
        present = self._kv.read(path) if head and not head.gone else None
        is_there = present is not None and present.data == data
        if present is not None and not is_there and entries.fingerprint_in(present) not in {None, replaces}:
            raise QuarantineFailed(
                f"Another key lies at {self._shown(path)}, and a run that is at work may be about to publish "
                "it. Writing over it, or being removed with it, would lose one of the two.",
                next_step="Keep the dialog open, and hand the key in again when that run has ended.",
                address=slot.address,
            )
        coming = present.version if present and is_there else version + 1
        received_at = format_instant(self._clock())
        labelled = labels.quarantined(self._stack, slot, credential.fingerprint, coming, received_at)
        self._kv.write_metadata(path, labelled, head.custom if head else {})
        if not is_there:
            coming = self._kv.write(path, data, cas=version)
        self._compare(path, coming, credential)
        return Held(self._shown(path), coming, credential.fingerprint, managed=True, stack=self._stack)

    def _compare(self, path: str, version: int, credential: Credential) -> None:
        """Reads back what was written."""
        entry = self._kv.read(path, version)
        if entry is None:
            raise SecretDisappeared(f"Version {version} of {self._shown(path)} cannot be read back.")
        if not entries.holds(entry, labels.halves(credential)):
            raise SecretDisappeared(f"Version {version} of {self._shown(path)} is not what was written.")

    def _held(self, path: str, head: Metadata) -> Held:
        managed = head.custom.get("managed-by") == labels.MANAGED_BY
        return Held(
            path=self._shown(path),
            version=head.version,
            fingerprint=labels.fingerprint(head) if managed else None,
            managed=managed,
            stack=head.custom.get("stack"),
        )

    def _refuse_foreign(self, path: str, head: Metadata | None, slot: Slot) -> None:
        why = labels.is_foreign(head, self._stack, slot) if head else None
        if slot.path is not None:
            why = "was adopted: it is read and never written to"
        if why:
            raise PathNotManaged(f"{self._shown(path)} {why}. It is left as it is.", address=slot.address)
