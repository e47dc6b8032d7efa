"""A saved plan: the line when it is written, and how old it is when it is read again."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import JsonValue

from krakenstate.model.base import format_instant
from krakenstate.model.plan import Plan
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain, wrap
from krakenstate.views.words import age, short_digest

STALE_AFTER = timedelta(days=1)
"""From this age on a plan is said to be probably stale. It is a word of caution: apply looks, and decides."""


def saved_line(plan: Plan, file: str, *, hints: bool = True) -> str:
    """What was written where, and the command that carries it out."""
    line = f"Saved the plan {short_digest(plan.digest)} to {plain(file)}."
    if not hints or plan.facts.as_of is not None:
        return line
    return f"{line} To carry out exactly this one: krakenstate apply {plain(file)}"


def applying_line(plan: Plan, now: datetime) -> str:
    """Said before a saved plan is made anew."""
    made = f"made {age(plan.facts.planned_at, now)}"
    return f"Applying the plan {short_digest(plan.digest)} of {plain(plan.stack)}, {made}."


def saved_heading(plan: Plan, *, now: datetime, colour: bool = False, width: int = DEFAULT_WIDTH) -> str:
    """Whose plan it is, from when, and a warning where it is old; ends with an empty line."""
    facts = plan.facts
    start = "Probably stale: " if _is_old(plan, now) else "Saved plan: "
    text = (
        f"made {age(facts.planned_at, now)} ({format_instant(facts.planned_at)}) by krakenstate "
        f"{plan.krakenstate_version}, at serial {facts.serial} of the state. This is what it said then; "
        "whether it still holds, krakenstate apply finds out."
    )
    first, *more = wrap(text, width, start, "  ")
    title = start.rstrip()
    painted = Paint(colour).over("yellow" if _is_old(plan, now) else "bold", title)
    return "\n".join([painted + first[len(title) :], *more, ""])


def staleness(plan: Plan, now: datetime) -> dict[str, JsonValue]:
    """The same for programs: the age in seconds, and whether the plan is probably stale."""
    seconds = int((now - plan.facts.planned_at).total_seconds())
    return {"age": max(0, seconds), "probably_stale": _is_old(plan, now)}


def _is_old(plan: Plan, now: datetime) -> bool:
    return now - plan.facts.planned_at >= STALE_AFTER
