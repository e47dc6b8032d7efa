"""``krakenstate key``: keys on their way in, and what a key can do."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.frame import Group, add
from krakenstate.cli.leak import revoke, rotate
from krakenstate.cli.options import DesiredOpt, InputOpt, JsonOpt, LockTimeoutOpt, SiteOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.cli.verify import verify
from krakenstate.cli.whois import whois
from krakenstate.errors import CredentialMalformed, UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from krakenstate.model.credential import Credential
    from krakenstate.secret.base import CredentialStore

app = typer.Typer(help="Keys on their way in, and what a key can do.", cls=Group, no_args_is_help=True)
_INPUT_MAX_CHARS = 64 * 1024


def ingest(
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="Such as spot_key.pnl.", show_default=False),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account",
            metavar="ACCOUNT",
            help="Every key that an open task asks for on this account, one after another.",
            show_default=False,
        ),
    ] = None,
    stack: StackOpt = None,
    site: SiteOpt = None,
    desired: DesiredOpt = None,
    wrapped: Annotated[
        bool, typer.Option("--wrapped", help="Read a Vault response-wrapping token instead of the key.")
    ] = False,
    ask: InputOpt = True,
    lock_timeout: LockTimeoutOpt = 0.0,
    as_json: JsonOpt = False,
) -> None:
    """Take in a key that was made in the web page, and keep its secret in Vault.

    On a terminal both halves are asked for without echo. Otherwise standard input holds a JSON object with
    api_key and api_secret, or two lines: the public key, then the private key. Keep the dialog of the web
    page open until the command says that it may be closed.

    With --account the keys of the account's open create-key tasks are asked for in turn; Enter skips one,
    Ctrl-C ends. Otherwise each line of standard input is a JSON object with address, api_key and api_secret.
    """
    from krakenstate.cli.common import exit_code_for_outcomes, write_reports
    from krakenstate.cli.signals import stopping_between_steps
    from krakenstate.cli.wiring import wire
    from krakenstate.engine import runs
    from krakenstate.engine.reach import sites_of
    from krakenstate.model.run import Effect
    from krakenstate.secret.sources import check_form
    from krakenstate.views.apply_text import finished
    from krakenstate.views.style import plain

    output = Output(json=as_json)
    if account is not None:
        if address is not None or wrapped:
            raise UsageError("--account walks from key to key; it goes with no ADDRESS and no --wrapped.")
        from krakenstate.cli.key_account import ingest_account

        session = wire(stack, output=output, desired=desired, site=site).session
        ingest_account(session, output, account, ask=ask, wait_s=lock_timeout)
        return
    if address is None:
        raise UsageError("Neither a key's ADDRESS nor --account was given.")
    session = wire(stack, output=output, desired=desired, site=site).session
    key = runs.expect_hand_in(session, address)
    credential = _read(session.custody, wrapped=wrapped, ask=ask)
    check_form(credential, key.api)

    def stored(path: str) -> None:
        output.progress(f"Stored in Vault at {plain(path)} and read back. You may close the dialog.")

    with stopping_between_steps() as stop:
        outcome = runs.hand_in(session, key, credential, stored=stored, wait_s=lock_timeout, stop=stop)
    if as_json:
        data = outcome.model_dump(mode="json") if outcome else {"address": address, "effect": "waiting"}
        output.data(data)
        return
    if outcome is None:
        output.result(f"{address}: in quarantine; the next krakenstate settle verifies it.")
        return
    write_reports(output, [outcome])
    output.result(finished(outcome, colour=output.colour))
    if outcome.effect is Effect.WAITING and session.site is None:
        names = sites_of(key)
        inside = f"on a machine inside {' or '.join(names)}" if names else "from where its allowlist admits"
        site = names[0] if len(names) == 1 else "NAME"
        stack = plain(session.desired.head.name)
        output.progress(f"No site was named. Verify it {inside}: krakenstate settle {stack} --site {site}")
    rejected = exit_code_for_outcomes([outcome])
    if rejected or outcome.effect in {Effect.REJECTED, Effect.FAILED}:
        raise typer.Exit(rejected or 1)


def _read(custody: CredentialStore, *, wrapped: bool, ask: bool) -> Credential:
    """Both halves, from the terminal or standard input.

    Raises:
        CredentialMalformed: There is nothing to read, or it is no key.
    """
    from krakenstate.secret import sources

    if sys.stdin.isatty():
        if not ask:
            raise CredentialMalformed("--input=false forbids asking, and standard input is a terminal.")
        if wrapped:
            token = sources.parse_token(getpass.getpass("Wrapping token: "))
            return _unwrap(custody, token)
        return sources.read_prompt(getpass.getpass)
    text = sys.stdin.read(_INPUT_MAX_CHARS + 1)
    if len(text) > _INPUT_MAX_CHARS:
        raise CredentialMalformed("Standard input holds far more than a key.")
    if not text.strip():
        raise CredentialMalformed(
            "Standard input is empty.",
            next_step="Run it on a terminal, or pipe the key in: a JSON object, or two lines.",
        )
    if wrapped:
        return _unwrap(custody, sources.parse_token(text))
    return sources.parse_text(text)


def _unwrap(custody: CredentialStore, token: SecretStr) -> Credential:
    from krakenstate.secret import sources

    return sources.from_fields(custody.unwrap(token))


add(app, ingest, example="krakenstate key ingest spot_key.pnl --stack prod --site runner")
add(app, rotate, example='krakenstate key rotate spot_key.pnl --now --reason "in a public log"')
add(app, revoke, example='krakenstate key revoke spot_key.pnl --reason "laptop stolen"')
add(app, verify, example="krakenstate key verify --api spot --fresh --forbid withdraw-funds")
add(app, whois, example="krakenstate key whois 3f2a --stack prod")
