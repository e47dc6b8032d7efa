"""One run: what it was given, and the one way in which it writes.

How this works: every remote write of a run goes through ``Writing.write``, which re-checks the lock, journals
the intent, makes the call once, and journals the outcome. A call whose outcome is unknown stays an intent
without a ``done``, and recovery knows what each kind means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pydantic import JsonValue

from krakenstate.engine.asking import Asker
from krakenstate.engine.audience import Audience, Nobody
from krakenstate.engine.guard import Guard
from krakenstate.errors import (
    AnswerUnreadable,
    Interrupted,
    KrakenstateError,
    KrakenUnreachable,
    OutcomeUnknown,
    VaultWriteUnknown,
)
from krakenstate.model.address import Address
from krakenstate.model.declarations import Account, Allowlist, Key, VaultFields
from krakenstate.model.desired import Desired
from krakenstate.model.network import IPNetwork
from krakenstate.model.rotation import ADOPTED_GENERATION, Generation
from krakenstate.model.run import CallKind, Result
from krakenstate.model.state import KeyRecord, State
from krakenstate.providers.base import Lanes, Providers
from krakenstate.store.base import Journal, Lease, Records

if TYPE_CHECKING:
    from krakenstate.secret.base import CredentialStore, Slot

T = TypeVar("T")


class Origins(NamedTuple):
    """The servers a run speaks to: scheme, host and port of each platform."""

    spot: str
    futures: str


@dataclass(frozen=True)
class Session:
    """What a run was given by the composition root.

    ``clock`` gives timezone-aware UTC; ``lanes`` order the signed calls; ``audience`` is told what happens.
    On a pull request's run no Spot key in service is asked, not even one that may be. ``guard`` says how
    strictly its plans are looked at.
    """

    desired: Desired
    origins: Origins
    providers: Providers
    custody: CredentialStore
    records: Records
    site: Allowlist | None
    clock: Callable[[], datetime]
    version: str
    lanes: Lanes
    audience: Audience = field(default_factory=Nobody)
    on_pull_request: bool = False
    guard: Guard = field(default_factory=Guard)

    @cached_property
    def asker(self) -> Asker:
        """The one through which this run asks keys, so that a breaker it opened holds for all of it."""
        identities = {account.address: account.identity for account in self.desired.of(Account)}
        return Asker(
            self.records.ledger,
            self.site_networks,
            self.clock,
            self.lanes,
            identities,
            told=self.audience.breaker_opened,
        )

    @property
    def site_networks(self) -> tuple[IPNetwork, ...]:
        """The networks this run speaks from; empty when it named no site."""
        return self.site.networks if self.site else ()

    def slot(self, process: str, address: str) -> Slot:
        """Where a key's secret lives: below its process's name."""
        from krakenstate.secret.base import Slot  # noqa: PLC0415 - a plan of what is known has no use for it

        return Slot(process=process.partition(".")[2] or process, address=address)

    def slot_of(self, key: Key) -> Slot:
        """Where a declared key's secret lies, for those who read no state; an adopted one's as before."""
        fields = key.vault_fields or VaultFields()
        return replace(self.slot(key.process.address, key.address), path=key.vault_path, fields=fields)

    def shelf(self, record: KeyRecord) -> Slot:
        """Where a recorded key's secret lies: under the address it was first recorded at.

        Of an adopted key it lies where it lay; its next generation is published where every other key is.
        """
        slot = self.slot(record.process, record.shelf)
        if record.adopted is None or record.adopted.vault_path is None or not record.is_as_adopted:
            return slot
        return replace(slot, path=record.adopted.vault_path, fields=record.adopted.fields)

    def left_at(self, record: KeyRecord, old: Generation) -> str:
        """Mount and path at which the secret of an adopted generation stays; empty of any other."""
        adopted = record.adopted
        if adopted is None or adopted.vault_path is None or old.number != ADOPTED_GENERATION:
            return ""
        slot = replace(self.slot(record.process, record.shelf), path=adopted.vault_path)
        return self.custody.path_of(slot)


def result_of(error: BaseException | None) -> tuple[Result, str] | None:
    """What the journal says of a call that raised this; ``None``: its intent stays open, for recovery."""
    match error:
        case None:
            return Result.DONE, ""
        case OutcomeUnknown() | KrakenUnreachable() | AnswerUnreadable() | VaultWriteUnknown():
            return Result.UNKNOWN, error.code
        case KrakenstateError() if not isinstance(error, Interrupted):
            return Result.FAILED, error.code
        case _:
            return None


@dataclass
class Writing:
    """A run that may write: it holds the lock, and what it does is journalled.

    ``stop_requested`` is asked before each step; it raises when somebody asked the run to stop.
    """

    session: Session
    lease: Lease
    journal: Journal
    state: State
    stop_requested: Callable[[], None] = field(default=lambda: None)

    def write(
        self,
        kind: CallKind,
        address: str,
        details: Mapping[str, JsonValue],
        call: Callable[[], T],
    ) -> T:
        """One remote write: lock checked, intent before, call once, outcome after.

        Raises:
            LockLost: Before anything was sent.
            KrakenstateError: What the call raised, after it was journalled.
        """
        self.lease.check()
        intent = self.journal.intend(kind, address, details)
        try:
            result = call()
        except KrakenstateError as error:
            became = result_of(error)
            if became is not None:
                self.journal.conclude(intent, *became)
            raise
        self.journal.conclude(intent, Result.DONE)
        return result

    def aside(self, ask: Callable[[], T]) -> T:
        """A question to the outside that is no write of this run's; others may go on meanwhile."""
        return ask()

    def claim(self, what: str, by: Address) -> Address | None:
        """Who else is at work on the same thing in this run, side by side; ``None`` if it is now theirs."""
        del what, by
        return None

    def save(self) -> None:
        """Writes what changed in the state, documents before the index."""
        if self.state.changed:
            self.lease.check()
            self.session.records.state.save(self.state, self.session.clock())

    @property
    def now(self) -> datetime:
        """This instant."""
        return self.session.clock()
