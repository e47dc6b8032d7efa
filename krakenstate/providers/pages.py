"""What the click lists of both of Kraken's web pages have in common."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from krakenstate.model.network import IPNetwork
from krakenstate.model.task import ITS_ID
from krakenstate.providers.base import AccountJob, KeyJob
from krakenstate.providers.layout import VALUE, WIDTH, comma_list, paragraph
from krakenstate.transport.text import clean_text

_ONLY_THESE = (
    "Leave everything else as it is, and do not generate a new key. Save, and confirm with the account's 2FA."
)
_NOT_OFFERED = (
    "If the page does not offer one of these fields, change nothing and tell the owner of the stack: the key "
    "then has to be replaced by a new one."
)
_REASON_MAX = 1000


def head(title: str, job: KeyJob) -> str:
    """The first lines of every click list: which account, which key, whose."""
    what = f"{clean_text(job.address)}, generation {job.generation}, on {clean_text(job.account_address)}"
    return "\n".join(
        [
            paragraph(f"Sign in to: {_account(job, ' (', ')')} - check the account switcher first."),
            "",
            paragraph(f"{title}: {what}"),
            paragraph(f"For the process {clean_text(job.process)} of {clean_text(job.owner)}."),
        ]
    )


def reasons(job: KeyJob) -> str:
    """What each right is there for; empty where the stack does not name the calls of the process."""
    if not job.reasons:
        return ""
    lines = [
        textwrap.fill(
            clean_text(line, _REASON_MAX),
            WIDTH,
            initial_indent=VALUE,
            subsequent_indent=VALUE * 2,
            break_on_hyphens=False,
        )
        for line in job.reasons
    ]
    return "\n".join(
        [paragraph(f"What {clean_text(job.process)} needs it for, by the calls it makes:"), *lines]
    )


def sign_in(job: KeyJob) -> list[str]:
    """The step that is easiest to get wrong."""
    why = "a key belongs to the account in which it is made, for good"
    return [f"Sign in at pro.kraken.com as {_account(job, ', ')}. Check the account switcher first: {why}."]


def _account(job: KeyJob, before: str, after: str = "") -> str:
    """The account's name, and its e-mail where it is known."""
    email = f"{before}{clean_text(job.account_email)}{after}" if job.account_email else ""
    return clean_text(job.account_label) + email


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


def inside(job: KeyJob | AccountJob) -> str:
    """Where the command is to be typed: from elsewhere its question is a failed authentication."""
    return f", on a machine inside {clean_text(job.site)}" if job.site else ""


def settle_command(job: KeyJob | AccountJob) -> str:
    """The command that looks at what was done, from a site that may."""
    command = f"krakenstate settle {clean_text(job.stack)}"
    return f"{command} --site {clean_text(job.site)}" if job.site else command


def save(job: KeyJob, closing: str = "") -> list[list[str]]:
    """The last steps of an edit.

    Args:
        job: The key.
        closing: When the task stays open although everything was done; empty where it closes by itself.
    """
    steps = [
        [_ONLY_THESE],
        [_NOT_OFFERED],
        [
            f"Wait some minutes, since changes are not active at once. Then run{inside(job)}:",
            f"{VALUE}{settle_command(job)}",
        ],
    ]
    if closing:
        said = f"{closing} Then say that it is done:"
        steps.append([said, f"{VALUE}krakenstate task attest {ITS_ID} --stack {clean_text(job.stack)}"])
    return steps


def save_unasked(job: KeyJob) -> list[list[str]]:
    """The last steps of an edit that no site can verify: a report from the process's host, or a word."""
    stack, address = clean_text(job.stack), clean_text(job.address)
    return [
        [_ONLY_THESE],
        [_NOT_OFFERED],
        [
            (
                "No site lies inside both the old and the new list of addresses, so krakenstate cannot ask "
                "the key. Wait some minutes, since changes are not active at once. Then run where its "
                "process lives:"
            ),
            f"{VALUE}krakenstate key verify {address} --report --stack {stack}",
            "The next settle compares what it reports. Or give your word:",
            f"{VALUE}krakenstate task attest {ITS_ID} --stack {stack}",
        ],
    ]


def say_done(job: KeyJob) -> list[str]:
    """What closes a task by a person's word."""
    return [
        "Then say that it is done:",
        f"{VALUE}krakenstate task attest {ITS_ID} --stack {clean_text(job.stack)}",
    ]
