"""Acceptance: in which attributes a handed-in key is not as approved, in words."""

from __future__ import annotations

from krakenstate.engine.diff import compare_terms
from krakenstate.engine.identity import Misplaced
from krakenstate.model.identity import mask_tail
from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding, KeyRecord
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api


def find_differences(
    record: KeyRecord, description: KeyDescription, misplaced: Misplaced | None = None
) -> tuple[Finding, ...]:
    """Every attribute in which a key is not as approved, the account it was reported on included."""
    found = [
        Finding(
            attribute=c.name,
            declared=_shown(c, "after"),
            found=_shown(c, "before"),
            summary=_summary(c),
        )
        for c in compare_terms(record.terms, description)
    ]
    if record.terms.api is Api.SPOT and record.key_name and description.key_name != record.key_name:
        shown = f'"{description.key_name}"'
        declared = f'"{record.key_name}"'
        summary = f"name: {shown} instead of {declared}"
        found.append(Finding(attribute="name", declared=declared, found=shown, summary=summary))
    if misplaced is not None:
        tail = mask_tail(misplaced.iiban) if misplaced.iiban else "another"
        declared = record.account.name
        summary = f"account: {misplaced.text}"
        found.append(Finding(attribute="account", declared=declared, found=tail, summary=summary))
    return tuple(sorted(found, key=lambda f: f.attribute))


def _summary(change: AttributeChange) -> str:
    """A difference in a few words; before is what the key is, after what was approved."""
    if change.added is None or change.removed is None or change.before == [] or change.after == []:
        return f"{change.name}: {_shown(change, 'before')} instead of {_shown(change, 'after')}"
    parts = [f"{', '.join(change.removed)} too many"] if change.removed else []
    parts += [f"{', '.join(change.added)} missing"] if change.added else []
    return f"{change.name}: {', '.join(parts)}"


def _shown(change: AttributeChange, side: str) -> str:
    value = getattr(change, side)
    if isinstance(value, list):
        empty = "open to the world" if change.name == "ip_allowlist" else "none"
        return ", ".join(str(v) for v in value) or empty
    return "not set" if value is None else str(value)
