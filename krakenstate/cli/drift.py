"""``krakenstate drift``: what somebody changed elsewhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from krakenstate.cli.options import DesiredOpt, DetailedExitcodeOpt, JsonOpt, SiteOpt, StackArg, StrictOpt
from krakenstate.cli.output import Output, worst_exit_code
from krakenstate.errors import UsageError


class DriftFormat(StrEnum):
    """How drift is written."""

    TEXT = "text"
    JSON = "json"
    ISSUE = "issue"


def drift(
    stack: StackArg = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    strict: StrictOpt = False,
    detailed_exitcode: DetailedExitcodeOpt = False,
    form: Annotated[
        DriftFormat,
        typer.Option("--format", help="How to write it; issue: one text for a job that repeats."),
    ] = DriftFormat.TEXT,
    as_json: JsonOpt = False,
) -> None:
    """Compare what is with what was recorded.

    Proposes nothing and writes no state. What the policy finds in the stack is told as well. With --format
    issue it is Markdown that stays the same while the set of findings does, with a marker and their digest.
    """
    from krakenstate.cli.common import CHANGES, exit_code_for_checks, exit_code_for_gaps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.drift import findings_digest, findings_of
    from krakenstate.engine.guard import Guard
    from krakenstate.engine.observe import take_snapshot
    from krakenstate.engine.reading import load_for_reading, make_plan
    from krakenstate.engine.thresholds import STOPS
    from krakenstate.views.drift_issue import render_drift_issue
    from krakenstate.views.drift_text import drift_json, render_drift

    if as_json and form is DriftFormat.ISSUE:
        raise UsageError("--json and --format issue were both given.", next_step="Give one of them.")
    output = Output(json=as_json or form is DriftFormat.JSON)
    session = wire(stack, output=output, desired=desired, site=site, guard=Guard(strict=strict)).session
    state = load_for_reading(session)
    snapshot = take_snapshot(session, state)
    facts = make_plan(session, state, snapshot).facts
    items, checks = facts.drift, [c for c in facts.checks if c.rule and c.rule not in STOPS]
    now = session.clock()
    if form is DriftFormat.ISSUE:
        found = findings_of(checks)
        digest = findings_digest(items, snapshot, found)
        output.result(render_drift_issue(items, snapshot, checks=found, digest=digest).rstrip("\n"))
    elif output.json:
        output.data(drift_json(items, snapshot, checks=checks, now=now))
    else:
        output.result(
            render_drift(items, snapshot, checks=checks, colour=output.colour, width=output.width, now=now)
        )
    code = worst_exit_code(
        (
            exit_code_for_checks(output, checks),
            exit_code_for_gaps(snapshot),
            CHANGES if detailed_exitcode and items else 0,
        )
    )
    if code:
        raise typer.Exit(code)
