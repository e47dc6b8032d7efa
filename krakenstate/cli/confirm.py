"""The question before something that cannot be taken back: only 'yes' is yes."""

from __future__ import annotations

import sys

from krakenstate.cli.output import Output
from krakenstate.cli.signals import stopping_at_once
from krakenstate.errors import ApplyCancelled, ApprovalNeeded


def ask_yes(output: Output, why: str, *, ask: bool = True) -> None:
    """Asks whether to go on with what was shown.

    Args:
        output: Where the question goes: standard error.
        why: What needs the answer, as the beginning of a sentence.
        ask: ``False`` under ``--input=false``.

    Raises:
        ApprovalNeeded: There is nobody to ask.
        ApplyCancelled: The answer was not yes.
    """
    if not is_confirmed(output, "Do you want to perform these actions?", why=why, ask=ask):
        raise ApplyCancelled("The answer was not 'yes'.")


def is_confirmed(
    output: Output, question: str, *remarks: str, ask: bool, why: str = "This needs a yes"
) -> bool:
    """Asks on the terminal; whether the answer was ``yes``.

    Args:
        output: Where the question goes: standard error.
        question: A sentence that ends with a question mark.
        remarks: Sentences below it.
        ask: ``False`` under ``--input=false``.
        why: What needs the answer, as the beginning of a sentence.

    Raises:
        ApprovalNeeded: There is nobody to ask.
        Interrupted: The question was left with Ctrl-C.
    """
    if not ask or not sys.stdin.isatty():
        raise ApprovalNeeded(f"{why}, and there is no terminal to ask on.")
    output.progress("")
    output.progress(question)
    for remark in (*remarks, "Only 'yes' will be accepted to approve."):
        output.progress(f"  {remark}")
    with stopping_at_once():
        print("\n  Enter a value: ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() == "yes"
