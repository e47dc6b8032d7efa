"""What is not known, and why: unreadable things one by one, the normal rest in a line per reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from krakenstate.model.address import Address
from krakenstate.model.plan import Action, ObservationFact, Plan, Reason
from krakenstate.model.provenance import Missing, Provenance
from krakenstate.model.snapshot import Snapshot
from krakenstate.views.style import MARKS, Paint, wrap
from krakenstate.views.words import age

_NAMED = 20
"""How many addresses are named of which it is normal that they are not known."""
_NORMAL = {
    Missing.PENDING: "pending, until a key is handed in",
    Missing.NOT_ASKED: "not asked in this run",
}


@dataclass(frozen=True, slots=True)
class NotKnown:
    """One address, the reason, what happened, and how old the record is that serves instead.

    ``is_normal`` says that it needs no line of its own.
    """

    address: Address
    missing: Missing
    detail: str = ""
    code: str = ""
    relied_on: str = ""
    is_normal: bool = True


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
                known.relied_on if known else "",
                is_normal=missing is not Missing.UNREADABLE and step.reason is not Reason.OUTCOME_UNKNOWN,
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
            _relied_on(o.provenance, o.at, now),
            is_normal=o.missing is not Missing.UNREADABLE,
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
        named = [_named(row) for row in ordered if row.is_normal and row.missing is missing]
        if named:
            more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
            lines += wrap(f"{words}: {', '.join(named[:_NAMED])}{more}", width, "    ", " " * 6)
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


def _relied_on(provenance: Provenance | None, at: datetime | None, now: datetime) -> str:
    if provenance is None:
        return ""
    return f"{provenance.value} {age(at, now)}" if at else provenance.value


def _of_fact(fact: ObservationFact, now: datetime) -> NotKnown:
    missing = fact.missing or Missing.NOT_ASKED
    return NotKnown(
        fact.address,
        missing,
        fact.detail,
        relied_on=_relied_on(fact.provenance, fact.at, now),
        is_normal=missing is not Missing.UNREADABLE,
    )
