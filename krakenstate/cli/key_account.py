"""``krakenstate key ingest --account``: the keys that an account's open tasks ask for, one after another."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from krakenstate.cli.output import Output, format_error, worst_exit_code
from krakenstate.errors import CredentialMalformed, Interrupted, KrakenstateError

if TYPE_CHECKING:
    from krakenstate.engine.hand_ins import Awaited
    from krakenstate.engine.session import Session
    from krakenstate.model.address import Address
    from krakenstate.model.credential import Credential
    from krakenstate.model.declarations import Account
    from krakenstate.model.run import Outcome

_INPUT_MAX_CHARS = 1024 * 1024


def ingest_account(session: Session, output: Output, name: str, *, ask: bool, wait_s: float) -> None:
    """Takes in what a person types or standard input holds, and says what became of each key.

    Raises:
        AddressUnknown: The stack declares no such account.
        Interrupted: Somebody stopped it; the message says what was stored.
        typer.Exit: Something was refused, rejected or not stored.
    """
    from krakenstate.engine.hand_ins import awaited_keys, find_account
    from krakenstate.views.hand_in_text import hand_in_complete

    account = find_account(session.desired, name)
    keys = awaited_keys(session, account)
    walk = _Walk(session, output, wait_s)
    typed = sys.stdin.isatty()
    try:
        if not typed:
            walk.read(keys, account)
        elif not ask:
            raise CredentialMalformed("--input=false forbids asking, and standard input is a terminal.")
        else:
            walk.ask(keys, account.name)
    except (KeyboardInterrupt, Interrupted) as stop:
        kind = type(stop) if isinstance(stop, Interrupted) else Interrupted
        raise kind(
            f"Stopped. Stored: {', '.join(walk.stored) or 'nothing'}.",
            next_step="Run the command again: it asks for what is left.",
        ) from None
    if output.json:
        output.data(
            {
                "account": str(account.address),
                "keys": [o.model_dump(mode="json") for o in walk.outcomes],
                "skipped": walk.skipped,
                "refused_lines": walk.refused,
            }
        )
    elif not keys and typed:
        output.result(f"No open task asks for a key on account {account.name}.")
    else:
        output.result(hand_in_complete(account.name, walk.outcomes, len(walk.skipped), len(walk.refused)))
    if code := worst_exit_code(walk.codes):
        raise typer.Exit(code)


@dataclass
class _Walk:
    session: Session
    output: Output
    wait_s: float
    outcomes: list[Outcome] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def ask(self, keys: list[Awaited], account: str) -> None:
        """Each key in turn, on a terminal."""
        from krakenstate.engine import runs
        from krakenstate.views.hand_in_text import describe_awaited

        if keys:
            self.output.progress(
                "Nothing typed for an API key skips it; Ctrl-C ends and keeps what is stored."
            )
        for number, one in enumerate(keys, 1):
            self.output.progress("")
            place, width = f"{number} of {len(keys)}", self.output.width
            self.output.progress(describe_awaited(one.record, one.task, account, place, width=width))
            if one.task.waits_on:
                self.output.progress(f"    Waits on {', '.join(one.task.waits_on)}: not asked for yet.")
                self.skipped.append(one.key.address)
                continue
            try:
                runs.expect_hand_in(self.session, one.key.address)  # before anybody types a secret
            except KrakenstateError as error:
                self._refuse(error, one.key.address)
                continue
            credential = self._prompt(one)
            if credential is None:
                self.skipped.append(one.key.address)
            else:
                self._hand_in(one, credential)

    def read(self, keys: list[Awaited], account: Account) -> None:
        """Each line of standard input, whatever became of the others."""
        from krakenstate.engine.hand_ins import awaited_at
        from krakenstate.secret.sources import check_form, parse_addressed

        for number, line in _lines():
            address = None
            try:
                address, credential = parse_addressed(line)
                one = awaited_at(keys, address, account)
                check_form(credential, one.key.api)
            except KrakenstateError as error:
                self._refuse(error, address, number)
                continue
            self._hand_in(one, credential)

    def _prompt(self, one: Awaited) -> Credential | None:
        """Both halves, asked for again until they have the form of a key or nothing was typed."""
        from krakenstate.secret.sources import check_form, read_prompt_or_skip

        while True:
            try:
                credential = read_prompt_or_skip(getpass.getpass)
                if credential is not None:
                    check_form(credential, one.key.api)
            except CredentialMalformed as error:
                self.output.progress(f"    {error.message} {error.next_step}")
                continue
            except EOFError:
                raise Interrupted("The input ended.") from None
            return credential

    def _hand_in(self, one: Awaited, credential: Credential) -> None:
        from krakenstate.cli.common import exit_code_for_outcomes, write_reports
        from krakenstate.cli.signals import stopping_between_steps
        from krakenstate.engine import runs
        from krakenstate.model.run import Effect, Outcome
        from krakenstate.views.apply_text import finished
        from krakenstate.views.style import plain

        address = one.key.address

        before = len(self.stored)

        def stored(path: str) -> None:
            self.stored.append(address)
            self.output.progress(f"Stored in Vault at {plain(path)} and read back. You may close the dialog.")

        with stopping_between_steps() as stop:
            try:
                key = runs.expect_hand_in(self.session, address)
                outcome = runs.hand_in(
                    self.session, key, credential, stored=stored, wait_s=self.wait_s, stop=stop
                )
            except Interrupted:
                raise
            except KrakenstateError as error:
                self._refuse(error, address, is_stored=len(self.stored) > before)
                return
            if outcome is None:
                text = "in quarantine; the next krakenstate settle verifies it"
                outcome = Outcome(address=address, effect=Effect.WAITING, text=text)
            self.outcomes.append(outcome)
            if not self.output.json:
                write_reports(self.output, [outcome])
                self.output.result(finished(outcome, colour=self.output.colour))
            self.codes.append(exit_code_for_outcomes([outcome]))
            self.codes.append(1 if outcome.effect in {Effect.REJECTED, Effect.FAILED} else 0)
            stop()

    def _refuse(
        self, error: KrakenstateError, address: Address | None, line: int = 0, *, is_stored: bool = False
    ) -> None:
        """Tells what went wrong with one key, and goes on with the others."""
        from krakenstate.model.run import Effect, Outcome

        if line:
            self.output.progress(f"Line {line}:")
        self.output.progress(format_error(error, self.output.width))
        self.codes.append(error.exit_code)
        if address is None:
            self.refused.append(line)
            return
        effect = Effect.WAITING if is_stored else Effect.FAILED
        self.outcomes.append(Outcome(address=address, effect=effect, text=error.message, code=error.code))


def _lines() -> Iterator[tuple[int, str]]:
    """The lines of standard input that hold something, with their numbers."""
    text = sys.stdin.read(_INPUT_MAX_CHARS + 1)
    if len(text) > _INPUT_MAX_CHARS:
        raise CredentialMalformed("Standard input holds far more than an account's keys.")
    if not text.strip():
        raise CredentialMalformed(
            "Standard input is empty.",
            next_step="Run it on a terminal, or pipe a JSON object per line: address, api_key, api_secret.",
        )
    yield from ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
