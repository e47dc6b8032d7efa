"""What people type into the web page, their mail program and the ticket form, checked on arrival.

An attribute that is None was left alone; in an edit the word `none` empties one.
"""

from datetime import UTC, datetime, time
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from krakenstate.sim.clock import parse_instant
from krakenstate.sim.world import (
    DEFAULT_DELAY_S,
    DEFAULT_LOCATION,
    CidrFields,
    Dialect,
    DuplicateAnswer,
    FaultKind,
    Level,
    LockoutScope,
    Tier,
)

CLEAR = "none"
EXPIRY_TIME = time(12, tzinfo=UTC)  # at noon UTC it is that very day almost everywhere


def _seconds(text: str, at: time) -> int:
    """Unix seconds of a day at a given time, of an ISO instant, or of Unix seconds as text; `none` is 0."""
    if text == CLEAR:
        return 0
    if text.isdigit() and len(text) != len("20270630"):
        return int(text)
    try:
        instant = parse_instant(text)
    except ValueError as problem:
        raise ValueError(f"{text!r} is no date; write it as 2027-06-30") from problem
    is_date = "T" not in text and " " not in text
    return int((datetime.combine(instant.date(), at) if is_date else instant).timestamp())


def _split(values: list[str]) -> list[str]:
    """Repeated and comma separated values as one list; `none` alone is the empty one."""
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    return [] if parts == [CLEAR] else list(dict.fromkeys(parts))


def _dialects(values: list[str]) -> list[str]:
    """The dialects that were named."""
    words = _split(values)
    unknown = [word for word in words if word not in get_args(Dialect)]
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}; dialects are {', '.join(get_args(Dialect))}")
    return words


def expiry_seconds(text: str) -> int:
    """When a key expires: noon UTC of a date."""
    return _seconds(text, EXPIRY_TIME)


def limit_seconds(text: str) -> int:
    """Where a query range begins or ends: midnight UTC of a date."""
    return _seconds(text, time(0, tzinfo=UTC))


Words = Annotated[list[str], AfterValidator(_split)]
Dialects = Annotated[list[str], AfterValidator(_dialects)]
Expiry = Annotated[str, AfterValidator(lambda text: str(expiry_seconds(text)))]
Limit = Annotated[str, AfterValidator(lambda text: str(limit_seconds(text)))]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Empty(_Request):
    """Nothing needs to be said."""


class NewAccount(_Request):
    """A sign-up in the web page, verified at once."""

    name: str = Field(min_length=1, max_length=64)
    email: Email
    kind: Literal["master", "sub"] = "master"
    username: str | None = None
    iiban: str | None = None
    institutional: bool = True
    derivatives: bool = True
    tier: Tier = "pro"


class AccountChoice(_Request):
    """An account by e-mail, user name, name or IIBAN."""

    account: str


class KeyAttributes(AccountChoice):
    """What the key dialogs offer; Spot and Derivatives each know only their own."""

    permission: Words | None = None
    ip: Words | None = None
    expires: Expiry | None = None
    query_from: Limit | None = None
    query_to: Limit | None = None
    nonce_window: int | None = Field(default=None, ge=0)
    key_2fa: str | None = Field(default=None, min_length=1)
    general: Level | None = None
    transfer: Level | None = None


class NewKey(KeyAttributes):
    """The dialog that creates a key."""

    api: Literal["spot", "derivatives"]
    name: str | None = None
    active_after_s: float = Field(default=0.0, ge=0)


class KeyChoice(AccountChoice):
    """One key of an account, by its name, the last four characters of its public half, or all of that."""

    name: str | None = None
    last4: str | None = None
    key: str | None = None


class KeyEdit(KeyAttributes, KeyChoice):
    """The dialog that edits a key; the secret stays. `new_name` renames a Spot key."""

    new_name: str | None = Field(default=None, min_length=1)


class TicketText(_Request):
    """A ticket, either as its two addresses or as the text that was sent."""

    master: str | None = None
    subaccount: str | None = None
    text: str | None = None


class Address(_Request):
    """Somebody's e-mail address."""

    email: str


class Egress(_Request):
    """From where calls shall seem to come; None only asks."""

    address: str | None = None


class BudgetChange(_Request):
    """Whether calls are counted; None only asks."""

    on: bool | None = None


class LockoutChange(_Request):
    """What too many failures lock; None only asks."""

    scope: LockoutScope | None = None


class DuplicatesChange(_Request):
    """What a subaccount's taken name is answered with; None only asks."""

    answer: DuplicateAnswer | None = None


class CidrChange(_Request):
    """Which fields hold a Derivatives allowlist; None only asks."""

    fields: CidrFields | None = None


class DialectChange(_Request):
    """How answers are spelt, in this order; `none` is plainly, None only asks."""

    words: Dialects | None = None


class NewFault(_Request):
    """Something that shall go wrong, and how often."""

    kind: FaultKind
    path: str = Field(default="/", pattern="^/")
    times: int = Field(default=1, ge=1)
    delay_s: float = Field(default=DEFAULT_DELAY_S, ge=0)
    location: str = DEFAULT_LOCATION


class ClockChange(_Request):
    """Set or advance the clock; neither only asks."""

    set: datetime | None = None
    advance_s: float = 0.0
