"""`krakenstate dev`: a simulated Kraken, a real OpenBao server, and the people around them."""

import functools
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from krakenstate.errors import RehearsalError
from krakenstate.sim.errors import DevError

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="Rehearse on a simulated Kraken and a real OpenBao.",
    no_args_is_help=True,
)
web = typer.Typer(help="What a signed-in person does in Kraken's web page.", no_args_is_help=True)
support = typer.Typer(help="What Kraken's support does.", no_args_is_help=True)
email = typer.Typer(help="What the owner of a mailbox does.", no_args_is_help=True)
app.add_typer(web, name="web")
app.add_typer(support, name="support")
app.add_typer(email, name="email")

Dir = Annotated[Path | None, typer.Option("--dir", help="Folder of the development environment.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AccountOption = Annotated[
    str, typer.Option("--account", help="E-mail, user name, name or IIBAN of the account.")
]
Permissions = Annotated[
    list[str] | None, typer.Option("--permission", help="Spot permission; repeat, or separate with commas.")
]
Addresses = Annotated[
    list[str] | None, typer.Option("--ip", help="Address or network of the allowlist; repeat, or use commas.")
]
Expires = Annotated[
    str | None, typer.Option("--expires", help="Day on which a Spot key expires, 2027-06-30.")
]
QueryFrom = Annotated[
    str | None, typer.Option("--query-from", help="Day on which a Spot key's history begins.")
]
QueryTo = Annotated[str | None, typer.Option("--query-to", help="Day on which a Spot key's history ends.")]
NonceWindow = Annotated[int | None, typer.Option("--nonce-window", help="Nonce window of a Spot key.")]
KeyTwoFactor = Annotated[
    str | None, typer.Option("--key-2fa", help="Password a Spot key demands with each call, as otp.")
]
General = Annotated[
    str | None, typer.Option("--general", help="Derivatives: NO_ACCESS, READ_ONLY or FULL_ACCESS.")
]
Transfer = Annotated[
    str | None, typer.Option("--transfer", help="Derivatives: NO_ACCESS, READ_ONLY or FULL_ACCESS.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of a Spot key.")]
Last4 = Annotated[str | None, typer.Option("--last4", help="Last four characters of the API key.")]
Key = Annotated[str | None, typer.Option("--key", help="The whole API key, its public half.")]


def _explained(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a DevError into text on standard error and exit code 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except DevError as error:
            message = error.message if error.message.endswith(".") else f"{error.message}."
            raise RehearsalError(message, next_step=error.next_step) from None

    return run


def _perform(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from krakenstate.sim.remote import find_directory, perform

    return perform(find_directory(), operation, arguments)


def _say(result: Any) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False))


@app.command(epilog='Example: eval "$(krakenstate dev up)"')
@_explained
def up(directory: Dir = None, as_json: Json = False) -> None:
    """Start both servers and print the environment to use."""
    from krakenstate.sim import devenv

    running = devenv.up(devenv.choose_directory(directory, os.environ), os.environ)
    for remark in running.remarks:
        typer.echo(remark, err=True)
    if as_json:
        _say({
            "dir": str(running.directory),
            "already_running": running.was_running,
            "env": running.environment,
            "unset": running.unset,
        })  # fmt: skip
        return
    for name, value in running.environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    for name in running.unset:
        typer.echo(f"unset {name}")
    if sys.stdout.isatty():
        typer.echo('To set these variables: eval "$(krakenstate dev up)"', err=True)


@app.command(epilog="Example: krakenstate dev down")
@_explained
def down(directory: Dir = None) -> None:
    """End both servers and discard their worlds."""
    from krakenstate.sim import devenv
    from krakenstate.sim.remote import find_directory

    ended = devenv.down(find_directory(directory))
    for server in ended:
        typer.echo(f"Ended {server.role} (pid {server.process.pid}).")
    if not ended:
        typer.echo("Nothing was running any more; what it left behind is gone.")


@app.command(epilog="Example: krakenstate dev status")
@_explained
def status(directory: Dir = None, as_json: Json = False) -> None:
    """Say what runs, and what no longer does."""
    from krakenstate.sim import devenv
    from krakenstate.sim.remote import find_directory

    try:
        where = find_directory(directory)
    except DevError as nothing:
        if as_json:
            _say({"dir": None, "servers": []})
        else:
            typer.echo(f"{nothing.message}. {nothing.next_step}")
        return
    record = devenv.read_record(where)
    servers = record.servers if record else []
    shown = [
        {
            "role": server.role,
            "pid": server.process.pid,
            "address": server.address,
            "since": server.since.isoformat(timespec="seconds"),
            "status": devenv.describe_server(server),
        }
        for server in servers
    ]
    if as_json:
        _say({"dir": str(where), "servers": shown})
        return
    typer.echo(f"Development environment in {where}")
    for line in shown:
        typer.echo("  {role}  pid {pid}  {address}  since {since}  {status}".format(**line))
    if not (record and record.is_ready):
        typer.echo("  It is not complete. Start anew: krakenstate dev down, then krakenstate dev up")


@app.command(epilog="Example: krakenstate dev egress 203.0.113.7")
@_explained
def egress(
    address: Annotated[
        str | None, typer.Argument(help="Address; without one, the present one is shown.")
    ] = None,
) -> None:
    """Set from where calls seem to come."""
    _say(_perform("egress", {"address": address}))


@app.command(epilog="Example: krakenstate dev budget off")
@_explained
def budget(
    switch: Annotated[
        str | None, typer.Argument(metavar="[on|off]", help="Without one, the present state is shown.")
    ] = None,
) -> None:
    """Count calls against each account's tier, or do not."""
    if switch not in (None, "on", "off"):
        raise DevError(f"{switch!r} is neither on nor off", "Write: krakenstate dev budget off")
    _say(_perform("budget", {"on": None if switch is None else switch == "on"}))


@app.command(epilog="Example: krakenstate dev lockout egress")
@_explained
def lockout(
    scope: Annotated[
        str | None,
        typer.Argument(metavar="[account|egress]", help="Without one, the present choice is shown."),
    ] = None,
) -> None:
    """Choose what too many failed authentications lock: the account, or the address."""
    _say(_perform("lockout", {"scope": scope}))


@app.command(epilog="Example: krakenstate dev fault drop-after --path /0/private/CreateSubaccount")
@_explained
def fault(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="drop-before, drop-after, html-5xx, truncated, slow, redirect, throttle or unknown-word;"
            " or list, or clear.",
        ),
    ],
    path: Annotated[
        str | None, typer.Option("--path", help="Only calls whose path begins so; all, if left out.")
    ] = None,
    times: Annotated[int | None, typer.Option("--times", help="For how many calls; 1 if left out.")] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", help="Of slow and throttle, such as 30s; 5s if left out.")
    ] = None,
    location: Annotated[str | None, typer.Option("--location", help="Of redirect: to where.")] = None,
) -> None:
    """Let something go wrong with the next calls, list what waits, or clear it."""
    if kind in {"list", "clear"}:
        _say(_perform(f"fault-{kind}", {}))
        return
    delay_s = None if delay is None else _seconds(delay)
    _say(_perform("fault", {
        "kind": kind, "path": path, "times": times, "delay_s": delay_s, "location": location,
    }))  # fmt: skip


@app.command(epilog="Example: krakenstate dev clock --advance 16m")
@_explained
def clock(
    to: Annotated[
        str | None, typer.Option("--set", help="ISO instant, such as 2026-10-01T12:00:00Z.")
    ] = None,
    advance: Annotated[
        str | None, typer.Option("--advance", help="How far, such as 30s, 16m, 5h or 90d.")
    ] = None,
) -> None:
    """Show or move the simulated Kraken's clock."""
    _say(_perform("clock", {"set": to, "advance_s": None if advance is None else _seconds(advance)}))


def _seconds(duration: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = duration[:-1], duration[-1:]
    if unit not in units or not number.isdigit():
        raise DevError(f"{duration!r} is no duration", "Write it as 30s, 16m, 5h or 90d.")
    return float(int(number) * units[unit])


@app.command(epilog="Example: krakenstate dev calls")
@_explained
def calls() -> None:
    """Print the API calls the simulated Kraken has seen, one JSON object per line."""
    for call in _perform("calls", {})["calls"]:
        _say(call)


@web.command(
    "create-account",
    epilog="Example: krakenstate dev web create-account --name desk --email ops@desk.example",
)
@_explained
def create_account(
    *,
    name: Annotated[str, typer.Option("--name", help="How the account is called here.")],
    address: Annotated[str, typer.Option("--email", help="E-mail address of its owner.")],
    kind: Annotated[str, typer.Option("--kind", help="master or sub.")] = "master",
    username: Annotated[
        str | None, typer.Option("--username", help="User name, if it shall have one.")
    ] = None,
    iiban: Annotated[
        str | None, typer.Option("--iiban", help="IIBAN; a new one is made up if left out.")
    ] = None,
    institutional: Annotated[
        bool, typer.Option(help="Whether it may create Spot subaccounts by API.")
    ] = True,
    derivatives: Annotated[bool, typer.Option(help="Whether Derivatives trading is unlocked.")] = True,
    tier: Annotated[
        str, typer.Option("--tier", help="Call budget: starter, intermediate, pro, or none.")
    ] = "pro",
) -> None:
    """Sign up and verify an account."""
    _say(_perform("create-account", {
        "name": name, "email": address, "kind": kind, "username": username, "iiban": iiban,
        "institutional": institutional, "derivatives": derivatives, "tier": tier,
    }))  # fmt: skip


@web.command("unlock-derivatives", epilog="Example: krakenstate dev web unlock-derivatives --account desk-mm")
@_explained
def unlock_derivatives(account: AccountOption) -> None:
    """Unlock Derivatives trading on an account."""
    _say(_perform("unlock-derivatives", {"account": account}))


@web.command(
    "create-key", epilog="Example: krakenstate dev web create-key --account desk --api spot --name pnl-g1"
)
@_explained
def create_key(
    *,
    account: AccountOption,
    api: Annotated[str, typer.Option("--api", help="spot or derivatives.")],
    name: Name = None,
    permission: Permissions = None,
    ip: Addresses = None,
    expires: Expires = None,
    nonce_window: NonceWindow = None,
    query_from: QueryFrom = None,
    query_to: QueryTo = None,
    general: General = None,
    transfer: Transfer = None,
    key_2fa: KeyTwoFactor = None,
    active_after: Annotated[
        str | None, typer.Option("--active-after", help="How long it stays invalid, such as 5m.")
    ] = None,
) -> None:
    """Create a key and show its secret, this once."""
    _say(_perform("create-key", {
        "account": account, "api": api, "name": name, "permission": permission, "ip": ip, "expires": expires,
        "nonce_window": nonce_window, "query_from": query_from, "query_to": query_to, "general": general,
        "transfer": transfer, "key_2fa": key_2fa,
        "active_after_s": None if active_after is None else _seconds(active_after),
    }))  # fmt: skip


@web.command(
    "edit-key", epilog="Example: krakenstate dev web edit-key --account desk --name pnl-g1 --ip 203.0.113.9"
)
@_explained
def edit_key(
    *,
    account: AccountOption,
    name: Name = None,
    last4: Last4 = None,
    key: Key = None,
    permission: Permissions = None,
    ip: Addresses = None,
    expires: Expires = None,
    nonce_window: NonceWindow = None,
    query_from: QueryFrom = None,
    query_to: QueryTo = None,
    general: General = None,
    transfer: Transfer = None,
    key_2fa: KeyTwoFactor = None,
) -> None:
    """Change a key; what is not given stays, and the word none empties an attribute."""
    _say(_perform("edit-key", {
        "account": account, "name": name, "last4": last4, "key": key, "permission": permission, "ip": ip,
        "expires": expires, "nonce_window": nonce_window, "query_from": query_from, "query_to": query_to,
        "general": general, "transfer": transfer, "key_2fa": key_2fa,
    }))  # fmt: skip


@web.command("delete-key", epilog="Example: krakenstate dev web delete-key --account desk --name pnl-g1")
@_explained
def delete_key(account: AccountOption, name: Name = None, last4: Last4 = None, key: Key = None) -> None:
    """Delete a key for good."""
    _say(_perform("delete-key", {"account": account, "name": name, "last4": last4, "key": key}))


@web.command("list-keys", epilog="Example: krakenstate dev web list-keys --account desk")
@_explained
def list_keys(account: AccountOption) -> None:
    """List an account's keys, without secrets."""
    _say(_perform("list-keys", {"account": account}))


@support.command("process", epilog="Example: krakenstate dev support process --ticket ticket.txt")
@_explained
def process(
    master: Annotated[str | None, typer.Option("--master", help="E-mail the ticket comes from.")] = None,
    subaccount: Annotated[
        str | None, typer.Option("--subaccount", help="E-mail of the account to add.")
    ] = None,
    ticket: Annotated[
        str | None, typer.Option("--ticket", help="File with the ticket; - is standard input.")
    ] = None,
) -> None:
    """Act on a request to link a Derivatives subaccount: check it, and mail the subaccount to confirm."""
    text = None if ticket is None else _read_ticket(ticket)
    _say(_perform("support-process", {"master": master, "subaccount": subaccount, "text": text}))


def _read_ticket(ticket: str) -> str:
    try:
        return sys.stdin.read() if ticket == "-" else Path(ticket).read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise DevError(f"{ticket} cannot be read", "Name a text file, or - for standard input.") from problem


@email.command("list", epilog="Example: krakenstate dev email list")
@_explained
def list_mails() -> None:
    """List all mails, confirmed or waiting."""
    _say(_perform("email-list", {}))


@email.command("confirm", epilog="Example: krakenstate dev email confirm kraken+mm@desk.example")
@_explained
def confirm(
    address: Annotated[str, typer.Argument(metavar="EMAIL", help="The mailbox.")],
) -> None:
    """Confirm all that waits in a mailbox."""
    _say(_perform("email-confirm", {"email": address}))
