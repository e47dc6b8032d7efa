"""``krakenstate apply``: plans, asks, and carries out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from krakenstate.cli.confirm import ask_yes
from krakenstate.cli.options import (
    ApprovedDigestOpt,
    AutoApproveOpt,
    DesiredOpt,
    DetailedExitcodeOpt,
    ExcludeOpt,
    ForceThresholdOpt,
    InputOpt,
    JsonOpt,
    LockTimeoutOpt,
    SiteOpt,
    StackOrPlanArg,
    StatsOpt,
    StrictOpt,
    TargetOpt,
)
from krakenstate.cli.output import Output
from krakenstate.cli.pipelines import is_ci, is_pull_request
from krakenstate.cli.signals import stopping_between_steps
from krakenstate.errors import ApplyOnPullRequest, ApplyPartial, ApprovalNeeded, DigestMismatch

if TYPE_CHECKING:
    from krakenstate.model.plan import Plan
    from krakenstate.model.run import Outcome
    from krakenstate.model.snapshot import Snapshot
    from krakenstate.model.task import Task


def apply(
    context: typer.Context,
    stack: StackOrPlanArg = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    auto_approve: AutoApproveOpt = False,
    approved_digest: ApprovedDigestOpt = None,
    ask: InputOpt = True,
    lock_timeout: LockTimeoutOpt = 0.0,
    target: TargetOpt = None,
    exclude: ExcludeOpt = None,
    strict: StrictOpt = False,
    force_threshold: ForceThresholdOpt = False,
    detailed_exitcode: DetailedExitcodeOpt = False,
    stats: StatsOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Plan, show the plan, ask, and carry it out.

    API calls are made, and tasks for people are opened. Settlements that are ready are carried out as well.
    Given a saved plan, nobody is asked: it is made anew as of its own time, and carried out if it still
    decides the same. Under CI, --approved-digest is needed. Refused on a pull request. With --json what
    happens is printed as it happens, one JSON object a line.
    """
    from krakenstate.cli.common import check_policy, commit_of, scope_of
    from krakenstate.cli.event_stream import begin_events, tell_plan
    from krakenstate.cli.saved import is_plan_file, refuse_options
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import runs
    from krakenstate.engine.guard import Guard
    from krakenstate.engine.guardrails import refuse_guarded
    from krakenstate.engine.observe import take_snapshot
    from krakenstate.engine.reading import make_plan
    from krakenstate.engine.scope import EVERYTHING
    from krakenstate.views.plan_text import render_plan

    refuse_pull_request(os.environ)
    output = Output(json=as_json, events=as_json)
    begin_events(output)
    if is_ci(os.environ) and not approved_digest:
        raise ApprovalNeeded(
            "CI is set, so applying needs the digest of the plan that was approved.",
            next_step=f"Add --approved-digest with the digest of the plan that was approved. {_WHOLE_DIGEST}",
        )
    if stack is not None and is_plan_file(stack):
        refuse_options(context)
        _apply_saved(Path(stack), site, desired, approved_digest, lock_timeout, output, stats=stats)
        return
    scope = scope_of(target, exclude)
    guard = Guard(strict=strict, force_threshold=force_threshold)
    wired = wire(stack, output=output, desired=desired, site=site, guard=guard, stats=stats)
    session = wired.session
    check_policy(session.desired, session.clock().date(), strict=strict)
    with (
        stopping_between_steps() as stop,
        runs.writing(session, "apply", wait_s=lock_timeout, stop=stop) as run,
    ):
        snapshot = take_snapshot(session, run.state)
        made = make_plan(
            session,
            run.state,
            snapshot,
            commit=commit_of(wired.loaded.path),
            isolation=wired.loaded.isolation,
            scope=scope or EVERYTHING,
        )
        if as_json:
            tell_plan(output, made)
        else:
            output.result(
                render_plan(made, colour=output.colour, width=output.width, now=session.clock(), hints=False)
            )
        refuse_guarded(made)
        if made.proposals:
            _approve(made, approved_digest, auto_approve=auto_approve, ask=ask, output=output)
        stop()
        outcomes = runs.apply(run, snapshot, made)
        tasks = run.state.open_tasks()
    _finish(output, made, outcomes, tasks, snapshot, detailed_exitcode=detailed_exitcode)


def _apply_saved(
    file: Path,
    site: str | None,
    desired: Path | None,
    approved_digest: str | None,
    lock_timeout: float,
    output: Output,
    *,
    stats: bool,
) -> None:
    """Passing the file is the approval, or under CI its digest; what is carried out is planned anew."""
    from krakenstate.cli.common import check_policy, commit_of
    from krakenstate.cli.event_stream import tell_plan
    from krakenstate.cli.saved import read_plan
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import approval, runs
    from krakenstate.engine.guard import Guard
    from krakenstate.views.saved_text import applying_line

    saved = read_plan(file)
    runs.refuse_look_ahead(saved)
    if approved_digest is not None:
        _compare(saved, approved_digest)
    stack, guard = saved.stack if desired is None else None, Guard(force_threshold=saved.forced)
    wired = wire(stack, output=output, desired=desired, site=site, guard=guard, stats=stats)
    session = wired.session
    approval.refuse_other(saved, session.desired)
    check_policy(session.desired, session.clock().date())
    output.progress(applying_line(saved, session.clock()))
    with (
        stopping_between_steps() as stop,
        runs.writing(session, "apply", wait_s=lock_timeout, stop=stop) as run,
    ):
        snapshot, made = runs.plan_again(
            run, saved, commit=commit_of(wired.loaded.path), isolation=wired.loaded.isolation
        )
        if output.events:
            tell_plan(output, made)
        stop()
        outcomes = runs.apply(run, snapshot, made)
        tasks = run.state.open_tasks()
    _finish(output, made, outcomes, tasks, snapshot)


def refuse_pull_request(environment: Mapping[str, str]) -> None:
    """Makes sure that this run is not for a pull request, where nobody has approved anything yet.

    Raises:
        ApplyOnPullRequest: It is.
    """
    if is_pull_request(environment):
        raise ApplyOnPullRequest(
            "The environment says that this run is for a pull or merge request. Its code was not approved, "
            "and whoever opened it would decide what is applied."
        )


def _finish(
    output: Output,
    plan: Plan,
    outcomes: list[Outcome],
    tasks: list[Task],
    snapshot: Snapshot,
    *,
    detailed_exitcode: bool = False,
) -> None:
    from krakenstate.cli.common import exit_code_for_gaps, exit_code_for_outcomes, shows_hints

    _report(output, plan, outcomes, tasks, hints=shows_hints())
    failed = [o for o in outcomes if o.code and o.effect.value == "failed"]
    if failed:
        listed = "; ".join(f"{o.address}: {o.text}" for o in failed)
        raise ApplyPartial(f"{len(failed)} of {len(outcomes)} steps failed: {listed}")
    code = exit_code_for_outcomes(outcomes) or exit_code_for_gaps(snapshot)
    if not code and detailed_exitcode and tasks:
        code = 8
    if code:
        raise typer.Exit(code)


def _approve(
    plan: Plan, approved_digest: str | None, *, auto_approve: bool, ask: bool, output: Output
) -> None:
    """By digest, by flag, or by a person's yes.

    Raises:
        DigestMismatch: Another plan was approved.
        ApprovalNeeded: There is nobody to ask.
        ApplyCancelled: The answer was not yes.
    """
    if approved_digest is not None:
        _compare(plan, approved_digest)
        return
    if auto_approve:
        return
    ask_yes(output, "This plan proposes changes", ask=ask)


_WHOLE_DIGEST = "It stands whole as plan_digest in: krakenstate plan --json"


def _compare(plan: Plan, approved_digest: str) -> None:
    given = approved_digest.strip().lower()
    if given and len(given) < len(plan.digest) and plan.digest.startswith(given):
        raise DigestMismatch(
            f"The approved digest {given} is not whole. A digest has {len(plan.digest)} hexadecimal digits, "
            "of which a plan shows the first six; so few are easily met by another plan.",
            next_step=_WHOLE_DIGEST,
        )
    if given != plan.digest:
        raise DigestMismatch(
            f"The approved digest is {approved_digest[:64]}, this plan's is {plan.digest}. What would be "
            "done is not what was approved."
        )


def _report(output: Output, plan: Plan, outcomes: list[Outcome], tasks: list[Task], *, hints: bool) -> None:
    from krakenstate.cli.common import write_reports
    from krakenstate.cli.event_stream import tell_end
    from krakenstate.views.apply_text import apply_complete

    if output.events:
        tell_end(output, "apply", outcomes, tasks, plan)
        return
    if not plan.proposals and not plan.settlements:
        return
    write_reports(output, outcomes)
    output.result(apply_complete(outcomes, colour=output.colour))
    if hints and any(o.effect.value == "opened" for o in outcomes):
        output.progress("The click lists: krakenstate task list, then krakenstate task show ID")
