"""Linked Derivatives subaccounts: the support ticket, what must be true before, what comes after.

Source: support.kraken.com/articles/360042809671, Understanding Derivatives subaccounts (read in August 2026).
"""

from __future__ import annotations

from krakenstate.providers.base import AccountJob
from krakenstate.providers.layout import VALUE, document, numbered, paragraph
from krakenstate.providers.pages import inside, settle_command
from krakenstate.transport.text import clean_text

TICKET_LINE = "----- ticket -----"
_RECIPIENT = "To: Kraken Derivatives support (support.kraken.com, submit a request)"


def link(job: AccountJob) -> str:
    """The ticket that asks for a link, one per subaccount."""
    email, master = clean_text(job.email), clean_text(job.master_email)
    before = [
        [
            (
                f"{email} has signed up as a Kraken account of its own, with its own sign-in, and its "
                "mailbox can be read."
            )
        ],
        [
            (
                "That account is verified: Intermediate or Pro for a person, Pro for a business. Its "
                f"verified owner is the one of {master}."
            )
        ],
        [f"Derivatives trading is unlocked from that account: sign in as {email} and unlock it there."],
    ]
    ticket = [
        _RECIPIENT,
        f"From: {master}",
        f"Subject: Please link a Derivatives subaccount to {master}",
        "",
        "Please link the account below as a Derivatives subaccount of the account this request comes from.",
        "",
        f"Master account: {master}",
        *_references("Master", job.master_iiban, job.master_uid),
        f"Kraken account to add: {email}",
        *_references("Subaccount", job.account_iiban, job.account_uid),
        "",
        "Both accounts are verified and belong to the same owner. Derivatives trading is unlocked on the",
        "account to add. Its owner will confirm by e-mail.",
    ]
    after = [
        [
            (
                f"Sign in to support as {clean_text(job.master_name)} and send the ticket from {master}; "
                "Kraken accepts it from no other address. Add no key, secret or password."
            )
        ],
        [f"Kraken then mails {email}. Confirmation by the owner of {email} afterwards makes the link."],
        [
            f"After the confirmation this task closes by itself with the next{inside(job)}:",
            f"{VALUE}{settle_command(job)}",
        ],
    ]
    return document(
        paragraph(
            f"If {email} is linked already (futures.kraken.com/trade/subaccounts shows it), send nothing: "
            f"{settle_command(job)}{inside(job)}, sees the link and closes this task."
        ),
        _from_master(job),
        f"Link the Derivatives subaccount {clean_text(job.address)}.",
        "Before sending, all of this must be true:",
        numbered(before),
        _between_lines(ticket),
        "Then:",
        numbered(after),
    )


def unlink(job: AccountJob) -> str:
    """What to ask when a link shall end; Kraken publishes no procedure for it."""
    email, master = clean_text(job.email), clean_text(job.master_email)
    ticket = [
        _RECIPIENT,
        f"From: {master}",
        f"Subject: Can the Derivatives subaccount {email} be unlinked?",
        "",
        "We no longer need this account as a Derivatives subaccount of ours. Please tell us whether the link",
        "can be removed, and what you need from us for that.",
        "",
        f"Master account: {master}",
        *_references("Master", job.master_iiban, job.master_uid),
        f"Subaccount: {email}",
        *_references("Subaccount", job.account_iiban, job.account_uid),
    ]
    steps = [
        [
            (
                "Make sure that the subaccount has no open positions and orders, and that its funds are "
                "back on the master: withdrawals from a subaccount are blocked."
            )
        ],
        [f"Send the ticket below from {master}. Add no key, secret or password."],
        ["Keep Kraken's answer with your records."],
    ]
    return document(
        _from_master(job),
        f"Ask about unlinking the Derivatives subaccount {clean_text(job.address)}.",
        paragraph(
            "Kraken publishes no procedure and no API for this, so krakenstate treats a link as "
            "permanent. It has let go of the account in its state; the request to support is never "
            "counted as done."
        ),
        numbered(steps),
        _between_lines(ticket),
    )


def _between_lines(ticket: list[str]) -> str:
    return "\n".join([TICKET_LINE, *ticket, TICKET_LINE])


def _references(whose: str, iiban: str | None, uid: str | None) -> list[str]:
    lines = [f"{whose} IIBAN: {clean_text(iiban)}"] if iiban else []
    return [*lines, *([f"{whose} account uid: {clean_text(uid)}"] if uid else [])]


def _from_master(job: AccountJob) -> str:
    return paragraph(
        f"Sign in to: {clean_text(job.master_name)} ({clean_text(job.master_email)}), the master account - "
        "check the account switcher first."
    )
