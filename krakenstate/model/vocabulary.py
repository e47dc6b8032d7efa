"""Kraken's words: platforms and calls, permissions, access levels, nonce units."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction


class Word(StrEnum):
    """One of a fixed set of words, hashed as the text that it is.

    An enumeration's own hash is a function in Python, and words are looked up many times for each key.
    """

    __hash__ = str.__hash__


class Api(Word):
    """Kraken's two platforms, each with keys of its own; a key of one does not work on the other."""

    SPOT = "spot"
    DERIVATIVES = "derivatives"


class SignedCall(StrEnum):
    """The signed calls that krakenstate makes; what each costs is its provider's to say."""

    DESCRIBE_KEY = "describe-key"
    CREATE_SUBACCOUNT = "create-subaccount"
    LIST_LINKS = "list-links"
    READ_TRADING = "read-trading"
    WRITE_TRADING = "write-trading"


class Permission(Word):
    """A Spot key's permission, in the words of ``GetApiKeyInfo``.

    Source: docs.kraken.com/api-reference/account-data/get-api-key-info (read in August 2026).
    """

    QUERY_FUNDS = "query-funds"
    ADD_FUNDS = "add-funds"
    WITHDRAW_FUNDS = "withdraw-funds"
    EARN_FUNDS = "earn-funds"
    QUERY_OPEN_TRADES = "query-open-trades"
    QUERY_CLOSED_TRADES = "query-closed-trades"
    MODIFY_TRADES = "modify-trades"
    CLOSE_TRADES = "close-trades"
    QUERY_LEDGER = "query-ledger"
    EXPORT_DATA = "export-data"
    CREATE_WS_TOKEN = "create-ws-token"  # noqa: S105 - a permission's name, not a token
    ADD_WITHDRAW_ADDRESS = "add-withdraw-address"
    UPDATE_WITHDRAW_ADDRESS = "update-withdraw-address"


MOVES_FUNDS = frozenset(
    {Permission.WITHDRAW_FUNDS, Permission.ADD_WITHDRAW_ADDRESS, Permission.UPDATE_WITHDRAW_ADDRESS}
)
"""Permissions Kraken's list makes critical: with them a leaked key can move funds out."""


class Access(Word):
    """A Derivatives key's level, for the General and for the Withdrawal API.

    Source: docs.kraken.com/api/docs/futures-api/auth/check-v-3-api-key (read in August 2026).
    """

    NO_ACCESS = "NO_ACCESS"
    READ_ONLY = "READ_ONLY"
    FULL_ACCESS = "FULL_ACCESS"

    @property
    def rank(self) -> int:
        """0 for nothing, 2 for everything, so that levels can be compared."""
        return tuple(Access).index(self)


_DOTNET_EPOCH_S = 62_135_596_800  # seconds from 0001-01-01 to 1970-01-01, proleptic Gregorian


class NonceUnit(Word):
    """What one step of a client's nonce means; ``nonce-units`` in docs/kraken.md lists common clients."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    TEN_NANOSECONDS = "ten-nanoseconds"
    NANOSECONDS = "nanoseconds"
    DOTNET_TICKS = "dotnet-ticks"
    COUNTER = "counter"

    def at(self, epoch_ns: int) -> int:
        """The nonce a client of this unit sends at an instant, rounded down so as never to be ahead.

        Args:
            epoch_ns: Nanoseconds since 1970-01-01 UTC.

        Raises:
            ValueError: The unit is ``COUNTER``, which has no relation to the clock.
        """
        per_second = _STEPS_PER_SECOND.get(self)
        if per_second is None:
            raise ValueError("a counter has no relation to the clock")
        steps = int(Fraction(epoch_ns, 1_000_000_000) * per_second)
        return steps + _DOTNET_EPOCH_S * per_second if self is NonceUnit.DOTNET_TICKS else steps


_STEPS_PER_SECOND = {
    NonceUnit.SECONDS: 1,
    NonceUnit.MILLISECONDS: 10**3,
    NonceUnit.MICROSECONDS: 10**6,
    NonceUnit.DOTNET_TICKS: 10**7,
    NonceUnit.TEN_NANOSECONDS: 10**8,
    NonceUnit.NANOSECONDS: 10**9,
}
