"""``krakenstate state mv``, ``rm`` and ``rebuild``: changing what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.confirm import ask_yes
from krakenstate.cli.frame import add
from krakenstate.cli.options import AutoApproveOpt, DesiredOpt, JsonOpt, LockTimeoutOpt, SiteOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.cli.state import app

if TYPE_CHECKING:
    from pydantic import JsonValue

    from krakenstate.engine.session import Session, Writing

__all__ = ["app"]


def mv(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Address that is recorded.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Address it shall have, of the same type.")],
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    auto_approve: AutoApproveOpt = False,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Rename what is recorded, as Moved(old, new) in the stack would.

    Its tasks go with it. A secret stays at the path where its process reads it.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import moves
    from krakenstate.model.address import Address

    output = Output(json=as_json)
    one, other = Address(old), Address(new)
    session = wire(stack, output=output, desired=desired).session

    def change(run: Writing) -> dict[str, JsonValue]:
        moves.check_move(run.state, one, other)
        output.progress(f"{one} will be recorded as {other}.")
        if other not in session.desired.resources:
            output.progress(f"The stack declares nothing at {other}: the next plan takes it out again.")
        if not auto_approve:
            ask_yes(output, "This changes the state")
        moves.carry_out(run, one, other)
        return {"address": str(other), "previous_address": str(one)}

    _change(output, session, "state mv", lock_timeout, change, lambda _: f"Moved {one} to {other}.")


def rm(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as spot_key.pnl.")],
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    auto_approve: AutoApproveOpt = False,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Let go of what is recorded; nothing at Kraken changes.

    Says what stays there and in Vault. Only the secret's metadata is written: nobody manages it any more.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import moves
    from krakenstate.model.address import Address

    output = Output(json=as_json)
    wanted = Address(address)
    session = wire(stack, output=output, desired=desired).session

    def change(run: Writing) -> dict[str, JsonValue]:
        record = run.state.record(wanted)
        moves.check_release(run.state, record)
        output.progress(f"{wanted} will be removed from the state; {moves.what_stays(record)}.")
        if wanted in session.desired.resources:
            output.progress(f"The stack declares {wanted}: the next plan proposes to make it once more.")
        if not auto_approve:
            ask_yes(output, "This changes the state")
        return {"address": str(wanted), "stays": moves.let_go(run, record)}

    _change(
        output, session, "state rm", lock_timeout, change, lambda did: f"Removed {wanted}; {did['stays']}."
    )


def _change(
    output: Output,
    session: Session,
    operation: str,
    lock_timeout: float,
    change: Callable[[Writing], dict[str, JsonValue]],
    said: Callable[[dict[str, JsonValue]], str],
) -> None:
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.engine import runs
    from krakenstate.views.style import plain

    with (
        stopping_between_steps() as stop,
        runs.writing(session, operation, wait_s=lock_timeout, stop=stop) as run,
    ):
        did = change(run)
    if output.json:
        output.data(did)
    else:
        output.result(plain(said(did)))


def rebuild(
    stack: StackOpt = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    lineage: Annotated[
        str | None,
        typer.Option(
            "--lineage",
            metavar="ID",
            help="Lineage of a state that can be read, to give it up.",
            show_default=False,
        ),
    ] = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Make a lost state anew from what Vault and Kraken hold.

    Creates nothing. What may exist and cannot be shown becomes a task that asks.
    """
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.rebuild import rebuild as make_anew
    from krakenstate.views.state_text import rebuilt_json, render_rebuilt

    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired, site=site).session
    with stopping_between_steps() as stop:
        made = make_anew(session, lineage=lineage, wait_s=lock_timeout, stop=stop)
    if as_json:
        output.data(
            rebuilt_json(made.state, why=made.why, keys=made.secrets, asked=made.tasks, left=made.left)
        )
    else:
        output.result(
            render_rebuilt(made.state, why=made.why, keys=made.secrets, asked=made.tasks, left=made.left)
        )


add(app, mv, example="krakenstate state mv spot_key.pnl spot_key.reporting")
add(app, rm, example="krakenstate state rm spot_key.pnl")
add(app, rebuild, example="krakenstate state rebuild --stack prod --site runner")
