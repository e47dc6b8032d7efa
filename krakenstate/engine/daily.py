"""The daily question to a Spot key in service, for one whose declaration says ``probe_in_service=True``.

How this works: a signed Spot call moves the key's nonce, so its process is disturbed as little as can be. The
day is claimed in the ledger with check-and-set before the call; of two runs at once one finds it taken, and
does not ask. A day begins with any question, the one at hand-in included. The nonce is the clock's, in the
unit that was declared and applied. What the key answered is kept beside the claim, so that all runs of that
day plan with the same answer, until the state records a newer one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from krakenstate.engine.asking import Subject
from krakenstate.engine.nonces import by_slower_clock, nonce_at, unit_of
from krakenstate.engine.session import Session
from krakenstate.errors import InvalidNonce, KrakenstateError
from krakenstate.model.credential import Credential
from krakenstate.model.declarations import Key, SpotKey
from krakenstate.model.run import Probe
from krakenstate.model.state import KeyRecord
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import NonceUnit

DAY = timedelta(days=1)
TAKEN = "another run asks it just now; at most once a day"


def refuses(session: Session, key: Key, record: KeyRecord) -> str:
    """Why this key is not asked in service by this run at any time, in a sentence; empty if it may be."""
    if not isinstance(key, SpotKey) or not key.probe_in_service:
        return "in service: asking it would move its nonce"
    if session.on_pull_request:
        return "in service: never asked on a pull request"
    if _unit(key, record) is None:
        return "in service: its nonce_unit is not applied as it is declared now"
    return ""


def was_asked(session: Session, key: Key, record: KeyRecord, fingerprint: str) -> str:
    """Why a key that ``refuses`` nothing is not asked again now, in a sentence; empty if it may be."""
    last, now = session.records.ledger.probe(fingerprint), session.clock()
    if last is None:
        return ""
    if last.reserved_at > now - DAY:
        refused = f" and failed ({last.refusal})" if last.refusal else ""
        return f"asked {_ago(now - last.reserved_at)}{refused}; at most once a day"
    unit = _unit(key, record)
    if unit is not None and int(last.nonce) >= nonce_at(now, unit):
        return "in service: a nonce was used with it that the clock in its unit has not reached"
    return ""


def ask(
    session: Session,
    key: Key,
    record: KeyRecord,
    subject: Subject,
    credential: Credential,
    *,
    offset: timedelta,
) -> KeyDescription | None:
    """Today's question to a key that nothing above speaks against; ``None`` if another run asks it.

    Args:
        session: Of this run.
        key: Its declaration.
        record: What is recorded of it.
        subject: What asking must know of it.
        credential: Both halves.
        offset: How far this machine's clock is ahead of Kraken's.

    Raises:
        BreakerOpen: An earlier failure forbids asking.
        InvalidNonce: The process is ahead of its declared unit.
        KrakenError: What else the key answered, or why there was no answer.
    """
    unit, ledger, fingerprint = _unit(key, record), session.records.ledger, credential.fingerprint
    assert unit is not None  # noqa: S101 - refuses() looked
    claimed = by_slower_clock(session.clock(), offset)
    if not ledger.claim_nonce(fingerprint, nonce_at(claimed, unit), claimed, none_since=claimed - DAY):
        return None
    asked = claimed

    def nonce_now() -> int:
        """Claiming and waiting took their time, and a nonce below the process's last one is refused."""
        nonlocal asked
        asked = by_slower_clock(session.clock(), offset)
        return nonce_at(asked, unit)

    try:
        description = session.asker.describe(session.providers.keys[key.api], subject, credential, nonce_now)
    except InvalidNonce as error:
        ledger.note_probe(fingerprint, nonce_at(asked, unit), asked, refusal=error.code)
        raise _overtaken(key, unit) from None
    except KrakenstateError as error:
        ledger.note_probe(fingerprint, nonce_at(asked, unit), asked, refusal=error.code)
        raise
    ledger.note_probe(fingerprint, nonce_at(asked, unit), asked, description=description)
    return description


def last_answer(session: Session, key: Key, record: KeyRecord) -> tuple[KeyDescription, datetime] | None:
    """What a key said of itself when it was asked last, unless the state records something newer."""
    published = record.published
    if not isinstance(key, SpotKey) or not key.probe_in_service or published is None:
        return None
    last: Probe | None = session.records.ledger.probe(published.fingerprint)
    if last is None or last.description is None or last.described_at is None:
        return None
    is_older = record.described_at is not None and last.described_at <= record.described_at
    return None if is_older else (last.description, last.described_at)


def _unit(key: Key, record: KeyRecord) -> NonceUnit | None:
    """The unit that is both declared now and applied; a declaration alone was perhaps never approved."""
    applied = unit_of(record.terms)
    return applied if isinstance(key, SpotKey) and key.nonce_unit is applied else None


def _overtaken(key: Key, unit: NonceUnit) -> InvalidNonce:
    return InvalidNonce(
        f"{key.address} refused the current clock in {unit.value} as its nonce, so {key.process.address} is "
        "ahead of that: it counts in another unit or by itself, its clock is ahead, or a call of its own "
        "arrived first. A refused nonce does not disturb it. Unless it happened once, take "
        "probe_in_service=True away until its unit is known.",
        address=key.address,
        source=key.source,
    )


def _ago(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    if hours < 1:
        return "less than an hour ago"
    return f"{hours} {'hour' if hours == 1 else 'hours'} ago"
