"""The nonce a key is asked with while it waits in quarantine."""

from __future__ import annotations

from krakenstate.engine.nonces import unit_of
from krakenstate.engine.observe import check_clock
from krakenstate.engine.reports import nonce_reported
from krakenstate.engine.session import Session
from krakenstate.model.declarations import Key
from krakenstate.model.state import KeyRecord


def hand_in_nonce(session: Session, key: Key, record: KeyRecord, fingerprint: str) -> int | str:
    """The smallest one never used with a fresh key, else the clock in its unit; or why there is none."""
    asker, candidate, unit = session.asker, record.candidate, unit_of(record.terms)
    if candidate is None or candidate.fresh:
        return asker.fresh_nonce(fingerprint, nonce_reported(session, key, fingerprint))
    if unit is None:
        return "it was used before, and no nonce_unit is declared whose clock it could be asked from"
    if record.terms.controls:
        return asker.clock_nonce(fingerprint, unit)
    nonce = asker.careful_nonce(fingerprint, unit, check_clock(session))
    return "the clock is not past the last nonce that it was asked with" if nonce is None else nonce
