"""Kraken's Spot error strings and what each means here.

An error string is ``<E|W><Category>:<Text>[:detail]``, sometimes with a space after the first colon. It is
known by everything before the second colon; what follows is detail. Several can come in one answer: the most
severe is acted on. Warnings (``W``) stand beside a result and are none of our business.

Sources: docs.kraken.com/exchange/guides/general/errors and .../rest/ratelimits, support.kraken.com articles
360001491786 and "common causes of invalid key error"; the rows those lack were met by public clients (read in
August to November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from krakenstate.errors import (
    AccountRestricted,
    AuthenticationFailed,
    InvalidKey,
    InvalidNonce,
    InvalidSignature,
    KrakenError,
    KrakenUnavailable,
    NotObservable,
    PermissionDenied,
    RateLimited,
    RequestRefused,
    TemporaryLockout,
)
from krakenstate.transport.text import clean_text

_Meaning = tuple[type[KrakenError], str]

MEANINGS: dict[str, _Meaning] = {
    "EAPI:Invalid key": (
        InvalidKey,
        (
            "Kraken does not accept this key. It may be deleted, expired or disabled, made while signed "
            "in to another account, not active yet, or not admitted from this address."
        ),
    ),
    "EAPI:Invalid signature": (
        InvalidSignature,
        (
            "Kraken does not accept the signature: the private half is not the one of this key, or the "
            "key has its own two-factor code."
        ),
    ),
    "EAPI:Invalid nonce": (
        InvalidNonce,
        "The key has seen a nonce at least as large, so another program uses it or has used it.",
    ),
    "EAPI:Rate limit exceeded": (RateLimited, "The call counter of this key or account is full."),
    "EAPI:Bad request": (RequestRefused, "Kraken could not read the request."),
    "EAPI:Feature disabled": (NotObservable, "This feature is switched off for the account."),
    "EGeneral:Permission denied": (
        PermissionDenied,
        "The key is valid but lacks the permission for this call, or the account is not entitled to it.",
    ),
    "EGeneral:Invalid arguments": (RequestRefused, "A field of the request is missing or not accepted."),
    "EGeneral:Unknown method": (NotObservable, "Kraken does not offer this call to this account."),
    "EGeneral:Internal error": (KrakenUnavailable, "Kraken met an internal error."),
    "EGeneral:Temporary lockout": (
        TemporaryLockout,
        (
            "Failed authentications have locked this account, perhaps this address. Each further call "
            "starts the time anew."
        ),
    ),
    "EGeneral:Too many requests": (RateLimited, "Kraken throttles these calls."),
    "EAuth:Account temporary disabled": (AccountRestricted, "The account is disabled for now."),
    "EAuth:Account unconfirmed": (AccountRestricted, "The account's set-up is not confirmed."),
    "EAuth:Rate limit exceeded": (
        TemporaryLockout,
        "Kraken's authentication service throttles this address; asking on could lock it out.",
    ),
    "EAuth:Too many requests": (
        TemporaryLockout,
        "Kraken's authentication service throttles this address; asking on could lock it out.",
    ),
    "EAuth:Failed": (
        TemporaryLockout,
        "Kraken's authentication service fails; asking on could lock this address out.",
    ),
    "EAccount:Invalid permissions": (AccountRestricted, "The account or its region may not do this."),
    "EAccount:Too many API keys": (
        RequestRefused,
        "The account is at its limit of API keys; an unused one must be deleted first.",
    ),
    "ESession:Invalid session": (InvalidKey, "The session or token is no longer valid."),
    "EService:Unavailable": (KrakenUnavailable, "Kraken is offline or in maintenance."),
    "EService:Busy": (KrakenUnavailable, "Kraken is overloaded."),
    "EService:Deadline elapsed": (KrakenUnavailable, "Kraken did not finish in time."),
    "EService:Throttled": (RateLimited, "Too many calls at the same time."),
    "EService:Market in cancel_only mode": (KrakenUnavailable, "The market only takes cancellations now."),
    "EService:Market in post_only mode": (KrakenUnavailable, "The market only takes resting orders now."),
    "EOrder:Domain rate limit exceeded": (
        RateLimited,
        "The trading limit shared by the accounts is used up.",
    ),
}
"""By category and text."""

FAMILIES: dict[str, _Meaning] = {
    "EService": (KrakenUnavailable, "Kraken's service cannot answer now."),
    "EFunding": (RequestRefused, "Kraken refused this in its funding rules."),
    "EAuth": (
        TemporaryLockout,
        "Kraken's authentication service refused; asking on could lock this address out.",
    ),
}
"""By category alone, for texts the table does not know."""

_UNCLEAR = frozenset({"EService", "EGeneral:Internal error"})
"""After these nobody can say whether a write took effect."""

_SEVERITY: tuple[type[KrakenError], ...] = (
    TemporaryLockout,
    AuthenticationFailed,
    AccountRestricted,
    PermissionDenied,
    KrakenUnavailable,
    RateLimited,
    NotObservable,
)


@dataclass(frozen=True, slots=True)
class SpotError:
    """One error string, taken apart."""

    category: str
    text: str
    detail: str

    @classmethod
    def parse(cls, wire: str) -> SpotError:
        """``EService: Throttled: 1700000000`` → category, text and detail, each trimmed."""
        category, _, rest = wire.partition(":")
        text, _, detail = rest.partition(":")
        return cls(category.strip(), text.strip(), detail.strip())

    @property
    def name(self) -> str:
        """What it is known by: category and text."""
        return f"{self.category}:{self.text}"

    @property
    def is_warning(self) -> bool:
        """Whether it stands beside a result."""
        return self.category.startswith("W")

    @property
    def leaves_outcome_open(self) -> bool:
        """Whether a write that was answered with it may have taken effect."""
        return self.category in _UNCLEAR or self.name in _UNCLEAR

    def to_error(self) -> KrakenError:
        """Our exception for it."""
        known = MEANINGS.get(self.name) or FAMILIES.get(self.category)
        kind, meaning = known or (RequestRefused, "Kraken refused the request for a reason unknown here.")
        again_at = self._again_at()
        until = f" Ask again after {again_at:%Y-%m-%d %H:%M:%S} UTC." if again_at else ""
        error = kind(f'{meaning} Kraken says "{self._shown()}".{until}')
        if isinstance(error, RateLimited):
            error.again_at = again_at
        return error

    def _shown(self) -> str:
        text = f"{self.name}:{self.detail}" if self.detail else self.name
        return clean_text(text)

    def _again_at(self) -> datetime | None:
        """When a throttled caller may ask again, if Kraken said so."""
        if self.name != "EService:Throttled" or not self.detail.isascii() or not self.detail.isdigit():
            return None
        try:
            return datetime.fromtimestamp(int(self.detail[:15]), UTC)
        except (OverflowError, OSError, ValueError):
            return None


def read_errors(wire: Iterable[str]) -> list[SpotError]:
    """An answer's errors, most severe first; warnings left out."""
    errors = [e for e in map(SpotError.parse, wire) if not e.is_warning]
    return sorted(errors, key=lambda e: _rank(e.to_error()))


def _rank(error: KrakenError) -> int:
    return next((i for i, kind in enumerate(_SEVERITY) if isinstance(error, kind)), len(_SEVERITY))
