"""``krakenstate doctor``: are the surroundings in order?"""

from __future__ import annotations

import typer

from krakenstate.cli.options import DesiredOpt, JsonOpt, SiteOpt, StackArg
from krakenstate.cli.output import Output, worst_exit_code
from krakenstate.errors import InternalError, catalogue


def doctor(
    stack: StackArg = None, site: SiteOpt = None, desired: DesiredOpt = None, as_json: JsonOpt = False
) -> None:
    """Check clock, servers, Vault, state, breakers and keys.

    Nothing is written, and no key is asked. A check that fails does not stop the others; the exit code is 1,
    or 3 when Vault denied something, if any failed.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.doctor import examine
    from krakenstate.views.doctor_text import checkup_json, render_checkup

    output = Output(json=as_json)
    wired = wire(stack, output=output, desired=desired, site=site, check_mount=False)
    checkup = examine(wired.session, wired.vault, wired.derivatives)
    if as_json:
        output.data(checkup_json(checkup, now=wired.session.clock()))
    else:
        output.result(render_checkup(checkup, colour=output.colour, width=output.width))
    leaves = {leaf.code: leaf for leaf in catalogue()}
    errors = [
        leaves.get(check.code, InternalError)(check.text, next_step=check.next_step)
        for check in checkup.problems
    ]
    for error in errors:
        Output().print_error(error)
    if errors:
        raise typer.Exit(worst_exit_code(error.exit_code for error in errors))
