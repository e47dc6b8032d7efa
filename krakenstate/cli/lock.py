"""``krakenstate lock`` and ``krakenstate force-unlock``: who writes now, and how to end that."""

from __future__ import annotations

from typing import Annotated

import typer

from krakenstate.cli.confirm import is_confirmed
from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import DesiredOpt, InputOpt, JsonOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import UnlockCancelled

app = typer.Typer(help="Who writes now.", cls=Group, no_args_is_help=True)


def info(stack: StackOpt = None, desired: DesiredOpt = None, as_json: JsonOpt = False) -> None:
    """Show who holds the lock, since when, for what, and from which run."""
    from krakenstate.cli.wiring import wire
    from krakenstate.views.lock_text import lock_json, render_lock

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    lock, now = session.records.locks.last(), session.clock()
    if as_json:
        output.data(lock_json(lock, now))
    else:
        output.result(render_lock(lock, now))


def force_unlock(
    lock_id: Annotated[str, typer.Argument(metavar="ID", help="Of the lock, as lock info shows it.")],
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Do not ask before the lock is broken.")
    ] = False,
    ask: InputOpt = True,
    as_json: JsonOpt = False,
) -> None:
    """Break the lock of a run that is dead.

    A run that is alive after all stops before its next remote write. A dead run's lease ends by itself within
    a minute, so this is seldom needed.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.runs import break_lock
    from krakenstate.views.lock_text import lock_json, render_lock
    from krakenstate.views.style import plain

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    lock = session.records.locks.last()
    if lock is not None and lock.id == lock_id and not auto_approve:
        output.progress(render_lock(lock, session.clock()))
        confirmed = is_confirmed(
            output,
            "Do you really want to break this lock?",
            "If its run is alive, it stops before its next remote write.",
            ask=ask,
        )
        if not confirmed:
            raise UnlockCancelled("The answer was not 'yes'.")
    broken = break_lock(session, lock_id)
    if as_json:
        output.data({"broken": lock_json(broken, session.clock())["lock"]})
    else:
        output.result(f"The lock of {plain(broken.who)} ({plain(broken.operation)}) is broken.")


add(app, info, example="krakenstate lock info --stack prod")
