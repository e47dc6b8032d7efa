"""``krakenstate key rotate``, ``key revoke`` and ``panic``: the night when a secret has leaked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.options import DesiredOpt, InputOpt, JsonOpt, LockTimeoutOpt, SiteOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import ApplyCancelled, ApplyPartial, ApprovalNeeded, UsageError

if TYPE_CHECKING:
    from krakenstate.engine.leak import Orders
    from krakenstate.engine.session import Session, Writing
    from krakenstate.model.declarations import Key

AddressArg = Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as spot_key.pnl.")]
ReasonOpt = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it goes into the journal and the tasks.")
]


def rotate(
    address: AddressArg,
    reason: ReasonOpt = "",
    now: Annotated[bool, typer.Option("--now", help="At once, waiting for nothing.")] = False,
    stack: StackOpt = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Replace a key at once: its secret has leaked.

    Needs no plan, and works while breakers are open. Says what to click, in which order, and opens the tasks.
    Then hand the new key in with: krakenstate key ingest ADDRESS. That puts it into service, and asks the old
    one once whether it is dead. A rotation that is due is proposed by krakenstate plan instead.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import leak

    if not now:
        raise UsageError(
            "A rotation that is not urgent is proposed by the plan when it is due.",
            next_step="To replace the key at once, add --now",
        )
    output = Output(json=as_json)
    why = leak.check_reason(reason)
    wired = wire(stack, output=output, desired=desired, site=site)
    key = _key(wired.session, address)
    _order(
        output,
        wired.session,
        "key rotate --now",
        lock_timeout,
        act=lambda run: leak.rotate_now(run, key, why, wired.who),
        last=(
            f"Then hand the new key in: krakenstate key ingest {address} "
            f"--stack {wired.session.desired.head.name}"
        ),
    )


def revoke(
    address: AddressArg,
    reason: ReasonOpt = "",
    stack: StackOpt = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Revoke a key at once, with nothing in its place.

    Needs no plan, and works while breakers are open. Opens the tasks to delete the key and to stop its
    process. Its secret leaves Vault when it is proven dead. The next plan says that it was revoked: take it
    out of the stack, or approve that a new one is made.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import leak
    from krakenstate.errors import NotInService
    from krakenstate.model.address import Address

    output = Output(json=as_json)
    why = leak.check_reason(reason)
    wired = wire(stack, output=output, desired=desired, site=site)
    declared = wired.session.desired.resources.get(Address(address))

    def act(run: Writing) -> Orders:
        record = run.state.key(address)
        if record is None:
            raise NotInService(f"The state records no key at {address}.", address=address)
        return leak.revoke(run, _maybe_key(declared), record, why, wired.who)

    _order(
        output,
        wired.session,
        "key revoke",
        lock_timeout,
        act=act,
        last="When the key is deleted, attest its task; krakenstate settle then proves it dead.",
    )


def panic(
    account: Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="Its name or address.")],
    reason: ReasonOpt = "",
    stack: StackOpt = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    ask: InputOpt = True,
    lock_timeout: LockTimeoutOpt = 0.0,
) -> None:
    """Have every key of an account deleted, and stop its Derivatives trading.

    First the click lists, in the order in which to delete: keys that can move funds lead. Nothing is written
    for them. After the account's name was typed, trading is switched off on a Derivatives subaccount, and
    each key is revoked as krakenstate key revoke does: its tasks are open, and it stays listed until it is
    proven dead. Needs no plan, and works while breakers are open.
    """
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import leak, runs
    from krakenstate.engine.reading import load_state
    from krakenstate.errors import HandInError, KrakenError, KrakenstateError, VaultError
    from krakenstate.model.declarations import Account, DerivativesSubaccount
    from krakenstate.views.style import plain, plain_lines

    output = Output()
    why = leak.check_reason(reason)
    wired = wire(stack, output=output, desired=desired, site=site)
    session = wired.session
    named = [a for a in session.desired.of(Account) if account in {a.name, str(a.address)}]
    if len(named) != 1:
        raise UsageError(
            f'{len(named) or "No"} account{"s are" if named else " is"} called "{plain(account)[:60]}".',
            next_step="Name it by its address, such as derivatives_subaccount.carry",
        )
    [chosen] = named
    listed = leak.deletions(session, load_state(session), chosen, why)
    keys = "1 key" if len(listed) == 1 else f"{len(listed)} keys"
    head = f"{keys} of {chosen.address}, in the order in which to delete them:"
    output.result(head if listed else f"No key of {chosen.address} is recorded.")
    for number, (title, text) in enumerate(listed, 1):
        output.result("\n".join([f"\n{number}. {plain(title)}", "", *plain_lines(text)]))
    trades = chosen if isinstance(chosen, DerivativesSubaccount) else None
    if not listed and trades is None:
        return
    _ask_name(output, chosen.name, stops=trades is not None, ask=ask)
    failure: KrakenstateError | None = None
    is_off = True
    with (
        stopping_between_steps() as stop,
        runs.writing(session, "panic", wait_s=lock_timeout, stop=stop) as run,
    ):
        if trades is not None:
            try:
                is_off = leak.stop_trading(run, trades, why, wired.who)
            except (HandInError, KrakenError, VaultError) as error:  # the keys are deleted all the same
                failure = error
        orders = leak.revoke_all(run, chosen, why, wired.who)
    if trades is not None and is_off and failure is None:
        output.result(f"\n{chosen.address}: trading is switched off.")
    for task in orders.tasks:
        output.result(f"task {task.id} ({task.kind.value}), for {plain(task.assignee)}: {plain(task.title)}")
    if orders.tasks:
        output.result("When one is done: krakenstate task attest ID. Deleted keys are then proven dead.")
    if failure is not None:
        raise failure
    if not is_off:
        raise ApplyPartial(f"Kraken reports that {chosen.address} still trades.")


def _order(
    output: Output,
    session: Session,
    operation: str,
    wait_s: float,
    *,
    act: Callable[[Writing], Orders],
    last: str,
) -> None:
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.engine import runs
    from krakenstate.views.style import plain, plain_lines
    from krakenstate.views.task_text import task_json

    with (
        stopping_between_steps() as stop,
        runs.writing(session, operation, wait_s=wait_s, stop=stop) as run,
    ):
        orders = act(run)
    if output.json:
        output.data({"notes": list(orders.notes), "tasks": [task_json(task) for task in orders.tasks]})
        return
    for note in orders.notes:
        output.result(note)
    for number, task in enumerate(orders.tasks, 1):
        title = f"\n{number}. {plain(task.title)} (task {task.id}, for {plain(task.assignee)})"
        output.result("\n".join([title, "", *plain_lines(task.instructions)]))
    output.result(last)


def _key(session: Session, address: str) -> Key:
    from krakenstate.model.declarations import Key

    found = session.desired.get(address)
    if not isinstance(found, Key):
        raise UsageError(f"{address} is no key.", address=address)
    return found


def _maybe_key(declared: object) -> Key | None:
    from krakenstate.model.declarations import Key

    return declared if isinstance(declared, Key) else None


def _ask_name(output: Output, name: str, *, stops: bool, ask: bool) -> None:
    """The account's name must be typed.

    Raises:
        ApprovalNeeded: There is nobody to ask.
        ApplyCancelled: Something else was typed.
    """
    from krakenstate.cli.signals import stopping_at_once

    if not ask or not sys.stdin.isatty():
        raise ApprovalNeeded(
            "What follows needs the account's name to be typed, and there is no terminal to ask on. Nothing "
            "was written.",
            next_step='Run it on a terminal, or key by key: krakenstate key revoke ADDRESS --reason "..."',
        )
    output.progress("")
    also = "Trading on this account will be switched off, and its" if stops else "Its"
    output.progress(f"{also} keys will be recorded as revoked, with a task for each.")
    output.progress(f"  Type the account's name ({name}) to approve.")
    print("\n  Enter a value: ", end="", file=sys.stderr, flush=True)
    with stopping_at_once():
        answer = sys.stdin.readline().strip()
    if answer != name:
        raise ApplyCancelled(f"The answer was not '{name}'.")
