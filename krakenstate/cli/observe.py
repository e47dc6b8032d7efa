"""``krakenstate observe``: what exists, asked without harm."""

from __future__ import annotations

import typer

from krakenstate.cli.options import DesiredOpt, JsonOpt, SiteOpt, StackArg, StatsOpt
from krakenstate.cli.output import Output


def observe(
    stack: StackArg = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    stats: StatsOpt = False,
    as_json: JsonOpt = False,
) -> None:
    """Ask Kraken and Vault what exists.

    A redacted snapshot is kept for later plans. Spot keys in service are not asked, since asking moves
    their nonce; those with probe_in_service=True are, once a day.
    """
    from krakenstate.cli.common import exit_code_for_gaps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.observe import take_snapshot
    from krakenstate.engine.reading import load_for_reading
    from krakenstate.views.observe_text import render_snapshot, snapshot_json

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired, site=site, stats=stats).session
    snapshot = take_snapshot(session, load_for_reading(session))
    if as_json:
        output.data(snapshot_json(snapshot))
    else:
        output.result(
            render_snapshot(snapshot, colour=output.colour, width=output.width, now=session.clock())
        )
    code = exit_code_for_gaps(snapshot)
    if code:
        raise typer.Exit(code)
