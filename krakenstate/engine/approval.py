"""Whether a saved plan may still be carried out: what it decides, decided now, by the clock it was made by.

How this works: nothing in the file is carried out. The plan is made anew from the stack, from what exists
and from the state, as of the instant the saved one was made; what then differs is found by comparing the two
decisions. So a rotation that became due meanwhile waits for the next plan, and anything else that changed
makes the saved one stale. It is stale as well once the state's documents that its proposals touch were
written anew: somebody worked on the same account, even if the outcome looks alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import JsonValue

from krakenstate.engine.outlook import Outlook
from krakenstate.errors import PlanAppliedAlready, PlanLooksAhead, PlanOfAnother, PlanStale
from krakenstate.model.address import Address
from krakenstate.model.base import format_instant
from krakenstate.model.decision import Decision, Proposal
from krakenstate.model.declarations import Account, Key
from krakenstate.model.desired import Desired
from krakenstate.model.plan import Plan, Step
from krakenstate.model.state import STACK_DOCUMENT, State, document_of

CLOCKS_MAY_DIFFER = timedelta(minutes=5)
_SHOWN_MAX = 120


def documents_touched(look: Outlook, proposals: Iterable[Step]) -> dict[str, str]:
    """The parts of the state's documents that proposals touch, with the digest the index pins of each.

    Args:
        look: With the state as it was read, before the stack's renames.
        proposals: Of the plan.
    """
    names = {name for step in proposals for name in _documents_of(step, look)}
    pins = look.state.index.documents
    return {part: pin.digest for part, pin in sorted(pins.items()) if _whole(part) in names}


def refuse_other(saved: Plan, desired: Desired) -> None:
    """Makes sure that a saved plan is of the stack and environment it would be applied to.

    Raises:
        PlanOfAnother: It is not.
    """
    head = desired.head
    if (saved.stack, saved.environment) != (head.name, head.environment.name):
        raise PlanOfAnother(
            f"The plan was made for the stack {saved.stack} in {saved.environment}; this is {head.name} in "
            f"{head.environment.name}."
        )


def refuse_used(saved: Plan, state: State, now: datetime) -> None:
    """Makes sure, before anything is asked, that a saved plan can be carried out on this state.

    Raises:
        PlanOfAnother: It was made for a state of another lineage.
        PlanAppliedAlready: It was carried out before.
        PlanLooksAhead: It says that it was made at an instant that is still to come.
    """
    index, facts = state.index, saved.facts
    if saved.lineage != index.lineage:
        raise PlanOfAnother(
            f"The plan was made for the lineage {saved.lineage}, and the state of {index.stack} is of the "
            f"lineage {index.lineage}."
        )
    if facts.planned_at > now + CLOCKS_MAY_DIFFER:
        raise PlanLooksAhead(
            f"The plan says that it was made at {format_instant(facts.planned_at)}, and it is "
            f"{format_instant(now)} now. What becomes due until then was not to be approved yet.",
            next_step="Compare the clocks of the two machines, and plan again.",
        )
    applied = index.applied_digests.get(saved.digest)
    if saved.proposals and applied is not None and applied >= facts.serial:
        raise PlanAppliedAlready(
            f"The plan with the digest {saved.digest} was made at serial {facts.serial} of the state and "
            f"applied at serial {applied}. It is carried out once."
        )


def refuse_stale(saved: Plan, current: Plan) -> None:
    """Makes sure that a plan made now decides what the saved one did.

    Args:
        saved: As it was approved.
        current: Made from what is there now, by the saved plan's clock.

    Raises:
        PlanStale: It decides otherwise, and the first difference is named; or the documents of the state that
            its proposals touch were written since.
    """
    if current.digest != saved.digest:
        raise PlanStale(
            f"What was approved is not what would be done now. {first_difference(saved, current)} "
            f"Nothing was done.{_versions(saved, current)}"
        )
    then, now = saved.facts.documents, current.facts.documents
    written = sorted({_whole(part) for part in {*then, *now} if then.get(part) != now.get(part)})
    if written:
        raise PlanStale(
            f"The state was at serial {saved.facts.serial} when the plan was made, and is at "
            f"{current.facts.serial} now. What the plan touches was written in between: "
            f"{', '.join(written)}. Nothing was done."
        )


def first_difference(saved: Plan, current: Plan) -> str:
    """The first address and attribute in which two decisions differ, as a sentence."""
    old = {p.address: p for p in Decision.of(saved).proposals}
    new = {p.address: p for p in Decision.of(current).proposals}
    for address in sorted({*old, *new}):
        if address not in new:
            return f"{address}: {_deed(old[address])} was approved, and is not proposed now."
        if address not in old:
            return f"{address}: {_deed(new[address])} is proposed now, and was not approved."
        if old[address] != new[address]:
            return _difference(address, old[address], new[address])
    return "The two plans are of different parts of the stack."


def _difference(address: Address, old: Proposal, new: Proposal) -> str:
    for name in ("action", "reason", "task", "previous_address"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            return f"{address}: {name} was approved as {_shown(was)}, and is {_shown(now)} now."
    for side, when in (("after", ""), ("before", " before the change")):
        was, now = getattr(old, side) or {}, getattr(new, side) or {}
        for name in sorted({*was, *now}):
            if was.get(name) != now.get(name):
                said = f"{_shown(was.get(name))}, and is {_shown(now.get(name))} now"
                return f"{address}: {name}{when} was approved as {said}."
    return f"{address}: something was approved that is not there now."


def _deed(proposal: Proposal) -> str:
    what = proposal.action.value if proposal.action else "a rename"
    return f"{what} ({proposal.task.value})" if proposal.task else what


def _shown(value: JsonValue) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."


def _documents_of(step: Step, look: Outlook) -> set[str]:
    """Where a proposal writes: the document of its record, and of what it becomes."""
    address = step.previous_address or step.address
    record = look.state.find(address)
    found = {document_of(record)} if record else set()
    match look.desired.resources.get(step.address):
        case Key() as key:
            return found | {str(key.account.address)}
        case Account() as account:
            return found | {str(account.address)}
        case _:
            return found or {STACK_DOCUMENT}


def _whole(part: str) -> str:
    """A document's name, of a part that may be numbered; no address ends in a number of its own."""
    name, _, number = part.rpartition(".")
    return name if number.isdigit() else part


def _versions(saved: Plan, current: Plan) -> str:
    if saved.krakenstate_version == current.krakenstate_version:
        return ""
    return (
        f" The plan was made by krakenstate {saved.krakenstate_version}; this is "
        f"{current.krakenstate_version}."
    )
