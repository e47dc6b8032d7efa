"""Everything that is true in the simulated world, as plain data.

Facts about Kraken: `GetApiKeyInfo`, `v3/check` and `GET /subaccounts` say which attributes exist
(docs.kraken.com, read August to October 2026). Secrets are in here, so the file that holds it is private.
"""

import hashlib
import uuid
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

MAX_CALLS_KEPT = 5000
DEFAULT_EGRESS = "192.0.2.10"

PERMISSIONS = frozenset({
    "query-funds", "add-funds", "withdraw-funds", "earn-funds", "query-open-trades", "query-closed-trades",
    "modify-trades", "close-trades", "query-ledger", "export-data", "create-ws-token", "add-withdraw-address",
    "update-withdraw-address",
})  # fmt: skip


DEFAULT_DELAY_S = 5.0
DEFAULT_LOCATION = "https://elsewhere.invalid/"
FaultKind = Literal[
    "drop-before", "drop-after", "html-5xx", "truncated", "slow", "redirect", "throttle", "unknown-word",
    "http-429", "bad-request",
]  # fmt: skip
Tier = Literal["starter", "intermediate", "pro", "none"]
LockoutScope = Literal["account", "egress"]
DuplicateAnswer = Literal["field", "plain", "false", "true"]
CidrFields = Literal["list", "single", "both", "null"]
Dialect = Literal[
    "warnings", "several-errors", "extra-fields", "swapped-types", "nulls", "nested-permissions"
]


class Level(StrEnum):
    """What a Derivatives key may do, for its General and for its Withdrawal side."""

    NO_ACCESS = "NO_ACCESS"
    READ_ONLY = "READ_ONLY"
    FULL_ACCESS = "FULL_ACCESS"


class SpotKey(BaseModel):
    """A Spot key. Instants are Unix seconds, 0 is "not set". A deleted key stays, to notice its use.

    `key_2fa` is the static password of its two-factor protection, None if that is off.
    """

    name: str
    public: str
    secret: str = Field(repr=False)
    permissions: list[str]
    ip_allowlist: list[str]
    valid_until: int = 0
    query_from: int = 0
    query_to: int = 0
    nonce_window: int = 0
    key_2fa: str | None = Field(default=None, repr=False)
    active_from: float = 0.0
    created: int
    modified: int
    last_used: int | None = None
    last_nonce: int = 0
    window_nonces: list[int] = Field(default_factory=list)
    deleted: bool = False


class DerivativesKey(BaseModel):
    """A Derivatives key; it has no name, no expiry and no record of its use."""

    public: str
    secret: str = Field(repr=False)
    general: Level
    transfer: Level
    cidr_blocks: list[str]
    created: datetime
    active_from: float = 0.0
    recent_nonces: list[tuple[int, float]] = Field(default_factory=list)
    nonce_floor: int = -1
    deleted: bool = False


class Suspect(BaseModel):
    """Whoever failed authentications are held against: an account, or an address."""

    failed_authentications: int = 0
    locked_until: float = 0.0


class Account(Suspect):
    """A Kraken account: one with its own sign-up, or a Spot subaccount made by its master.

    The tier `none` has no call budget. `call_counter` is where the Spot counter stood at `counted_at`;
    `units_spent` are the Derivatives units used since `period_start`.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    kind: Literal["master", "sub"]
    name: str
    username: str | None = None
    email: str
    iiban: str
    account_uid: str = Field(default_factory=lambda: str(uuid.uuid4()))
    institutional: bool = True
    derivatives_unlocked: bool = True
    setup_finished: bool = True
    spot_master_id: str | None = None
    spot_keys: list[SpotKey] = Field(default_factory=list)
    derivatives_keys: list[DerivativesKey] = Field(default_factory=list)
    tier: Tier = "pro"
    call_counter: float = 0.0
    counted_at: float = 0.0
    units_spent: int = 0
    period_start: float = 0.0


class Link(BaseModel):
    """A Derivatives subaccount as its master sees it."""

    master_id: str
    subaccount_id: str
    trading_enabled: bool = True


class Mail(BaseModel):
    """A mail that asks its reader to confirm something."""

    kind: Literal["spot-subaccount-setup", "derivatives-link"]
    to: str
    subject: str
    account_id: str
    master_id: str
    sent: datetime
    confirmed: datetime | None = None


class Ticket(BaseModel):
    """A request to link a Derivatives subaccount, as support received it."""

    master_email: str
    subaccount_email: str
    received: datetime


class Call(BaseModel):
    """One API call as Kraken's side saw it; no secret and no signature in it."""

    n: int
    at: datetime
    platform: Literal["spot", "derivatives"]
    method: str
    path: str
    key_last4: str | None
    key_fingerprint: str | None
    egress: str
    nonce: int | None
    outcome: str
    fault: str | None = None


class Fault(BaseModel):
    """Something that shall go wrong with the next `left` calls below `path`; see `faults`."""

    kind: FaultKind
    path: str = "/"
    left: int = 1
    delay_s: float = DEFAULT_DELAY_S
    location: str = DEFAULT_LOCATION


class World(BaseModel):
    """The whole world, as it is written to disk.

    `duplicates` is what a subaccount's taken user name or e-mail is answered with (see `spot`), `cidr_fields`
    which field of a Derivatives self-check holds the allowlist (see `derivatives`), `dialects` how answers
    are spelt (see `dialect`).
    """

    format_version: Literal[1] = 1
    clock_offset_s: float = 0.0
    egress: str = DEFAULT_EGRESS
    budgets: bool = True
    lockout: LockoutScope = "account"
    duplicates: DuplicateAnswer = "field"
    cidr_fields: CidrFields = "list"
    dialects: list[Dialect] = Field(default_factory=list)
    addresses: dict[str, Suspect] = Field(default_factory=dict)
    accounts: list[Account] = Field(default_factory=list)
    links: list[Link] = Field(default_factory=list)
    mails: list[Mail] = Field(default_factory=list)
    tickets: list[Ticket] = Field(default_factory=list)
    faults: list[Fault] = Field(default_factory=list)
    calls: list[Call] = Field(default_factory=list)
    calls_made: int = 0

    def account(self, account_id: str) -> Account:
        """The account with this id, which must exist."""
        return next(account for account in self.accounts if account.id == account_id)

    def account_by_email(self, email: str) -> Account | None:
        """The account with this address; case does not matter."""
        wanted = email.strip().lower()
        return next((account for account in self.accounts if account.email.lower() == wanted), None)

    def find_spot_key(self, public: str) -> tuple[Account, SpotKey] | None:
        """The Spot key with this public half, deleted ones included, and whose it is."""
        return next(((a, k) for a in self.accounts for k in a.spot_keys if k.public == public), None)

    def find_derivatives_key(self, public: str) -> tuple[Account, DerivativesKey] | None:
        """The Derivatives key with this public half, deleted ones included, and whose it is."""
        return next(((a, k) for a in self.accounts for k in a.derivatives_keys if k.public == public), None)

    def links_of(self, master: Account) -> Iterator[tuple[Link, Account]]:
        """The Derivatives subaccounts linked to `master`."""
        return (
            (link, self.account(link.subaccount_id)) for link in self.links if link.master_id == master.id
        )

    def link_to(self, subaccount: Account) -> Link | None:
        """The link that makes `subaccount` one, if there is any."""
        return next((link for link in self.links if link.subaccount_id == subaccount.id), None)


def fingerprint(public: str) -> str:
    """SHA-256 of a public key's text, twelve hex digits."""
    return hashlib.sha256(public.encode()).hexdigest()[:12]
