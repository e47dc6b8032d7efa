"""What lies where it is not taken from, with its path: findings, never changes."""

from __future__ import annotations

from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_adopted import is_left
from krakenstate.engine.plan_keys import is_declined
from krakenstate.errors import CredentialMalformed, HandInNotExpected
from krakenstate.model.plan import Check
from krakenstate.model.snapshot import Arrival, Place

SHOWN_STRAYS = 20


def find_inbox_checks(look: Outlook) -> list[Check]:
    """Secrets no task waits for, what was no key, and paths in the inbox that belong to no declared key."""
    found = [check for arrival in look.snapshot.arrivals if (check := _check(arrival, look))]
    strays = look.snapshot.strays
    for path in strays[:SHOWN_STRAYS]:
        text = f"{path}: no key of this stack is handed in there; it is neither read nor removed"
        found.append(Check(code=HandInNotExpected.code, text=text))
    if len(strays) > SHOWN_STRAYS:
        text = f"{len(strays) - SHOWN_STRAYS} more paths in the inbox belong to no key of this stack"
        found.append(Check(code=HandInNotExpected.code, text=text))
    return found


def _check(arrival: Arrival, look: Outlook) -> Check | None:
    record = look.state.key(arrival.address)
    published = record.published if record else None
    is_awaited = record is not None and (record.awaits_successor or not (record.is_in_use or record.revoked))
    if record is not None and is_awaited and record.removal is None:
        if arrival.place is not Place.INBOX or not is_declined(record, arrival):
            return None
        text = (
            f"version {arrival.version} of {arrival.path} is no key; it is left there, and looked at again "
            "when it was replaced"
        )
        return Check(code=CredentialMalformed.code, address=arrival.address, text=text)
    is_unknown = (
        record is not None
        and record.is_as_adopted
        and (published is None or is_left(record, arrival, look))  # it may be the key itself, or be in use
    )
    if (
        record is not None and arrival.place is not Place.INBOX and not is_unknown
    ):  # the plan has a step for it
        return None
    if published is not None and arrival.fingerprint == published.fingerprint:
        return None
    where = f" ({arrival.path})" if arrival.path else ""
    text = f"a secret lies in {arrival.place.value}{where} that no task asks for; it is not taken"
    return Check(code=HandInNotExpected.code, address=arrival.address, text=text)
