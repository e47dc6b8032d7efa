"""Asking a key where its process runs, with a token that reads one secret and writes one report.

How this works: neither the state nor breakers nor the record of nonces can be read here, so the report itself
remembers. It is written before the key is asked, with the nonce that will be used, and again with the answer
or the rejection; both times with check-and-set, so that two hosts never ask at once. A nonce is never used
again: a key in quarantine is asked with 10, 20, 30 and so on, or, if it refused those, from the clock in its
declared unit. A rejected key is left alone for fifteen minutes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from krakenstate.engine.asking import BREAKER_LASTS
from krakenstate.engine.observe import check_clock
from krakenstate.engine.session import Session
from krakenstate.errors import (
    AnswerUnreadable,
    AuthenticationFailed,
    BreakerOpen,
    InvalidNonce,
    KrakenstateError,
    NotAskedInService,
    NotPossibleHere,
    SecretDisappeared,
    TemporaryLockout,
    VaultDenied,
)
from krakenstate.model.base import format_instant
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key, SpotKey
from krakenstate.model.network import admits
from krakenstate.model.report import NONCE_STEP, SMALL_NONCE_MAX, Answer, Attempt, Evidence, InUse
from krakenstate.model.snapshot import Place
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import NonceUnit

log = logging.getLogger("krakenstate.reporting")


@dataclass(frozen=True, slots=True)
class Here:
    """Who asks, on which machine."""

    who: str
    host: str


def ask_here(session: Session, key: Key) -> KeyDescription:
    """One question to a key that takes no nonce, of which nothing is kept.

    Raises:
        NotPossibleHere: The key takes a nonce, which nothing would remember; or the site is wrong.
        BreakerOpen: Its last report tells of a rejection a moment ago.
        KrakenstateError: What the key answered, or why it was not asked.
    """
    credential, in_service = _secret(session, key)
    inspector = session.providers.keys[key.api]
    if inspector.takes_nonce:
        if in_service:
            raise _in_service(key)
        raise NotPossibleHere(
            f"Asking {key.address} moves its nonce, and without a report nothing would remember which one "
            "was used, so that the next question could be rejected.",
            next_step=f"Ask it and leave a report: krakenstate key verify {key.address} --report",
            address=key.address,
        )
    evidence, _ = session.records.evidence.read(key.process.name, key.address)
    _leave_alone(key, evidence, credential.fingerprint, session.clock())
    try:
        return inspector.describe_key(credential, None)
    except KrakenstateError as error:
        raise error.at_address(key.address) from error.__cause__


def report_here(session: Session, key: Key, here: Here) -> tuple[KeyDescription, str]:
    """One question to a key; the answer is left in Vault as a report. Its path comes back as well.

    Raises:
        NotAskedInService: A Spot key in service, or one that is not fresh and has no unit to be asked in.
        BreakerOpen: It was rejected a moment ago.
        ReportUnusable: What lies at the evidence path is no report.
        VaultConflict: Another host asks it now. Nothing was asked.
        AuthenticationFailed: Kraken rejected it; the report says so.
        KrakenstateError: Any other answer, or none.
    """
    store, process = session.records.evidence, key.process.name
    credential, in_service = _secret(session, key)
    inspector = session.providers.keys[key.api]
    if inspector.takes_nonce and in_service:
        raise _in_service(key)
    before, version = store.read(process, key.address)
    now = session.clock()
    _leave_alone(key, before, credential.fingerprint, now)
    check_clock(session)
    last = before.attempt if before and before.attempt else None
    if last is not None and last.fingerprint != credential.fingerprint:
        last = None
    nonce = _nonce(key, last, now) if inspector.takes_nonce else None
    attempt = Attempt(fingerprint=credential.fingerprint, at=now, nonce="" if nonce is None else str(nonce))
    evidence = Evidence(
        stack=session.desired.head.name,
        address=key.address,
        attempt=attempt,
        answer=before.answer if before else None,
        in_use=before.in_use if before else None,
    )
    version = store.write(process, key.address, evidence, version)

    def keep(**changes: object) -> None:
        store.write(process, key.address, evidence.model_copy(update=changes), version)

    try:
        description = inspector.describe_key(credential, nonce)
    except AuthenticationFailed as error:
        rejection = error
    except KrakenstateError as error:
        raise error.at_address(key.address) from error.__cause__
    else:
        keep(answer=_answer(session, description, here, now))
        return description, store.path_of(process, key.address)
    try:
        keep(attempt=attempt.model_copy(update={"code": rejection.code}))
    except KrakenstateError as error:  # the rejection is what must be said
        log.warning("The rejection of %s was not kept: %s", key.address, error.message)
    raise rejection.at_address(key.address) from rejection.__cause__


def report_use(session: Session, key: Key, here: Here) -> tuple[InUse, str]:
    """Leaves word in Vault which key its process uses: the one at its path. Kraken is not asked.

    Raises:
        SecretDisappeared: No key is at the process's path.
        ReportUnusable: What lies at the evidence path is no report.
        VaultConflict: Somebody else writes it now.
    """
    store, process = session.records.evidence, key.process.name
    credential = session.custody.read_published(session.slot(key.process.address, key.address))
    if credential is None:
        raise SecretDisappeared(
            f"No key lies at the path of {key.address}, so its process uses none from there.",
            address=key.address,
            source=key.source,
        )
    before, version = store.read(process, key.address)
    evidence = before or Evidence(stack=session.desired.head.name, address=key.address)
    use = InUse(
        fingerprint=credential.fingerprint, at=session.clock(), who=here.who[:128], host=here.host[:128]
    )
    store.write(process, key.address, evidence.model_copy(update={"in_use": use}), version)
    return use, store.path_of(process, key.address)


def _answer(session: Session, description: KeyDescription, here: Here, now: datetime) -> Answer:
    site = session.site
    try:
        return Answer.model_validate(
            {
                "at": now,
                "who": here.who[:128],
                "host": here.host[:128],
                "site": site.name if site else None,
                "site_networks": session.site_networks,
                "krakenstate_version": session.version,
                "description": description,
            }
        )
    except ValidationError:
        pass
    raise AnswerUnreadable(
        "The key describes itself with more, or with other things, than a report can hold."
    )


def _secret(session: Session, key: Key) -> tuple[Credential, bool]:
    """The key to ask, and whether it is in service: one that waits in quarantine comes first.

    The state cannot be read here, so a renamed key's secret, which stays where its process reads it, is found
    by the renames in the stack.
    """
    _check_site(session, key)
    slot = session.slot_of(key)
    earlier = (session.slot(key.process.address, old) for old in session.desired.moved_from(key.address))
    places = (slot, *earlier)
    if key.vault_path is not None:  # where the generation lies that has replaced the adopted one, if one has
        places = (session.slot(key.process.address, key.address), *places)
    for at in places:
        try:
            published = session.custody.read_published(at)
        except VaultDenied:
            if at == places[-1]:
                raise
            continue
        waiting = session.custody.read(Place.QUARANTINE, at)
        if waiting is not None and (published is None or published.fingerprint != waiting.fingerprint):
            return waiting, False
        if published is not None:
            return published, True
    raise SecretDisappeared(
        f"Neither {session.custody.path_of(slot)} nor quarantine holds a key for {key.address}.",
        next_step=f"Hand it in first: krakenstate key ingest {key.address}\n"
        "If the key was renamed, leave its Moved in the stack: the secret stays at its first address.",
        address=key.address,
        source=key.source,
    )


def _check_site(session: Session, key: Key) -> None:
    site = session.site
    if site is None or key.networks is None or admits(key.networks, site.networks):
        return
    raise NotPossibleHere(
        f"The site {site.name} is not inside the declared allowlist of {key.address}: a call from there "
        "would be a failed authentication.",
        next_step="Run it where the process lives, with that site's name or none.",
        address=key.address,
    )


def _in_service(key: Key) -> NotAskedInService:
    return NotAskedInService(
        f"{key.address} is in service: a signed call would move the nonce that its process uses.",
        address=key.address,
        source=key.source,
    )


def _leave_alone(key: Key, evidence: Evidence | None, fingerprint: str, now: datetime) -> None:
    """Makes sure that no rejection is a moment old.

    Raises:
        BreakerOpen: One is.
    """
    last = evidence.attempt if evidence else None
    if last is None or not last.code or now >= last.at + BREAKER_LASTS:
        return
    if last.fingerprint == fingerprint or last.code == TemporaryLockout.code:
        until = format_instant(last.at + BREAKER_LASTS)
        raise BreakerOpen(
            f"{key.address} was not asked: after a failed authentication ({last.code}) it is left alone "
            f"until {until}.",
            address=key.address,
        )


def _nonce(key: Key, last: Attempt | None, now: datetime) -> int:
    """Above every nonce reported before.

    Raises:
        NotAskedInService: There is none that is sure to overtake nobody.
    """
    if last is None or (last.code != InvalidNonce.code and last.small_nonce):
        nonce = ((last.small_nonce if last else 0) // NONCE_STEP + 1) * NONCE_STEP
        if nonce <= SMALL_NONCE_MAX:
            return nonce
        raise NotAskedInService(
            f"{key.address} was asked {SMALL_NONCE_MAX // NONCE_STEP} times while it waited in quarantine. "
            "With larger nonces the first call of its process could be rejected.",
            next_step="Make a new key and hand that one in.",
            address=key.address,
        )
    unit = key.nonce_unit if isinstance(key, SpotKey) else None
    if unit is None or unit is NonceUnit.COUNTER:
        raise NotAskedInService(
            f"{key.address} refused the smallest nonces, so somebody has used it; and its unit is not "
            "declared, or counts by itself, so that no nonce is sure to overtake nobody.",
            next_step="Make a new key and hand that one in, or declare nonce_unit.",
            address=key.address,
        )
    epoch_ns = int(now.timestamp() * 1_000_000) * 1_000
    return max(unit.at(epoch_ns), int(last.nonce or 0) + 1)
