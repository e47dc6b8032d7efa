"""``krakenstate state``: what is recorded."""

from __future__ import annotations

from typing import Annotated

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import DesiredOpt, JsonOpt, OutOpt, StackOpt
from krakenstate.cli.output import Output

app = typer.Typer(help="What is recorded of each resource.", cls=Group, no_args_is_help=True)


def list_records(stack: StackOpt = None, desired: DesiredOpt = None, as_json: JsonOpt = False) -> None:
    """List the addresses in the state."""
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reading import load_state
    from krakenstate.views.state_text import render_state_list, state_list_json

    output = Output(json=as_json)
    state = load_state(wire(stack, output=output, desired=desired).session)
    if as_json:
        output.data(state_list_json(state))
    else:
        output.result(render_state_list(state))


def show(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as spot_key.pnl.")],
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Show everything recorded at an address."""
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reading import load_state
    from krakenstate.model.address import Address
    from krakenstate.views.state_text import record_json, render_record

    output = Output(json=as_json)
    wanted = Address(address)
    state = load_state(wire(stack, output=output, desired=desired).session)
    record, tasks = state.record(wanted), state.open_tasks(wanted)
    if as_json:
        output.data(record_json(record, tasks=tasks))
    else:
        output.result(render_record(record, tasks=tasks, colour=output.colour))


def pull(
    stack: StackOpt = None, desired: DesiredOpt = None, out: OutOpt = None, as_json: JsonOpt = False
) -> None:
    """Print the whole state as one JSON text.

    It holds no secret. It goes to standard output unless --out names a file; --json changes how failures are
    reported.
    """
    from krakenstate.cli.common import write_file
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reading import load_state
    from krakenstate.views.state_text import whole_state

    output = Output(json=as_json)
    state = load_state(wire(stack, output=output, desired=desired).session)
    text = whole_state(state)
    if out is None:
        output.result(text)
        return
    write_file(out, text + "\n")
    output.progress(f"The state of {state.index.stack}, serial {state.index.serial}, is in {out}.")


add(app, list_records, name="list", example="krakenstate state list --stack prod")
add(app, show, example="krakenstate state show spot_key.pnl")
add(app, pull, example="krakenstate state pull --stack prod --out state.json")
