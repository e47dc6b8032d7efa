"""``krakenstate drift``: what somebody changed elsewhere."""

from __future__ import annotations

import typer

from krakenstate.cli.options import DesiredOpt, DetailedExitcodeOpt, JsonOpt, SiteOpt, StackArg, StrictOpt
from krakenstate.cli.output import Output, worst_exit_code


def drift(
    stack: StackArg = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    strict: StrictOpt = False,
    detailed_exitcode: DetailedExitcodeOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Compare what is with what was recorded.

    Proposes nothing and writes no state. What the policy finds in the stack is told as well.
    """
    from krakenstate.cli.common import CHANGES, exit_code_for_checks, exit_code_for_gaps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.guard import Guard
    from krakenstate.engine.runs import load_for_reading, make_plan, take_snapshot
    from krakenstate.policy.rules import RULES
    from krakenstate.views.drift_text import drift_json, render_drift

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired, site=site, guard=Guard(strict=strict)).session
    state = load_for_reading(session)
    snapshot = take_snapshot(session, state)
    facts = make_plan(session, state, snapshot).facts
    items, checks = facts.drift, [check for check in facts.checks if check.rule in RULES or check.waiver]
    now = session.clock()
    if as_json:
        output.data(drift_json(items, snapshot, checks=checks, now=now))
    else:
        output.result(
            render_drift(items, snapshot, checks=checks, colour=output.colour, width=output.width, now=now)
        )
    code = worst_exit_code(
        (
            exit_code_for_checks(checks),
            exit_code_for_gaps(snapshot),
            CHANGES if detailed_exitcode and items else 0,
        )
    )
    if code:
        raise typer.Exit(code)
