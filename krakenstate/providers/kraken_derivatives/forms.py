"""The fields of the Derivatives key dialog, for a new key and for one that changes.

Source: support.kraken.com/articles/360022839451 (read in August 2026); the newer dialog with IP restriction
as it is shown in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable

from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.model.vocabulary import Access
from krakenstate.providers.base import KeyJob
from krakenstate.providers.kraken_derivatives.convert import WEB_PAGE
from krakenstate.providers.layout import VALUE, comma_list
from krakenstate.providers.pages import restrict_networks
from krakenstate.transport.text import clean_text

_LEVELS = {"general": "General API", "transfer": "Withdrawal API"}
_NETWORKS = frozenset({"networks", "allowlist", "ip_allowlist"})
_NOT_AT_KRAKEN = frozenset({"key_name", "name", "nonce_unit", "controls"})
_ACCOUNT = frozenset({"account", "account_uid", "iiban"})
_SHOWN_MAX = 400


def level(label: str, access: Access | None) -> list[str]:
    """A level, as the page calls it."""
    if access is None:
        return [f"{label}: not managed: your choice."]
    return [f"{label}: {WEB_PAGE[access]}."]


def of_change(job: KeyJob, change: AttributeChange) -> list[str]:
    """One changed attribute as a step; empty if Kraken does not keep it."""
    if change.name in _NOT_AT_KRAKEN:
        return []
    if change.name in _NETWORKS:
        before = [clean_text(t).removesuffix("/32").removesuffix("/128") for t in _items(change.before)]
        old = comma_list(before) or [f"{VALUE}(not known, or open)"]
        return ["The list is now:", *old, *restrict_networks(job.terms.networks)]
    label = _LEVELS.get(change.name, clean_text(change.name))
    return [f"{label}:", f"{VALUE}{_shown(change.before)} -> {_shown(change.after)}"]


def of_finding(job: KeyJob, finding: Finding) -> list[str]:
    """One attribute of an acceptance report as a step; empty if Kraken does not keep it."""
    if finding.attribute in _NOT_AT_KRAKEN:
        return []
    found = _shown(finding.found)
    if finding.attribute in _ACCOUNT:
        return [
            (
                f"This key belongs to another account. Found: {found}. Delete it there, sign in to "
                f"{clean_text(job.account_label)} and create the key anew."
            )
        ]
    if finding.attribute in _NETWORKS:
        return [f"Found: {found}.", *restrict_networks(job.terms.networks)]
    label = _LEVELS.get(finding.attribute, clean_text(finding.attribute))
    return [f"{label}:", f"{VALUE}{found} -> {_shown(finding.declared)}"]


def _items(value: object) -> list[str]:
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return [str(item) for item in value]
    return [] if value is None else [str(value)]


def _shown(value: object) -> str:
    words = {access.value: text for access, text in WEB_PAGE.items()}
    return clean_text(", ".join(words.get(item, item) for item in _items(value)), _SHOWN_MAX) or "not set"
