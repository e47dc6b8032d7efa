"""Tasks: work only a person can do."""

import hashlib
from enum import StrEnum

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model


class TaskKind(StrEnum):
    """What a person is asked to do."""

    CREATE_KEY = "create-key"
    EDIT_KEY = "edit-key"
    DELETE_KEY = "delete-key"
    STOP_PROCESS = "stop-process"
    ADOPT_KEY = "adopt-key"
    REQUEST_SPOT_SUBACCOUNT = "request-spot-subaccount"
    FINISH_EMAIL_SETUP = "finish-email-setup"
    LINK_DERIVATIVES = "link-derivatives"
    UNLINK_DERIVATIVES = "unlink-derivatives"
    CONFIRM_IDENTITY = "confirm-identity"
    INSTALL_GRANT = "install-grant"
    SETTLE_UNKNOWN = "settle-unknown"


class TaskStatus(StrEnum):
    """Where a task stands. A rejected one returns to ``open`` with the reason."""

    OPEN = "open"
    CLAIMED = "claimed"
    VERIFIED = "verified"
    ATTESTED = "attested"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to act."""
        return self in {TaskStatus.OPEN, TaskStatus.CLAIMED}


class Attestation(Model):
    """A person's word: who, when, and what they add."""

    by: str
    at: Instant
    note: str = ""


class Task(Model):
    """One piece of a person's work, from opening to evidence.

    ``rejection`` says why what was handed in was not right, ``correction`` how to put it right. ``subject``
    is the fingerprint of the key a ``delete-key`` task is about, so that one key is asked for once.
    """

    id: str
    kind: TaskKind
    address: Address
    assignee: str
    generation: int = 0
    round: int = 1
    opened_at: Instant
    status: TaskStatus = TaskStatus.OPEN
    title: str
    instructions: str
    evidence: str
    waits_on: tuple[str, ...] = ()
    subject: str = ""
    claimed_by: str | None = None
    attestation: Attestation | None = None
    rejection: str = ""
    correction: str = ""
    closed_at: Instant | None = None
    closed_because: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to act."""
        return self.status.is_open


ITS_ID = "<its id>"
"""Stands for the task's id in instructions; opening the task writes the real one there."""


def task_id(address: str, kind: TaskKind, generation: int = 0, round_: int = 1) -> str:
    """Eight hex digits that stay the same for the same work, so re-planning never doubles a task."""
    return hashlib.sha256(f"{address}|{kind}|{generation}|{round_}".encode()).hexdigest()[:8]
