"""The fields of Kraken Pro's key dialog, one step each, with the exact values of a declaration.

Source: support.kraken.com/articles/how-to-create-an-api-key-on-kraken-pro (read in August 2026); the names of
the switches as current dialogs show them (read in November 2026).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Permission
from krakenstate.providers.base import KeyJob
from krakenstate.providers.kraken_spot.convert import WEB_PAGE
from krakenstate.providers.layout import VALUE
from krakenstate.transport.text import clean_text

NOT_MANAGED = "not managed: your choice."


def name(job: KeyJob) -> list[str]:
    """The name, exactly."""
    if not job.key_name:
        return [f"Name: {NOT_MANAGED} It must differ from the account's other keys."]
    return ["Name, exactly:", VALUE + clean_text(job.key_name)]


def ticks(words: Collection[str], mark: str = "[x]") -> list[str]:
    """Permissions by the columns of the page, each with a mark; words the page has no name for come last."""
    lines: list[str] = []
    column = ""
    for permission, tick in WEB_PAGE.items():
        if permission.value not in words:
            continue
        if tick.column != column:
            column = tick.column
            lines.append(f"{VALUE}{column}")
        lines.append(f"{VALUE}  {mark} {tick.words}")
    other = sorted(set(words) - {p.value for p in WEB_PAGE} - {Permission.CREATE_WS_TOKEN.value})
    if other:
        lines.append(f"{VALUE}Not in the published list; look for it in the dialog")
        lines.extend(f"{VALUE}  {mark} {clean_text(word)}" for word in other)
    return lines


def permissions(terms: KeyTerms) -> list[str]:
    """What to tick, in the page's own words."""
    if terms.permissions is None:
        return [f"Permissions: {NOT_MANAGED}"]
    listed = ticks(terms.permissions)
    if not listed:
        return ["Permissions: tick nothing. Everything stays unticked."]
    return ["Permissions:", *listed, "Everything else stays unticked."]


def websocket(terms: KeyTerms) -> list[str]:
    """The switch that stands apart from the other permissions."""
    if terms.permissions is None:
        return [f"WebSocket interface: {NOT_MANAGED}"]
    return [f"WebSocket interface: {'on' if Permission.CREATE_WS_TOKEN in terms.permissions else 'off'}."]


def expiry(terms: KeyTerms) -> list[str]:
    """The day on which the key ends."""
    if terms.expires is None:
        return [f"Key expiration: {NOT_MANAGED}"]
    return [f"Key expiration: on. {terms.expires.isoformat()}, any time that day."]


def query_dates(terms: KeyTerms) -> list[str]:
    """From when to when the key may read history."""
    if terms.query_from is None and terms.query_to is None:
        return [f"Query start date and query end date: {NOT_MANAGED}"]
    return [
        f"Query start date: {_day(terms.query_from)}",
        f"Query end date: {_day(terms.query_to)}",
    ]


def nonce_window(terms: KeyTerms) -> list[str]:
    """Off unless a window is declared: it lets late calls through, in the unit of the client's nonces."""
    if not terms.nonce_window:
        return ["Custom nonce window: leave off."]
    return [f"Custom nonce window: on. Exactly {terms.nonce_window}."]


def _day(day: date | None) -> str:
    return NOT_MANAGED if day is None else f"{day.isoformat()}, any time that day."
