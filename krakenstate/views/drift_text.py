"""Drift: what somebody changed elsewhere, beside what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue

from krakenstate.model.base import format_instant
from krakenstate.model.plan import FORMAT_VERSION, Check, DriftItem
from krakenstate.model.snapshot import Observation, Snapshot
from krakenstate.views.blocks import drift_block, risk_lines
from krakenstate.views.not_known import NotKnown, not_known_lines, of_snapshot
from krakenstate.views.plan_json import drift_rows
from krakenstate.views.policy import check_rows, policy_lines
from krakenstate.views.style import DEFAULT_WIDTH, Paint, plain
from krakenstate.views.words import age, count, headline

NO_DRIFT = "No drift. What was observed matches what was recorded."


def render_drift(
    items: Sequence[DriftItem],
    snapshot: Snapshot,
    *,
    checks: Sequence[Check] = (),
    colour: bool = False,
    width: int = DEFAULT_WIDTH,
    now: datetime,
) -> str:
    """A drift report.

    Args:
        items: What has changed.
        snapshot: What was observed, which also says what could not be.
        checks: What the policy finds in the stack.
        colour: Whether ANSI colours are added.
        width: Columns of the terminal.
        now: The instant from which ages count.
    """
    paint = Paint(colour)
    risks = [risk for item in items for risk in item.risks]
    title = headline(
        f"krakenstate drift: {snapshot.stack}",
        environment=None if snapshot.environment == "production" else snapshot.environment,
        site=snapshot.site,
        observed=age(snapshot.observed_at, now),
    )
    sections = [
        [paint.bold(title)],
        [paint.bold("Risk"), *risk_lines(risks, paint, width)] if risks else [],
        *(drift_block(item, paint, width) for item in sorted(items, key=lambda item: item.address)),
        policy_lines(checks, paint, width),
        not_known_lines(of_snapshot(snapshot, now), paint, width),
        [paint.bold(drift_line(items) if items else NO_DRIFT)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def drift_line(items: Sequence[DriftItem]) -> str:
    """``Drift: 2 objects have changed.``"""
    return f"Drift: {count(len(items), 'object has', 'objects have')} changed."


def drift_json(
    items: Sequence[DriftItem], snapshot: Snapshot, *, checks: Sequence[Check] = (), now: datetime
) -> dict[str, JsonValue]:
    """A drift report as an object that any JSON library can write."""
    missing = sorted(of_snapshot(snapshot, now), key=lambda row: row.address)
    return {
        "format_version": FORMAT_VERSION,
        "timestamp": format_instant(now),
        "observed_at": format_instant(snapshot.observed_at),
        "environment": plain(snapshot.environment),
        "stack": plain(snapshot.stack),
        "site": None if snapshot.site is None else plain(snapshot.site),
        "complete": not snapshot.unreadable,
        "resource_drift": drift_rows(items),
        "checks": check_rows(checks),
        "not_known": [_not_known(row, snapshot.of(row.address), now) for row in missing],
    }


def _not_known(row: NotKnown, seen: Observation, now: datetime) -> JsonValue:
    """Why something is not known, and how old and of what kind the knowledge is that serves instead."""
    return {
        "address": str(row.address),
        "missing": row.missing.value,
        "detail": plain(row.detail),
        "code": plain(row.code),
        "provenance": seen.provenance.value if seen.provenance else None,
        "at": format_instant(seen.at) if seen.at else None,
        "age": max(0, int((now - seen.at).total_seconds())) if seen.at else None,
    }
