"""Where a key is known, and whose it is there: the answer to an alert that names a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from krakenstate.model.base import format_instant
from krakenstate.model.credential_row import CredentialRow


class Role(StrEnum):
    """As what a key is known."""

    IN_SERVICE = "in service"
    QUARANTINE = "in quarantine"
    INBOX = "in the inbox"
    AT_PATH = "at the path of its process, though another one was published there"
    REPORTED = "reported from where its process runs, and not the one in service"
    DESCRIBED = "described earlier, and not the one in service"
    REPLACED = "replaced, and not proven dead yet"
    TO_DELETE = "to be deleted"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One place where a key is known: at which address, as what, since when.

    ``task_id`` names the task it is the subject of.
    """

    address: str
    role: Role
    fingerprint: str | None
    last_four: str | None = None
    generation: int | None = None
    key_name: str | None = None
    at: datetime | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a sighted key is. ``None`` and empty where nobody recorded it."""

    sighting: Sighting
    account: str | None
    account_label: str
    process: str | None
    owner: str | None
    purpose: str
    row: CredentialRow | None


@dataclass(frozen=True, slots=True)
class Looked:
    """Where was looked, for an answer and for the lack of one."""

    keys: int
    tasks: int
    observed_at: datetime | None

    def __str__(self) -> str:
        snapshot = (
            f"the snapshot of {format_instant(self.observed_at)}" if self.observed_at else "no snapshot"
        )
        return f"{_count(self.keys, 'recorded key')}, {_count(self.tasks, 'task')} and {snapshot}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
