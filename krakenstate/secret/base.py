"""The custody of secrets, as the engine knows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from krakenstate.model.credential import Credential
from krakenstate.model.declarations import VaultFields
from krakenstate.model.snapshot import Arrival, Place
from krakenstate.model.vocabulary import NonceUnit
from krakenstate.secret.form import check_form, from_fields

__all__ = [
    "CredentialStore",
    "Delivery",
    "Held",
    "Kept",
    "Label",
    "Shelved",
    "Slot",
    "check_form",
    "from_fields",
]


_OURS = VaultFields()


@dataclass(frozen=True, slots=True)
class Slot:
    """Whose secret: the process that reads it and the address of the key.

    ``path`` is set for an adopted secret that lies elsewhere, below the mount or with it in front; ``fields``
    say what its halves are called there. Such a place is read and never written to.
    """

    process: str
    address: str
    path: str | None = None
    fields: VaultFields = _OURS


@dataclass(frozen=True, slots=True)
class Delivery:
    """What lies in the inbox: a version of it, and the key it holds or why it holds none."""

    path: str
    version: int
    written_at: str
    credential: Credential | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """What is written beside a published secret, for the process and for people."""

    stack: str
    account: str
    iiban: str | None
    environment: str
    nonce_unit: NonceUnit | None
    key_name: str | None
    generation: int


@dataclass(frozen=True, slots=True)
class Held:
    """What metadata tells of a stored secret, without reading it."""

    path: str
    version: int
    fingerprint: str | None
    managed: bool
    stack: str | None = None


@dataclass(frozen=True, slots=True)
class Shelved:
    """A secret of this stack that lies in Vault, by its path and its metadata.

    ``place`` is ``None`` for one in service; ``recorded_as`` the key's address if that is not the path's.
    """

    slot: Slot
    place: Place | None
    held: Held
    generation: int = 1
    recorded_as: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The secret at the process's path, and what metadata tells of it; ``None``: that must be asked for."""

    credential: Credential
    held: Held | None


class CredentialStore(Protocol):
    """Where secrets rest. A missing entry is ``None`` only on a positive answer; a failed read raises.

    Every method raises leaves of ``VaultError``; those that write say so when the entry belongs to somebody
    else (``PathNotManaged``).
    """

    def arrivals(self, slots: Iterable[Slot]) -> list[Arrival]:
        """What waits in the inbox and in quarantine, by metadata alone."""

    def strays(self, slots: Iterable[Slot]) -> list[str]:
        """Mount and path of what lies in the inbox where none of these is handed in; nothing is read."""

    def open_inbox(self, slot: Slot) -> Delivery | None:
        """What lies in the inbox; its secret is registered with the redactor."""

    def empty_inbox(self, slot: Slot, taken: Delivery) -> bool:
        """Removes what was taken, with metadata and all versions; ``False`` if something newer lies there."""

    def read(self, place: Place, slot: Slot) -> Credential | None:
        """The secret in the inbox or in quarantine, registered with the redactor.

        Raises:
            CredentialMalformed: What lies there is not a key.
        """

    def store_quarantine(self, slot: Slot, credential: Credential, *, replaces: str | None = None) -> Held:
        """Stores with check-and-set and reads back before returning.

        Another key that lies there is only written over if ``replaces`` is its fingerprint: whoever says so
        holds the lock, and has asked for its deletion.

        Raises:
            QuarantineFailed: It is not certain that it is stored, or another key lies there.
        """

    def drop(self, place: Place, slot: Slot) -> None:
        """Removes an entry with its metadata and all versions; removing nothing is fine."""

    def read_published(self, slot: Slot) -> Credential | None:
        """The secret at the process's path.

        Raises:
            OriginRefused: It was made for another environment, so for other servers.
        """

    def open_published(self, slot: Slot) -> Kept | None:
        """The same, with what metadata tells of it, in one call.

        Raises:
            OriginRefused: As ``read_published``.
        """

    def held(self, slot: Slot) -> Held | None:
        """What metadata tells of the process's path."""

    def held_at_once(self, slots: Iterable[Slot]) -> Mapping[Slot, Held | None] | None:
        """The same of many, in one call; ``None`` where that cannot be had, and for a slot elsewhere."""

    def publish(self, slot: Slot, credential: Credential, label: Label) -> Held:
        """Metadata first, merged; then the secret, with check-and-set. Publishing the same key again changes
        nothing."""

    def retire(self, slot: Slot, generation: int, fingerprint: str) -> Held | None:
        """Copies the secret at the process's path aside, with check-and-set, and reads it back.

        Doing it again changes nothing. ``None`` if there is no secret at the path, nor aside.

        Raises:
            SecretDisappeared: Another key than this one is at the path, and the wanted one is not aside.
        """

    def read_retired(self, slot: Slot, generation: int) -> Credential | None:
        """The secret of a generation that was put aside."""

    def drop_retired(self, slot: Slot, generation: int) -> None:
        """Removes it with its metadata and all versions; removing nothing is fine."""

    def drop_published(self, slot: Slot) -> None:
        """Removes the secret at the process's path, with metadata and all versions."""

    def shelf(self) -> list[Shelved]:
        """Everything this stack has in service or in quarantine, by metadata alone; in order of path."""

    def beside(self, slot: Slot) -> Mapping[str, str]:
        """What is written beside the secret at the process's path: account, IIBAN, unit, the key's name."""

    def note_address(self, slot: Slot, address: str) -> None:
        """Notes in metadata that the key is recorded at another address than its path says.

        Raises:
            PathNotManaged: Something that is not this stack's key lies there.
        """

    def release(self, slot: Slot) -> None:
        """Notes in metadata that nobody manages the secret any more; the process goes on reading it.

        Raises:
            PathNotManaged: Something that is not this stack's key lies there.
        """

    def unwrap(self, token: SecretStr) -> Mapping[str, str]:
        """What a response-wrapping token wraps; it can be opened once.

        Raises:
            WrappingTokenInvalid: It is unknown, expired, or was opened before.
        """

    def path_of(self, slot: Slot) -> str:
        """Mount and path of the process's secret, as a person types it."""
