"""Apply and settle: a line for each thing that happens, and one at the end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from krakenstate.errors import CredentialMalformed, HandInNotExpected
from krakenstate.model.plan import Action, Plan, Reason
from krakenstate.model.run import Effect, Outcome
from krakenstate.model.task import TaskKind
from krakenstate.views.style import Paint, plain, plain_lines

_BAR_WIDTH = 20
NOTHING_TO_SETTLE = "Nothing to settle."

_ONGOING = {
    Action.CREATE: "Creating",
    Action.UPDATE: "Modifying",
    Action.DELETE: "Destroying",
    Action.ROTATE: "Replacing",
    Action.FORGET: "Forgetting",
    Action.MANUAL: "Opening task",
    Action.INGEST: "Reading",
    Action.VERIFY: "Verifying",
    Action.ADVANCE: "Advancing",
    Action.CLOSE: "Closing",
    Action.WAIT: "Waiting",
    Action.UNKNOWN: "Reading",
    Action.NO_OP: "Reading",
}

_COLOURS = {Effect.FAILED: "red", Effect.REJECTED: "red", Effect.OPENED: "magenta", Effect.WAITING: "yellow"}

_APPLIED = {
    Effect.CREATED: "added",
    Effect.UPDATED: "changed",
    Effect.DESTROYED: "destroyed",
}
_APPLIED_IF_ANY = {Effect.FORGOTTEN: "forgotten", Effect.OPENED: "manual pending"}
_SETTLED = {Effect.PUBLISHED: "published", Effect.CLOSED: "closed", Effect.REJECTED: "rejected"}
_MOVED = {Effect.DESTROYED: "destroyed", Effect.ADVANCED: "advanced"}


def started(address: str, action: Action) -> str:
    """``spot_subaccount.mm: Creating...``"""
    return f"{plain(address)}: {_ONGOING[action]}..."


def still_running(address: str, action: Action, elapsed_s: float) -> str:
    """``spot_subaccount.mm: Still creating... [10s elapsed]``"""
    return f"{plain(address)}: Still {_ONGOING[action].lower()}... [{int(elapsed_s)}s elapsed]"


def work_ahead(count: int, least_s: float) -> str:
    """``40 keys to ask; Kraken's call budget alone makes that take 75s or more.``"""
    return f"{count} keys to ask; Kraken's call budget alone makes that take {math.ceil(least_s)}s or more."


def work_going_on(done: int, count: int, left_s: float) -> str:
    """``12 of 40 keys done, 50s or more to go``; without the second half where no budget is in the way."""
    left = f", {math.ceil(left_s)}s or more to go" if left_s else ""
    return f"{done} of {count} keys done{left}"


def work_bar(done: int, count: int, left_s: float) -> str:
    """``[######..............] 12 of 40 keys done, 50s or more to go``"""
    filled = _BAR_WIDTH * done // max(1, count)
    return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {work_going_on(done, count, left_s)}"


def task_opened(address: str, task_id: str, assignee: str, kind: TaskKind) -> str:
    """``spot_key.pnl: task 3f9c2a01 opened for risk: create-key``"""
    return f"{plain(address)}: task {plain(task_id)} opened for {plain(assignee)}: {kind.value}"


def finished(outcome: Outcome, *, elapsed_s: float | None = None, colour: bool = False) -> str:
    """``spot_subaccount.mm: Creation complete after 3s [username=desk-mm]``

    Args:
        outcome: What a step came to; its text is told, and its code if it has one.
        elapsed_s: How long it took, told where the text says that something is complete.
        colour: Whether ANSI colours are added.
    """
    text = plain(outcome.text).strip()
    if elapsed_s is not None:
        text = text.replace(" complete", f" complete after {int(elapsed_s)}s", 1)
    code = f" ({plain(outcome.code)})" if outcome.code else ""
    told = Paint(colour).over(_COLOURS.get(outcome.effect, ""), f"{text}{code}")
    return f"{plain(outcome.address)}: {told}"


def report_of(outcome: Outcome) -> str:
    """What a person should read beside the line, ready to paste; empty when there is nothing."""
    lines = plain_lines(outcome.report.strip("\n"))
    return "\n".join(f"    {line}" if line else "" for line in lines) if outcome.report.strip() else ""


def apply_complete(outcomes: Iterable[Outcome], *, colour: bool = False) -> str:
    """The last line of an apply; it does not say "complete" when something failed."""
    paint, counts = Paint(colour), Counter(outcome.effect for outcome in outcomes)
    parts = [f"{counts[effect]} {word}" for effect, word in _APPLIED.items()]
    done = f"Resources: {', '.join([*parts, *_counted(counts, _APPLIED_IF_ANY)])}"
    if counts[Effect.FAILED]:
        failed = f"{counts[Effect.FAILED]} failed"
        return f"{paint.over('red', 'Apply stopped part-way.')} {done}, {failed}. What was done is recorded."
    return f"{paint.over('green', 'Apply complete!')} {done}."


def settle_complete(outcomes: Sequence[Outcome], *, colour: bool = False) -> str:
    """The last line of a settle, without the counts that are zero."""
    paint, counts = Paint(colour), Counter(outcome.effect for outcome in outcomes)
    parts = _counted(counts, _SETTLED) or _counted(counts, _MOVED)
    if counts[Effect.FAILED]:
        said = ", ".join([*parts, f"{counts[Effect.FAILED]} failed"])
        return f"{paint.over('red', 'Settle stopped part-way.')} {said}. What was done is recorded."
    return f"{paint.over('green', 'Settle complete!')} {', '.join(parts)}." if parts else NOTHING_TO_SETTLE


def inbox_lines(plan: Plan) -> list[str]:
    """What lies in the inbox and was not taken, with its path; a settle shows no plan that would tell."""
    about = {CredentialMalformed.code, HandInNotExpected.code}
    return [
        f"{plain(c.address) + ': ' if c.address else ''}{plain(c.text)} ({c.code})"
        for c in plan.facts.checks
        if c.code in about
    ]


def waiting_lines(plan: Plan) -> list[str]:
    """What is there and could not be settled by this run, such as a key that this site may not ask."""
    return [
        f"{plain(step.address)}: {plain(step.note)}"
        for step in plan.steps
        if step.reason is Reason.DEPENDENCY_UNFINISHED and step.note and not step.waits_on
    ]


def _counted(counts: Counter[Effect], words: dict[Effect, str]) -> list[str]:
    return [f"{counts[effect]} {word}" for effect, word in words.items() if counts[effect]]
