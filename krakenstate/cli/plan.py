"""``krakenstate plan``: what would be done, for review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from krakenstate.cli.options import (
    AsOfOpt,
    DesiredOpt,
    DetailedExitcodeOpt,
    ExcludeOpt,
    ForceThresholdOpt,
    JsonOpt,
    RefreshOpt,
    SiteOpt,
    StackArg,
    StatsOpt,
    StrictOpt,
    TargetOpt,
    WithinOpt,
)
from krakenstate.cli.output import Output, worst_exit_code
from krakenstate.cli.plan_output import (
    COMMENT_MAX,
    CommentLimitOpt,
    ExplainOpt,
    ForgeOpt,
    PlanFormat,
    PlanFormatOpt,
    chosen_format,
    print_plan,
    write_forge_files,
)


def plan(
    stack: StackArg = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    observed: Annotated[
        Path | None,
        typer.Option("--observed", metavar="FILE", help="Snapshot to plan with, instead of observing now."),
    ] = None,
    refresh: RefreshOpt = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Save the plan for show and apply; its name ends in .json.",
            show_default=False,
        ),
    ] = None,
    within: WithinOpt = 30 * 86400.0,
    as_of: AsOfOpt = None,
    target: TargetOpt = None,
    exclude: ExcludeOpt = None,
    strict: StrictOpt = False,
    force_threshold: ForceThresholdOpt = False,
    detailed_exitcode: DetailedExitcodeOpt = False,
    form: PlanFormatOpt = PlanFormat.TEXT,
    comment_limit: CommentLimitOpt = COMMENT_MAX,
    explain: ExplainOpt = False,
    forge: ForgeOpt = False,
    stats: StatsOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Show what applying the stack would do.

    Compares the stack with what Kraken and Vault really hold. Changes nothing. With --as-of, what is upcoming
    is listed as on that day; what is proposed, and the digest, stay those of today. With --format markdown it
    is the comment of a pull request, with a marker by which it is found again, e-mails and IIBANs masked. A
    plan that the policy refuses is shown with what refuses it, and exits 5; one that changes too much, 9.
    """
    from datetime import timedelta

    from krakenstate.cli.common import (
        commit_of,
        detailed_code,
        exit_code_for_checks,
        exit_code_for_gaps,
        scope_of,
        shows_hints,
        snapshot_for,
        what_if,
    )
    from krakenstate.cli.loading import unless_unstable
    from krakenstate.cli.saved import require_plan_name, save_plan
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.guard import Guard

    form = chosen_format(form, as_json)
    output = Output(json=form is PlanFormat.JSON)
    if out is not None:
        require_plan_name(out)
    scope = scope_of(target, exclude)
    guard = Guard(strict=strict, force_threshold=force_threshold)
    asks = refresh and observed is None
    wired = wire(stack, output=output, desired=desired, site=site, guard=guard, stats=stats, asks=asks)
    # Imported by now, while the stack file ran.
    from krakenstate.engine.reading import load_for_reading, make_plan
    from krakenstate.engine.scope import EVERYTHING

    session = wired.session
    look_ahead = what_if(as_of, session.clock())
    with unless_unstable(wired.confirmed):
        state = load_for_reading(session)
        snapshot = snapshot_for(wired, state, refresh=refresh, observed=observed)
    made = make_plan(
        session,
        state,
        snapshot,
        commit=commit_of(wired.loaded.path),
        isolation=wired.confirmed().isolation,
        horizon=timedelta(seconds=within),
        as_of=look_ahead,
        scope=scope or EVERYTHING,
    )
    print_plan(output, made, form=form, now=session.clock(), comment_limit=comment_limit, explain=explain)
    if out is not None:
        from krakenstate.views.saved_text import saved_line

        save_plan(made, out)
        output.progress(saved_line(made, str(out), hints=shows_hints()))
    if forge:
        write_forge_files(made, now=session.clock())
    code = worst_exit_code(
        (
            exit_code_for_checks(output, made.facts.checks),
            exit_code_for_gaps(snapshot),
            detailed_code(made) if detailed_exitcode else 0,
        )
    )
    if code:
        raise typer.Exit(code)
