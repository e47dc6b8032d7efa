"""Drift as the text of one issue, for a job that looks again and again.

It changes when the set of findings does and at no other time: no instant, age, line number or site is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from krakenstate.model.plan import Check, DriftItem
from krakenstate.model.snapshot import Snapshot
from krakenstate.views.blocks import drift_block, ordered_risks
from krakenstate.views.drift_text import NO_DRIFT, drift_line
from krakenstate.views.markdown import (
    COMMENT_MAX,
    WIDTH,
    DiffPaint,
    code,
    drift_row,
    folded,
    prose,
    risk_row,
    section,
    word,
)
from krakenstate.views.mask import masked
from krakenstate.views.policy import finding_word

_UNREAD = "No drift in what could be read."
_NEXT = """\
Put it back where it was changed, or declare it: `krakenstate plan` shows the way from here to what the stack
declares. This text changes when the findings do."""


def render_drift_issue(
    items: Sequence[DriftItem],
    snapshot: Snapshot,
    *,
    checks: Iterable[Check] = (),
    digest: str,
    most: int = COMMENT_MAX,
) -> str:
    """Drift as Markdown; e-mails and IIBANs are masked.

    Args:
        items: What has changed.
        snapshot: What was observed, which also says what could not be.
        checks: What the policy finds and no waiver covers.
        digest: Of the set of findings.
        most: Characters that the forge takes.
    """
    items = sorted(masked(tuple(items)), key=lambda item: item.address)
    head = "\n\n".join(_head(items, masked(snapshot), list(masked(tuple(checks))), digest, most // 2))
    room = most - len(head) - len(_NEXT) - 5
    body = folded(
        "Every difference", [drift_block(i, DiffPaint(), WIDTH) for i in items], room, "`krakenstate drift`"
    )
    return "\n\n".join(part for part in (head, body, _NEXT if items else "") if part) + "\n"


def drift_marker(stack: str, environment: str) -> str:
    """The line by which an issue is found again, to be rewritten."""
    return f"<!-- krakenstate:drift:{word(stack)}:{word(environment)} -->"


def _head(
    items: Sequence[DriftItem], snapshot: Snapshot, checks: list[Check], digest: str, room: int
) -> Iterator[str]:
    where = "" if snapshot.environment == "production" else f" in {code(snapshot.environment)}"
    marker = drift_marker(snapshot.stack, snapshot.environment)
    yield f"{marker}\n<!-- findings:{word(digest)} -->\n### krakenstate drift: {code(snapshot.stack)}{where}"
    unread = sorted(snapshot.unreadable, key=lambda seen: seen.address)
    yield f"**{drift_line(items) if items else _UNREAD if unread else NO_DRIFT}**"
    lists = (
        ("Risk", [risk_row(risk) for risk in ordered_risks(r for item in items for r in item.risks)]),
        ("Changed elsewhere", [drift_row(item) for item in items]),
        ("Could not be read", [f"- {code(seen.address)} ({code(seen.code)})" for seen in unread]),
        ("Policy", [_finding(check) for check in checks]),
    )
    for title, rows in lists:
        yield from section(title, rows, room // len(lists))


def _finding(check: Check) -> str:
    about = f"{code(check.address)} " if check.address else ""
    return f"- {about}**{finding_word(check)}** {prose(f'rule {check.rule} ({check.code})')}"
