"""Drift: what was observed beside what was recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from krakenstate.engine.diff import compare_descriptions
from krakenstate.engine.outlook import Outlook, key_label
from krakenstate.engine.plan_grants import grant_drift
from krakenstate.engine.reports import described_by
from krakenstate.engine.risk import risks_of_changes, sort_risks
from krakenstate.model.plan import AttributeChange, Check, DriftItem, Severity
from krakenstate.model.snapshot import Presence, Snapshot
from krakenstate.model.state import AccountRecord, AccountStatus, GrantRecord, KeyRecord


def find_drift(look: Outlook) -> tuple[DriftItem, ...]:
    """Everything that somebody changed elsewhere since it was recorded, by address."""
    items: list[DriftItem] = []
    for record in look.state.records:
        changes: list[AttributeChange] = []
        if isinstance(record, KeyRecord):
            changes = _key_drift(record, look)
        elif isinstance(record, GrantRecord):
            changes = grant_drift(record, look)
        elif isinstance(record, AccountRecord):
            changes = _account_drift(record, look)
        if changes:
            items.append(
                DriftItem(
                    address=record.address,
                    label=_label(record),
                    changes=tuple(changes),
                    risks=sort_risks(risks_of_changes(record.address, changes)),
                )
            )
    return tuple(items)


def findings_digest(items: Iterable[DriftItem], snapshot: Snapshot, checks: Iterable[Check] = ()) -> str:
    """SHA-256 of the set of findings: the same while nothing new is wrong and nothing is put right.

    What was found, where: values that changed elsewhere, what could not be read, rules that are broken. No
    instant, age, line or wording is in it.
    """
    found = [
        *(["drift", i.address, c.name, c.before, c.after] for i in items for c in i.changes),
        *(["unreadable", seen.address, seen.code] for seen in snapshot.unreadable),
        *(["policy", check.address or "", check.rule, check.severity] for check in findings_of(checks)),
    ]
    lines = sorted({json.dumps(one, sort_keys=True) for one in found})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def findings_of(checks: Iterable[Check]) -> list[Check]:
    """What a policy finds and no waiver covers."""
    return [check for check in checks if check.rule and check.severity is not Severity.NOTE]


def _label(record: AccountRecord | KeyRecord | GrantRecord) -> str:
    match record:
        case KeyRecord():
            last_four = record.published.last_four if record.published else None
            return key_label(record.key_name, last_four, record.account.name)
        case GrantRecord():
            return f'policy "{record.policy_name}"'
        case AccountRecord():
            return f'account "{record.address.name}"'


def _key_drift(record: KeyRecord, look: Outlook) -> list[AttributeChange]:
    seen = look.snapshot.of(record.address)
    changes: list[AttributeChange] = []
    recorded, known = record.description, described_by(record, seen)
    if recorded is not known and recorded is not None and known is not None:
        changes += compare_descriptions(recorded, known)
    fact, published = seen.facts.get("secret"), record.published
    if published and fact and fact.value != published.fingerprint and fact.is_known:
        before, after = published.fingerprint[:4], str(fact.value)[:4] if fact.value else "gone"
        changes.append(AttributeChange(name="secret", before=f"fp {before}", after=f"fp {after}"))
    return changes


def _account_drift(record: AccountRecord, look: Outlook) -> list[AttributeChange]:
    seen = look.snapshot.of(record.address)
    if record.status is AccountStatus.EXISTS and seen.presence is Presence.ABSENT:
        return [AttributeChange(name="linked", before=True, after=False)]
    fact = seen.facts.get("trading_enabled")
    known = fact is not None and fact.is_known and record.trading_enabled is not None
    if fact is not None and known and fact.value != record.trading_enabled:
        return [
            AttributeChange(name="trading_enabled", before=record.trading_enabled, after=fact.value),
        ]
    return []
