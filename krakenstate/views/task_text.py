"""Tasks: the list, and one of them in full."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue

from krakenstate.model.task import Task, TaskStatus
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain, plain_lines, wrap
from krakenstate.views.values import clean_json
from krakenstate.views.words import age, table

FORMAT_VERSION = "1.0"
NO_TASKS = "No tasks."
_HERE_DOCUMENT = re.compile(r"<<'([A-Z_]+)'$")

_STATUS_COLOURS = {
    TaskStatus.OPEN: "magenta",
    TaskStatus.CLAIMED: "yellow",
    TaskStatus.VERIFIED: "green",
    TaskStatus.ATTESTED: "green",
    TaskStatus.CANCELLED: "",
}


def render_task_list(tasks: Sequence[Task], *, colour: bool = False, now: datetime) -> str:
    """A table of tasks in the order given; a rejection follows its task."""
    if not tasks:
        return NO_TASKS
    rows = [
        (t.id, t.kind.value, t.address, t.assignee, t.status.value, age(t.opened_at, now), t.title)
        for t in tasks
    ]
    head, *lines = table(("ID", "KIND", "ADDRESS", "ASSIGNEE", "STATUS", "OPENED", "TITLE"), rows)
    shown = [Paint(colour).bold(head)]
    for task, line in zip(tasks, lines, strict=True):
        shown.append(line)
        if task.is_open and task.rejection:
            shown.append(f"    rejected: {plain(task.rejection)}")
        if task.is_open and task.waits_on:
            shown.append(f"    waits on: {plain(', '.join(task.waits_on))}")
    return "\n".join(shown)


def render_task(task: Task, *, colour: bool = False, width: int = DEFAULT_WIDTH, now: datetime) -> str:
    """All of a task; its instructions keep their lines, ready to paste."""
    paint = Paint(colour)
    name_width = max(len(name) for name, _ in _facts(task, now))
    lines = [paint.bold(f"# task {plain(task.id)}: {plain(task.title)}")]
    for name, value in _facts(task, now):
        start = f"  {name.ljust(name_width)}  "
        first, *more = wrap(value, width, start)
        if name == "status":
            first = first.replace(value, paint.over(_STATUS_COLOURS[task.status], value), 1)
        lines += [first, *more]
    asked = "What to do:"
    if task.correction:  # first: whoever begins with the rest makes a second key
        lines += ["", paint.bold("What to correct:"), *_indented(task.correction)]
        asked = "What was asked for at first:"
    lines += ["", paint.bold(asked), *_indented(task.instructions)]
    lines += ["", paint.bold("What closes it:")]
    for line in plain_lines(task.evidence):
        lines += wrap(line, width, "    ") if line else [""]
    return "\n".join(lines).rstrip()


def task_list_json(tasks: Sequence[Task]) -> dict[str, JsonValue]:
    """Tasks in the order given, whole."""
    return {"format_version": FORMAT_VERSION, "tasks": [dict(_row(task)) for task in tasks]}


def task_json(task: Task) -> dict[str, JsonValue]:
    """One task, whole."""
    return {"format_version": FORMAT_VERSION, "task": dict(_row(task))}


def _facts(task: Task, now: datetime) -> list[tuple[str, str]]:
    word = task.attestation
    said = f"{word.by}, {age(word.at, now)}{f': {word.note}' if word.note else ''}" if word else ""
    closed = f"{age(task.closed_at, now)}: {task.closed_because}" if task.closed_at else ""
    turn = f"{task.generation}, round {task.round}"
    facts = [
        ("kind", task.kind.value),
        ("address", str(task.address)),
        ("assignee", task.assignee),
        ("status", task.status.value),
        ("opened", age(task.opened_at, now)),
        ("generation", turn if task.generation or task.round > 1 else ""),
        ("claimed by", task.claimed_by or ""),
        ("waits on", ", ".join(task.waits_on)),
        ("rejected", task.rejection),
        ("attested by", said),
        ("closed", closed),
    ]
    return [(name, plain(value)) for name, value in facts if value]


def _indented(text: str) -> list[str]:
    """Lines set off by four, but for a command with a here-document: a shell ends that at an edge alone."""
    shown: list[str] = []
    ends_at = ""
    for line in plain_lines(text.strip("\n")):
        begins = _HERE_DOCUMENT.search(line)
        as_it_is = bool(ends_at or begins)
        shown.append(line if as_it_is or not line else f"    {line}")
        if begins and not ends_at:
            ends_at = begins[1]
        elif line == ends_at:
            ends_at = ""
    return shown


def _row(task: Task) -> dict[str, JsonValue]:
    row = clean_json(task.model_dump(mode="json"))
    return row if isinstance(row, dict) else {}
