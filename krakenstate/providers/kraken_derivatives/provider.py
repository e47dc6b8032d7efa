"""Derivatives keys and linked subaccounts: what their API does, and the instructions for the rest."""

from __future__ import annotations

from krakenstate.errors import AnswerUnreadable, NotMaster
from krakenstate.model.credential import Credential
from krakenstate.model.terms import KeyDescription
from krakenstate.model.vocabulary import Api, SignedCall
from krakenstate.providers.base import LinkList
from krakenstate.providers.kraken_derivatives.client import DerivativesClient, unknown_switch
from krakenstate.providers.kraken_derivatives.convert import read_check, read_links, read_switch
from krakenstate.providers.kraken_derivatives.instructions import DerivativesInstructions
from krakenstate.transport.budgets import Window
from krakenstate.transport.client import HttpOrigin
from krakenstate.transport.lanes import Tariff

TARIFF = Tariff(
    budget=lambda: Window(units=500, span_s=10),
    costs={
        SignedCall.DESCRIBE_KEY: 1,
        SignedCall.LIST_LINKS: 10,
        SignedCall.READ_TRADING: 2,
        SignedCall.WRITE_TRADING: 2,
    },
    pause_s=10,
)
"""Per account. The costs of a key's self-check and of the list are not published: 1 and 10 are assumed.

Source: docs.kraken.com/exchange/guides/futures/ratelimits (read in August 2026)."""


class DerivativesProvider(DerivativesInstructions):
    """Implements ``KeyProvider``, ``LinkAdministrator`` and ``Greeter``.

    Args:
        http: Bound to the Derivatives origin.
    """

    def __init__(self, http: HttpOrigin) -> None:
        self._client = DerivativesClient(http)

    @property
    def api(self) -> Api:
        """Derivatives."""
        return Api.DERIVATIVES

    @property
    def takes_nonce(self) -> bool:
        """Asked without a ``Nonce`` header, a key in service does not notice."""
        return False

    def greet(self) -> None:
        """Makes sure, by one unsigned call, that the server answers.

        Raises:
            KrakenError: It does not.
        """
        self._client.greet()

    def describe_key(self, credential: Credential, nonce: int | None) -> KeyDescription:
        """Asks the key to describe itself, once.

        Raises:
            AuthenticationFailed: Kraken rejected the credential; never ask again by itself.
            KrakenError: Any other answer, or none.
            ValueError: A nonce was given, and none must be sent.
        """
        if nonce is not None:
            raise ValueError("Derivatives keys are asked without a nonce")
        return read_check(self._client.check_key(credential), credential)

    def list_links(self, credential: Credential, account_uid: str) -> LinkList:
        """All linked subaccounts of the master whose key this is, in one call.

        Args:
            credential: The key's both halves.
            account_uid: Of the account that the key itself names when it is asked.

        Raises:
            NotMaster: The list is another account's.
            KrakenError: The list could not be read.
        """
        found = read_links(self._client.subaccounts(credential))
        if found.master_uid != account_uid:
            raise NotMaster(
                f"The key answers for the account {account_uid}, but the list of subaccounts it "
                f"gets is the one of {found.master_uid}."
            )
        return found

    def read_trading(self, credential: Credential, account_uid: str) -> bool:
        """Whether trading is enabled on a linked subaccount.

        Raises:
            ObjectNotFound: The account is not linked to the key's.
            KrakenError: Any other answer, or none.
        """
        return read_switch(self._client.read_trading(credential, account_uid))

    def write_trading(self, credential: Credential, account_uid: str, enabled: bool) -> bool:
        """Switches trading and returns what Kraken then reports.

        Raises:
            OutcomeUnknown: No answer, or one that does not tell; reading shows what became of it.
            KrakenError: It was refused and took no effect, or it was never sent.
        """
        body = self._client.write_trading(credential, account_uid, enabled)
        try:
            return read_switch(body)
        except AnswerUnreadable as problem:
            raise unknown_switch(account_uid, enabled, problem.message) from None
