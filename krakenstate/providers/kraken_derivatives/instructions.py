"""What people click and send for Derivatives: keys in the web page, links through support.

Sources: support.kraken.com/articles/360022839451 (keys) and .../360042809671 (subaccounts), with the IP
restriction as current dialogs show it (read in August to November 2026).
"""

from __future__ import annotations

from collections.abc import Sequence

from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.providers import pages
from krakenstate.providers.base import AccountJob, KeyJob
from krakenstate.providers.kraken_derivatives import forms, links
from krakenstate.providers.layout import VALUE, document, numbered, paragraph
from krakenstate.transport.text import clean_text

_CLOSING = "If krakenstate may not ask the key from where it runs, the task stays open."


class DerivativesInstructions:
    """Click lists of the Derivatives key pages, and the tickets around links."""

    def create_key(self, job: KeyJob) -> str:
        """How to make the key, which values to choose, and what to do with the result."""
        terms = job.terms
        steps = [
            [*pages.sign_in(job), f"{_PATH}, then Create API key.", _OTHER_PATH],
            ["There is no name to type: Derivatives keys are told apart by their public half."],
            forms.level("General API", terms.general),
            forms.level("Withdrawal API", terms.transfer),
            pages.restrict_networks(terms.networks),
            [
                (
                    "Leave 2FA for this key off if the page offers it: Kraken would ask for the code on "
                    "every call, and no unattended program could use the key."
                )
            ],
            ["Generate key, and confirm with the account's 2FA. Both parts are shown once."],
            [
                (
                    "Keep the dialog open. In a terminal run the command below; it asks for both values "
                    "without showing them:"
                ),
                f"{VALUE}krakenstate key ingest {clean_text(job.address)} --stack {clean_text(job.stack)}",
                "Close the dialog only when it says so.",
            ],
        ]
        return document(pages.head("Create a Derivatives API key", job), pages.reasons(job), numbered(steps))

    def edit_key(self, job: KeyJob, changes: Sequence[AttributeChange]) -> str:
        """How to change the listed attributes of an existing key, keeping its secret."""
        wanted = [step for change in changes if (step := forms.of_change(job, change))]
        if not wanted:
            return document(
                pages.head("Derivatives API key: nothing to click", job),
                paragraph(
                    "What changes about this key is not kept at Kraken, so there is nothing to do there."
                ),
            )
        ending = pages.save(job, _CLOSING) if job.can_be_asked else pages.save_unasked(job)
        return document(
            pages.head("Edit a Derivatives API key", job),
            pages.reasons(job),
            numbered([*_find(job), ["Edit."], *wanted, *ending]),
        )

    def delete_key(self, job: KeyJob, why: str) -> str:
        """How to find and delete the key."""
        steps = [
            *_find(job),
            ["Delete this key, and confirm. Leave every other key alone."],
            ["Do not try the key afterwards: a call with a deleted key is a failed authentication."],
            pages.say_done(job),
        ]
        return document(
            pages.head("Delete a Derivatives API key", job),
            paragraph(f"Why: {clean_text(why, 300)}"),
            numbered(steps),
        )

    def correct_key(self, job: KeyJob, findings: Sequence[Finding]) -> str:
        """What to click so that a handed-in key becomes as declared."""
        wanted = [step for finding in findings if (step := forms.of_finding(job, finding))]
        return document(
            pages.head("Correct a Derivatives API key", job),
            paragraph(
                "The key was handed in and is stored, but it is not as declared, so its process does not get "
                "it yet."
            ),
            numbered([*_find(job), ["Edit."], *wanted, *pages.save(job)]),
        )

    def link_account(self, job: AccountJob) -> str:
        """The support ticket, ready to paste, with its preconditions."""
        return links.link(job)

    def unlink_account(self, job: AccountJob) -> str:
        """What to ask support for; nothing here can verify or undo a link."""
        return links.unlink(job)


_PATH = "Open the person icon (top right) > Settings > Connections & API (also API) > Futures trading API"
_OTHER_PATH = (
    "The address futures.kraken.com/trade/settings/api leads to the same keys; there it is Create Key."
)


def _find(job: KeyJob) -> list[list[str]]:
    known = (
        f"API key    ends in {clean_text(job.last_four)}"
        if job.last_four
        else f"(its public half is not known here: ask {clean_text(job.owner)})"
    )
    return [
        [*pages.sign_in(job), f"{_PATH}, to the list of keys.", _OTHER_PATH],
        ["Find the row of this key. Derivatives keys have no name; this is how to tell it:", VALUE + known],
    ]
