"""``krakenstate settle``: carries out what applied declarations already allow. Safe on a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from krakenstate.cli.options import (
    DesiredOpt,
    DetailedExitcodeOpt,
    JsonOpt,
    LockTimeoutOpt,
    SiteOpt,
    StackArg,
    StatsOpt,
)
from krakenstate.cli.output import Output
from krakenstate.errors import ApplyPartial

if TYPE_CHECKING:
    from krakenstate.engine.runs import Settled
    from krakenstate.model.task import Task


def settle(
    stack: StackArg = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    detailed_exitcode: DetailedExitcodeOpt = False,
    stats: StatsOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Carry out what applied declarations already allow.

    Takes handed-in keys, verifies and publishes them, and closes tasks whose evidence is there. Proposes
    nothing and needs no approval, and is safe on a schedule. With --json what happens is printed as it
    happens, one JSON object a line.
    """
    import os

    from krakenstate.cli.apply import refuse_pull_request
    from krakenstate.cli.common import exit_code_for_gaps, exit_code_for_outcomes, shows_hints
    from krakenstate.cli.event_stream import begin_events
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import runs
    from krakenstate.views.apply_text import inbox_lines, waiting_lines

    refuse_pull_request(os.environ)
    output = Output(json=as_json, events=as_json)
    begin_events(output)
    session = wire(stack, output=output, desired=desired, site=site, stats=stats).session
    with (
        stopping_between_steps() as stop,
        runs.writing(session, "settle", wait_s=lock_timeout, stop=stop) as run,
    ):
        settled = runs.settle(run)
        tasks = run.state.open_tasks()
    for line in inbox_lines(settled.plan):
        session.audience.say(line)
    _report(output, settled, tasks)
    if not as_json:
        for line in waiting_lines(settled.plan):
            output.progress(line)
        if session.site is None and tasks:
            hint = " Name one with --site." if shows_hints() else ""
            output.progress(f"No site was named: only keys that are open to the world were asked.{hint}")
    failed = [o for o in settled.outcomes if o.effect.value == "failed"]
    if failed:
        listed = "; ".join(f"{o.address}: {o.text}" for o in failed)
        raise ApplyPartial(f"{len(failed)} of {len(settled.outcomes)} settlements failed: {listed}")
    code = exit_code_for_outcomes(settled.outcomes) or exit_code_for_gaps(settled.snapshot)
    if not code and detailed_exitcode and tasks:
        code = 8
    if code:
        raise typer.Exit(code)


def _report(output: Output, settled: Settled, tasks: list[Task]) -> None:
    from krakenstate.cli.common import write_reports
    from krakenstate.cli.event_stream import tell_end
    from krakenstate.views.apply_text import settle_complete

    if output.events:
        tell_end(output, "settle", settled.outcomes, tasks, settled.plan)
        return
    write_reports(output, settled.outcomes)
    output.result(settle_complete(settled.outcomes, colour=output.colour))
