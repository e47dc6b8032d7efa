"""``krakenstate task``: what people have to do, and what they say about it."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.options import DesiredOpt, JsonOpt, LockTimeoutOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from krakenstate.engine.session import Writing
    from krakenstate.model.task import Task

app = typer.Typer(help="What people have to do.", cls=Group, no_args_is_help=True)

IdArg = Annotated[str, typer.Argument(metavar="ID", help="A task's id, or how it begins.")]


def list_tasks(
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed and cancelled ones too.")] = False,
    as_json: JsonOpt = False,
) -> None:
    """List open tasks."""
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reading import load_state
    from krakenstate.views.task_text import render_task_list, task_list_json

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    state = load_state(session)
    tasks = state.tasks if everything else state.open_tasks()
    if as_json:
        output.data(task_list_json(tasks))
    else:
        output.result(render_task_list(tasks, colour=output.colour, now=session.clock()))


def show(
    task_id: IdArg, stack: StackOpt = None, desired: DesiredOpt = None, as_json: JsonOpt = False
) -> None:
    """Show a task: the click list or ticket, and what closes it."""
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reading import load_state
    from krakenstate.views.task_text import render_task, task_json

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    task = load_state(session).task(task_id)
    if as_json:
        output.data(task_json(task))
    else:
        output.result(render_task(task, colour=output.colour, width=output.width, now=session.clock()))


def claim(
    task_id: IdArg,
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Say that you are doing a task, so that nobody else starts it."""
    from krakenstate.tasks import life

    _change(
        "task claim",
        task_id,
        stack,
        desired,
        lock_timeout,
        as_json,
        lambda run, task: life.claim(run.state, task, getpass.getuser()),
    )


def attest(
    task_id: IdArg,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What you did or saw.")] = "",
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Give your word that a task is done, where no API can show it. Your name is recorded."""
    from krakenstate.engine import people

    _change(
        "task attest",
        task_id,
        stack,
        desired,
        lock_timeout,
        as_json,
        lambda run, task: people.attest(run, task, getpass.getuser(), note),
    )


def settle(
    task_id: IdArg,
    created: Annotated[bool, typer.Option("--created", help="It exists.")] = False,
    absent: Annotated[bool, typer.Option("--absent", help="It does not exist.")] = False,
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Answer what became of a creation whose outcome is unknown."""
    from krakenstate.engine import people

    if created is absent:
        raise UsageError("Say either --created or --absent.", next_step="See: krakenstate task settle --help")
    _change(
        "task settle",
        task_id,
        stack,
        desired,
        lock_timeout,
        as_json,
        lambda run, task: people.settle_unknown(run, task, created=created, who=getpass.getuser()),
    )


def cancel(
    task_id: IdArg,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Cancel a task. What still needs doing is proposed again by the next plan."""
    from krakenstate.tasks import life

    because = f"cancelled by {getpass.getuser()}" + (f": {reason}" if reason else "")
    _change(
        "task cancel",
        task_id,
        stack,
        desired,
        lock_timeout,
        as_json,
        lambda run, task: life.cancel(run.state, task, because, run.now),
    )


def _change(
    operation: str,
    task_id: str,
    stack: str | None,
    desired: Path | None,
    lock_timeout: float,
    as_json: bool,
    change: Callable[[Writing, Task], Task],
) -> None:
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import runs
    from krakenstate.views.style import plain
    from krakenstate.views.task_text import task_json

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    with (
        stopping_between_steps() as stop,
        runs.writing(session, operation, wait_s=lock_timeout, stop=stop) as run,
    ):
        task = change(run, run.state.task(task_id))
        run.save()
    if as_json:
        output.data(task_json(task))
    else:
        output.result(f"Task {task.id} ({task.kind.value}, {task.address}) is {task.status.value}.")
        if task.claimed_by and task.is_open:
            output.result(f"  claimed by {plain(task.claimed_by)}")


add(app, list_tasks, name="list", example="krakenstate task list")
add(app, show, example="krakenstate task show 3f9c2a01")
add(app, claim, example="krakenstate task claim 3f9c2a01")
add(app, attest, example='krakenstate task attest 3f9c2a01 --note "installed on vault-1"')
add(app, settle, example="krakenstate task settle 3f9c2a01 --created")
add(app, cancel, example='krakenstate task cancel 3f9c2a01 --reason "wrong address"')
