"""Asking a person for a yes."""

from __future__ import annotations

import sys

from krakenstate.cli.output import Output
from krakenstate.cli.signals import stopping_at_once
from krakenstate.errors import ApplyCancelled, ApprovalNeeded


def ask_yes(output: Output, why: str, *, ask: bool = True) -> None:
    """Asks on the terminal; only ``yes`` is one.

    Args:
        output: Where the question goes: standard error.
        why: What needs the answer, as the beginning of a sentence.
        ask: Whether asking is allowed at all.

    Raises:
        ApprovalNeeded: There is nobody to ask.
        ApplyCancelled: The answer was not yes.
    """
    if not ask or not sys.stdin.isatty():
        raise ApprovalNeeded(f"{why}, and there is no terminal to ask on.")
    output.progress("")
    output.progress("Do you want to perform these actions?")
    output.progress("  Only 'yes' will be accepted to approve.")
    print("\n  Enter a value: ", end="", file=sys.stderr, flush=True)
    with stopping_at_once():
        answer = sys.stdin.readline()
    if answer.strip() != "yes":
        raise ApplyCancelled("The answer was not 'yes'.")
