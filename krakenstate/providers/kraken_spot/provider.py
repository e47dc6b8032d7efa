"""Spot keys, Spot subaccounts and the clock: what their API does, and the instructions for the rest."""

from __future__ import annotations

from datetime import datetime

from krakenstate.model.credential import Credential
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.providers.kraken_spot.auth import MAX_NONCE
from krakenstate.providers.kraken_spot.client import SpotClient
from krakenstate.providers.kraken_spot.convert import read_key_info, read_time
from krakenstate.providers.kraken_spot.instructions import SpotInstructions
from krakenstate.transport.budgets import Counter
from krakenstate.transport.client import HttpOrigin
from krakenstate.transport.lanes import Tariff

TARIFF = Tariff(
    budget=lambda: Counter(maximum=15, decay_per_s=0.33),
    costs={SignedCall.DESCRIBE_KEY: 1, SignedCall.CREATE_SUBACCOUNT: 1},
    pause_s=15,
)
"""Per account, the stricter of two readings, and of the lowest tier (Starter): no API tells what tier it has.

Source: docs.kraken.com/exchange/guides/rest/ratelimits (read in August 2026)."""


class SpotProvider(SpotInstructions):
    """Implements ``KeyProvider``, ``SubaccountCreator`` and ``ServerClock``.

    Args:
        http: Bound to the Spot origin.
    """

    def __init__(self, http: HttpOrigin) -> None:
        self._client = SpotClient(http)

    @property
    def api(self) -> Api:
        """Spot."""
        return Api.SPOT

    @property
    def takes_nonce(self) -> bool:
        """Every signed Spot call moves the key's nonce."""
        return True

    def server_time(self) -> datetime:
        """Kraken's clock, to the second, in UTC.

        Raises:
            KrakenError: It could not be read.
        """
        return read_time(self._client.server_time())

    def describe_key(self, credential: Credential, nonce: int | None) -> KeyDescription:
        """Asks the key to describe itself, once.

        Raises:
            AuthenticationFailed: Kraken rejected the credential; never ask again by itself.
            KrakenError: Any other answer, or none.
            ValueError: No nonce was given, or it is none. Nothing was sent.
        """
        return read_key_info(self._client.get_api_key_info(credential, _checked(nonce)), credential)

    def create_subaccount(self, credential: Credential, nonce: int, username: str, email: str) -> None:
        """Sends the creation once; returns only when it was answered with success.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell whether it took effect.
            MayExist: It was refused as what exists already may be.
            KrakenError: It was refused and took no effect, or it was never sent.
            ValueError: The nonce is none. Nothing was sent.
        """
        self._client.create_subaccount(credential, _checked(nonce), username, email)


def _checked(nonce: int | None) -> int:
    if nonce is None or not 1 <= nonce <= MAX_NONCE:
        raise ValueError("a signed Spot call needs a nonce from 1 to 2**64 - 1")
    return nonce
