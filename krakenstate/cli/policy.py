"""``krakenstate policy check``: does the stack keep the rules?"""

from __future__ import annotations

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import DesiredOpt, JsonOpt, RequireIsolationOpt, StackArg, StrictOpt
from krakenstate.cli.output import Output

app = typer.Typer(help="The rules that accounts and keys keep.", cls=Group, no_args_is_help=True)


def check(
    stack: StackArg = None,
    desired: DesiredOpt = None,
    strict: StrictOpt = False,
    as_json: JsonOpt = False,
    require_isolation: RequireIsolationOpt = False,
) -> None:
    """Look at a stack with all rules, and say what they find.

    Needs neither credentials nor network. Exits 5 if a rule refuses something.
    """
    from krakenstate.cli.common import exit_code_for_checks, today_for
    from krakenstate.policy.base import Case
    from krakenstate.policy.judge import judge
    from krakenstate.policy.rules import RULES
    from krakenstate.stack.load import load
    from krakenstate.views.policy import policy_json, policy_report

    output = Output(json=as_json)
    head = (loaded := load(stack, desired, require_isolation=require_isolation)).desired.head
    checks = judge(Case(loaded.desired, today_for(head)), strict=strict)
    if as_json:
        rows = [(rule.name, rule.severity, rule.says) for rule in RULES.values()]
        output.data(policy_json(head.name, head.environment.name, rows, checks))
    else:
        text = policy_report(head.name, len(RULES), checks, colour=output.colour, width=output.width)
        output.result(text)
    code = exit_code_for_checks(checks)
    if code:
        raise typer.Exit(code)


add(app, check, example="krakenstate policy check prod")
