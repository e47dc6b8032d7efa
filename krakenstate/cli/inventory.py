"""``krakenstate inventory``: a desk's own list of its keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import DesiredOpt, JsonOpt, LockTimeoutOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import FileUnusable

app = typer.Typer(help="The desk's own list of its keys.", cls=Group, no_args_is_help=True)

STANDARD_INPUT = "-"


def add_table(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Table or CSV; - or nothing reads standard input."),
    ] = STANDARD_INPUT,
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Add a table of keys, as copied from the web page, to the inventory.

    Columns, in any order: name, account, api, permissions, allowlist, expiry, last used, used by, vault path.
    All but the first two may be left out. It holds no secrets; a table with one is refused whole. A key that
    is listed already is brought up to date.
    """
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import runs
    from krakenstate.engine.adoption import keep_inventory
    from krakenstate.stack.check import raise_problems
    from krakenstate.stack.inventory import read_table
    from krakenstate.views.words import count

    output = Output(json=as_json)
    wired = wire(stack, output=output, desired=desired)
    table, problems = read_table(*_read(file), wired.session.clock().date())
    raise_problems(problems)
    with (
        stopping_between_steps() as stop,
        runs.writing(wired.session, "inventory add", wait_s=lock_timeout, stop=stop) as run,
    ):
        added, changed = keep_inventory(run, table.entries, table.fields, wired.who)
        total = len(run.state.inventory)
    same = len(table.entries) - added - changed
    if as_json:
        output.data({"added": added, "changed": changed, "unchanged": same, "total": total})
        return
    output.result(
        f"{count(added, 'key')} added, {changed} changed, {same} as before. The inventory has "
        f"{count(total, 'key')}."
    )


def list_entries(stack: StackOpt = None, desired: DesiredOpt = None, as_json: JsonOpt = False) -> None:
    """List the keys of the inventory, and which the stack manages."""
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.plan_adopted import managed_by
    from krakenstate.engine.reading import load_state
    from krakenstate.views.inventory_text import inventory_json, render_inventory

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    state = load_state(session)
    rows = [(entry, managed_by(entry, session.desired, state)) for entry in state.inventory]
    if as_json:
        output.data(inventory_json(rows))
    else:
        output.result(render_inventory(rows))


def _read(file: str) -> tuple[str, str]:
    """A table's text, and what messages call it."""
    try:
        if file == STANDARD_INPUT:
            if sys.stdin.isatty():
                print("Paste the table, then end it with Ctrl-D on a line of its own.", file=sys.stderr)
            name, data = "standard input", sys.stdin.buffer.read()
        else:
            name, data = file, Path(file).read_bytes()
    except OSError as problem:
        raise FileUnusable(f"{file} cannot be read: {problem.strerror}.") from problem
    wide = data[:2] in {b"\xff\xfe", b"\xfe\xff"}  # as spreadsheets export text
    try:
        return data.decode("utf-16" if wide else "utf-8"), name
    except UnicodeDecodeError:
        pass
    raise FileUnusable(f"{name} is no text in UTF-8.", next_step="Export it as CSV in UTF-8.")


add(app, add_table, name="add", example="krakenstate inventory add keys.csv --stack desk")
add(app, list_entries, name="list", example="krakenstate inventory list --stack desk")
