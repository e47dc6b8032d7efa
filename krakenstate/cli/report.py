"""``krakenstate report``: what there is, for people who audit it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import AsOfOpt, DesiredOpt, JsonOpt, StackArg, WithinOpt
from krakenstate.cli.output import Output
from krakenstate.errors import UsageError

app = typer.Typer(help="What there is, for people who audit it.", cls=Group, no_args_is_help=True)


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def credentials(
    stack: StackArg = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    within: WithinOpt = 30 * 86400.0,
    as_of: AsOfOpt = None,
    desired: DesiredOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """List every key: whose, what it may do, how old, until when.

    Made from the stack, the state and the stored snapshot: no key is asked, no secret is read, nothing is
    written. Below the table stands what somebody should look at: shared, expired, unknown, open keys. The
    CSV is safe to open in a spreadsheet. With --as-of, ages and due dates are those of that day.
    """
    from datetime import timedelta

    from krakenstate.cli.common import shows_hints, what_if
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.credentials import build_report
    from krakenstate.engine.moves import foreseen
    from krakenstate.engine.reading import load_for_reading
    from krakenstate.views.credentials import credentials_csv, credentials_json, render_credentials

    if as_json and form is Format.CSV:
        raise UsageError("--json and --format csv were both given.", next_step="Give one of them.")
    output = Output(json=as_json or form is Format.JSON)
    session = wire(stack, output=output, desired=desired).session
    now = session.clock()
    look_ahead = what_if(as_of, now)
    report = build_report(
        session.desired,
        foreseen(session.desired, load_for_reading(session))[0],
        session.records.snapshots.load_snapshot(),
        now=now,
        within=timedelta(seconds=within),
        as_of=look_ahead,
    )
    if output.json:
        output.data(credentials_json(report))
    elif form is Format.CSV:
        output.result(credentials_csv(report))
    else:
        output.result(
            render_credentials(report, colour=output.colour, width=output.width, hints=shows_hints())
        )


add(app, credentials, example="krakenstate report credentials prod --format csv")
