"""Single attributes of an existing Spot key as clicks: what is there, what it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from krakenstate.model.plan import AttributeChange
from krakenstate.model.state import Finding
from krakenstate.model.vocabulary import Permission
from krakenstate.providers.base import KeyJob
from krakenstate.providers.kraken_spot import forms
from krakenstate.providers.layout import VALUE, comma_list
from krakenstate.providers.pages import restrict_networks
from krakenstate.transport.text import clean_text

_PERMISSIONS = frozenset({"permissions"})
_NETWORKS = frozenset({"networks", "allowlist", "ip_allowlist"})
NAME = frozenset({"key_name", "name"})
_NOT_AT_KRAKEN = frozenset({"nonce_unit", "controls"})
_WORDS = {
    "key_name": "Name",
    "name": "Name",
    "expires": "Key expiration",
    "valid_until": "Key expiration",
    "query_from": "Query start date",
    "query_to": "Query end date",
    "nonce_window": "Custom nonce window",
}
_ACCOUNT = frozenset({"account", "iiban"})
_WEBSOCKET = Permission.CREATE_WS_TOKEN.value
_SHOWN_MAX = 400


def of_change(job: KeyJob, change: AttributeChange) -> list[str]:
    """One changed attribute as a step; empty if Kraken does not keep it."""
    if change.name in _NOT_AT_KRAKEN:
        return []
    if change.name in _PERMISSIONS:
        return _permissions(change)
    if change.name in _NETWORKS:
        return _networks(job, _items(change.before))
    label = _WORDS.get(change.name, clean_text(change.name))
    return [f"{label}:", *_old_and_new(_shown(change.before), _shown(change.after))]


def of_finding(job: KeyJob, finding: Finding) -> list[str]:
    """One attribute of an acceptance report as a step; empty if Kraken does not keep it."""
    if finding.attribute in _NOT_AT_KRAKEN:
        return []
    found = f"Found: {clean_text(finding.found, _SHOWN_MAX) or 'nothing'}."
    if finding.attribute in _ACCOUNT:
        return [
            (
                f"This key belongs to another account. {found} Delete it there, sign in to "
                f"{clean_text(job.account_label)} and create the key anew."
            )
        ]
    if finding.attribute in _PERMISSIONS:
        return [found, *forms.permissions(job.terms), *forms.websocket(job.terms)]
    if finding.attribute in _NETWORKS:
        return [found, *restrict_networks(job.terms.networks)]
    label = _WORDS.get(finding.attribute, clean_text(finding.attribute))
    return [f"{label}:", *_old_and_new(clean_text(finding.found, _SHOWN_MAX), clean_text(finding.declared))]


def _permissions(change: AttributeChange) -> list[str]:
    before, after = set(_items(change.before)), set(_items(change.after))
    added = set(change.added) if change.added is not None else after - before
    removed = set(change.removed) if change.removed is not None else before - after
    lines: list[str] = []
    tick, untick = forms.ticks(added), forms.ticks(removed, "[ ]")
    if tick:
        lines += ["Permissions to tick:", *tick]
    if untick:
        lines += ["Permissions to untick:", *untick]
    if lines:
        lines.append("The other permissions stay as they are.")
    if _WEBSOCKET in added:
        lines.append("WebSocket interface: off -> on.")
    if _WEBSOCKET in removed:
        lines.append("WebSocket interface: on -> off.")
    return lines


def _networks(job: KeyJob, before: Sequence[str]) -> list[str]:
    old = comma_list([clean_text(text).removesuffix("/32").removesuffix("/128") for text in before])
    return [
        "The list is now:",
        *(old or [f"{VALUE}(not known, or open)"]),
        *restrict_networks(job.terms.networks),
    ]


def _old_and_new(old: str, new: str) -> list[str]:
    return [f"{VALUE}{old or 'not set'} -> {new or 'not set'}"]


def _items(value: object) -> list[str]:
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return [str(item) for item in value]
    return [] if value is None else [str(value)]


def _shown(value: object) -> str:
    return clean_text(", ".join(_items(value)), _SHOWN_MAX)
