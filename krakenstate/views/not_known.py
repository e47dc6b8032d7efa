"""What is not known, and why: unreadable things one by one, the normal rest in a line per reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from krakenstate.model.address import Address
from krakenstate.model.plan import Action, ObservationFact, Plan, Reason
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.snapshot import Snapshot
from krakenstate.views.style import MARKS, Paint, wrap
from krakenstate.views.words import age

_NAMED = 20
"""How many addresses are named of which it is normal that they are not known."""
_NORMAL = {
    Missing.PENDING: "pending, until a key is in service",
    Missing.NOT_ASKED: "not asked in this run",
}


class NotKnown(NamedTuple):
    """One address, the reason, what happened, and how, when and how long ago what serves instead was known.

    ``is_normal`` says that it needs no line of its own.
    """

    address: Address
    missing: Missing
    detail: str = ""
    code: str = ""
    is_normal: bool = True
    provenance: Provenance | None = None
    at: datetime | None = None
    now: datetime | None = None

    @property
    def relied_on(self) -> str:
        """What serves instead, in a few words; empty without it. Made for those that are named."""
        if self.provenance is None:
            return ""
        if self.at is None or self.now is None:
            return self.provenance.value
        return f"{self.provenance.value} {age(self.at, self.now)}"


def of_plan(plan: Plan, now: datetime) -> list[NotKnown]:
    """From a plan's facts; its steps say more where they speak of the same address."""
    found = {fact.address: _of_fact(fact, now) for fact in plan.facts.observations if fact.missing}
    for step in plan.steps:
        if step.action is Action.UNKNOWN:
            known = found.get(step.address)
            missing = step.missing or (known.missing if known else Missing.UNREADABLE)
            found[step.address] = NotKnown(
                step.address,
                missing,
                step.note or (known.detail if known else ""),
                step.code,
                missing is not Missing.UNREADABLE and step.reason is not Reason.OUTCOME_UNKNOWN,
                *((known.provenance, known.at, now) if known else ()),
            )
    return list(found.values())


def of_snapshot(snapshot: Snapshot, now: datetime) -> list[NotKnown]:
    """From an observation alone, single attributes that could not be read included."""
    whole = [
        NotKnown(
            o.address,
            o.missing,
            o.detail,
            o.code,
            o.missing is not Missing.UNREADABLE,
            o.provenance,
            o.at,
            now,
        )
        for o in snapshot.observations.values()
        if o.missing
    ]
    parts = [
        NotKnown(o.address, Missing.UNREADABLE, f"{name}: {fact.detail}", o.code, is_normal=False)
        for o in snapshot.observations.values()
        for name, fact in sorted(o.facts.items())
        if o.missing is None and fact.missing is Missing.UNREADABLE
    ]
    return whole + parts


def not_known_lines(rows: Iterable[NotKnown], paint: Paint, width: int) -> list[str]:
    """The list with its heading; nothing when everything is known."""
    ordered = sorted(rows, key=lambda row: row.address)
    lines: list[str] = []
    for row in ordered:
        if not row.is_normal:
            lines += _alone(row, paint, width)
    for missing, words in _NORMAL.items():
        alike = [row for row in ordered if row.is_normal and row.missing is missing]
        if alike:
            named = ", ".join(map(_named, alike[:_NAMED]))
            more = f" and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
            lines += wrap(f"{words}: {named}{more}", width, "    ", " " * 6)
    return ["Not known:", *lines] if lines else []


def unreadable_count(rows: Iterable[NotKnown]) -> int:
    """How many addresses were asked and could not be read."""
    return len({row.address for row in rows if row.missing is Missing.UNREADABLE})


def told_alone(row: NotKnown) -> str:
    """What follows the address of something that needs a line of its own."""
    code = f" ({row.code})" if row.code else ""
    detail = f": {row.detail.strip()}" if row.detail.strip() else ""
    return f"{MARKS[Action.UNKNOWN].sentence}{detail}{code}"


def _alone(row: NotKnown, paint: Paint, width: int) -> list[str]:
    mark = MARKS[Action.UNKNOWN]
    first, *more = wrap(f"{_named(row)} {told_alone(row)}", width, f"  {mark.symbol} ", " " * 6)
    return [f"  {paint.over(mark.colour, mark.symbol)}{first[3:]}", *more]


def _named(row: NotKnown) -> str:
    return f"{row.address} ({row.relied_on})" if row.relied_on else str(row.address)


def _of_fact(fact: ObservationFact, now: datetime) -> NotKnown:
    missing = fact.missing or Missing.NOT_ASKED
    is_normal = missing is not Missing.UNREADABLE
    return NotKnown(fact.address, missing, fact.detail, "", is_normal, fact.provenance, fact.at, now)
