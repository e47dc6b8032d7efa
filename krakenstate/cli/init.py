"""``krakenstate init``: starts a stack's state."""

from __future__ import annotations

from krakenstate.cli.options import DesiredOpt, JsonOpt, StackArg
from krakenstate.cli.output import Output


def init(stack: StackArg = None, desired: DesiredOpt = None, as_json: JsonOpt = False) -> None:
    """Create a stack's state in Vault, and pin its Kraken.

    Running it again changes nothing. A missing state is never created by any other command.
    """
    from krakenstate.cli.common import shows_hints
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.runs import initialise
    from krakenstate.views.style import plain

    output = Output(json=as_json)
    wired = wire(stack, output=output, desired=desired)
    state, created = initialise(wired.session)
    index, place = state.index, wired.session.records.state.location
    if as_json:
        output.data(
            {
                "created": created,
                "stack": index.stack,
                "environment": index.environment,
                "lineage": index.lineage,
                "location": place,
                "spot_origin": index.spot_origin,
                "futures_origin": index.futures_origin,
            }
        )
        return
    did = "has been initialised" if created else "was initialised already; nothing was changed"
    output.result(f"The stack {index.stack} {did}.")
    output.result(f"  state    {place} (lineage {index.lineage})")
    output.result(f"  Kraken   {index.spot_origin} and {index.futures_origin}, pinned")
    if created and shows_hints():
        output.progress(f"Next: krakenstate plan {plain(stack)}" if stack else "Next: krakenstate plan")
