"""``krakenstate policy check``: does the stack keep the rules?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import DesiredOpt, JsonOpt, RequireIsolationOpt, StackArg, StrictOpt
from krakenstate.cli.output import Output

app = typer.Typer(help="The rules that accounts and keys keep.", cls=Group, no_args_is_help=True)


def check(
    stack: StackArg = None,
    desired: DesiredOpt = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan", metavar="FILE", help="A saved plan, for rules that look at one.", show_default=False
        ),
    ] = None,
    strict: StrictOpt = False,
    as_json: JsonOpt = False,
    require_isolation: RequireIsolationOpt = False,
) -> None:
    """Look at a stack with all rules, the desk's own included, and say what they find.

    Needs neither credentials nor network. Exits 5 if a rule refuses something.
    """
    from krakenstate.cli.common import exit_code_for_checks, today_for
    from krakenstate.cli.desk import desk_of
    from krakenstate.cli.saved import read_plan
    from krakenstate.policy.base import Case, Ruling
    from krakenstate.policy.judge import judge
    from krakenstate.policy.rules import RULES
    from krakenstate.stack.load import load
    from krakenstate.views.policy import policy_json, policy_report

    output = Output(json=as_json)
    saved = read_plan(plan) if plan else None
    loaded = load(stack, desired, require_isolation=require_isolation)
    head = loaded.desired.head
    if saved is not None:
        _refuse_other(saved.stack, head.name)
    look = desk_of(loaded, from_file=desired is not None, credentials=require_isolation)
    desk = look(saved) if look else Ruling()
    checks = judge(Case(loaded.desired, today_for(head), saved), desk=desk, strict=strict)
    rows: list[tuple[str, str | None, str]] = [
        (rule.name, rule.severity.value, rule.says) for rule in RULES.values()
    ]
    rows += [(name, None, says) for name, says in desk.rules]
    if as_json:
        output.data(policy_json(head.name, head.environment.name, rows, checks))
    else:
        output.result(policy_report(head.name, len(rows), checks, colour=output.colour, width=output.width))
    code = exit_code_for_checks(output, checks)
    if code:
        raise typer.Exit(code)


def _refuse_other(planned: str, stack: str) -> None:
    from krakenstate.errors import UsageError

    if planned != stack:
        raise UsageError(
            f"--plan holds a plan of the stack {planned}, and the stack is {stack}.",
            next_step="Give the plan of this stack.",
        )


add(app, check, example="krakenstate policy check prod")
