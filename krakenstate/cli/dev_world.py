"""The switches of the simulated world: from where, how strictly, in which words, what goes wrong, when."""

from typing import Annotated

import typer

from krakenstate.cli.dev_common import explained, perform, say, seconds
from krakenstate.sim.errors import DevError

world = typer.Typer()


@world.command(epilog="Example: krakenstate dev egress 203.0.113.7")
@explained
def egress(
    address: Annotated[
        str | None, typer.Argument(help="Address; without one, the present one is shown.")
    ] = None,
) -> None:
    """Set from where calls seem to come."""
    say(perform("egress", {"address": address}))


@world.command(epilog="Example: krakenstate dev budget off")
@explained
def budget(
    switch: Annotated[
        str | None, typer.Argument(metavar="[on|off]", help="Without one, the present state is shown.")
    ] = None,
) -> None:
    """Count calls against each account's tier, or do not."""
    if switch not in (None, "on", "off"):
        raise DevError(f"{switch!r} is neither on nor off", "Write: krakenstate dev budget off")
    say(perform("budget", {"on": None if switch is None else switch == "on"}))


@world.command(epilog="Example: krakenstate dev lockout egress")
@explained
def lockout(
    scope: Annotated[
        str | None,
        typer.Argument(metavar="[account|egress]", help="Without one, the present choice is shown."),
    ] = None,
) -> None:
    """Choose what too many failed authentications lock: the account, or the address."""
    say(perform("lockout", {"scope": scope}))


@world.command(epilog="Example: krakenstate dev duplicates false")
@explained
def duplicates(
    answer: Annotated[
        str | None,
        typer.Argument(
            metavar="[field|plain|false|true]",
            help="Nothing is created. field and plain: EGeneral:Invalid arguments with and without the "
            "field's name. false and true: the result. Without one, the present choice is shown.",
        ),
    ] = None,
) -> None:
    """Choose the answer to a subaccount whose name or e-mail is taken."""
    say(perform("duplicates", {"answer": answer}))


@world.command(epilog="Example: krakenstate dev cidr both")
@explained
def cidr(
    fields: Annotated[
        str | None,
        typer.Argument(
            metavar="[list|single|both|null]",
            help="list: allowedCidrBlocks. single and null: one block in the older allowedCidrBlock, the "
            "list empty or null. both: spread over the two. Without one, the present choice is shown.",
        ),
    ] = None,
) -> None:
    """Choose which fields of a Derivatives key's self-check hold its allowlist."""
    say(perform("cidr", {"fields": fields}))


@world.command(epilog="Example: krakenstate dev dialect warnings extra-fields")
@explained
def dialect(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIALECT...]",
            help="warnings, several-errors, extra-fields, swapped-types, nulls, nested-permissions; or none. "
            "Without one, the present ones are shown.",
        ),
    ] = None,
) -> None:
    """Spell all answers oddly: as Kraken's contract allows, or as others have met it."""
    say(perform("dialect", {"words": words or None}))


@world.command(epilog="Example: krakenstate dev fault drop-after --path /0/private/CreateSubaccount")
@explained
def fault(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="drop-before, drop-after, html-5xx, truncated, slow, redirect, throttle, unknown-word,"
            " http-429 or bad-request; or list, or clear.",
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
        say(perform(f"fault-{kind}", {}))
        return
    delay_s = None if delay is None else seconds(delay)
    say(perform("fault", {
        "kind": kind, "path": path, "times": times, "delay_s": delay_s, "location": location,
    }))  # fmt: skip


@world.command(epilog="Example: krakenstate dev clock --advance 16m")
@explained
def clock(
    to: Annotated[
        str | None, typer.Option("--set", help="ISO instant, such as 2026-10-01T12:00:00Z.")
    ] = None,
    advance: Annotated[
        str | None, typer.Option("--advance", help="How far, such as 30s, 16m, 5h or 90d.")
    ] = None,
) -> None:
    """Show or move the simulated Kraken's clock."""
    say(perform("clock", {"set": to, "advance_s": None if advance is None else seconds(advance)}))


@world.command(epilog="Example: krakenstate dev calls")
@explained
def calls() -> None:
    """Print the API calls the simulated Kraken has seen, one JSON object per line."""
    for call in perform("calls", {})["calls"]:
        say(call)
