"""Asking a key: from an admitted site, under no open breaker, with a nonce that overtakes nobody, once.

Every signed call of the engine goes through ``Asker``, in the lane of its account. It never retries. A failed
authentication opens the credential's breaker, a second one on the account the account's, a lockout that of
everything private from here; each lasts fifteen minutes and is kept beside the state, so that the next run
respects it.
Source: support.kraken.com, API error messages (read in August 2026), and docs/kraken.md.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from krakenstate.engine.nonces import by_slower_clock, nonce_at
from krakenstate.errors import (
    AuthenticationFailed,
    BreakerOpen,
    Interrupted,
    InvalidKey,
    InvalidNonce,
    InvalidSignature,
    KrakenstateError,
    PermissionDenied,
    TemporaryLockout,
    VaultError,
)
from krakenstate.model.address import Address
from krakenstate.model.base import format_instant
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import api_of
from krakenstate.model.network import IPNetwork, admits
from krakenstate.model.run import Breaker, BreakerScope
from krakenstate.model.state import Candidate
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api, NonceUnit, SignedCall
from krakenstate.providers.base import KeyInspector, Lanes
from krakenstate.store.base import Ledger

log = logging.getLogger("krakenstate.asking")
BREAKER_LASTS = timedelta(minutes=15)
MOMENTS = timedelta(minutes=5)
SECOND_PROBE_AFTER = timedelta(minutes=5)
"""A fresh key can be unknown to Kraken for some minutes. Source: ccxt issue 8634 (read in August 2026)."""
EGRESS = "egress"

T = TypeVar("T")


class Subject(NamedTuple):
    """Whose key is asked, and what is known of its allowlist.

    ``declared`` and ``seen`` are its networks by declaration and by its last description (``None``: unknown
    by declaration, or never described).
    """

    address: Address
    account: Address
    declared: tuple[IPNetwork, ...] | None
    seen: tuple[IPNetwork, ...] | None = None

    @property
    def api(self) -> Api:
        """The platform of the key."""
        return api_of(self.address)


class _NoLanes:
    """Sends at once and counts nothing: for a few calls that nobody else makes meanwhile."""

    def run(self, account: Address, api: Api, call: SignedCall, send: Callable[[], T]) -> T:  # noqa: ARG002
        return send()


class Asker:
    """Asks keys on behalf of one run. Safe to share between threads.

    Args:
        ledger: Breakers and nonces, shared with every other run.
        site: The networks this run speaks from.
        clock: Timezone-aware UTC.
        lanes: The order of calls on each account; without them calls are sent at once.
        identities: Which address stands for an account that is declared twice; others stand for themselves.
    """

    def __init__(
        self,
        ledger: Ledger,
        site: tuple[IPNetwork, ...],
        clock: Callable[[], datetime],
        lanes: Lanes | None = None,
        identities: Mapping[Address, Address] | None = None,
        *,
        told: Callable[[Breaker], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._site = site
        self._clock = clock
        self._lanes = lanes or _NoLanes()
        self._identities = identities or {}
        self._told = told
        self._mutex = threading.Lock()
        self._breakers: list[Breaker] | None = None
        self._has_stopped = threading.Event()

    def refusal(
        self, subject: Subject, fingerprint: str, *, second_probe: bool = False, urgent: bool = False
    ) -> str:
        """Why this key must not be asked now, in a sentence; empty if it may be.

        A fresh key's second probe is let past the key's own breaker, and past no other. An ``urgent``
        question, in the night of a leak, is let past the account's.
        """
        site = self._site or None
        if subject.declared is None:
            return "its allowlist is not declared, so nothing says that this site is admitted"
        if not admits(subject.declared, site):
            return "this site is not inside its declared allowlist" if site else "no site was named"
        if subject.seen is not None and not admits(subject.seen, site):
            return "this site is not inside the allowlist it was last seen with"
        open_ = self._blocking(None if urgent else subject.account, None if second_probe else fingerprint)
        if open_ is not None:
            return (
                f"after a failed authentication ({open_.code}) its {open_.scope.value} is not asked until "
                f"{format_instant(open_.until)}"
            )
        return ""

    def describe(
        self,
        inspector: KeyInspector,
        subject: Subject,
        credential: Credential,
        nonce: int | Callable[[], int] | None,
        *,
        second_probe: bool = False,
        urgent: bool = False,
    ) -> KeyDescription:
        """One question to one key.

        Args:
            inspector: Of the key's platform.
            subject: Whose key it is.
            credential: Both halves.
            nonce: The number to use; or what gives it once the call's turn has come, for a key that somebody
                else uses meanwhile; or ``None`` where none is taken.
            second_probe: Let past the key's own breaker.
            urgent: Let past the account's.

        Raises:
            BreakerOpen: An earlier failure forbids asking.
            KrakenError: What the key answered, or why there was no answer.
        """
        return self.call(
            subject,
            credential,
            lambda: inspector.describe_key(credential, nonce() if callable(nonce) else nonce),
            second_probe=second_probe,
            urgent=urgent,
        )

    def is_dead(
        self,
        inspector: KeyInspector,
        subject: Subject,
        credential: Credential,
        nonce: int | None,
        *,
        urgent: bool = False,
    ) -> bool:
        """One question to a key that should not exist any more: whether Kraken does not know it.

        Raises:
            BreakerOpen: An earlier failure on the account, or a lockout, forbids asking.
            KrakenError: No answer that tells.
        """
        try:
            self.call(
                subject,
                credential,
                lambda: inspector.describe_key(credential, nonce),
                urgent=urgent,
                is_proof=True,
            )
        except InvalidKey:
            return True
        except (InvalidNonce, InvalidSignature, PermissionDenied):
            return False  # Kraken knows it well enough to say that
        return False

    def stop(self) -> None:
        """From now on nothing is sent: the run has ended, and what it left running must not go on."""
        self._has_stopped.set()

    def call(
        self,
        subject: Subject,
        credential: Credential,
        send: Callable[[], T],
        *,
        kind: SignedCall = SignedCall.DESCRIBE_KEY,
        second_probe: bool = False,
        urgent: bool = False,
        is_proof: bool = False,
    ) -> T:
        """One signed call on behalf of a key, in its account's lane; a failed authentication opens breakers.

        ``is_proof`` is for a key that should be dead: its own breaker does not keep it from being asked, and
        that it is unknown to Kraken opens none.

        Raises:
            BreakerOpen: An earlier failure forbids calling.
            RateLimited: Kraken refused earlier calls on the account, so this was not sent.
            Interrupted: The run has ended.
            KrakenstateError: What ``send`` raised.
        """
        fingerprint = credential.fingerprint

        def refuse() -> None:
            account = None if urgent else subject.account
            open_ = self._blocking(account, None if second_probe or is_proof else fingerprint)
            if open_ is not None:
                raise BreakerOpen(
                    f"{subject.address} was not asked: after a failed authentication ({open_.code}) its "
                    f"{open_.scope.value} is left alone until {format_instant(open_.until)}."
                )

        def take_turn() -> T:
            if self._has_stopped.is_set():
                raise Interrupted("The run has ended, so nothing was sent.")
            refuse()  # once more: another lane may have opened a breaker while this one waited
            try:
                return send()
            except AuthenticationFailed as error:
                if is_proof and isinstance(error, InvalidKey):
                    raise  # as hoped
                self._open_breakers(subject, fingerprint, error)  # before the lane lets the next call go
                raise

        lane = self._identities.get(subject.account, subject.account)
        try:
            refuse()
            return self._lanes.run(lane, subject.api, kind, take_turn)
        except KrakenstateError as error:
            raise error.at_address(subject.address) from error.__cause__

    def fresh_nonce(self, fingerprint: str, above: int = 0) -> int:
        """The smallest nonce never used with this key: 1, 2, 3, and so on, or above one used elsewhere."""
        return self._ledger.next_nonce(fingerprint, above + 1)

    def hear_of_failure(self, subject: Subject, fingerprint: str, at: datetime, code: str) -> None:
        """Keeps the breaker of a credential that was rejected where its process runs.

        It opens that key's own breaker and no other: a report is its process's word.
        """
        until = min(at, self._clock()) + BREAKER_LASTS
        if until <= self._clock():
            return
        breaker = Breaker(
            scope=BreakerScope.CREDENTIAL,
            subject=fingerprint,
            opened_at=min(at, self._clock()),
            until=until,
            code=code,
            address=subject.address,
            account=subject.account,
        )
        with self._mutex:
            self._hold(breaker)
        self._ledger.open_breaker(breaker)

    def clock_nonce(self, fingerprint: str, unit: NonceUnit) -> int:
        """The clock in a unit, or one more than the last one used: for keys that nobody else uses.

        Raises:
            ValueError: The unit is a counter.
        """
        return self._ledger.next_nonce(fingerprint, nonce_at(self._clock(), unit))

    def careful_nonce(self, fingerprint: str, unit: NonceUnit, offset: timedelta) -> int | None:
        """The clock in a unit, for keys that others may use; ``None`` if it is not above the last one used.

        Args:
            fingerprint: Of the key.
            unit: Of the process.
            offset: How far this machine's clock is ahead of Kraken's.
        """
        instant = by_slower_clock(self._clock(), offset)
        nonce = nonce_at(instant, unit)
        return nonce if self._ledger.claim_nonce(fingerprint, nonce, instant) else None

    def _known(self) -> list[Breaker]:
        """Under the mutex."""
        if self._breakers is None:
            self._breakers = self._ledger.breakers()
        return self._breakers

    def _blocking(self, account: Address | None, fingerprint: str | None) -> Breaker | None:
        with self._mutex:
            known = self._known()
        if not known:
            return None
        now = self._clock()
        subjects = {
            BreakerScope.CREDENTIAL: fingerprint,
            BreakerScope.ACCOUNT: str(account) if account else None,
            BreakerScope.EGRESS: EGRESS,
        }
        return next(
            (b for b in known if b.until > now and subjects[b.scope] == b.subject),
            None,
        )

    def _open_breakers(self, subject: Subject, fingerprint: str, error: AuthenticationFailed) -> None:
        """Holds them in mind before they are written down, so that other lanes stop at once."""
        now = self._clock()
        opened: list[Breaker] = []

        def open_(scope: BreakerScope, of: str) -> None:
            breaker = Breaker(
                scope=scope,
                subject=of,
                opened_at=now,
                until=now + BREAKER_LASTS,
                code=error.code,
                address=subject.address,
                account=subject.account,
            )
            self._hold(breaker)
            opened.append(breaker)

        with self._mutex:
            failed_before = any(
                b.scope is BreakerScope.CREDENTIAL
                and b.account == subject.account
                and b.subject != fingerprint
                and b.until > now
                for b in self._known()
            )
            if isinstance(error, TemporaryLockout):
                open_(BreakerScope.EGRESS, EGRESS)
            open_(BreakerScope.CREDENTIAL, fingerprint)
            if failed_before:
                open_(BreakerScope.ACCOUNT, str(subject.account))
        for breaker in opened:
            if self._told is not None:
                self._told(breaker)
            try:
                self._ledger.open_breaker(breaker)
            except VaultError as lost:  # what Kraken said must be heard, or the key is asked once more
                log.warning("The breaker of %s was not written down: %s", subject.address, lost.message)

    def _hold(self, breaker: Breaker) -> None:
        """Under the mutex."""
        same = (breaker.scope, breaker.subject)
        self._breakers = [b for b in self._known() if (b.scope, b.subject) != same] + [breaker]


def second_probe_at(candidate: Candidate, error: AuthenticationFailed, now: datetime) -> datetime | None:
    """When a rejected key may be asked once more: one that was handed in moments ago, and only once."""
    is_first = candidate.asked_at is None
    is_fresh = candidate.fresh and now - candidate.received_at <= MOMENTS
    return now + SECOND_PROBE_AFTER if isinstance(error, InvalidKey) and is_first and is_fresh else None


def is_second_probe(candidate: Candidate | None, now: datetime) -> bool:
    """Whether a rejected fresh key's second probe is due."""
    return candidate is not None and candidate.again_at is not None and now >= candidate.again_at
