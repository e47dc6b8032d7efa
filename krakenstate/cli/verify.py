"""``krakenstate key verify``: what can this key do? Of a declared one, or without stack and Vault."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.options import DesiredOpt, InputOpt, JsonOpt, SiteOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import CredentialMalformed, UsageError
from krakenstate.model.vocabulary import Api, NonceUnit
from krakenstate.secret.redactor import register

if TYPE_CHECKING:
    from krakenstate.model.credential import Credential

_INPUT_MAX_CHARS = 64 * 1024
_VARIABLES = {
    Api.SPOT: ("KRAKEN_API_KEY", "KRAKEN_API_SECRET"),
    Api.DERIVATIVES: ("KRAKEN_FUTURES_API_KEY", "KRAKEN_FUTURES_API_SECRET"),
}


def verify(
    address: Annotated[
        str | None,
        typer.Argument(
            metavar="ADDRESS", help="Declared key, asked where its process runs.", show_default=False
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Leave what ADDRESS says as a report in Vault.")
    ] = False,
    in_use: Annotated[
        bool,
        typer.Option("--in-use", help="Leave word that the process uses the key at its path; asks nobody."),
    ] = False,
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    site: SiteOpt = None,
    api: Annotated[
        Api | None,
        typer.Option(
            "--api", help="Platform of the key; needed unless the variables tell.", show_default=False
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require", metavar="PERMISSION", help="Exit 1 without it; repeatable.", show_default=False
        ),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            "--forbid", metavar="PERMISSION", help="Exit 1 with it; repeatable.", show_default=False
        ),
    ] = None,
    nonce_unit: Annotated[
        NonceUnit | None,
        typer.Option("--nonce-unit", help="Unit of the process that uses the Spot key.", show_default=False),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="The Spot key was never used; it is asked with the nonce 1.")
    ] = False,
    ask: InputOpt = True,
    as_json: JsonOpt = False,
) -> None:
    """Ask one key what it can do, from where and until when.

    With ADDRESS its secret is read from Vault: the one in quarantine, else the published one; a Spot key in
    service is not asked. With --report the answer is left in Vault, where the next plan or settle finds it:
    for a key that admits only the host of its process. The token may do no more than read that secret and
    write that report.

    With --in-use nobody is asked: word is left that the process uses the key at its path now. That is what a
    rotation waits for before the old key is deleted.

    Without ADDRESS no stack and no Vault are needed. The key comes from KRAKEN_API_KEY and KRAKEN_API_SECRET,
    or KRAKEN_FUTURES_API_KEY and KRAKEN_FUTURES_API_SECRET, else from the terminal or standard input: a JSON
    object with api_key and api_secret, or two lines. It is asked once; if it is rejected, ask again after 15
    minutes at the earliest. A permission is a word of GetApiKeyInfo, such as withdraw-funds; of a Derivatives
    key it is general or transfer with the lowest level that counts, such as transfer=FULL_ACCESS.
    """
    from krakenstate.cli.wiring import wire_alone
    from krakenstate.engine.verify import ask_alone
    from krakenstate.model.ability import check_word, violations
    from krakenstate.secret.sources import check_form
    from krakenstate.views.key_text import key_json, render_key

    output = Output(json=as_json)
    if address is not None:
        if api or nonce_unit or fresh:
            raise UsageError(
                "--api, --nonce-unit and --fresh are for a key without ADDRESS; a stack tells them."
            )
        from krakenstate.cli.verify_address import leave_word, verify_address

        if in_use:
            if report or require or forbid:
                raise UsageError("--in-use asks no key, so it goes with no other question.")
            leave_word(address, output, stack=stack, desired=desired, site=site)
            return
        verify_address(
            address,
            output,
            report=report,
            stack=stack,
            desired=desired,
            site=site,
            require=require or (),
            forbid=forbid or (),
        )
        return
    if report or in_use:
        raise UsageError("A report is about a declared key.", next_step="Name it: spot_key.pnl, for example.")
    for name in (name for names in _VARIABLES.values() for name in names):
        register(os.environ.get(name, ""))
    platform, is_given = _platform(api, os.environ)
    _check_nonce(platform, nonce_unit, fresh=fresh)
    try:
        required, forbidden = ([check_word(w, platform) for w in words or ()] for words in (require, forbid))
    except ValueError as wrong:
        raise UsageError(str(wrong)) from None
    providers, clock = wire_alone(os.environ)
    credential = _from_variables(platform, os.environ) if is_given else _from_input(ask=ask)
    check_form(credential, platform)
    description = ask_alone(
        providers.keys[platform], credential, nonce_unit, server=providers.clock, clock=clock
    )
    found = violations(description, required, forbidden)
    if as_json:
        output.data(key_json(description, found))
    else:
        output.result(render_key(description, found, colour=output.colour, width=output.width))
    if found:
        raise typer.Exit(1)


def _platform(api: Api | None, env: Mapping[str, str]) -> tuple[Api, bool]:
    """The key's platform, and whether the variables hold the key.

    Raises:
        UsageError: Nothing tells which platform, or which of two keys.
    """
    given = [p for p, names in _VARIABLES.items() if any(env.get(name, "").strip() for name in names)]
    if api is not None:
        return api, api in given
    if len(given) == 1:
        return given[0], True
    why = "The variables hold two keys" if given else "Nothing says which platform the key is of"
    raise UsageError(f"{why}.", next_step="Add --api spot or --api derivatives.")


def _check_nonce(platform: Api, unit: NonceUnit | None, *, fresh: bool) -> None:
    """Makes sure that asking cannot stop the process that uses the key.

    Raises:
        UsageError: It could, or nobody can know.
    """
    if platform is Api.DERIVATIVES:
        if unit or fresh:
            raise UsageError(
                "A Derivatives key is asked without a nonce; --nonce-unit and --fresh are for Spot."
            )
        return
    if unit and fresh:
        raise UsageError("A key that was never used has no unit yet: give --fresh or --nonce-unit, not both.")
    if unit is NonceUnit.COUNTER:
        raise UsageError(
            "A process that counts its nonces by itself would be overtaken by any that is asked with: its "
            "key cannot be asked while it is in use.",
            next_step="Look at the key in Kraken's web page.",
        )
    if unit is None and not fresh:
        raise UsageError(
            "A signed call moves a Spot key's nonce. In a larger unit than that of the process which uses "
            "the key, it would stop every later call of that process; so the unit is never guessed.",
            next_step="Add --fresh if the key was never used, else --nonce-unit with the unit of the process "
            "that uses it; docs/kraken.md lists what clients send.",
        )


def _from_variables(platform: Api, env: Mapping[str, str]) -> Credential:
    from krakenstate.secret.sources import from_fields

    public, private = _VARIABLES[platform]
    missing = [name for name in (public, private) if not env.get(name, "").strip()]
    if missing:
        raise CredentialMalformed(
            f"{missing[0]} is not set, and the other half of the key is.", next_step="Set both, or neither."
        )
    return from_fields({"api_key": env[public], "api_secret": env[private]})


def _from_input(*, ask: bool) -> Credential:
    from krakenstate.secret import sources

    if sys.stdin.isatty():
        if not ask:
            raise CredentialMalformed("--input=false forbids asking, and standard input is a terminal.")
        return sources.read_prompt(getpass.getpass)
    text = sys.stdin.read(_INPUT_MAX_CHARS + 1)
    if len(text) > _INPUT_MAX_CHARS:
        raise CredentialMalformed("Standard input holds far more than a key.")
    return sources.parse_text(text)
