"""What people click and send for Spot: keys in Kraken Pro's settings, subaccounts by mail.

Sources: support.kraken.com/articles/how-to-create-an-api-key-on-kraken-pro and .../360000919966 (keys),
.../360000714526 (key 2FA), .../360001148023 (nonce window) and
docs.kraken.com/exchange/guides/general/subaccounts (read in August to November 2026). No official click list
for editing a key was found; that keys can be edited without a new secret follows from ``modifiedTime`` in
docs.kraken.com/api-reference/account-data/get-api-key-info.
"""

from __future__ import annotations

from collections.abc import Sequence

from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.providers import pages
from krakenstate.providers.base import AccountJob, KeyJob
from krakenstate.providers.kraken_spot import edits, forms, subaccounts
from krakenstate.providers.layout import VALUE, document, numbered, paragraph
from krakenstate.transport.text import clean_text

_CLOSING = "If the key is in service where krakenstate may not ask it, the task stays open."


class SpotInstructions:
    """Click lists of Kraken Pro's key pages, and the letters around Spot subaccounts."""

    def create_key(self, job: KeyJob) -> str:
        """How to make the key, which values to type and tick, and what to do with the result."""
        terms = job.terms
        steps = [
            _open_list([*pages.sign_in(job)], "then Create API key."),
            forms.name(job),
            forms.permissions(terms),
            forms.websocket(terms),
            pages.restrict_networks(terms.networks),
            forms.expiry(terms),
            forms.query_dates(terms),
            forms.nonce_window(terms),
            [
                (
                    "Leave 2FA for this key off: Kraken would ask for the code on every call, and no "
                    "unattended program could use the key."
                )
            ],
            ["Generate key, and confirm with the account's 2FA. API key and private key are shown once."],
            [
                (
                    "Keep the dialog open. In a terminal run the command below; it asks for both values "
                    "without showing them:"
                ),
                f"{VALUE}krakenstate key ingest {clean_text(job.address)} --stack {clean_text(job.stack)}",
                "Close the dialog only when it says so.",
            ],
        ]
        return document(pages.head("Create a Spot API key", job), pages.reasons(job), numbered(steps))

    def edit_key(self, job: KeyJob, changes: Sequence[AttributeChange]) -> str:
        """How to change the listed attributes of an existing key, keeping its secret."""
        wanted = [step for change in changes if (step := edits.of_change(job, change))]
        named = next((str(c.before) for c in changes if c.name in edits.NAME and c.before), job.key_name)
        if not wanted:
            return document(
                pages.head("Spot API key: nothing to click", job),
                paragraph(
                    "What changes about this key is not kept at Kraken, so there is nothing to do there."
                ),
            )
        return document(
            pages.head("Edit a Spot API key", job),
            pages.reasons(job),
            numbered([*_find(job, named), ["Edit."], *wanted, *pages.save(job, _CLOSING)]),
        )

    def delete_key(self, job: KeyJob, why: str) -> str:
        """How to find and delete the key."""
        steps = [
            *_find(job, job.key_name),
            ["Delete or revoke this key, and confirm. Leave every other key alone."],
            [
                (
                    "Do not try the key afterwards: a call with a deleted key is a failed "
                    "authentication, and a few of those lock the account for 15 minutes or more."
                )
            ],
            pages.say_done(job),
        ]
        return document(
            pages.head("Delete a Spot API key", job),
            paragraph(f"Why: {clean_text(why, 300)}"),
            numbered(steps),
        )

    def correct_key(self, job: KeyJob, findings: Sequence[Finding]) -> str:
        """What to click so that a handed-in key becomes as declared."""
        wanted = [step for finding in findings if (step := edits.of_finding(job, finding))]
        named = next((f.found for f in findings if f.attribute in edits.NAME), job.key_name)
        named = (named or "").strip('"')
        return document(
            pages.head("Correct a Spot API key", job),
            paragraph(
                "The key was handed in and is stored, but it is not as declared, so its process does not get "
                "it yet."
            ),
            numbered([*_find(job, named), ["Edit."], *wanted, *pages.save(job)]),
        )

    def request_subaccount(self, job: AccountJob) -> str:
        """How to ask the relationship manager, where the account is not entitled to the call."""
        return subaccounts.request(job)

    def finish_email_setup(self, job: AccountJob) -> str:
        """What the owner of the new subaccount's mailbox does."""
        return subaccounts.finish_setup(job)

    def confirm_created(self, job: AccountJob) -> str:
        """How a person finds out whether a creation with unknown outcome took effect."""
        return subaccounts.confirm(job)


def _open_list(lines: list[str], then: str) -> list[str]:
    path = 'Open the person icon (top right) > Settings > API (also "Connections & API") > Spot trading API'
    return [*lines, f"{path}, {then} The address kraken.com/u/security/api leads there too."]


def _find(job: KeyJob, named: str | None) -> list[list[str]]:
    known = [f"{VALUE}name       {clean_text(named)}"] if named else []
    if job.last_four:
        known.append(f"{VALUE}API key    ends in {clean_text(job.last_four)}")
    if not known:
        known.append(f"{VALUE}(neither name nor API key is known here: ask {clean_text(job.owner)})")
    both = " Both must fit." if len(known) > 1 else ""
    return [
        _open_list(pages.sign_in(job), "to the list of keys."),
        [f"Find the row of this key.{both}", *known],
    ]
