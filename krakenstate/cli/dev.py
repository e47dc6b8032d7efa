"""`krakenstate dev`: a simulated Kraken, a real OpenBao server, and the people around them."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from krakenstate.cli.dev_common import explained, perform, say, seconds
from krakenstate.cli.dev_world import world
from krakenstate.cli.output import Output
from krakenstate.sim.errors import DevError

app = typer.Typer(
    help="Rehearse on a simulated Kraken and a real OpenBao.",
    no_args_is_help=True,
)
web = typer.Typer(help="What a signed-in person does in Kraken's web page.", no_args_is_help=True)
support = typer.Typer(help="What Kraken's support does.", no_args_is_help=True)
email = typer.Typer(help="What the owner of a mailbox does.", no_args_is_help=True)
app.add_typer(world)
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


@app.command(epilog='Example: eval "$(krakenstate dev up)"')
@explained
def up(directory: Dir = None, as_json: Json = False) -> None:
    """Start both servers and print the environment to use."""
    from krakenstate.sim import devenv

    running = devenv.up(devenv.choose_directory(directory, os.environ), os.environ)
    for remark in running.remarks:
        typer.echo(remark, err=True)
    if as_json:
        say({
            "dir": str(running.directory),
            "already_running": running.was_running,
            "env": running.environment,
            "unset": running.unset,
        })  # fmt: skip
        return
    for name, value in running.environment.items():
        Output().result(f"export {name}={shlex.quote(value)}")
    for name in running.unset:
        Output().result(f"unset {name}")
    if sys.stdout.isatty():
        typer.echo('To set these variables: eval "$(krakenstate dev up)"', err=True)


@app.command(epilog="Example: krakenstate dev down")
@explained
def down(directory: Dir = None) -> None:
    """End both servers and discard their worlds."""
    from krakenstate.sim import devenv
    from krakenstate.sim.remote import find_directory

    ended = devenv.down(find_directory(directory))
    for server in ended:
        Output().result(f"Ended {server.role} (pid {server.process.pid}).")
    if not ended:
        Output().result("Nothing was running any more; what it left behind is gone.")


@app.command(epilog="Example: krakenstate dev status")
@explained
def status(directory: Dir = None, as_json: Json = False) -> None:
    """Say what runs, and what no longer does."""
    from krakenstate.sim import devenv
    from krakenstate.sim.remote import find_directory

    try:
        where = find_directory(directory)
    except DevError as nothing:
        if as_json:
            say({"dir": None, "servers": []})
        else:
            Output().result(f"{nothing.message}. {nothing.next_step}")
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
        say({"dir": str(where), "servers": shown})
        return
    Output().result(f"Development environment in {where}")
    for line in shown:
        Output().result("  {role}  pid {pid}  {address}  since {since}  {status}".format(**line))
    if not (record and record.is_ready):
        Output().result("  It is not complete. Start anew: krakenstate dev down, then krakenstate dev up")


@web.command(
    "create-account",
    epilog="Example: krakenstate dev web create-account --name desk --email ops@desk.example",
)
@explained
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
    say(perform("create-account", {
        "name": name, "email": address, "kind": kind, "username": username, "iiban": iiban,
        "institutional": institutional, "derivatives": derivatives, "tier": tier,
    }))  # fmt: skip


@web.command("unlock-derivatives", epilog="Example: krakenstate dev web unlock-derivatives --account desk-mm")
@explained
def unlock_derivatives(account: AccountOption) -> None:
    """Unlock Derivatives trading on an account."""
    say(perform("unlock-derivatives", {"account": account}))


@web.command(
    "create-key", epilog="Example: krakenstate dev web create-key --account desk --api spot --name pnl-g1"
)
@explained
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
    say(perform("create-key", {
        "account": account, "api": api, "name": name, "permission": permission, "ip": ip, "expires": expires,
        "nonce_window": nonce_window, "query_from": query_from, "query_to": query_to, "general": general,
        "transfer": transfer, "key_2fa": key_2fa,
        "active_after_s": None if active_after is None else seconds(active_after),
    }))  # fmt: skip


@web.command(
    "edit-key", epilog="Example: krakenstate dev web edit-key --account desk --name pnl-g1 --ip 203.0.113.9"
)
@explained
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
    new_name: Annotated[str | None, typer.Option("--new-name", help="Rename a Spot key.")] = None,
) -> None:
    """Change a key; what is not given stays, and the word none empties an attribute."""
    say(perform("edit-key", {
        "account": account, "name": name, "last4": last4, "key": key, "permission": permission, "ip": ip,
        "expires": expires, "nonce_window": nonce_window, "query_from": query_from, "query_to": query_to,
        "general": general, "transfer": transfer, "key_2fa": key_2fa, "new_name": new_name,
    }))  # fmt: skip


@web.command("delete-key", epilog="Example: krakenstate dev web delete-key --account desk --name pnl-g1")
@explained
def delete_key(account: AccountOption, name: Name = None, last4: Last4 = None, key: Key = None) -> None:
    """Delete a key for good."""
    say(perform("delete-key", {"account": account, "name": name, "last4": last4, "key": key}))


@web.command("list-keys", epilog="Example: krakenstate dev web list-keys --account desk")
@explained
def list_keys(account: AccountOption) -> None:
    """List an account's keys, without secrets."""
    say(perform("list-keys", {"account": account}))


@support.command("process", epilog="Example: krakenstate dev support process --ticket ticket.txt")
@explained
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
    say(perform("support-process", {"master": master, "subaccount": subaccount, "text": text}))


def _read_ticket(ticket: str) -> str:
    try:
        return sys.stdin.read() if ticket == "-" else Path(ticket).read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise DevError(f"{ticket} cannot be read", "Name a text file, or - for standard input.") from problem


@email.command("list", epilog="Example: krakenstate dev email list")
@explained
def list_mails() -> None:
    """List all mails, confirmed or waiting."""
    say(perform("email-list", {}))


@email.command("confirm", epilog="Example: krakenstate dev email confirm kraken+mm@desk.example")
@explained
def confirm(
    address: Annotated[str, typer.Argument(metavar="EMAIL", help="The mailbox.")],
) -> None:
    """Confirm all that waits in a mailbox."""
    say(perform("email-confirm", {"email": address}))
