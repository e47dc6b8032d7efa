"""``krakenstate key verify ADDRESS``: what a declared key can do, asked where its process runs."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import typer

from krakenstate.cli.output import Output
from krakenstate.errors import NotPossibleHere, UsageError


def leave_word(
    address: str, output: Output, *, stack: str | None, desired: Path | None, site: str | None
) -> None:
    """Leaves word in Vault that the process uses the key at its path.

    Raises:
        UsageError: The address is no key's.
        KrakenstateError: There is no key, or the word could not be left.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reporting import Here, report_use
    from krakenstate.model.declarations import Key
    from krakenstate.views.style import plain

    wired = wire(stack, output=output, desired=desired, site=site)
    key = wired.session.desired.get(address)
    if not isinstance(key, Key):
        raise UsageError(f"{address} is no key.", address=address)
    use, path = report_use(wired.session, key, Here(wired.who, socket.gethostname()))
    if output.json:
        output.data({"address": str(key.address), "fingerprint": use.fingerprint[:4], "report": path})
    else:
        output.result(f"{key.address}: in use (fp {use.fingerprint[:4]}); said at {plain(path)}.")


def verify_address(
    address: str,
    output: Output,
    *,
    report: bool,
    stack: str | None,
    desired: Path | None,
    site: str | None,
    require: Sequence[str],
    forbid: Sequence[str],
) -> None:
    """Asks the key once, prints what it said, and leaves a report in Vault if told.

    Raises:
        NotPossibleHere: The address is no key's.
        UsageError: A permission is none.
        KrakenstateError: What the key answered, or why it was not asked.
        typer.Exit: With 1: something required is missing, or something forbidden is there.
    """
    from krakenstate.cli.wiring import wire
    from krakenstate.engine.reporting import Here, ask_here, report_here
    from krakenstate.model.ability import check_word, violations
    from krakenstate.model.declarations import Key
    from krakenstate.views.key_text import key_json, render_key
    from krakenstate.views.style import plain

    wired = wire(stack, output=output, desired=desired, site=site)
    key = wired.session.desired.get(address)
    if not isinstance(key, Key):
        raise NotPossibleHere(f"{address} is no key.", address=address)
    try:
        required, forbidden = ([check_word(word, key.api) for word in words] for words in (require, forbid))
    except ValueError as wrong:
        raise UsageError(str(wrong)) from None
    path = None
    if report:
        description, path = report_here(wired.session, key, Here(wired.who, socket.gethostname()))
    else:
        description = ask_here(wired.session, key)
    found = violations(description, required, forbidden)
    if output.json:
        output.data({**key_json(description, found), "address": str(key.address), "report": path})
    else:
        output.result(render_key(description, found, colour=output.colour, width=output.width))
    if path:
        output.progress(f"Report left in Vault at {plain(path)}.")
    if found:
        raise typer.Exit(1)
