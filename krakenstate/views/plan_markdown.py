"""A plan as the comment of a pull request, and as the summary of a job.

What a reviewer must see (summary, risk, what people do) comes first and stays open; the whole difference is
folded below it. Text of any length fits: a list ends with how many rows are missing, the difference with how
many blocks.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import datetime

from krakenstate.model.base import format_instant
from krakenstate.model.plan import BlastChange, Check, OpenTask, Plan, Severity, Step
from krakenstate.views import plan_words as said
from krakenstate.views.blocks import (
    drift_block,
    ordered_risks,
    step_block,
    watched_block,
)
from krakenstate.views.markdown import (
    COMMENT_MAX,
    WARNING,
    WIDTH,
    DiffPaint,
    code,
    drift_row,
    fenced,
    folded,
    link,
    prose,
    risk_row,
    section,
    word,
)
from krakenstate.views.mask import masked
from krakenstate.views.not_known import NotKnown, not_known_lines, of_plan, told_alone
from krakenstate.views.policy import finding_word, place_of, refused
from krakenstate.views.style import MARKS, plain, wrap
from krakenstate.views.words import age, short_commit

SUMMARY_MAX = 250_000
"""Characters of a job's summary. GitHub takes a mebibyte, and no character has more than four bytes."""
COMMENT_MIN = 4_000
"""Below that not even the head fits."""


def render_plan_markdown(
    plan: Plan, *, now: datetime, run: str | None = None, most: int = COMMENT_MAX, explain: bool = False
) -> str:
    """A plan as Markdown.

    Args:
        plan: What to show; e-mails and IIBANs in it are masked.
        now: The instant from which ages count.
        run: Where the run can be watched.
        most: Characters that the forge takes, at least :data:`COMMENT_MIN`.
        explain: Whether each step is told in plain language too.
    """
    plan = masked(plan)
    rows = of_plan(plan, now)
    foot = "\n\n".join(_footer(plan, now, run))
    room = most - len(foot) - 5
    head = "\n\n".join(_head(plan, rows, room // 2))
    rest = link("the run", run) if run else "`krakenstate plan`"
    body = folded("The whole plan", _blocks(plan, rows, explain), room - len(head), rest)
    return "\n\n".join(part for part in (head, body, foot) if part) + "\n"


def plan_marker(stack: str, environment: str) -> str:
    """The line by which a comment is found again, to be edited in place."""
    return f"<!-- krakenstate:plan:{word(stack)}:{word(environment)} -->"


def _head(plan: Plan, rows: Iterable[NotKnown], room: int) -> Iterator[str]:
    """What stays open."""
    where = "" if plan.environment == "production" else f" in {code(plan.environment)}"
    yield f"{plan_marker(plan.stack, plan.environment)}\n### krakenstate plan: {code(plan.stack)}{where}"
    ready = said.ready(plan)
    yield f"**{said.conclusion(plan)}**{f' {ready}.' if ready else ''}"
    ahead = f"as of {plan.facts.as_of}, not to be applied" if plan.facts.as_of else ""
    warnings = ("This plan is incomplete", said.incomplete(plan, rows)), ("Warning", said.partial(plan))
    wrong = [("Wrong account", text) for text in said.wrong_accounts(rows)]
    for start, text in (*wrong, ("Refused", refused(plan.facts.checks)), *warnings, ("Warning", ahead)):
        if text:
            yield f"> **{start}:** {prose(text)}"
    if overview := said.overview(plan):
        counts = [f"- {code(MARKS[action].symbol)} {prose(text)}" for action, text in overview]
        leaks = said.overview_of_leaks(plan)
        yield "\n".join([*counts, *([f"- {prose(leaks)}"] if leaks else [])])
    lists = (
        ("Risk", [risk_row(risk) for risk in ordered_risks(plan.risks)]),
        (said.LEAKS, [_leak(*leak) for leak in said.leaks(plan)]),
        ("Policy", [_finding(check) for check in plan.facts.checks if check.rule]),
        ("Changed elsewhere", [drift_row(item) for item in said.drift_items(plan)]),
        ("Could not be read", [_unread(row) for row in rows if not row.is_normal]),
        ("A person must act", [_person(step) for step in said.blocks_of(plan) if step.task_kind]),
        ("Open tasks", [_task(task, note) for task, note in said.open_tasks(plan)]),
        ("Checks", [_check(check) for check in said.checks(plan)]),
        ("Upcoming", [f"- {code(i.address)} {prose(text)}" for _, i, text in said.upcoming(plan)]),
    )
    for title, listed in lists:
        yield from section(title, listed, room // len(lists), said.rows_of(plan))


def _leak(change: BlastChange, after: str, told: str) -> str:
    mark = WARNING if change.critical else ""
    return f"- {mark}{code(change.address)} {prose(after)} ({prose(told)})"


def _unread(row: NotKnown) -> str:
    return f"- {code(row.address)} {prose(told_alone(row))}"


def _check(check: Check) -> str:
    return f"- {code(check.address or check.code)} {prose(f'{check.text} ({check.code})')}"


def _finding(check: Check) -> str:
    mark = WARNING if check.severity is Severity.ERROR else ""
    about = f"{code(check.address)} " if check.address else ""
    told = check.text.removeprefix(str(check.address)).lstrip()
    told = " ".join(filter(None, (told, check.remedy)))
    return f"- {mark}**{finding_word(check)}** {prose(place_of(check))}: {about}{prose(told)}"


def _person(step: Step) -> str:
    waits = f" (waits on {', '.join(step.waits_on)})" if step.waits_on else ""
    kind = f" **{step.task_kind.value}**" if step.task_kind else ""
    return f"- {code(step.address)}{kind} {prose(f'for {step.assignee}: {step.label}{waits}')}"


def _task(task: OpenTask, note: str) -> str:
    waits = f"; waits on {', '.join(task.waits_on)}" if task.waits_on else ""
    rejected = f"; rejected: {task.rejection}" if task.rejection else ""
    told = f"for {task.assignee}: {task.title}{waits}{rejected}{f'; {note}' if note else ''}"
    return f"- {code(task.id)} {code(task.address)} **{task.kind.value}** {prose(told)}"


def _blocks(plan: Plan, rows: Iterable[NotKnown], explain: bool) -> Iterator[list[str]]:
    """The whole difference: what is a list above and was cut short there stands here in full."""
    paint = DiffPaint()
    stakes = said.stakes(plan)
    for item in said.drift_items(plan):
        yield drift_block(item, paint, WIDTH)
    for step in said.blocks_of(plan):
        yield step_block(step, paint, WIDTH, explain=explain, stakes=stakes.get(step.address, ()))
    for step in said.watched(plan):
        yield [said.ONLY_OBSERVED, *watched_block(step, paint, WIDTH)]
    for step in said.waiting_steps(plan):
        yield wrap(f"{step.address} waits{said.waits_on(step)}", WIDTH, "  ", "    ")
    if lines := not_known_lines(rows, paint, WIDTH):
        yield lines


def _footer(plan: Plan, now: datetime, run: str | None) -> Iterator[str]:
    """Of what this is the plan, how old it is, and how it is applied."""
    facts = plan.facts
    observed = ""
    if facts.observed_at:
        observed = f"observed {format_instant(facts.observed_at)} ({age(facts.observed_at, now)})"
    parts = [
        f"commit {code(short_commit(facts.commit))}" if facts.commit else "",
        f"site {code(facts.site)}" if facts.site else "",
        observed,
        link("run", run) if run else "",
        f"krakenstate {code(plan.krakenstate_version)}",
    ]
    yield f"---\n{' · '.join(part for part in parts if part)}"
    yield f"Digest: {code(plan.digest)}"
    if said.is_applyable(plan):
        stack, digest = shlex.quote(plain(plan.stack)), shlex.quote(plain(plan.digest))
        command = f"krakenstate apply {stack} --approved-digest {digest}"
        yield "\n".join(["After the merge, once this digest is approved:", "", fenced([command], "sh")])
