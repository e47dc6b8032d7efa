"""What will need attention soon, and what a reviewer should know although nothing changes."""

from __future__ import annotations

from datetime import date, timedelta

from krakenstate.engine.inbox import find_inbox_checks
from krakenstate.engine.outlook import Outlook
from krakenstate.engine.plan_adopted import find_adoption_checks
from krakenstate.engine.plan_rotation import drained_at, due_on, lead_of
from krakenstate.engine.reports import find_report_checks
from krakenstate.model.declarations import Key, SpotKey
from krakenstate.model.plan import Check, Upcoming
from krakenstate.model.rotation import Rotation, Stage
from krakenstate.model.state import KeyRecord


def find_upcoming(look: Outlook, horizon: timedelta) -> tuple[Upcoming, ...]:
    """Expiries and rotations within the horizon, and rotations whose clock has not started."""
    found: list[Upcoming] = []
    today = look.now.date()
    last = today + horizon
    for key in look.desired.of(Key):
        if isinstance(key, SpotKey) and key.expires is not None:
            found += _expiry(key, key.expires, today, last)
        found += _rotation(key, look.state.key(key.address), today, last)
    found.extend(
        Upcoming(address=declared.address, on=w.until, text=f"waiver of {w.rule} ends {w.until}")
        for declared in look.desired.resources.values()
        for w in declared.waivers
        if w.until <= last
    )
    return tuple(sorted(found, key=lambda u: (u.on is None, u.on or today, u.address, u.text)))


def _expiry(key: Key, expires: date, today: date, last: date) -> list[Upcoming]:
    lead = lead_of(key)
    out = []
    if expires <= last:
        verb = "expires" if expires >= today else "expired"
        out.append(Upcoming(address=key.address, on=expires, text=f"{verb} {expires}"))
    replace_by = expires - lead
    if key.rotate_before and replace_by <= last:
        text = f"to be replaced from {replace_by} ({_days(lead)} before its expiry)"
        out.append(Upcoming(address=key.address, on=replace_by, text=text))
    return out


def _rotation(key: Key, record: KeyRecord | None, today: date, last: date) -> list[Upcoming]:
    if record is not None and record.rotation is not None:
        return [line for rotation in record.rotation.chain for line in _under_way(key, rotation)]
    if key.rotate_every is None:
        return []
    due = rotation_due(key, record)
    if due is not None and due > last:
        return []
    overlap = f", overlap {_days(key.overlap)}" if key.overlap else ""
    if due is None:
        text = f"rotation every {_days(key.rotate_every)} from the day it goes into service{overlap}"
        return [Upcoming(address=key.address, on=None, text=text)]
    verb = "rotation due" if due >= today else "rotation overdue since"
    return [Upcoming(address=key.address, on=due, text=f"{verb} {due}{overlap}")]


def _under_way(key: Key, rotation: Rotation) -> list[Upcoming]:
    """A rotation stays listed until its old generation is proven dead."""
    what = f"rotation to generation {rotation.generation}" if rotation.replaces else "revocation"
    text = f"{what} is {rotation.stage.value}, since {rotation.at.date()}"
    if rotation.stage is not Stage.DRAINING:
        return [Upcoming(address=key.address, on=None, text=text)]
    ends = drained_at(rotation, key.overlap).date()
    ending = f" (...{rotation.old.last_four})" if rotation.old.last_four else ""
    text += f"; the old key{ending} is to be deleted from {ends}"
    return [Upcoming(address=key.address, on=ends, text=text)]


def rotation_due(key: Key, record: KeyRecord | None) -> date | None:
    """The day on which its age makes a key due; ``None`` without a period, or while it is not in service."""
    due_at = due_on(key, record) if record is not None else None
    return due_at.date() if due_at else None


def find_checks(look: Outlook) -> tuple[Check, ...]:
    """Secrets that are not where they were put, and links that changed their e-mail."""
    found: list[Check] = []
    for record in look.state.records:
        published = record.published if isinstance(record, KeyRecord) else None
        if published is None:
            continue
        fact = look.snapshot.of(record.address).facts.get("secret")
        if fact is None or fact.value == published.fingerprint or not fact.is_known:
            continue
        what = "the secret is gone from" if fact.value is None else "somebody replaced the secret at"
        text = f"{what} {published.path}"
        found.append(Check(code="KS2206", address=record.address, text=text))
    return (
        *found,
        *find_inbox_checks(look),
        *find_report_checks(look.snapshot, look.state),
        *find_adoption_checks(look),
    )


def _days(span: timedelta) -> str:
    days = span.total_seconds() / 86400
    return f"{days:g} day{'' if days == 1 else 's'}"
