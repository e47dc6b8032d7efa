"""Observing without harm: what exists, asked only where asking hurts nobody.

Spot keys in service are not asked, since a signed call moves their nonce; where the declaration allows it,
once a day (``daily``). Derivatives keys are asked without a nonce, from a site that they admit. A failed
read is ``unreadable`` and never an absence; only the master's complete list of linked subaccounts can say
that a link is absent.

How this works: accounts are looked at side by side, the keys of one account one after another. Each key is
asked for its description at most once; ``reading_ahead`` says when its secret is read. A master's links are
one list and one read per managed trading switch, asked with its controller's key after that key has said
whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import zip_longest

from krakenstate.engine import daily
from krakenstate.engine.asking import Subject
from krakenstate.engine.grants import observe_grants
from krakenstate.engine.identity import misplacement
from krakenstate.engine.moves import foreseen
from krakenstate.engine.plan_adopted import NOT_ASKED
from krakenstate.engine.reading_ahead import Secrets
from krakenstate.engine.reports import with_reports
from krakenstate.engine.session import Session
from krakenstate.engine.side_by_side import run_all
from krakenstate.errors import ClockOff, KrakenstateError, SecretDisappeared, WrongAccount
from krakenstate.model.address import Address
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import (
    DerivativesSubaccount,
    Key,
    MasterAccount,
    SpotSubaccount,
)
from krakenstate.model.provenance import Fact, Missing, Provenance
from krakenstate.model.snapshot import Arrival, Observation, Place, Presence, Snapshot
from krakenstate.model.state import KeyRecord, State
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.providers.base import Link, LinkList
from krakenstate.secret.base import Held

CLOCK_TOLERANCE = timedelta(seconds=60)


def observe(session: Session, state: State) -> Snapshot:
    """One observation of everything the stack declares or the state records.

    Raises:
        ClockOff: This machine's clock is more than a minute away from Kraken's.
        KrakenError: Kraken's public clock could not be read.
        VaultError: Vault could not be read.
    """
    offset = check_clock(session)
    return _Observer(session, state).observe(offset)


def take_snapshot(session: Session, state: State) -> Snapshot:
    """Observes, and keeps the result for plans that hold no credentials."""
    snapshot = observe(session, foreseen(session.desired, state)[0])
    session.records.snapshots.save_snapshot(snapshot)
    return snapshot


def check_clock(session: Session) -> timedelta:
    """How far this machine's clock is ahead of Kraken's.

    Raises:
        ClockOff: More than a minute, either way.
    """
    return check_offset(session.clock() - session.providers.clock.server_time())


def check_offset(offset: timedelta) -> timedelta:
    """The same offset, if nonces and expiries may be read from this machine's clock.

    Raises:
        ClockOff: More than a minute, either way.
    """
    if abs(offset) > CLOCK_TOLERANCE:
        seconds = round(abs(offset).total_seconds())
        way = "ahead of" if offset > timedelta(0) else "behind"
        raise ClockOff(
            f"This machine's clock is {seconds} seconds {way} Kraken's. Nonces and expiries are read from "
            "it: a nonce from the future would stop every later call of a key."
        )
    return offset


def slots_of(session: Session, state: State) -> list[tuple[Address, Address]]:
    """Process and key address of everything that may have a secret, declared or recorded."""
    pairs = {k.address: k.process.address for k in session.desired.of(Key)}
    for record in state.records:
        if isinstance(record, KeyRecord):
            pairs.setdefault(record.shelf, record.process)
    return [(process, address) for address, process in sorted(pairs.items())]


def addressed(arrivals: list[Arrival], state: State) -> list[Arrival]:
    """Arrivals under the addresses that keys have now: a renamed key's secrets lie under its first one."""
    renamed = {r.kept_as: r.address for r in state.records if isinstance(r, KeyRecord) and r.kept_as}
    return [a.model_copy(update={"address": renamed.get(a.address, a.address)}) for a in arrivals]


class _Observer:
    def __init__(self, session: Session, state: State) -> None:
        self._session = session
        self._state = state
        self._asker = session.asker
        self._now = session.clock()
        self._offset = timedelta(0)
        self._secrets = Secrets(session, state, self._is_asked)
        self._done: Callable[[], None] = lambda: None

    def observe(self, offset: timedelta) -> Snapshot:
        session, self._offset = self._session, offset
        slots = [session.slot(process, address) for process, address in slots_of(session, self._state)]
        with self._secrets as secrets:
            asked = self._to_ask()
            secrets.read_first(asked)
            arrivals = addressed(session.custody.arrivals(slots), self._state)
            secrets.look({key.address for key in asked})
            strays = secrets.meanwhile(partial(session.custody.strays, slots))
            found = self._ask(asked, arrivals)
        found += [
            _unknown(account.address, Missing.NOT_ASKED, "Kraken lists no Spot subaccounts; as recorded")
            for account in session.desired.of(SpotSubaccount)
        ]
        found += observe_grants(session, self._state)
        by_address = {seen.address: seen for seen in sorted(found, key=lambda seen: seen.address)}
        return Snapshot(
            lineage=self._state.index.lineage,
            stack=session.desired.head.name,
            environment=session.desired.head.environment.name,
            site=session.site.name if session.site else None,
            site_networks=session.site_networks,
            observed_at=self._now,
            clock_offset_ms=round(offset.total_seconds() * 1000),
            observations=with_reports(session, self._state, by_address, arrivals, self._now),
            arrivals=tuple(arrivals),
            strays=tuple(strays.result()),
        )

    def _ask(self, asked: list[Key], arrivals: list[Arrival]) -> list[Observation]:
        """What the lanes find, in order of their accounts."""
        session = self._session
        calls = [(key.account.identity, key.api, SignedCall.DESCRIBE_KEY) for key in asked]
        with session.audience.work(len(asked), session.lanes.least_s(calls)) as self._done:
            lanes = run_all(self._lanes(arrivals), stop=self._asker.stop)
        return [seen for lane in lanes for seen in lane]

    def _to_ask(self) -> list[Key]:
        """The keys that are asked for certain, as far as nothing happens meanwhile: for those who wait."""
        return [key for key in self._session.desired.of(Key) if self._is_asked(key)]

    def _is_asked(self, key: Key) -> bool:
        record, takes_nonce = self._state.key(key.address), self._session.providers.keys[key.api].takes_nonce
        if takes_nonce or record is None or record.published is None or record.is_as_adopted:
            return False
        return not self._asker.refusal(subject_of(key, record), record.published.fingerprint)

    def _lanes(self, arrivals: list[Arrival]) -> list[Callable[[], list[Observation]]]:
        """One job per account that has something to be looked at."""
        keys: dict[Address, list[Key]] = {}
        for key in self._session.desired.of(Key):
            keys.setdefault(key.account.identity, []).append(key)
        masters = {master.identity: master for master in self._session.desired.of(MasterAccount)}
        return [
            partial(self._account, keys.get(account, []), masters.get(account), arrivals)
            for account in sorted(keys.keys() | masters.keys())
        ]

    def _account(
        self, keys: list[Key], master: MasterAccount | None, arrivals: list[Arrival]
    ) -> list[Observation]:
        """The keys of one account, then the links of a master."""
        seen = {
            key.address: self._key(key, arrivals, following) for key, following in zip_longest(keys, keys[1:])
        }
        return [*seen.values(), *(self._links(master, seen) if master else ())]

    def _key(self, key: Key, arrivals: list[Arrival], following: Key | None) -> Observation:
        record = self._state.key(key.address)
        if record is not None and record.is_as_adopted:
            return _unknown(key.address, Missing.NOT_ASKED, NOT_ASKED)
        if record is None or record.published is None:
            return _unknown(key.address, Missing.PENDING, whereabouts(key.address, arrivals))
        try:
            return self._published(key, record, following)
        except KrakenstateError as error:
            return _unreadable(key.address, error)

    def _published(self, key: Key, record: KeyRecord, following: Key | None) -> Observation:
        session, published = self._session, record.published
        assert published is not None  # noqa: S101 - the caller looked
        slot = session.shelf(record)
        inspector, subject = session.providers.keys[key.api], subject_of(key, record)
        refusal = refusal_of(session, key, record, published.fingerprint)
        if refusal:
            facts = self._labelled(self._secrets.told(slot))
            return self._as_last_asked(key, record, _unknown(key.address, Missing.NOT_ASKED, refusal, facts))
        kept = self._secrets.open(slot)
        if kept is None:
            facts = self._labelled(self._secrets.told(slot))
            return _unknown(key.address, Missing.PENDING, "its secret is not at its place", facts)
        credential = kept.credential
        if credential.fingerprint != published.fingerprint:
            detail = "the secret at its place is another one"
            return _unknown(
                key.address, Missing.NOT_ASKED, detail, {"secret": self._fact(credential.fingerprint)}
            )
        facts = self._labelled(kept.held or self._secrets.told(slot))
        self._secrets.read_ahead(following)
        if inspector.takes_nonce:
            answer = daily.ask(session, key, record, subject, credential, offset=self._offset)
        else:
            answer = self._asker.describe(inspector, subject, credential, None)
            self._done()
        if answer is None:
            taken = _unknown(key.address, Missing.NOT_ASKED, daily.TAKEN, facts)
            return self._as_last_asked(key, record, taken)
        self._check_place(key, answer)
        return Observation(
            address=key.address, presence=Presence.PRESENT, facts=facts, description=answer, at=self._now
        )

    def _labelled(self, held: Held | None) -> dict[str, Fact]:
        return {"secret": self._fact(held.fingerprint if held and held.version else None)}

    def _as_last_asked(self, key: Key, record: KeyRecord, observation: Observation) -> Observation:
        """With what the key said of itself on an earlier day, or in another run of this one."""
        last = daily.last_answer(self._session, key, record)
        if last is None:
            return observation
        description, at = last
        self._check_place(key, description)
        return observation.model_copy(update={"description": description, "at": at})

    def _check_place(self, key: Key, description: KeyDescription) -> None:
        wrong = misplacement(description, key.account, self._session.desired, self._state)
        if wrong:
            raise WrongAccount(wrong.text, address=key.address, source=key.source)

    def _links(self, master: MasterAccount, keys: dict[Address, Observation]) -> Iterator[Observation]:
        """The master's subaccounts; ``keys`` holds what its own keys have just said."""
        subaccounts = [a for a in self._session.desired.of(DerivativesSubaccount) if a.master is master]
        if not subaccounts:
            return
        controller = self._session.desired.controller(master, Api.DERIVATIVES)
        record = self._state.key(controller.address) if controller else None
        if controller is None or record is None or record.published is None:
            detail = "the Derivatives controller is not in service yet"
            if controller is None:
                detail = "no Derivatives key with controls= is declared on the master"
            yield from (_unknown(account.address, Missing.PENDING, detail) for account in subaccounts)
            return
        said = keys[controller.address]
        refusal = self._asker.refusal(subject_of(controller, record), record.published.fingerprint)
        if refusal or said.missing is Missing.NOT_ASKED:
            detail = f"its controller: {refusal or said.detail}"
            yield from (_unknown(account.address, Missing.NOT_ASKED, detail) for account in subaccounts)
        elif said.missing is Missing.PENDING:
            detail = "the controller's secret is gone"
            yield from (_unknown(account.address, Missing.PENDING, detail) for account in subaccounts)
        else:
            try:
                found = list(self._read_links(controller, record, said, subaccounts))
            except KrakenstateError as error:
                found = [_unreadable(account.address, error) for account in subaccounts]
            yield from found

    def _read_links(
        self,
        controller: Key,
        record: KeyRecord,
        said: Observation,
        subaccounts: list[DerivativesSubaccount],
    ) -> Iterator[Observation]:
        uid = said.description.account_uid if said.description else None
        if said.description is None or uid is None:  # so nobody could say whose list it would be
            for account in subaccounts:
                yield Observation(
                    address=account.address,
                    presence=Presence.UNKNOWN,
                    missing=Missing.UNREADABLE,
                    detail=f"its controller: {said.detail}",
                    code=said.code,
                )
            return
        session = self._session
        links = session.providers.links
        credential = session.custody.read_published(session.shelf(record))
        if credential is None or credential.fingerprint != said.description.fingerprint:
            raise SecretDisappeared(f"The secret of {controller.address} is no longer at its place.")
        subject = subject_of(controller, record)
        listed = self._asker.call(
            subject, credential, lambda: links.list_links(credential, uid), kind=SignedCall.LIST_LINKS
        )
        for account in subaccounts:
            link = self._match(account, listed)
            if link is None:
                yield Observation(address=account.address, presence=Presence.ABSENT, at=self._now)
                continue
            facts = {"account_uid": self._fact(link.account_uid), "email": self._fact(link.email)}
            if account.trading_enabled is not None:
                facts["trading_enabled"] = self._trading(subject, credential, link.account_uid)
            yield Observation(address=account.address, presence=Presence.PRESENT, facts=facts, at=self._now)

    def _trading(self, subject: Subject, credential: Credential, uid: str) -> Fact:
        links = self._session.providers.links
        try:
            return self._fact(
                self._asker.call(
                    subject,
                    credential,
                    lambda: links.read_trading(credential, uid),
                    kind=SignedCall.READ_TRADING,
                )
            )
        except KrakenstateError as error:
            return Fact(missing=Missing.UNREADABLE, detail=error.message)

    def _match(self, account: DerivativesSubaccount, listed: LinkList) -> Link | None:
        record = self._state.account(account.address)
        uid = record.account_uid if record else None
        if uid:
            return next((link for link in listed.links if link.account_uid == uid), None)
        return next((link for link in listed.links if link.email.lower() == account.email), None)

    def _fact(self, value: str | bool | None) -> Fact:
        return Fact(value=value, provenance=Provenance.OBSERVED, at=self._now)


def whereabouts(address: Address, arrivals: list[Arrival]) -> str:
    """Where a key is that is not in service yet."""
    waiting = [a for a in arrivals if a.address == address]
    return {
        None: "no key has been handed in",
        Place.INBOX: "handed in through the inbox",
        Place.QUARANTINE: "handed in, in quarantine",
    }[waiting[0].place if waiting else None]


def refusal_of(session: Session, key: Key, record: KeyRecord, fingerprint: str) -> str:
    """Why a key in service must not be asked in this run, in a sentence; empty if it may be."""
    return NOT_ASKED if record.is_as_adopted else why_not_asked(session, key, record, fingerprint)


def why_not_asked(session: Session, key: Key, record: KeyRecord, fingerprint: str) -> str:
    """The same, of an adopted key as well: of one that somebody has just handed in."""
    takes_nonce = session.providers.keys[key.api].takes_nonce
    refusal = daily.refuses(session, key, record) if takes_nonce else ""
    refusal = refusal or session.asker.refusal(subject_of(key, record), fingerprint)
    if takes_nonce and not refusal:
        refusal = daily.was_asked(session, key, record, fingerprint)
    return refusal


def subject_of(key: Key, record: KeyRecord | None) -> Subject:
    """What asking a key must know of it."""
    seen = record.description.networks if record and record.description else None
    return Subject(address=key.address, account=key.account.address, declared=key.networks, seen=seen)


def _unknown(
    address: Address, missing: Missing, detail: str, facts: dict[str, Fact] | None = None
) -> Observation:
    return Observation(
        address=address, presence=Presence.UNKNOWN, missing=missing, detail=detail, facts=facts or {}
    )


def _unreadable(address: Address, error: KrakenstateError) -> Observation:
    return Observation(
        address=address,
        presence=Presence.UNKNOWN,
        missing=Missing.UNREADABLE,
        detail=error.message,
        code=error.code,
    )
