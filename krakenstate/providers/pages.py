"""What the click lists of both of Kraken's web pages have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from krakenstate.model.network import IPNetwork
from krakenstate.model.task import ITS_ID
from krakenstate.providers.base import KeyJob
from krakenstate.providers.layout import VALUE, comma_list
from krakenstate.transport.text import clean_text

_ONLY_THESE = (
    "Leave everything else as it is, and do not generate a new key. Save, and confirm with the account's 2FA."
)
_NOT_OFFERED = (
    "If the page does not offer one of these fields, change nothing and tell the owner of the stack: the key "
    "then has to be replaced by a new one."
)


def write_networks(networks: Iterable[IPNetwork]) -> list[str]:
    """Networks as the web pages take them: a network of one as a plain address."""
    return [str(n.network_address) if n.num_addresses == 1 else str(n) for n in networks]


def restrict_networks(listed: Sequence[IPNetwork] | None) -> list[str]:
    """The list to paste, or that there is none on purpose."""
    if listed is None:
        return ["IP address restriction: as you decide: not managed."]
    if not listed:
        return ["IP address restriction: leave off: open to the world, as declared."]
    many = "the whole list" if len(listed) > 1 else "this address"
    return [
        f"IP address restriction: on. Enter {many}, and nothing else:",
        *comma_list(write_networks(listed)),
    ]


def save(job: KeyJob, closing: str = "") -> list[list[str]]:
    """The last steps of an edit.

    Args:
        job: The key.
        closing: When the task stays open although everything was done; empty where it closes by itself.
    """
    stack = clean_text(job.stack)
    steps = [
        [_ONLY_THESE],
        [_NOT_OFFERED],
        [
            "Wait some minutes, since changes are not active at once. Then run:",
            f"{VALUE}krakenstate settle {stack}",
        ],
    ]
    if closing:
        said = f"{closing} Then say that it is done:"
        steps.append([said, f"{VALUE}krakenstate task attest {ITS_ID} --stack {stack}"])
    return steps


def say_done(job: KeyJob) -> list[str]:
    """What closes a task by a person's word."""
    return [
        "Then say that it is done:",
        f"{VALUE}krakenstate task attest {ITS_ID} --stack {clean_text(job.stack)}",
    ]
