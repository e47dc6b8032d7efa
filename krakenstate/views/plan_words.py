"""What a plan is said in, whatever the format: its summary, warnings, and what waits, is open, and comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from krakenstate.errors import WrongAccount
from krakenstate.model.address import Address
from krakenstate.model.plan import (
    Action,
    Blast,
    BlastChange,
    Check,
    DriftItem,
    OpenTask,
    Plan,
    Reason,
    Step,
    StepClass,
    Summary,
    Upcoming,
)
from krakenstate.views.blocks import ordered_risks
from krakenstate.views.not_known import NotKnown, unreadable_count
from krakenstate.views.style import MARKS, plain, shown_first
from krakenstate.views.words import by_day, count

IN_SYNC = "No changes. Your accounts match the configuration."
ONLY_OBSERVED = "Only observed (observe_only=True), so nothing is done:"
LEAKS = "If its secret leaks"
ROWS = 25
"""Rows of a list that are read; after them only their number."""
ROWS_OF_MANY = 10
"""The same of a plan that begins with an overview."""
MANY = 40
"""From so many blocks on a plan begins with an overview."""

_READY = ("settlement is ready", "settlements are ready")


def summary_line(summary: Summary) -> str:
    """``Plan: 0 to add, 1 to change, 0 to destroy, 1 manual.``; rare counts appear only if there are any."""
    parts = [
        f"{summary.import_} to import" if summary.import_ else "",
        f"{summary.add} to add",
        f"{summary.change} to change",
        f"{summary.remove} to destroy",
        f"{summary.forget} to forget" if summary.forget else "",
        f"{summary.manual} manual" if summary.manual else "",
    ]
    return f"Plan: {', '.join(part for part in parts if part)}."


def conclusion(plan: Plan) -> str:
    """The summary, or in which way there is nothing to propose; no more than is known."""
    tasks = plan.facts.tasks
    deeds = plan.deeds
    if any(step.step_class is StepClass.PROPOSAL for step in deeds):
        return summary_line(plan.summary)
    waits = any(step.action is Action.WAIT or step.would for step in plan.steps)
    if deeds or tasks or waits or plan.targets or plan.excluded or not plan.complete:
        opened = f" {count(len(tasks), 'manual task')} open." if tasks else ""
        return f"No changes to propose.{opened}"
    return IN_SYNC


def ready(plan: Plan) -> str:
    """``2 settlements are ready``, or nothing."""
    settlements = plan.settlements
    return count(len(settlements), *_READY) if settlements else ""


def incomplete(plan: Plan, rows: Iterable[NotKnown]) -> str:
    """That not everything could be read, and what follows from it; nothing for a complete plan."""
    if plan.complete:
        return ""
    unreadable = unreadable_count(rows)
    what = (
        f"{count(unreadable, 'object')} could not be read" if unreadable else "not everything could be read"
    )
    return f"{what}, so nothing is proposed there. See the list below."


def partial(plan: Plan) -> str:
    """As Terraform warns of ``-target``; nothing for a plan of the whole stack."""
    if not plan.targets and not plan.excluded:
        return ""
    named = ", ".join(plan.targets or plan.excluded)
    flag = "--target" if plan.targets else "--exclude"
    return (
        f"{flag} is in effect ({named}). The result of this plan may not represent all of the changes "
        "requested by the stack. It is meant for exceptional situations; plan the whole stack afterwards."
    )


def blocks_of(plan: Plan) -> list[Step]:
    """The steps that something is done about, in the order of their blocks."""
    return sorted(plan.deeds, key=lambda s: (shown_first(s.action), s.address))


def watched(plan: Plan) -> list[Step]:
    """The steps that something would be done about, if they were not only observed."""
    return sorted((s for s in plan.steps if s.would), key=lambda s: s.address)


def overview(plan: Plan) -> list[tuple[Action, str]]:
    """How many of which type have the same thing done, for a plan too long to be read at once."""
    steps = blocks_of(plan)
    if len(steps) < MANY:
        return []
    alike = Counter((s.action, s.address.type, s.task_kind.value if s.task_kind else "") for s in steps)
    rows = []
    for (action, type_, task), number in alike.items():
        needs = f"need a person: {task}" if task else "need a person"
        told = MARKS[action].sentence.replace("needs a manual step", needs)
        rows.append((action, f"{number} {plain(type_)} {told}"))
    return rows


def overview_of_leaks(plan: Plan) -> str:
    """How many secrets would be worth what, by the worst that each allows; nothing for a short plan."""
    if len(plan.blast) <= rows_of(plan):
        return ""
    worst = Counter(_worst(change.after) for change in plan.blast)
    return f"If secrets leak: {', '.join(f'{number} {what}' for what, number in worst.items())}"


def _worst(blast: Blast | None) -> str:
    if blast is None:
        return "are worth nothing any more"
    if blast.can is None:
        return "are not declared"
    return "can do nothing" if not blast.can else f"can {'only ' * (blast.can[0] == 'read')}{blast.can[0]}"


def rows_of(plan: Plan) -> int:
    """How many rows of a list are shown."""
    return ROWS_OF_MANY if len(plan.deeds) >= MANY else ROWS


def leaks(plan: Plan) -> Iterator[tuple[BlastChange, str, str]]:
    """The keys that a proposal is about: what its secret will be worth, and what it was."""
    for change in plan.blast:
        after = change.after.text if change.after else "nothing, once the key is deleted"
        yield change, after, _since(change)


def stakes(plan: Plan) -> dict[Address, list[str]]:
    """By address, risks and leaks as each block says them, where the lists are too long to be read."""
    found: dict[Address, list[str]] = {}
    if max(len(plan.risks), len(plan.blast)) <= rows_of(plan):
        return found
    for risk in ordered_risks(plan.risks):
        found.setdefault(risk.address, []).append(f"{risk.word.value} {risk.text}")
    for change, after, before in leaks(plan):
        found.setdefault(change.address, []).append(f"if its secret leaks: {after} ({before})")
    return found


def more(left: int, critical: int = 0) -> str:
    """What a list that was cut short ends with."""
    return f"... and {left} more{f', {critical} of them critical' if critical else ''}"


def wrong_accounts(rows: Iterable[NotKnown]) -> list[str]:
    """Keys that answer for an account that is not theirs: the first thing said."""
    return [f"{row.address}: {row.detail} ({row.code})" for row in rows if row.code == WrongAccount.code]


def _since(change: BlastChange) -> str:
    """What was different before; of the same rights only from where and until when."""
    before, after = change.before, change.after
    if before is None:
        return "a new key"
    if before == after:
        return "as before"
    if after is None or (before.can, before.account) != (after.can, after.account):
        return f"before: {before.text}"
    pairs = ((before.reach, after.reach), (_lasts(before), _lasts(after)))
    return f"before: {', '.join(old for old, new in pairs if old != new)}"


def _lasts(blast: Blast) -> str:
    return f"until {blast.until}" if blast.until else "without an end"


def waiting_steps(plan: Plan) -> list[Step]:
    """The steps that wait, but for those that an open task tells of."""
    listed = {task.id for task in plan.facts.tasks}
    waiting = [
        step
        for step in plan.steps
        if step.action is Action.WAIT
        and not step.previous_address
        and not (step.reason is Reason.TASK_OPEN and step.task_id in listed)
    ]
    return sorted(waiting, key=lambda step: step.address)


def waits_on(step: Step) -> str:
    """What follows the address of a step that waits."""
    note = plain(step.note)
    if step.waits_on:
        return f" on {', '.join(step.waits_on)}{f' ({note})' if note else ''}"
    if note or not step.task_id:
        return f": {note or step.reason.value.replace('_', ' ')}"
    return f" on task {step.task_id}"


def open_tasks(plan: Plan) -> Iterator[tuple[OpenTask, str]]:
    """Open tasks by address, each with what its step says beyond the task's own rejection."""
    notes = {step.task_id: step.note for step in plan.steps if step.action is Action.WAIT and step.task_id}
    for task in sorted(plan.facts.tasks, key=lambda task: (task.address, task.kind, task.id)):
        note = notes.get(task.id, "")
        yield task, "" if note == task.rejection else note


def drift_items(plan: Plan) -> list[DriftItem]:
    """What has changed elsewhere, by address."""
    return sorted(plan.facts.drift, key=lambda item: item.address)


def is_applyable(plan: Plan) -> bool:
    """Whether there is something to carry out, today, and nothing refuses it."""
    return bool(plan.proposals or plan.settlements) and plan.facts.as_of is None and not plan.refusals


def checks(plan: Plan) -> list[Check]:
    """What a reviewer should know beside what the policy finds."""
    return [check for check in plan.facts.checks if not check.rule]


def check_text(check: Check) -> str:
    """``spot_key.pnl: somebody replaced the secret (KS2206)``"""
    about = f"{check.address}: " if check.address else ""
    return f"{about}{check.text} ({check.code})"


def upcoming(plan: Plan) -> Iterator[tuple[str, Upcoming, str]]:
    """What is coming: its headline, the item, and its text with the day in it."""
    for item in by_day(plan.facts.upcoming):
        day = item.on.isoformat() if item.on else ""
        since = f" from {plan.facts.as_of}" if plan.facts.as_of else ""
        head = f"Upcoming ({plan.facts.horizon_days} days{since})" if item.on else "Upcoming"
        yield head, item, item.text if day in item.text else f"{item.text} {day}"
