"""Kraken's Derivatives error words and what each means here.

The families of endpoints answer errors in their own shapes: ``/derivatives`` HTTP 200 with ``result: error``
and a word, or HTTP 400 with ``errors[]``; ``/api/auth`` HTTP 401 with ``error`` and ``message``;
``/api/history`` HTTP 401 with ``status`` and ``reason``.

Sources: docs.kraken.com/exchange/guides/futures/rest and .../introduction; ``insufficientPrivileges`` from
Kraken's own command line client (read in August to November 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from krakenstate.errors import (
    AccountRestricted,
    AuthenticationFailed,
    InvalidKey,
    InvalidNonce,
    KrakenError,
    KrakenUnavailable,
    ObjectNotFound,
    PermissionDenied,
    RateLimited,
    RequestRefused,
)
from krakenstate.transport.text import clean_text

_Meaning = tuple[type[KrakenError], str]

_REJECTED = (
    "Kraken does not accept this key: it may be deleted, a Spot key, not admitted from this address, or its "
    "private half is another key's."
)
_NOT_UNLOCKED = "Derivatives trading is not unlocked on this account, or there is no such account."
_UNAVAILABLE = "Kraken Derivatives cannot answer now."

MEANINGS: dict[str, _Meaning] = {
    "authenticationError": (InvalidKey, _REJECTED),
    "insufficientPrivileges": (
        PermissionDenied,
        "The key is valid, and its General API level is too low for this call.",
    ),
    "apiLimitExceeded": (RateLimited, "The call budget is used up; it refills within 10 seconds."),
    "nonceBelowThreshold": (InvalidNonce, "The key has seen a larger nonce, so another program uses it."),
    "nonceDuplicate": (InvalidNonce, "The key has seen this nonce, so another program uses it."),
    "accountInactive": (AccountRestricted, _NOT_UNLOCKED),
    "invalidAccount": (AccountRestricted, _NOT_UNLOCKED),
    "notFound": (ObjectNotFound, "Kraken knows no such subaccount under the account of this key."),
    "requiredArgumentMissing": (RequestRefused, "A field of the request is missing."),
    "invalidArgument": (RequestRefused, "A field of the request is not accepted."),
    "invalidAmount": (RequestRefused, "The amount is not accepted."),
    "invalidUnit": (RequestRefused, "The unit is not accepted."),
    "Json Parse Error": (RequestRefused, "Kraken could not read the request."),
    "insufficientFunds": (RequestRefused, "The funds do not suffice."),
    "Server Error": (KrakenUnavailable, _UNAVAILABLE),
    "Unavailable": (KrakenUnavailable, _UNAVAILABLE),
    "unknownError": (KrakenUnavailable, "Kraken Derivatives met an error it does not name."),
    "marketUnavailable": (KrakenUnavailable, "The market is not available now."),
}
"""By word; what follows a colon is detail."""

_BY_STATUS: dict[int, _Meaning] = {
    401: (InvalidKey, _REJECTED),
    403: (PermissionDenied, "Kraken denies this key the call."),
    404: (ObjectNotFound, "Kraken knows no such object under the account of this key."),
    429: (RateLimited, "Kraken throttles these calls."),
}

_SEVERITY: tuple[type[KrakenError], ...] = (
    AuthenticationFailed,
    AccountRestricted,
    PermissionDenied,
    KrakenUnavailable,
    RateLimited,
)


def find_error(status: int, body: Mapping[str, Any]) -> KrakenError | None:
    """The most severe error an answer speaks of, or ``None`` if it is a success.

    Args:
        status: HTTP status.
        body: The answer's object, of any family.
    """
    words = list(_words(body))
    found = [error for error in (_of_word(word) for word in words) if error]
    if found:
        return min(found, key=_rank)
    says = clean_text("; ".join(words)) if words else f"HTTP {status}"
    if status in _BY_STATUS:
        kind, meaning = _BY_STATUS[status]
    elif status >= 500:
        kind, meaning = KrakenUnavailable, _UNAVAILABLE
    elif status != 200 or words:
        kind, meaning = RequestRefused, "Kraken refused the request for a reason unknown here."
    else:
        return None
    return kind(f'{meaning} Kraken says "{says}".')


def _of_word(word: str) -> KrakenError | None:
    name = word.partition(":")[0].strip()
    known = MEANINGS.get(name)
    return known[0](f'{known[1]} Kraken says "{clean_text(word)}".') if known else None


def _words(body: Mapping[str, Any]) -> Iterator[str]:
    """Every error text of an answer, in whichever shape it came."""
    for field in ("error", "suberror"):
        if isinstance(body.get(field), str) and body[field].strip():
            yield body[field]
    listed = body.get("errors")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and isinstance(item.get("message"), str):
            yield item["message"]
        else:
            yield "an error without a message"
    if body.get("status") == "unauthorized":
        yield f"authenticationError: {body.get('reason', '')}"
    if body.get("result") == "error" and not body.get("error") and not listed:
        yield "an error without a name"


def _rank(error: KrakenError) -> int:
    return next((i for i, kind in enumerate(_SEVERITY) if isinstance(error, kind)), len(_SEVERITY))
