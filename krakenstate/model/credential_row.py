"""The register of credentials: one row per key, whoever holds it and however it became known."""

from datetime import date
from enum import StrEnum

from krakenstate.model.base import Instant, Model
from krakenstate.model.provenance import Provenance
from krakenstate.model.vocabulary import Api


class Stage(StrEnum):
    """Where a key is in its life."""

    PENDING = "pending"
    """Declared or asked for; nothing was handed in."""
    QUARANTINE = "quarantine"
    """Handed in, not published."""
    IN_SERVICE = "in service"
    ROTATING = "rotating"
    """In service, with the next one on its way in."""
    REMOVING = "removing"
    UNMANAGED = "unmanaged"
    """Known to exist, and in no stack."""


class FindingKind(StrEnum):
    """What somebody should look at."""

    SHARED = "shared"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    UNMANAGED = "unmanaged"
    OPEN = "open"
    ROTATION_OVERDUE = "rotation_overdue"
    EXPIRING = "expiring"
    ROTATION_DUE = "rotation_due"
    NOT_DECLARED = "not_declared"
    NOT_APPROVED = "not_approved"


class RowFinding(Model):
    """One thing about one key that somebody should look at, in a few words."""

    kind: FindingKind
    text: str


class CredentialRow(Model):
    """One key, as an auditor wants to see it. ``None`` means not known, or not told by its platform.

    ``rights`` are permissions of a Spot key, and ``general=LEVEL``, ``transfer=LEVEL`` of a Derivatives key.
    ``addresses`` counts what its allowlist admits; 0 is open to the world. ``described`` says whether rights,
    allowlist and expiry are what the key said of itself (``evidence`` and ``evidence_at`` tell how and when);
    otherwise they are what was declared. ``used_by`` names the processes, as a rule one. ``since`` is when
    it was created, or else went into service. ``iiban_end`` is the last four characters.
    """

    address: str
    api: Api
    account: str
    account_label: str
    iiban_end: str | None = None
    used_by: tuple[str, ...] = ()
    owner: str | None = None
    key_name: str | None = None
    generation: int | None = None
    fingerprint: str | None = None
    last_four: str | None = None
    rights: tuple[str, ...] | None = None
    moves_funds: bool | None = None
    addresses: int | None = None
    described: bool = False
    since: Instant | None = None
    expires: date | None = None
    never_expires: bool = False
    last_used_at: Instant | None = None
    rotation_due: date | None = None
    stage: Stage
    evidence: Provenance | None = None
    evidence_at: Instant | None = None
    findings: tuple[RowFinding, ...] = ()


class CredentialReport(Model):
    """All rows, and what they were made from.

    ``today`` is the day ages and due dates are counted from: the day of the report, or the one of ``as_of``.
    """

    stack: str
    environment: str
    serial: int
    now: Instant
    as_of: date | None = None
    within_days: int
    observed_at: Instant | None = None
    rows: tuple[CredentialRow, ...] = ()

    @property
    def today(self) -> date:
        """The day that counts."""
        return self.as_of or self.now.date()
