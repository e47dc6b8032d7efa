"""A plan as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from krakenstate.model.plan import Action, BlastChange, Plan, Reason, Risk, Step
from krakenstate.views import plan_words as said
from krakenstate.views.blocks import drift_block, ordered_risks, risk_lines, step_block, watched_block
from krakenstate.views.not_known import NotKnown, not_known_lines, of_plan, unreadable_count
from krakenstate.views.policy import policy_lines, refused_line
from krakenstate.views.style import DEFAULT_WIDTH, MARKS, Mark, Paint, plain, wrap
from krakenstate.views.words import age, headline, short_commit, short_digest

_ALIKE = 10
"""Warnings of one rule that are told beside a plan."""


def render_plan(
    plan: Plan,
    *,
    colour: bool = False,
    width: int = DEFAULT_WIDTH,
    now: datetime,
    hints: bool = True,
    explain: bool = False,
) -> str:
    """A plan as text.

    Args:
        plan: What to show.
        colour: Whether ANSI colours are added; the text is the same without them.
        width: Columns of the terminal; long notes wrap there, attributes and commands do not.
        now: The instant from which ages count.
        hints: Whether to name the command to type next.
        explain: Whether each step is told in plain language too.
    """
    paint = Paint(colour)
    rows = of_plan(plan, now)
    sections = [
        [paint.bold(_headline(plan, now))],
        *(_warning("Wrong account:", text, "red", paint, width) for text in said.wrong_accounts(rows)),
        _warning("This plan is incomplete:", said.incomplete(plan, rows), "red", paint, width),
        _warning("Warning:", said.partial(plan), "yellow", paint, width),
        _overview(plan, paint),
        _risks(plan, paint, width),
        _leaks(plan, paint, width),
        policy_lines(plan.facts.checks, paint, width, most=_ALIKE),
        _drift(plan, paint, width),
        *_actions(plan, rows, paint, width, explain),
        *_watched(plan, paint, width),
        _waits(plan, paint, width),
        not_known_lines(rows, paint, width),
        _conclusion(plan, paint, hints),
        _tasks(plan, paint, width, hints),
        _checks(plan, width),
        _upcoming(plan, width),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


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


def _warning(start: str, text: str, colour: str, paint: Paint, width: int) -> list[str]:
    if not text:
        return []
    first, *more = wrap(text, width, f"{start} ", "  ")
    return [paint.over(colour, start) + first[len(start) :], *more]


def _risks(plan: Plan, paint: Paint, width: int) -> list[str]:
    if not plan.risks:
        return []
    risks, most = ordered_risks(plan.risks), said.rows_of(plan)
    return [paint.bold("Risk"), *risk_lines(risks[:most], paint, width), *_more(risks[most:])]


def _more(left: Sequence[Risk | BlastChange]) -> list[str]:
    return [f"    {said.more(len(left), sum(item.critical for item in left))}"] if left else []


def _overview(plan: Plan, paint: Paint) -> list[str]:
    """What a long plan comes to, before anything else."""
    rows = said.overview(plan)
    if not rows:
        return []
    lines = [f"{paint.mark(MARKS[action])} {text}" for action, text in rows]
    leaks = said.overview_of_leaks(plan)
    return [paint.bold(said.conclusion(plan)), *lines, *([f"    {plain(leaks)}"] if leaks else [])]


def _leaks(plan: Plan, paint: Paint, width: int) -> list[str]:
    lines = [paint.bold(said.LEAKS)] if plan.blast else []
    for change, after, told in islice(said.leaks(plan), said.rows_of(plan)):
        mark = "!" if change.critical else " "
        first, *more = wrap(f"{change.address}: {after} ({told})", width, f"  {mark} ", " " * 6)
        lines += [f"  {paint.over('red', mark) if change.critical else mark}{first[3:]}", *more]
    return [*lines, *_more(plan.blast[said.rows_of(plan) :])]


def _drift(plan: Plan, paint: Paint, width: int) -> list[str]:
    if not plan.facts.drift:
        return []
    lines = ["Changed elsewhere since it was last recorded:"]
    for item in said.drift_items(plan):
        lines += ["", *drift_block(item, paint, width)]
        lines += risk_lines((risk for risk in item.risks if risk not in plan.risks), paint, width)
    return lines


def _actions(
    plan: Plan, rows: Iterable[NotKnown], paint: Paint, width: int, explain: bool
) -> list[list[str]]:
    steps = said.blocks_of(plan)
    if not steps:
        return []
    stakes = said.stakes(plan)
    present = [MARKS[s.action] for s in steps if s.action.step_class]
    present += [MARKS[Action.UNKNOWN]] * bool(unreadable_count(rows))
    legend = [
        "Actions are indicated with the following symbols:",
        *(_legend_line(mark, paint) for mark in dict.fromkeys(present)),
    ]
    return [
        legend if len(legend) > 1 else [],
        [paint.bold("krakenstate will perform the following actions:")],
        *(
            step_block(step, paint, width, explain=explain, stakes=stakes.get(step.address, ()))
            for step in steps
        ),
    ]


def _legend_line(mark: Mark, paint: Paint) -> str:
    return f"{paint.mark(mark)} {mark.legend}"


def _watched(plan: Plan, paint: Paint, width: int) -> list[list[str]]:
    """What would be done if it were not only observed."""
    steps = said.watched(plan)
    if not steps:
        return []
    return [[said.ONLY_OBSERVED], *(watched_block(step, paint, width) for step in steps)]


def _waits(plan: Plan, paint: Paint, width: int) -> list[str]:
    """What waits on what, by what it waits on; steps that wait on a listed task are told by that list."""
    groups: dict[tuple[str, bool], list[Step]] = {}
    for step in said.waiting_steps(plan):
        groups.setdefault((said.waits_on(step), step.reason is Reason.TASK_OPEN), []).append(step)
    lines = ["Waiting:"] if groups else []
    mark = MARKS[Action.WAIT]
    for (what, by_person), steps in groups.items():
        names = ", ".join(step.address for step in steps)
        symbol = mark.symbol if by_person else " "
        first, *more = wrap(f"{names}{what}", width, f"  {symbol} ", " " * 6)
        lines += [f"  {paint.over(mark.colour, symbol) if by_person else symbol}{first[3:]}", *more]
    return lines


def _conclusion(plan: Plan, paint: Paint, hints: bool) -> list[str]:
    lines = [paint.bold(said.conclusion(plan))]
    if ready := said.ready(plan):
        site = f" --site {plain(plan.facts.site)}" if plan.facts.site else ""
        lines.append(f"{ready}: krakenstate settle {plain(plan.stack)}{site}" if hints else f"{ready}.")
    return [*lines, *refused_line(plan.facts.checks, paint)]


def _tasks(plan: Plan, paint: Paint, width: int, hints: bool) -> list[str]:
    lines: list[str] = []
    mark = MARKS[Action.MANUAL]
    for task, note in said.open_tasks(plan):
        start = f"  {mark.symbol} {plain(task.id)} {task.kind.value} "
        text = f"{task.address} for {task.assignee}: {task.title}"
        first, *more = wrap(text, width, start, " " * 6)
        lines += [f"  {paint.over(mark.colour, mark.symbol)}{first[3:]}", *more]
        if task.waits_on:
            lines += wrap(f"waits on {', '.join(task.waits_on)}", width, " " * 6)
        if task.rejection:
            lines += wrap(f"rejected: {task.rejection}", width, " " * 6, " " * 8)
        if note:
            lines += wrap(note, width, " " * 6, " " * 8)
    if not lines:
        return []
    return ["Open tasks (what to do: krakenstate task show ID):" if hints else "Open tasks:", *lines]


def _checks(plan: Plan, width: int) -> list[str]:
    lines: list[str] = []
    for check in said.checks(plan):
        lines += wrap(said.check_text(check), width, "  ", "    ")
    return ["Checks:", *lines] if lines else []


def _upcoming(plan: Plan, width: int) -> list[str]:
    lines: list[str] = []
    for head, item, text in said.upcoming(plan):
        lines += wrap(f"{item.address} {text}", width, f"{head}: ", "  ")
    return lines
