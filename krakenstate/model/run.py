"""One run's traces: its lock, its journal, its breakers, and what each step came to."""

from enum import StrEnum

from pydantic import Field, JsonValue

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.terms import KeyDescription


class Lock(Model):
    """One writer at a time, with a name on it.

    ``expires_at`` ends the lease unless its owner renews it; then others may take over, and say so.
    """

    id: str
    operation: str
    info: str = ""
    who: str
    host: str
    version: str
    created: Instant
    path: str
    run_link: str | None = None
    expires_at: Instant


class CallKind(StrEnum):
    """Every kind of remote write there is; the journal and recovery know each."""

    CREATE_SUBACCOUNT = "create-subaccount"
    SET_TRADING = "set-trading"
    STORE_QUARANTINE = "store-quarantine"
    PUBLISH = "publish"
    DROP_SECRET = "drop-secret"  # noqa: S105 - a kind of call
    EMPTY_INBOX = "empty-inbox"
    RETIRE = "retire"
    ORDER = "order"
    """What a person ordered outside of any plan, with the reason given."""
    PROBE = "probe"
    MOVE = "move"
    RELEASE = "release"
    WRITE_POLICY = "write-policy"
    WRITE_ROLE = "write-role"
    REMOVE_POLICY = "remove-policy"
    REMOVE_ROLE = "remove-role"
    KEEP_INVENTORY = "keep-inventory"
    ADOPT = "adopt"


class Result(StrEnum):
    """What became of a remote write."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Call(Model):
    """A remote write that is about to be made. ``details`` hold what recovery needs, and never a secret."""

    kind: CallKind
    address: Address
    details: dict[str, JsonValue]


class Intent(Model):
    """Written before a remote write, completed after it. Never holds a secret."""

    run: str
    number: int
    kind: CallKind
    address: Address
    details: dict[str, JsonValue]
    at: Instant
    result: Result | None = None
    result_at: Instant | None = None
    result_detail: str = ""


class Batch(Model):
    """Intents of calls that are made side by side, in one entry of the journal."""

    intents: tuple[Intent, ...]


class Run(Model):
    """The head of a run's journal."""

    id: str
    operation: str
    who: str
    version: str
    started_at: Instant
    ended_at: Instant | None = None
    conclusion: str = ""


class BreakerScope(StrEnum):
    """What an open breaker forbids asking."""

    CREDENTIAL = "credential"
    ACCOUNT = "account"
    EGRESS = "egress"


class Breaker(Model):
    """After a failed authentication: who must not be asked until when. Kept beside the state."""

    scope: BreakerScope
    subject: str
    opened_at: Instant
    until: Instant
    code: str
    address: Address
    account: Address


class Probe(Model):
    """The last nonce used with a key, and what the last question in service came to. Kept beside the state.

    ``nonce`` is text: nonces have up to 64 bits, more than JSON's readers agree on. ``refusal`` is the code
    of a question that failed; the description of an earlier one stays.
    """

    nonce: str = Field(pattern=r"^[0-9]{1,20}$")
    reserved_at: Instant
    description: KeyDescription | None = None
    described_at: Instant | None = None
    refusal: str = ""


class Effect(StrEnum):
    """What a step came to, as the closing line counts it."""

    CREATED = "created"
    UPDATED = "updated"
    DESTROYED = "destroyed"
    FORGOTTEN = "forgotten"
    OPENED = "opened"
    PUBLISHED = "published"
    CLOSED = "closed"
    REJECTED = "rejected"
    ADVANCED = "advanced"
    MOVED = "moved"
    WAITING = "waiting"
    FAILED = "failed"


class Outcome(Model):
    """What one step did.

    ``report`` holds what a person should read beside the one line: a ticket, or an acceptance report.
    """

    address: Address
    effect: Effect
    text: str
    code: str = ""
    report: str = ""
