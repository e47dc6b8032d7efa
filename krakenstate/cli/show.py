"""``krakenstate show``: a saved plan, as it was made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from krakenstate.cli.options import JsonOpt
from krakenstate.cli.output import Output
from krakenstate.cli.plan_output import (
    COMMENT_MAX,
    CommentLimitOpt,
    ExplainOpt,
    PlanFormat,
    PlanFormatOpt,
    chosen_format,
    print_plan,
)


def show(
    file: Annotated[
        Path, typer.Argument(metavar="PLAN", help="File that plan --out wrote; its name ends in .json.")
    ],
    form: PlanFormatOpt = PlanFormat.TEXT,
    comment_limit: CommentLimitOpt = COMMENT_MAX,
    explain: ExplainOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Show a saved plan.

    Asks nobody, and says how old the plan is; whether it still holds, apply finds out.
    """
    from krakenstate.cli.saved import read_plan, require_plan_name
    from krakenstate.cli.wiring import clock_of, origins_of
    from krakenstate.model.declarations import Environment

    form = chosen_format(form, as_json)
    output = Output(json=form is PlanFormat.JSON)
    require_plan_name(file)
    plan = read_plan(file)
    now = clock_of(origins_of(Environment.production(), os.environ), os.environ)()
    print_plan(output, plan, form=form, now=now, comment_limit=comment_limit, explain=explain, is_saved=True)
