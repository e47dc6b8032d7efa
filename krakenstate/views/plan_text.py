"""A plan as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from krakenstate.model.plan import Action, Plan, Reason, Step, Summary
from krakenstate.views.blocks import drift_block, risk_lines, step_block, watched_block
from krakenstate.views.not_known import NotKnown, not_known_lines, of_plan, unreadable_count
from krakenstate.views.style import DEFAULT_WIDTH, MARKS, Mark, Paint, plain, shown_first, wrap
from krakenstate.views.words import age, by_day, count, headline, short_commit, short_digest

IN_SYNC = "No changes. Your accounts match the configuration."


def render_plan(
    plan: Plan, *, colour: bool = False, width: int = DEFAULT_WIDTH, now: datetime, hints: bool = True
) -> str:
    """A plan as text.

    Args:
        plan: What to show.
        colour: Whether ANSI colours are added; the text is the same without them.
        width: Columns of the terminal; long notes wrap there, attributes and commands do not.
        now: The instant from which ages count.
        hints: Whether to name the command to type next.
    """
    paint = Paint(colour)
    rows = of_plan(plan, now)
    sections = [
        [paint.bold(_headline(plan, now))],
        _incomplete(plan, rows, paint, width),
        _partial(plan, paint, width),
        _risks(plan, paint, width),
        _drift(plan, paint, width),
        *_actions(plan, rows, paint, width),
        *_watched(plan, paint, width),
        _waits(plan, paint, width),
        not_known_lines(rows, paint, width),
        _conclusion(plan, paint, hints),
        _tasks(plan, paint, width, hints),
        _checks(plan, width),
        _upcoming(plan, width),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


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


def _headline(plan: Plan, now: datetime) -> str:
    facts = plan.facts
    return headline(
        f"krakenstate plan: {plan.stack}",
        environment=None if plan.environment == "production" else plan.environment,
        commit=short_commit(facts.commit) if facts.commit else None,
        site=facts.site,
        observed=age(facts.observed_at, now) if facts.observed_at else None,
        digest=short_digest(plan.digest) if plan.digest else None,
        upcoming=f"as of {facts.as_of}, not to be applied" if facts.as_of else None,
    )


def _incomplete(plan: Plan, rows: Iterable[NotKnown], paint: Paint, width: int) -> list[str]:
    if plan.complete:
        return []
    unreadable = unreadable_count(rows)
    what = (
        f"{count(unreadable, 'object')} could not be read" if unreadable else "not everything could be read"
    )
    text = f"{what}, so nothing is proposed there. See the list below."
    start = "This plan is incomplete: "
    first, *more = wrap(text, width, start, "  ")
    return [paint.over("red", start.rstrip()) + first[len(start.rstrip()) :], *more]


def _partial(plan: Plan, paint: Paint, width: int) -> list[str]:
    """As Terraform warns of ``-target``."""
    if not plan.targets and not plan.excluded:
        return []
    named = ", ".join(plan.targets or plan.excluded)
    flag = "--target" if plan.targets else "--exclude"
    text = (
        f"{flag} is in effect ({named}). The result of this plan may not represent all of the changes "
        "requested by the stack. It is meant for exceptional situations; plan the whole stack afterwards."
    )
    start = "Warning: "
    first, *more = wrap(text, width, start, "  ")
    return [paint.over("yellow", start.rstrip()) + first[len(start.rstrip()) :], *more]


def _risks(plan: Plan, paint: Paint, width: int) -> list[str]:
    return [paint.bold("Risk"), *risk_lines(plan.risks, paint, width)] if plan.risks else []


def _drift(plan: Plan, paint: Paint, width: int) -> list[str]:
    if not plan.facts.drift:
        return []
    lines = ["Changed elsewhere since it was last recorded:"]
    for item in sorted(plan.facts.drift, key=lambda item: item.address):
        lines += ["", *drift_block(item, paint, width)]
        lines += risk_lines((risk for risk in item.risks if risk not in plan.risks), paint, width)
    return lines


def _actions(plan: Plan, rows: Iterable[NotKnown], paint: Paint, width: int) -> list[list[str]]:
    steps = sorted((s for s in plan.steps if s.step_class), key=lambda s: (shown_first(s.action), s.address))
    if not steps:
        return []
    present = [MARKS[s.action] for s in steps if s.action.step_class]
    present += [MARKS[Action.UNKNOWN]] * bool(unreadable_count(rows))
    legend = [
        "Actions are indicated with the following symbols:",
        *(_legend_line(mark, paint) for mark in dict.fromkeys(present)),
    ]
    return [
        legend if len(legend) > 1 else [],
        [paint.bold("krakenstate will perform the following actions:")],
        *(step_block(step, paint, width) for step in steps),
    ]


def _legend_line(mark: Mark, paint: Paint) -> str:
    return f"{paint.mark(mark)} {mark.legend}"


def _watched(plan: Plan, paint: Paint, width: int) -> list[list[str]]:
    """What would be done if it were not only observed."""
    steps = sorted((s for s in plan.steps if s.would), key=lambda s: s.address)
    if not steps:
        return []
    return [["Only observed (observe_only=True), so nothing is done:"]] + [
        watched_block(step, paint, width) for step in steps
    ]


def _waits(plan: Plan, paint: Paint, width: int) -> list[str]:
    """What waits on what, by what it waits on; steps that wait on a listed task are told by that list."""
    listed = {task.id for task in plan.facts.tasks}
    groups: dict[tuple[str, bool], list[Step]] = {}
    for step in sorted(plan.steps, key=lambda step: step.address):
        told = step.reason is Reason.TASK_OPEN and step.task_id in listed
        if step.action is Action.WAIT and not step.previous_address and not told:
            groups.setdefault((_waits_on(step), step.reason is Reason.TASK_OPEN), []).append(step)
    lines = ["Waiting:"] if groups else []
    mark = MARKS[Action.WAIT]
    for (what, by_person), steps in groups.items():
        names = ", ".join(step.address for step in steps)
        symbol = mark.symbol if by_person else " "
        first, *more = wrap(f"{names}{what}", width, f"  {symbol} ", " " * 6)
        lines += [f"  {paint.over(mark.colour, symbol) if by_person else symbol}{first[3:]}", *more]
    return lines


def _waits_on(step: Step) -> str:
    note = plain(step.note)
    if step.waits_on:
        return f" on {', '.join(step.waits_on)}{f' ({note})' if note else ''}"
    if note or not step.task_id:
        return f": {note or step.reason.value.replace('_', ' ')}"
    return f" on task {step.task_id}"


def _conclusion(plan: Plan, paint: Paint, hints: bool) -> list[str]:
    proposals, settlements, tasks = plan.proposals, plan.settlements, plan.facts.tasks
    waits = any(step.action is Action.WAIT for step in plan.steps)
    watched = any(step.would for step in plan.steps)
    partial = plan.targets or plan.excluded
    if proposals:
        said = summary_line(plan.summary)
    elif settlements or tasks or waits or watched or partial or not plan.complete:
        opened = f" {count(len(tasks), 'manual task')} open." if tasks else ""
        said = f"No changes to propose.{opened}"
    else:
        said = IN_SYNC
    ready = []
    if settlements:
        text = count(len(settlements), "settlement is ready", "settlements are ready")
        ready.append(f"{text}: krakenstate settle" if hints else f"{text}.")
    return [paint.bold(said), *ready]


def _tasks(plan: Plan, paint: Paint, width: int, hints: bool) -> list[str]:
    notes = {step.task_id: step.note for step in plan.steps if step.action is Action.WAIT and step.task_id}
    lines: list[str] = []
    mark = MARKS[Action.MANUAL]
    for task in sorted(plan.facts.tasks, key=lambda task: (task.address, task.kind, task.id)):
        start = f"  {mark.symbol} {plain(task.id)} {task.kind.value} "
        text = f"{task.address} for {task.assignee}: {task.title}"
        first, *more = wrap(text, width, start, " " * 6)
        lines += [f"  {paint.over(mark.colour, mark.symbol)}{first[3:]}", *more]
        if task.waits_on:
            lines += wrap(f"waits on {', '.join(task.waits_on)}", width, " " * 6)
        if task.rejection:
            lines += wrap(f"rejected: {task.rejection}", width, " " * 6, " " * 8)
        if (note := notes.get(task.id)) and note != task.rejection:
            lines += wrap(note, width, " " * 6, " " * 8)
    if not lines:
        return []
    return ["Open tasks (what to do: krakenstate task show ID):" if hints else "Open tasks:", *lines]


def _checks(plan: Plan, width: int) -> list[str]:
    lines: list[str] = []
    for check in plan.facts.checks:
        about = f"{check.address}: " if check.address else ""
        lines += wrap(f"{about}{check.text} ({check.code})", width, "  ", "    ")
    return ["Checks:", *lines] if lines else []


def _upcoming(plan: Plan, width: int) -> list[str]:
    lines: list[str] = []
    for item in by_day(plan.facts.upcoming):
        day = item.on.isoformat() if item.on else ""
        dated = item.text if day in item.text else f"{item.text} {day}"
        since = f" from {plan.facts.as_of}" if plan.facts.as_of else ""
        start = f"Upcoming ({plan.facts.horizon_days} days{since}): " if item.on else "Upcoming: "
        lines += wrap(f"{item.address} {dated}", width, start, "  ")
    return lines
