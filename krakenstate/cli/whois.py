"""``krakenstate key whois``: whose key an alert is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from krakenstate.cli.options import DesiredOpt, JsonOpt, StackOpt
from krakenstate.cli.output import Output
from krakenstate.errors import SecretTyped, UsageError

if TYPE_CHECKING:
    from krakenstate.model.clue import Clue


def whois(
    key: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY",
            help="Beginning of its fingerprint (4 to 12 hex digits), last four, or its public key.",
        ),
    ],
    stack: StackOpt = None,
    desired: DesiredOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Say whose key an alert is about.

    Looks through the state and the stored snapshot of one stack: keys in service, in quarantine and in the
    inbox, and those that tasks are about. No key is asked, nothing is written. Of a whole public key only the
    fingerprint is kept, and it is never printed. Never type a private key: other programs see arguments.
    """
    from datetime import timedelta

    from krakenstate.cli.wiring import wire
    from krakenstate.engine.credentials import build_report
    from krakenstate.engine.moves import foreseen
    from krakenstate.engine.reading import load_for_reading
    from krakenstate.engine.whois import find_owners
    from krakenstate.errors import KeyNotRecognised
    from krakenstate.stack.find import other_stacks
    from krakenstate.views.whois_text import owners_json, render_owners

    clue = _clue(key)
    output = Output(json=as_json)
    session = wire(stack, output=output, desired=desired).session
    others = other_stacks(session.desired.head.name)
    state, _ = foreseen(session.desired, load_for_reading(session))
    snapshot = session.records.snapshots.load_snapshot()
    report = build_report(session.desired, state, snapshot, now=session.clock(), within=timedelta(0))
    try:
        owners, looked = find_owners(clue, session.desired, state, snapshot, report.rows)
    except KeyNotRecognised as nothing:
        missed = f" Not looked at: the stacks {', '.join(others)}." if others else ""
        raise KeyNotRecognised(f"{nothing.message}{missed}") from None
    if as_json:
        output.data(owners_json(owners, looked, others))
    else:
        output.result(render_owners(owners, looked, others, colour=output.colour, width=output.width))


def _clue(words: list[str]) -> Clue:
    """What was typed, none of it repeated unless it is short.

    Raises:
        SecretTyped: One of the words looks like a private key.
        UsageError: It is no fingerprint, no last four and no public key.
    """
    from krakenstate.model.clue import FINGERPRINT_MAX, Clue
    from krakenstate.secret import redactor
    from krakenstate.secret.form import looks_public, looks_secret

    redactor.register(*(word for word in words if len(word) > FINGERPRINT_MAX))
    if any(looks_secret(word.strip()) for word in words):
        raise SecretTyped(
            "What was typed looks like a private key. Every program on this machine can see arguments, and "
            "the shell keeps them in its history. It was neither used nor shown again."
        )
    text = " ".join(word.strip() for word in words)
    if len(words) == 1 and looks_public(text):
        return Clue.of_public_key(text)
    clue = Clue.of(text)
    if clue is None:
        raise UsageError(
            f"What was typed ({len(text)} characters) is neither the beginning of a fingerprint (4 to 12 hex "
            "digits), nor the last four characters of a public key, nor a whole one.",
            next_step="Write it like one of these: krakenstate key whois 3f2a",
        )
    return clue
