"""Spot subaccounts: asking for one, finishing its set-up, finding out whether it exists.

Source: docs.kraken.com/exchange/guides/general/subaccounts (read in August 2026).
"""

from __future__ import annotations

from krakenstate.model.task import ITS_ID
from krakenstate.providers.base import AccountJob
from krakenstate.providers.layout import VALUE, document, numbered, paragraph
from krakenstate.transport.text import clean_text

_RULE = "----- message -----"


def request(job: AccountJob) -> str:
    """What to write to the relationship manager."""
    message = [
        _RULE,
        "To: our Kraken relationship manager",
        f"From: {clean_text(job.master_email)}",
        "Subject: Please create a Spot subaccount",
        "",
        "Please create a Spot subaccount under our account:",
        "",
        f"Master account: {clean_text(job.master_email)}",
        *([f"Master IIBAN: {clean_text(job.master_iiban)}"] if job.master_iiban else []),
        f"User name of the subaccount: {_username(job)}",
        f"E-mail of the subaccount: {clean_text(job.email)}",
        "",
        f"The owner of {clean_text(job.email)} will finish the set-up from the mail you send there.",
        _RULE,
    ]
    steps = [
        [
            (
                f"Make sure that mail to {clean_text(job.email)} arrives, and that no Kraken account "
                "uses this address yet."
            )
        ],
        ["Send the message below. Add no key, secret or password to it."],
        [
            "When Kraken has created the subaccount, say so:",
            f"{VALUE}krakenstate task attest {ITS_ID} --stack {clean_text(job.stack)}",
        ],
    ]
    return document(
        _from_master(job),
        paragraph(
            f"Ask for the Spot subaccount {clean_text(job.address)}: this master is not entitled to create "
            "subaccounts by API, so its relationship manager does."
        ),
        numbered(steps),
        "\n".join(message),
    )


def finish_setup(job: AccountJob) -> str:
    """What the owner of the mailbox does after the creation."""
    steps = [
        [f"Open the mailbox of {clean_text(job.email)} and the mail from Kraken about the new subaccount."],
        [
            (
                "Follow its link, and check that it leads to kraken.com before typing anything. Choose "
                "a password and switch on 2FA for the sign-in."
            )
        ],
        [f"Sign in once. The account switcher must show {_username(job)}."],
        [
            (
                "There is nothing to report: this task blocks nothing, and the first accepted key of "
                "the account closes it."
            )
        ],
    ]
    return document(
        f"Sign in to: {_username(job)} ({clean_text(job.email)}) - check the account switcher first.",
        f"Finish the set-up of the Spot subaccount {clean_text(job.address)}.",
        numbered(steps),
    )


def confirm(job: AccountJob) -> str:
    """How to see whether a creation whose answer never came, or was a refusal, left one."""
    stack = clean_text(job.stack)
    steps = [
        [f"Sign in to the master account and look under Subaccounts for the user name {_username(job)}."],
        [
            (
                f"Look also into the mailbox of {clean_text(job.email)}: a created subaccount gets a "
                "mail from Kraken. It can take some minutes."
            )
        ],
        [
            "Then answer with one of:",
            f"{VALUE}krakenstate task settle {ITS_ID} --created --stack {stack}",
            f"{VALUE}krakenstate task settle {ITS_ID} --absent --stack {stack}",
        ],
        [
            (
                "Say --absent only if you have looked in both places: the next plan would then propose "
                "to create it once more."
            )
        ],
    ]
    return document(
        _from_master(job),
        paragraph(
            f"Find out whether the Spot subaccount {clean_text(job.address)} exists: "
            f"{job.why_unknown or 'Kraken was asked to create it, and the answer never came'}. No API lists "
            "subaccounts, so a person has to look."
        ),
        numbered(steps),
    )


def _from_master(job: AccountJob) -> str:
    return paragraph(
        f"Sign in to: {clean_text(job.master_name)} ({clean_text(job.master_email)}), the master account - "
        "check the account switcher first."
    )


def _username(job: AccountJob) -> str:
    return clean_text(job.username or job.name)
